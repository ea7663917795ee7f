"""What clients send as audio: what is taken, what is refused and in which words, and that hostile files do no harm."""

import io
import math
import struct
import tracemalloc

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from server.audio.conversion import (
    EXTENSIBLE_TAIL,
    AudioTooLong,
    BadAudio,
    ChunkResampler,
    check_chunk,
    read_batch,
)
from server.audio.formats import name_of_format

RATE_HZ = 16_000
MOST = 65_536


def tone(seconds: float, rate_hz: int, hz: float = 440.0, level: float = 0.5) -> NDArray[np.float64]:
    return level * np.sin(2 * math.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)


def pcm_of(samples: NDArray[np.float64]) -> bytes:
    return np.rint(samples * 32767).astype("<i2").tobytes()


def samples_of(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2") / 32768


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content + bytes(len(content) % 2)


def layout(
    coding: int = 1, channels: int = 1, rate_hz: int = RATE_HZ, bits: int = 16, block: int | None = None
) -> bytes:
    block = channels * bits // 8 & 0xFFFF if block is None else block
    return struct.pack("<HHIIHH", coding, channels, rate_hz, rate_hz * block & 0xFFFFFFFF, block, bits)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content


def wav(sound: bytes, **header: int) -> bytes:
    return riff(chunk(b"fmt ", layout(**header)), chunk(b"data", sound))


def written(samples: NDArray[np.float64], rate_hz: int, format: str, subtype: str, endian: str = "FILE") -> bytes:
    """The same audio as another program writes it."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format=format, subtype=subtype, endian=endian)
    return file.getvalue()


def read(data: bytes, rate_hz: int = RATE_HZ, longest_s: float = 60.0) -> bytes:
    return read_batch(data, rate_hz, longest_s)


def refused(data: bytes, rate_hz: int = RATE_HZ) -> str:
    with pytest.raises(BadAudio) as error:
        read(data, rate_hz)
    return str(error.value)


def refused_chunk(data: bytes) -> str:
    with pytest.raises(BadAudio) as error:
        check_chunk(data, MOST)
    return str(error.value)


def level_db(samples: NDArray[np.float64]) -> float:
    return 10 * math.log10(float(np.mean(np.square(samples))) + 1e-12)


# ---------------------------------------------------------------- raw samples


SAMPLES = st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1).map(lambda each: struct.pack(f"<{len(each)}h", *each))


@given(SAMPLES.filter(lambda pcm: name_of_format(pcm) is None))
def test_raw_samples_at_the_rate_of_hearing_go_through_unchanged(pcm: bytes) -> None:
    assert read(pcm) == pcm


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 44_100, 48_000])
def test_raw_samples_at_another_rate_are_converted(rate_hz: int) -> None:
    heard = samples_of(read(pcm_of(tone(1.0, rate_hz)), rate_hz))
    assert len(heard) == RATE_HZ
    assert np.abs(heard - tone(1.0, RATE_HZ))[400:-400].max() < 0.001


def test_what_cannot_be_heard_at_the_lower_rate_does_not_come_back_as_another_tone() -> None:
    heard = samples_of(read(wav(pcm_of(tone(1.0, 48_000, hz=11_000)), rate_hz=48_000)))
    assert level_db(heard[400:-400]) < -85


def test_no_bytes_and_odd_bytes_are_refused() -> None:
    assert refused(b"") == "There is no audio in this message; send raw samples (s16le, mono, 16000 Hz) or a WAV file."
    assert "odd number of bytes (3)" in refused(b"abc")
    assert "8000 Hz" in refused(b"abc", rate_hz=8_000)


def test_too_long_is_told_before_anything_is_converted() -> None:
    slow = wav(bytes(3 << 20), rate_hz=8_000, bits=8)  # six and a half minutes
    tracemalloc.start()
    try:
        with pytest.raises(AudioTooLong) as error:
            read(slow)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert str(error.value) == "This audio lasts 393.3 seconds; at most 60 are allowed."


def test_exactly_the_longest_is_allowed_and_one_sample_more_is_not() -> None:
    assert len(read(bytes(2 * RATE_HZ), longest_s=1.0)) == 2 * RATE_HZ
    for data in (bytes(2 * RATE_HZ + 2), wav(bytes(2 * RATE_HZ + 2))):
        with pytest.raises(AudioTooLong):
            read(data, longest_s=1.0)


# ---------------------------------------------------------------- WAV


def test_wav_of_the_hearing_s_own_form_comes_out_sample_for_sample() -> None:
    every = np.arange(-32768, 32768).astype("<i2").tobytes()
    assert read(wav(every)) == every


@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("subtype", "finest"),
    [
        ("PCM_U8", 2**-7),
        ("PCM_16", 2**-14),
        ("PCM_24", 2**-14),
        ("PCM_32", 2**-14),
        ("FLOAT", 2**-14),
        ("DOUBLE", 2**-14),
    ],
)
def test_wav_that_another_program_wrote_is_read_whatever_its_samples(
    container: str, channels: int, subtype: str, finest: float
) -> None:
    one = tone(0.2, RATE_HZ)
    each = np.stack([one * (channel + 1) / channels for channel in range(channels)], axis=1)
    heard = samples_of(read(written(each, RATE_HZ, container, subtype)))
    assert len(heard) == len(one)
    assert np.abs(heard - each.mean(axis=1)).max() <= finest


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 24_000, 44_100, 96_000, 192_000])
def test_wav_of_any_rate_is_converted_in_time_and_level(rate_hz: int) -> None:
    heard = samples_of(read(written(tone(0.5, rate_hz), rate_hz, "WAV", "PCM_16")))
    assert abs(len(heard) - RATE_HZ // 2) <= 1
    expected = tone(0.6, RATE_HZ)[: len(heard)]
    assert np.abs(heard - expected)[400:-400].max() < 0.001


def test_the_rate_of_raw_samples_does_not_touch_a_wav_file() -> None:
    sound = pcm_of(tone(0.1, RATE_HZ))
    assert read(wav(sound), rate_hz=8_000) == sound


def test_chunks_may_come_in_any_order_and_others_between() -> None:
    sound = pcm_of(tone(0.1, RATE_HZ))
    header, data, other = chunk(b"fmt ", layout()), chunk(b"data", sound), chunk(b"LIST", b"odd")
    for chunks in ((header, data), (other, header, other, data, other), (data, other, header), (data, header)):
        assert read(riff(*chunks)) == sound


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
@pytest.mark.parametrize("riff_size", [0, 36, 0xFFFFFFFF, None])
def test_wav_whose_writer_could_not_know_its_length_lasts_until_its_end(size: int, riff_size: int | None) -> None:
    for sound in (pcm_of(tone(0.1, RATE_HZ)), bytes(3200), bytes(range(1, 241))):
        assert read(riff(chunk(b"fmt ", layout()), chunk(b"data", sound, size), size=riff_size)) == sound


def test_part_of_a_sample_at_the_end_is_left_away() -> None:
    stereo = np.repeat(np.arange(100, dtype="<i2"), 2).tobytes()
    for cut in range(1, 4):
        assert read(wav(stereo[:-cut], channels=2)) == np.arange(99, dtype="<i2").tobytes()


def test_floats_that_are_no_numbers_or_beyond_full_scale_do_no_harm() -> None:
    wild = np.array([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.5])
    for bits in (32, 64):
        with np.errstate(over="ignore"):
            sound = wild.astype(f"<f{bits // 8}").tobytes()
        sound += b"\x01\x00\xa0\x7f" if bits == 32 else b"\x01\x00\x00\x00\x00\x00\xf4\x7f"  # a signalling one
        heard = np.frombuffer(read(wav(sound, coding=3, bits=bits)), "<i2").tolist()
        assert heard == [0, 32767, -32768, 32767, -32768, 16384, 0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wav(bytes(240), channels=12), "a WAV file with 12 channels"),
        (wav(bytes(240), channels=0, block=2), "with 0 channels"),
        (wav(bytes(240), rate_hz=0), "at 0 Hz"),
        (wav(bytes(240), rate_hz=4_000_000_000), "at 4000000000 Hz"),
        (wav(bytes(240), bits=12), "with 12 bits a sample"),
        (wav(bytes(240), coding=3), "with 16 bits a sample"),
        (wav(bytes(240), coding=0x55), "with compressed samples (MP3)"),
        (wav(bytes(240), coding=0x1234), "with compressed samples (format 4660)"),
        (wav(b""), "no samples in this WAV file"),
        (wav(b"\0"), "no samples in this WAV file"),
        (riff(chunk(b"fmt ", layout()), chunk(b"data", b""), chunk(b"LIST", b"abcd")), "no samples"),
        (riff(chunk(b"fmt ", layout())), "without samples"),
        (riff(chunk(b"data", bytes(240))), "without header"),
        (riff(), "without header"),
        (riff(chunk(b"fmt ", layout()[:14]), chunk(b"data", bytes(240))), "with a broken header"),
        (riff(chunk(b"fmt ", layout(coding=0xFFFE)), chunk(b"data", bytes(240))), "with a broken header"),
        (wav(b"\1\0", rate_hz=192_000), "too short"),
    ],
)
def test_wav_that_cannot_be_read_is_refused_in_words_that_say_why(data: bytes, said: str) -> None:
    sentence = refused(data)
    assert said in sentence
    assert sentence.endswith("; send raw samples (s16le, mono, 16000 Hz) or a WAV file.")


# Old Recorder.js and its many copies write 4 for mono; others the bits, the channels, a byte, or nothing.
@pytest.mark.parametrize("block", [0, 1, 3, 4, 8, 16, 0xFFFF])
@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (1, 8), (2, 16), (1, 24), (2, 32)])
def test_wrong_block_align_and_byte_rate_are_of_no_consequence(block: int, channels: int, bits: int) -> None:
    sound = bytes(range(240))
    header = bytearray(wav(sound, channels=channels, bits=bits, block=block))
    right = wav(sound, channels=channels, bits=bits)
    assert read(bytes(header)) == read(right)
    header[28:32] = b"\x01\x02\x03\x04"
    assert read(bytes(header)) == read(right)


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_compressed_wav_is_refused_by_its_kind(subtype: str) -> None:
    kinds = {"ULAW": "mu-law", "ALAW": "A-law", "GSM610": "GSM"}
    assert f"compressed samples ({kinds.get(subtype, 'ADPCM')})" in refused(
        written(tone(0.2, 8_000), 8_000, "WAV", subtype)
    )


def test_extensible_wav_of_an_unknown_kind_is_refused() -> None:
    known = layout(coding=0xFFFE) + struct.pack("<HHIH", 22, 16, 4, 1) + EXTENSIBLE_TAIL
    unknown = known[:-1] + b"?"
    assert read(riff(chunk(b"fmt ", known), chunk(b"data", b"\1\2"))) == b"\1\2"
    assert "broken header" in refused(riff(chunk(b"fmt ", unknown), chunk(b"data", b"\1\2")))


def test_wav_of_a_million_chunks_is_given_up_early() -> None:
    assert "without header" in refused(riff(bytes(3 << 20)))
    with pytest.raises(AudioTooLong):  # so many that it may as well be sound
        read(riff(chunk(b"fmt ", layout()), chunk(b"data", b"") + chunk(b"junk", b"") * 300_000))


# ---------------------------------------------------------------- other formats

OTHERS = [
    ("an MP3 file", written(tone(1.0, RATE_HZ), RATE_HZ, "MP3", "MPEG_LAYER_III")),
    ("an MP3 file", written(tone(1.0, 44_100), 44_100, "MP3", "MPEG_LAYER_III")),
    ("an MP3 file", written(tone(1.0, 8_000), 8_000, "MP3", "MPEG_LAYER_III")),
    ("an MP3 file", b"ID3\x03\x00\x00\x00\x00\x0f\x76TSSE" + bytes(2000)),
    ("an Ogg file", written(tone(0.5, RATE_HZ), RATE_HZ, "OGG", "VORBIS")),
    ("an Ogg file", written(tone(0.5, RATE_HZ), RATE_HZ, "OGG", "OPUS")),
    ("a FLAC file", written(tone(0.5, RATE_HZ), RATE_HZ, "FLAC", "PCM_16")),
    ("an AIFF file", written(tone(0.5, RATE_HZ), RATE_HZ, "AIFF", "PCM_16")),
    ("a CAF file", written(tone(0.5, RATE_HZ), RATE_HZ, "CAF", "PCM_16")),
    ("an AU file", written(tone(0.5, RATE_HZ), RATE_HZ, "AU", "PCM_16")),
    ("a W64 file", written(tone(0.5, RATE_HZ), RATE_HZ, "W64", "PCM_16")),
    ("an RF64 file", written(tone(0.5, RATE_HZ), RATE_HZ, "RF64", "PCM_16")),
    ("a big-endian WAV file", written(tone(0.5, RATE_HZ), RATE_HZ, "WAV", "PCM_16", endian="BIG")),
    ("a WebM file", bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878104") + bytes(100)),
    ("a Matroska file", bytes.fromhex("1a45dfa3a34286810142f7810142f2810442f381084282886d6174726f736b61") + bytes(100)),
    ("an M4A file", b"\x00\x00\x00\x1cftypM4A \x00\x00\x02\x00M4A isomiso2" + bytes(100)),
    ("an MP4 file", b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41" + bytes(100)),
    ("an AMR file", b"#!AMR\n" + bytes(100)),
    ("an AAC file", (bytes.fromhex("fff15080401ffc") + bytes(505)) * 4),
    ("a WMA file", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(100)),
    ("an AVI file", b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(100)),
]
IDS = [f"{name} {number}" for number, (name, _) in enumerate(OTHERS)]


@pytest.mark.parametrize(("name", "data"), OTHERS, ids=IDS)
def test_other_format_is_named_in_a_clip_and_in_a_chunk(name: str, data: bytes) -> None:
    assert refused(data) == f"This is {name}; send raw samples (s16le, mono, 16000 Hz) or a WAV file."
    assert refused_chunk(data[:4000]) == (f"This chunk begins like {name}; send raw samples: s16le, mono, 16000 Hz.")


def test_wav_header_in_a_chunk_is_refused_although_a_clip_may_have_one() -> None:
    assert refused_chunk(wav(bytes(100))).startswith("This chunk begins like a WAV file;")


def test_chunk_of_samples_is_taken() -> None:
    check_chunk(pcm_of(tone(0.2, RATE_HZ)), MOST)
    check_chunk(bytes(MOST), MOST)
    check_chunk(b"\xff\xfb" * 1000, MOST)  # every sample looks like the first two bytes of an MP3 frame
    check_chunk(b"\xff\xf1" * 1000, MOST)
    check_chunk(b"\xff\xff" * 1000, MOST)
    check_chunk(b"\xff\xfb\x90\x00", MOST)


def test_chunk_without_bytes_with_odd_bytes_or_too_many_is_refused() -> None:
    assert refused_chunk(b"") == "This chunk holds no audio."
    assert "odd number of bytes (5)" in refused_chunk(bytes(5))
    assert "65538 bytes of audio; at most 65536" in refused_chunk(bytes(MOST + 2))
    with pytest.raises(BadAudio, match="8000 Hz"):
        check_chunk(b"OggS\x00\x02", MOST, 8_000)


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_noise_of_any_loudness_is_never_taken_for_a_file(seed: int, level: float) -> None:
    noise = np.random.default_rng(seed).uniform(-level, level, 200)
    check_chunk(pcm_of(noise), MOST)
    assert read(pcm_of(noise)) == pcm_of(noise)


# ---------------------------------------------------------------- hostile files

PARTS = st.one_of(
    st.binary(max_size=60),
    st.builds(
        layout,
        coding=st.sampled_from([1, 3, 0xFFFE, 7]),
        channels=st.integers(0, 10),
        rate_hz=st.sampled_from([0, 1, 8_000, 44_100, 192_000, 2**32 - 1]),
        bits=st.sampled_from([0, 1, 8, 16, 24, 32, 64, 65_535]),
        block=st.none() | st.integers(0, 65_535),
    ),
)
CHUNKS = st.builds(
    chunk, st.sampled_from([b"fmt ", b"data", b"LIST", b"\0\0\0\0"]), PARTS, st.none() | st.integers(0, 2**32 - 1)
)
HOSTILE = st.one_of(
    st.lists(CHUNKS, max_size=6).map(lambda chunks: riff(*chunks)),
    st.binary(max_size=100).map(lambda end: wav(bytes(40))[:44] + end),
    st.tuples(st.integers(0, 59), st.integers(0, 255)).map(lambda at: _spoilt(wav(bytes(range(40))), *at)),
    st.integers(0, 60).map(lambda cut: wav(bytes(range(40)))[:cut]),
    st.binary(max_size=64),
)


def _spoilt(data: bytes, at: int, value: int) -> bytes:
    return data[:at] + bytes([value]) + data[at + 1 :]


@pytest.mark.slow
@settings(max_examples=600)
@given(HOSTILE, st.sampled_from([8_000, 16_000, 48_000]))
def test_whatever_comes_is_pcm_or_a_refusal_in_one_sentence(data: bytes, rate_hz: int) -> None:
    try:
        pcm = read(data, rate_hz, longest_s=1.0)
    except (BadAudio, AudioTooLong) as error:
        assert str(error).endswith(".") and "\n" not in str(error)
    else:
        assert pcm and len(pcm) % 2 == 0
        assert len(pcm) <= 4 * len(data) + 2


# ---------------------------------------------------------------- streams at another rate


@settings(max_examples=50)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12), st.sampled_from([8_000, 24_000, 44_100, 48_000]))
def test_stream_is_the_same_audio_however_it_was_cut(lengths: list[int], rate_hz: int) -> None:
    count = sum(lengths)
    samples = tone(5.0, rate_hz)[:count]
    resampler, heard, at = ChunkResampler(rate_hz), b"", 0
    for length in lengths:
        heard += resampler.feed(pcm_of(samples[at : at + length]))
        at += length
    heard += resampler.end()
    assert abs(len(heard) // 2 - count * RATE_HZ / rate_hz) <= 1
    far_from_the_ends = slice(400, max(400, len(heard) // 2 - 400))
    expected = tone(5.0, RATE_HZ)[far_from_the_ends]
    assert np.allclose(samples_of(heard)[far_from_the_ends], expected, rtol=0, atol=0.001)


def test_stream_at_the_rate_of_hearing_goes_through_at_once_and_unchanged() -> None:
    resampler = ChunkResampler(RATE_HZ)
    assert resampler.feed(b"\1\2\3\4") == b"\1\2\3\4"
    assert resampler.end() == b""


def test_stream_of_one_utterance_knows_nothing_of_another() -> None:
    first, second = ChunkResampler(48_000), ChunkResampler(48_000)
    loud, silent = pcm_of(tone(0.1, 48_000)), bytes(9600)
    first.feed(loud)
    heard = np.frombuffer(second.feed(silent) + second.end(), "<i2")
    assert len(heard) == 1600
    assert np.abs(heard).max() <= 1  # the last bit is dithered
