"""Pure: the samples of one sentence in, at whatever rate; pcm at ours out. And the silence around a clause, cut off."""

from typing import TYPE_CHECKING, Any

import numpy as np
import soxr

from services.http_speech.wav import Block

if TYPE_CHECKING:
    from services.http_speech.wav import Samples

_QUIETEST, _QUIETER_THAN_PEAK = 64, 200  # what is below the one and the other is silence
_KEEP_BEFORE_S, _KEEP_AFTER_S = 0.03, 0.06


class Sound:
    """What a sentence has come to. Silence in numbers (all zero) is held back until there is sound: servers that fail
    are known to answer with a second of it."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._from_hz = 0
        self._resampler: Any = None
        self._held: list[Block] = []
        self.heard = False
        self.seconds = 0.0  # taken in
        self.made_samples = 0

    @property
    def lag_s(self) -> float:
        """How far what was given out is behind what was taken in."""
        return self.seconds - self.made_samples / self._rate_hz

    def add(self, block: Block) -> bytes:
        self.seconds += len(block.samples) / block.rate_hz
        if not self.heard and not block.samples.any():
            self._held.append(block)
            return b""
        held, self._held, self.heard = self._held, [], True
        return b"".join(self._convert(each) for each in (*held, block))

    def forget_silence(self) -> None:
        """What was held back is not for this sentence."""
        self.seconds -= sum(len(each.samples) / each.rate_hz for each in self._held)
        self._held.clear()

    def finish(self) -> bytes:
        """The rest."""
        return self._flush() if self.heard else b""

    def _convert(self, block: Block) -> bytes:
        rest = b""
        if block.rate_hz != self._from_hz:
            rest, self._from_hz = self._flush(), block.rate_hz
            if block.rate_hz != self._rate_hz:
                self._resampler = soxr.ResampleStream(block.rate_hz, self._rate_hz, 1, dtype="int16")
        if self._resampler is None:
            return rest + self._out(block.samples)
        return rest + self._out(self._resampler.resample_chunk(block.samples))

    def _flush(self) -> bytes:
        if self._resampler is None:
            return b""
        rest = self._resampler.resample_chunk(np.zeros(0, np.int16), last=True)
        self._resampler, self._from_hz = None, 0
        return self._out(rest)

    def _out(self, samples: "Samples") -> bytes:
        self.made_samples += len(samples)
        return bytes(samples.astype("<i2").tobytes())


def without_silence(samples: "Samples", rate_hz: int) -> "Samples":
    """Without what is silent before and after it, but for a breath's worth."""
    levels = np.abs(samples.astype(np.int32))
    peak = int(levels.max(initial=0))
    loud = np.flatnonzero(levels > max(_QUIETEST, peak // _QUIETER_THAN_PEAK))
    if not loud.size:
        return samples[:0]
    start = max(0, int(loud[0]) - int(_KEEP_BEFORE_S * rate_hz))
    return samples[start : int(loud[-1]) + int(_KEEP_AFTER_S * rate_hz)]


def silence(seconds: float, rate_hz: int) -> "Samples":
    return np.zeros(int(seconds * rate_hz), np.int16)
