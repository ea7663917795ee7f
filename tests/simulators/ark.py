"""HTTP requests in, Volcengine Ark's answers out: a strict stand-in on loopback, with delays and faults on demand.

Written from the vendor's protocol page alone: it shares no constant and no code with the client, and refuses what the
page says the vendor refuses. `python -m tests.simulators.ark --port 8601` serves a person without a key. (Over 400
lines, so that one vendor's page is one file.)
"""

import argparse
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
from aiohttp import web

MODEL = "doubao-seed-1-6-lite-251015"
EFFORTS = {"minimal", "low", "medium", "high"}  # of this model

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
]
Framing = Literal["event", "coalesced", "cut", "crlf", "comments"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the page's table of errors, or what a gateway says (`html`)."""

    status: int
    code: str = ""
    message: str = "Something the vendor says."
    param: str = ""
    html: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    type_: str = ""

    def respond(self) -> web.Response:
        if self.html or not self.code:
            return web.Response(status=self.status, body=self.html, content_type="text/html", headers=self.headers)
        names = {400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 429: "TooManyRequests"}
        error = {
            "code": self.code,
            "message": f"{self.message} Request id: 02178116109007sim",
            "param": self.param,
            "type": self.type_ or names.get(self.status, "InternalServerError"),
        }
        return web.json_response({"error": error}, status=self.status, headers=self.headers)


# Every code the page lists, with its status.
REFUSALS: dict[str, Refusal] = {
    code: Refusal(status, code)
    for status, codes in (
        (400, "MissingParameter InvalidParameter SensitiveContentDetected SensitiveContentDetected.SevereViolation"),
        (400, "SensitiveContentDetected.Violence InputTextSensitiveContentDetected InputTextRiskDetection"),
        (400, "OutputTextSensitiveContentDetected OutputTextRiskDetection InvalidEndpoint.ClosedEndpoint"),
        (401, "AuthenticationError"),
        (403, "AccessDenied AccountOverdueError OperationDenied.ServiceNotOpen"),
        (404, "InvalidEndpointOrModel.NotFound InvalidEndpointOrModel.ModelIDAccessDisabled"),
        (404, "ModelNotOpen UnsupportedModel"),
        (429, "RateLimitExceeded.EndpointRPMExceeded RateLimitExceeded.EndpointTPMExceeded"),
        (429, "ModelAccountRpmRateLimitExceeded ModelAccountTpmRateLimitExceeded APIAccountRpmRateLimitExceeded"),
        (429, "AccountRateLimitExceeded RequestBurstTooFast ServerOverloaded InflightBatchsizeExceeded"),
        (429, "QuotaExceeded AccountQuotaExceeded SetLimitExceeded"),
        (500, "InternalServiceError"),
    )
    for code in codes.split()
}


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
    refusal: Refusal | None = None
    judge: Callable[[dict[str, Any]], Refusal | None] | None = None  # another server's own rules for a request
    framing: Framing = "event"
    finish_reason: str = "stop"
    finish_with_text: bool = False  # the last piece of text carries the finish_reason
    empty_deltas: bool = False  # one before every piece, as related models send
    escaped: bool = False  # non-ASCII as \uXXXX
    raw: bytes | None = None  # another server's bytes, verbatim; Ark's rules are then not applied
    raw_headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})


class ArkSimulator:
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
        app.router.add_post("/api/v3/chat/completions", self._chat)
        for plan in ("plan", "coding"):  # other plans, with keys of their own
            app.router.add_post(f"/api/{plan}/v3/chat/completions", self._refuse_key)
        app.router.add_route("*", "/elsewhere", self._mislead)
        return app

    async def _refuse_key(self, _: web.Request) -> web.Response:
        return REFUSALS["AuthenticationError"].respond()

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
        if refusal := judge_key(request, self.key):
            return refusal.respond()
        try:
            body = json.loads(text)
        except ValueError:
            return Refusal(400, "InvalidParameter", "The request body is not JSON.").respond()
        self.requests.append(body)
        if behaviour.fault == "silent":
            await anyio.sleep_forever()
        if behaviour.fault == "drop_before_headers":
            await _abort(request)
        if behaviour.refusal:
            return behaviour.refusal.respond()
        if behaviour.judge and (refusal := behaviour.judge(body)):
            return refusal.respond()
        if behaviour.raw is not None:
            return web.Response(body=behaviour.raw, headers=behaviour.raw_headers)
        if refusal := judge_body(request, body):
            return refusal.respond()
        answer = _Answer(request, body, behaviour)
        if body.get("stream"):
            return await answer.stream(self)
        await anyio.sleep(behaviour.first_token_s + behaviour.token_s * len(behaviour.reply) / behaviour.token_chars)
        return web.Response(body=answer.whole(), content_type="application/json", charset="utf-8")


