"""The faults of an LLM, by name, as a turn sees them: deadlines, the one retry, and nothing left behind.

Over the real client, against its vendor's simulator; deadlines are set small, and no clock is looked at.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import replace
from pathlib import Path

import aiohttp
import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from services import llm_service
from services.base import LLM, LLMError, Message, Prompt
from services.engine_choice import choose_engines
from services.engine_settings import LLMSettings
from services.llm_service import LLM_VENDORS, BoundedLLM, open_llm
from tests.simulators.ark import MODEL, REFUSALS, REPLY, ArkSimulator, Behaviour, Refusal, serve_ark

KEY = "sk-of-the-tests-0123456789"
PROMPT = Prompt("anon", (Message("user", "你好"),))


@pytest.fixture(autouse=True)
def no_pause_before_the_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_service, "RETRY_WAIT_S", 0.0)
    monkeypatch.setattr(llm_service, "RETRY_JITTER_S", 0.0)


def count_held() -> tuple[int, int]:
    """Tasks and sockets of this process; no sockets where the system does not tell."""
    sockets = 0
    for entry in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the directory's own descriptor
            sockets += os.readlink(entry).startswith("socket:")
    return len(asyncio.all_tasks()), sockets


@pytest.fixture
async def ark() -> AsyncIterator[ArkSimulator]:
    """The simulator; when the test is over, the client has left nothing: no request, no task, no socket."""
    async with serve_ark(key=KEY) as simulator:
        before = count_held()
        yield simulator
        simulator.restore()
        with anyio.fail_after(60):
            await simulator.wait_idle()
            while count_held() != before:  # a closed socket is let go of some steps of the loop later
                await anyio.lowlevel.checkpoint()


def settings_for(ark: ArkSimulator) -> LLMSettings:
    return LLMSettings(endpoint=ark.endpoint, model=MODEL, secrets={"DOUBAO_API_KEY": KEY})


async def read(llm: LLM) -> tuple[str, LLMError | None]:
    text = ""
    try:
        async with aclosing(llm.stream(PROMPT)) as deltas:
            async for delta in deltas:
                text += delta
    except LLMError as error:
        return text, error
    return text, None


async def ask(settings: LLMSettings) -> tuple[str, LLMError | None]:
    async with open_llm(choose_engines("llm", ("auto",), LLM_VENDORS, settings.secrets, {})[0], settings) as llm:
        return await read(llm)


# --- the table of faults


async def test_a_healthy_mind_is_passed_through(ark: ArkSimulator) -> None:
    assert await ask(settings_for(ark)) == (REPLY, None)
    assert await ask(replace(settings_for(ark), stream=False)) == (REPLY, None)


@pytest.mark.parametrize("code", ["AuthenticationError", "AccessDenied", "InvalidEndpointOrModel.NotFound"])
async def test_llm_401_403_404_are_not_retried(ark: ArkSimulator, code: str) -> None:
    ark.default = Behaviour(refusal=REFUSALS[code])
    _, error = await ask(settings_for(ark))
    assert error is not None and not error.retryable and not error.timed_out
    assert len(ark.requests) == 1


@pytest.mark.parametrize(
    "refusal",
    [
        *(
            REFUSALS[code]
            for code in ("ServerOverloaded", "RateLimitExceeded.EndpointRPMExceeded", "InternalServiceError")
        ),
        *(Refusal(status, html=b"<html>Bad Gateway</html>") for status in (502, 503, 504)),
    ],
)
async def test_llm_429_and_5xx_are_retried_once(ark: ArkSimulator, refusal: Refusal) -> None:
    ark.plan(Behaviour(refusal=refusal))
    assert await ask(settings_for(ark)) == (REPLY, None)
    assert len(ark.requests) == 2
    ark.default = Behaviour(refusal=refusal)
    _, error = await ask(settings_for(ark))
    assert error is not None and error.retryable and not error.timed_out
    assert len(ark.requests) == 4


async def test_llm_connection_refused_is_retried_once(ark: ArkSimulator) -> None:
    settings = replace(settings_for(ark), endpoint="http://127.0.0.1:9/v1")  # nobody offers "discard" any more
    with capture_logs() as logs:
        _, error = await ask(settings)
    assert error is not None and error.retryable and not error.timed_out
    assert [log["event"] for log in logs].count("llm_asked_again") == 1


@pytest.mark.parametrize(
    "code", ["QuotaExceeded", "AccountQuotaExceeded", "SetLimitExceeded", "InputTextSensitiveContentDetected"]
)
async def test_llm_account_limits_and_sensitive_content_are_not_retried(ark: ArkSimulator, code: str) -> None:
    ark.default = Behaviour(refusal=REFUSALS[code])
    _, error = await ask(settings_for(ark))
    assert error is not None and not error.retryable
    assert len(ark.requests) == 1


async def test_an_endpoint_switched_off_is_for_later_not_for_now(ark: ArkSimulator) -> None:
    ark.default = Behaviour(refusal=REFUSALS["InvalidEndpoint.ClosedEndpoint"])
    _, error = await ask(settings_for(ark))
    assert error is not None and error.retryable
    assert len(ark.requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("after", "requests"), [("1", 2), ("3", 1), ("Wed, 21 Oct 2026 07:28:00 GMT", 2)])
async def test_retry_after_is_honoured_if_a_listener_can_bear_it(ark: ArkSimulator, after: str, requests: int) -> None:
    ark.default = Behaviour(refusal=replace(REFUSALS["ServerOverloaded"], headers={"Retry-After": after}))
    _, error = await ask(settings_for(ark))
    assert error is not None and error.retryable
    assert len(ark.requests) == requests


@pytest.mark.parametrize("fault", ["silent", "silent_after_headers"])
@pytest.mark.parametrize("stream", [True, False])
async def test_llm_no_first_event_times_out_and_is_not_asked_again(ark: ArkSimulator, fault: str, stream: bool) -> None:
    ark.default = Behaviour(fault=fault if stream else "silent")  # type: ignore[arg-type]
    settings = replace(settings_for(ark), stream=stream, first_token_s=0.2, total_s=0.2)
    text, error = await ask(settings)
    assert text == "" and error is not None and error.timed_out and error.retryable
    assert len(ark.requests) == 1


async def test_thinking_without_end_is_no_first_event(ark: ArkSimulator) -> None:
    ark.default = Behaviour(fault="stall", after=0)
    settings = replace(settings_for(ark), reasoning_effort="high", first_token_s=0.2)
    text, error = await ask(settings)
    assert text == "" and error is not None and error.timed_out


@pytest.mark.parametrize("fault", ["stall", "half_open"])
async def test_llm_stalls_between_events_keeps_the_text_and_times_out(ark: ArkSimulator, fault: str) -> None:
    ark.default = Behaviour(fault=fault, after=4, token_chars=5)  # type: ignore[arg-type]
    text, error = await ask(replace(settings_for(ark), gap_s=0.5))
    assert text == REPLY[:20] and error is not None and error.timed_out and "stopped" in str(error)
    assert len(ark.requests) == 1


@pytest.mark.slow
async def test_llm_that_trickles_is_bounded_as_a_whole(ark: ArkSimulator) -> None:
    ark.default = Behaviour(token_s=0.05, token_chars=1)
    text, error = await ask(replace(settings_for(ark), total_s=0.8))
    assert text and REPLY.startswith(text) and error is not None and error.timed_out and "too long" in str(error)


async def test_an_answer_in_one_piece_has_the_whole_time_for_it(ark: ArkSimulator) -> None:
    ark.default = Behaviour(first_token_s=0.3)
    settings = replace(settings_for(ark), stream=False, first_token_s=0.1)
    assert await ask(settings) == (REPLY, None)


@pytest.mark.parametrize("fault", ["drop", "end_early", "error_event", "garbage"])
async def test_llm_drops_in_mid_stream_keeps_the_text_and_is_not_asked_again(ark: ArkSimulator, fault: str) -> None:
    ark.default = Behaviour(fault=fault, after=4, token_chars=5)  # type: ignore[arg-type]
    text, error = await ask(settings_for(ark))
    assert text == REPLY[:20] and error is not None and error.retryable and not error.timed_out
    assert len(ark.requests) == 1


@pytest.mark.parametrize("fault", ["drop_before_headers", "drop", "end_early", "error_event", "garbage"])
async def test_llm_drops_before_the_first_text_is_asked_again(ark: ArkSimulator, fault: str) -> None:
    ark.plan(Behaviour(fault=fault, after=0))  # type: ignore[arg-type]
    assert await ask(replace(settings_for(ark), reasoning_effort="low")) == (REPLY, None)
    assert len(ark.requests) == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_an_empty_answer_is_no_fragment_and_no_error(ark: ArkSimulator, stream: bool) -> None:
    ark.default = Behaviour(reply="")
    assert await ask(replace(settings_for(ark), stream=stream)) == ("", None)


@pytest.mark.slow
async def test_the_next_turn_works_after_every_fault(ark: ArkSimulator) -> None:
    faults = ["silent", "silent_after_headers", "stall", "half_open", "drop", "end_early", "error_event", "garbage"]
    settings = replace(settings_for(ark), first_token_s=0.5, gap_s=0.5)
    async with open_llm(choose_engines("llm", ("doubao",), LLM_VENDORS, settings.secrets, {})[0], settings) as llm:
        for fault in faults:
            ark.plan(Behaviour(fault=fault))  # type: ignore[arg-type]
            _, error = await read(llm)
            assert error is not None
            assert await read(llm) == (REPLY, None)


# --- leaving


@pytest.mark.parametrize("fault", ["silent", "silent_after_headers", "stall", "half_open"])
async def test_a_cancelled_turn_leaves_nothing(ark: ArkSimulator, fault: str) -> None:
    ark.default = Behaviour(fault=fault, after=1)  # type: ignore[arg-type]
    settings = settings_for(ark)
    async with open_llm(choose_engines("llm", ("doubao",), LLM_VENDORS, settings.secrets, {})[0], settings) as llm:
        with anyio.move_on_after(0.2) as scope:
            await read(llm)
        assert scope.cancelled_caught
        ark.restore()
        with anyio.fail_after(60):
            await ark.wait_idle()
        ark.default = Behaviour()
        assert await read(llm) == (REPLY, None)


async def test_a_turn_cancelled_in_the_pause_before_the_retry_leaves_nothing(ark: ArkSimulator) -> None:
    ark.default = Behaviour(refusal=replace(REFUSALS["ServerOverloaded"], headers={"Retry-After": "2"}))
    settings = settings_for(ark)
    ended: list[tuple[str, LLMError | None]] = []

    async def turn(llm: LLM) -> None:
        ended.append(await read(llm))

    async with open_llm(choose_engines("llm", ("doubao",), LLM_VENDORS, settings.secrets, {})[0], settings) as llm:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(turn, llm)
            with anyio.fail_after(60):
                while not ark.requests:
                    await anyio.lowlevel.checkpoint()
                await ark.wait_idle()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert ended == [] and len(ark.requests) == 1


async def test_the_retry_stays_within_the_time_for_the_first_fragment(ark: ArkSimulator) -> None:
    ark.default = Behaviour(refusal=replace(REFUSALS["ServerOverloaded"], headers={"Retry-After": "2"}))
    _, error = await ask(replace(settings_for(ark), first_token_s=1.0))
    assert error is not None and error.timed_out and len(ark.requests) == 1


async def test_a_turn_left_early_leaves_nothing(ark: ArkSimulator) -> None:
    ark.default = Behaviour(token_s=10.0)
    settings = settings_for(ark)
    async with open_llm(choose_engines("llm", ("doubao",), LLM_VENDORS, settings.secrets, {})[0], settings) as llm:
        async with aclosing(llm.stream(PROMPT)) as deltas:
            assert await anext(deltas) == REPLY[:3]
        with anyio.fail_after(60):
            await ark.wait_idle()


async def test_many_turns_at_once_over_a_failing_vendor_all_end(ark: ArkSimulator) -> None:
    faults = ["none", "none", "drop", "end_early", "error_event", "drop_before_headers", "none", "garbage"]
    ark.plan(*(Behaviour(fault=faults[n % len(faults)], after=n % 4) for n in range(48)))  # type: ignore[arg-type]
    settings = settings_for(ark)
    outcomes: list[tuple[str, LLMError | None]] = []

    async def talk(llm: LLM) -> None:
        outcomes.append(await read(llm))

    async with open_llm(choose_engines("llm", ("doubao",), LLM_VENDORS, settings.secrets, {})[0], settings) as llm:
        async with anyio.create_task_group() as users:
            for _ in range(40):
                users.start_soon(talk, llm)
    assert len(outcomes) == 40
    assert all((text == REPLY) if error is None else REPLY.startswith(text) for text, error in outcomes)


# --- the wrapper by itself, over LLMs in process


class Mind:
    """An LLM that says `texts`; `pause` comes before the last of them, and `ended` says that it was closed."""

    def __init__(self, *texts: str, pause_s: float = 0.0, error: Exception | None = None) -> None:
        self._texts = texts
        self._pause_s = pause_s
        self._error = error
        self.asked = 0
        self.ended = 0
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        self.asked += 1
        try:
            for text in self._texts[:-1]:
                yield text
            await anyio.sleep(self._pause_s)
            if self._error:
                raise self._error
            for text in self._texts[-1:]:
                yield text
        finally:
            self.ended += 1


async def test_a_hint_is_passed_on() -> None:
    mind = Mind()
    BoundedLLM(mind, LLMSettings()).prepare()
    assert mind.prepared == 1 and mind.asked == 0


@pytest.mark.slow
async def test_a_caller_slower_than_the_mind_loses_nothing() -> None:
    mind, told = Mind("a", "b", "c", "d", pause_s=0.01), ""
    async with aclosing(BoundedLLM(mind, LLMSettings(gap_s=0.5, total_s=0.5)).stream(PROMPT)) as deltas:
        async for delta in deltas:
            await anyio.sleep(0.3)  # together twice the whole time
            told += delta
    assert told == "abcd"


@pytest.mark.parametrize("texts", [("a",), ("a", "b")])
async def test_the_mind_is_closed_when_its_time_is_over(texts: tuple[str, ...]) -> None:
    mind = Mind(*texts, pause_s=30)
    text, error = await read(BoundedLLM(mind, LLMSettings(first_token_s=0.1, gap_s=0.1)))
    assert text == "".join(texts[:-1]) and error is not None and error.timed_out
    assert mind.asked == mind.ended == 1


class WholeMind(Mind):
    """One that was found not to stream."""

    streams = False


async def test_an_answer_in_one_piece_has_the_whole_time_whatever_was_set() -> None:
    mind = WholeMind("all of it", pause_s=0.2)
    assert await read(BoundedLLM(mind, LLMSettings(first_token_s=0.05))) == ("all of it", None)


async def test_the_mind_is_closed_at_once_when_the_caller_leaves() -> None:
    mind = Mind("a", "b", "c")
    async with aclosing(BoundedLLM(mind, LLMSettings()).stream(PROMPT)) as deltas:
        assert await anext(deltas) == "a"
    assert mind.asked == mind.ended == 1


async def test_a_mind_that_was_silent_for_its_own_time_is_not_asked_again() -> None:
    mind = Mind("a", error=LLMError("Nobody picked up.", timed_out=True))
    _, error = await read(BoundedLLM(mind, LLMSettings()))
    assert error is not None and error.timed_out and mind.asked == 1


async def test_an_error_that_is_not_a_minds_is_neither_retried_nor_hidden() -> None:
    mind = Mind("a", error=ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        await read(BoundedLLM(mind, LLMSettings()))
    assert mind.asked == mind.ended == 1


async def test_the_retry_logs_nothing_of_the_talk() -> None:
    mind = Mind("a", error=LLMError("It failed."))
    with capture_logs() as logs:
        _, error = await read(BoundedLLM(mind, LLMSettings()))
    assert error is not None and mind.asked == mind.ended == 2
    assert [log["event"] for log in logs] == ["llm_asked_again"] and "你好" not in str(logs)


# --- the simulator is as strict as the page


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"stream_options": {"include_usage": True}, "stream": True}, None),
        ({"enable_thinking": False, "model": "ep-20260101-x"}, None),  # unknown fields are ignored
        ({"response_format": {"type": "text"}, "max_tokens": 10, "thinking": {"type": "disabled"}}, None),
        ({"model": None}, "MissingParameter"),
        ({"messages": []}, "MissingParameter"),
        ({"model": "gpt-9"}, "InvalidEndpointOrModel.NotFound"),
        ({"messages": "hello"}, "InvalidParameter"),
        ({"messages": [{"role": "developer", "content": "x"}]}, "InvalidParameter"),
        ({"messages": [{"role": "user", "content": None}]}, "InvalidParameter"),
        ({"messages": [{"role": "assistant", "content": "x", "reasoning_content": "y"}]}, "InvalidParameter"),
        ({"stream": "yes"}, "InvalidParameter"),
        ({"stream_options": {"include_usage": True}}, "InvalidParameter"),
        ({"reasoning_effort": "none"}, "InvalidParameter"),
        ({"reasoning_effort": "low", "thinking": {"type": "disabled"}}, "InvalidParameter"),
        ({"thinking": {"type": "auto"}, "temperature": 1}, "InvalidParameter"),
        ({"max_tokens": 10, "max_completion_tokens": 10}, "InvalidParameter"),
        ({"temperature": 3}, "InvalidParameter"),
        ({"response_format": {"type": "json_object"}}, "InvalidParameter"),
    ],
)
async def test_the_simulator_refuses_what_the_vendor_refuses(
    ark: ArkSimulator, changes: dict[str, object], code: str | None
) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "你好"}]} | changes
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{ark.endpoint}/chat/completions", json=body) as response,
    ):
        answer = await response.text()
    assert response.status == 200 if code is None else json.loads(answer)["error"]["code"] == code


@pytest.mark.parametrize("authorization", ["", "Bearer", f"bearer {KEY}", "Bearer other", f"Basic {KEY}"])
async def test_the_simulator_refuses_a_wrong_key(ark: ArkSimulator, authorization: str) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{ark.endpoint}/chat/completions", headers={"Authorization": authorization}) as response,
    ):
        assert response.status == 401
