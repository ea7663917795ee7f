"""WebSocket connections in, answers of FunASR's runtime out: a strict stand-in for the four programs on loopback.

Written from the page of the runtime alone: it shares no constant and no code with the client. A `Program` says which of
the four it is; what differs between them is what makes a client hard to write. `python -m tests.simulators.funasr`
serves a person on port 10095.
"""

import argparse
import contextlib
import json
import math
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

Program = Literal["cpp-2pass", "cpp-file", "py-new", "py-old"]
PROGRAMS: tuple[Program, ...] = ("cpp-2pass", "cpp-file", "py-new", "py-old")
EPOCH_MS = 1795836000123
SENTENCE_SILENCE_MS = 800
PARTIAL_MS = 600
CHARACTER_MS = 150

Hear = Callable[[bytes], str]
Stage = Literal["handshake", "upgrade", "audio", "end"]


@dataclass(eq=False)
class Fault:
    """Something that goes wrong at a stage, a number of times. One of `stall` to `raw` says what."""

    at: Stage
    stall: bool = False  # silence; everything is read on
    half_open: bool = False  # nothing is read any more
    drop: bool = False  # the connection is gone, without a close frame
    close: int = 0
    status: int = 0  # of HTTP, at the handshake
    raw: str | bytes = b""  # this message instead of the answer, and then everything goes on
    after_bytes: int = 0
    times: float = 1


@dataclass
class Manner:
    """What may differ from one installation to the next."""

    program: Program = "cpp-2pass"
    wants_subprotocol: bool = False  # newer Python servers: 400 without it
    sense_voice: bool = False  # tags in offline texts, and Mandarin partials whatever is said
    stamps: bool = True  # models that tell times
    final_s: float = 0.0  # from the end signal to the last answer
    answers_empty: bool = True  # py-old since September 2024, where no speech was found
    late_sentence: bool = False  # a sentence's final text is on its way when the end signal comes
    double_stop: bool = False  # Paraformer's extra full stop at the end


@dataclass(eq=False)
class Call:
    """One connection, as the server saw it."""

    path: str
    subprotocol: str | None
    messages: list[dict[str, Any]] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    frames: list[int] = field(default_factory=list)  # their sizes
    texts: list[str] = field(default_factory=list)  # of its sentences
    ended: bool = False
    open: bool = True
    close_code: int | None = None

    @property
    def first(self) -> dict[str, Any]:
        return self.messages[0]


def hear_length(pcm: bytes) -> str:
    """The text that nobody set: how long the sentence is."""
    return f"听到{len(pcm) // 32}毫秒。"


class FunasrSimulator:
    """What the tests set and read."""

    def __init__(self, manner: Manner) -> None:
        self.manner = manner
        self.url = ""
        self.hear: Hear | deque[str] = hear_length
        self.faults: list[Fault] = []
        self.handshakes = 0
        self.calls: list[Call] = []
        self.sockets: set[ServerConnection] = set()
        self._changed = anyio.Event()

    @property
    def open_calls(self) -> list[Call]:
        return [call for call in self.calls if call.open]

    @property
    def audio(self) -> bytes:
        return b"".join(call.audio for call in self.calls)

    def take_fault(self, stage: Stage, received_bytes: int = 0) -> Fault | None:
        for fault in self.faults:
            if fault.at == stage and fault.times > 0 and received_bytes >= fault.after_bytes:
                fault.times -= 1
                return fault
        return None

    def text_of(self, pcm: bytes, ended: bool) -> str:
        if not isinstance(self.hear, deque):
            return self.hear(pcm)
        if not self.hear:
            return hear_length(pcm)
        return self.hear.popleft() if ended else self.hear[0]

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        self.changed()
        offered = ",".join(request.headers.get_all("Sec-WebSocket-Protocol"))
        fault = self.take_fault("handshake")
        if fault is not None and fault.status:
            return connection.respond(HTTPStatus(fault.status), "vendor text that must not be shown")
        if fault is not None:
            self.sockets.add(connection)
            if fault.drop:
                connection.transport.abort()
            if fault.half_open:
                connection.transport.pause_reading()
            await connection.wait_closed()
            self.sockets.discard(connection)
            return connection.respond(HTTPStatus.INTERNAL_SERVER_ERROR, "nobody reads this")
        if self.manner.wants_subprotocol and "binary" not in offered:
            return connection.respond(HTTPStatus.BAD_REQUEST, "missing subprotocol")
        return None

    def choose(self, _: ServerConnection, offered: Sequence[Subprotocol]) -> Subprotocol | None:
        """cpp never answers the header; Python servers know one name."""
        known = self.manner.program.startswith("py") and "binary" in offered
        return Subprotocol("binary") if known else None

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        call = Call(socket.request.path, socket.subprotocol)
        self.calls.append(call)
        self.sockets.add(socket)
        self.changed()
        try:
            with contextlib.suppress(ConnectionClosed, _Ended):
                await _Session(self, socket, call).run()
            if not socket.transport.is_closing():
                await socket.close()
            await socket.wait_closed()
        finally:
            call.close_code = socket.close_code
            call.open = False
            self.sockets.discard(socket)
            self.changed()


