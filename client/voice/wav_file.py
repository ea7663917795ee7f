"""A WAV file in; the pcm that the server hears (s16le, mono, 16 kHz) or its bytes as they are out, or one sentence."""

import io
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from client.voice.sound_source import RATE_HZ, SAMPLE_BYTES

LARGEST_FILE_BYTES = 256 * 2**20
LARGEST_BATCH_BYTES = 2_200_000  # as base64 it still fits a frame of the server (limits.max_frame_bytes)
RATES_HZ = range(4_000, 384_001)
MEND = "可以用 ffmpeg -i 原文件 -ac 1 -ar 16000 -c:a pcm_s16le 新文件.wav 转换"

Samples = npt.NDArray[np.float32]


class WavError(Exception):
    """str(error) is one sentence that names the file."""


def read_whole(path: Path) -> bytes:
    """The file as it is, for one message.

    Raises:
        WavError: it cannot be read, is no WAV file or is too large.
    """
    content = _read(path, LARGEST_BATCH_BYTES, "一次发送的文件最大 2.2 MB；加上 --voice 就边播放边发送")
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise WavError(f"{path} 不是 WAV 文件；{MEND}")
    return content


def _read(path: Path, most: int, mend: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise WavError(f"读不了 {path}：{error.strerror or error}") from error
    if len(content) > most:
        raise WavError(f"{path} 太大；{mend}")
    return content


def read_speech(path: Path) -> bytes:
    """Any rate, width and number of channels as pcm. What is in that form already keeps every sample.

    Raises:
        WavError: it cannot be read, is no PCM WAV file or has no sound in it.
    """
    content = _read(path, LARGEST_FILE_BYTES, "最大 256 MB")
    try:
        with wave.open(io.BytesIO(content), "rb") as file:
            channels, width, rate_hz = file.getnchannels(), file.getsampwidth(), file.getframerate()
            pcm = file.readframes(file.getnframes())
    except (wave.Error, EOFError, ValueError) as error:
        detail = f"（{error}）" if str(error) else ""
        raise WavError(f"{path} 不是 PCM 的 WAV 文件{detail}；{MEND}") from error
    pcm = pcm[: len(pcm) - len(pcm) % (width * channels)]
    if not pcm:
        raise WavError(f"{path} 里没有声音")
    if rate_hz not in RATES_HZ:
        raise WavError(f"{path} 的采样率是 {rate_hz} Hz，这里用不了；{MEND}")
    if (channels, width, rate_hz) == (1, SAMPLE_BYTES, RATE_HZ):
        return pcm
    mono = _samples(pcm, width).reshape(-1, channels).mean(axis=1, dtype=np.float32)
    if rate_hz != RATE_HZ:
        mono = np.asarray(soxr.resample(mono, rate_hz, RATE_HZ), dtype=np.float32)
    return to_pcm(mono)


def _samples(pcm: bytes, width: int) -> Samples:
    """-1 to 1, channels interleaved."""
    if width == 1:  # of all widths only this one is unsigned
        return (np.frombuffer(pcm, dtype=np.uint8).astype(np.float32) - np.float32(128)) / np.float32(128)
    bytes_of = np.frombuffer(pcm, dtype=np.uint8).reshape(-1, width)
    wide = np.zeros((len(bytes_of), 4), dtype=np.uint8)
    wide[:, 4 - width :] = bytes_of
    return wide.view("<i4").reshape(-1).astype(np.float32) / np.float32(2**31)


def to_pcm(samples: Samples) -> bytes:
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()
