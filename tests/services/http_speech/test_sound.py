"""One sentence's samples at our rate: in any pieces the same; silence in numbers is no sound; silence around is cut."""

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.http_speech.sound import Sound, silence, without_silence
from services.http_speech.wav import Block


def tone(rate_hz: int, seconds: float = 0.3) -> NDArray[np.int16]:
    wave: NDArray[np.int16] = np.rint(
        9000 * np.sin(np.arange(int(seconds * rate_hz)) * (2 * np.pi * 440 / rate_hz))
    ).astype(np.int16)
    return wave


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 32_000, 44_100])
@given(sizes=st.lists(st.integers(1, 900), max_size=8))
def test_any_pieces_give_the_same_sound_at_our_rate(rate_hz: int, sizes: list[int]) -> None:
    samples, sound, at = tone(rate_hz), Sound(16_000), 0
    pcm = b""
    for size in (*sizes, len(samples)):
        pcm += sound.add(Block(rate_hz, samples[at : at + size])) if at < len(samples) else b""
        at += size
    pcm += sound.finish()
    expected = soxr.resample(samples, rate_hz, 16_000)
    heard = np.frombuffer(pcm, "<i2").astype(np.int32)
    assert abs(len(heard) - len(expected)) <= 1
    size = min(len(heard), len(expected))
    assert np.abs(heard[:size] - expected[:size]).max() <= 3
    assert sound.heard and sound.seconds == pytest.approx(0.3, abs=1e-3)
    assert sound.lag_s == pytest.approx(0, abs=1e-3)


def test_silence_in_numbers_waits_for_sound_and_is_none_by_itself() -> None:
    sound = Sound(16_000)
    assert sound.add(Block(16_000, silence(0.5, 16_000))) == b"" and sound.finish() == b"" and not sound.heard
    assert sound.add(Block(16_000, tone(16_000))) == bytes(16_000) + tone(16_000).tobytes()
    assert sound.heard


def test_silence_of_an_attempt_that_failed_is_forgotten() -> None:
    sound = Sound(16_000)
    sound.add(Block(16_000, silence(1, 16_000)))
    sound.forget_silence()
    assert sound.add(Block(16_000, tone(16_000))) == tone(16_000).tobytes()
    assert sound.lag_s == pytest.approx(0)


def test_a_change_of_rate_within_a_sentence_loses_nothing() -> None:
    sound = Sound(16_000)
    pcm = sound.add(Block(32_000, tone(32_000))) + sound.add(Block(16_000, tone(16_000))) + sound.finish()
    assert len(pcm) == pytest.approx(2 * 16_000 * 0.6, abs=8)


def test_silence_around_a_clause_is_cut_to_a_breath() -> None:
    faint = (np.random.default_rng(1).integers(-20, 20, 24_000)).astype(np.int16)
    whole = np.concatenate((faint, tone(24_000), faint))
    kept = without_silence(whole, 24_000)
    assert len(kept) / 24_000 == pytest.approx(0.3 + 0.09, abs=0.01)
    assert np.abs(kept).max() == np.abs(whole).max()
    assert not without_silence(faint // 20, 24_000).size
