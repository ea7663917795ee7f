"""An ASGI app in, a serving process out: uvicorn with the limits of a voice server, and an end that drops nobody.

What `python -m server.main` adds to the plain `uvicorn` command: an own listening socket (TCP_USER_TIMEOUT frees
connections whose other end is gone or does not read, a bounded send buffer), the WebSocket limits of `config.limits`,
no compression, and the shutdown of `limits.drain_seconds`.
"""

import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

from server.config import Config, ConfigError

# A peer that acknowledges nothing, or reads nothing, for this long is gone (tcp(7); RFC 5482).
_TCP_USER_TIMEOUT_MS = 20_000
_PING_INTERVAL_S = 20.0
_BACKLOG = 2048
# More fragments than this are no message but an attack: each empty one costs memory and counts for nothing elsewhere.
_ESTABLISHED = 1  # of Linux's struct tcp_info: no side has closed
_MAX_FRAGMENTS = 1024
# How long a socket may take to send the head of its request; else anyone could hold sockets open for nothing.
_REQUEST_S = 5.0
# How long a connection that was ended over what it sent may go on sending it, to nobody.
_LINGER_S = 1.0

Drain = Callable[[], Awaitable[None]]


class PatientHttp(HttpToolsProtocol):
    """uvicorn's HTTP, with an end to its patience: a socket that sends no request is closed."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the head of a request."""
        super().connection_made(transport)
        self.loop.call_later(_REQUEST_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and self.transport.get_protocol() is self:  # else it speaks WebSocket by now
            self.transport.close()


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, with a bound on fragments and a way to cut off a client that takes nothing more."""

    def handle_connect(self, event: Any) -> None:
        """Offer `chatanon.cut_off` and `chatanon.is_gone` to the app, in the scope of the connection."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            extensions = cast(dict[str, Any], scope)["extensions"]
            extensions["chatanon.cut_off"], extensions["chatanon.is_gone"] = self.cut_off, self.is_gone

    def handle_cont(self, event: Frame) -> None:
        """A fragment. RFC 6455, 7.4.1: 1008 is for a message that violates a policy."""
        if len(self.frames) >= _MAX_FRAGMENTS:
            self.conn.fail(1008, "too many fragments")
            self.handle_parser_exception()
        else:
            super().handle_cont(event)

    def handle_parser_exception(self) -> None:
        """Say why, then let what is still under way arrive: a socket closed over unread data loses the close frame."""
        if self.close_timer is None:
            assert self.conn.close_sent is not None
            closed = self.conn.close_sent
            self.queue.put_nowait({"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason})
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.resume_reading()
            self.close_timer = self.loop.call_later(_LINGER_S, self.transport.close)

    def is_gone(self) -> bool:
        """Whether the other end has closed its side; for an app that does not read, and so is not told."""
        if self.transport.is_closing():
            return True
        sock = self.transport.get_extra_info("socket")
        if not hasattr(socket, "TCP_INFO") or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        state: int = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state != _ESTABLISHED

    def cut_off(self, farewell: Sequence[str], code: int, reason: str, *, at_once: bool) -> None:
        """End a transport whose buffer is full: at once, or with last words behind what waits there."""
        if at_once:
            self.transport.abort()
        elif not self.close_sent and not self.transport.is_closing():
            for frame in farewell:
                self.conn.send_text(frame.encode())
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()


class DrainingServer(uvicorn.Server):
    """One signal: stop taking users, let them finish, go. A second one: go now."""

    def __init__(self, config: uvicorn.Config, drain: Drain, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain
        self._on_ready = on_ready
        self._stop = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal again at the end; ours ends with 0, as asked."""

        def note(number: int, frame: Any) -> None:
            if self._stop:
                os._exit(128 + number)  # asked twice: now, whatever still runs; what was committed is on the disk
            self._stop = True

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, note)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is ending: nothing may spoil its exit status

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take users."""
        await super().startup(sockets)
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to go?"""
        if self._stop and not self.should_exit:
            await self._drain()
            self.should_exit = True
        return await super().on_tick(counter)


def run_server(app: Any, config: Config, drain: Drain, on_ready: Callable[[int], None]) -> None:
    """Serve until told to stop. `on_ready` is told the port.

    Raises:
        ConfigError: the address cannot be had.
    """
    server_socket = _bind(config)
    uvicorn_config = uvicorn.Config(
        app,
        loop="uvloop" if sys.platform == "linux" else "asyncio",
        http=PatientHttp,
        ws=LimitedWebSocket,
        ws_max_size=config.limits.max_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=_PING_INTERVAL_S,
        ws_ping_timeout=None,  # a full audio buffer holds pongs back too: the dead are found by TCP_USER_TIMEOUT
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=2,  # all are gone by then: what is left does not answer
    )
    port: int = server_socket.getsockname()[1]
    DrainingServer(uvicorn_config, drain, lambda: on_ready(port)).run(sockets=[server_socket])


def _bind(config: Config) -> socket.socket:
    host, port = config.server.host, config.server.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        both = family is socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        server_socket = socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "this is no host name"
        raise ConfigError(
            f"server.host, server.port: cannot listen on {host}:{port} ({why}); "
            "stop what uses it or choose another, e.g. CHATANON_SERVER__PORT=8766"
        ) from error
    # Inherited by every connection.
    server_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, config.limits.send_buffer_bytes)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        server_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _TCP_USER_TIMEOUT_MS)
    return server_socket
