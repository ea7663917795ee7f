"""HTTP requests in, the answers of servers that speak OpenAI's chat completions out: strict, each in its own flavour.

Written from what those servers say of themselves; what they differ in is data: openai_flavours.py.
`python -m tests.simulators.openai_chat --flavour ollama --port 8602` serves a person without a model.
"""

import argparse
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from aiohttp import web

from tests.simulators.chat_server import REPLY, Answer, Behaviour, ChatSimulator, Framing, serve
from tests.simulators.openai_flavours import FLAVOURS, Flavour, Said

__all__ = ["FLAVOURS", "REPLY", "THOUGHT", "Behaviour", "ChatServer", "Framing", "Refusal", "serve_openai"]

MODEL = "qwen3:8b"
THOUGHT = "\nIs it a greeting? 考えごと。\n"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One of the errors of a flavour, as it stands there."""

    said: Said
    name: str = ""  # of the field or model that it is about
    headers: dict[str, str] = field(default_factory=dict)

    def respond(self) -> web.Response:
        status, body = self.said
        if isinstance(body, bytes):
            return web.Response(status=status, body=body, content_type="text/plain", headers=self.headers)
        text = json.dumps(body).replace("NAME", self.name)
        return web.Response(status=status, text=text, content_type="application/json", headers=self.headers)


class ChatServer(ChatSimulator):
    """A server of one flavour. `thinks`: its model can."""

    def __init__(self, flavour: Flavour, key: str | None, default: Behaviour) -> None:
        super().__init__(key, default)
        self.flavour = flavour
        self.root = flavour.roots[0]
        self.models = [MODEL]
        self.thinks = True
        self.listed = 0  # how often it was asked what it has

    def refusal(self, about: str, name: str = "") -> Refusal:
        return Refusal(self.flavour.says[about], name)

    def make_app(self) -> web.Application:
        app = super().make_app()
        for root in self.flavour.roots:
            app.router.add_get(f"{root}/models", self._list)
        for root in self.flavour.roots[1:]:
            app.router.add_post(f"{root}/chat/completions", self._chat)
        app.router.add_route("*", "/{path:.*}", self._miss)
        return app

    async def _miss(self, _: web.Request) -> web.Response:
        return Refusal(self.flavour.unknown_path).respond()

    async def _list(self, request: web.Request) -> web.Response:
        self.listed += 1
        if not self.flavour.lists_without_key and (refusal := self.judge_key(request)):
            return refusal.respond()
        entries = [{"id": name, "object": "model", "created": 1, "owned_by": "library"} for name in self.models]
        return web.json_response({"object": "list", "data": entries or None})

    def judge_key(self, request: web.Request) -> Refusal | None:
        given = request.headers.get("Authorization")
        if given is None and self.flavour.needs_key:
            return self.refusal("key")
        wrong = self.key is not None and given != f"Bearer {self.key}"
        return self.refusal("key") if wrong and (given is not None or self.flavour.needs_key) else None

    def not_json(self) -> Refusal:
        return self.refusal("value", "body")

    def judge_body(self, request: web.Request, body: Any) -> Refusal | None:
        if request.content_type != "application/json" or not isinstance(body, dict):
            return self.not_json()
        if not self.flavour.any_model and body.get("model") not in self.models:
            return self.refusal("model", str(body.get("model")))
        for about, name in (*self._find_faults(body), *_find_faults_of_messages(body)):
            return self.refusal(about if about in self.flavour.says else "value", name)
        return None

    def _find_faults(self, body: dict[str, Any]) -> Iterator[tuple[str, str]]:
        flavour = self.flavour
        yield from (("unknown", name) for name in body if flavour.knows is not None and name not in flavour.knows)
        if not isinstance(body.get("stream", False), bool):
            yield "value", "stream"
        if "stream_options" in body and not body.get("stream") and not flavour.options_alone:
            yield "value", "stream_options"
        effort = body.get("reasoning_effort")
        if effort is not None and flavour.efforts is not None and effort not in flavour.efforts:
            yield "value", "reasoning_effort"
        if not self.thinks and not (effort == "none" and flavour.none_always):
            yield from (("unsupported", name) for name in flavour.only_thinking if name in body)
        template = body.get("chat_template_kwargs", {})
        if not isinstance(template, dict) or not isinstance(template.get("enable_thinking", False), bool):
            yield "value", "chat_template_kwargs"
        if not flavour.schema and (body.get("response_format") or {}).get("type") == "json_schema":
            yield "schema", "response_format"
        for name in ("max_tokens", "max_completion_tokens"):
            if name in body and not (isinstance(body[name], int) and body[name] > 0):
                yield "value", name

    def make_answer(self, request: web.Request, body: dict[str, Any], behaviour: Behaviour) -> Answer:
        off = any(_at(body, path) == value for path, value in self.flavour.off)
        thought = THOUGHT if self.thinks and self.flavour.thoughts and not off else ""
        return _ChatAnswer(request, body, behaviour, self.flavour, thought)


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _find_faults_of_messages(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "value", "messages"
        return
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in ("system", "user", "assistant", "tool"):
            yield "value", "messages.role"
        elif set(message) - {"role", "content"} or not isinstance(message.get("content"), str | list):
            yield "value", "messages.content"


class _ChatAnswer(Answer):
    def __init__(
        self, request: web.Request, body: dict[str, Any], behaviour: Behaviour, flavour: Flavour, thought: str
    ) -> None:
        super().__init__(request, body, behaviour)
        self.flavour = flavour
        self.thought = thought
        self.ends_with_done = flavour.done

    def _usage(self) -> dict[str, int]:
        return {"prompt_tokens": 9, "completion_tokens": 20, "total_tokens": 29}

    def _thinking(self, text: str) -> dict[str, Any]:
        """A piece of its thoughts, in a delta or a message."""
        match self.flavour.thoughts:
            case "<think>":
                return {"content": text}
            case "reasoning_details":
                return {"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text}]}
            case name:
                return {name: text}

    @property
    def _marked(self) -> str:
        """Its thoughts, with the marks that they have where they are part of the text."""
        return f"<think>{self.thought}</think>\n" if self.flavour.thoughts == "<think>" else self.thought

    def whole(self) -> bytes:
        message: dict[str, Any] = {"role": "assistant", "content": self.behaviour.reply}
        if self.thought and self.flavour.thoughts == "<think>":
            message["content"] = self._marked + self.behaviour.reply
        elif self.thought:
            message |= self._thinking(self.thought)
        choice = {"index": 0, "message": message, "finish_reason": self.behaviour.finish_reason}
        about = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": MODEL}
        return self.flavour.before_whole + self.dump({**about, "choices": [choice], "usage": self._usage()})

    def _chunk(self, delta: dict[str, Any], *, ends: bool = False, more: Any = None) -> bytes:
        flavour = self.flavour
        choice: dict[str, Any] = {"index": 0, "delta": {**flavour.every_delta, **delta}, "finish_reason": None}
        if ends:
            choice |= {"finish_reason": self.behaviour.finish_reason, **flavour.finish_choice}
        chunk = self._envelope([choice]) | (dict(flavour.finish_chunk) if ends else {})
        if flavour.usage == "on every" or (ends and flavour.usage == "on finish"):
            chunk["usage"] = self._usage()
        return self.event(self.dump(chunk | (more or {})))

    def _envelope(self, choices: list[Any]) -> dict[str, Any]:
        about = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": MODEL}
        return {**about, **self.flavour.every_chunk, "choices": choices}

    def events(self) -> Iterator[tuple[int, bytes]]:
        flavour, size = self.flavour, self.behaviour.token_chars
        if flavour.before:
            yield 0, flavour.before
        if flavour.first is not None:
            yield 0, self._chunk(dict(flavour.first))
        thought = self._marked if self.thought else ""
        for at in range(0, len(thought), size):
            silent = {} if flavour.thoughts == "<think>" else {"content": ""}
            yield 0, self._chunk({**silent, **self._thinking(thought[at : at + size])})
        reply = self.behaviour.reply
        pieces = [reply[at : at + size] for at in range(0, len(reply), size)]
        for number, piece in enumerate(pieces, 1):
            yield number, self._chunk({"content": piece}, ends=flavour.finish_with_text and number == len(pieces))
        if not (flavour.finish_with_text and pieces):
            yield len(pieces), self._chunk({}, ends=True)
        if flavour.usage == "asked" and (self.body.get("stream_options") or {}).get("include_usage"):
            yield len(pieces), self.event(self.dump({**self._envelope([]), "usage": self._usage()}))

    def broken_off(self) -> bytes:
        return self.flavour.mid


@asynccontextmanager
async def serve_openai(
    flavour: str = "openai", *, port: int = 0, key: str | None = None, default: Behaviour | None = None
) -> AsyncIterator[ChatServer]:
    """A running simulator on 127.0.0.1; `port` 0 takes any free one, see `endpoint`."""
    async with serve(ChatServer(FLAVOURS[flavour], key, default or Behaviour()), port) as simulator:
        yield simulator


async def _serve(arguments: argparse.Namespace) -> None:
    delays = Behaviour(first_token_s=arguments.first_token_ms / 1000, token_s=arguments.token_ms / 1000)
    async with serve_openai(arguments.flavour, port=arguments.port, default=delays) as simulator:
        print(f"{arguments.flavour}: endpoints.openai_llm {simulator.endpoint}, model {MODEL}", flush=True)
        await anyio.sleep_forever()


def main() -> None:
    """The simulator by itself, until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.openai_chat", description=main.__doc__)
    parser.add_argument("--port", type=int, default=8602)
    parser.add_argument("--flavour", choices=FLAVOURS, default="ollama")
    parser.add_argument("--first-token-ms", type=float, default=200)
    parser.add_argument("--token-ms", type=float, default=20)
    try:
        anyio.run(_serve, parser.parse_args())
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
