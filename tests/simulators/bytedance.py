"""WebSocket requests in, answers of ByteDance's streaming ASR ("sauc" v3) out: a strict stand-in on loopback.

Written from the vendor's protocol page alone: it shares no constant and no code with the client, and refuses what the
page says the vendor refuses. What the page leaves open is a `Manner`. `python -m tests.simulators.bytedance` serves a
person without a key on port 8603. (Over 400 lines, so that what tests set and what comes of it is one file.)
"""

import argparse
import json
import math
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.simulators.bytedance_page import (
    EMPTY,
    FORMAT,
    IDLE,
    INVALID,
    NO_GRANT,
    NO_RESOURCE,
    QUOTA,
    RATE_HZ,
    UNDECODABLE,
    Frame,
    Refused,
    check_request,
    read_frame,
    undecodable,
    words_of,
    write_answer,
    write_error,
)
from tests.simulators.bytedance_recogniser import Recogniser, Utterance

Service = Literal["bigmodel", "bigmodel_async", "bigmodel_nostream"]
SERVICES: tuple[Service, ...] = ("bigmodel", "bigmodel_async", "bigmodel_nostream")
FOLDERS = ("/api/v3/sauc/", "/api/v3/plan/sauc/")
APP_KEY = "1234567890"
ACCESS_KEY = "simulated-access-key"
API_KEY = "simulated-api-key"
RESOURCES = {
    f"volc.{model}.sauc.{billing}" for model in ("bigasr", "seedasr") for billing in ("duration", "concurrent")
}
NOSTREAM_MS = 15_000

Hear = Callable[[bytes], str]
Stage = Literal["handshake", "upgrade", "first", "audio", "final"]


@dataclass(eq=False)
class Fault:
    """Something that goes wrong at a stage, a number of times. One of `stall` to `raw` says what.

    Stages: instead of the 101; right after it, before anything was asked for; instead of the first answer; when
    `after_bytes` of a session's audio have arrived, instead of an answer to that; instead of the final answer.
    """

    at: Stage
    stall: bool = False  # silence; everything is read on
    half_open: bool = False  # nothing is read any more, so that not even the other end's leaving is noticed
    drop: bool = False  # the connection is gone, without a close frame
    close: int = 0  # a close frame with this code
    code: int = 0  # of an error frame
    status: int = 0  # of HTTP, at the handshake
    raw: str | bytes = b""  # this message instead of the answer, and then everything goes on
    text: str = "vendor text that must not be shown"  # beside a code or a status
    after_bytes: int = 0
    service: Service | None = None  # this one only
    times: float = 1

    def __post_init__(self) -> None:
        told = (self.stall, self.half_open, self.drop, self.close, self.code, self.status, self.raw)
        assert sum(map(bool, told)) == 1, "one thing goes wrong"
        allowed = not (self.close or self.code or self.raw) if self.at == "handshake" else not self.status
        assert allowed, f"this cannot happen at the stage {self.at}"


@dataclass
class Manner:
    """The ways of answering that the page leaves open; times are the vendor's own and 0 by default."""

    final_s: float = 0.0  # from the last packet to the final answer
    partial_ms: int = 0  # of audio at least between two answers of bigmodel_async that change a partial text alone
    character_ms: int = 150  # of audio for each character of a partial text
    loud_rms: float = 300.0  # of 10 ms; what is below it is silence
    greeting: Literal["log id", "empty", "none"] = "log id"  # of bigmodel_async, on the full request
    pings: bool = False  # one, after the full request
    result_list: bool = False  # `result` as the documents draw it
    gzips: bool = False
    final_utterances: bool = True
    final_sequence: Literal["negative", "positive", "none"] = "negative"
    final_invoke_type: str | None = None  # of an utterance that the last packet ended
    start_time: Literal["given", "absent", "-1"] = "given"  # of a partial utterance
    empty_definite: bool = False  # a definite utterance without text before all others
    wrong_key: Literal["http", "frame"] = "http"
    plain_errors: bool = False  # an error frame's message is not JSON
    error_close: int | None = 1000  # after an error frame; None leaves the dead session open
    connections: float = math.inf
    idle_s: float = 8.0


