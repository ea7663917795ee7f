"""A WAV file in; the pcm that the server hears (s16le, mono, 16 kHz) or its bytes as they are out, or one sentence.

Python's own `wave` reads neither EXTENSIBLE, which SoX and Windows write, nor floats, nor what was written to a pipe.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from client.language import tell
from client.voice.sound_source import RATE_HZ, SAMPLE_BYTES

LARGEST_FILE_BYTES = 256 * 2**20
LARGEST_BATCH_BYTES = 2_200_000  # as base64 it still fits a frame of the server (limits.max_frame_bytes)
RATES_HZ = range(4_000, 384_001)
MOST_CHANNELS = 64
INTEGER, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
WIDTHS = {INTEGER: (8, 16, 24, 32), FLOAT: (32, 64)}  # bits
EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of the GUID, after the two bytes of the format

Samples = npt.NDArray[np.float32]


class WavError(Exception):
    """str(error) is one sentence that names the file."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What the header says of the samples, but for the block align, which recorders get wrong: the rest tells it."""

    coding: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def block_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_whole(path: Path) -> bytes:
    """The file as it is, for one message.

    Raises:
        WavError: it cannot be read, is no WAV file or is too large.
    """
    content = _read(path, LARGEST_BATCH_BYTES, "wav_too_large_at_once")
    _check_kind(path, content)
    return content


def _read(path: Path, most: int, too_large: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise WavError(tell("wav_unreadable", path=path, error=error.strerror or error)) from error
    if len(content) > most:
        raise WavError(tell(too_large, path=path))
    return content


def _check_kind(path: Path, content: bytes) -> None:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise WavError(tell("wav_is_none", path=path, mend=tell("wav_mend")))


def read_speech(path: Path) -> bytes:
    """Whatever the server takes in one message, and more, as pcm. What is in that form already keeps every sample.

    Raises:
        WavError: it cannot be read, is no WAV file, is compressed or has no sound in it.
    """
    content = _read(path, LARGEST_FILE_BYTES, "wav_too_large")
    _check_kind(path, content)
    chunks = _header_and_sound(content)
    form = _form(chunks.get(b"fmt ", b""))
    if form is None:
        raise WavError(tell("wav_broken", path=path, mend=tell("wav_mend")))
    if form.coding not in WIDTHS:
        raise WavError(tell("wav_compressed", path=path, format=form.coding, mend=tell("wav_mend")))
    possible = 1 <= form.channels <= MOST_CHANNELS and form.rate_hz in RATES_HZ and form.bits in WIDTHS[form.coding]
    if not possible:
        odd = {"channels": form.channels, "bits": form.bits, "rate_hz": form.rate_hz}
        raise WavError(tell("wav_odd", path=path, mend=tell("wav_mend"), **odd))
    sound = chunks.get(b"data", b"")
    sound = sound[: len(sound) - len(sound) % form.block_bytes]
    if not sound:
        raise WavError(tell("wav_empty", path=path))
    if form == _Form(INTEGER, 1, RATE_HZ, SAMPLE_BYTES * 8):
        return bytes(sound)
    mono = _samples(sound, form).reshape(-1, form.channels).mean(axis=1, dtype=np.float32)
    if form.rate_hz != RATE_HZ:
        mono = np.asarray(soxr.resample(mono, form.rate_hz, RATE_HZ), dtype=np.float32)
    return to_pcm(mono)


def _header_and_sound(content: bytes) -> dict[bytes, memoryview]:
    """The first `fmt ` and the first `data`, in whichever order they come."""
    found: dict[bytes, memoryview] = {}
    for name, chunk in _chunks(content):
        found.setdefault(name, chunk)
        if found.keys() >= {b"fmt ", b"data"}:
            break
    return found


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content of each. A size that was never filled in (0, FFFFFFFF) or is too large ends with the file."""
    view, at = memoryview(content), 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        at += 8
        if name == b"data" and size == 0 and not _only_chunks_follow(content, at):
            size = len(content) - at
        yield name, view[at : at + size]
        at += size + size % 2


def _only_chunks_follow(content: bytes, at: int) -> bool:
    """Whether a `data` of size 0 is really empty: the rest is chunks to its last byte."""
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if not all(0x20 <= letter < 0x7F for letter in name):
            return False
        at += 8 + size + size % 2
    return at == len(content)


def _form(header: memoryview | bytes) -> _Form | None:
    if len(header) < 16:
        return None
    coding, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", header)
    if coding == EXTENSIBLE:
        if len(header) < 40 or header[26:40] != EXTENSIBLE_TAIL:
            return None
        (coding,) = struct.unpack_from("<H", header, 24)
    return _Form(coding, channels, rate_hz, bits)


def _samples(sound: memoryview | bytes, form: _Form) -> Samples:
    """-1 to 1, channels interleaved."""
    if form.coding == FLOAT:
        with np.errstate(invalid="ignore"):  # a signalling not-a-number
            floats = np.frombuffer(sound, dtype="<f4" if form.bits == 32 else "<f8")
            bounded: Samples = np.nan_to_num(floats.clip(-1, 1), nan=0.0).astype(np.float32)
        return bounded
    width = form.bits // 8
    if width == 1:  # of all widths only this one is unsigned
        return (np.frombuffer(sound, dtype=np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    bytes_of = np.frombuffer(sound, dtype=np.uint8).reshape(-1, width)
    wide = np.zeros((len(bytes_of), 4), dtype=np.uint8)
    wide[:, 4 - width :] = bytes_of
    return wide.view("<i4").reshape(-1).astype(np.float32) / np.float32(2**31)


def to_pcm(samples: Samples) -> bytes:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
