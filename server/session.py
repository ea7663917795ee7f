"""The life of one connected caller: from `connected` to the last frame, whoever ends it."""

import uuid
from collections.abc import Awaitable
from typing import Protocol

import anyio
from msgspec import UNSET

from conversation.character import Character
from conversation.single_error import single_error
from server import wire
from server.auth import Caller
from server.backend import Backend
from server.connection import Connection, ConnectionLost, HangUp
from server.message_reader import MessageReader
from server.talk import Talk


class Handler(Protocol):
    """What is done with a message: server/message_handlers.py."""

    def __call__(self, session: "Session", message: wire.AnyClientMessage) -> Awaitable[None]:
        """Must return soon: the reader waits for it, and a `ping` behind it too."""
        ...


class Session:
    """One connection of one caller: a reader, and at most one turn (server/talk.py). It ends exactly once."""

    def __init__(
        self,
        backend: Backend,
        connection: Connection,
        caller: Caller,
        character: Character,
        extensions: frozenset[wire.Extension],
    ) -> None:
        self.id = uuid.uuid4().hex
        self.connection = connection
        self.talk = Talk(backend, connection, caller, character, extensions)
        self.last_heard = anyio.current_time()
        self._extensions = extensions
        self._reader = MessageReader(connection, backend.config.limits, backend.rates, self.id, extensions)
        self._scope = anyio.CancelScope()
        self._end: HangUp | None = None
        self._gone = anyio.Event()

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
                    await self.connection.hang_up(self._end)
            finally:
                self.connection.fence()
                self._gone.set()

    async def _serve(self, handler: Handler, asked_for_extensions: bool) -> None:
        character = self.talk.character
        with single_error():
            async with anyio.create_task_group() as tasks:
                self.talk.begin(tasks)
                await self.connection.send(
                    wire.Connected(
                        character.name,
                        character.display_name,
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
        self.connection.fence()
        self._scope.cancel()
        await self._gone.wait()

    async def finish(self, end: HangUp) -> None:
        """Let the running turn come to its end, then stop."""
        await self.talk.finish()
        await self.end(end)
