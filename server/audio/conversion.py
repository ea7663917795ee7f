"""Pure: the audio that a client sent in; pcm as an ASR takes it (s16le, mono, 16 kHz), or what is wrong, out.

WAV containers are read here and by no library: libsndfile takes a data size of 0, which streaming writers leave in the
header, for the end of the sound, and would decode thirty formats of strangers in C inside the server's process.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from server.audio.formats import name_of_format
from server.quantities import counted
from services.base import RECOGNITION_RATE_HZ

Samples = NDArray[np.float32]  # of one channel, full scale is 1

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000
MAX_CHANNELS = 8
MAX_WAV_CHUNKS = 256  # a header that needs more is an attack on our time


class BadAudio(Exception):
    """str(error) is one sentence for the person: what came, and what is wanted."""


class AudioTooLong(Exception):
    """str(error) is one sentence for the person: how long it is, and how long it may be."""


# Chunks of a stream --------------------------------------------------------------------------------------------


def check_chunk(pcm: bytes, max_bytes: int, rate_hz: int = RECOGNITION_RATE_HZ) -> None:
    """`rate_hz`: at which clients send, for the sentence alone.

    Raises:
        BadAudio: it is not a chunk of raw samples.
    """
    if not pcm:
        raise BadAudio("This chunk holds no audio.")
    if len(pcm) > max_bytes:
        raise BadAudio(f"This chunk holds {len(pcm)} bytes of audio; at most {max_bytes} are allowed.")
    if (name := name_of_format(pcm)) is not None:
        raise BadAudio(f"This chunk begins like {name}; send raw samples: s16le, mono, {rate_hz} Hz.")
    if len(pcm) % 2:
        raise BadAudio(f"This chunk holds an odd number of bytes ({len(pcm)}); a sample has two: s16le, mono.")


class ChunkResampler:
    """One stream of raw samples at any rate in, pcm at RECOGNITION_RATE_HZ out, about 10 ms later.

    About 1 ms of CPU for a second of audio at 48 kHz, so that it can run on the event loop.
    """

    def __init__(self, rate_hz: int) -> None:
        self._stream = (
            None
            if rate_hz == RECOGNITION_RATE_HZ
            else soxr.ResampleStream(rate_hz, RECOGNITION_RATE_HZ, 1, dtype="int16")
        )

    def feed(self, pcm: bytes) -> bytes:
        """A checked chunk in; what is ready out, maybe nothing yet."""
        if self._stream is None:
            return pcm
        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        return _bytes_of(self._stream.resample_chunk(samples))

    def end(self) -> bytes:
        """What was still held back. The stream is over; another one needs another resampler."""
        if self._stream is None:
            return b""
        return _bytes_of(self._stream.resample_chunk(np.zeros(0, np.int16), last=True))


def _bytes_of(samples: NDArray[np.int16]) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


# Whole recordings ---------------------------------------------------------------------------------------------------


def read_batch(data: bytes, rate_hz: int, longest_s: float) -> bytes:
    """A recording as pcm: from raw samples (s16le, mono) at `rate_hz`, or from a WAV file of any rate.

    Costs 15 ms of CPU for 3 MiB of 48 kHz stereo, which is what a message can hold, and 55 ms for 60 s of it: call it
    in a worker thread.

    Raises:
        BadAudio: it is neither, or there is nothing in it.
        AudioTooLong: it lasts more than `longest_s`; told before anything is converted.
    """
    wanted = f"raw samples (s16le, mono, {rate_hz} Hz) or a WAV file"
    if not data:
        raise BadAudio(f"There is no audio in this message; send {wanted}.")
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _read_wav(data, wanted, longest_s)
    if (name := name_of_format(data)) is not None:
        raise BadAudio(f"This is {name}; send {wanted}.")
    if len(data) % 2:
        raise BadAudio(f"These are raw samples with an odd number of bytes ({len(data)}); send {wanted}.")
    _check_length(len(data) // 2, rate_hz, longest_s)
    if rate_hz == RECOGNITION_RATE_HZ:
        return data
    return _encode(_full_scale(np.frombuffer(data, "<i2"), 16), rate_hz, wanted)


def _check_length(samples: int, rate_hz: int, longest_s: float) -> None:
    if samples > longest_s * rate_hz:
        raise AudioTooLong(
            f"This audio lasts {counted(math.ceil(samples * 10 / rate_hz) / 10, 'second')}; "
            f"at most {longest_s:g} are allowed."
        )


def _encode(samples: Samples, rate_hz: int, wanted: str) -> bytes:
    if rate_hz != RECOGNITION_RATE_HZ:
        samples = soxr.resample(samples, rate_hz, RECOGNITION_RATE_HZ, "HQ")
    if not samples.size:
        raise BadAudio(f"This audio is too short to hold a sound; send {wanted}.")
    return np.rint(samples * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2").tobytes()


# WAV -----------------------------------------------------------------------------------------------------------

INTEGER, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
COMPRESSED = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "ADPCM", 0x31: "GSM", 0x50: "MPEG", 0x55: "MP3", 0xFF: "AAC"}
EXTENSIBLE_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of the GUID, after the two bytes of the format


@dataclass(frozen=True, slots=True)
class _Layout:
    """What a WAV file says of its samples."""

    coding: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def block_bytes(self) -> int:
        """One sample of each channel. The header has a field for it, which recorders of browsers get wrong."""
        return self.channels * self.bits // 8


def _read_wav(data: bytes, wanted: str, longest_s: float) -> bytes:
    layout, sound = _find_parts(data, wanted)
    fault = _fault_of(layout)
    if fault is not None:
        raise BadAudio(f"This is a WAV file {fault}; send {wanted}.")
    blocks = len(sound) // layout.block_bytes  # a part of one at the end is what a broken transfer leaves
    if not blocks:
        raise BadAudio(f"There are no samples in this WAV file; send {wanted}.")
    _check_length(blocks, layout.rate_hz, longest_s)
    return _encode(_mix_down(sound[: blocks * layout.block_bytes], layout), layout.rate_hz, wanted)


def _find_parts(data: bytes, wanted: str) -> tuple[_Layout, memoryview]:
    """Its layout and the bytes of its samples, in whichever order they come."""
    layout: _Layout | None = None
    sound: memoryview | None = None
    for name, content in _wav_chunks(data):
        if name == b"fmt " and layout is None:
            layout = _read_layout(content)
            if layout is None:
                raise BadAudio(f"This is a WAV file with a broken header; send {wanted}.")
        elif name == b"data" and sound is None:
            sound = content
        if layout is not None and sound is not None:
            return layout, sound
    missing = "header of its samples" if layout is None else "samples"
    raise BadAudio(f"This is a WAV file without {missing}; send {wanted}.")


def _wav_chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Name and content of each. One that claims more than there is ends where the file ends."""
    view = memoryview(data)
    at = 12
    for _ in range(MAX_WAV_CHUNKS):
        if at + 8 > len(data):
            return
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"data" and size == 0 and not _only_chunks_follow(data, at):
            size = len(data) - at  # the writer did not know it yet and could not go back
        yield name, view[at : at + size]
        at += size + size % 2


