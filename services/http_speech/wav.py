"""Sans-IO: the body of an answer in pieces of any size in, samples (int16, mono) and their rate out.

The sizes in a header are believed only where they can be true: whoever streams does not know them yet and writes 0,
-1, or the size of the first piece. Several files may follow each other. What does not begin as a WAV is taken for bare
samples only where their rate is known.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.int16]

_UNKNOWN_FROM: Final = 0x7FFF_0000  # a size like this one, or 0, is none
_LARGEST_CHUNK: Final = 1 << 20  # of what stands beside the samples
_RATES: Final = range(4_000, 192_001)
_OTHERS: Final = (b"OggS", b"ID3", b"fLaC", b"RIFF")  # files, and no samples
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_KINDS: Final = {(_PCM, 8): "u1", (_PCM, 16): "<i2", (_PCM, 32): "<i4", (_FLOAT, 32): "<f4", (_FLOAT, 64): "<f8"}


class NotAudio(Exception):
    """The body is none that can be read here."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some samples, one channel."""

    rate_hz: int
    samples: "Samples"


@dataclass(frozen=True, slots=True)
class _Format:
    rate_hz: int
    channels: int
    bits: int
    code: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8

    def samples(self, data: bytes) -> "Samples":
        """`data` in whole frames."""
        if (self.code, self.bits) == (_PCM, 24):
            wide = np.zeros((len(data) // 3, 4), np.uint8)
            wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            values: Any = wide.view("<i4").reshape(-1)
        else:
            values = np.frombuffer(data, _KINDS[self.code, self.bits])
        if (self.code, self.bits) == (_PCM, 16):
            levels = values
        elif self.code == _FLOAT:
            levels = np.nan_to_num(np.minimum(1, np.maximum(-1, values))) * 32767
        else:
            levels = (values.astype(np.int32) - 128) << 8 if self.bits == 8 else values >> 16
        if self.channels > 1:
            levels = levels.reshape(-1, self.channels).mean(axis=1)
        mono: Samples = levels.astype(np.int16)
        return mono


class WavReader:
    """One body. `bare_rate_hz`: of samples (s16le, mono) without a header; None: there must be one."""

    def __init__(self, bare_rate_hz: int | None = None) -> None:
        self._bare_rate_hz = bare_rate_hz
        self._held = b""
        self._format: _Format | None = None
        self._left: int | None = 0  # bytes of samples still to come; None: all that comes
        self._between = False  # behind the samples of a file
        self._pad = False  # their size was odd: a byte that is none may follow
        self._begun = False

    def feed(self, data: bytes) -> list[Block]:
        """The samples that this completes.

        Raises:
            NotAudio: that is no WAV, or one of a kind that is not known here.
        """
        self._held += data
        return list(self._blocks())

    def end(self) -> None:
        """The body is over.

        Raises:
            NotAudio: it was too short to be anything.
        """
        if self._held and not self._begun:
            raise NotAudio

    def _blocks(self) -> Iterator[Block]:
        while True:
            if self._left != 0:
                block = self._take()
                if block is None:
                    return
                yield block
            elif not (self._read_chunk() if self._begun else self._begin()):
                return

    def _begin(self) -> bool:
        if len(self._held) < (12 if self._held.startswith((b"RIFF", b"RF64")) else 4):
            return False
        self._begun = True
        if self._held[:4] in (b"RIFF", b"RF64") and self._held[8:12] == b"WAVE":
            self._held = self._held[12:]
        elif self._bare_rate_hz is None or self._held.startswith(_OTHERS):
            raise NotAudio
        else:
            self._format, self._left = _Format(self._bare_rate_hz, 1, 16, _PCM), None
        return True

    def _read_chunk(self) -> bool:
        """Whether one was read to its end, or samples begin."""
        if self._pad:  # some leave it out, and where the size was wrong, samples go on here
            if len(self._held) < 9:
                return False
            self._pad = False
            if self._held[0] == 0 and self._held[1:5].strip().isalnum():
                self._held = self._held[1:]
        if len(self._held) < 8:
            return False
        name, size = self._held[:4], int.from_bytes(self._held[4:8], "little")
        if self._between and not name.strip().isalnum():  # the size of what is over was none: these are samples
            self._left = None
        elif name in (b"RIFF", b"RF64"):
            self._begun = self._between = False
        elif name == b"data":
            if self._format is None:
                raise NotAudio
            self._held = self._held[8:]
            self._left = None if size == 0 or size >= _UNKNOWN_FROM else size
            self._pad = bool(self._left and self._left % 2)
            self._between = True
        elif size > _LARGEST_CHUNK:
            raise NotAudio
        elif len(self._held) < 8 + size + size % 2:
            return False
        else:
            if name == b"fmt ":
                self._format = _format(self._held[8 : 8 + size])
            self._held = self._held[8 + size + size % 2 :]
        return True

    def _take(self) -> Block | None:
        assert self._format is not None
        size = len(self._held) if self._left is None else min(self._left, len(self._held))
        whole = size - size % self._format.frame_bytes
        if not whole:
            if self._left is not None and self._left < self._format.frame_bytes:
                self._left = 0  # half a frame at the end of a file
                return self._take_none()
            return None
        data, self._held = self._held[:whole], self._held[whole:]
        if self._left is not None:
            self._left -= whole
        return Block(self._format.rate_hz, self._format.samples(data))

    def _take_none(self) -> Block:
        assert self._format is not None
        return Block(self._format.rate_hz, np.zeros(0, np.int16))


def _format(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise NotAudio
    code, channels, rate_hz, bits = (
        int.from_bytes(chunk[start:end], "little") for start, end in ((0, 2), (2, 4), (4, 8), (14, 16))
    )
    if code == _EXTENSIBLE and len(chunk) >= 26:
        code = int.from_bytes(chunk[24:26], "little")
    known = (code, bits) in _KINDS or (code, bits) == (_PCM, 24)
    if not known or rate_hz not in _RATES or not 1 <= channels <= 8:
        raise NotAudio
    return _Format(rate_hz, channels, bits, code)
