"""An utterance as it arrives (pcm) in, the stretches of it that may be speech out: between pauses, silence cut off."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.base import RECOGNITION_RATE_HZ

FRAME = RECOGNITION_RATE_HZ // 100  # samples of 10 ms

MAX_S = 130.0  # kept of an utterance; the server lets nobody speak for longer
PAUSE = 30  # frames of silence that part two stretches
SHORTEST = 12  # frames of sound; no phrase is as short
LONGEST = 450  # frames; no phrase is as long
AROUND = 15  # frames before and after the sound: words begin and end softly

QUIETEST_DB = -65.0  # of full scale: below it is silence, however quiet all else is
BELOW_LOUDEST_DB = 32.0  # below the loudest is silence, too
ABOVE_NOISE_DB = 12.0  # at most: where speech is hardly louder than that, it is ...
ABOVE_NOISE = 0.4  # ... this share of the way up to the loudest
RANGE_DB = 9.0  # from noise to loudest; steady noise has less, and speech at 10 dB above noise has more
SMOOTH = 5  # frames over which loudness is taken
QUIET_PERCENT = 10  # of all frames are noise at most: the very quietest may be digital silence around it


@dataclass(frozen=True, slots=True)
class Stretch:
    """In frames."""

    start: int
    end: int

    @property
    def frames(self) -> int:
        return self.end - self.start

    def resembles(self, other: "Stretch") -> bool:
        """Whether it is the same one, as far as one can tell: its bounds move a little as more is heard."""
        return abs(self.start - other.start) <= SMOOTH and abs(self.end - other.end) <= SMOOTH


class Utterance:
    """Everything heard so far."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._powers: list[NDArray[np.float64]] = []  # mean square per frame, of full scale
        self._measured = 0  # frames

    def add(self, pcm: bytes) -> None:
        self._pcm += pcm[: int(MAX_S * RECOGNITION_RATE_HZ) * 2 - len(self._pcm)]
        whole = len(self._pcm) // (2 * FRAME) - self._measured
        if whole > 0:
            new = self._samples(self._measured, self._measured + whole).reshape(whole, FRAME).astype(np.float64)
            self._powers.append(np.mean(np.square(new - new.mean(axis=1, keepdims=True)), axis=1) / 32768.0**2)
            self._measured += whole

    def stretches(self, *, whole: bool) -> list[Stretch]:
        """Those that have ended: by a pause, or because the utterance is `whole`."""
        if not self._powers:
            return []
        found = list(self._sounds())
        if found and not whole and self._measured - found[-1].end < PAUSE:
            found.pop()
        return [each for each in found if each.frames >= SHORTEST]

    def speech(self, stretch: Stretch) -> NDArray[np.float32]:
        """Its samples, in the range of int16, with a little of what is around it."""
        return self._samples(max(0, stretch.start - AROUND), stretch.end + AROUND).astype(np.float32)

    def _samples(self, start: int, end: int) -> NDArray[np.int16]:
        return np.frombuffer(bytes(self._pcm[2 * FRAME * start : 2 * FRAME * end]), "<i2")

    def _sounds(self) -> Iterator[Stretch]:
        powers = np.concatenate(self._powers)
        smooth = np.convolve(powers, np.full(SMOOTH, 1 / SMOOTH), "same")
        loudness = 10 * np.log10(np.maximum(smooth, 1e-12))
        inner = loudness[SMOOTH // 2 : -(SMOOTH // 2)] if len(loudness) > 2 * SMOOTH else loudness
        noise, loudest = float(np.percentile(inner, QUIET_PERCENT)), float(inner.max())
        if loudest - max(noise, QUIETEST_DB) < RANGE_DB:
            return
        over_noise = min(ABOVE_NOISE_DB, ABOVE_NOISE * (loudest - noise))
        above = max(QUIETEST_DB, loudest - BELOW_LOUDEST_DB, noise + over_noise)
        sound = np.flatnonzero(loudness > above)
        for group in np.split(sound, np.flatnonzero(np.diff(sound) > PAUSE) + 1):
            if group.size:
                yield Stretch(int(group[0]), int(group[-1]) + 1)
