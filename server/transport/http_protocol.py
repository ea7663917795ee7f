"""One HTTP connection: uvicorn's, which is handed one whole head after the other and never more than is allowed."""

import asyncio
import sys
import time
from asyncio import TimerHandle
from collections import Counter, deque
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.config import LimitsConfig
from server.transport.http_head import BadHead, HeadBuffer
from server.transport.security_headers import HEADERS

# How long the head of a request may take, from its first byte; and a new connection, to begin with one.
_HEAD_S = 5.0
# How long a connection that was refused may go on sending, to nobody: closed over unread data, it loses its answer. So
# often a piece of that is read and thrown away.
LINGER_S = 1.0
_DISCARD_EVERY_S = 0.002
_TURN_S = 0.005  # of strangers, in one turn of the loop
_MOST_DESCRIPTORS = 0.95  # of those this process may have: the rest is for the database, the vendors and the log
_HEADERS = b"".join(b"%s: %s\r\n" % header for header in HEADERS)


class Deadline:
    """Something that must come to pass in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: TimerHandle | None = None

    @property
    def runs(self) -> bool:
        """Whether it is waited for."""
        return self._timer is not None

    def begin(self, seconds: float, too_late: Callable[[], None]) -> None:
        """Wait for so long, where nobody waits yet."""
        if self._timer is None:
            self._timer = self._loop.call_later(seconds, self._pass, too_late)

    def end(self) -> None:
        """It came, or is not waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _pass(self, too_late: Callable[[], None]) -> None:
        self._timer = None
        too_late()


class Turnstile:
    """What strangers make the loop do, one after the other: so long in one turn of it, and the others have theirs."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_open = False

    def enter(self, loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
        """Do it in a later turn. Whoever enters reads nothing more until then."""
        self._waiting.append(work)
        if not self._is_open:
            self._is_open = True
            loop.call_soon(self._let_in, loop)

    def _let_in(self, loop: asyncio.AbstractEventLoop) -> None:
        end = time.monotonic() + _TURN_S
        try:
            for _ in range(len(self._waiting)):  # who enters meanwhile comes in the next turn
                work = self._waiting.popleft()
                work()
                if time.monotonic() >= end:  # the loop's own clock stands still within a turn
                    break
        finally:
            self._is_open = bool(self._waiting)
            if self._is_open:
                loop.call_soon(self._let_in, loop)


class Newcomers:
    """How many sockets of each address speak HTTP, or nothing yet. Of this machine all, in any number."""

    def __init__(self, limits: LimitsConfig) -> None:
        self.limits = limits
        self._addresses: dict[asyncio.BaseProtocol, str] = {}
        self._of: Counter[str] = Counter()

    def come(self, who: asyncio.BaseProtocol, address: str, connections: int) -> bool:
        """One more; whether there is room, beside `connections` of all kinds."""
        self._addresses[who] = address
        self._of[address] += 1
        most = self.limits.unauthenticated_per_address
        own = self._of[address] <= most or not most or ip_address(address).is_loopback
        return own and connections <= self.limits.connections + self.limits.unauthenticated

    def leave(self, who: asyncio.BaseProtocol) -> None:
        """It is gone, or a WebSocket, which has limits of its own."""
        address = self._addresses.pop(who, None)
        if address is not None:
            self._of[address] -= 1
            if not self._of[address]:
                del self._of[address]


class PatientHttp(HttpToolsProtocol):
    """One request at a time, each with a limit on its head, on the patience for it and on that for its answer."""

    def __init__(self, newcomers: Newcomers, turnstile: Turnstile, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._newcomers = newcomers
        self._turnstile, self._has_entered = turnstile, False
        self._heads = HeadBuffer()
        self._head_due, self._answer_due = Deadline(self.loop), Deadline(self.loop)
        self._refused = False

    def connection_made(self, transport: Any) -> None:
        """Wait for a request, if there is room."""
        super().connection_made(transport)
        address = self.client[0] if self.client else "127.0.0.1"
        has_room = self._newcomers.come(self, address, len(self.connections))
        if not has_room or _descriptors_run_out(transport):
            # At once: waiting for it to hear this, each of a crowd would keep what there is no more of.
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "The server is full", linger=False)
        else:
            self._head_due.begin(_HEAD_S, self._too_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._head_due.end()
        self._answer_due.end()
        self._newcomers.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer does not take its answer; so long it may."""
        super().pause_writing()
        self._answer_due.begin(self._newcomers.limits.send_timeout_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It takes it."""
        super().resume_writing()
        self._answer_due.end()

    def data_received(self, data: bytes) -> None:
        """Of a head, or of several; nothing more is read until all of them were taken."""
        if self._refused:
            discard(self.transport, self.loop)
        if self._refused or self.transport.is_closing():
            return
        self._heads.feed(data)
        self.flow.pause_reading()
        self._enter()

    def on_response_complete(self) -> None:
        """One is answered; the next may be there already."""
        super().on_response_complete()
        if self._heads:
            self.flow.pause_reading()
            self._enter()

    def _enter(self) -> None:
        if not self._has_entered:
            self._has_entered = True
            self._turnstile.enter(self.loop, self._next)

    def _next(self) -> None:
        self._has_entered = False
        if self._refused or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            return
        try:
            head = self._heads.take()
        except BadHead as bad:
            self._refuse(HTTPStatus(bad.status), str(bad))
            return
        if head is None:
            self.flow.resume_reading()
            if self._heads:
                self._head_due.begin(_HEAD_S, self._too_late)
            return
        self._head_due.end()
        before = self.cycle
        super().data_received(head)
        other = self.transport.get_protocol()
        if other is not self:
            self._newcomers.leave(self)
            self.parser: Any = None  # they hold each other, and the collector of garbage has enough to do
        if isinstance(other, asyncio.Protocol) and other is not self and (rest := self._heads.rest()):
            other.data_received(rest)  # sent before the upgrade was answered
        if other is self and self.cycle is before:
            self._refuse(HTTPStatus.BAD_REQUEST, "This is no request of HTTP/1.1")
        elif other is self and not self._heads:
            self.flow.resume_reading()

    def _too_late(self) -> None:
        if self._heads:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, f"The head of a request may take {_HEAD_S:g} seconds")
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """The parser finds no HTTP in it."""
        self._refuse(HTTPStatus.BAD_REQUEST, msg)

    def _refuse(self, status: HTTPStatus, why: str, *, linger: bool = True) -> None:
        if self._refused:
            return
        self._refused = True
        self._head_due.end()
        self._unset_keepalive_if_required()
        body = why.encode()
        self.transport.write(
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: text/plain; charset=utf-8\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n".encode()
            + _HEADERS
            + b"\r\n"
            + body
        )
        if linger:
            self.flow.resume_reading()
            self.loop.call_later(LINGER_S, self.transport.close)
        else:
            self.transport.close()


def discard(transport: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Something came that nobody wants: read more of it only after a while."""

    def read_on() -> None:
        if not transport.is_closing():
            transport.resume_reading()

    transport.pause_reading()
    loop.call_later(_DISCARD_EVERY_S, read_on)


def _descriptors_run_out(transport: Any) -> bool:
    """A new descriptor is the lowest free one, so that it tells how many there are."""
    sock = transport.get_extra_info("socket")
    return sock is not None and sock.fileno() >= _MOST_DESCRIPTORS * _descriptors()


@lru_cache(1)
def _descriptors() -> int:
    if sys.platform == "win32":  # it has no such limit
        return sys.maxsize
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
