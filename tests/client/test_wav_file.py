"""WAV files as what the server hears, the pace at which they are said, and how loud things are."""

import io
import wave
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.voice.sound_source import CHUNK_BYTES, WavSource, level_of
from client.voice.wav_file import WavError, read_speech, read_whole

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


@pytest.mark.parametrize(("tag", "rate_hz"), [(3, 16000), (0x11, 16000), (1, 1), (1, 0), (1, 2**31)])
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
