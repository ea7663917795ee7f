"""What is sent and what a microphone hears of it in; whether somebody else is heard out. All sound is computed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import soxr

from conversation.interruption.echo_guard import EchoGuard
from services.base import RECOGNITION_RATE_HZ
from services.vendors.silero.network import FRAME_SAMPLES
from tests.conversation.interruption.rooms import echo
from tests.speech import mix, noise, say, seconds_of, silence

pytestmark = pytest.mark.slow

FRAME_BYTES = 2 * FRAME_SAMPLES
FRAME_MS = 1000 * FRAME_SAMPLES / RECOGNITION_RATE_HZ
BEGIN_MS = 20 * FRAME_MS  # of our voice
ROOMS = [(0, 0.0, 0.2), (80, -6.0, 0.6), (210, -12.0, 0.4), (340, -20.0, 0.3), (490, -30.0, 0.5)]
LINES = (
    ("今天天气很好，我们一起去公园散步吧。", "zh", "f2"),
    ("昨天我和朋友们一起练习了很久吉他。", "zh", "f2"),
    ("きょうはみんなでバンドのれんしゅうをしたんだ。", "ja", "f2"),
)
USERS = (("等一下，我想问你一个问题", "zh", "m3"), ("could you say that again please", "en", "m1"))


@dataclass(frozen=True)
class Talk:
    """One reply of ours, and what the microphone sends meanwhile; both begin at the same time."""

    sent: bytes
    microphone: bytes
    user: tuple[float, float] = (0.0, 0.0)  # where a user speaks, in ms


def talk(seed: int, room: tuple[int, float, float], user: bytes = b"", *, at_ms: int = 0) -> Talk:
    sent = b"".join(say(text, language, variant=variant) + silence(0.2) for text, language, variant in LINES)
    delay_ms, attenuation_db, rt60_s = room
    own = echo(sent, seed, delay_ms=delay_ms, attenuation_db=attenuation_db, rt60_s=rt60_s)
    sounds = [silence(BEGIN_MS / 1000) + own + silence(0.5)]
    sounds.append(noise(round(seconds_of(sounds[0]), 2), -62.0, color="pink", seed=seed))
    if user:
        sounds.append(silence(at_ms / 1000) + user)
    heard = mix(*sounds)[: len(silence(BEGIN_MS / 1000 + seconds_of(sent) + 0.9))]
    return Talk(sent, heard, (at_ms, at_ms + 1000 * seconds_of(user)))


def shares(guard: EchoGuard, heard: Talk, *, rate_hz: int = RECOGNITION_RATE_HZ, late_ms: float = 0.0) -> list[float]:
    """For each frame how sure the guard is, given that the detector is sure of all of them."""
    sent = resampled(heard.sent, rate_hz)
    piece, sent_until, found = rate_hz * 80 // 1000 * 2, 0, []
    for start in range(0, len(heard.microphone) - FRAME_BYTES + 1, FRAME_BYTES):
        now = late_ms + start / FRAME_BYTES * FRAME_MS
        while sent_until < len(sent) and (at := plays_at(sent_until, rate_hz) + late_ms) < now + 400:
            guard.played(sent[sent_until : sent_until + piece], at, rate_hz)
            sent_until += piece
        found.append(guard.heard(heard.microphone[start : start + FRAME_BYTES], now, 1.0))
    return found


def plays_at(position: int, rate_hz: int) -> float:
    return BEGIN_MS + 500 * position / rate_hz


def resampled(pcm: bytes, rate_hz: int) -> bytes:
    if rate_hz == RECOGNITION_RATE_HZ:
        return pcm
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    return np.asarray(soxr.resample(samples, RECOGNITION_RATE_HZ, rate_hz)).clip(-32768, 32767).astype("<i2").tobytes()


def interrupts(found: Sequence[float], begin: int = 0, end: int | None = None) -> bool:
    """As endpointing decides: four sure frames within sixteen."""
    sure = [share >= 0.4 for share in found]
    last = len(sure) if end is None else end
    return any(sum(sure[max(begin, at - 15) : at + 1]) >= 4 for at in range(begin, last))


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("seed", range(3))
def test_our_own_voice_is_nobody_else(room: tuple[int, float, float], seed: int) -> None:
    first = round(BEGIN_MS / FRAME_MS)  # before it begins all that is heard is somebody else
    assert not interrupts(shares(EchoGuard(), talk(seed, room))[first:])


@pytest.mark.parametrize("rate_hz", [22_050, 24_000, 44_100])
def test_our_own_voice_at_the_rate_it_was_sent_at(rate_hz: int) -> None:
    assert not interrupts(shares(EchoGuard(), talk(1, ROOMS[2]), rate_hz=rate_hz)[round(BEGIN_MS / FRAME_MS) :])


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("louder_db", [0.0, 10.0])
def test_user_as_loud_as_our_voice_is_heard(
    room: tuple[int, float, float], user: tuple[str, str, str], louder_db: float
) -> None:
    text, language, variant = user
    spoken = say(text, language, variant=variant, level_db=-23.0 + room[1] + louder_db)
    heard = talk(1, room, spoken, at_ms=2500)
    found = shares(EchoGuard(), heard)
    begin, end = (round(each / FRAME_MS) for each in heard.user)
    assert interrupts(found, begin, end)
    assert not interrupts(found, round(BEGIN_MS / FRAME_MS), begin - 1)


def test_user_with_headphones_is_heard() -> None:
    heard = talk(1, (0, -120.0, 0.2), say(*USERS[0][:2], variant="m3"), at_ms=2500)
    begin, end = (round(each / FRAME_MS) for each in heard.user)
    assert interrupts(shares(EchoGuard(), heard), begin, end)


@pytest.mark.parametrize("moved_ms", [-100, 0, 40])
def test_next_reply_whose_playback_was_guessed_otherwise(moved_ms: int) -> None:
    guard, heard = EchoGuard(), talk(2, ROOMS[2])
    shares(guard, heard)
    moved = talk(2, (ROOMS[2][0] + moved_ms, *ROOMS[2][1:]))
    later = 1000 * seconds_of(heard.microphone) // FRAME_MS * FRAME_MS
    assert not interrupts(shares(guard, moved, late_ms=later)[round(BEGIN_MS / FRAME_MS) :])


def test_nothing_of_ours_sounds() -> None:
    guard = EchoGuard()
    frame = say("你好", "zh")[:FRAME_BYTES]
    assert guard.heard(frame, 0.0, 0.7) == 0.7
    guard.played(say("今天", "zh"), 1000.0)
    guard.stopped(900.0)  # before any of it was heard
    assert guard.heard(frame, FRAME_MS, 0.7) == 0.7
    assert guard.heard(frame, 60_000.0, 0.7) == 0.7
