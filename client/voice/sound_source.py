"""Where the user's voice comes from, a microphone or a file, as one interface; chunks of pcm out, in real time.

All pcm here is what the server wants: s16le, mono, 16 kHz.
"""

import math
from typing import Protocol

import anyio
import numpy as np

RATE_HZ = 16_000
SAMPLE_BYTES = 2
CHUNK_MS = 100
CHUNK_BYTES = RATE_HZ * CHUNK_MS // 1000 * SAMPLE_BYTES
LONGEST_LAG_S = 1.0  # so much may be caught up after a stall, more would come as a burst
QUIETEST_DB = -60.0


class SourceError(Exception):
    """No sound comes any more; str(error) is one sentence."""


class Source(Protocol):
    """One utterance, or all of a talk."""

    @property
    def ended(self) -> bool:
        """Whatever is read from now on is silence, or nothing."""
        ...

    async def read(self, *, muted: bool = False) -> bytes:
        """The next chunk, when it has been said. Muted: as much silence in its place; what a file has to say waits,
        what a microphone hears meanwhile is nobody's.

        Raises:
            SourceError
        """
        ...

    def close(self) -> None:
        """Nothing more is said; what was captured can still be read."""
        ...


def seconds_of(pcm: bytes) -> float:
    return len(pcm) / SAMPLE_BYTES / RATE_HZ


def level_of(pcm: bytes) -> float:
    """How loud, 0 to 1, linear in decibels."""
    samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32)
    power = float(np.mean(samples * samples)) / 2**30 if samples.size else 0.0
    return max(0.0, 1 - 10 * math.log10(power) / QUIETEST_DB) if power else 0.0


class WavSource:
    """Speech that exists already, said at the pace at which it was recorded; silence without end after it."""

    def __init__(self, pcm: bytes) -> None:
        self._pcm = pcm
        self._said_until = 0  # bytes
        self._due: float | None = None  # when the last chunk had been said

    @property
    def ended(self) -> bool:
        return self._said_until >= len(self._pcm)

    async def read(self, *, muted: bool = False) -> bytes:
        chunk = b"" if muted else self._pcm[self._said_until : self._said_until + CHUNK_BYTES]
        self._said_until += len(chunk)
        chunk = chunk or bytes(CHUNK_BYTES)
        now = anyio.current_time()
        self._due = max(now if self._due is None else self._due, now - LONGEST_LAG_S) + seconds_of(chunk)
        await anyio.sleep_until(self._due)
        return chunk

    def close(self) -> None:
        self._pcm = b""
