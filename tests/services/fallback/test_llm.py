"""An LLM that stands in for another: over the real client, and two simulators of its vendor; time is a number."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from services import llm_service
from services.base import LLMError, Message, Prompt
from services.engine_choice import EngineChoice
from services.engine_settings import LLMSettings
from services.fallback.breaker import FAILURES_IN_A_ROW, OPEN_S
from services.fallback.lineup import Lineup
from services.fallback.llm import FallbackLLM, open_llms
from services.llm_service import LLM_VENDORS, BoundedLLM, open_llm
from tests.simulators.ark import MODEL, REFUSALS, REPLY, ArkSimulator, Behaviour, Refusal, serve_ark

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KEY = "sk-of-the-fallback-0123456789"
PROMPT = Prompt("anon", (Message("user", "你好"),))
SECOND_REPLY = REPLY[: REPLY.index("\n") + 1]


@pytest.fixture(autouse=True)
def no_pause_before_the_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm_service, "RETRY_WAIT_S", 0.0)
    monkeypatch.setattr(llm_service, "RETRY_JITTER_S", 0.0)


@dataclass
class Two:
    """Both vendors, the LLM that a turn sees, and the clock of the breakers."""

    first: ArkSimulator
    second: ArkSimulator
    lineup: Lineup
    llm: FallbackLLM
    now: float = 0.0

    async def read(self) -> str:
        text = ""
        async with aclosing(self.llm.stream(PROMPT)) as deltas:
            async for delta in deltas:
                text += delta
        return text

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.first.requests), len(self.second.requests)


@asynccontextmanager
async def two(first_token_s: float = 0.3) -> AsyncIterator[Two]:
    """Afterwards neither vendor has anything of ours open."""
    with anyio.fail_after(60):
        async with serve_ark(key=KEY) as first, serve_ark(key=KEY) as second, AsyncExitStack() as stack:
            choices = [EngineChoice(name, LLM_VENDORS["doubao"], "") for name in ("one", "two")]
            lineup = Lineup("llm", choices, lambda: found.now)
            llms = []
            for vendor in (first, second):
                settings = LLMSettings(endpoint=vendor.endpoint, model=MODEL, secrets={"DOUBAO_API_KEY": KEY})
                settings = replace(settings, first_token_s=first_token_s, gap_s=0.3)
                llms.append(await stack.enter_async_context(open_llm(choices[0], settings)))
            second.default = Behaviour(reply=SECOND_REPLY)
            found = Two(first, second, lineup, FallbackLLM(lineup, llms))
            yield found
            await first.wait_idle()
            await second.wait_idle()


# What happens before the first fragment, how often the first vendor is asked about it, and what is told of it.
DEAD = {
    "key": (Behaviour(refusal=REFUSALS["AuthenticationError"]), 1, "refused"),
    "quota": (Behaviour(refusal=REFUSALS["QuotaExceeded"]), 1, "refused"),
    "model": (Behaviour(refusal=REFUSALS["InvalidEndpointOrModel.NotFound"]), 1, "refused"),
    "busy": (Behaviour(refusal=REFUSALS["ServerOverloaded"]), 2, "failed"),
    "broken": (Behaviour(refusal=Refusal(502, html=b"<html>Bad Gateway</html>")), 2, "failed"),
    "silent": (Behaviour(fault="silent"), 1, "timeout"),
    "silent after headers": (Behaviour(fault="silent_after_headers"), 1, "timeout"),
    "stall": (Behaviour(fault="stall", after=0), 1, "timeout"),
    "drop": (Behaviour(fault="drop_before_headers"), 2, "failed"),
    "drop after headers": (Behaviour(fault="drop", after=0), 2, "failed"),
    "end early": (Behaviour(fault="end_early", after=0), 2, "failed"),
    "garbage": (Behaviour(fault="garbage", after=0), 2, "failed"),
}


@pytest.mark.parametrize("fault", DEAD)
async def test_the_next_answers_in_the_turn_in_which_the_first_fails(fault: str) -> None:
    behaviour, asked, why = DEAD[fault]
    async with two() as both:
        both.first.default = behaviour
        with capture_logs() as logs:
            assert await both.read() == SECOND_REPLY
        assert both.lineup.out == {"one": why} and both.lineup.degraded and both.lineup.serving == 1
        told = [log for log in logs if log["event"] == "engine_took_over"]
        assert [(log["kind"], log["engine"], log["instead_of"]) for log in told] == [("llm", "two", "one")]
        assert both.asked == (asked, 1)


async def test_an_answer_without_a_word_is_left_to_the_next_and_blamed_on_nobody() -> None:
    async with two() as both:
        both.first.default = Behaviour(reply="")
        assert await both.read() == SECOND_REPLY
        assert not both.lineup.out
        both.second.default = Behaviour(reply="")
        assert await both.read() == ""


@pytest.mark.parametrize("fault", ["stall", "drop", "end_early", "error_event", "garbage"])
async def test_after_the_first_fragment_nobody_takes_over(fault: str) -> None:
    async with two() as both:
        both.first.default = Behaviour(fault=fault, after=4)  # type: ignore[arg-type]
        with pytest.raises(LLMError):
            await both.read()
        assert both.asked == (1, 0) and both.lineup.degraded


@pytest.mark.parametrize("code", ["InputTextSensitiveContentDetected", "SensitiveContentDetected.Violence"])
async def test_what_is_the_requests_own_fault_is_said_and_no_other_is_asked(code: str) -> None:
    async with two() as both:
        both.first.default = Behaviour(refusal=REFUSALS[code])
        for _ in range(FAILURES_IN_A_ROW + 1):
            with pytest.raises(LLMError, match="sensitive"):
                await both.read()
        assert both.asked == (FAILURES_IN_A_ROW + 1, 0) and not both.lineup.degraded


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("key", "busy", "too busy"),  # it may go well next time
        ("busy", "key", "too busy"),
        ("key", "quota", "key"),  # nothing helps: what the first said
        ("silent", "busy", "in time"),
    ],
)
async def test_where_all_fail_one_error_is_said(first: str, second: str, said: str) -> None:
    async with two() as both:
        both.first.default, both.second.default = DEAD[first][0], DEAD[second][0]
        with pytest.raises(LLMError, match=said):
            await both.read()


async def test_a_dead_one_is_left_alone_tried_by_one_call_and_taken_back() -> None:
    async with two() as both:
        both.first.default = DEAD["key"][0]
        with capture_logs() as logs:
            for _ in range(FAILURES_IN_A_ROW + 3):
                assert await both.read() == SECOND_REPLY
            assert both.asked == (FAILURES_IN_A_ROW, FAILURES_IN_A_ROW + 3)

            both.now += OPEN_S
            assert await both.read() == SECOND_REPLY  # tried, and still dead
            assert await both.read() == SECOND_REPLY
            assert both.asked[0] == FAILURES_IN_A_ROW + 1

            both.now += OPEN_S
            gate = anyio.Event()
            both.first.default = Behaviour(gate=gate)
            answers: list[str] = []

            async def talk() -> None:
                answers.append(await both.read())

            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(talk)
                while len(answers) < 3:
                    await anyio.lowlevel.checkpoint()
                assert answers == [SECOND_REPLY] * 3 and both.lineup.degraded
                gate.set()
            assert answers[3] == REPLY and not both.lineup.degraded and not both.lineup.out
            assert both.asked[0] == FAILURES_IN_A_ROW + 2
            both.first.default = Behaviour()
            assert await both.read() == REPLY
        told = [log["event"] for log in logs if log["event"].startswith("engine_")]
        assert told == ["engine_took_over", "engine_back"]


async def test_an_answer_that_is_not_read_on_lets_others_ask_the_vendor_that_is_back() -> None:
    async with two() as both:
        both.first.default = DEAD["key"][0]
        for _ in range(FAILURES_IN_A_ROW):
            assert await both.read() == SECOND_REPLY
        both.now += OPEN_S
        both.first.default = Behaviour()
        async with aclosing(both.llm.stream(PROMPT)) as guess:
            assert await anext(guess)
            assert await both.read() == REPLY
        assert not both.lineup.degraded and both.asked[0] == FAILURES_IN_A_ROW + 2


async def test_one_that_breaks_off_the_answer_with_which_it_was_tried_is_out_again() -> None:
    async with two() as both:
        both.first.default = DEAD["key"][0]
        for _ in range(FAILURES_IN_A_ROW):
            assert await both.read() == SECOND_REPLY
        both.now += OPEN_S
        both.first.default = Behaviour(fault="drop", after=4)
        with pytest.raises(LLMError):
            await both.read()
        assert await both.read() == SECOND_REPLY and both.asked[0] == FAILURES_IN_A_ROW + 1


async def test_failures_with_a_success_between_them_keep_nobody_out() -> None:
    async with two() as both:
        for _ in range(FAILURES_IN_A_ROW):
            both.first.plan(DEAD["key"][0])
            assert await both.read() == SECOND_REPLY
            assert await both.read() == REPLY
        assert not both.lineup.degraded


async def test_the_last_is_asked_whatever_happened_to_it() -> None:
    async with two() as both:
        both.first.default = both.second.default = DEAD["key"][0]
        for _ in range(FAILURES_IN_A_ROW + 1):
            with pytest.raises(LLMError):
                await both.read()
        assert both.asked == (FAILURES_IN_A_ROW, FAILURES_IN_A_ROW + 1)
        both.second.default = Behaviour(reply=SECOND_REPLY)
        assert await both.read() == SECOND_REPLY


async def test_a_cancelled_call_is_neither_a_failure_nor_a_success() -> None:
    async def cut_short(seen: int) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(both.read)
            while len(both.first.requests) < seen:
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()

    async with two(first_token_s=30.0) as both:
        both.first.default = DEAD["silent"][0]
        for n in range(FAILURES_IN_A_ROW + 1):
            await cut_short(n + 1)
        assert not both.lineup.degraded
        both.first.default = DEAD["key"][0]
        for _ in range(FAILURES_IN_A_ROW):
            await both.read()
        asked = both.asked[0]
        both.now += OPEN_S
        both.first.default = DEAD["silent"][0]
        await cut_short(asked + 1)  # the one that tries it: the next one will
        assert both.lineup.degraded
        both.first.default = Behaviour()
        assert await both.read() == REPLY


async def test_a_turn_that_has_heard_enough_of_an_answer_had_an_answer() -> None:
    async with two() as both:
        both.first.plan(DEAD["key"][0])
        await both.read()
        async with aclosing(both.llm.stream(PROMPT)) as deltas:
            await anext(deltas)
        assert not both.lineup.degraded


async def test_one_engine_alone_is_handed_on_as_it_is() -> None:
    lineup = Lineup("llm", [EngineChoice("embedded", LLM_VENDORS["embedded"], "the only one")])
    async with open_llms(lineup, lambda _: LLMSettings()) as llm:
        assert isinstance(llm, BoundedLLM)
    assert not lineup.degraded


async def test_a_hint_goes_to_whom_the_next_call_asks() -> None:
    async with two() as both:
        both.first.default = DEAD["key"][0]
        for _ in range(FAILURES_IN_A_ROW):
            await both.read()
        both.llm.prepare()
        assert both.lineup.next_asked == 1
        both.now += OPEN_S
        assert both.lineup.next_asked == 0
