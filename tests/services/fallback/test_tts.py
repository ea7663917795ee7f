"""A voice that stands in for another: over the real client, and two simulators of its vendor; time is a number."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from services.base import Emotion, TTSError, TurnSynthesis, Voice
from services.engine_choice import EngineChoice, EngineUnavailable
from services.engine_settings import TTSSettings
from services.fallback.breaker import FAILURES_IN_A_ROW, OPEN_S
from services.fallback.lineup import Lineup
from services.fallback.tts import FallbackTTS, NamedTTS, open_voices
from services.tts_service import TTS_VENDORS, open_tts
from tests.services.test_engine_contract import STEPS, our_tasks, until
from tests.simulators.minimax import KEY, Fault, MinimaxSimulator, simulate_minimax

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

VOICES = {"one": Voice("Japanese_CalmLady"), "two": Voice("Japanese_KindLady", speed=1.1)}
LONG = "今日はとても良い天気ですね、散歩に行きましょう。"
SHORT = "うん。"


@dataclass
class Two:
    """Both vendors, the voice that turns have, and the clock of the breakers."""

    first: MinimaxSimulator
    second: MinimaxSimulator
    lineup: Lineup
    tts: FallbackTTS
    now: float = 0.0

    async def say(self, *texts: str) -> list[bytes]:
        """A turn that says these one after the other."""
        async with self.tts.open_synthesis(VOICES) as synthesis:
            return [await hear(synthesis, text) for text in texts]
        raise AssertionError

    @property
    def sent(self) -> list[object]:
        """The texts that the first vendor was given, whether it took them or not."""
        return [message.get("text") for call in self.first.calls for message in call.received]

    def spoken_by(self, vendor: MinimaxSimulator, text: str) -> bytes:
        """What it sounds like there, with the voice that the character has there."""
        start = vendor.call_of(text).start
        assert start is not None
        assert start["voice_setting"]["voice_id"] == VOICES["one" if vendor is self.first else "two"].voice_id
        return vendor.speech(text)


async def hear(synthesis: TurnSynthesis, text: str, emotion: Emotion = "auto", language: str | None = None) -> bytes:
    async with aclosing(synthesis.synthesize(text, emotion, language)) as pieces:
        return b"".join([piece async for piece in pieces])


@asynccontextmanager
async def two(**changes: Any) -> AsyncIterator[Two]:
    """Afterwards not a connection and not a task of ours is left."""
    with anyio.fail_after(60):
        async with simulate_minimax() as first, simulate_minimax() as second:
            async with AsyncExitStack() as stack:
                choices = [EngineChoice(name, TTS_VENDORS["minimax"], "") for name in ("one", "two")]
                lineup = Lineup("tts", choices, lambda: found.now)
                engines = []
                for choice, vendor in zip(choices, (first, second), strict=True):
                    limits = {"first_audio_s": 0.3, "gap_s": 0.3, "model": "speech-2.8-hd", **changes}
                    settings = TTSSettings(endpoint=vendor.url, secrets={"MINIMAX_API_KEY": KEY}, **limits)
                    tts = await stack.enter_async_context(open_tts(choice, settings))
                    engines.append(NamedTTS(choice.name, tts))
                found = Two(first, second, lineup, FallbackTTS(lineup, engines))
                yield found
            await until(lambda: not first.open_calls and not second.open_calls and not our_tasks())


ALWAYS = 1e9
DEAD: dict[str, Callable[[], Fault]] = {
    "key": lambda: Fault("handshake", status=401, times=ALWAYS),
    "away": lambda: Fault("handshake", status=503, times=ALWAYS),
    "greeting": lambda: Fault("connect", stall=True, times=ALWAYS),
    "balance": lambda: Fault("start", status=1008, times=ALWAYS),
    "busy": lambda: Fault("text", status=1002, times=ALWAYS),
    "broken": lambda: Fault("text", status=1000, times=ALWAYS),
    "silent": lambda: Fault("text", stall=True, times=ALWAYS),
    "drop": lambda: Fault("text", drop=True, times=ALWAYS),
    "garbage": lambda: Fault("text", raw="{]", times=ALWAYS),
}


@pytest.mark.parametrize("fault", DEAD)
async def test_the_whole_turn_has_the_voice_of_the_next_where_the_first_fails(fault: str) -> None:
    async with two() as both:
        both.first.faults = [DEAD[fault]()]
        with capture_logs() as logs:
            heard = await both.say(SHORT, LONG)
        assert heard == [both.spoken_by(both.second, SHORT), both.spoken_by(both.second, LONG)]
        assert both.second.texts == [SHORT, LONG]
        assert both.lineup.degraded and both.lineup.serving == 1
        assert [log["engine"] for log in logs if log["event"] == "engine_took_over"] == ["two"]


@pytest.mark.parametrize("fault", ["balance", "busy", "broken", "silent", "drop", "garbage"])
async def test_a_turn_that_was_heard_keeps_its_voice_and_the_next_turn_may_have_another(fault: str) -> None:
    async with two() as both:
        async with both.tts.open_synthesis(VOICES) as synthesis:
            assert await hear(synthesis, SHORT) == both.spoken_by(both.first, SHORT)
            both.first.faults = [DEAD[fault]()]
            with pytest.raises(TTSError):
                await hear(synthesis, LONG, "sad")
            assert both.second.texts == []
        assert await both.say(LONG) == [both.spoken_by(both.second, LONG)]


async def test_a_sentence_that_breaks_off_is_not_said_again_by_another() -> None:
    async with two() as both:
        both.first.faults = [Fault("speech", drop=True, after_bytes=3200, times=ALWAYS)]
        async with both.tts.open_synthesis(VOICES) as synthesis:
            with pytest.raises(TTSError):
                await hear(synthesis, LONG)
        assert both.second.texts == []


@pytest.mark.parametrize("code", [1026, 2013, 2203])
async def test_a_sentence_that_is_itself_to_blame_is_said_by_nobody(code: int) -> None:
    async with two() as both:
        both.first.faults = [Fault("text", status=code, text=SHORT, times=ALWAYS)]
        async with both.tts.open_synthesis(VOICES) as synthesis:
            with pytest.raises(TTSError) as failed:
                await hear(synthesis, SHORT)
            assert failed.value.one_sentence
            assert await hear(synthesis, LONG) == both.spoken_by(both.first, LONG)
        assert both.second.texts == [] and not both.lineup.degraded


@pytest.mark.parametrize("broken", ["first", "second"])
async def test_sentences_that_overlap_are_of_one_voice_and_each_is_heard_once(broken: str) -> None:
    """The second is on a connection of its own, and has its sound, or its failure, before the first has."""
    async with two() as both:
        stall, refuse = Fault("text", stall=True, text=SHORT), Fault("text", status=1008, text=LONG)
        both.first.faults = [stall if broken == "first" else refuse]
        both.first.manner.first_audio_s = 0.1 if broken == "second" else 0.0
        both.first.faults[0].times = ALWAYS
        heard: dict[str, bytes | TTSError] = {}

        async def say(text: str, emotion: Emotion) -> None:
            try:
                heard[text] = await hear(synthesis, text, emotion)
            except TTSError as error:
                heard[text] = error

        async with both.tts.open_synthesis(VOICES) as synthesis, anyio.create_task_group() as tasks:
            for text, emotion in ((SHORT, "happy"), (LONG, "sad")):
                tasks.start_soon(say, text, emotion)
                await until(lambda said=text: said in both.sent)  # type: ignore[misc]
        if broken == "first":
            assert heard == {text: both.spoken_by(both.second, text) for text in (SHORT, LONG)}
        else:  # something was heard: the turn keeps its voice, and has lost it
            assert heard[SHORT] == both.spoken_by(both.first, SHORT) and isinstance(heard[LONG], TTSError)
            assert both.second.texts == []


async def test_a_sentence_with_nothing_to_say_decides_nothing() -> None:
    async with two() as both:
        both.first.faults = [DEAD["broken"]()]
        async with both.tts.open_synthesis(VOICES) as synthesis:
            assert await hear(synthesis, "…") == b""
            assert await hear(synthesis, SHORT) == both.spoken_by(both.second, SHORT)


async def test_where_all_fail_one_error_is_said() -> None:
    async with two() as both:
        both.first.faults, both.second.faults = [DEAD["balance"]()], [DEAD["busy"]()]
        with pytest.raises(TTSError, match="busy"):
            await both.say(SHORT)
        assert len(both.lineup.out) == 2


async def test_a_dead_one_is_left_alone_tried_by_one_turn_and_taken_back() -> None:
    async with two() as both:
        both.first.faults = [DEAD["key"]()]
        with capture_logs() as logs:
            for _ in range(FAILURES_IN_A_ROW):
                await both.say(SHORT)
            before = both.first.handshakes
            both.tts.prepare(VOICES)
            assert await both.say(SHORT) == [both.spoken_by(both.second, SHORT)]
            assert both.first.handshakes == before
            both.now += OPEN_S
            both.first.faults = []
            async with both.tts.open_synthesis(VOICES):  # a turn in which nothing is said finds nothing out
                assert await both.say(SHORT) == [both.spoken_by(both.second, SHORT)]
            assert both.lineup.degraded
            assert await both.say(SHORT) == [both.spoken_by(both.first, SHORT)]
        assert not both.lineup.degraded
        assert [log["event"] for log in logs if "engine" in log["event"]] == ["engine_took_over", "engine_back"]


@pytest.mark.parametrize("fault", ["key", "broken", "silent"])
async def test_a_turn_that_is_cut_at_any_point_leaves_nothing_and_counts_as_nothing(fault: str) -> None:
    async with two(first_audio_s=20.0) as both:
        for steps in (*STEPS, 200, 300, 400):
            both.first.faults = [DEAD[fault]()]
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(both.say, SHORT, LONG)
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        await until(lambda: not any(name.startswith("services.fallback") for name in our_tasks()))
        assert fault != "silent" or not both.lineup.degraded


async def test_a_sentence_of_a_language_goes_to_none_that_has_it_not() -> None:
    async with two() as both:
        both.first.faults = [DEAD["broken"]()]
        both.tts._engines[1].languages = frozenset(("ja",))
        async with both.tts.open_synthesis(VOICES) as synthesis:
            assert "ko" in synthesis.languages
            with pytest.raises(TTSError):
                await hear(synthesis, "안녕!", language="ko")
        assert both.second.texts == []


async def test_one_engine_alone_is_asked_as_it_is_and_voices_of_two_rates_are_refused() -> None:
    async with simulate_minimax() as vendor:
        minimax = EngineChoice("minimax", TTS_VENDORS["minimax"], "")
        settings = TTSSettings(endpoint=vendor.url, model="speech-2.8-hd", secrets={"MINIMAX_API_KEY": KEY})
        async with open_voices(Lineup("tts", [minimax]), lambda _: settings) as tts:
            assert not isinstance(tts, FallbackTTS)
            async with tts.open_synthesis({"minimax": VOICES["one"], "other": VOICES["two"]}) as synthesis:
                assert await hear(synthesis, SHORT)
            start = vendor.call_of(SHORT).start
            assert start and start["voice_setting"]["voice_id"] == VOICES["one"].voice_id
        embedded = EngineChoice("embedded", TTS_VENDORS["embedded"], "")
        other = TTSSettings(sample_rate_hz=24000)
        with pytest.raises(EngineUnavailable, match="minimax at 16000 Hz, embedded at 24000 Hz"):
            async with open_voices(
                Lineup("tts", [minimax, embedded]), lambda vendor: settings if vendor.secrets else other
            ):
                pass
