"""What a caller asks of their character in; turns, switches and answers out, one after the other."""

import unicodedata
from functools import partial

import anyio
import structlog
from anyio.abc import TaskGroup

from conversation.character import Character
from server import wire
from server.auth import Caller
from server.backend import Backend
from server.caller_history import CallerHistory
from server.connection import Connection, ConnectionLost, HangUp
from server.inbox import Inbox, Job
from server.incidents import incident
from server.served_turn import ServedTurn

log = structlog.get_logger()

# Formatting characters that can make a text read backwards or hide in it: no part of what a person says.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Talk:
    """One caller and one character at a time."""

    def __init__(
        self,
        backend: Backend,
        connection: Connection,
        caller: Caller,
        character: Character,
        extensions: frozenset[wire.Extension],
    ) -> None:
        self.character = character
        self._backend = backend
        self._connection = connection
        self._caller = caller
        self._extensions = extensions
        self._history = CallerHistory(backend.history, caller.token_hash, connection.send)
        self._inbox = Inbox(backend.config.limits.queued_messages)
        self._turns = 0
        self._tasks: TaskGroup

    def begin(self, tasks: TaskGroup) -> None:
        """Turns run in this task group from now on."""
        self._tasks = tasks

    async def say(self, content: str) -> None:
        """Text of the caller: a turn, as soon as those before it are done."""
        limit = self._backend.config.limits.max_message_chars
        text = visible_text(content)
        if not text:
            await self._connection.refuse("empty_message", "message.content has no text in it")
        elif len(text) > limit:
            too_long = f"message.content has {len(text)} characters; at most {limit} are taken"
            await self._connection.refuse("message_too_long", too_long)
        elif self._inbox.has_room and (wait_ms := self._wait_ms("turns")) is not None:
            await self._slow_down(wait_ms)
        else:
            await self._submit(partial(self._take_turn, text, anyio.current_time()))

    async def switch_character(self, name: str) -> None:
        """Another character, after what waits."""
        await self._submit(partial(self._switch, name))

    async def clear_history(self) -> None:
        """Forget the talk with the character of that moment, after what waits."""
        await self._submit(lambda: self._history.clear(self.character.name))

    async def show_history(self, limit: int, before: int | None) -> None:
        """Extension `history`."""
        await self._history.show(self.character.name, limit, before)

    async def finish(self) -> None:
        """Let what runs come to its end; what waits is dropped."""
        await self._inbox.finish()

    async def _submit(self, job: Job) -> None:
        if not self._inbox.submit(partial(_guarded, job, self._connection, self._caller), self._tasks):
            full = "Too many messages wait for their answer; send this one again later"
            await self._connection.refuse("busy", full, retryable=True)

    async def _take_turn(self, text: str, received_at: float) -> None:
        self._turns += 1
        turn = ServedTurn(
            self._backend,
            self._connection.send,
            self._extensions,
            self._history,
            self.character,
            self._turns,
            received_at,
        )
        await turn.run(text, "text")

    async def _switch(self, name: str) -> None:
        character = self._backend.characters.find(name)
        if character is None:
            await self._connection.refuse("unknown_character", self._backend.characters.unknown())
            return
        self.character = character
        switched = f"Switched to character: {character.name}"
        await self._connection.send(wire.CharacterSwitched(character.name, character.display_name, switched))

    async def _slow_down(self, wait_ms: int) -> None:
        """Too many turns: say so, and hang up on one who does not listen."""
        refusal = wire.Error("Too many messages; slow down", "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._wait_ms("refused_turns") is not None:
            raise HangUp(refusal, wire.CLOSE_RATE_LIMITED)
        await self._connection.send(refusal)

    def _wait_ms(self, limit: str) -> int | None:
        return self._backend.rates.retry_after_ms(limit, self._caller.token_hash, anyio.current_time())


async def _guarded(job: Job, connection: Connection, caller: Caller) -> None:
    """The border of a turn: a defect of ours ends the job, not the session."""
    try:
        await job()
    except (ConnectionLost, HangUp):
        raise
    except Exception:
        await connection.send(incident(caller=caller.label))


def visible_text(content: str) -> str:
    """What a person wrote, without control characters and those that hide or turn text around."""
    kept = "".join(
        char
        for char in content
        if char in "\n\t" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _BIDI)
    )
    if all(unicodedata.category(char)[0] in "ZC" for char in kept):  # spaces of every kind, and what has no width
        return ""
    return kept.strip()
