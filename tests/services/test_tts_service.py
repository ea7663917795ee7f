"""The deadlines every voice has: whose clock runs when, and that nothing outlives them."""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.base import Emotion, Synthesis, TTSError, Voice
from services.engine_choice import EngineUnavailable, choose_engines
from services.engine_settings import TTSSettings
from services.tts_service import TTS_VENDORS, TimedTTS, divide, open_tts

pytestmark = pytest.mark.anyio


class ScriptedTTS:
    """A voice whose sentences are what the test wrote for them."""

    sample_rate_hz = 16000
    languages = frozenset(("ja",))

    def __init__(self, **sentences: Callable[[], AsyncGenerator[bytes]]) -> None:
        self._sentences = sentences
        self.closed: list[str] = []
        self.prepared: list[Voice] = []
        self.expected: list[tuple[Emotion, str]] = []

    def prepare(self, voice: Voice) -> None:
        self.prepared.append(voice)

    @asynccontextmanager
    async def open_synthesis(self, voice: Voice) -> AsyncIterator[Synthesis]:
        yield self

    def expect(self, emotion: Emotion, words: str = "") -> None:
        self.expected.append((emotion, words))

    async def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(self._sentences[text]()) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self.closed.append(text)


async def nothing() -> AsyncGenerator[bytes]:
    for piece in list[bytes]():
        yield piece


async def fluent() -> AsyncGenerator[bytes]:
    for piece in (b"ab", b"cd"):
        yield piece


async def mute() -> AsyncGenerator[bytes]:
    await anyio.sleep_forever()
    yield b""


async def stuck() -> AsyncGenerator[bytes]:
    yield b"ab"
    await anyio.sleep_forever()


async def hear(synthesis: Synthesis, text: str) -> list[bytes]:
    async with aclosing(synthesis.synthesize(text, "auto")) as pieces:
        return [piece async for piece in pieces]


async def test_what_the_vendor_says_is_handed_on_unchanged() -> None:
    tts = ScriptedTTS(fluent=fluent, nothing=nothing)
    async with TimedTTS(tts, 5, 5).open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, "fluent") == [b"ab", b"cd"]
        assert await hear(synthesis, "nothing") == []
    assert tts.closed == ["fluent", "nothing"]


async def test_hints_are_passed_on() -> None:
    tts = ScriptedTTS()
    timed = TimedTTS(tts, 5, 5)
    timed.prepare(Voice("v1"))
    async with timed.open_synthesis(Voice()) as synthesis:
        synthesis.expect("sad")
        synthesis.expect("sad", "ええと、")
    assert tts.prepared == [Voice("v1")] and tts.expected == [("sad", ""), ("sad", "ええと、")]


@pytest.mark.parametrize(("first_audio_s", "gap_s", "script"), [(0.01, 60, mute), (60, 0.01, stuck)])
async def test_a_silent_vendor_is_given_up(
    first_audio_s: float, gap_s: float, script: Callable[[], AsyncGenerator[bytes]]
) -> None:
    tts = ScriptedTTS(silent=script, fluent=fluent)
    async with TimedTTS(tts, first_audio_s, gap_s).open_synthesis(Voice()) as synthesis:
        with pytest.raises(TTSError) as raised:
            await hear(synthesis, "silent")
        assert raised.value.timed_out and raised.value.retryable
        assert await hear(synthesis, "fluent") == [b"ab", b"cd"]
    assert tts.closed == ["silent", "fluent"]


async def test_no_clock_runs_for_a_sentence_while_the_one_before_it_is_spoken() -> None:
    vendor_is_free = anyio.Event()

    async def behind() -> AsyncGenerator[bytes]:
        await vendor_is_free.wait()
        yield b"ef"

    heard: list[bytes] = []
    # With no time at all to the first audio, any sentence whose clock runs must answer without waiting.
    async with TimedTTS(ScriptedTTS(fluent=fluent, behind=behind), 0, math.inf).open_synthesis(Voice()) as synthesis:
        async with aclosing(synthesis.synthesize("fluent", "auto")) as pieces, anyio.create_task_group() as tasks:
            heard.append(await anext(pieces))

            async def read_ahead() -> None:
                heard.extend(await hear(synthesis, "behind"))

            tasks.start_soon(read_ahead)
            await anyio.wait_all_tasks_blocked()
            vendor_is_free.set()
            await anyio.wait_all_tasks_blocked()
            heard.append(await anext(pieces))
    assert heard == [b"ab", b"ef", b"cd"]


