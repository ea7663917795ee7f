"""What a caller's microphone hears in one cycle of bench/loads/talk.py, as frames that are ready to be sent."""

import base64
from typing import Final

import numpy as np

from bench.loads import talk
from bench.loads.frames import BINARY, TEXT, frame
from tests import speech

NOISE_DB: Final = {"silent": -90.0, "faint": -60.0, "loud": -38.0}  # speech is at -23


def cycle(noise: str) -> bytes:
    """The pcm of CYCLE_MS, with SPEECH_MS of words in it."""
    words = speech.say("你好，爱音，今天天气怎么样", "zh", speed=1.54)
    size = talk.SPEECH_MS * talk.BYTES_PER_MS
    words = words[:size] + bytes(max(0, size - len(words)))
    before = speech.silence(talk.SPEECH_AT_MS / 1000)
    after = speech.silence((talk.CYCLE_MS - talk.SPEECH_MS - talk.SPEECH_AT_MS) / 1000)
    room = speech.noise(talk.CYCLE_MS / 1000, NOISE_DB[noise], color="pink")
    return speech.mix(before + words + after, room)


def over_ms(pcm: bytes) -> int:
    """From when on the simulated ASR can take the speech of a cycle for over."""
    loud = np.flatnonzero(np.frombuffer(pcm, "<i2") > talk.LOUD)
    return (int(loud[-1]) * 100 // talk.RATE_HZ + 1) * 10 + talk.ASR_WINDOW_MS


def frames(noise: str, *, binary: bool) -> list[bytes]:
    """One per CHUNK_MS."""
    pcm, size = cycle(noise), talk.CHUNK_MS * talk.BYTES_PER_MS
    return [encoded(pcm[at : at + size], binary=binary) for at in range(0, len(pcm), size)]


def encoded(pcm: bytes, *, binary: bool) -> bytes:
    """One chunk."""
    if binary:
        return frame(BINARY, b"\x01" + bytes(7) + pcm, masked=True)
    text = b'{"type":"agent_audio_chunk","audio_base64":"' + base64.b64encode(pcm) + b'"}'
    return frame(TEXT, text, masked=True)
