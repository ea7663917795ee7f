"""WebSocket requests in, MiniMax T2A v2's answers out: a strict stand-in on loopback, with delays and faults on demand.

Written from the vendor's protocol page alone: it shares no constant and no code with the client, and refuses what the
page says the vendor refuses. `python -m tests.simulators.minimax --port 8602` serves a person without a key. (Over 400
lines, so that one vendor's page is one file.)
"""

import argparse
import json
import math
import ssl
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal
from zlib import crc32

import anyio
import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

PATH = "/ws/v1/t2a_v2"
KEY = "simulated-key"
MODELS = {f"speech-{version}-{kind}" for version in ("2.8", "2.6", "02", "01") for kind in ("hd", "turbo")}
VOICES = {f"Japanese_{name}" for name in "DecisivePrincess CalmLady KindLady GracefulMaiden ColdQueen".split()}
VOICES |= {f"Japanese_{name}" for name in "DependableWoman SportyStudent InnocentBoy OptimisticYouth".split()}
EMOTIONS = {"happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm"}
SKIPPING = {2203, 2204, 2205}
START_FIELDS = {"event", "model", "voice_setting", "audio_setting", "language_boost", "pronunciation_dict"}
START_FIELDS |= {"text_normalization", "voice_modify"}  # which clients in the field send
VOICE_FIELDS = {"voice_id", "speed", "vol", "pitch", "emotion", "english_normalization", "latex_read"}
AUDIO_FIELDS = {"sample_rate", "bitrate", "format", "channel"}

Stage = Literal["handshake", "connect", "start", "text", "speech", "final"]


@dataclass(eq=False)
class Fault:
    """Something that goes wrong at a stage, a number of times. One of `status`, `raw`, `stall`, `drop` says what.

    Stages: instead of the 101, of connected_success, of task_started; when a text has arrived; when `after_bytes` of
    its audio were sent; instead of its final.
    """

    at: Stage
    status: int = 0  # of base_resp, or of HTTP at the handshake
    raw: str | bytes = ""
    stall: bool = False
    drop: bool = False
    text: str | None = None  # this text only
    after_bytes: int = 0
    times: float = 1
    event: str = "task_failed"  # which carries the status
    location: str = ""  # of a redirect


@dataclass
class Manner:
    """The ways of answering that the page leaves open; times are the vendor's own and 0 by default."""

    first_audio_s: float = 0.0
    queued_audio_s: float = 0.0  # of a text that waited for the one before
    pace: float = 0.0  # in real times; 0: as fast as the line takes it
    message_bytes: int = 3200
    final: Literal["last piece", "empty", "null data", "no data", "whole again"] = "last piece"
    names_event: bool = True
    counts_bytes: bool = True  # extra_info
    wrong_key: Literal["http", "1004", "2049"] = "http"
    connections: float = math.inf
    queued_texts: float = 10
    idle_s: float = 120.0
    deaf_at_end: bool = False  # reads nothing after task_finish, so that no close is answered


@dataclass(eq=False)
class Call:
    """One connection, as the vendor saw it."""

    headers: dict[str, str]
    received: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)  # accepted
    spoken: list[str] = field(default_factory=list)  # to the end
    sent_codes: list[int] = field(default_factory=list)
    open: bool = True

    @property
    def start(self) -> dict[str, Any] | None:
        return next((message for message in self.received if message["event"] == "task_start"), None)

    @property
    def emotion(self) -> str | None:
        """`auto` where none was sent, None before the start."""
        return self.start["voice_setting"].get("emotion", "auto") if self.start else None


def speech(text: str, start: dict[str, Any]) -> bytes:
    """The pcm of a text under a task_start: a tone of its own, 60 ms per character at speed 1."""
    voice, rate = start["voice_setting"], start["audio_setting"]["sample_rate"]
    about = json.dumps([text, voice["voice_id"], voice.get("emotion"), voice["pitch"]])
    pitch_hz = 200 + crc32(about.encode()) % 500_000 / 1000
    angle = np.arange(int(0.06 * len(text) * rate / voice["speed"])) * (2 * math.pi * pitch_hz / rate)
    pcm: bytes = (8000 * np.sin(angle)).round().astype("<i2").tobytes()
    return pcm