async def test_the_clock_of_the_next_sentence_starts_when_the_one_before_has_ended() -> None:
    tts = ScriptedTTS(fluent=fluent, mute=mute)
    async with TimedTTS(tts, 0.01, math.inf).open_synthesis(Voice()) as synthesis:
        async with anyio.create_task_group() as tasks:
            async with aclosing(synthesis.synthesize("fluent", "auto")) as pieces:
                await anext(pieces)

                async def read_ahead() -> None:
                    with pytest.raises(TTSError):
                        await hear(synthesis, "mute")

                tasks.start_soon(read_ahead)
                await anyio.wait_all_tasks_blocked()
                assert tts.closed == []
    assert tts.closed == ["fluent", "mute"]


async def test_cancelling_the_turn_closes_the_vendors_stream() -> None:
    tts = ScriptedTTS(mute=mute, stuck=stuck)
    async with TimedTTS(tts, 60, 60).open_synthesis(Voice()) as synthesis:
        for text in ("mute", "stuck"):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hear, synthesis, text)
                await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()
    assert tts.closed == ["mute", "stuck"]


async def test_the_vendors_own_failure_is_not_wrapped() -> None:
    failure = TTSError("no", one_sentence=True)

    async def failing() -> AsyncGenerator[bytes]:
        yield b"ab"
        raise failure

    async with TimedTTS(ScriptedTTS(failing=failing), 5, 5).open_synthesis(Voice()) as synthesis:
        with pytest.raises(TTSError) as raised:
            await hear(synthesis, "failing")
    assert raised.value is failure


async def test_a_chosen_vendor_that_cannot_be_opened_says_so_on_entering() -> None:
    choice = choose_engines("tts", ("minimax",), TTS_VENDORS, {"MINIMAX_API_KEY": "key"}, {})[0]
    with pytest.raises(EngineUnavailable):
        async with open_tts(choice, TTSSettings(endpoint="", secrets={"MINIMAX_API_KEY": "key"})):
            pass


# --- sentences longer than a voice takes at once


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("今日はいい天気だね、" * 90, "、"),
        ("今日はいい天気だね，" * 90, "，"),
        ("彼は「うん、」" * 130, "」"),
        ("so it goes on and on " * 43, " "),
        ("あ" * 900, "あ"),
        ("あ" * 290 + "、" + "い" * 400 + " " + "う" * 209, "、い う"),
    ],
)
def test_a_long_sentence_is_divided_where_one_would_breathe(text: str, ends: str) -> None:
    parts = list(divide(text))
    assert "".join(parts) == text and len(parts) > 2
    assert all(part[-1] in ends for part in parts)


@given(st.text(st.sampled_from("あa、 」。,"), max_size=2000))
def test_no_part_is_lost_or_too_long(text: str) -> None:
    parts = list(divide(text))
    assert "".join(parts) == text and all(parts)
    assert len(parts) == 1 or not parts or max(map(len, parts)) < len(text)


async def test_the_parts_of_a_long_sentence_are_one_sentence_to_whoever_listens() -> None:
    text = "今日はいい天気だね、" * 90
    parts = list(divide(text))
    tts = ScriptedTTS(**dict.fromkeys(parts, fluent))
    async with TimedTTS(tts, 5, 5).open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, text) == [b"ab", b"cd"] * len(parts)
    assert tts.closed == parts


async def test_a_part_that_does_not_begin_in_time_ends_the_sentence() -> None:
    text = "あ" * 299 + "、" + "い" * 300
    first, second = divide(text)
    tts = ScriptedTTS(**{first: fluent, second: mute})
    async with TimedTTS(tts, 0.05, 5).open_synthesis(Voice()) as synthesis:
        with pytest.raises(TTSError) as failed:
            await hear(synthesis, text)
    assert failed.value.timed_out and tts.closed == [first, second]