def _only_chunks_follow(data: bytes, at: int) -> bool:
    """Whether what follows is a whole number of chunks (or nothing), so that the one before is really empty."""
    for _ in range(MAX_WAV_CHUNKS):
        if at == len(data):
            return True
        name = data[at : at + 4]
        if at + 8 > len(data) or not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        (size,) = struct.unpack_from("<I", data, at + 4)
        at += 8 + size + size % 2
    return False


def _read_layout(content: memoryview) -> _Layout | None:
    if len(content) < 16:
        return None
    coding, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", content)
    if coding == EXTENSIBLE:
        if len(content) < 40 or content[26:40] != EXTENSIBLE_TAIL:
            return None
        (coding,) = struct.unpack_from("<H", content, 24)
    return _Layout(coding, channels, rate_hz, bits)


def _fault_of(layout: _Layout) -> str | None:
    """What of it cannot be read, to follow "a WAV file"."""
    if layout.coding not in (INTEGER, FLOAT):
        return f"with compressed samples ({COMPRESSED.get(layout.coding, f'format {layout.coding}')})"
    if not 1 <= layout.channels <= MAX_CHANNELS:
        return f"with {layout.channels} channels, where 1 to {MAX_CHANNELS} can be mixed to one"
    if not LOWEST_RATE_HZ <= layout.rate_hz <= HIGHEST_RATE_HZ:
        return f"at {layout.rate_hz} Hz, where {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} can be converted"
    if layout.bits not in ((8, 16, 24, 32) if layout.coding == INTEGER else (32, 64)):
        return f"with {layout.bits} bits a sample, where 8, 16, 24 and 32, and 32 and 64 of floats, can be read"
    return None


def _mix_down(sound: memoryview, layout: _Layout) -> Samples:
    """The mean of all channels. Floats beyond full scale are cut off, and what is no number is silence."""
    samples = _read_samples(sound, layout)
    if layout.channels == 1:
        return samples
    mean: Samples = samples.reshape(-1, layout.channels).mean(axis=1, dtype=np.float32)
    return mean


def _read_samples(sound: memoryview, layout: _Layout) -> Samples:
    if layout.coding == FLOAT:
        with np.errstate(invalid="ignore"):  # a signalling not-a-number
            floats = np.frombuffer(sound, "<f4" if layout.bits == 32 else "<f8")
            bounded: Samples = np.nan_to_num(floats.clip(-1, 1), nan=0.0).astype(np.float32)
        return bounded
    match layout.bits:
        case 8:  # the only one without a sign
            return _full_scale(np.frombuffer(sound, np.uint8).astype(np.int16) - np.int16(2**7), 8)
        case 16:
            return _full_scale(np.frombuffer(sound, "<i2"), 16)
        case 24:  # its upper two bytes, as the result has no more
            high = np.ascontiguousarray(np.frombuffer(sound, np.uint8).reshape(-1, 3)[:, 1:])
            return _full_scale(high.view(np.dtype("<i2")).ravel(), 16)
        case _:
            return _full_scale(np.frombuffer(sound, "<i4"), 32)


def _full_scale(samples: NDArray[np.int16] | NDArray[np.int32], bits: int) -> Samples:
    scaled: Samples = np.multiply(samples, np.float32(2.0 ** (1 - bits)), dtype=np.float32)
    return scaled
