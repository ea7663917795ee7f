"""WAV files as what the server hears, the pace at which they are said, and how loud things are."""

import io
import struct
import wave
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from client.voice.sound_source import CHUNK_BYTES, WavSource, level_of
from client.voice.wav_file import WavError, read_speech, read_whole
from server.audio.conversion import read_batch

pytestmark = pytest.mark.anyio


def wav_bytes(pcm: bytes, rate_hz: int, channels: int, width: int) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return content.getvalue()


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000]),
    channels=st.integers(1, 6),
    width=st.integers(1, 4),
    level=st.integers(-100, 100),
)
def test_a_steady_level_stays_what_it_is_whatever_the_form(rate_hz: int, channels: int, width: int, level: int) -> None:
    frames = rate_hz // 10
    value = level + 128 if width == 1 else level << 8 * (width - 1)
    pcm = value.to_bytes(width, "little", signed=width > 1) * channels * frames
    with TemporaryDirectory() as folder:
        path = Path(folder) / "said.wav"
        path.write_bytes(wav_bytes(pcm, rate_hz, channels, width))
        heard = np.frombuffer(read_speech(path), "<i2").astype(int)
    assert abs(len(heard) - 1600) <= 1
    assert np.abs(heard[400:-400] - (level << 8)).max() <= 2


@pytest.mark.parametrize("length", range(0, 48, 5))
def test_a_cut_file_is_read_as_far_as_it_goes_or_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.wav"
    path.write_bytes(wav_bytes(b"\1\0\2\0\3\0", 16000, 1, 2)[:length])
    try:
        pcm = read_speech(path)
    except WavError as error:
        assert "cut.wav" in str(error)
    else:
        assert pcm and b"\1\0\2\0\3\0".startswith(pcm)


SOUND = (np.sin(np.arange(4_000) * 0.3) * 0.5 * np.linspace(0.1, 1, 4_000)).astype(np.float64)
PCM = np.rint(SOUND * 2**15).astype("<i2").tobytes()


def of_a_library(rate_hz: int, kind: str, subtype: str, channels: int = 1) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, np.repeat(SOUND[:, None], channels, axis=1), rate_hz, format=kind, subtype=subtype)
    return content.getvalue()


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content + bytes(len(content) % 2)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content


def layout(block_align: int = 2, byte_rate: int = 32_000, tail: bytes = b"") -> bytes:
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, byte_rate, block_align, 16) + tail)


# Of one sound: what recorders, browsers, converters and pipes make of it.
FORMS = {
    **{f"{kind} {subtype}": of_a_library(16_000, kind, subtype) for kind in ("WAV", "WAVEX") for subtype in
       ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")},
    **{f"{rate_hz} Hz": of_a_library(rate_hz, "WAV", "PCM_16") for rate_hz in (8_000, 11_025, 44_100, 48_000, 192_000)},
    **{f"{channels} channels": of_a_library(16_000, kind, "PCM_16", channels) for kind, channels in
       (("WAV", 2), ("WAVEX", 6), ("WAV", 8))},
    "48 kHz stereo of floats, extensible": of_a_library(48_000, "WAVEX", "FLOAT", 2),
    **{f"block align {align}": riff(layout(align), chunk(b"data", PCM)) for align in (0, 1, 4, 8, 0xFFFF)},
    "byte rate 0": riff(layout(byte_rate=0), chunk(b"data", PCM)),
    **{f"data of {size:x}": riff(layout(), chunk(b"data", PCM, size), size=outer) for size, outer in
       ((0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF000, 36), (len(PCM) + 1, None))},
    "LIST before the data": riff(layout(), chunk(b"LIST", b"INFOISFT\5\0\0\0Lavf\0"), chunk(b"data", PCM)),
    "LIST before the data of size 0": riff(layout(), chunk(b"LIST", b"INFO"), chunk(b"data", PCM, 0)),
    "data before the header": riff(chunk(b"data", PCM), layout()),
    "a longer header": riff(layout(tail=b"\0\0"), chunk(b"fact", bytes(4)), chunk(b"data", PCM), chunk(b"junk", b"x")),
    "half a sample at the end": riff(layout(), chunk(b"data", PCM + b"\1")),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_form_that_the_server_takes_in_one_message_can_be_streamed(tmp_path: Path, form: str) -> None:
    path = tmp_path / "said.wav"
    path.write_bytes(FORMS[form])
    assert read_whole(path) == FORMS[form]
    heard, streamed = (np.frombuffer(pcm, "<i2").astype(int) for pcm in
                       (read_batch(FORMS[form], 16_000, 60), read_speech(path)))  # fmt: skip
    assert len(streamed) == len(heard) > 300
    assert np.abs(streamed - heard).max() <= 2


MUTE = {
    "empty": riff(layout(), chunk(b"data", b"")),
    "empty, then LIST": riff(layout(), chunk(b"data", b""), chunk(b"LIST", b"INFO")),
    "no data": riff(layout()),
}


@pytest.mark.parametrize("form", MUTE)
def test_a_file_without_sound_is_called_so(tmp_path: Path, form: str) -> None:
    (tmp_path / "mute.wav").write_bytes(MUTE[form])
    with pytest.raises(WavError, match=r"mute\.wav"):
        read_speech(tmp_path / "mute.wav")


@pytest.mark.parametrize(
    ("tag", "rate_hz"), [(3, 16000), (6, 16000), (0x11, 16000), (0xFFFE, 16000), (1, 1), (1, 0), (1, 2**31)]
)
def test_forms_that_cannot_be_converted_are_refused_with_what_helps(tmp_path: Path, tag: int, rate_hz: int) -> None:
    content = bytearray(wav_bytes(b"\1\0" * 100, 16000, 1, 2))
    content[20:22] = tag.to_bytes(2, "little")
    content[24:28] = rate_hz.to_bytes(4, "little")
    (tmp_path / "odd.wav").write_bytes(content)
    with pytest.raises(WavError, match=r"odd\.wav.*ffmpeg"):
        read_speech(tmp_path / "odd.wav")


def test_a_folder_and_a_file_without_a_header_are_refused(tmp_path: Path) -> None:
    (tmp_path / "raw.wav").write_bytes(bytes(100))
    for path in (tmp_path, tmp_path / "raw.wav", tmp_path / "none.wav"):
        with pytest.raises(WavError, match=path.name):
            read_whole(path)
        with pytest.raises(WavError, match=path.name):
            read_speech(path)


async def test_a_file_keeps_its_place_while_it_is_muted_and_silence_follows_it() -> None:
    pcm = bytes(range(1, 251)) * 16  # a chunk and a quarter
    source = WavSource(pcm)
    started = anyio.current_time()
    chunks = [await source.read(muted=muted) for muted in (True, False, True, False)]
    assert source.ended
    chunks.append(await source.read())
    silence = bytes(CHUNK_BYTES)
    assert chunks == [silence, pcm[:CHUNK_BYTES], silence, pcm[CHUNK_BYTES:], silence]
    assert anyio.current_time() - started >= 0.425  # never faster than it would be said


def test_levels_go_from_silence_to_full_scale() -> None:
    amplitudes = [0, 1, 33, 328, 3277, 32767]
    levels = [level_of(np.full(1600, amplitude, "<i2").tobytes()) for amplitude in amplitudes]
    assert levels == sorted(levels) and levels[0] == 0 and levels[-1] == pytest.approx(1, abs=0.01)
    assert level_of(b"") == 0