@dataclass(frozen=True, slots=True)
class Packet:
    """One message with audio: its bytes of pcm, and when it came, on the loop's clock."""

    size: int
    at: float


@dataclass(eq=False)
class Call:
    """One connection, as the vendor saw it."""

    headers: dict[str, str]
    path: str
    log_id: str
    request: dict[str, Any] | None = None  # the full client request
    audio: bytearray = field(default_factory=bytearray)
    packets: list[Packet] = field(default_factory=list)  # with the last one, empty or not
    texts: list[str] = field(default_factory=list)  # of its definite utterances
    ended: bool = False  # the last packet came
    answered: bool = False  # the final answer left
    sent_codes: list[int] = field(default_factory=list)  # of error frames
    open: bool = True

    @property
    def service(self) -> Service:
        return next(service for service in SERVICES if self.path.endswith(f"/{service}"))

    @property
    def context(self) -> dict[str, Any]:
        """What `corpus.context` holds; nothing where there is none."""
        corpus = (self.request or {}).get("request", {}).get("corpus", {})
        context: dict[str, Any] = json.loads(corpus.get("context", "{}"))
        return context


def hear_length(pcm: bytes) -> str:
    """The text of an utterance that nobody set: how long it is."""
    return f"听到{len(pcm) * 1000 // (2 * RATE_HZ)}毫秒"


