"""Whoever has not said who they are, over raw sockets: what is kept of what they send, and how soon they are gone."""

import asyncio
import gc
import json
import socket
import struct
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from server.config import LimitsConfig
from server.transport.http_protocol import Newcomers, PatientHttp, Turnstile
from server.transport.websocket_protocol import LimitedWebSocket
from server.transport.websocket_reading import Strangers
from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer

_PATIENCE_S = 60.0
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MIB = 1 << 20


def frame(opcode: Opcode, data: bytes = b"", *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


PING, TEXT = frame(Opcode.PING), Opcode.TEXT


class Stranger:
    """A socket and what came back on it."""

    def __init__(self, port: int, *sent: bytes, upgrade: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
        self._file = self.socket.makefile("rb")
        if upgrade:
            self.socket.sendall(UPGRADE)
            assert self._file.readline().startswith(b"HTTP/1.1 101")
            while self._file.readline() != b"\r\n":
                pass
        self.send(*sent)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            with suppress(OSError):  # it has heard enough
                self.socket.sendall(piece)

    def status(self) -> int:
        """Of an HTTP answer, after which the connection is closed."""
        line = self._file.readline()
        with suppress(ConnectionResetError):
            self._file.read()
        return int(line.split()[1])

    def told(self) -> list[object]:
        """Messages, and the close code at the end, without pongs; 0 where the socket was cut off."""
        heard: list[object] = []
        with suppress(OSError, ValueError):  # ValueError: cut off
            while True:
                first, size = self._file.read(2)
                if size == 126:
                    (size,) = struct.unpack(">H", self._file.read(2))
                data = self._file.read(size)
                if first & 15 == Opcode.CLOSE:
                    return [*heard, struct.unpack(">H", data[:2])[0]]
                if first & 15 == TEXT:
                    heard.append(json.loads(data).get("code"))
        return [*heard, 0]

    def close(self) -> None:
        self._file.close()
        self.socket.close()


@pytest.fixture
def strange(server: RunningServer) -> Iterator[Callable[..., Stranger]]:
    """One more stranger; behind them all, the server still answers."""
    came: list[Stranger] = []

    def come(*sent: bytes, upgrade: bool = True) -> Stranger:
        came.append(Stranger(server.port, *sent, upgrade=upgrade))
        return came[-1]

    yield come
    for stranger in came:
        stranger.close()
    assert server.get("/health")[0] == 200
    assert not any("Traceback" in line for line in server.log)


Come = Callable[..., Stranger]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: 1\r\n" * 129 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"a" * 20_000, 431),
        (b"GET /" + b"a" * 100_000, 431),
        (UPGRADE[:-2] + b"A: 1\r\n" * 129 + b"\r\n", 431),
        (UPGRADE[:-2] + b"A: " + b"a" * 9_000 + b"\r\n\r\n", 431),
        (UPGRADE.replace(b"/ws", b"/ws?" + b"a" * 9_000), 414),
        (UPGRADE.replace(b"GET", b"POST")[:-2] + b"Content-Length: 5\r\n\r\nhello", 400),
        (UPGRADE.replace(b"GET", b"POST"), 405),
        (UPGRADE.replace(b"Key: dGhl", b"Key: "), 400),
        (UPGRADE.replace(b"Version: 13", b"Version: 9"), 400),
        (b"POST /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ],
)
def test_a_request_that_is_not_taken_is_answered_and_closed(strange: Come, head: bytes, status: int) -> None:
    assert strange(head, upgrade=False).status() == status


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True])
def test_a_request_that_drips_is_closed(strange: Come, answered: bool) -> None:
    stranger = strange(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * answered + b"GET /health HT", upgrade=False)
    assert stranger.status() == (200 if answered else 408)  # and then the socket is closed


