"""WebSocket requests in, the answers of MiniMax T2A v2's bidirectional variant out: a strict stand-in on loopback.

Written from the vendor's protocol page, section 7, and what that says is as in the plain variant; it shares no constant
and no code with the client. What the page leaves open is a `Manner`. (Over 400 lines, so that one variant is one file.)
"""

import json
import unicodedata
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import anyio
import anyio.lowlevel
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.simulators.minimax import KEY, Call, complaints, speech

PATH = "/ws/v1/t2a_v2_bidi"
SKIPPING = {2203, 2204, 2205}
EVENTS = {"task_start", "task_continue", "task_flush", "task_cancel", "task_finish"}
RELEASE = set("。！？!?…；.\n")
RELEASE_IF_LONG = set("，、：,;:")

Stage = Literal["handshake", "connect", "start", "text", "speech", "final", "flush", "cancel"]


@dataclass(eq=False)
class Fault:
    """Something that goes wrong at a stage, a number of times. One of `status`, `raw`, `stall`, `drop` says what.

    Stages: instead of the 101, of connected_success, of task_started; when a text has arrived; when `after_bytes` of a
    sentence were sent; instead of its last message; instead of task_flushed, of task_canceled.
    """

    at: Stage
    status: int = 0  # of base_resp, or of HTTP at the handshake
    raw: str | bytes = ""
    stall: bool = False
    drop: bool = False
    text: str | None = None  # where this text or sentence is concerned
    after_bytes: int = 0
    times: float = 1
    event: str = "task_failed"  # which carries the status


@dataclass
class Manner:
    """The ways of answering that the page leaves open; times are the vendor's own and 0 by default."""

    first_audio_s: float = 0.0
    pace: float = 0.0  # in real times; 0: as fast as the line takes it
    round_trip_s: float = 0.0  # until a greeting, and the answer to a task_start, is there
    message_bytes: int = 3200
    final: Literal["last piece", "empty", "null data", "no data", "whole again", "none"] = "last piece"
    names_event: bool = True
    counts_bytes: bool = True  # extra_info
    announces: bool = True  # sentence_start, sentence_end
    blank_sentences: bool = False  # a stop by itself is announced, and has no audio
    flushes: Literal["after speech", "at once"] = "after speech"
    long_enough: int = 10  # characters before a comma
    late_messages: int = 0  # of audio, between task_cancel and task_canceled
    stray_messages: int = 0  # of audio, after task_canceled
    idle_s: float = 120.0


@dataclass(eq=False)
class BidiCall(Call):
    """One connection, as the vendor saw it. `texts` are those accepted, `spoken` the sentences said to their end."""

    events: list[str] = field(default_factory=list)  # both ways, but for audio; ours with a `>`
    mistakes: list[int] = field(default_factory=list)  # codes that the user deserved
    cut_off: list[str] = field(default_factory=list)  # sentences that task_finish came before
    sounded: int = 0  # messages of audio that have left

    def count(self, event: str) -> int:
        return self.events.count(event)


class BidiSimulator:
    """What the tests set and read."""

    def __init__(self, manner: Manner, key: str) -> None:
        self.manner = manner
        self.key = key
        self.url = ""
        self.faults: list[Fault] = []
        self.handshakes = 0
        self.calls: list[BidiCall] = []
        self.sockets: set[ServerConnection] = set()
        self._changed = anyio.Event()

    @property
    def open_calls(self) -> list[BidiCall]:
        return [call for call in self.calls if call.open]

    @property
    def waiting(self) -> list[BidiCall]:
        """Open, and not yet asked for a text."""
        return [call for call in self.open_calls if not call.texts]

    @property
    def texts(self) -> list[str]:
        """All texts accepted, each as often as it was asked for."""
        return [text for call in self.calls for text in call.texts]

    def call_of(self, text: str) -> BidiCall:
        """The last connection over which a text was sent, in pieces or not."""
        in_pieces = (call for call in reversed(self.calls) if text in "".join(call.texts))
        return next((call for call in reversed(self.calls) if text in call.texts), None) or next(in_pieces)

    def speech(self, text: str) -> bytes:
        """What a text sounds like, as asked for last: each of its sentences by itself."""
        start = self.call_of(text).start
        assert start is not None
        sentences, rest = gather(text, self.manner.long_enough)
        return b"".join(speech(sentence, start) for sentence in [*sentences, rest] if is_speakable(sentence))

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
            return connection.respond(HTTPStatus(fault.status), "")
        if request.path.partition("?")[0] != PATH:
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return connection.respond(HTTPStatus.UNAUTHORIZED, "")
        return None

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        call = BidiCall(dict(socket.request.headers.raw_items()))
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


