"""One talk, known to the byte to callers and vendors alike: what is said, what is answered, and how that sounds.

A caller speaks for 2.1 s of every 10. The reply: three sentences, 4.65 s of audio, in 90 tokens of two characters.
"""

import json
from functools import cache
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np

RATE_HZ: Final = 16_000
BYTES_PER_MS: Final = 2 * RATE_HZ // 1000
CYCLE_MS: Final = 10_000  # from one utterance of a caller to the next
CHUNK_MS: Final = 100
SPEECH_MS: Final = 2_100
SPEECH_AT_MS: Final = 500

LLM_FIRST_S: Final = 0.2
LLM_TOKEN_S: Final = 0.02
TOKEN_CHARS: Final = 2
TTS_FIRST_S: Final = 0.15
TTS_QUEUED_S: Final = 0.05
TTS_PACE: Final = 4
TTS_MESSAGE_BYTES: Final = 3200
ASR_WINDOW_MS: Final = 800  # of silence after which the vendor itself ends an utterance
ASR_FINAL_S: Final = 0.06
ASR_PARTIAL_MS: Final = 200
LOUD: Final = 6000  # a sample above this is speech to the simulated ASR

WORDS: Final = "你好爱音今天天气怎么样"
EMOTION: Final = "happy"


class Sentence(NamedTuple):
    """Of the reply."""

    jp: str
    cn: str
    audio_ms: int


SENTENCES: Final = (
    Sentence("うん、聞こえてるよ。", "嗯，听得很清楚。", 750),
    Sentence("さっきまで練習してたの。", "刚才一直在练习。", 1950),
    Sentence("今日は何して遊ぼうか。", "今天玩什么呢？", 1950),
)
AUDIO_BYTES: Final = sum(sentence.audio_ms for sentence in SENTENCES) * BYTES_PER_MS

REPLY: Final = "".join(
    json.dumps({"emotion": EMOTION, "jp": jp, "cn": cn}, ensure_ascii=False) + "\n" for jp, cn, _ in SENTENCES
)
TOKENS: Final = tuple(REPLY[at : at + TOKEN_CHARS] for at in range(0, len(REPLY), TOKEN_CHARS))
FIRST_JP_TOKENS: Final = -(-(REPLY.index('", "cn"') + 1) // TOKEN_CHARS)  # with so many the first `jp` is whole
# For servers that let the LLM write what is spoken and nothing else: as many tokens, the first sentence whole as early.
SPOKEN: Final = "spoken"  # the model that writes so
SPOKEN_SENTENCES: Final = tuple(
    Sentence((sentence.jp[:-1] * 10)[: length - 1] + "。", "", sentence.audio_ms)
    for sentence, length in zip(SENTENCES, (FIRST_JP_TOKENS * TOKEN_CHARS, 70, 70), strict=True)
)
SPOKEN_TOKENS: Final = tuple(
    sentence.jp[at : at + TOKEN_CHARS]
    for sentence in SPOKEN_SENTENCES
    for at in range(0, len(sentence.jp), TOKEN_CHARS)
)
FLOOR_S: Final = LLM_FIRST_S + LLM_TOKEN_S * (FIRST_JP_TOKENS - 1) + TTS_FIRST_S  # from a transcript to first sound


@cache
def voice_of(text: str) -> bytes:
    """Its pcm: the same for the same text, and nothing a codec could shorten."""
    all_known = SENTENCES + SPOKEN_SENTENCES
    known = next((sentence.audio_ms for sentence in all_known if sentence.jp == text.strip()), 60 * len(text))
    noise = np.random.default_rng(crc32(text.encode())).integers(-8000, 8000, known * RATE_HZ // 1000)
    pcm: bytes = noise.astype("<i2").tobytes()
    return pcm


@cache
def reply_crc() -> int:
    """Of the audio of a whole reply."""
    return crc32(b"".join(voice_of(sentence.jp) for sentence in SENTENCES))