def test_requests_sent_together_are_answered_in_turn(strange: Come) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    stranger = strange(request * 300 + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), upgrade=False)
    assert stranger._file.read().count(b"HTTP/1.1 200 OK") == 301


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        # A large first frame: nothing of it is waited for, not even sent here.
        ([b"\x81\xff" + struct.pack(">Q", 3 * MIB) + bytes(4)], ["message_too_big", 1009]),
        ([b"\x81\xfe" + struct.pack(">H", 4097) + bytes(4)], ["message_too_big", 1009]),
        ([frame(TEXT, b"x" * 3000, fin=False), frame(Opcode.CONT, b"x" * 3000)], ["message_too_big", 1009]),
        ([PING * 20_000], ["rate_limited", 1008]),
        ([frame(Opcode.PONG, b"x" * 125) * 20_000], ["rate_limited", 1008]),
        ([frame(TEXT, fin=False), frame(Opcode.CONT, fin=False) * 20_000], ["bad_message", 1008]),
        ([frame(TEXT) * 20_000], ["bad_json", 4502]),
        ([frame(TEXT, b"\xff")], [1007]),
        ([frame(TEXT, b"\xe4\xbd", fin=False), frame(Opcode.CONT, b"\xff")], [1007]),
        ([frame(TEXT, b'{"type":"connect","api_token":"no"}'), frame(TEXT, bytes(2 * MIB))], ["unauthorized", 4500]),
        ([b"\x83\x80" + bytes(4)], [1002]),
        ([frame(TEXT, b"{", fin=False), frame(Opcode.CLOSE, struct.pack(">H", 1000))], [1000]),
    ],
)
def test_a_stranger_is_told_what_ended_the_connection(strange: Come, sent: list[bytes], told: list[str | int]) -> None:
    assert strange(*sent).told() == told


def test_a_user_who_does_not_wait_for_connected_may_send_a_large_message_at_once(strange: Come, token: str) -> None:
    hello = frame(TEXT, json.dumps({"type": "connect", "api_token": token}).encode())
    stranger = strange(hello + frame(TEXT, b'{"type":"audio_message","audio_base64":"!' + b"A" * MIB + b'"}') + hello)
    stranger.send(b"".join(frame(TEXT, b"{") for _ in range(12)))
    codes = stranger.told()
    assert "bad_audio" in codes and "wrong_state" in codes and codes[-1] == 4502


