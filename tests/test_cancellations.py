"""Barge-in, hang-up, shutdown: a turn cancelled in each of its phases leaves nothing running and nothing open.

What is not closed is found: a generator's `finally`, the voice's exit, tasks by name, and memory streams by the
ResourceWarning they give when they are collected open (warnings are errors here).
"""

import gc
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from conversation.events import (
    ReplyAudio,
    SentenceBegun,
    TurnEvent,
)
from conversation.timeline import Timeline
from conversation.turn import Emit, Reply, TurnRequest, run_turn
from services.base import Emotion, LLMError, Message, Prompt, TTSError, TurnSynthesis, Voices

pytestmark = pytest.mark.anyio

SENTENCES = ("一。", "二。", "三。")
LATE = "SentenceTranslated 0"
STUCK_S = 30  # nothing here takes that long: a test that would hang fails instead


@dataclass
class Stage:
    """A turn whose every step passes `at`: the one named `held` is reached, and never left but by cancellation."""

    held: str
    error: Exception | None = None  # raised there instead
    pieces: int = 100  # of each sentence's sound; more than may wait to be delivered
    finished: bool = False
    begun: anyio.Event = field(default_factory=anyio.Event)
    reached: anyio.Event = field(default_factory=anyio.Event)
    opened: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    told: list[TurnEvent] = field(default_factory=list)
    reply: Reply = field(default_factory=Reply)
    sample_rate_hz: int = 16000
    languages: frozenset[str] = frozenset(("ja",))

    async def at(self, phase: str) -> None:
        await anyio.lowlevel.checkpoint()
        if phase == self.held:
            self.reached.set()
            if self.error:
                raise self.error
            await anyio.sleep_forever()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        self.opened.append("mind")
        try:
            await self.at("the mind is being asked")
            for number, jp in enumerate(SENTENCES):
                yield f'{{"emotion": "sad", "jp": {json.dumps(jp)}'
                await self.at(f"before the translation of sentence {number}")
                if self.held == LATE:
                    await self.begun.wait()
                yield ', "cn": "甲"}'
                await self.at(f"after sentence {number}")
        finally:
            self.closed.append("mind")

    def prepare(self, voices: Voices | None = None) -> None:
        pass

    def open_synthesis(self, voices: Voices) -> AbstractAsyncContextManager[TurnSynthesis]:
        return self._synthesis()

    @asynccontextmanager
    async def _synthesis(self) -> AsyncIterator[TurnSynthesis]:
        await self.at("the voice is being opened")
        self.opened.append("voice")
        try:
            yield self
            await self.at("the voice hangs up")
        finally:
            self.closed.append("voice")

    def expect(self, emotion: Emotion, words: str = "") -> None:
        pass

    async def synthesize(self, text: str, emotion: Emotion, language: str | None = None) -> AsyncGenerator[bytes]:
        self.opened.append(text)
        try:
            await self.at(f"before the sound of {text}")
            for _ in range(self.pieces):
                yield b"ab"
                await self.at(f"in the sound of {text}")
        finally:
            self.closed.append(text)

    async def emit(self, event: TurnEvent) -> None:
        index = getattr(event, "index", "")
        await self.at(f"{type(event).__name__} {index}".strip())
        self.told.append(event)
        if isinstance(event, SentenceBegun):
            self.begun.set()

    async def run(self, emit: Emit | None = None) -> None:
        request = TurnRequest(Prompt("anon", (Message("user", "你好"),)), {}, {})
        await run_turn(request, self, self, emit or self.emit, reply=self.reply, timeline=Timeline(0))
        self.finished = True

    def assert_nothing_is_left(self, tasks_before: set[int]) -> None:
        assert sorted(self.closed) == sorted(self.opened)
        assert {task.id for task in anyio.get_running_tasks()} == tasks_before
        told = [event.jp for event in self.told if isinstance(event, SentenceBegun)]
        assert [line.jp for line in self.reply.lines_begun()] == told
        assert self.reply.audio_sent == any(isinstance(event, ReplyAudio) for event in self.told)
        gc.collect()


@pytest.fixture(scope="module", autouse=True)
def _only_what_is_made_here_is_looked_at() -> None:
    """What other tests have left in memory is passed over by each of the thousand `gc.collect()` of these."""
    gc.collect()
    gc.freeze()


def tasks_now() -> set[int]:
    return {task.id for task in anyio.get_running_tasks()}


PHASES = [
    "ThinkingStarted",
    "the mind is being asked",
    "before the translation of sentence 0",
    "after sentence 0",
    "before the translation of sentence 1",
    "after sentence 1",
    "after sentence 2",
    "ThinkingEnded",
    "the voice is being opened",
    "SynthesisStarted",
    "before the sound of 一。",
    "in the sound of 一。",
    "before the sound of 二。",
    "in the sound of 二。",
    "before the sound of 三。",
    "SentenceBegun 0",
    "ReplyAudio 0",
    "SentenceBegun 1",
    "ReplyAudio 1",
    "SentenceBegun 2",
    "ReplyAudio 2",
    "the voice hangs up",
    LATE,
]


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelled_while(phase: str) -> None:
    stage = Stage(phase)
    before = tasks_now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run)
        with anyio.fail_after(STUCK_S):
            await stage.reached.wait()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    stage.assert_nothing_is_left(before)


@pytest.mark.parametrize("phase", PHASES)
async def test_cancelled_at_the_very_moment_of(phase: str) -> None:
    """Before anything else can settle."""
    stage = Stage(phase)
    before = tasks_now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stage.run)
        with anyio.fail_after(STUCK_S):
            await stage.reached.wait()
        tasks.cancel_scope.cancel()
    stage.assert_nothing_is_left(before)


async def test_cancelled_after_any_number_of_steps() -> None:
    """Also where a sentence is just being handed from one stage to the next."""
    before = tasks_now()
    for steps in range(1000):
        stage = Stage("", pieces=3)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stage.run)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        stage.assert_nothing_is_left(before)
        if stage.finished:
            break
    assert stage.finished
    assert len(stage.reply.lines_begun()) == len(SENTENCES)


async def test_cancelled_before_it_begins() -> None:
    stage = Stage("")
    before = tasks_now()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await stage.run()
    assert scope.cancelled_caught
    assert not stage.told and not stage.reply.sentences
    stage.assert_nothing_is_left(before)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("error", [ZeroDivisionError(), LLMError("The model broke off"), TTSError("The voice is gone")])
async def test_an_error_in_any_phase_leaves_nothing_open(phase: str, error: Exception) -> None:
    stage = Stage(phase, error=error)
    before = tasks_now()
    try:
        with anyio.fail_after(STUCK_S):
            await stage.run()
    except type(error) as raised:
        assert raised is error
    stage.assert_nothing_is_left(before)
    if isinstance(error, ZeroDivisionError):
        assert not stage.finished


async def test_cancelled_from_within_the_callers_own_emit() -> None:
    """The one who is told of a sentence may be the one who stops the turn."""
    stage = Stage("")
    before = tasks_now()

    with anyio.CancelScope() as scope:

        async def stop_at_the_second(event: TurnEvent) -> None:
            await stage.emit(event)
            if isinstance(event, SentenceBegun) and event.index == 1:
                scope.cancel()

        await stage.run(stop_at_the_second)
    assert scope.cancelled_caught
    assert [line.jp for line in stage.reply.lines_begun()] == ["一。", "二。"][: len(stage.reply.lines_begun())]
    gc.collect()
    assert sorted(stage.closed) == sorted(stage.opened)
    assert tasks_now() == before
