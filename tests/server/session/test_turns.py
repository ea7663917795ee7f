"""A turn that is cut from outside, at any moment: it is gone, nothing of it follows, and what was heard is kept."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from conversation.timeline import Timeline
from conversation.turn_taking import Event
from server.backend import Backend, open_backend
from server.config import load
from server.protocol import wire
from server.protocol.extensions import Extensions
from server.session.client import Client
from server.session.early_llm import EarlyLLM
from server.session.floor import Floor
from server.session.request_queue import Place, RequestQueue
from server.session.turns import Turns
from server.session.user_history import UserHistory
from services.base import Emotion, Prompt, TurnSynthesis, Voices
from stores.history import HistoryKey

pytestmark = pytest.mark.anyio

SENTENCES = ("一。", "二。", "三。")
SENTENCE_MS = 80
STEPS = 500  # more than a turn takes; the last ones find it over
STUCK_S = 60


class Engines:
    """An LLM and a TTS that take a step of the loop for each piece, so that a turn can be cut between any two."""

    sample_rate_hz = 16000
    languages = frozenset(("ja",))
    credits = ()

    def prepare(self, voices: Voices | None = None) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        for number, jp in enumerate(SENTENCES):
            yield f'{{"emotion": "sad", "jp": {json.dumps(jp)}'
            await anyio.lowlevel.checkpoint()
            yield f', "cn": "{number}。"}}\n'

    def open_synthesis(self, voices: Voices) -> AbstractAsyncContextManager[TurnSynthesis]:
        return self._synthesis()

    @asynccontextmanager
    async def _synthesis(self) -> AsyncIterator[TurnSynthesis]:
        yield self

    def expect(self, emotion: Emotion, words: str = "") -> None: ...

    async def synthesize(self, text: str, emotion: Emotion, language: str | None = None) -> AsyncGenerator[bytes]:
        for _ in range(4):
            await anyio.lowlevel.checkpoint()
            yield bytes(640)


class Conversation:
    """One user's side of a session: their turns, and all that they were sent."""

    def __init__(self, backend: Backend, user: int) -> None:
        self.sent: list[wire.AnyServerFrame] = []
        self.key = HistoryKey(f"{user:064d}", "anon")
        self.floor = Floor(full_duplex=True)
        history = UserHistory(backend.history, self.key.token_hash, self.send)
        client = Client(self.send, Extensions(["turns", "barge_in"], []), 16_000)
        character, llm = backend.characters.default, EarlyLLM(backend.llm)
        self.turns = Turns(backend, client, history, character, self.floor, llm)
        self.floor.turn = self.turns

    async def send(self, message: wire.AnyServerFrame) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent.append(message)
        await anyio.lowlevel.checkpoint()

    async def say(self, text: str) -> None:
        await self.turns.answer(text, "text", Timeline(anyio.current_time()))

    def kinds(self) -> list[str]:
        return [type(message).__name__ for message in self.sent]


@pytest.fixture
async def backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Backend]:
    monkeypatch.setenv("CHATANON_HISTORY__URL", "memory:")
    monkeypatch.setenv("CHATANON_CREDENTIALS", "")
    monkeypatch.setenv("CHATANON_AUDIO__LEAD_MS", "5000")  # no turn here is so long that it would wait to be heard
    for kind in ("LLM", "TTS", "ASR"):
        monkeypatch.setenv(f"CHATANON_ENGINES__{kind}", "embedded")
    async with open_backend(load()) as backend:
        engines = Engines()
        yield replace(backend, llm=engines, tts=engines)


def sent_ms(messages: Sequence[wire.AnyServerFrame]) -> int:
    return sum(len(each.audio) for each in messages if isinstance(each, wire.AudioChunk)) // 32


