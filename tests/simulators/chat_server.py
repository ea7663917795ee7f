"""HTTP requests in, a chat server's answers out: what the simulators of such servers share, with faults on demand.

A kind of server is a subclass of ChatSimulator (what it refuses, and how) and one of Answer (what its answers look
like). They share no constant and no code with the client.
"""

import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

import anyio
from aiohttp import web

REPLY = """\
{"emotion": "happy", "jp": "やっほー、今日も来てくれたんだ。", "cn": "呀吼，今天你也来啦。"}
{"emotion": "calm", "jp": "ちょうど練習が終わったところだよ。", "cn": "我们刚好练习完。"}
{"emotion": "surprised", "jp": "ねえ、帰りにどこか寄っていかない？", "cn": "喂，回去的路上要不要去哪里逛逛？"}
"""

Fault = Literal[
    "none",
    "silent",  # the request is read, not even a status line comes
    "silent_after_headers",
    "drop_before_headers",
    "stall",  # from here on: after `after` pieces of text
    "drop",
    "half_open",  # as stall, and the client's leaving is not noticed either, until `restore()`: the cable is cut
    "end_early",  # the body ends well-formed, without finish_reason and [DONE]
    "no_done",  # all text and finish_reason, but no [DONE]
    "stall_at_end",  # the same, and the body does not end
    "error_event",
    "garbage",
    "bad_utf8",
    "deep",
    "endless_event",
    "empty",  # the body of a stream ends before its first event
    "wrong_type",  # a page where an answer should be
]
Framing = Literal["event", "coalesced", "cut", "crlf", "comments"]