class MinimaxSimulator:
    """What the tests set and read."""

    def __init__(self, manner: Manner, key: str) -> None:
        self.manner = manner
        self.key = key
        self.url = ""
        self.faults: list[Fault] = []
        self.voice = speech  # a text and its task_start in, pcm out
        self.handshakes = 0
        self.calls: list[Call] = []
        self.sockets: set[ServerConnection] = set()
        self._changed = anyio.Event()

    @property
    def open_calls(self) -> list[Call]:
        return [call for call in self.calls if call.open]

    @property
    def waiting(self) -> list[Call]:
        """Open, and not yet asked for a text."""
        return [call for call in self.open_calls if not call.texts]

    @property
    def texts(self) -> list[str]:
        """All texts accepted, each as often as it was asked for."""
        return [text for call in self.calls for text in call.texts]

    def call_of(self, text: str) -> Call:
        return next(call for call in reversed(self.calls) if text in call.texts)

    def speech(self, text: str) -> bytes:
        start = self.call_of(text).start
        assert start is not None
        return self.voice(text, start)

    def take_fault(self, stage: Stage, text: str | None = None, sent_bytes: int = 0) -> Fault | None:
        for fault in self.faults:
            fits = fault.at == stage and fault.text in (None, text) and sent_bytes >= fault.after_bytes
            if fits and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that connections and messages bring about."""
        while not condition():
            await self._changed.wait()

    def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        fault = self.take_fault("handshake")
        if fault is not None:
            response = connection.respond(HTTPStatus(fault.status), "")
            if fault.location:
                response.headers["Location"] = fault.location
            response.headers["Trace-Id"] = "handshake-trace"
            return response
        if request.path.partition("?")[0] != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        if self.manner.wrong_key == "http" and not self.authorised(request):
            return connection.respond(HTTPStatus.UNAUTHORIZED, "")
        return None

    def authorised(self, request: Request) -> bool:
        return request.headers.get("Authorization") == f"Bearer {self.key}"

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        call = Call(dict(socket.request.headers.raw_items()))
        self.calls.append(call)
        self.sockets.add(socket)
        self.changed()
        try:
            with suppress(ConnectionClosed, _Ended):
                await _Conversation(self, socket, call).run()
            if not socket.transport.is_closing():
                await socket.close()
            await socket.wait_closed()
        finally:
            call.open = False
            self.sockets.discard(socket)
            self.changed()


class _Ended(Exception):
    """This side has said its last word."""


class _Conversation:
    """One task, from connected_success to the close."""

    def __init__(self, simulator: MinimaxSimulator, socket: ServerConnection, call: Call) -> None:
        self.simulator = simulator
        self.manner = simulator.manner
        self.socket = socket
        self.call = call
        self.task: dict[str, Any] | None = None
        self.queue: deque[str] = deque()
        self.wake = anyio.Event()
        self.finishing = False

    async def run(self) -> None:
        assert self.socket.request is not None
        if not self.simulator.authorised(self.socket.request):
            await self.fail(int(self.manner.wrong_key))
        if len(self.simulator.open_calls) > self.manner.connections:
            await self.fail(1041)
        if not await self.go_wrong("connect"):
            await self.send("connected_success")
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.speak_all, scope)
                with suppress(ConnectionClosed, _Ended):
                    await self.listen()
                if not self.finishing:
                    scope.cancel()

    async def send(self, event: str, code: int = 0, **fields: Any) -> None:
        if code:
            self.call.sent_codes.append(code)
        status = {"status_code": code, "status_msg": "success" if code == 0 else "vendor text that must not be shown"}
        message = {"session_id": "s", "event": event, "trace_id": "simulated-trace", "base_resp": status, **fields}
        if event == "task_continued" and not self.manner.names_event and not code:
            del message["event"]
        await self.socket.send(json.dumps(message))

    async def fail(self, code: int) -> None:
        await self.send("task_failed", code)
        await self.socket.close()
        raise _Ended

    async def go_wrong(self, stage: Stage, text: str | None = None, sent_bytes: int = 0) -> bool:
        """Whether something was done that stands for the regular answer."""
        fault = self.simulator.take_fault(stage, text, sent_bytes)
        if fault is None:
            return False
        if fault.stall:
            await self.socket.wait_closed()
            raise _Ended
        if fault.drop:
            self.socket.transport.abort()
            raise _Ended
        if fault.raw:
            await self.socket.send(fault.raw)
        elif fault.status in SKIPPING:
            await self.send(fault.event, fault.status)
        else:
            await self.send(fault.event, fault.status)
            await self.socket.close()
            raise _Ended
        return True

    async def listen(self) -> None:
        while True:
            with anyio.move_on_after(self.manner.idle_s) as idle:
                raw = await self.socket.recv()
            if idle.cancelled_caught:
                if self.queue:
                    continue
                await self.fail(2201)
            await self.receive(raw)
            self.simulator.changed()
            if self.finishing:
                return

    async def receive(self, raw: str | bytes) -> None:
        message = json.loads(raw) if isinstance(raw, str) else None
        if not isinstance(message, dict):
            await self.fail(2202)
            return
        self.call.received.append(message)
        match message.get("event"):
            case "task_start" if self.task is None:
                await self.begin(message)
            case "task_continue" if self.task is not None and set(message) == {"event", "text"}:
                await self.take_text(message["text"])
            case "task_finish" if self.task is not None:
                self.finishing = True
                if self.manner.deaf_at_end:
                    self.socket.transport.pause_reading()
                self.wake.set()
            case "task_start" | "task_continue" | "task_finish":
                await self.fail(2206)
            case _:
                await self.fail(2202)

    async def begin(self, message: dict[str, Any]) -> None:
        for code in complaints(message):
            await self.fail(code)
        if not await self.go_wrong("start"):
            await self.send("task_started")
        self.task = message

    async def take_text(self, text: object) -> None:
        if not isinstance(text, str):
            await self.fail(2013)
            return
        if await self.go_wrong("text", text):
            return
        invisible = sum(unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn") for character in text)
        if not text.strip():
            await self.send("task_continued", 2203)
        elif len(text) >= 10_000:
            await self.send("task_continued", 2204)
        elif len(self.queue) >= self.manner.queued_texts:
            await self.send("task_continued", 2205)
        elif invisible > len(text) / 10:
            await self.fail(1042)
        else:
            self.call.texts.append(text)
            self.queue.append(text)
            self.wake.set()

    async def speak_all(self, scope: anyio.CancelScope) -> None:
        with suppress(ConnectionClosed, _Ended):
            queued = False
            while self.queue or not self.finishing:
                if not self.queue:
                    queued, self.wake = False, anyio.Event()
                    await self.wake.wait()
                    continue
                await anyio.sleep(self.manner.queued_audio_s if queued else self.manner.first_audio_s)
                await self.speak(self.queue[0])
                self.call.spoken.append(self.queue.popleft())
                queued = bool(self.queue)
            await self.send("task_finished")
            if self.manner.deaf_at_end:
                await anyio.sleep_forever()
        scope.cancel()

    async def speak(self, text: str) -> None:
        assert self.task is not None
        pcm = self.simulator.voice(text, self.task)
        rate = self.task["audio_setting"]["sample_rate"]
        pieces = [pcm[i : i + self.manner.message_bytes] for i in range(0, len(pcm), self.manner.message_bytes)]
        last = pieces.pop() if self.manner.final == "last piece" else b""
        sent_bytes = 0
        for piece in pieces:
            if await self.go_wrong("speech", text, sent_bytes):
                continue
            await self.send("task_continued", is_final=False, data={"audio": piece.hex()})
            sent_bytes += len(piece)
            if self.manner.pace:
                await anyio.sleep(len(piece) / 2 / rate / self.manner.pace)
        if not await self.go_wrong("final", text, sent_bytes):
            await self.send("task_continued", is_final=True, **self.closing(pcm, last, rate))

    def closing(self, pcm: bytes, last: bytes, rate: int) -> dict[str, Any]:
        info = {
            **{"audio_length": len(pcm) * 1000 // (2 * rate), "audio_sample_rate": rate, "audio_size": len(pcm)},
            **{"audio_format": "pcm", "audio_channel": 1, "bitrate": 128000, "usage_characters": 12, "word_count": 12},
        }
        data: dict[str, Any] | None = {"audio": (pcm if self.manner.final == "whole again" else last).hex()}
        if self.manner.final in ("null data", "no data"):
            data = None if self.manner.final == "null data" else {}
        return {"data": data, **({"extra_info": info} if self.manner.counts_bytes else {})}


def complaints(start: dict[str, Any]) -> Iterator[int]:
    """The status codes that a task_start deserves, the first one counts."""
    voice, audio = start.get("voice_setting"), start.get("audio_setting", {})
    if not isinstance(voice, dict) or not isinstance(audio, dict):
        yield 2013
        return
    if set(start) - START_FIELDS or set(voice) - VOICE_FIELDS or set(audio) - AUDIO_FIELDS:
        yield 2013
    pitch, speed, volume = voice.get("pitch", 0), voice.get("speed", 1), voice.get("vol", 1)
    fits = (
        start.get("model") in MODELS
        and type(pitch) is int
        and -12 <= pitch <= 12
        and 0.5 <= speed <= 2
        and 0 < volume <= 10
        and voice.get("emotion", "calm") in EMOTIONS
        and audio.get("sample_rate", 32000) in (8000, 16000, 22050, 24000, 32000, 44100)
        and audio.get("format", "mp3") == "pcm"  # the only one that is simulated
        and audio.get("channel", 1) == 1
        and start.get("language_boost") in (None, "auto", "Chinese", "Chinese,Yue", "English", "Japanese", "Korean")
    )
    if not fits:
        yield 2013
    if voice.get("voice_id") not in VOICES:
        yield 2054


@asynccontextmanager
async def simulate_minimax(
    manner: Manner | None = None, *, key: str = KEY, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MinimaxSimulator]:
    """A server on 127.0.0.1; its `url` is what `endpoints.tts` wants."""
    simulator = MinimaxSimulator(manner or Manner(), key)
    async with serve(
        simulator.serve,
        "127.0.0.1",
        port,
        process_request=simulator.admit,
        compression=None,
        ping_interval=None,
        close_timeout=0.2,
        ssl=tls,
    ) as server:
        address = server.sockets[0].getsockname()
        simulator.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{address[1]}{PATH}"
        try:
            yield simulator
        finally:
            for socket in list(simulator.sockets):
                socket.transport.abort()


async def _serve_a_person(port: int) -> None:
    manner = Manner(first_audio_s=0.15, queued_audio_s=0.05, pace=4)
    async with simulate_minimax(manner, port=port) as simulator:
        print(f"MiniMax at {simulator.url}, its key is {simulator.key}", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="A stand-in for MiniMax's voice")
    arguments.add_argument("--port", type=int, default=8602)
    with suppress(KeyboardInterrupt):
        anyio.run(_serve_a_person, arguments.parse_args().port)
