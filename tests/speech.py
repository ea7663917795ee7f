"""Words, seconds and levels in; sound as people's microphones send it out: s16le mono pcm at RECOGNITION_RATE_HZ.

Speech comes from espeak-ng (tests/espeak.py) or the embedded voice. All else is computed, and the same seed gives the
same sound. A level is the root mean square in dB of full scale, so noise at `SPEECH_DB - 20` is 20 dB under the speech.
"""

import io
import re
import wave
from functools import cache
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import numpy as np
import numpy.typing as npt
import soxr

from services.base import RECOGNITION_RATE_HZ
from tests.espeak import speak

if TYPE_CHECKING:
    from services.vendors.embedded.tts import Engines

SPEECH_DB = -23.0  # a person at an ordinary microphone
BYTES_PER_S = 2 * RECOGNITION_RATE_HZ

ESPEAK_VOICES = {"zh": "cmn", "ja": "ja", "en": "en-us"}
WORDS_PER_MINUTE = 165  # at speed 1
QUIET = 0.01  # of the peak: what espeak-ng puts around its words is less

Samples = npt.NDArray[np.float64]  # full scale is 1


@cache
def say(
    text: str, language: str, *, speed: float = 1.0, pitch: int = 50, variant: str = "", level_db: float = SPEECH_DB
) -> bytes:
    """One utterance in "zh", "ja" or "en", from its first sound to its last: no silence around it.

    `pitch` is 0 to 99; `variant` one of espeak-ng's, such as "f2" or "m3".
    """
    voice = ESPEAK_VOICES[language] + (f"+{variant}" if variant else "")
    words = _kana(text) if language == "ja" else text
    pcm, rate_hz = speak(words, voice, round(WORDS_PER_MINUTE * speed), pitch)
    sound = _samples(pcm)
    heard = np.asarray(soxr.resample(sound, rate_hz, RECOGNITION_RATE_HZ), dtype=np.float64)
    return _pcm(_at_level(_without_silence(heard), level_db))


@cache
def mei(text: str, *, speed: float = 1.0, pitch: float = 0.0, level_db: float = SPEECH_DB) -> bytes:
    """The same in Japanese by the embedded voice, a young woman's; `pitch` in semitones. Not while a loop runs."""
    from services.vendors.embedded.tts import Prosody

    pcm = anyio.run(anyio.to_thread.run_sync, _mei().speak, text, Prosody(speed, pitch))
    return _pcm(_at_level(_without_silence(_samples(pcm)), level_db))


@cache
def _mei() -> "Engines":
    from services.vendors.embedded.tts import Engines  # a second, for these texts alone

    return Engines(RECOGNITION_RATE_HZ, 1)


def silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RECOGNITION_RATE_HZ))


@cache
def noise(seconds: float, level_db: float, *, color: str = "white", seed: int = 0) -> bytes:
    """Steady noise; `color` is "white", or "pink" as rooms and streets are."""
    count = round(seconds * RECOGNITION_RATE_HZ)
    sound = np.random.default_rng(seed).standard_normal(count)
    if color == "pink":
        spectrum = np.fft.rfft(sound)
        hz = np.fft.rfftfreq(count, 1 / RECOGNITION_RATE_HZ)
        sound = np.fft.irfft(spectrum / np.sqrt(np.maximum(hz, 20.0)), count)
    return _pcm(_at_level(sound, level_db))


@cache
def tone(seconds: float, hz: float, level_db: float) -> bytes:
    """A plain tone, its ends softened."""
    return _pcm(_at_level(_note(round(seconds * RECOGNITION_RATE_HZ), hz, harmonics=1), level_db))


@cache
def melody(seconds: float, level_db: float, *, seed: int = 0) -> bytes:
    """Music without words: chords of plucked notes that change every 300 ms."""
    random = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RECOGNITION_RATE_HZ))
    step = round(0.3 * RECOGNITION_RATE_HZ)
    for start in range(0, len(sound), step):
        count = min(step, len(sound) - start)
        for semitone in random.choice(24, size=3, replace=False):
            sound[start : start + count] += _note(count, 220.0 * 2 ** (float(semitone) / 12), harmonics=4)
    return _pcm(_at_level(sound, level_db))


