"""Our own voice and a seed in; what a microphone in some room hears of it out."""

import numpy as np
import numpy.typing as npt

from services.base import RECOGNITION_RATE_HZ

Samples = npt.NDArray[np.float64]


def echo(pcm: bytes, seed: int, *, delay_ms: int, attenuation_db: float, rt60_s: float) -> bytes:
    """Later, softer and reverberant: an impulse and noise that decays, through a loudspeaker without lows."""
    dice = np.random.default_rng(seed)
    seconds = np.arange(round(rt60_s * RECOGNITION_RATE_HZ)) / RECOGNITION_RATE_HZ
    room = dice.standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60_s)
    room /= np.sqrt(np.square(room).sum())
    room[0] += 1.5
    sound = np.frombuffer(pcm, "<i2").astype(np.float64)
    count = len(sound) + len(room)
    hz = np.fft.rfftfreq(count, 1 / RECOGNITION_RATE_HZ)
    lows = 1 / np.sqrt(1 + (250 / np.maximum(hz, 1.0)) ** 4)
    heard = np.fft.irfft(np.fft.rfft(sound, count) * np.fft.rfft(room, count) * lows, count)
    gain = np.sqrt(np.square(sound).mean() / np.square(heard[: len(sound)]).mean()) * 10 ** (attenuation_db / 20)
    before = np.zeros(delay_ms * RECOGNITION_RATE_HZ // 1000)
    samples = np.clip(np.rint(np.concatenate((before, heard * gain))), -32768, 32767)
    return bytes(samples.astype("<i2").tobytes())