def judge_key(request: web.Request, key: str | None) -> Refusal | None:
    """What the vendor says to the Authorization header; None: it is the right one."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not given:
        return Refusal(401, "AuthenticationError", "The API key or AK/SK in the request is missing or invalid.")
    if key is not None and given != key:
        return Refusal(401, "AuthenticationError", "The API key doesn't exist.")
    return None


def judge_body(request: web.Request, body: Any) -> Refusal | None:
    """What the vendor says to a request it will not serve (the page's sections 2, 3 and 5); None: it will."""
    if request.content_type != "application/json" or not isinstance(body, dict):
        return Refusal(400, "InvalidParameter", "The request body is not a JSON object.")
    for name in ("model", "messages"):
        if not body.get(name):
            return Refusal(400, "MissingParameter", f"The request is missing `{name}`.", name)
    if not isinstance(body["model"], str) or not (body["model"] == MODEL or body["model"].startswith("ep-")):
        return Refusal(404, "InvalidEndpointOrModel.NotFound", "The model or endpoint does not exist.")
    for name, message in _find_faults(body):
        return Refusal(400, "InvalidParameter", message, name)
    return None


def _find_faults(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    body = {name: value for name, value in body.items() if value is not None}  # the vendor's own client sends them
    yield from _find_faults_of_messages(body["messages"])
    if not isinstance(body.get("stream", False), bool):
        yield "stream", "must be a boolean"
    if "stream_options" in body and not body.get("stream"):
        yield "stream_options", "only with stream"
    yield from _find_faults_of_thinking(body)
    if "max_tokens" in body and "max_completion_tokens" in body:
        yield "max_tokens", "not with max_completion_tokens"
    for name, low, high in (
        ("max_completion_tokens", 1, 65536),
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("frequency_penalty", -2, 2),
        ("presence_penalty", -2, 2),
    ):
        if name in body and not (isinstance(body[name], int | float) and low <= body[name] <= high):
            yield name, f"must lie between {low} and {high}"
    for name in ("stop", "logprobs", "top_logprobs", "logit_bias"):
        if name in body:
            yield name, "not for thinking models"
    kind = (body.get("response_format") or {}).get("type", "text")
    if kind != "text":
        yield (
            "response_format.type",
            "The parameter `response_format.type` specified in the request are not valid: "
            f"`{kind}` is not supported by this model.",
        )


def _find_faults_of_messages(messages: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(messages, list):
        yield "messages", "must be a list"
        return
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
            yield "messages.role", "no such role"
        elif not isinstance(message.get("content"), str | list):
            yield "messages.content", "must be a string or a list of parts"
        elif "reasoning_content" in message:
            yield "messages.reasoning_content", "only for newer models"


def _find_faults_of_thinking(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    thinking = (body.get("thinking") or {}).get("type", "enabled")
    effort = body.get("reasoning_effort")
    if thinking not in ("enabled", "disabled"):
        yield "thinking.type", "not valid for this model"
    if effort is not None and effort not in EFFORTS:
        yield "reasoning_effort", "not valid for this model"
    elif thinking == "disabled" and effort not in (None, "minimal"):
        message = f"Invalid combination of reasoning_effort and thinking type: {effort} + disabled"
        yield "reasoning_effort", message


class _Answer:
    """One answer, in the shapes of the page's section 4."""

    def __init__(self, request: web.Request, body: dict[str, Any], behaviour: Behaviour) -> None:
        self.request = request
        self.body = body
        self.behaviour = behaviour
        disabled = (body.get("thinking") or {}).get("type") == "disabled"
        self.thought = "" if disabled or body.get("reasoning_effort") == "minimal" else "\n考えごと、考えごと。"
        self.id = f"02{time.time_ns()}sim"

    def _envelope(self, kind: str, choices: Sequence[Any], usage: Any) -> dict[str, Any]:
        about = {"created": int(time.time()), "id": self.id, "model": MODEL, "service_tier": "default", "object": kind}
        return {"choices": choices, **about, "usage": usage}

    def _usage(self) -> dict[str, Any]:
        prompt, thought = len(json.dumps(self.body)) // 4, len(self.thought)
        answer = len(self.behaviour.reply) + thought
        return {
            "completion_tokens": answer,
            "prompt_tokens": prompt,
            "total_tokens": prompt + answer,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }

    def _dump(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=self.behaviour.escaped, separators=(",", ":")).encode()

    def whole(self) -> bytes:
        message: dict[str, Any] = {"content": self.behaviour.reply, "role": "assistant"}
        if self.thought:
            message["reasoning_content"] = self.thought
        choice = {"finish_reason": self.behaviour.finish_reason, "index": 0, "logprobs": None, "message": message}
        return self._dump(self._envelope("chat.completion", [choice], self._usage()))

    def _chunk(self, content: str, thought: str = "", finish_reason: str | None = None) -> bytes:
        delta = {"content": content, "role": "assistant"}
        if thought:
            delta["reasoning_content"] = thought
        choice: dict[str, Any] = {"delta": delta, "index": 0}
        if finish_reason:
            choice["finish_reason"] = finish_reason
        return self._event(self._dump(self._envelope("chat.completion.chunk", [choice], None)))

    def _event(self, data: bytes) -> bytes:
        match self.behaviour.framing:
            case "crlf":
                return b"data: " + data + b"\r\n\r\n"
            case "comments":
                return b": still here\n\ndata: " + data + b"\n\n"
            case _:
                return b"data: " + data + b"\n\n"

    def _events(self) -> Iterator[tuple[int, bytes]]:
        """The events, each with the number of the piece of text it belongs to (0: before the text)."""
        reply, size = self.behaviour.reply, self.behaviour.token_chars
        for at in range(0, len(self.thought), size):
            yield 0, self._chunk("", self.thought[at : at + size])
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        finish = self.behaviour.finish_reason
        for number, piece in enumerate(pieces, 1):
            last = number == len(pieces) and self.behaviour.finish_with_text
            if self.behaviour.empty_deltas:
                yield number, self._chunk("")
            yield number, self._chunk(piece, finish_reason=finish if last else None)
        if not (pieces and self.behaviour.finish_with_text):
            yield len(pieces), self._chunk("", finish_reason=finish)
        if (self.body.get("stream_options") or {}).get("include_usage"):
            usage = self._envelope("chat.completion.chunk", [], self._usage())
            yield len(pieces), self._event(self._dump(usage))

    async def stream(self, simulator: ArkSimulator) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(self.request)
        behaviour, fault = self.behaviour, self.behaviour.fault
        if fault == "silent_after_headers":
            await anyio.sleep_forever()
        began, held = anyio.current_time(), b""
        for number, event in self._events():
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
        if fault != "no_done":
            await response.write(self._event(b"[DONE]"))
        return response

    async def _write(self, response: web.StreamResponse, data: bytes) -> None:
        cut = next((at for at, byte in enumerate(data) if byte >= 0xC0), 0) if self.behaviour.framing == "cut" else 0
        if cut:  # inside a character: its first byte is the last of this write
            await response.write(data[: cut + 1])
            await anyio.sleep(0.001)  # so that the client is likely to read it by itself
            data = data[cut + 1 :]
        await response.write(data)

    async def _fail(self, response: web.StreamResponse, simulator: ArkSimulator) -> None:
        match self.behaviour.fault:
            case "drop":
                await _abort(self.request)
            case "half_open":
                simulator.cut(self.request)
                await anyio.sleep_forever()
            case "stall":
                await anyio.sleep_forever()
            case "error_event":
                error = {"code": "InternalServiceError", "message": "No luck.", "param": "", "type": ""}
                await response.write(self._event(self._dump({"error": error})))
            case "garbage":
                await response.write(self._event(b'{"choices":[{"delta":'))
            case "bad_utf8":
                await response.write(self._event(b'{"choices":[{"delta":{"content":"\xe3\x81"}}]}'))
            case "deep":
                await response.write(self._event(b'{"choices":[],"more":' + b"[" * 200_000 + b"]" * 200_000 + b"}"))
            case "endless_event":
                await response.write(b"data: " + b"x" * (3 << 20))
            case "end_early":
                pass


async def _abort(request: web.Request) -> None:
    transport: Any = request.transport
    transport.abort()
    await anyio.sleep_forever()  # the server ends this handler when it sees the connection gone


@asynccontextmanager
async def serve_ark(
    *, port: int = 0, key: str | None = None, default: Behaviour | None = None
) -> AsyncIterator[ArkSimulator]:
    """A running simulator on 127.0.0.1; `port` 0 takes any free one, see `endpoint`."""
    simulator = ArkSimulator(key, default or Behaviour())
    runner = web.AppRunner(
        simulator.make_app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1, handle_signals=False
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        simulator.server = runner.server
        simulator.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3"
        yield simulator
    finally:
        await runner.cleanup()


async def _serve(arguments: argparse.Namespace) -> None:
    delays = Behaviour(first_token_s=arguments.first_token_ms / 1000, token_s=arguments.token_ms / 1000)
    async with serve_ark(port=arguments.port, key=arguments.key, default=delays) as simulator:
        print(f"Ark simulator: endpoints.llm {simulator.endpoint}, model {MODEL}", flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """The simulator by itself, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.ark", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8601)
    parser.add_argument("--key", help="the one key that is right (default: any)")
    parser.add_argument("--first-token-ms", type=float, default=200)
    parser.add_argument("--token-ms", type=float, default=20)
    try:
        anyio.run(_serve, parser.parse_args())
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
