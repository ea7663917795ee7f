"""Simulated vendors and a server of its own: what a bench of talks is played on."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio
import numpy as np

from bench.first_sound import LLM_PACE, VOICE
from bench.listening import FINAL_S, KEY
from bench.loads.machine import Server, serving
from bench.talks.room import KnownWords
from bench.talks.said import Said
from tests.simulators import bytedance, minimax
from tests.simulators.ark import Behaviour, serve_ark
from tests.simulators.bytedance import simulate_bytedance
from tests.simulators.minimax import simulate_minimax

PARTIAL_MS = 200
QUIETEST_RMS = 60.0  # what the simulated ASR hears: -55 dB
Job = TypeVar("Job")

STORY = [
    (f"{number}番目の話は、まだまだ続くから、ゆっくり聞いてね。", f"第{number}个故事，还没完呢，慢慢听。")
    for number in range(1, 9)
]


def reply_of(sentences: Sequence[tuple[str, str]]) -> str:
    """As the LLM writes it: Japanese and Chinese."""
    return "".join(
        json.dumps({"emotion": "calm", "jp": jp, "cn": cn}, ensure_ascii=False) + "\n" for jp, cn in sentences
    )


@dataclass(slots=True)
class Stage:
    """`known` hear for the simulated ASR."""

    server: Server
    known: KnownWords
    next_story: Callable[[], Sequence[tuple[str, str]]]


@asynccontextmanager
async def stage(
    users: int,
    own: Sequence[Said] = (),
    story: Callable[[], Sequence[tuple[str, str]]] = lambda: STORY,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Stage]:
    """A server that takes so many users at once. `own`: how our voice says what it is asked to; else it beeps.

    `story`: the sentences of the next reply.
    """
    spoken = {_letters(each.text): each.sound for each in own}

    def voice(text: str, start: dict[str, Any]) -> bytes:
        if not spoken:
            return minimax.speech(text, start)
        return (np.clip(spoken[_letters(text)], -1, 1) * 32767).astype("<i2").tobytes()

    manner = bytedance.Manner(final_s=FINAL_S, partial_ms=PARTIAL_MS, character_ms=1, loud_rms=QUIETEST_RMS)
    async with (
        serve_ark(key=KEY) as ark,
        simulate_minimax(VOICE, key=KEY) as tts,
        simulate_bytedance(manner) as asr,
    ):
        known = KnownWords()
        asr.hear, tts.voice = known.hear, voice
        ark.choose = lambda: Behaviour(reply=reply_of(story()), **LLM_PACE)  # type: ignore[arg-type]
        vendors = {
            "CHATANON_ENDPOINTS__LLM": ark.endpoint,
            "CHATANON_ENDPOINTS__TTS": tts.url,
            "CHATANON_ENDPOINTS__ASR": asr.url,
            "DOUBAO_API_KEY": KEY,
            "MINIMAX_API_KEY": KEY,
            "BYTEDANCE_API_KEY": bytedance.API_KEY,
        }
        with serving(users, {**vendors, **(environment or {})}) as server:
            yield Stage(server, known, story)
        if known.lost:
            print(f"- {known.lost} pieces of audio that nobody sent", flush=True)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text))


async def side_by_side(users: int, jobs: Sequence[Job], work: Callable[[int, Sequence[Job]], Awaitable[None]]) -> None:
    """Share jobs out among so many users, who begin one after the other."""
    async with anyio.create_task_group() as tasks:
        for number in range(min(users, len(jobs))):
            tasks.start_soon(_after, 0.13 * number, work, number, jobs[number::users])


async def _after(wait_s: float, work: Callable[[int, Sequence[Job]], Awaitable[None]], *args: Any) -> None:
    await anyio.sleep(wait_s)
    await work(*args)
