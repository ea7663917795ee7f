"""WAV in a stream: every header there is, torn anywhere, gives the same samples; what is none is refused."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http_speech.wav import NotAudio, WavReader

RATE = 22_050
SAMPLES = np.arange(-2000, 2000, 7, dtype="<i2")
PCM = SAMPLES.tobytes()
ABOUT = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def fmt(code: int, channels: int, bits: int, more: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", code, channels, RATE, RATE * frame, frame, bits) + more)


FMT, DATA = chunk(b"fmt ", ABOUT), chunk(b"data", PCM)
LISTED = chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0")
EXTENSIBLE = fmt(0xFFFE, 1, 16, struct.pack("<HHI", 22, 16, 4) + b"\1\0" + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71")
STEREO = np.repeat(SAMPLES, 2).astype("<i2").tobytes()
WIDE = b"".join(b"\x55" + struct.pack("<h", each) for each in SAMPLES.tolist())
FLOATS = (SAMPLES / 32767).astype("<f4").tobytes()
FILES = {
    "as it should be": riff(FMT, DATA),
    "sizes 0 (GPT-SoVITS)": riff(FMT, chunk(b"data", PCM, 0), size=36),
    "sizes -1 (LocalAI, ffmpeg)": riff(FMT, LISTED, chunk(b"data", PCM, 0xFFFFFFFF), size=0xFFFFFFFF),
    "sizes of more than comes": riff(FMT, chunk(b"data", PCM, 0x7FFFFFFF)),
    "size of the first piece": riff(FMT, chunk(b"data", PCM, 100)),
    "odd chunks before": riff(chunk(b"JUNK", b"abc"), FMT, LISTED, DATA),
    "a list behind": riff(FMT, DATA, LISTED),
    "extensible": riff(EXTENSIBLE, DATA),
    "stereo": riff(fmt(1, 2, 16), chunk(b"data", STEREO)),
    "24 bits": riff(fmt(1, 1, 24), chunk(b"data", WIDE)),
    "32 bits": riff(fmt(1, 1, 32), chunk(b"data", (SAMPLES.astype("<i4") << 16).tobytes())),
    "floats": riff(fmt(3, 1, 32), chunk(b"data", FLOATS)),
    "in two files": riff(FMT, chunk(b"data", PCM[:100])) + riff(FMT, chunk(b"data", PCM[100:])),
    "in two files, the first with a list": riff(FMT, chunk(b"data", PCM[:100]), LISTED)
    + riff(FMT, chunk(b"data", PCM[100:])),
}


def read(body: bytes, sizes: list[int], bare_rate_hz: int | None = None) -> list[int]:
    reader = WavReader(bare_rate_hz)
    found: list[int] = []
    at = 0
    for size in (*sizes, len(body)):
        blocks = reader.feed(body[at : at + size])
        at += size
        assert {block.rate_hz for block in blocks} <= {RATE}
        found += [sample for block in blocks for sample in block.samples.tolist()]
    reader.end()
    return found


@pytest.mark.parametrize("name", FILES)
@given(sizes=st.lists(st.integers(1, 60), max_size=40))
def test_every_header_torn_anywhere_gives_the_same_samples(name: str, sizes: list[int]) -> None:
    assert np.abs(np.array(read(FILES[name], sizes)) - SAMPLES).max() <= 1


NARROW = (SAMPLES[:301] // 16 + 128).astype("u1")
ODD = {8: NARROW.tobytes(), 24: WIDE[: 3 * 301]}
EXPECTED = {8: ((NARROW.astype("i2") - 128) << 8).tolist(), 24: SAMPLES[:301].tolist()}


@pytest.mark.parametrize("bits", ODD)
@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("behind", ["a list", "another file", "nothing"])
@given(sizes=st.lists(st.integers(1, 60), max_size=40))
def test_the_byte_behind_an_odd_number_of_bytes_is_no_sample(
    bits: int, padded: bool, behind: str, sizes: list[int]
) -> None:
    format_ = fmt(1, 1, bits)
    data = chunk(b"data", ODD[bits])
    first = riff(format_, data if padded else data[:-1])
    more = {"a list": LISTED, "another file": riff(format_, data), "nothing": b""}[behind]
    assert read(first + more, sizes) == EXPECTED[bits] * (2 if behind == "another file" else 1)


@pytest.mark.parametrize("bits", ODD)
def test_where_an_odd_size_was_that_of_the_first_piece_the_samples_go_on(bits: int) -> None:
    quiet = bytes(3 * bits // 8) + ODD[bits]
    silent = {8: [-32768] * 3, 24: [0] * 3}[bits]
    body = riff(fmt(1, 1, bits), chunk(b"data", quiet, bits // 8))
    assert read(body, [50, 7]) == silent + EXPECTED[bits]


def test_eight_bits_are_read_with_their_middle() -> None:
    assert read(riff(fmt(1, 1, 8), chunk(b"data", bytes((0, 128, 255)))), []) == [-32768, 0, 32512]


@given(sizes=st.lists(st.integers(1, 60), max_size=40))
def test_bare_samples_are_read_where_their_rate_is_known(sizes: list[int]) -> None:
    assert read(PCM, sizes, RATE) == SAMPLES.tolist()


def test_half_a_sample_at_the_end_is_dropped() -> None:
    assert read(riff(FMT, chunk(b"data", PCM, 0)) + b"x", []) == SAMPLES.tolist()


@pytest.mark.parametrize(
    ("body", "bare_rate_hz"),
    [
        (b"ID3\x04" + bytes(100), None),
        (b"ID3\x04" + bytes(100), RATE),
        (b"OggS" + bytes(100), RATE),
        (b"RIFF\0\0\0\0AVI " + bytes(100), RATE),
        (b"<html></html>", None),
        (b"RI", None),
        (riff(DATA), None),
        (riff(chunk(b"fmt ", ABOUT[:10]), DATA), None),
        (riff(fmt(6, 1, 8), DATA), None),
        (riff(fmt(1, 0, 16), DATA), None),
        (riff(fmt(1, 1, 12), DATA), None),
        (riff(chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 3, 6, 2, 16)), DATA), None),
        (riff(chunk(b"LIST", b"", 0x10000000)), None),
    ],
)
def test_what_is_no_audio_is_refused(body: bytes, bare_rate_hz: int | None) -> None:
    with pytest.raises(NotAudio):
        read(body, [1, 2, 3], bare_rate_hz)


@given(
    body=st.binary(max_size=200), sizes=st.lists(st.integers(1, 60), max_size=10), header=st.sampled_from([b"", FMT])
)
def test_any_bytes_end_in_samples_or_a_refusal(body: bytes, sizes: list[int], header: bytes) -> None:
    reader = WavReader()
    try:
        at = 0
        whole = (riff(header) if header else b"") + body
        for size in (*sizes, len(whole)):
            reader.feed(whole[at : at + size])
            at += size
        reader.end()
    except NotAudio:
        pass
