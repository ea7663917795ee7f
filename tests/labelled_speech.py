"""A seed in; recordings of microphones out, with the places where somebody speaks: what endpointing is measured on.

Three languages, thirteen voices, pauses inside of 100 to 450 ms; loud and soft microphones; no noise, white or pink
noise 20 to 35 dB under the speech; coughs, clicks, typing and soft music between the utterances.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from services.base import RECOGNITION_RATE_HZ
from tests.speech import click, cough, keys, melody, mix, noise, say, seconds_of, silence, tone

PHRASES = {
    "zh": (
        *(
            "嗯",
            "好",
            "是的",
            "你好",
            "谢谢",
            "不要",
            "为什么？",
            "我知道了",
            "晚安",
            "今天天气怎么样？",
            "你在做什么呢？",
        ),
        *("我刚刚吃完饭", "明天我们去哪里玩？", "给我唱一首歌吧", "我今天有点累", "你喜欢什么颜色？", "再说一遍好吗"),
    ),
    "ja": (
        *("はい", "うん", "いいえ", "ねえ", "おはよう", "ありがとう", "どうして？", "わかりました", "おやすみなさい"),
        *("きょうはなにをしたの？", "いっしょにあそぼうよ", "すきなたべものはなんですか", "もういちどいってください"),
        *("ちょっとつかれちゃった", "うたをうたって", "あしたはどこへいこうか"),
    ),
    "en": (
        *("yes", "no", "hi", "okay", "thanks", "why not?", "good morning", "how are you?", "what did you do today?"),
        *("sing me a song", "I am a little tired", "where shall we go tomorrow?", "say that again please"),
        *("which colour do you like best?", "good night", "I have just finished dinner"),
    ),
}
VARIANTS = ("", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
PAUSES_S = (0.1, 0.45)
GAPS_S = (1.3, 2.5)  # between utterances
MARGIN_S = 0.35  # between an utterance and the nearest other sound
SNR_DB = (20.0, 35.0)


@dataclass(frozen=True, slots=True)
class Span:
    """Samples of a recording, first and behind the last."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Recording:
    """One microphone; `utterances` in order."""

    name: str
    pcm: bytes
    utterances: tuple[Span, ...]


def talks(utterances: int, *, seed: int = 1, each: int = 10) -> Iterator[Recording]:
    """So many utterances, some of them in each recording."""
    dice = random.Random(seed)
    for number in range(0, utterances, each):
        yield _talk(dice, min(each, utterances - number))


def _talk(dice: random.Random, utterances: int) -> Recording:
    level_db = dice.uniform(-38.0, -18.0)
    pcm = silence(dice.uniform(0.5, 1.5))
    spans: list[Span] = []
    for _ in range(utterances):
        spoken = _utterance(dice, level_db)
        spans.append(Span(len(pcm) // 2, (len(pcm) + len(spoken)) // 2))
        pcm += spoken + _gap(dice, level_db)
    color = dice.choice(("none", "white", "pink", "pink"))
    snr_db = dice.uniform(*SNR_DB)
    if color != "none":
        pcm = mix(pcm, noise(seconds_of(pcm), level_db - snr_db, color=color, seed=dice.randrange(1000)))
    name = f"speech at {level_db:.0f} dB, {color}" + ("" if color == "none" else f" noise {snr_db:.0f} dB under it")
    return Recording(name, pcm, tuple(spans))


def _utterance(dice: random.Random, level_db: float) -> bytes:
    """One to three phrases of one voice, with pauses between them."""
    language = dice.choice(tuple(PHRASES))
    speed, pitch, variant = dice.uniform(0.75, 1.4), dice.randrange(15, 85), dice.choice(VARIANTS)
    pcm = b""
    for _ in range(dice.choice((1, 1, 2, 2, 3))):
        if pcm:
            pcm += silence(dice.uniform(*PAUSES_S))
        text = dice.choice(PHRASES[language])
        pcm += say(text, language, speed=speed, pitch=pitch, variant=variant, level_db=level_db)
    return pcm


def _gap(dice: random.Random, level_db: float) -> bytes:
    """Time in which nobody speaks, half of it with a sound in its middle."""
    seed = dice.randrange(1000)
    sound = dice.choice(
        (
            *(b"",) * 4,
            cough(level_db, seed=seed),
            click(level_db, seed=seed),
            keys(dice.uniform(0.3, 1.0), level_db, seed=seed),
            melody(dice.uniform(0.5, 2.0), level_db - 20, seed=seed),
        )
    )
    rest = silence(max(dice.uniform(*GAPS_S) - seconds_of(sound), 2 * MARGIN_S))
    before = len(rest) // 4 * 2
    return rest[:before] + sound + rest[before:] + silence(max(0.0, GAPS_S[0] - seconds_of(rest) - seconds_of(sound)))


def noises(seconds: float, *, under_speech_db: float, speech_db: float = -23.0, seed: int = 1) -> Iterator[Recording]:
    """Sounds in which nobody speaks, so far under a speech that could be there; 0 is as loud as speech."""
    level_db = speech_db - under_speech_db
    steady = {
        "white noise": noise(seconds, level_db, seed=seed),
        "pink noise": noise(seconds, level_db, color="pink", seed=seed),
        "music": melody(seconds, level_db, seed=seed),
        "tones": b"".join(
            tone(seconds / 8, hz, level_db) + silence(0.2) for hz in (100, 180, 250, 440, 880, 1000, 2000, 4000)
        ),
        "typing": keys(seconds, level_db, seed=seed),
        "coughs": b"".join(cough(level_db, seed=seed + at) + silence(1.0) for at in range(round(seconds / 1.4))),
        "clicks": b"".join(click(level_db, seed=seed + at) + silence(0.4) for at in range(round(seconds / 0.42))),
    }
    for name, pcm in steady.items():
        yield Recording(f"{name} {under_speech_db:.0f} dB under speech", pcm, ())


def seconds(samples: int) -> float:
    return samples / RECOGNITION_RATE_HZ
