"""An ASGI app in, a serving process out: uvicorn with the limits of a voice server, and an end that drops nobody.

What `python -m server.main` adds to the plain `uvicorn` command: an own listening socket (TCP_USER_TIMEOUT frees
connections whose other end is gone or does not read, a bounded send buffer), the protocols of its neighbours, which
bound whatever a stranger may send, no compression, and the shutdown of `limits.drain_seconds`.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, cast

import uvicorn

from server.config import Config, ConfigError
from server.transport.http_protocol import Newcomers, PatientHttp, Turnstile
from server.transport.websocket_protocol import LimitedWebSocket
from server.transport.websocket_reading import Strangers

# A peer that acknowledges nothing, or reads nothing, for this long is gone (tcp(7); RFC 5482).
_TCP_USER_TIMEOUT_MS = 20_000
_PING_INTERVAL_S = 20.0
_BACKLOG = 2048
_TICK_S = 1.0

Drain = Callable[[], Awaitable[None]]


class DrainingServer(uvicorn.Server):
    """One signal: stop taking users, let them finish, go. A second one: go now."""

    def __init__(self, config: uvicorn.Config, drain: Drain, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain
        self._on_ready = on_ready
        self._stop = False
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's own raises the signal again at the end; ours ends with 0, as asked."""

        def note(number: int, frame: Any) -> None:
            if self._stop:
                os._exit(128 + number)  # asked twice: now, whatever still runs; what was committed is on the disk
            self._stop = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._told.set)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, note)
        yield
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # it is ending: nothing may spoil its exit status

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take users."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_ready()

    async def main_loop(self) -> None:
        """uvicorn's own looks ten times a second whether it was told to go."""
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), _TICK_S)

    async def on_tick(self, counter: int) -> bool:
        """Is it time to go? Also brings the date that answers carry up to date."""
        if self._stop and not self.should_exit:
            await self._drain()
            self.should_exit = True
        return await super().on_tick(counter)


def run_server(app: Any, config: Config, drain: Drain, on_ready: Callable[[int], None]) -> None:
    """Serve until told to stop. `on_ready` is told the port.

    Raises:
        ConfigError: the address cannot be had.
    """
    _take_descriptors()
    server_socket = _bind(config)
    limits, turnstile = config.limits, Turnstile()
    uvicorn_config = uvicorn.Config(
        app,
        loop="uvloop" if sys.platform == "linux" else "asyncio",
        http=cast(Any, partial(PatientHttp, Newcomers(limits), turnstile)),
        ws=cast(Any, partial(LimitedWebSocket, Strangers(limits, turnstile))),
        ws_max_size=limits.max_frame_bytes,
        ws_per_message_deflate=False,
        ws_ping_interval=_PING_INTERVAL_S,
        ws_ping_timeout=None,  # a full audio buffer holds pongs back too: the dead are found by TCP_USER_TIMEOUT
        lifespan="on",
        log_config=None,  # our log takes its lines
        log_level="warning",
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=2,  # all are gone by then: what is left does not answer
    )
    port: int = server_socket.getsockname()[1]
    DrainingServer(uvicorn_config, drain, lambda: on_ready(port)).run(sockets=[server_socket])


def _take_descriptors() -> None:
    """As many sockets as the system lets this process have: shells begin with 1024, which a small crowd can fill."""
    if sys.platform == "win32":  # it has no such limit
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(OSError, ValueError):  # macOS names no limit and takes no such number
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


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