class Says(Protocol):
    """A refusal, in some server's shape."""

    def respond(self) -> web.Response: ...


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one request is answered. Seconds; `token_chars` characters of the reply make one event."""

    reply: str = REPLY
    first_token_s: float = 0.0
    token_s: float = 0.0
    token_chars: int = 3
    fault: Fault = "none"
    after: int = 2
    gate: anyio.Event | None = None  # what comes after `after` pieces of text waits for it
    refusal: Says | None = None
    judge: Callable[[dict[str, Any]], Says | None] | None = None  # another server's own rules for a request
    framing: Framing = "event"
    finish_reason: str = "stop"
    finish_with_text: bool = False  # the last piece of text carries the finish_reason
    empty_deltas: bool = False  # one before every piece, as related models send
    escaped: bool = False  # non-ASCII as \uXXXX
    raw: bytes | None = None  # another server's bytes, verbatim; no rules are then applied
    raw_headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})


class ChatSimulator:
    """`plan()` the next answers; look at `requests`, `connections` and `open` afterwards."""

    def __init__(self, key: str | None, default: Behaviour) -> None:
        self.key = key  # None: any key will do
        self.default = default
        self.choose: Callable[[], Behaviour] | None = None  # instead of the default
        self.endpoint = ""
        self.requests: list[dict[str, Any]] = []  # bodies as received, newest last
        self.connections: set[tuple[str, int]] = set()
        self.open = 0  # requests being answered; a client that left is noticed
        self.misled = 0  # requests that followed a redirect
        self.server: web.Server | None = None  # as long as it runs
        self._cut: list[Any] = []
        self._planned: deque[Behaviour] = deque()
        self._changed = anyio.Event()

    @property
    def open_connections(self) -> int:
        """Over TCP, be there requests on them or not; `connections` are those on which one came to the model."""
        return len(self.server.connections) if self.server else 0

    def plan(self, *behaviours: Behaviour) -> None:
        """For the next requests, one each, in order."""
        self._planned.extend(behaviours)

    def cut(self, request: web.Request) -> None:
        """From now on nothing is heard of this client."""
        transport: Any = request.transport  # reading can be paused on every loop's, whatever its class
        transport.pause_reading()
        self._cut.append(transport)

    def restore(self) -> None:
        """The cut cables are mended."""
        for transport in self._cut:
            transport.resume_reading()
        self._cut.clear()

    async def wait_idle(self) -> None:
        """Until no request is being answered any more."""
        while self.open:
            self._changed = anyio.Event()
            await self._changed.wait()

    def make_app(self) -> web.Application:
        app = web.Application(client_max_size=4 << 20)
        app.router.add_post(f"{self.root}/chat/completions", self._chat)
        app.router.add_route("*", "/elsewhere", self._mislead)
        return app

    root = ""  # the path before `/chat/completions`

    def judge_key(self, request: web.Request) -> Says | None:
        """What it says to the Authorization header; None: it is the right one."""
        raise NotImplementedError

    def judge_body(self, request: web.Request, body: Any) -> Says | None:
        """What it says to a request that it will not serve; None: it will."""
        raise NotImplementedError

    def not_json(self) -> Says:
        """What it says to a body that is no JSON."""
        raise NotImplementedError

    def make_answer(self, request: web.Request, body: dict[str, Any], behaviour: Behaviour) -> "Answer":
        raise NotImplementedError

    async def _mislead(self, _: web.Request) -> web.Response:
        self.misled += 1
        return web.Response(text="you should not have come")

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername")[:2])
        self.open += 1
        try:
            return await self._answer(request)
        except ConnectionResetError:
            return web.Response()  # the client has hung up: nobody will read this
        finally:
            self.open -= 1
            self._changed.set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        behaviour = self._planned.popleft() if self._planned else self.choose() if self.choose else self.default
        if refusal := self.judge_key(request):
            return refusal.respond()
        try:
            body = json.loads(text)
        except ValueError:
            return self.not_json().respond()
        self.requests.append(body)
        if behaviour.fault == "silent":
            await anyio.sleep_forever()
        if behaviour.fault == "drop_before_headers":
            await abort(request)
        if behaviour.refusal:
            return behaviour.refusal.respond()
        if behaviour.judge and (refusal := behaviour.judge(body)):
            return refusal.respond()
        if behaviour.raw is not None:
            return web.Response(body=behaviour.raw, headers=behaviour.raw_headers)
        if refusal := self.judge_body(request, body):
            return refusal.respond()
        if behaviour.fault == "wrong_type":
            return web.Response(text="<html>Welcome</html>", content_type="text/html")
        answer = self.make_answer(request, body, behaviour)
        if body.get("stream"):
            return await answer.stream(self)
        await anyio.sleep(behaviour.first_token_s + behaviour.token_s * len(behaviour.reply) / behaviour.token_chars)
        if behaviour.fault == "drop":
            await abort(request)
        torn: dict[str, bytes] = {"empty": b"", "garbage": b'{"choices":'}
        whole = torn.get(behaviour.fault, answer.whole())
        return web.Response(body=whole, content_type="application/json", charset="utf-8")


class Answer:
    """One answer, in the shapes of its server."""

    ends_with_done = True

    def __init__(self, request: web.Request, body: dict[str, Any], behaviour: Behaviour) -> None:
        self.request = request
        self.body = body
        self.behaviour = behaviour

    def whole(self) -> bytes:
        """Not streamed."""
        raise NotImplementedError

    def events(self) -> Iterator[tuple[int, bytes]]:
        """The events, each with the number of the piece of text it belongs to (0: before the text)."""
        raise NotImplementedError

    def broken_off(self) -> bytes:
        """What comes where it breaks off in the middle and says so."""
        raise NotImplementedError

    def dump(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=self.behaviour.escaped, separators=(",", ":")).encode()

    def event(self, data: bytes) -> bytes:
        match self.behaviour.framing:
            case "crlf":
                return b"data: " + data + b"\r\n\r\n"
            case "comments":
                return b": still here\n\ndata: " + data + b"\n\n"
            case _:
                return b"data: " + data + b"\n\n"

    async def stream(self, simulator: ChatSimulator) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(self.request)
        behaviour, fault = self.behaviour, self.behaviour.fault
        if fault == "silent_after_headers":
            await anyio.sleep_forever()
        began, held = anyio.current_time(), b""
        for number, event in self.events() if fault != "empty" else ():
            if number > behaviour.after and fault not in ("none", "no_done", "stall_at_end"):
                await self._fail(response, simulator)
                return response
            if number > behaviour.after and behaviour.gate is not None:
                await behaviour.gate.wait()
            if number:
                await anyio.sleep_until(began + behaviour.first_token_s + (number - 1) * behaviour.token_s)
            held += event
            if behaviour.framing != "coalesced" or len(held) > 2000:
                await self._write(response, held)
                held = b""
        await self._write(response, held)
        if fault == "stall_at_end":
            await anyio.sleep_forever()
        if fault not in ("no_done", "empty") and self.ends_with_done:
            await response.write(self.event(b"[DONE]"))
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        cut = next((at for at, byte in enumerate(data) if byte >= 0xC0), 0) if self.behaviour.framing == "cut" else 0
        if cut:  # inside a character: its first byte is the last of this write
            await response.write(data[: cut + 1])
            await anyio.sleep(0.001)  # so that the client is likely to read it by itself
            data = data[cut + 1 :]
        await response.write(data)

    async def _fail(self, response: web.StreamResponse, simulator: ChatSimulator) -> None:
        match self.behaviour.fault:
            case "drop":
                await abort(self.request)
            case "half_open":
                simulator.cut(self.request)
                await anyio.sleep_forever()
            case "stall":
                await anyio.sleep_forever()
            case "error_event":
                await response.write(self.broken_off())
            case "garbage":
                await response.write(self.event(b'{"choices":[{"delta":'))
            case "bad_utf8":
                await response.write(self.event(b'{"choices":[{"delta":{"content":"\xe3\x81"}}]}'))
            case "deep":
                await response.write(self.event(b'{"choices":[],"more":' + b"[" * 200_000 + b"]" * 200_000 + b"}"))
            case "endless_event":
                await response.write(b"data: " + b"x" * (3 << 20))
            case "end_early":
                pass


AnySimulator = TypeVar("AnySimulator", bound=ChatSimulator)


async def abort(request: web.Request) -> None:
    transport: Any = request.transport
    transport.abort()
    await anyio.sleep_forever()  # the server ends this handler when it sees the connection gone


@asynccontextmanager
async def serve(simulator: AnySimulator, port: int = 0) -> AsyncIterator[AnySimulator]:
    """It runs on 127.0.0.1; `port` 0 takes any free one, see `endpoint`."""
    runner = web.AppRunner(
        simulator.make_app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1, handle_signals=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        simulator.server = runner.server
        simulator.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}{simulator.root}"
        yield simulator
    finally:
        await runner.cleanup()
