"""The embedded voice: that its speech is really speech, begins at once, and harms nobody beside it."""

import math
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import anyio
import anyio.lowlevel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.base import EMOTIONS, TTS, Emotion, TTSError, Voice
from services.engine_settings import TTSSettings
from services.vendors.embedded.queue import EngineQueue
from services.vendors.embedded.tts import (
    EMOTION_PROSODY,
    MAX_MORAE,
    TAIL_MS,
    EmbeddedTTS,
    Engines,
    open_tts,
    shape,
    split_clauses,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.anyio,
]

ROOT = Path(__file__).parents[3]
RATE_HZ = 16_000
AUDIBLE = 40  # of 32767

SHORT = "こんにちは。"
LONG = "えっと、昨日はね、友達と一緒に、映画を見に行ったの。すごく楽しかったから、また一緒に行こうね！"
LINES = (SHORT, LONG, "ん、何？", "きゃああああああああ！", "3時に、駅で「待ち合わせ」だよ！", "ちょっと待って…")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def tts(anyio_backend: str) -> AsyncIterator[TTS]:
    async with open_tts(TTSSettings(sample_rate_hz=RATE_HZ)) as opened:
        yield opened


async def pieces(tts: TTS, text: str, emotion: Emotion = "auto", voice: Voice | None = None) -> list[bytes]:
    async with (
        tts.open_synthesis(voice or Voice()) as synthesis,
        aclosing(synthesis.synthesize(text, emotion)) as spoken,
    ):
        return [piece async for piece in spoken]


async def synthesis(tts: TTS, text: str, emotion: Emotion = "auto", voice: Voice | None = None) -> NDArray[np.float64]:
    pcm = b"".join(await pieces(tts, text, emotion, voice))
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def silences_ms(samples: NDArray[np.float64]) -> tuple[float, float, float]:
    """Before the first sound, the longest between two, and after the last."""
    loud = np.flatnonzero(np.abs(samples) > AUDIBLE)
    between = np.diff(loud).max() if loud.size > 1 else 0
    return tuple(float(count) / RATE_HZ * 1000 for count in (loud[0], between, len(samples) - loud[-1]))  # type: ignore[return-value]


def pitch_hz(samples: NDArray[np.float64]) -> float:
    """Of a long vowel, by the lag at which it resembles itself most; a woman's voice lies within 120 and 600 Hz."""
    middle = samples[len(samples) // 3 :][:4096]
    likeness = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    shortest, longest = RATE_HZ // 600, RATE_HZ // 120
    return RATE_HZ / (shortest + int(np.argmax(likeness[shortest:longest])))


# What is heard


@pytest.mark.parametrize("text", LINES)
async def test_speech_is_neither_silence_nor_noise_at_full_scale(tts: TTS, text: str) -> None:
    samples = await synthesis(tts, text)
    loud = samples[np.abs(samples) > 200]
    assert 2000 < np.sqrt(np.mean(np.square(loud))) < 6000
    assert 6000 < np.abs(samples).max() <= 32_000


@pytest.mark.parametrize("text", [SHORT, LONG])
async def test_speech_lasts_as_long_as_a_person_would_take(tts: TTS, text: str) -> None:
    seconds = len(await synthesis(tts, text)) / RATE_HZ
    assert 0.08 < seconds / len(text) < 0.25


@pytest.mark.parametrize(
    ("text", "emotion"), [*((text, "auto") for text in LINES), (LONG, "sad"), (SHORT, "surprised")]
)
async def test_silence_is_trimmed(tts: TTS, text: str, emotion: Emotion) -> None:
    before, _, after = silences_ms(await synthesis(tts, text, emotion))
    assert before < 60
    assert TAIL_MS <= after < TAIL_MS + 60


@pytest.mark.parametrize("text", [LONG, "「夢」は、ギター・ベース・ドラムで、「音楽」を作ること。", "うん。そう、ね！"])
async def test_no_pause_within_is_long(tts: TTS, text: str) -> None:
    _, between, _ = silences_ms(await synthesis(tts, text))
    assert between < 350


@pytest.mark.parametrize("text", ["ん、何？", "うわああああああああああ！", "あの方はどなた？", "おおおおおおおお。"])
async def test_loud_sounds_are_bent_not_wrapped_round(tts: TTS, text: str) -> None:
    """The synthesiser goes over the range of int16 here; a wrapped sample is a jump of the whole range."""
    samples = await synthesis(tts, text)
    assert np.abs(np.diff(samples)).max() < 32_768


async def test_two_sentences_are_equally_loud(tts: TTS) -> None:
    levels = []
    for text in ("ん、何？", "こんにちは、アノンです。"):
        samples = await synthesis(tts, text)
        levels.append(np.sqrt(np.mean(np.square(samples[np.abs(samples) > 200]))))
    assert max(levels) / min(levels) < 1.3


async def test_each_emotion_sounds_different(tts: TTS) -> None:
    assert set(EMOTION_PROSODY) == EMOTIONS
    spoken = {emotion: b"".join(await pieces(tts, SHORT, emotion)) for emotion in EMOTION_PROSODY}
    assert len(set(spoken.values())) == len(EMOTIONS)
    assert len(spoken["sad"]) > len(spoken["auto"]) > len(spoken["angry"])


async def test_pitch_is_in_semitones(tts: TTS) -> None:
    low, high = [pitch_hz(await synthesis(tts, "あー。", voice=Voice(pitch=pitch))) for pitch in (0.0, 7.0)]
    assert high / low == pytest.approx(2 ** (7 / 12), rel=0.05)


async def test_speed_is_a_factor(tts: TTS) -> None:
    text = "今日はいい天気ですね。"
    slow, fast = [len(await synthesis(tts, text, voice=Voice(speed=speed))) for speed in (0.7, 1.4)]
    assert slow / fast == pytest.approx(2, rel=0.25)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 0.0, 1e9])