@cache
def cough(level_db: float = SPEECH_DB, *, seed: int = 0) -> bytes:
    """A cough of 0.3 to 0.5 s: a burst of breath; half of them with voice after it, as throats have."""
    random = np.random.default_rng(seed)
    count = round(random.uniform(0.3, 0.5) * RECOGNITION_RATE_HZ)
    seconds = np.arange(count) / RECOGNITION_RATE_HZ
    breath = _band(random.standard_normal(count), random.uniform(300, 600), random.uniform(2500, 4500))
    sound = breath * np.minimum(seconds / 0.008, 1.0) * (np.exp(-seconds / 0.05) + 0.3 * np.exp(-seconds / 0.15))
    if seed % 2:
        hz = random.uniform(120, 300) * (1 - 0.4 * seconds / seconds[-1])
        throat = np.zeros(count)
        for harmonic in range(1, 12):
            throat += np.sin(2 * np.pi * harmonic * np.cumsum(hz) / RECOGNITION_RATE_HZ)
        after = np.clip((seconds - 0.06) / 0.02, 0.0, 1.0) * np.exp(-seconds / random.uniform(0.05, 0.1))
        sound += 0.5 * _band(throat, 500, 1500) * after
    return _pcm(_at_level(sound, level_db))


@cache
def click(level_db: float = SPEECH_DB, *, seed: int = 0) -> bytes:
    """One key pressed, one mouse button: 20 ms."""
    random = np.random.default_rng(seed)
    count = round(0.02 * RECOGNITION_RATE_HZ)
    seconds = np.arange(count) / RECOGNITION_RATE_HZ
    sound = random.standard_normal(count) + 2 * np.sin(2 * np.pi * random.uniform(1500, 4000) * seconds)
    return _pcm(_at_level(sound * np.exp(-seconds / 0.004), level_db))


@cache
def keys(seconds: float, level_db: float = SPEECH_DB, *, seed: int = 0) -> bytes:
    """Somebody types, about seven keys a second; `level_db` is that of one key."""
    random = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RECOGNITION_RATE_HZ))
    at = 0
    while at < len(sound):
        key = _samples(click(level_db, seed=int(random.integers(1000))))[: len(sound) - at]
        sound[at : at + len(key)] += key
        at += round(random.uniform(0.08, 0.22) * RECOGNITION_RATE_HZ)
    return _pcm(sound)


def mix(*sounds: bytes) -> bytes:
    """All at once, from the same instant on; as long as the longest."""
    both = np.zeros(max(len(pcm) for pcm in sounds) // 2)
    for pcm in sounds:
        both[: len(pcm) // 2] += _samples(pcm)
    return _pcm(both)


def chunks(pcm: bytes, ms: int = 100) -> list[bytes]:
    """As a microphone hands it over."""
    size = BYTES_PER_S * ms // 1000
    return [pcm[start : start + size] for start in range(0, len(pcm), size)]


def wav(pcm: bytes, *, rate_hz: int = RECOGNITION_RATE_HZ) -> bytes:
    """The same in a WAV container."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return made.getvalue()


def seconds_of(pcm: bytes) -> float:
    return len(pcm) / BYTES_PER_S


def _kana(text: str) -> str:
    """espeak-ng spells kanji out: give it what is read."""
    if re.search(r"[\u4e00-\u9fff]", text) is None:
        return text
    import pyopenjtalk  # half a second, for these texts alone

    return str(pyopenjtalk.g2p(text, kana=True, use_sudachi_kanji_yomi=False, predict_nani=False))


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2") / 32768.0


def _pcm(sound: Samples) -> bytes:
    return np.clip(np.round(sound * 32768.0), -32768, 32767).astype("<i2").tobytes()


def _without_silence(sound: Samples) -> Samples:
    loud = np.flatnonzero(np.abs(sound) > QUIET * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1]


def _at_level(sound: Samples, level_db: float) -> Samples:
    rms = float(np.sqrt(np.mean(sound**2)))
    return sound * float(10 ** (level_db / 20) / rms)


def _note(count: int, hz: float, *, harmonics: int) -> Samples:
    seconds = np.arange(count) / RECOGNITION_RATE_HZ
    sound = np.zeros(count)
    for harmonic in range(1, harmonics + 1):
        sound += np.sin(2 * np.pi * hz * harmonic * seconds) / harmonic
    softened = np.minimum(1.0, np.minimum(seconds, seconds[::-1]) / 0.01)
    return sound * softened * (np.exp(-seconds / 0.25) if harmonics > 1 else 1.0)


def _band(sound: Samples, low_hz: float, high_hz: float) -> Samples:
    hz = np.fft.rfftfreq(len(sound), 1 / RECOGNITION_RATE_HZ)
    gain = 1 / np.sqrt((1 + (low_hz / np.maximum(hz, 1.0)) ** 4) * (1 + (hz / high_hz) ** 4))
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound))