def gather(text: str, long_enough: int) -> tuple[list[str], str]:
    """The sentences that a text releases, and what waits for more."""
    sentences, rest = [], ""
    for character in text:
        rest += character
        if character in RELEASE or (character in RELEASE_IF_LONG and len(rest) > long_enough):
            sentences.append(rest)
            rest = ""
    return sentences, rest


def is_speakable(sentence: str) -> bool:
    return any(character.isalnum() for character in sentence)


def audio(piece: bytes) -> dict[str, Any]:
    return {"is_final": False, "data": {"audio": piece.hex()}}


class _Ended(Exception):
    """This side has said its last word."""


class _Conversation:
    """One task, from connected_success to the close."""

    def __init__(self, simulator: BidiSimulator, socket: ServerConnection, call: BidiCall) -> None:
        self.simulator = simulator
        self.manner = simulator.manner
        self.socket = socket
        self.call = call
        self.task: dict[str, Any] | None = None
        self.gathered = ""
        self.queue: deque[str | None] = deque()  # sentences, and None for a flush
        self.wake = anyio.Event()
        self.spoken: str | None = None  # just now
        self.unsent: list[bytes] = []  # of that
        self.speaking = anyio.CancelScope()

    async def run(self) -> None:
        await self.greet("connect", "connected_success")
        async with anyio.create_task_group() as tasks:
            for side in (self.listen, self.speak_all):
                tasks.start_soon(self.until_ended, side, tasks.cancel_scope)

    async def until_ended(self, side: Callable[[], Any], both: anyio.CancelScope) -> None:
        with suppress(ConnectionClosed, _Ended):
            await side()
        both.cancel()

    async def send(self, event: str, code: int = 0, **fields: Any) -> None:
        if code:
            self.call.sent_codes.append(code)
        if event != "task_continued":
            self.call.events.append(event)
        elif not code:
            self.call.sounded += 1
        status = {"status_code": code, "status_msg": "success" if code == 0 else "vendor text that must not be shown"}
        about = {"session_id": "s", "connect_id": "c", "trace_id": "simulated-trace", "base_resp": status}
        named = event != "task_continued" or self.manner.names_event or code
        await self.socket.send(json.dumps({**({"event": event} if named else {}), **about, **fields}))
        self.simulator.changed()

    async def fail(self, code: int) -> None:
        self.call.mistakes.append(code)
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
            return True
        await self.send(fault.event, fault.status)
        if fault.status not in SKIPPING:
            await self.socket.close()
            raise _Ended
        return True

    async def listen(self) -> None:
        while True:
            with anyio.move_on_after(self.manner.idle_s) as idle:
                raw = await self.socket.recv()
            if not idle.cancelled_caught:
                await self.receive(raw)
                self.simulator.changed()
            elif not self.queue and self.spoken is None:
                await self.fail(2201)

    async def receive(self, raw: str | bytes) -> None:
        message = json.loads(raw) if isinstance(raw, str) else None
        if not isinstance(message, dict):
            return await self.fail(2202)
        self.call.received.append(message)
        event, fields = message.get("event"), set(message) - {"event"}
        self.call.events.append(f">{event}")
        if event in EVENTS and (event == "task_start") == (self.task is not None):
            await self.fail(2206)
        match event:
            case "task_start":
                await self.begin(message)
            case "task_continue" if fields == {"text"}:
                await self.take_text(message["text"])
            case "task_flush" if not fields:
                await self.flush()
            case "task_cancel" if not fields:
                await self.cancel()
            case "task_finish" if not fields:
                self.call.cut_off = [sentence for sentence in (self.spoken, *self.queue) if sentence is not None]
                await self.send("task_finished")
                raise _Ended
            case _:
                await self.fail(2202)

    async def begin(self, message: dict[str, Any]) -> None:
        for code in complaints({name: value for name, value in message.items() if name != "session_id"}):
            await self.fail(code)
        await self.greet("start", "task_started")
        self.task = message

    async def greet(self, stage: Stage, event: str) -> None:
        await anyio.sleep(self.manner.round_trip_s)
        if not await self.go_wrong(stage):
            await self.send(event)

    async def take_text(self, text: object) -> None:
        if not isinstance(text, str):
            return await self.fail(2013)
        if await self.go_wrong("text", text) or not text.strip():
            return
        invisible = sum(unicodedata.category(character) in ("Cc", "Cf", "Co", "Cn") for character in text)
        if len(text) >= 10_000:
            await self.send("task_continued", 2204)
        elif invisible > len(text) / 10:
            await self.fail(1042)
        else:
            self.call.texts.append(text)
            sentences, self.gathered = gather(self.gathered + text, self.manner.long_enough)
            self.enqueue(*sentences)

    def enqueue(self, *sentences: str | None) -> None:
        kept = (each for each in sentences if each is None or is_speakable(each) or self.manner.blank_sentences)
        self.queue.extend(kept)
        self.wake.set()

    async def flush(self) -> None:
        if self.gathered:
            self.enqueue(self.gathered)
            self.gathered = ""
        if self.manner.flushes == "after speech":
            self.enqueue(None)
        elif not await self.go_wrong("flush"):
            await self.send("task_flushed")

    async def cancel(self) -> None:
        self.speaking.cancel()
        self.queue.clear()
        self.gathered = ""
        late, stray = self.manner.late_messages, self.manner.late_messages + self.manner.stray_messages
        for piece in self.unsent[:late]:
            await self.send("task_continued", **audio(piece))
        if not await self.go_wrong("cancel"):
            await self.send("task_canceled")
        for piece in self.unsent[late:stray]:
            await self.send("task_continued", **audio(piece))
        self.unsent = []

    async def speak_all(self) -> None:
        while True:
            while self.queue:
                with anyio.CancelScope() as self.speaking:
                    self.spoken = self.queue.popleft()
                    await self.speak_next()
                self.spoken = None
            self.wake = anyio.Event()
            await self.wake.wait()

    async def say(self, event: str, **fields: Any) -> None:
        """What is said of a sentence; nothing, once it is cancelled."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self.send(event, **fields)

    async def speak_next(self) -> None:
        if self.spoken is None:
            if not await self.go_wrong("flush"):
                await self.say("task_flushed")
            return
        if self.manner.announces:
            await self.say("sentence_start")
        if is_speakable(self.spoken):
            await anyio.sleep(self.manner.first_audio_s)
            await self.speak(self.spoken)
        if self.manner.announces:
            await self.say("sentence_end")
        self.call.spoken.append(self.spoken)

    async def speak(self, sentence: str) -> None:
        assert self.task is not None
        pcm, size = speech(sentence, self.task), self.manner.message_bytes
        self.unsent = [pcm[at : at + size] for at in range(0, len(pcm), size)]
        last = self.unsent.pop() if self.manner.final == "last piece" else b""
        sent_bytes = 0
        while self.unsent:
            piece = self.unsent.pop(0)
            if not await self.go_wrong("speech", sentence, sent_bytes):
                await self.say("task_continued", **audio(piece))
            sent_bytes += len(piece)
            if self.manner.pace:
                await anyio.sleep(size / 2 / self.task["audio_setting"]["sample_rate"] / self.manner.pace)
        if not await self.go_wrong("final", sentence, sent_bytes) and self.manner.final != "none":
            await self.say("task_continued", **self.closing(pcm, last))

    def closing(self, pcm: bytes, last: bytes) -> dict[str, Any]:
        data: dict[str, Any] | None = {"audio": (pcm if self.manner.final == "whole again" else last).hex()}
        if self.manner.final in ("null data", "no data"):
            data = None if self.manner.final == "null data" else {}
        return {
            "is_final": True,
            "data": data,
            **({"extra_info": {"audio_size": len(pcm)}} if self.manner.counts_bytes else {}),
        }


@asynccontextmanager
async def simulate_minimax_bidi(
    manner: Manner | None = None, *, key: str = KEY, port: int = 0
) -> AsyncIterator[BidiSimulator]:
    """A server on 127.0.0.1; its `url` is what `endpoints.tts` wants."""
    simulator = BidiSimulator(manner or Manner(), key)
    async with serve(
        simulator.serve,
        "127.0.0.1",
        port,
        process_request=simulator.admit,
        compression=None,
        ping_interval=None,
        close_timeout=0.2,
    ) as server:
        simulator.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}{PATH}"
        try:
            yield simulator
        finally:
            for socket in list(simulator.sockets):
                socket.transport.abort()
