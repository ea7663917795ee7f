"""An ASR that stands in for another: over the real client, and two simulators of its vendor; time is a number."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from services.asr_service import ASR_VENDORS, open_asr
from services.base import ASRError, RecognitionHints, Transcript
from services.engine_choice import EngineChoice
from services.engine_settings import ASRSettings
from services.fallback.asr import FallbackASR
from services.fallback.breaker import FAILURES_IN_A_ROW, OPEN_S
from services.fallback.lineup import Lineup
from tests.services.engine_rows import SPEECH
from tests.services.test_engine_contract import STEPS, our_tasks, understand, until
from tests.simulators.bytedance import API_KEY, BytedanceSimulator, Fault, simulate_bytedance

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HINTS = RecognitionHints("anon")
PIECES = [SPEECH[at : at + 1600] for at in range(0, len(SPEECH), 1600)]
LONGEST_S = 2.0


@dataclass
class Two:
    """Both vendors, the ASR that utterances go to, and the clock of the breakers."""

    first: BytedanceSimulator
    second: BytedanceSimulator
    lineup: Lineup
    asr: FallbackASR
    now: float = 0.0

    def reset(self) -> None:
        for vendor in (self.first, self.second):
            vendor.faults = []


@asynccontextmanager
async def two() -> AsyncIterator[Two]:
    """Afterwards not a connection and not a task of ours is left."""
    with anyio.fail_after(60):
        async with simulate_bytedance() as first, simulate_bytedance() as second:
            async with AsyncExitStack() as stack:
                choices = [EngineChoice(name, ASR_VENDORS["bytedance"], "") for name in ("one", "two")]
                lineup = Lineup("asr", choices, lambda: found.now)
                asrs = []
                for vendor, text in ((first, "一"), (second, "二")):
                    vendor.hear = lambda _, text=text: text  # type: ignore[misc]
                    settings = ASRSettings(
                        endpoint=vendor.url,
                        batch_endpoint=vendor.batch_url,
                        model="volc.bigasr.sauc.duration",
                        secrets={"BYTEDANCE_API_KEY": API_KEY},
                        final_s=0.6,
                    )
                    asrs.append(await stack.enter_async_context(open_asr(choices[0], settings)))
                found = Two(first, second, lineup, FallbackASR(lineup, asrs, LONGEST_S))
                yield found
            await until(lambda: not first.open_calls and not second.open_calls and not our_tasks())


ALWAYS = 1e9
DEAD: dict[str, Callable[[], Fault]] = {
    "key": lambda: Fault("handshake", status=401, times=ALWAYS),
    "away": lambda: Fault("handshake", status=503, times=ALWAYS),
    "grant": lambda: Fault("first", code=45000030, times=ALWAYS),
    "busy": lambda: Fault("first", code=55000031, times=ALWAYS),
    "drop": lambda: Fault("audio", drop=True, times=ALWAYS, after_bytes=6400),
    "late": lambda: Fault("final", code=55000001, times=ALWAYS),
    "silent": lambda: Fault("final", stall=True, times=ALWAYS),
    "garbage": lambda: Fault("final", raw=b"\x11\xff?", times=ALWAYS),
}


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("fault", DEAD)
async def test_the_next_hears_all_of_an_utterance_that_the_first_fails_at(fault: str, whole: bool) -> None:
    async with two() as both:
        both.first.faults = [DEAD[fault]()]
        with capture_logs() as logs:
            assert (await understand(both.asr, *PIECES, whole=whole)).text == "二"
        assert both.second.audio == SPEECH and len(both.second.calls) == 1
        assert both.lineup.degraded
        assert [log["engine"] for log in logs if log["event"] == "engine_took_over"] == ["two"]


async def test_what_is_said_after_another_took_over_is_heard_behind_what_was_said_before() -> None:
    async with two() as both:
        both.first.faults = [DEAD["grant"]()]
        async with both.asr.open_recognition(HINTS) as recognition:
            for piece in PIECES[:3]:
                await recognition.send(piece)
            await until(lambda: bool(both.second.calls))
            for piece in PIECES[3:]:
                await recognition.send(piece)
            await recognition.finish()
            async with aclosing(recognition.transcripts()) as transcripts:
                *_, last = [transcript async for transcript in transcripts]
        assert last == Transcript("二", is_final=True) and both.second.audio == SPEECH


@pytest.mark.parametrize(("first", "second", "said"), [("key", "busy", "too busy"), ("key", "grant", "key")])
async def test_where_all_fail_one_error_is_said(first: str, second: str, said: str) -> None:
    async with two() as both:
        both.first.faults, both.second.faults = [DEAD[first]()], [DEAD[second]()]
        with pytest.raises(ASRError, match=said):
            await understand(both.asr, *PIECES)


async def test_an_utterance_longer_than_any_may_be_is_not_kept() -> None:
    async with two() as both:
        both.first.faults = [DEAD["late"]()]
        with pytest.raises(ASRError):
            await understand(both.asr, *[SPEECH] * int(2 * LONGEST_S + 1), whole=True)
        assert both.second.calls == []
        assert (await understand(both.asr, *[SPEECH] * int(2 * LONGEST_S), whole=True)).text == "二"
        assert both.second.audio == SPEECH * int(2 * LONGEST_S)


async def test_a_dead_one_is_left_alone_tried_by_one_utterance_and_taken_back() -> None:
    async with two() as both:
        both.first.faults = [DEAD["key"]()]
        with capture_logs() as logs:
            for _ in range(FAILURES_IN_A_ROW):
                await understand(both.asr, SPEECH)
            before = both.first.handshakes
            assert (await understand(both.asr, SPEECH)).text == "二" and both.first.handshakes == before
            both.now += OPEN_S
            both.reset()
            async with both.asr.open_recognition(HINTS) as recognition:
                await recognition.send(PIECES[0])  # it tries the first, and is not over
                assert (await understand(both.asr, SPEECH)).text == "二"
            assert both.lineup.degraded  # it was left: nothing is known
            assert (await understand(both.asr, SPEECH)).text == "一"
        assert not both.lineup.degraded
        assert [log["event"] for log in logs if "engine" in log["event"]] == ["engine_took_over", "engine_back"]


async def test_an_utterance_left_at_any_point_leaves_nothing() -> None:
    async with two() as both:
        for steps in (*STEPS, 200, 300):
            both.first.faults = [DEAD["key"]()] if steps % 2 else []
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(understand, both.asr, SPEECH)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        await until(lambda: not our_tasks())


async def test_an_error_of_whoever_speaks_leaves_as_it_is() -> None:
    async with two() as both:
        with pytest.raises(ZeroDivisionError):
            async with both.asr.open_recognition(HINTS) as recognition:
                await recognition.send(PIECES[0])
                raise ZeroDivisionError


async def test_what_can_be_understood_is_that_of_the_one_that_serves() -> None:
    class Phrases:
        phrases_only = True
        tells_partials = False
        open_recognition = None

    async with two() as both:
        asr = FallbackASR(both.lineup, [both.asr._asrs[0], Phrases()], LONGEST_S)  # type: ignore[list-item]
        assert (asr.phrases_only, asr.tells_partials) == (False, True)
        both.first.faults = [DEAD["key"]()]
        await understand(both.asr, SPEECH)
        assert (asr.phrases_only, asr.tells_partials) == (True, False)
