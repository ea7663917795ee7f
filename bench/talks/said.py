"""Sound and its words in; what of them is said by when, out."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.base import RECOGNITION_RATE_HZ
from tests.recordings import Samples

_WORD = re.compile(r"[a-zA-Z0-9']+[^\w\s]*|[^\sa-zA-Z0-9][^\w\s]*")
QUIET = 0.01  # of the peak: what is softer around a recording is none of it


@dataclass(frozen=True, slots=True)
class Said:
    """`words`: after which sample how much of its text was said. `material`: where it is from."""

    sound: Samples
    words: tuple[tuple[int, str], ...]
    material: str

    @property
    def text(self) -> str:
        """All of it."""
        return self.words[-1][1] if self.words else ""

    @property
    def length_s(self) -> float:
        return len(self.sound) / RECOGNITION_RATE_HZ

    def between(self, first: int, last: int) -> str:
        """The words that end behind one sample and not behind another."""
        before = max((text for at, text in self.words if at <= first), key=len, default="")
        return max((text for at, text in self.words if at <= last), key=len, default="")[len(before) :].strip()

    def at(self, level_db: float) -> "Said":
        """The same at another level."""
        rms = float(np.sqrt(np.mean(self.sound**2)))
        return Said(self.sound * (10 ** (level_db / 20) / rms), self.words, self.material)


def said(sound: Samples | bytes, text: str, material: str) -> Said:
    """Its words take as much time each as they have letters."""
    if isinstance(sound, bytes):
        sound = samples(sound)
    ends = [word.end() for word in _WORD.finditer(text)]
    words = tuple((len(sound) * end // len(text), text[:end]) for end in ends)
    return Said(sound, words, material)


def with_pauses(parts: Sequence[Said], pauses_s: Sequence[float], separator: str = "") -> Said:
    """Parts of one utterance, with silence between them."""
    sounds: list[Samples] = []
    words: list[tuple[int, str]] = []
    at, before = 0, ""
    for part, pause_s in zip(parts, (*pauses_s, 0.0), strict=True):
        words += [(at + end, before + text) for end, text in part.words]
        sounds += [part.sound, np.zeros(round(pause_s * RECOGNITION_RATE_HZ))]
        at += len(sounds[-2]) + len(sounds[-1])
        before += part.text + separator
    return Said(np.concatenate(sounds), tuple(words), parts[0].material)


def samples(pcm: bytes) -> Samples:
    """Full scale is 1."""
    return np.frombuffer(pcm, "<i2") / 32768.0


def trimmed(sound: Samples) -> Samples:
    """Without the silence around it."""
    loud = np.flatnonzero(np.abs(sound) > QUIET * np.abs(sound).max())
    return sound[loud[0] : loud[-1] + 1]
