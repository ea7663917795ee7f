"""The simulators of chat completions, judged by clients that work in the field: Volcengine's own, and `openai`."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.foreign.foreign import ask_client
from tests.simulators.ark import MODEL, REFUSALS, REPLY, ArkSimulator, Behaviour, serve_ark
from tests.simulators.openai_chat import FLAVOURS, THOUGHT, ChatServer, serve_openai

KEY = "sk-of-the-tests-0123456789"
pytestmark = pytest.mark.slow
both = pytest.mark.parametrize("package", ["ark", "openai"])


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.fixture
def ark(portal: BlockingPortal) -> Iterator[ArkSimulator]:
    with portal.wrap_async_context_manager(serve_ark(key=KEY)) as simulator:
        yield simulator


def ask(package: str, url: str, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    """What the client made of the answer to each."""
    filled = [{"url": url, "key": KEY, "model": MODEL, **question} for question in questions]
    answers: list[dict[str, Any]] = ask_client("llm", "chat", {"package": package, "questions": filled})
    return answers


SERVED: tuple[dict[str, Any], ...] = (
    {},
    {"stream": False, "reasoning_effort": "minimal"},
    {"stream": True},
    {"stream": True, "stream_options": {"include_usage": True}, "reasoning_effort": "low", "max_tokens": 2000},
)


@both
def test_ark_serves_what_a_real_client_sends(ark: ArkSimulator, package: str) -> None:
    for asked, answer in zip(SERVED, ask(package, ark.endpoint, *SERVED), strict=True):
        assert answer["text"] == REPLY and answer["ended"] == "stop", asked
        assert bool(answer["thought"]) == (asked.get("reasoning_effort") != "minimal"), asked
        assert bool(answer["tokens"]) == (not asked.get("stream") or "stream_options" in asked), asked


@both
def test_arks_stream_is_read_however_it_is_framed(ark: ArkSimulator, package: str) -> None:
    ark.plan(Behaviour(framing="cut"), Behaviour(framing="crlf"), Behaviour(framing="comments"))
    assert [answer["text"] for answer in ask(package, ark.endpoint, *[{"stream": True}] * 3)] == [REPLY] * 3


REFUSED: dict[str, dict[str, Any]] = {
    "InvalidParameter": {"max_tokens": 10, "max_completion_tokens": 10},
    "AuthenticationError": {"key": "wrong"},
    "InvalidEndpointOrModel.NotFound": {"model": "doubao-unheard-of"},
    "ServerOverloaded": {},
}


@both
def test_a_refusal_of_arks_is_read_as_one(ark: ArkSimulator, package: str) -> None:
    ark.plan(*[Behaviour()] * (len(REFUSED) - 1), Behaviour(refusal=REFUSALS["ServerOverloaded"]))
    for code, answer in zip(REFUSED, ask(package, ark.endpoint, *REFUSED.values()), strict=True):
        assert (answer["status"], answer["code"]) == (REFUSALS[code].status, code)


@pytest.fixture
def servers(portal: BlockingPortal) -> Iterator[dict[str, ChatServer]]:
    """One of every flavour."""
    with portal.wrap_async_context_manager(AsyncExitStack()) as stack:
        yield {name: portal.call(stack.enter_async_context, serve_openai(name, key=KEY)) for name in FLAVOURS}


def test_every_other_server_is_read_by_the_client_that_they_are_made_for(servers: dict[str, ChatServer]) -> None:
    usage = {"stream_options": {"include_usage": True}}
    asked: list[dict[str, Any]] = [
        {},
        {"stream": True, **usage},
        {"key": "wrong"},
        {"model": "unheard-of"},
        {"stream": True},
    ]
    for server in servers.values():
        server.plan(*[Behaviour()] * 4, Behaviour(fault="error_event"))
    questions = [{"model": "qwen3:8b", "url": server.endpoint, **each} for server in servers.values() for each in asked]
    answers = iter(ask("openai", "", *questions))
    for name, server in servers.items():
        whole, streamed, wrong_key, wrong_model, broken = (next(answers) for _ in asked)
        flavour = server.flavour
        for answer in (whole, streamed):
            assert answer["text"].endswith(REPLY) and answer["ended"] == "stop" and answer["tokens"], name
            if flavour.thoughts == "<think>":
                assert answer["text"].startswith(f"<think>{THOUGHT}</think>"), name
            else:
                assert answer["thought"] == (THOUGHT if flavour.thoughts else ""), name
        assert (wrong_key["refused"], wrong_key["status"]) == ("AuthenticationError", 401), name
        assert wrong_model.get("status") in (400, 404) or flavour.any_model, name
        # Ollama swallows its own error, and SiliconFlow's is none that this client knows.
        assert "refused" in broken or name in ("ollama", "siliconflow"), name
