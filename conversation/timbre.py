"""Pure: frames that a detector takes for speech in; what in them could be none, out.

A detector of speech is fooled by sounds that stay the same: a tone, the hum of the mains. No voice stays the same from
one frame to the next: its pitch, its vowels and its loudest overtones move. And a voice has a pitch, a hiss has none.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.base import RECOGNITION_RATE_HZ

# From this likeness on (the cosine between two spectra) a piece of two frames is the one a frame before it again. With
# one frame alone a deep hum has too few periods to look the same. Of words one in two hundred is so even at its start.
THE_SAME = 0.995
# Chords change a little more, but hardly in level: what is so much alike must have risen so far out of what was before.
ALIKE = 0.9
RISES_DB = 18.0
# A frame has a pitch if so much of it comes again after one period.
COMES_AGAIN = 0.6
PITCH_HZ = (70, 500)


@dataclass(frozen=True, slots=True)
class Timbre:
    """`steady`: in timbre at least half of the frames are as those before them. `pitched`: so many have a pitch."""

    steady: bool
    pitched: int


def timbre_of(frames: Sequence[bytes], voiced: Sequence[bool]) -> Timbre:
    """Of those frames in a row that are `voiced`; some 0.2 ms for a dozen."""
    samples = np.frombuffer(b"".join(frames), "<i2").reshape(len(frames), -1).astype(np.float32)
    samples -= samples.mean(axis=1, keepdims=True)  # what a microphone adds is steady
    window = np.hanning(samples.shape[1])
    heard = np.array(voiced, dtype=bool)
    powers = np.einsum("ij,ij->i", samples, samples) / len(window) + 1
    rises = bool(powers.max() >= powers.min() * 10 ** (RISES_DB / 10))
    return Timbre(_likeness(samples, heard) >= (THE_SAME if rises else ALIKE), _pitched(samples[heard], window))


def _likeness(samples: np.ndarray, heard: np.ndarray) -> float:
    """The median cosine of neighbours; 0 where no three frames in a row are heard."""
    threes = heard[2:] & heard[1:-1] & heard[:-2]
    if not threes.any():
        return 0.0
    pieces = np.concatenate((samples[:-1], samples[1:]), axis=1)
    spectra = np.abs(np.fft.rfft(pieces * np.hanning(pieces.shape[1])))
    units = spectra / (np.linalg.norm(spectra, axis=1, keepdims=True) + 1e-9)
    return float(np.median(np.sum(units[1:] * units[:-1], axis=1)[threes]))


def _pitched(samples: np.ndarray, window: np.ndarray) -> int:
    """By autocorrelation; that of the window is taken out."""
    spectra = np.abs(np.fft.rfft(samples * window, 2 * len(window)))
    shortest, longest = (RECOGNITION_RATE_HZ // hz for hz in reversed(PITCH_HZ))
    again = np.fft.irfft(spectra**2)
    fades = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * len(window))) ** 2)
    share = again[:, shortest:longest] / (again[:, :1] + 1e-9) / (fades[shortest:longest] / fades[0])
    return int(np.count_nonzero(share.max(axis=1) >= COMES_AGAIN)) if len(share) else 0
