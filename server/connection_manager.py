"""The live sessions of this process: how many may come, one connection per token, and how they all leave."""

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Protocol

import anyio
from msgspec import UNSET

from server.auth import is_loopback, one_party
from server.config import LimitsConfig
from server.overload import Overload
from server.protocol import close_codes
from server.protocol.wire import Disconnected, Error
from server.quantities import counted
from server.transport.connection import Connection, HangUp
from stores.presence import Presence

_BUSY_RETRY_MS = 5_000
# Reconnects after a shutdown are spread over this, so that they do not all come at once.
_RECONNECT_SPREAD_MS = 10_000
# Who vanishes while nothing more of theirs is read is noticed within this.
_LOOK_UP_S = 0.25


class LiveSession(Protocol):
    """What the manager needs of a session: server/session/session.py."""

    last_heard: float
    connection: Connection

    def look_up(self) -> None:
        """End where the other end is gone and this one has not noticed."""
        ...

    async def end(self, end: HangUp) -> None:
        """Stop at once; on return it can send no more."""
        ...

    async def finish(self, end: HangUp) -> None:
        """Stop after the running turn."""
        ...


class ConnectionManager:
    """Who is here. `draining`: the server is on its way out and takes nobody in."""

    def __init__(self, presence: Presence, limits: LimitsConfig, overload: Overload) -> None:
        self.draining = False
        self._overload = overload
        self._presence = presence
        self._limits = limits
        self._sessions: set[LiveSession] = set()
        self._strangers: dict[Connection, str] = {}  # and where they come from
        self._told: set[str] = set()

    @contextmanager
    def unauthenticated(self, connection: Connection) -> Iterator[None]:
        """A place for a socket until it has said who it is.

        Raises:
            HangUp: there is none.
        """
        if self.draining:
            raise _shutting_down()
        if self._is_full_for(connection.address):
            raise _busy("The server is full", _BUSY_RETRY_MS)
        if self._overload.is_busy:
            raise _busy("The server is busy", _BUSY_RETRY_MS + self._overload.retry_after_ms())
        self._strangers[connection] = one_party(connection.address)
        try:
            yield
        finally:
            del self._strangers[connection]

    def _is_full_for(self, address: str | None) -> bool:
        limits, strangers = self._limits, len(self._strangers)
        if strangers >= limits.unauthenticated or strangers + len(self._sessions) >= limits.connections:
            return True
        if not limits.unauthenticated_per_address or is_loopback(address):
            return False
        return list(self._strangers.values()).count(one_party(address)) >= limits.unauthenticated_per_address

    def is_news(self, what: str) -> bool:
        """Whether this was not told before: for warnings that one client could repeat for ever."""
        known = what in self._told
        self._told.add(what)
        return not known

    @asynccontextmanager
    async def claimed(self, session: LiveSession, token_hash: str) -> AsyncIterator[None]:
        """The token is this session's: whoever had it before has left, and can no longer send.

        Raises:
            HangUp: the server began to drain meanwhile.
        """
        if self.draining:
            raise _shutting_down()
        self._sessions.add(session)
        try:
            claim = await self._presence.claim(token_hash, partial(session.end, _replaced()))
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    await self._presence.release(claim)
        finally:
            self._sessions.discard(session)

    async def drain(self, seconds: float) -> None:
        """Take nobody in, let running turns end for so long, then say good-bye to all."""
        self.draining = True
        with anyio.move_on_after(seconds):
            async with anyio.create_task_group() as tasks:
                for stranger in self._strangers:
                    tasks.start_soon(stranger.hang_up, _shutting_down())
                for session in self._sessions:
                    tasks.start_soon(session.finish, _shutting_down())
        async with anyio.create_task_group() as tasks:
            for session in self._sessions:
                tasks.start_soon(session.end, _shutting_down())

    async def end_lost(self) -> None:
        """For ever: end whoever has left without being heard, because what they sent before is still gone through."""
        while True:
            await anyio.sleep(_LOOK_UP_S)
            for session in self._sessions:
                if not session.connection.receives:  # few: who has nothing to say is received from
                    session.look_up()

    async def end_idle(self) -> None:
        """For ever: end whoever has said nothing for `idle_minutes`. One task for all of them."""
        idle_s = self._limits.idle_minutes * 60
        if not idle_s:
            return
        while True:
            await anyio.sleep(min(30.0, idle_s / 4))
            silent_since = anyio.current_time() - idle_s
            async with anyio.create_task_group() as tasks:
                for session in self._sessions:
                    if session.last_heard < silent_since:
                        tasks.start_soon(session.end, _idle(self._limits.idle_minutes))


def _replaced() -> HangUp:
    sentence = "Another client connected with the same token"
    return HangUp(Disconnected("new_connection", sentence, UNSET), close_codes.REPLACED)


def _busy(why: str, retry_after_ms: int) -> HangUp:
    return HangUp(Error(why, "server_busy", retryable=True, retry_after_ms=retry_after_ms), close_codes.SERVER_BUSY)


def _shutting_down() -> HangUp:
    wait_ms = random.randint(0, _RECONNECT_SPREAD_MS)
    return HangUp(Disconnected("server_shutdown", "The server is shutting down", wait_ms), close_codes.SHUTDOWN)


def _idle(minutes: float) -> HangUp:
    return HangUp(
        Error(f"Nothing was heard for {counted(minutes, 'minute')}", "idle", retryable=True), close_codes.IDLE
    )
