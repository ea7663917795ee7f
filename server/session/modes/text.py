"""What a user types or chooses in: messages, switches of character, forgetting, looking back; each is answered."""

from functools import partial

import anyio

from conversation.timeline import Timeline
from conversation.user_text import visible_text
from server.backend import Backend
from server.protocol import wire
from server.session.requests import Requests
from server.session.turns import Turns

_LOOKED_AT = 4  # a text so many times as long as may be is not even searched for what can be seen in it


class TextMode:
    """Needs no voice mode, and works beside agent mode too."""

    def __init__(self, backend: Backend, requests: Requests, turns: Turns) -> None:
        self._characters = backend.characters
        self._max_chars = backend.config.limits.max_message_chars
        self._requests = requests
        self._turns = turns

    async def answer(self, content: str) -> None:
        """With a turn, as soon as those before it are done."""
        beyond = len(content) > _LOOKED_AT * self._max_chars
        text = content if beyond else visible_text(content)
        if not text:
            await self._requests.connection.refuse("empty_message", "message.content has no text in it")
        elif len(text) > self._max_chars:
            too_long = f"message.content has {len(text)} characters; at most {self._max_chars} are taken"
            await self._requests.connection.refuse("message_too_long", too_long)
        elif await self._requests.allows_turn():
            await self._requests.submit(partial(self._turns.answer, text, "text", Timeline(anyio.current_time())))

    async def switch_character(self, name: str) -> None:
        """Another character, after what waits."""
        await self._requests.submit(partial(self._switch, name))

    async def clear_history(self) -> None:
        """Forget what was said with the character of that moment, after what waits."""
        await self._requests.submit(lambda: self._turns.history.clear(self._turns.character.name))

    async def show_history(self, limit: int, before: int | None) -> None:
        """Extension `history`; at once."""
        await self._turns.history.show(self._turns.character.name, limit, before)

    async def _switch(self, name: str) -> None:
        character = self._characters.find(name)
        if character is None:
            await self._requests.connection.refuse("unknown_character", self._characters.unknown())
            return
        self._turns.character = character
        switched = f"Switched to character: {character.name}"
        await self._requests.connection.send(wire.CharacterSwitched(character.name, character.display_name, switched))