def test_no_voice_can_be_so_slow_that_it_never_ends(wrong: float) -> None:
    prosody = shape(Voice(speed=wrong, pitch=wrong), "sad")
    assert 0.5 <= prosody.speed <= 2.0
    assert -12 <= prosody.pitch <= 12


async def test_same_input_same_bytes(tts: TTS) -> None:
    """Also when all engines are at work, and from engines that were opened anew."""
    text = "うん、そうだね。一緒に行こう！"
    first = await pieces(tts, text, "happy", Voice(speed=1.1, pitch=2))
    spoken: list[list[bytes]] = []

    async def speak(tts: TTS) -> None:
        spoken.append(await pieces(tts, text, "happy", Voice(speed=1.1, pitch=2)))

    async with open_tts(TTSSettings(sample_rate_hz=RATE_HZ)) as other, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(speak, tts)
        tasks.start_soon(speak, other)
    assert spoken == [first] * 4


@pytest.mark.parametrize("rate_hz", [8_000, 24_000, 44_100, 48_000])
async def test_any_sample_rate_gives_the_same_speech(tts: TTS, rate_hz: int) -> None:
    expected = len(await synthesis(tts, SHORT)) / RATE_HZ
    async with open_tts(TTSSettings(sample_rate_hz=rate_hz)) as other:
        assert other.sample_rate_hz == rate_hz
        assert len(await synthesis(other, SHORT)) / rate_hz == pytest.approx(expected, rel=0.01)


# When it is heard


async def test_long_sentence_gives_first_audio_before_its_end(tts: TTS) -> None:
    spoken = await pieces(tts, LONG)
    assert len(spoken) > 2
    assert len(spoken[0]) < sum(map(len, spoken)) / 5
    # Nothing but the first clause has been asked of an engine when the first piece is there.
    async with tts.open_synthesis(Voice()) as voice, aclosing(voice.synthesize(LONG, "auto")) as again:
        assert await anext(again) == spoken[0]


async def test_twenty_talks_all_get_their_first_sound_before_any_has_finished(tts: TTS) -> None:
    told: list[str] = []

    async def talk() -> None:
        async with tts.open_synthesis(Voice()) as voice, aclosing(voice.synthesize("あ、い。う。", "auto")) as spoken:
            await anext(spoken)
            told.append("first")
            async for _ in spoken:
                pass
            told.append("finished")

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(talk)
    assert told == ["first"] * 20 + ["finished"] * 20