class BytedanceSimulator:
    """What the tests set and read."""

    def __init__(self, manner: Manner, app_key: str, access_key: str, api_key: str) -> None:
        self.manner = manner
        self.app_key = app_key
        self.access_key = access_key
        self.api_key = api_key
        self.resources = set(RESOURCES)  # that are granted
        self.base = ""
        # What an utterance says, from its own audio so far; or what the next ones say, one after the other.
        self.hear: Hear | deque[str] = hear_length
        self.faults: list[Fault] = []
        self.handshakes = 0
        self.calls: list[Call] = []
        self.sockets: set[ServerConnection] = set()
        self._changed = anyio.Event()

    def url_of(self, service: Service) -> str:
        return f"{self.base}{FOLDERS[0]}{service}"

    @property
    def url(self) -> str:
        return self.url_of("bigmodel_async")

    @property
    def batch_url(self) -> str:
        return self.url_of("bigmodel_nostream")

    @property
    def open_calls(self) -> list[Call]:
        return [call for call in self.calls if call.open]

    @property
    def audio(self) -> bytes:
        """All that arrived, one call after the other."""
        return b"".join(call.audio for call in self.calls)

    def take_fault(self, stage: Stage, path: str, received_bytes: int = 0) -> Fault | None:
        for fault in self.faults:
            fits = fault.at == stage and received_bytes >= fault.after_bytes
            if fits and fault.times > 0 and (fault.service is None or path.endswith(f"/{fault.service}")):
                fault.times -= 1
                return fault
        return None

    def text_of(self, pcm: bytes, ended: bool) -> str:
        """What an utterance says; the next of a queue is taken when an utterance has ended."""
        if not isinstance(self.hear, deque):
            return self.hear(pcm)
        if not self.hear:
            return hear_length(pcm)
        return self.hear.popleft() if ended else self.hear[0]

    def changed(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that connections and messages bring about."""
        while not condition():
            await self._changed.wait()

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.handshakes += 1
        self.changed()
        path = request.path.partition("?")[0]
        fault = self.take_fault("handshake", path)
        if fault is not None and fault.status:
            return _refusal(connection, fault.status, fault.text)
        if fault is not None:
            self.sockets.add(connection)
            if fault.drop:
                connection.transport.abort()
            if fault.half_open:
                connection.transport.pause_reading()
            await connection.wait_closed()
            self.sockets.discard(connection)
            return _refusal(connection, 500, "nobody reads this")
        if path not in {folder + service for folder in FOLDERS for service in SERVICES}:
            return connection.respond(HTTPStatus.NOT_FOUND, "")
        for refused in self.complaints(request):
            if self.manner.wrong_key == "http" or not refused.code:
                return _refusal(connection, refused.status, refused.text)
        return None

    def complaints(self, request: Request) -> Iterator[Refused]:
        """What is wrong with a handshake; the first one counts."""
        headers = {name.lower(): value for name, value in request.headers.raw_items()}
        grant = "load grant: requested grant not found in SaaS storage"
        old, new = {"x-api-app-key", "x-api-access-key"} & set(headers), "x-api-key" in headers
        if len(headers) < len(list(request.headers.raw_items())):
            yield Refused(0, "a header comes twice", 400)
        if old and new:
            yield Refused(NO_GRANT, grant, 403)
        elif new and headers["x-api-key"] != self.api_key:
            yield Refused(NO_GRANT, "Invalid X-Api-Key", 401)
        elif not new and len(old) < 2:
            yield Refused(0, "missing credentials", 401)
        elif old and (headers["x-api-app-key"], headers["x-api-access-key"]) != (self.app_key, self.access_key):
            yield Refused(NO_GRANT, grant, 403)
        resource = headers.get("x-api-resource-id")
        if not resource:
            yield Refused(0, "missing X-Api-Resource-Id", 400)
        elif resource not in self.resources:
            yield Refused(NO_RESOURCE, f"[resource_id={resource}] requested resource not granted", 403)
        for name in ("X-Api-Request-Id", "X-Api-Connect-Id"):
            if not headers.get(name.lower(), "").strip():  # a UUID says the page; clients that are served have others
                yield Refused(0, f"missing {name}", 400)
        if headers.get("x-api-sequence", "-1") != "-1":  # most clients in the field leave it out, and are served
            yield Refused(0, "X-Api-Sequence must be -1", 400)

    def greet(self, connection: ServerConnection, request: Request, response: Response) -> None:
        """The headers of every answer to a handshake."""
        response.headers["X-Tt-Logid"] = _log_id(connection)
        for connect_id in request.headers.get_all("X-Api-Connect-Id")[:1]:
            response.headers["X-Api-Connect-Id"] = connect_id

    async def serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        path = socket.request.path.partition("?")[0]
        call = Call(dict(socket.request.headers.raw_items()), path, _log_id(socket))
        self.calls.append(call)
        self.sockets.add(socket)
        self.changed()
        try:
            with suppress(ConnectionClosed, _Ended):
                await _Session(self, socket, call).run()
            if not socket.transport.is_closing():
                await socket.close()
            await socket.wait_closed()
        finally:
            call.open = False
            self.sockets.discard(socket)
            self.changed()


class _Ended(Exception):
    """This side has said its last word."""


def _log_id(connection: ServerConnection) -> str:
    return f"20261123{connection.id.hex.upper()}"


def _refusal(connection: ServerConnection, status: int, text: str) -> Response:
    response = connection.respond(HTTPStatus(status), json.dumps({"error": text}))
    del response.headers["Content-Type"]
    response.headers["Content-Type"] = "application/json"
    return response


# ---------------------------------------------------------------- one session


class _Session:
    """From the upgrade to the close."""

    def __init__(self, simulator: BytedanceSimulator, socket: ServerConnection, call: Call) -> None:
        self.simulator = simulator
        self.manner = simulator.manner
        self.socket = socket
        self.call = call
        self.recogniser: Recogniser | None = None
        self.number = 0  # of the frames that came
        self.last_told: tuple[tuple[str, bool], ...] = ()
        self.told_ms = 0
        self.repeated = 0  # definite utterances that were told before

    async def run(self) -> None:
        try:
            await self.converse()
        except Refused as refused:
            await self.refuse(refused)

    async def refuse(self, refused: Refused) -> None:
        self.call.sent_codes.append(refused.code)
        await self.socket.send(
            write_error(refused.code, refused.text, plain=self.manner.plain_errors, gzips=self.manner.gzips)
        )
        self.simulator.changed()
        if self.manner.error_close is None:
            await self.ignore()
        await self.socket.close(self.manner.error_close or 1000)

    async def ignore(self) -> None:
        """Read on, and say nothing to it, until the other end leaves."""
        while True:
            message = await self.socket.recv()
            with suppress(Refused):
                self.note(read_frame(message))

    async def go_wrong(self, stage: Stage) -> bool:
        """Whether something was done that stands for the regular answer."""
        fault = self.simulator.take_fault(stage, self.call.path, len(self.call.audio))
        if fault is None:
            return False
        if fault.stall:
            await self.ignore()
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
        if fault.code:
            raise Refused(fault.code, fault.text)
        await self.socket.send(fault.raw)
        return True

    async def converse(self) -> None:
        assert self.socket.request is not None
        for refused in self.simulator.complaints(self.socket.request):
            raise refused
        if len(self.simulator.open_calls) > self.manner.connections:
            raise Refused(QUOTA, "quota exceeded for types: concurrency")
        await self.go_wrong("upgrade")
        while not self.call.ended:
            with anyio.move_on_after(self.manner.idle_s) as idle:
                message = await self.socket.recv()
            if idle.cancelled_caught:
                waited = f"waiting next packet timeout: {self.manner.idle_s:f} seconds, session has ended"
                raise Refused(IDLE, f"[Timeout waiting next packet] {waited}")
            await self.receive(message)
        with anyio.move_on_after(self.manner.final_s):
            await self.socket.recv()
            raise Refused(UNDECODABLE, "decode ws request failed: a packet after the last one")
        await self.conclude()

    async def receive(self, message: str | bytes) -> None:
        frame = read_frame(message)
        self.number += 1
        due = -self.number if frame.last else self.number
        if frame.sequence not in (None, due):
            told = f"autoAssignedSequence ({due}) mismatch sequence in request ({frame.sequence})"
            raise undecodable(told)
        if frame.kind == "request":
            await self.begin(frame)
            return
        if self.recogniser is None:
            raise Refused(INVALID, "[Invalid Params] audio before the full client request")
        if len(frame.payload) % (2 * self.recogniser.channels):
            raise Refused(FORMAT, "half a sample")
        self.note(frame)
        self.recogniser.feed(frame.payload, last=frame.last)
        self.call.texts = [each.text for each in self.recogniser.utterances if each.definite]
        self.simulator.changed()
        if await self.go_wrong("audio") or frame.last:
            return
        await self.answer()

    def note(self, frame: Frame) -> None:
        if frame.kind == "audio":
            self.call.audio += frame.payload
            self.call.packets.append(Packet(len(frame.payload), anyio.current_time()))
        self.call.ended = self.call.ended or frame.last
        self.simulator.changed()

    async def begin(self, frame: Frame) -> None:
        if self.recogniser is not None:
            raise Refused(INVALID, "[Invalid Params] duplicate full client request")
        try:
            request = json.loads(frame.payload)
        except ValueError as error:
            raise Refused(INVALID, f"[Invalid Params] not JSON: {error}") from error
        self.call.request = request if isinstance(request, dict) else None
        check_request(request, self.call.service)
        self.recogniser = Recogniser(
            request,
            self.simulator.text_of,
            loud_rms=self.manner.loud_rms,
            character_ms=self.manner.character_ms,
            final_invoke_type=self.manner.final_invoke_type,
        )
        self.note(frame)
        if await self.go_wrong("first"):
            return
        if self.manner.pings:
            await self.socket.ping(b"")
        greeting = {"bigmodel": "empty", "bigmodel_nostream": "none"}.get(self.call.service, self.manner.greeting)
        if greeting == "log id":
            await self.send({"result": {"additions": {"log_id": self.call.log_id}}}, 0, None)
        elif greeting == "empty":
            await self.tell()

    async def answer(self) -> None:
        """What an audio packet brings about."""
        assert self.recogniser is not None
        recogniser, service = self.recogniser, self.call.service
        if service == "bigmodel_nostream" and recogniser.now_ms - self.told_ms < NOSTREAM_MS:
            return
        if service == "bigmodel_async":
            state = tuple((each.text, each.definite) for each in recogniser.utterances if each.definite or each.text)
            ended = sum(each for _, each in state) > sum(each for _, each in self.last_told)
            if state == self.last_told or (not ended and recogniser.now_ms - self.told_ms < self.manner.partial_ms):
                return
            self.last_told = state
        await self.tell()

    async def conclude(self) -> None:
        if not self.call.audio:
            raise Refused(EMPTY, "[Invalid audio] empty audio")
        if not await self.go_wrong("final"):
            await self.tell(final=True)
            self.call.answered = True
            self.simulator.changed()

    async def tell(self, *, final: bool = False) -> None:
        """An answer with the result so far."""
        assert self.recogniser is not None
        message = {
            "audio_info": {"duration": self.recogniser.now_ms},
            "result": self.result(self.recogniser, final=final),
        }
        self.told_ms, self.repeated = self.recogniser.now_ms, sum(each.definite for each in self.recogniser.utterances)
        if not final:
            await self.send(message, 1, self.number)
        elif self.manner.final_sequence == "none":
            await self.send(message, 2, None)
        else:
            await self.send(message, 3, self.number if self.manner.final_sequence == "positive" else -self.number)

    def result(self, recogniser: Recogniser, *, final: bool) -> dict[str, Any]:
        """As section 5 of the page has it."""
        wanted = recogniser.wanted
        shown = [each for each in recogniser.utterances if each.definite or each.text]
        if wanted.get("result_type") == "single":
            shown = shown[self.repeated :]
        additions = {"log_id": self.call.log_id}
        result: dict[str, Any] = {"additions": additions, "text": "".join(each.text for each in shown)}
        if wanted.get("show_utterances") and (self.manner.final_utterances or not final):
            source = "two_pass" if wanted.get("enable_nonstream") else "stream"
            empty = [Utterance(0, 0, definite=True)] if self.manner.empty_definite and shown else []
            result["utterances"] = [self.rendered(each, source) for each in (*empty, *shown)]
        return result

    def rendered(self, utterance: Utterance, source: str) -> dict[str, Any]:
        """One entry of `utterances`."""
        additions = {"source": source if utterance.definite else "stream", "log_id": self.call.log_id}
        if utterance.invoke_type:
            additions["invoke_type"] = utterance.invoke_type
        times = {"start_time": utterance.start_ms, "end_time": utterance.end_ms}
        if not utterance.definite and self.manner.start_time == "-1":
            times = {"start_time": -1, "end_time": -1}
        elif not utterance.definite and self.manner.start_time == "absent":
            del times["start_time"]
        words = words_of(utterance.text)
        length_ms = (utterance.end_ms - utterance.start_ms) / max(1, len(words))
        starts = [int(utterance.start_ms + length_ms * place) for place in range(len(words) + 1)]
        return {
            **{"text": utterance.text, **times, "definite": utterance.definite, "additions": additions},
            "words": [
                {"text": word, "start_time": start, "end_time": end, "blank_duration": 0}
                for word, start, end in zip(words, starts, starts[1:], strict=False)
            ],
        }

    async def send(self, message: dict[str, Any], flags: int, sequence: int | None) -> None:
        if self.manner.result_list:
            message = {**message, "result": [message["result"]]}
        await self.socket.send(write_answer(message, flags, sequence, gzips=self.manner.gzips))


@asynccontextmanager
async def simulate_bytedance(
    manner: Manner | None = None,
    *,
    app_key: str = APP_KEY,
    access_key: str = ACCESS_KEY,
    api_key: str = API_KEY,
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[BytedanceSimulator]:
    """A server on 127.0.0.1; `url` is what `endpoints.asr` wants, `batch_url` what `endpoints.asr_batch` does."""
    simulator = BytedanceSimulator(manner or Manner(), app_key, access_key, api_key)
    async with serve(
        simulator.serve,
        "127.0.0.1",
        port,
        process_request=simulator.admit,
        process_response=simulator.greet,
        compression=None,
        open_timeout=None,
        ping_interval=None,
        close_timeout=0.2,
        max_size=2**24,
        ssl=tls,
    ) as server:
        simulator.base = f"{'wss' if tls else 'ws'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield simulator
        finally:
            for socket in list(simulator.sockets):
                socket.transport.abort()


async def _serve_a_person(port: int) -> None:
    async with simulate_bytedance(Manner(final_s=0.3), port=port) as simulator:
        print(f"ByteDance's recogniser at {simulator.url}", flush=True)
        print(f"its keys: {simulator.app_key} with {simulator.access_key}, or {simulator.api_key}", flush=True)
        await anyio.sleep_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="A stand-in for ByteDance's streaming recogniser")
    arguments.add_argument("--port", type=int, default=8603)
    with suppress(KeyboardInterrupt):
        anyio.run(_serve_a_person, arguments.parse_args().port)
