"""One caller: their character, what they wait for, at most one running turn; and how it all ends."""

import unicodedata
import uuid
from collections.abc import Awaitable
from functools import partial
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskGroup
from msgspec import UNSET

from conversation.character import Character
from conversation.single_error import single_error
from server import wire
from server.auth import Caller
from server.backend import Backend
from server.caller_history import CallerHistory
from server.connection import Connection, ConnectionLost, HangUp
from server.inbox import Inbox, Job
from server.message_reader import MessageReader
from server.served_turn import ServedTurn

log = structlog.get_logger()

# Formatting characters that can make a text read backwards or hide in it: no part of what a person says.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Handler(Protocol):
    """What is done with a message: server/message_handlers.py."""

    def __call__(self, session: "Session", message: wire.AnyClientMessage) -> Awaitable[None]:
        """Must return soon: the reader waits for it, and a `ping` behind it too."""
        ...


class Session:
    """One connection of one caller.

    More attributes than the house likes: the last four are the handles by which others end it.
    """

    def __init__(
        self,
        backend: Backend,
        connection: Connection,
        caller: Caller,
        character: Character,
        extensions: frozenset[wire.Extension],
    ) -> None:
        self.id = uuid.uuid4().hex
        self.last_heard = anyio.current_time()
        self._backend = backend
        self._connection = connection
        self._caller = caller
        self._character = character
        self._extensions = extensions
        self._reader = MessageReader(connection, backend.config.limits, backend.rates, self.id, extensions)
        self._history = CallerHistory(backend.history, caller.token_hash, connection.send)
        self._inbox = Inbox(backend.config.limits.queued_messages)
        self._turns = 0
        self._tasks: TaskGroup
        self._scope = anyio.CancelScope()
        self._end: HangUp | None = None
        self._gone = anyio.Event()

    # ------------------------------------------------------------ from beginning to end

    async def run(self, handler: Handler, *, asked_for_extensions: bool) -> None:
        """Greet, then serve until either side ends it. On return nothing of the session runs any more."""
        try:
            with self._scope:
                await self._serve(handler, asked_for_extensions)
        except ConnectionLost:
            pass
        except HangUp as end:
            self._end = self._end or end
        finally:
            try:
                if self._end is not None:
                    await self._connection.hang_up(self._end.farewell, self._end.code)
            finally:
                self._connection.fence()
                self._gone.set()

    async def _serve(self, handler: Handler, asked_for_extensions: bool) -> None:
        with single_error():
            async with anyio.create_task_group() as self._tasks:
                await self.send(
                    wire.Connected(
                        self._character.name,
                        self._character.display_name,
                        extensions=tuple(sorted(self._extensions)) if asked_for_extensions else UNSET,
                        session_id=self.id if asked_for_extensions else UNSET,
                    )
                )
                while True:
                    message = await self._reader.next()
                    self.last_heard = anyio.current_time()
                    if message is not None:
                        await handler(self, message)

    async def end(self, end: HangUp) -> None:
        """Stop at once: nothing more is sent but the farewell, what was said is kept. Returns when it is so."""
        self._end = self._end or end
        self._connection.fence()
        self._scope.cancel()
        await self._gone.wait()

    async def finish(self, end: HangUp) -> None:
        """Let the running turn come to its end, then stop."""
        await self._inbox.finish()
        await self.end(end)

    # ------------------------------------------------------------ what a caller may ask

    async def send(self, message: wire.AnyServerMessage) -> None:
        """To the caller; see Connection.send."""
        await self._connection.send(message)

    async def refuse(self, code: wire.ErrorCode, sentence: str, *, retryable: bool = False) -> None:
        """Answer with an error; the connection is kept."""
        await self.send(wire.Error(sentence, code, retryable))

    async def say(self, content: str) -> None:
        """Text of the caller: a turn, as soon as those before it are done."""
        limit = self._backend.config.limits.max_message_chars
        text = "".join(
            char for char in content if char in "\n\t" or (unicodedata.category(char) != "Cc" and char not in _BIDI)
        ).strip()
        if not text:
            await self.refuse("empty_message", "message.content has no text in it")
        elif len(text) > limit:
            await self.refuse(
                "message_too_long", f"message.content has {len(text)} characters; at most {limit} are taken"
            )
        elif (wait_ms := self._backend.rates.retry_after_ms("turns", self._caller.token_hash)) is not None:
            await self._slow_down(wait_ms)
        else:
            await self._submit(partial(self._talk, text, anyio.current_time()))

    async def switch_character(self, name: str) -> None:
        """Another character, after what waits."""
        await self._submit(partial(self._switch, name))

    async def clear_history(self) -> None:
        """Forget the talk with the character of that moment, after what waits."""
        await self._submit(self._clear)

    async def show_history(self, limit: int, before: int | None) -> None:
        """Extension `history`."""
        await self._history.show(self._character.name, limit, before)

    # ------------------------------------------------------------ jobs, one at a time

    async def _submit(self, job: Job) -> None:
        if not self._inbox.submit(partial(self._guarded, job), self._tasks):
            await self.refuse("busy", "Too many messages wait for an answer; send this one again later", retryable=True)

    async def _guarded(self, job: Job) -> None:
        """The border of a turn: a defect of ours ends the job, not the session."""
        try:
            await job()
        except (ConnectionLost, HangUp):
            raise
        except Exception:
            ref = uuid.uuid4().hex[:12]
            log.exception("incident", ref=ref, token=self._caller.label)
            await self.send(
                wire.Error(f"Something went wrong on our side (incident {ref})", "internal", retryable=True, ref=ref)
            )

    async def _talk(self, text: str, received_at: float) -> None:
        self._turns += 1
        turn = ServedTurn(
            self._backend,
            self.send,
            self._extensions,
            self._history,
            self._character,
            self._turns,
            received_at,
        )
        await turn.run(text, "text")

    async def _switch(self, name: str) -> None:
        character = self._backend.characters.find(name)
        if character is None:
            await self.refuse("unknown_character", unknown_character(self._backend))
            return
        self._character = character
        await self.send(
            wire.CharacterSwitched(character.name, character.display_name, f"Switched to character: {character.name}")
        )

    async def _clear(self) -> None:
        await self._history.clear(self._character.name)

    async def _slow_down(self, wait_ms: int) -> None:
        """Too many turns: say so, and hang up on one who does not listen."""
        refusal = wire.Error("Too many messages; slow down", "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._backend.rates.retry_after_ms("refused_turns", self.id) is not None:
            raise HangUp(refusal, wire.CLOSE_RATE_LIMITED)
        await self.send(refusal)


def unknown_character(backend: Backend) -> str:
    """The sentence for a name that is nobody's."""
    names = ", ".join(character.name for character in backend.characters.all())
    return f"There is no such character; there are: {names}"