class _Ended(Exception):
    """This side has said its last word."""


class _Sentence:
    """Speech between silences, as the server's own VAD finds it."""

    def __init__(self) -> None:
        self.pcm = bytearray()
        self.quiet_ms = 0
        self.told = 0  # characters of its partial text

    @property
    def spoken_ms(self) -> int:
        return len(self.pcm) // 32 - self.quiet_ms


class _Session:
    """From the upgrade to the close."""

    def __init__(self, simulator: FunasrSimulator, socket: ServerConnection, call: Call) -> None:
        self.simulator = simulator
        self.manner = simulator.manner
        self.program = simulator.manner.program
        self.socket = socket
        self.call = call
        self.state: dict[str, Any] = {"mode": "2pass", "wav_name": "wav-default-id"}
        self.deaf = False
        self.sentence: _Sentence | None = None
        self.rest = b""
        self.since_partial_ms = 0
        self.errors: list[str] = []
        self.audio_since_final = False

    @property
    def is_cpp(self) -> bool:
        return self.program.startswith("cpp")

    async def run(self) -> None:
        await self.go_wrong("upgrade")
        while True:
            message = await self.socket.recv()
            if self.deaf:
                continue
            if isinstance(message, str):
                await self.told(message)
            else:
                await self.sound(message)

    async def go_wrong(self, stage: Stage) -> bool:
        fault = self.simulator.take_fault(stage, len(self.call.audio))
        if fault is None:
            return False
        if fault.stall:
            while True:
                message = await self.socket.recv()
                if isinstance(message, bytes):
                    self.call.audio += message
                    self.simulator.changed()
        if fault.half_open:
            self.socket.transport.pause_reading()
            await self.socket.wait_closed()
            raise _Ended
        if fault.drop:
            self.socket.transport.abort()
            raise _Ended
        if fault.close:
            await self.socket.close(fault.close)
            raise _Ended
        await self.socket.send(fault.raw)
        return True

    async def told(self, message: str) -> None:
        """A text frame; each program has its own way with what is wrong."""
        try:
            told = json.loads(message)
            if not isinstance(told, dict) or not isinstance(told.get("hotwords", ""), str):
                raise ValueError(message)
        except ValueError:
            if self.program == "py-old":
                await self.socket.close(1000)
                raise _Ended from None
            self.deaf = self.is_cpp
            return
        self.call.messages.append(told)
        self.state |= told
        self.simulator.changed()
        if self.program == "py-old" and "chunk_size" not in self.state:
            await self.socket.close(1000)
            raise _Ended
        if told.get("is_speaking") is False or (self.is_cpp and told.get("is_finished")):
            await self.end(bool(told.get("is_end")))

    @property
    def is_configured(self) -> bool:
        size = self.state.get("chunk_size")
        if self.program == "cpp-file":
            return True
        return isinstance(size, list) and len(size) == 3 and bool(size[1])

    async def sound(self, message: bytes) -> None:
        self.call.frames.append(len(message))
        self.call.audio += message
        self.audio_since_final = True
        self.simulator.changed()
        if await self.go_wrong("audio"):
            return
        if not self.is_configured:
            self.errors = ["audio frame discarded: chunk_size is not configured"]
            return
        if not self.is_cpp and (len(message) % 2 or len(message) < 32):
            await self.socket.close(1000)
            raise _Ended
        if self.program == "py-new" and self.state["mode"] not in ("2pass", "online", "offline"):
            self.errors = [f"unsupported mode: {self.state['mode']!r}"]
            return
        step = 1600 if self.is_cpp else max(32, len(message))
        self.rest += message
        while len(self.rest) >= step:
            piece, self.rest = self.rest[:step], self.rest[step:]
            await self.hear(piece)

    async def hear(self, piece: bytes) -> None:
        loud = _is_loud(piece)
        if self.sentence is None and loud:
            self.sentence, self.since_partial_ms = _Sentence(), 0
        if self.sentence is None:
            return
        self.sentence.pcm += piece
        self.sentence.quiet_ms = 0 if loud else self.sentence.quiet_ms + len(piece) // 32
        self.since_partial_ms += len(piece) // 32
        if self.program == "cpp-file":
            return
        if self.sentence.quiet_ms >= SENTENCE_SILENCE_MS:
            await self.conclude(is_final=self.program == "py-new" or self.program == "py-old")
        elif self.since_partial_ms >= PARTIAL_MS and self.state["mode"] != "offline":
            self.since_partial_ms = 0
            await self.tell_partial(self.sentence)

    async def tell_partial(self, sentence: _Sentence) -> None:
        text = self.simulator.text_of(bytes(sentence.pcm), False).rstrip("。？！.?!")
        if self.manner.sense_voice:
            text = "嗯" * len(text)
        upto = min(len(text), sentence.spoken_ms // CHARACTER_MS)
        new, sentence.told = text[sentence.told : upto], max(upto, sentence.told)
        if new:
            await self.send(self.mode("online"), new, is_final=self.program == "py-old")

    def mode(self, kind: str) -> str:
        if self.program == "cpp-file":
            return "offline"
        return f"2pass-{kind}" if self.state["mode"] == "2pass" or self.program == "cpp-2pass" else kind

    async def conclude(self, *, is_final: bool, ending: bool = False) -> bool:
        """The exact text of the sentence that is open, if there is one; whether anything was said."""
        if self.sentence is None:
            return False
        text = self.simulator.text_of(bytes(self.sentence.pcm), True)
        self.sentence = None
        if not text and not self.is_cpp:
            return False
        self.call.texts.append(text)
        if self.manner.sense_voice and text:
            text = f"<|ja|><|HAPPY|><|Speech|><|withitn|>{text}"
        if self.manner.double_stop and ending:
            text += "。"
        self.audio_since_final = False
        await self.send(self.mode("offline"), text, is_final=is_final)
        return True

    async def end(self, wants_end: bool) -> None:
        """The end signal."""
        self.call.ended = True
        self.simulator.changed()
        if self.rest and self.is_configured:
            rest, self.rest = self.rest, b""
            await self.hear(rest + bytes(len(rest) % 2))
        if self.manner.late_sentence and self.sentence is not None:
            await self.conclude(is_final=False)
        with anyio.move_on_after(self.manner.final_s):
            await self.socket.wait_closed()
            raise _Ended
        if await self.go_wrong("end"):
            return
        await getattr(self, f"end_{self.program.replace('-', '_')}")(wants_end)
        self.sentence, self.audio_since_final = None, False

    async def end_cpp_2pass(self, _: bool) -> None:
        if self.is_configured and not await self.conclude(is_final=True, ending=True):
            await self.send("", "", is_final=True)

    async def end_cpp_file(self, _: bool) -> None:
        if not await self.conclude(is_final=False, ending=True):
            await self.send("offline", "", is_final=False)

    async def end_py_new(self, wants_end: bool) -> None:
        told = await self.conclude(is_final=True, ending=True)
        if not told and self.audio_since_final and not self.errors:
            await self.send(self.mode("offline"), "", is_final=True)
        if wants_end:
            name = self.state["wav_name"]
            answer: dict[str, Any] = {"mode": "2pass", "wav_name": name, "is_final": not self.errors, "is_end": True}
            if self.errors:
                answer["error"] = "; ".join(self.errors)
            await self.socket.send(json.dumps(answer))
        elif self.errors:
            await self.socket.close(1000)
            raise _Ended

    async def end_py_old(self, _: bool) -> None:
        spoken = self.sentence is not None
        if not await self.conclude(is_final=False, ending=True) and not spoken and self.manner.answers_empty:
            await self.send(self.mode("offline"), "", is_final=False)

    async def send(self, mode: str, text: str, *, is_final: bool) -> None:
        message: dict[str, Any] = {"text": text, "wav_name": self.state["wav_name"], "is_final": is_final}
        if mode:
            message["mode"] = mode
        stamps = [[430, 670], [670, 810]]
        exact = mode.endswith("offline") and bool(text)
        if self.is_cpp:
            message["timestamp"] = json.dumps(stamps) if exact and self.manner.stamps else EPOCH_MS
            if self.program == "cpp-file" and not (exact and self.manner.stamps):
                del message["timestamp"]
        elif exact and self.manner.stamps:
            message["timestamp"] = stamps
        await self.socket.send(json.dumps(message, ensure_ascii=False))


def _is_loud(piece: bytes) -> bool:
    count = len(piece) // 2
    samples = struct.unpack(f"<{count}h", piece[: 2 * count])
    return count > 0 and math.sqrt(sum(sample * sample for sample in samples) / count) > 300


@asynccontextmanager
async def simulate_funasr(
    manner: Manner | None = None, *, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FunasrSimulator]:
    """A server on 127.0.0.1; `url` is what `endpoints.funasr` wants."""
    simulator = FunasrSimulator(manner or Manner())
    async with serve(
        simulator.serve,
        "127.0.0.1",
        port,
        process_request=simulator.admit,
        subprotocols=[Subprotocol("binary")],
        select_subprotocol=simulator.choose,
        compression=None,
        open_timeout=None,
        ping_interval=None,
        close_timeout=0.2,
        max_size=2**20,
        ssl=tls,
    ) as server:
        simulator.url = f"{'wss' if tls else 'ws'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        try:
            yield simulator
        finally:
            for socket in list(simulator.sockets):
                socket.transport.abort()


async def _serve_a_person(program: Program, port: int) -> None:
    async with simulate_funasr(Manner(program), port=port) as simulator:
        print(f"endpoints.funasr: {simulator.url}", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.funasr", description=__doc__)
    parser.add_argument("--program", default="cpp-2pass", choices=PROGRAMS)
    parser.add_argument("--port", type=int, default=10095)
    arguments = parser.parse_args()
    anyio.run(_serve_a_person, arguments.program, arguments.port)