async def test_the_event_loop_goes_on_while_it_speaks(tts: TTS) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await synthesis(tts, SHORT)
        tasks.cancel_scope.cancel()
    assert turns > 100


async def test_cancelled_speech_returns_its_engine(tts: TTS) -> None:
    """Cancelled at many points, more often than there are engines; afterwards all are there, and speak as before."""
    expected = await pieces(tts, SHORT)

    async def speak(scope: anyio.CancelScope) -> None:
        with scope:
            await pieces(tts, LONG)

    for checkpoints in range(24):
        async with anyio.create_task_group() as tasks:
            scopes = [anyio.CancelScope() for _ in range(3)]
            for scope in scopes:
                tasks.start_soon(speak, scope)
            for _ in range(checkpoints * 4):
                await anyio.lowlevel.checkpoint()
            for scope in scopes:
                scope.cancel()

    spoken = []

    async def speak_again() -> None:
        spoken.append(await pieces(tts, SHORT))

    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(speak_again)
    assert spoken == [expected] * 8


async def test_a_cancelled_speech_waits_for_no_engine() -> None:
    """While the only engine is held here, the job can neither begin nor end."""
    engines = await anyio.to_thread.run_sync(Engines, RATE_HZ, 1)
    tts = EmbeddedTTS(engines, EngineQueue(1), RATE_HZ)
    expected = await pieces(tts, SHORT)
    with engines.borrow():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(pieces, tts, SHORT)
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
    assert await pieces(tts, SHORT) == expected


# What is not heard


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\n",
        "。",
        "…",
        "、、！？",
        "😀🎸",
        "☆♪",
        "안녕하세요",
        "привет",
        "ไทย",
        "ー",
        "っ",
        "「」",
        "\x00\x1b",
        "\ud800",
        "--",
        "々",
    ],
)
async def test_unspeakable_text_gives_no_audio(tts: TTS, text: str) -> None:
    assert await pieces(tts, text) == []


