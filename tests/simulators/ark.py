"""HTTP requests in, Volcengine Ark's answers out: a strict stand-in on loopback, with delays and faults on demand.

Written from the vendor's protocol page alone: it refuses what the page says the vendor refuses.
`python -m tests.simulators.ark --port 8601` serves a person without a key.
"""

import argparse
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

from tests.simulators.chat_server import REPLY, Answer, Behaviour, ChatSimulator, Fault, serve

__all__ = ["EFFORTS", "MODEL", "REFUSALS", "REPLY", "ArkSimulator", "Behaviour", "Fault", "Refusal", "serve_ark"]

MODEL = "doubao-seed-1-6-lite-251015"
EFFORTS = {"minimal", "low", "medium", "high"}  # of this model


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


class ArkSimulator(ChatSimulator):
    """Ark as its page has it."""

    root = "/api/v3"

    def make_app(self) -> web.Application:
        app = super().make_app()
        for plan in ("plan", "coding"):  # other plans, with keys of their own
            app.router.add_post(f"/api/{plan}/v3/chat/completions", self._refuse_key)
        return app

    async def _refuse_key(self, _: web.Request) -> web.Response:
        return REFUSALS["AuthenticationError"].respond()

    def judge_key(self, request: web.Request) -> Refusal | None:
        return judge_key(request, self.key)

    def judge_body(self, request: web.Request, body: Any) -> Refusal | None:
        return judge_body(request, body)

    def not_json(self) -> Refusal:
        return Refusal(400, "InvalidParameter", "The request body is not JSON.")

    def make_answer(self, request: web.Request, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        return _Answer(request, body, behaviour)


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


class _Answer(Answer):
    """One answer, in the shapes of the page's section 4."""

    def __init__(self, request: web.Request, body: dict[str, Any], behaviour: Behaviour) -> None:
        super().__init__(request, body, behaviour)
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

    def whole(self) -> bytes:
        message: dict[str, Any] = {"content": self.behaviour.reply, "role": "assistant"}
        if self.thought:
            message["reasoning_content"] = self.thought
        choice = {"finish_reason": self.behaviour.finish_reason, "index": 0, "logprobs": None, "message": message}
        return self.dump(self._envelope("chat.completion", [choice], self._usage()))

    def _chunk(self, content: str, thought: str = "", finish_reason: str | None = None) -> bytes:
        delta = {"content": content, "role": "assistant"}
        if thought:
            delta["reasoning_content"] = thought
        choice: dict[str, Any] = {"delta": delta, "index": 0}
        if finish_reason:
            choice["finish_reason"] = finish_reason
        return self.event(self.dump(self._envelope("chat.completion.chunk", [choice], None)))

    def events(self) -> Iterator[tuple[int, bytes]]:
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
            yield len(pieces), self.event(self.dump(usage))

    def broken_off(self) -> bytes:
        error = {"code": "InternalServiceError", "message": "No luck.", "param": "", "type": ""}
        return self.event(self.dump({"error": error}))


@asynccontextmanager
async def serve_ark(
    *, port: int = 0, key: str | None = None, default: Behaviour | None = None
) -> AsyncIterator[ArkSimulator]:
    """A running simulator on 127.0.0.1; `port` 0 takes any free one, see `endpoint`."""
    async with serve(ArkSimulator(key, default or Behaviour()), port) as simulator:
        yield simulator


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