@pytest.mark.slow
@pytest.mark.parametrize("by", ["speech", "client"])
async def test_a_turn_cut_after_any_number_of_steps_is_gone_and_keeps_what_was_heard(backend: Backend, by: str) -> None:
    whole = Conversation(backend, STEPS)
    await whole.say("完整的一轮")
    interrupted = 0
    heard_in_part = 0
    with anyio.fail_after(STUCK_S):
        for steps in range(1, STEPS):  # after one it has begun
            conversation = Conversation(backend, steps)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(conversation.say, "你好")
                for _ in range(steps):
                    await anyio.lowlevel.checkpoint()
                played_ms = sent_ms(conversation.sent)
                if by == "client":
                    await conversation.turns.interrupt(played_ms)
                else:
                    conversation.turns.cut()
            kinds = conversation.kinds()
            was_cut = "Interrupted" in kinds
            interrupted += was_cut
            end = ["Interrupted", "AudioEnd", "Response", "TurnEnd"] if was_cut else ["AudioEnd", "Response", "TurnEnd"]
            assert kinds[-len(end) :] == end and kinds.count("AudioEnd") == kinds.count("TurnEnd") == 1
            response, turn_end = conversation.sent[-2:]
            assert isinstance(response, wire.Response) and isinstance(turn_end, wire.TurnEnd)
            assert turn_end.status == ("interrupted" if was_cut else "completed")
            messages, _ = await backend.history.newest(conversation.key, 10)
            heard = [line.jp for message in messages for line in message.lines]
            assert response.content_jp == "".join(heard) == "".join(SENTENCES[: len(heard)])
            assert [(message.role, message.cut) for message in messages][:1] == [("user", was_cut)]
            if was_cut and by == "client":
                assert abs(len(heard) * SENTENCE_MS - played_ms) <= SENTENCE_MS
                heard_in_part += 0 < len(heard) < len(SENTENCES)
            conversation.sent.clear()
            await conversation.say("再来")
            assert set(conversation.kinds()) == set(whole.kinds())
            assert sent_ms(conversation.sent) == sent_ms(whole.sent)
    assert 20 < interrupted < STEPS - 20  # every part of a turn was cut, and some turns were over
    assert heard_in_part > 5 or by == "speech"


async def test_cutting_where_no_turn_runs_does_nothing(backend: Backend) -> None:
    conversation = Conversation(backend, 0)
    conversation.turns.cut()
    await conversation.say("你好")
    told = len(conversation.sent)
    conversation.turns.cut()
    assert len(conversation.sent) == told
    assert conversation.kinds()[-2:] == ["Response", "TurnEnd"]


async def test_what_is_heard_goes_on_beside_a_turn_and_keeps_its_place_behind_it(backend: Backend) -> None:
    """As full duplex will need it: somebody speaks into a reply, it is cut, and what they said is answered."""
    conversation, queue = Conversation(backend, 1), RequestQueue(8)
    heard = anyio.Event()
    speaking = anyio.Event()

    async def speak(place: Place) -> None:
        speaking.set()  # at once, though the reply has its place before this one
        conversation.turns.cut()
        heard.set()
        assert await place.reached()
        await conversation.say("等一下")

    with anyio.fail_after(STUCK_S):
        async with anyio.create_task_group() as tasks:
            assert queue.submit(lambda: conversation.say("你好"), tasks)
            while "AudioChunk" not in conversation.kinds():
                await anyio.lowlevel.checkpoint()
            assert queue.start(speak, tasks)
            assert queue.submit(lambda: conversation.say("再见"), tasks)
            await heard.wait()
            assert conversation.kinds().count("Thinking") == 1
    said = [message for message in conversation.sent if isinstance(message, wire.TurnStarted)]
    assert [message.turn_number for message in said] == [1, 2, 3]
    messages, _ = await backend.history.newest(conversation.key, 10)
    users = [message for message in messages if message.role == "user"]
    assert [(message.content_cn, message.cut) for message in users] == [
        ("你好", True),
        ("等一下", False),
        ("再见", False),
    ]


async def test_the_floor_is_told_of_a_turn_that_was_cut_as_of_every_other(backend: Backend) -> None:
    conversation = Conversation(backend, 2)
    with anyio.fail_after(STUCK_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(conversation.say, "你好")
            while not conversation.kinds():
                await anyio.lowlevel.checkpoint()
            assert conversation.floor.allows(Event.STREAM_START)
            conversation.turns.cut()
        await conversation.say("再来")
    assert conversation.kinds()[-1] == "TurnEnd"