@pytest.mark.slow
def test_who_does_not_read_the_pongs_is_not_read_from_and_cut_off(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    limits = {"CONTROL_FRAMES_PER_SECOND": "0", "SEND_TIMEOUT_SECONDS": "0.5"}
    server = start_server(**{f"CHATANON_LIMITS__{name}": value for name, value in limits.items()})
    stranger = Stranger(server.port)
    pings, sent = frame(Opcode.PING, b"x" * 125) * 500, 0
    stranger.socket.settimeout(_PATIENCE_S)
    with pytest.raises(OSError):
        while sent < 256 * MIB:
            stranger.socket.sendall(pings)  # blocks when it is not read from, and fails when the other end is gone
            sent += len(pings)
    assert sent < 64 * MIB  # what the kernels hold between two ends, and no more
    stranger.close()


def test_floods_of_strangers_come_to_their_end_beside_a_user(strange: Come, server: RunningServer, token: str) -> None:
    client = ProtocolClient(server.url)
    client.connect(api_token=token)
    floods = [strange(PING * 50_000) for _ in range(4)]
    client.ping()
    assert [flood.told() for flood in floods] == [["rate_limited", 1008]] * 4
    client.ping()
    client.close()


class Transport(asyncio.Transport):
    """Takes what is written, and knows whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.aborted = self.closing = False
        self.protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol | None:  # type: ignore[override]
        return self.protocol

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_reading(self) -> bool:
        return self.reading

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def close(self) -> None:
        self.closing = True


@pytest.mark.anyio
async def test_who_asks_without_end_is_read_from_no_faster_than_answered() -> None:
    async def app(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    config = uvicorn.Config(app, log_config=None)
    config.load()
    transport = Transport()
    http = PatientHttp(Newcomers(LimitsConfig()), Turnstile(), config=config, server_state=ServerState(), app_state={})
    transport.protocol = http
    http.connection_made(transport)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    one_read = request * (MIB // 4 // len(request))
    for _ in range(500):
        if transport.reading:
            http.data_received(one_read)
        await asyncio.sleep(0)
    assert http.cycle.response_complete
    assert len(http._heads) < MIB // 2
    transport.close()
    http.connection_lost(OSError())


@pytest.mark.anyio
async def test_what_strangers_ask_for_at_once_is_done_in_turn_with_what_others_do() -> None:
    loop, turnstile, done = asyncio.get_running_loop(), Turnstile(), list[str]()

    def work() -> None:
        loop.call_soon(done.append, "another")
        end = time.monotonic() + 0.02
        while time.monotonic() < end:  # as a slice of frames does
            pass
        done.append("a stranger")

    for _ in range(3):
        turnstile.enter(loop, work)
    for _ in range(5):
        await asyncio.sleep(0)
    assert done == ["a stranger", "another"] * 3


@pytest.mark.anyio
async def test_a_handshake_that_the_app_refuses_is_no_fault_of_the_app(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: object, receive: object, send: Callable[..., Awaitable[None]]) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"not here"})

    config = uvicorn.Config(app, log_config=None)
    config.load()
    socket_ = LimitedWebSocket(
        Strangers(LimitsConfig(), Turnstile()), config=config, server_state=ServerState(), app_state={}
    )
    socket_.connection_made(Transport())
    socket_.data_received(UPGRADE)
    await asyncio.sleep(0)
    await asyncio.gather(*socket_.tasks)
    assert not caplog.records
    socket_.connection_lost(None)


@asynccontextmanager
async def accepted(strangers: Strangers) -> AsyncIterator[tuple[LimitedWebSocket, Transport]]:
    """A WebSocket with nothing behind it."""

    async def app(scope: object, receive: object, send: object) -> None:
        await asyncio.Event().wait()

    config = uvicorn.Config(app, ws_per_message_deflate=False, log_level="critical")
    config.load()
    socket_ = LimitedWebSocket(strangers, config=config, server_state=ServerState(), app_state={})
    transport = Transport()
    socket_.connection_made(transport)
    socket_.data_received(UPGRADE)
    await asyncio.sleep(0)
    await socket_.send({"type": "websocket.accept"})
    yield socket_, transport
    socket_.connection_lost(OSError())
    for task in list(socket_.tasks):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


CLOSE = {"type": "websocket.close", "code": 4500}


@pytest.mark.anyio
async def test_of_strangers_who_were_sent_away_only_so_many_may_still_answer() -> None:
    strangers = Strangers(LimitsConfig(unauthenticated=2), Turnstile())
    async with AsyncExitStack() as stack:
        came = [await stack.enter_async_context(accepted(strangers)) for _ in range(8)]
        user, first, *sent_away, flood, gone, last = came
        user[0].admit()
        for socket_, _ in (user, first, *sent_away):
            await socket_.send(CLOSE)
        flood[0].data_received(PING * 200)
        await asyncio.sleep(0)
        assert [at for at, (_, transport) in enumerate(came) if transport.aborted] == [1, 2, 3]
        async with accepted(strangers) as (another, _):
            await another.send(CLOSE)
        await gone[0].send(CLOSE)
        await last[0].send(CLOSE)
        assert [at for at, (_, transport) in enumerate(came) if transport.aborted] == [1, 2, 3, 4, 5]
    assert not strangers._leaving


@pytest.mark.anyio
@pytest.mark.parametrize(
    "sent",
    [b"", PING, frame(TEXT, b"\xff"), b"\x81\xff" + bytes(12), frame(TEXT, b"{", fin=False)],
    ids=["nothing", "control", "no UTF-8", "too big", "fragment"],
)
async def test_a_socket_that_is_gone_leaves_nothing_to_the_collector_of_garbage(sent: bytes) -> None:
    """Whose work holds everybody, and grows with all that is connected."""

    async def app(
        scope: object, receive: Callable[[], Awaitable[object]], send: Callable[..., Awaitable[None]]
    ) -> None:
        await send({"type": "websocket.accept"})
        await receive()
        await receive()

    limits = LimitsConfig()
    config = uvicorn.Config(
        app,
        ws_per_message_deflate=False,
        log_level="critical",
        ws=cast(Any, partial(LimitedWebSocket, Strangers(limits, Turnstile()))),
    )
    config.load()
    gc.collect()
    gc.disable()
    try:
        transport = Transport()
        http = PatientHttp(Newcomers(limits), Turnstile(), config=config, server_state=ServerState(), app_state={})
        http.connection_made(transport)
        http.data_received(UPGRADE)
        await asyncio.sleep(0)
        socket_ = transport.protocol
        assert isinstance(socket_, LimitedWebSocket)
        for _ in range(3):
            await asyncio.sleep(0)
        socket_.data_received(sent)
        await asyncio.sleep(0)
        socket_.connection_lost(None)
        await asyncio.gather(*socket_.tasks)
        gone = [weakref.ref(each) for each in (http, socket_, socket_.conn)]
        transport.protocol = None  # as a real one does when it is closed
        del http, socket_, transport
        await asyncio.sleep(0)
        assert [each() for each in gone] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.anyio
async def test_a_large_read_is_taken_in_slices_between_which_others_have_their_turn() -> None:
    async with accepted(Strangers(LimitsConfig(control_frames_per_second=0), Turnstile())) as (socket_, transport):
        socket_.data_received(PING * 40_000)
        await asyncio.sleep(0)
        turns = 0
        while left := len(socket_._unread):
            assert not transport.reading
            await asyncio.sleep(0)
            assert left - len(socket_._unread) <= 4 * 1024
            turns += 1
        assert turns > 40 and transport.reading
