"""Ark's simulator, judged by clients that work in the field: the vendor's own, and `openai`."""

from collections.abc import Iterator
from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tests.foreign.foreign import ask_client
from tests.simulators.ark import MODEL, REFUSALS, REPLY, ArkSimulator, Behaviour, serve_ark

KEY = "sk-of-the-tests-0123456789"
pytestmark = [pytest.mark.slow, pytest.mark.parametrize("package", ["ark", "openai"])]


@pytest.fixture
def ark() -> Iterator[ArkSimulator]:
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(serve_ark(key=KEY)) as simulator,
    ):
        yield simulator


def ask(ark: ArkSimulator, package: str, *questions: dict[str, Any]) -> list[dict[str, Any]]:
    """What the client made of the answer to each."""
    filled = [{"key": KEY, "model": MODEL, **question} for question in questions]
    answers: list[dict[str, Any]] = ask_client(
        "llm", "chat", {"package": package, "url": ark.endpoint, "questions": filled}
    )
    return answers


SERVED: tuple[dict[str, Any], ...] = (
    {},
    {"stream": False, "reasoning_effort": "minimal"},
    {"stream": True},
    {"stream": True, "stream_options": {"include_usage": True}, "reasoning_effort": "low", "max_tokens": 2000},
)


def test_what_a_real_client_sends_is_served(ark: ArkSimulator, package: str) -> None:
    for asked, answer in zip(SERVED, ask(ark, package, *SERVED), strict=True):
        assert answer["text"] == REPLY and answer["ended"] == "stop", asked
        assert bool(answer["thought"]) == (asked.get("reasoning_effort") != "minimal"), asked
        assert bool(answer["tokens"]) == (not asked.get("stream") or "stream_options" in asked), asked


def test_a_stream_is_read_however_it_is_framed(ark: ArkSimulator, package: str) -> None:
    ark.plan(Behaviour(framing="cut"), Behaviour(framing="crlf"), Behaviour(framing="comments"))
    assert [answer["text"] for answer in ask(ark, package, *[{"stream": True}] * 3)] == [REPLY] * 3


REFUSED: dict[str, dict[str, Any]] = {
    "InvalidParameter": {"max_tokens": 10, "max_completion_tokens": 10},
    "AuthenticationError": {"key": "wrong"},
    "InvalidEndpointOrModel.NotFound": {"model": "doubao-unheard-of"},
    "ServerOverloaded": {},
}


def test_a_refusal_is_read_as_the_vendors(ark: ArkSimulator, package: str) -> None:
    ark.plan(*[Behaviour()] * (len(REFUSED) - 1), Behaviour(refusal=REFUSALS["ServerOverloaded"]))
    for code, answer in zip(REFUSED, ask(ark, package, *REFUSED.values()), strict=True):
        assert (answer["status"], answer["code"]) == (REFUSALS[code].status, code)