@pytest.mark.parametrize(
    "unit", ["あい", "hello world ", "9", "你好世界", "か、", "か\n", "\ud800か", "㌖", "ね~", "い\x00"]
)
async def test_ten_thousand_characters_of_anything_begin_to_be_spoken(tts: TTS, unit: str) -> None:
    async with tts.open_synthesis(Voice()) as voice:
        async with aclosing(voice.synthesize(unit * (10_000 // len(unit)), "auto")) as spoken:
            assert len(await anext(spoken)) > 1000


ANY_CHARACTER = st.characters() | st.sampled_from("あんっーアヴ今日燈你好aZ09、。！？!?…,. \n\x00\ud800😀～「」㌖")


@settings(max_examples=25, deadline=None)
@given(text=st.text(ANY_CHARACTER, max_size=12))
async def test_any_text_is_spoken_or_left_out(tts: TTS, text: str) -> None:
    for piece in await pieces(tts, text):
        assert piece
        assert len(piece) % 2 == 0


@pytest.mark.parametrize("text", ["今日は" * 3000, "\ud800"])
async def test_a_failure_inside_the_synthesiser_is_a_fault_of_one_sentence(text: str) -> None:
    engines = await anyio.to_thread.run_sync(Engines, RATE_HZ, 1)
    prosody = shape(Voice(), "auto")
    before = await anyio.to_thread.run_sync(engines.speak, SHORT, prosody)
    with pytest.raises(TTSError) as raised:
        await anyio.to_thread.run_sync(engines.speak, text, prosody)
    assert raised.value.one_sentence
    assert await anyio.to_thread.run_sync(engines.speak, SHORT, prosody) == before


async def test_what_a_person_reads_of_a_failure_names_no_vendor() -> None:
    engines = await anyio.to_thread.run_sync(Engines, RATE_HZ, 1)
    with pytest.raises(TTSError, match=r"^This sentence could not be spoken\.$"):
        await anyio.to_thread.run_sync(engines.speak, "\ud800", shape(Voice(), "auto"))


# Clauses


def texts(text: str) -> list[str]:
    return [clause.text for clause in split_clauses(text)]


def test_the_first_clause_is_short_and_later_ones_are_joined() -> None:
    assert texts("えっと、昨日はね、友達と一緒に、映画を見に行ったの。") == [
        "えっと、",
        "昨日はね、友達と一緒に、映画を見に行ったの。",
    ]


def test_sentences_are_not_joined() -> None:
    assert texts("え？うそ！本当…\nそっか") == ["え?", "うそ!", "本当。", "そっか"]


def test_a_pause_is_shorter_after_a_comma_than_after_a_sentence() -> None:
    assert [clause.pause_ms for clause in split_clauses("うん、そう。じゃあね！")] == [120, 250, TAIL_MS]


def test_numbers_are_not_cut() -> None:
    assert texts("3.14と1,000円。") == ["3.14と1,000円。"]


def test_a_long_text_without_a_comma_is_cut_at_a_space_if_there_is_one() -> None:
    assert texts("あいうえお" * 20) == ["あいうえお" * 15, "あいうえお" * 5]
    assert texts("あいうえお" * 12 + " " + "かきくけこ" * 5) == ["あいうえお" * 12, " " + "かきくけこ" * 5]


def test_brackets_make_no_pause_and_a_wave_is_a_long_vowel() -> None:
    assert texts("私の「夢」だよ～") == ["私の 夢 だよー"]


@given(text=st.text(st.sampled_from("あいかきさしアイ今日ん、。！？…\n「」 "), max_size=300))
def test_nothing_that_can_be_spoken_is_lost(text: str) -> None:
    def kept(text: str) -> str:
        return "".join(char for char in text if char in "あいかきさしアイ今日ん")

    # Longer runs of one kana are shortened, which is another promise.
    runs_shortened = kept("".join(texts(text)))
    assert len(runs_shortened) <= len(kept(text))
    if all(char * 6 not in text for char in text):
        assert runs_shortened == kept(text)


@given(text=st.text(ANY_CHARACTER, max_size=300))
def test_no_clause_is_longer_than_one_job_may_take(text: str) -> None:
    assert all(len(clause.text) <= MAX_MORAE + 1 for clause in split_clauses(text))


# The process


def in_a_process_of_its_own(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )


OPEN = """
import anyio, sys
from services.engine_choice import EngineUnavailable
from services.engine_settings import TTSSettings
from services.vendors.embedded.tts import open_tts

async def main():
    async with open_tts(TTSSettings()):
        print("ready")
"""


def test_nothing_heavy_is_imported_before_it_is_opened() -> None:
    loaded = set(in_a_process_of_its_own(f"{OPEN}\nprint(*sys.modules)").stdout.split())
    assert not loaded & {"numpy", "soxr", "pyopenjtalk", "sudachipy"}


def test_opening_prints_nothing() -> None:
    done = in_a_process_of_its_own(f"{OPEN}\nanyio.run(main)")
    assert (done.stdout, done.stderr) == ("ready\n", "")


def test_a_missing_synthesiser_is_said_in_one_sentence() -> None:
    code = f"""{OPEN}
sys.modules["pyopenjtalk"] = None
try:
    anyio.run(main)
except EngineUnavailable as error:
    print(error)
"""
    said = in_a_process_of_its_own(code).stdout.strip()
    assert said.startswith("engines.tts: the embedded voice cannot be loaded")
    assert "\n" not in said


def test_kanji_that_no_dictionary_of_the_voice_has_are_spoken_and_none_is_read_for_them() -> None:
    """`丱` has a reading in Japanese, `东` none; the 200 MB that pyopenjtalk asks for are not there."""
    code = f"""{OPEN}
import sys
sys.modules["sudachidict_core"] = None
from services.base import Voice

async def length(text):
    async with open_tts(TTSSettings()) as tts, tts.open_synthesis(Voice()) as synthesis:
        return sum([len(piece) async for piece in synthesis.synthesize(text, "auto")])

read, nothing, unread = (anyio.run(length, f"これは、{{kanji}}です。") for kanji in ("丱", "", "东"))
print(read > nothing == unread > 0)
"""
    assert in_a_process_of_its_own(code).stdout == "True\n"
