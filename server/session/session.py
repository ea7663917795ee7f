"""The life of one connected user: from `connected` to the last frame, whoever ends it."""

from collections.abc import Awaitable
from typing import Protocol

import anyio

from conversation.single_error import single_error
from server.protocol import wire
from server.session.modes.build import Modes
from server.session.requests import Requests
from server.transport.connection import Connection, ConnectionLost, HangUp
from server.transport.message_reader import MessageReader


class Handler(Protocol):
    """What is done with a message: server/message_handlers.py."""

    def __call__(self, session: "Session", message: wire.AnyClientFrame) -> Awaitable[None]:
        """Must return soon: the reader waits for it, and a `ping` behind it too."""
        ...


class Session:
    """One connection of one user: a reader, and what it hands each message to. It ends exactly once."""

    def __init__(self, connection: Connection, reader: MessageReader, requests: Requests, modes: Modes) -> None:
        self.connection = connection
        self.modes = modes
        self.last_heard = anyio.current_time()
        self._requests = requests
        self._reader = reader
        self._scope = anyio.CancelScope()
        self._end: HangUp | None = None
        self._gone = anyio.Event()

    async def run(self, greeting: wire.Connected, handler: Handler) -> None:
        """Greet, then serve until either side ends it. On return nothing of the session runs any more."""
        try:
            with self._scope:
                await self._serve(greeting, handler)
        except ConnectionLost:
            pass
        except HangUp as end:
            self._end = self._end or end
        finally:
            try:
                if self._end is not None:
                    await self.connection.hang_up(self._end, self.modes.turns.left_open())
            finally:
                self.connection.fenced = True
                self._gone.set()

    async def _serve(self, greeting: wire.Connected, handler: Handler) -> None:
        with single_error():
            async with anyio.create_task_group() as tasks:
                self._requests.begin(tasks)
                await self.connection.send(greeting)
                while True:
                    message = await self._reader.next()
                    self.last_heard = anyio.current_time()
                    if message is not None:
                        await handler(self, message)
                    del message  # it may be a recording, and the next one may be long in coming

    def look_up(self) -> None:
        """End it where the other end is gone while a message is being handled: no vendor is paid for who has left."""
        if self.connection.lost_unnoticed:
            self.connection.fenced = True
            self._scope.cancel()

    async def end(self, end: HangUp) -> None:
        """Stop at once: nothing more is sent but the farewell, what was said is kept. Returns when it is so."""
        self._end = self._end or end
        self.connection.fenced = True
        self._scope.cancel()
        await self._gone.wait()

    async def finish(self, end: HangUp) -> None:
        """Let the running turn come to its end, then stop."""
        await self.modes.voice.hang_up()
        await self._requests.finish()
        await self.end(end)
