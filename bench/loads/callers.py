"""Hundreds of callers in real time out of one process: an open microphone each, whatever comes back, noted to the byte.

All send the same frames, encoded before; each speaks at a moment of its own, and its chunks leave when a microphone
would have filled them, however late the server is (an open loop).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit
from zlib import crc32

import msgspec

from bench.loads import talk
from bench.loads.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, frame, upgrade_request
from bench.loads.machine import token_of
from bench.loads.wheel import Wheel

CYCLE_S = talk.CYCLE_MS / 1000
CHUNK_S = talk.CHUNK_MS / 1000
CHUNKS = talk.CYCLE_MS // talk.CHUNK_MS
GOLDEN = 0.6180339887498949  # spreads any number of callers evenly, and their chunks over each tenth of a second
CONNECT_AHEAD_S = 1.0


class Said(msgspec.Struct):
    """Of a message of the server: what is looked at."""

    type: str
    audio: bytes = msgspec.field(name="audio_base64", default=b"")
    code: str = ""
    at_ms: int = 0
    audio_error: msgspec.Raw | None = None
    incomplete: bool = False


@dataclass(slots=True)
class Turn:
    """What came back to one utterance."""

    first_audio: float | None = None  # on the loop's clock
    stopped_ms: int | None = None  # where in its cycle the server found the end of speech
    size: int = 0
    crc: int = 0
    finished: bool = False

    @property
    def whole(self) -> bool:
        """Every byte of the reply, in order."""
        return self.size == talk.AUDIO_BYTES and self.crc == talk.reply_crc()


@dataclass(slots=True)
class Notes:
    """Of all callers."""

    turns: list[tuple[float, Turn]] = field(default_factory=list)  # when its caller's cycle began, and what came
    errors: Counter[str] = field(default_factory=Counter)
    bytes_received: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What all callers do. The server has to be at `url`."""

    url: str
    callers: int
    cycles: int
    microphone: Sequence[bytes]  # a frame for each chunk of a cycle
    binary: bool


class Caller(asyncio.Protocol):
    """One of them, from the handshake to the end of its last cycle."""

    def __init__(self, plan: Plan, number: int, began: float, wheel: Wheel, notes: Notes) -> None:
        self._plan = plan
        self._number = number
        self._began = began  # of its microphone
        self._wheel = wheel
        self._notes = notes
        self._turns = [Turn() for _ in range(plan.cycles)]
        self._frames = FrameReader()
        self._head: bytes | None = b""
        self._transport: asyncio.Transport | None = None
        self._now = asyncio.get_running_loop().time

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        where = urlsplit(self._plan.url)
        self._transport.write(upgrade_request(where.netloc, where.path))
        wanted = ["binary_audio"] * self._plan.binary + ["speech_events"]
        hello = {"type": "connect", "api_token": token_of(self._number), "extensions": wanted}
        self._greeting = frame(TEXT, msgspec.json.encode(hello), masked=True)
        every = ((self._began + cycle * CYCLE_S, turn) for cycle, turn in enumerate(self._turns))
        self._notes.turns += every

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport = None
            self._notes.errors["connection lost"] += 1

    def data_received(self, data: bytes) -> None:
        self._notes.bytes_received += len(data)
        if self._head is not None:
            self._head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                return
            self._head = None
            self._send(self._greeting)
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self._receive(msgspec.json.decode(payload, type=Said))
            elif opcode == BINARY:
                self._hear(payload[8:])
            elif opcode == PING:
                self._send(frame(PONG, payload, masked=True))
            elif opcode == CLOSE and self._transport is not None:
                self._transport.close()

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _receive(self, said: Said) -> None:
        match said.type:
            case "audio_chunk":
                self._hear(said.audio)
            case "response":
                self._turn().finished = True
                if said.audio_error is not None or said.incomplete:
                    self._notes.errors["reply not whole"] += 1
            case "connected":
                self._wheel.at(self._began, self._open_microphone)
            case "speech_stopped":
                self._turn().stopped_ms = said.at_ms % talk.CYCLE_MS
            case "error":
                self._notes.errors[said.code] += 1

    def _turn(self) -> Turn:
        """The one whose speech began last."""
        cycle = int((self._now() - self._began - talk.SPEECH_AT_MS / 1000) / CYCLE_S)
        return self._turns[max(0, min(cycle, len(self._turns) - 1))]

    def _hear(self, pcm: bytes) -> None:
        turn = self._turn()
        if turn.first_audio is None:
            turn.first_audio = self._now()
        turn.size += len(pcm)
        turn.crc = crc32(pcm, turn.crc)

    def _open_microphone(self) -> None:
        self._send(frame(TEXT, b'{"type":"agent_mode_start"}', masked=True))
        self._wheel.at(self._began + CHUNK_S, self._speak, 0)

    def _speak(self, chunk: int) -> None:
        if self._transport is None:
            return
        self._send(self._plan.microphone[chunk % CHUNKS])
        chunk += 1
        if chunk < CHUNKS * self._plan.cycles:
            self._wheel.at(self._began + (chunk + 1) * CHUNK_S, self._speak, chunk)
        else:
            transport, self._transport = self._transport, None
            transport.abort()


async def call(plan: Plan, began: float, wheel: Wheel, notes: Notes) -> None:
    """All callers; `began`: when the first microphone opens. Returns when all are connected or have failed."""
    where = urlsplit(plan.url)
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        opens = began + number * GOLDEN % 1 * CYCLE_S
        await asyncio.sleep(max(0.0, opens - CONNECT_AHEAD_S - loop.time()))
        caller = Caller(plan, number, opens, wheel, notes)
        try:
            await loop.create_connection(lambda: caller, where.hostname, where.port)
        except OSError:
            notes.errors["no connection"] += 1

    await asyncio.gather(*map(one, range(plan.callers)))
