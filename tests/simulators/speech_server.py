"""What the simulators of voices over HTTP share: one aiohttp server on loopback, its faults on demand, and WAV files.

It shares no constant and no code with the clients.
"""

import json
import math
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from zlib import crc32

import anyio
import numpy as np
from aiohttp import web

Sizes = Literal["true", "zero", "minus one", "first piece"]


@dataclass(eq=False)
class Fault:
    """Something that goes wrong with requests to a path, a number of times. `status`, `stall` or `drop` says what.

    `after_bytes`: None: instead of an answer; else when so much of the sound was sent.
    """

    path: str
    status: int = 0
    body: bytes = b'{"detail":"vendor text that must not be shown"}'
    kind: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stall: bool = False
    drop: bool = False
    after_bytes: int | None = None
    text: str | None = None  # this text only
    times: float = 1


@dataclass
class Manner:
    """The ways of answering that a protocol leaves open; times are the server's own and 0 by default."""

    first_audio_s: float = 0.0
    pace: float = 0.0  # in real times; 0: as fast as the line takes it
    piece_bytes: int = 6401  # odd, so that samples are torn
    sizes: Sizes = "true"


@dataclass(eq=False)
class Call:
    """One request, as the server saw it."""

    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]
    peer: tuple[str, int]
    sent: bytes = b""  # of the sound: pcm
    whole: bool = False  # all of it was sent
    left: bool = False  # the client hung up before


CALL = web.RequestKey("call", Call)


class SpeechSimulator:
    """What the tests set and read. A protocol is a subclass with `routes`."""

    sound_path = ""

    def __init__(self, manner: Manner) -> None:
        self.pacing = manner
        self.url = ""
        self.faults: list[Fault] = []
        self.calls: list[Call] = []
        self.open = 0
        self.server: web.Server | None = None
        self._changed = anyio.Event()

    def routes(self) -> list[web.RouteDef]:
        raise NotImplementedError

    @property
    def spoken(self) -> list[Call]:
        return [call for call in self.calls if call.path == self.sound_path]

    @property
    def pcm(self) -> bytes:
        """Of all sounds, in order."""
        return b"".join(call.sent for call in self.spoken)

    @property
    def open_connections(self) -> int:
        return len(self.server.connections) if self.server else 0

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def take_fault(self, path: str, text: str, sent_bytes: int | None) -> Fault | None:
        for fault in self.faults:
            reached = (fault.after_bytes is None) == (sent_bytes is None) and (sent_bytes or 0) >= (
                fault.after_bytes or 0
            )
            if fault.path == path and fault.text in (None, text) and reached and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    @web.middleware
    async def serve(self, request: web.Request, handler: Any) -> web.StreamResponse:
        raw = await request.read()
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        assert request.transport is not None
        peer = request.transport.get_extra_info("peername")[:2]
        path = request.path.strip("/").removeprefix("v1/")
        call = Call(path, dict(request.query), body, dict(request.headers), peer)
        request[CALL] = call
        self.calls.append(call)
        self.open += 1
        self.changed()
        try:
            if fault := self.take_fault(path, self.text_of(call), None):
                return await self.go_wrong(request, fault)
            response: web.StreamResponse = await handler(request)
            return response
        except (ConnectionResetError, anyio.get_cancelled_exc_class()):
            call.left = True
            raise
        finally:
            self.open -= 1
            self.changed()

    def text_of(self, call: Call) -> str:
        fields = {**call.query, **(call.body if isinstance(call.body, dict) else {})}
        return str(fields.get("text", fields.get("input", "")))

    async def go_wrong(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        self.changed()
        if fault.stall:
            await anyio.sleep_forever()
        if fault.drop:
            await drop(request)
        headers = {"Content-Type": fault.kind, **fault.headers}
        return web.Response(status=fault.status, body=fault.body, headers=headers)

    async def speak(
        self, request: web.Request, pcm: bytes, rate_hz: int, *, kind: str = "audio/wav", header: bytes | None = None
    ) -> web.StreamResponse:
        """The sound in pieces; without `header` behind one that fits the manner."""
        call = request[CALL]
        await anyio.sleep(self.pacing.first_audio_s)
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        await response.write(wav_header(len(pcm), rate_hz, self.pacing.sizes) if header is None else header)
        for at in range(0, len(pcm), self.pacing.piece_bytes):
            if fault := self.take_fault(call.path, self.text_of(call), at):
                await self.go_wrong(request, fault)
            piece = pcm[at : at + self.pacing.piece_bytes]
            await response.write(piece)
            call.sent += piece
            if self.pacing.pace:
                await anyio.sleep(len(piece) / 2 / rate_hz / self.pacing.pace)
        call.whole = True
        return response


def said(value: object, status: int = 200) -> web.Response:
    """JSON, as FastAPI sends it: without the charset, which a client in the field does not expect."""
    return web.Response(status=status, body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})


async def drop(request: web.Request) -> None:
    """The connection ends, and whatever body there was has no end."""
    transport: Any = request.transport
    transport.abort()
    await anyio.sleep_forever()  # the server ends this handler when it sees the connection gone


async def hang_up(request: web.Request) -> None:
    """The same, but all that was written arrives first."""
    transport: Any = request.transport
    transport.close()
    await anyio.sleep_forever()


def tone(about: object, seconds: float, rate_hz: int) -> bytes:
    """Samples of its own for everything that may be asked for."""
    pitch_hz = 200 + crc32(json.dumps(about).encode()) % 500_000 / 1000
    angle = np.arange(int(seconds * rate_hz)) * (2 * math.pi * pitch_hz / rate_hz) + 0.1
    pcm: bytes = (8000 * np.sin(angle)).round().astype("<i2").tobytes()
    return pcm


def wav_header(size: int, rate_hz: int, sizes: Sizes = "true") -> bytes:
    riff, data = {
        "true": (size + 36, size),
        "zero": (36, 0),
        "minus one": (0xFFFFFFFF, 0xFFFFFFFF),
        "first piece": (36 + min(size, 1000), min(size, 1000)),
    }[sizes]
    about = struct.pack("<HHIIHH", 1, 1, rate_hz, rate_hz * 2, 2, 16)
    listed = b"LIST" + struct.pack("<I", 10) + b"INFOISFT\0\0" if sizes == "minus one" else b""  # as ffmpeg does
    return (
        b"RIFF" + struct.pack("<I", riff) + b"WAVEfmt \x10\0\0\0" + about + listed + b"data" + struct.pack("<I", data)
    )


Simulator = TypeVar("Simulator", bound=SpeechSimulator)


@asynccontextmanager
async def running(simulator: Simulator, base: str, port: int = 0) -> AsyncIterator[Simulator]:
    """On 127.0.0.1; `port` 0 takes any free one, see `url`, which ends with `base`."""
    app = web.Application(client_max_size=4 << 20, middlewares=[simulator.serve])
    app.add_routes(simulator.routes())
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        simulator.server = runner.server
        simulator.url = f"http://127.0.0.1:{runner.addresses[0][1]}{base}"
        yield simulator
    finally:
        simulator.server = None
        await runner.cleanup()
