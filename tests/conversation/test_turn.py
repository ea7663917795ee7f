"""A turn from prompt to sound, with an LLM and a voice that wait wherever a test wants them to."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, repeat
from typing import TypeVar

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation.events import (
    ReplyAudio,
    SentenceBegun,
    SentenceTranslated,
    SynthesisStarted,
    ThinkingEnded,
    ThinkingStarted,
    TurnEvent,
)
from conversation.reply.guarded_parser import Guard
from conversation.reply.prompt_text import PromptText
from conversation.timeline import Timeline
from conversation.turn import Emit, Reply, SpokenSentence, TurnRequest, run_turn
from services.base import LLM, Emotion, Line, LLMError, Message, Prompt, TTSError, TurnSynthesis, TurnTTS, Voice, Voices

pytestmark = pytest.mark.anyio

PROMPT = Prompt("anon", (Message("user", "你好"),))
VOICES = {"minimax": Voice("v1", speed=1.1)}
TEN_MS = 320  # bytes at 16 kHz
STUCK_S = 30  # nothing here takes that long: a test that would hang fails instead

Kind = TypeVar("Kind", bound=TurnEvent)
Step = str | anyio.Event | Exception
Piece = bytes | anyio.Event | Exception


def line(jp: str, cn: str = "甲", emotion: str = "happy") -> str:
    return json.dumps({"emotion": emotion, "jp": jp, "cn": cn}, ensure_ascii=False) + "\n"


@dataclass
class Mind:
    """Says its steps, waits at its events, raises its errors."""

    steps: Iterable[Step]
    prompts: list[Prompt] = field(default_factory=list)
    said: int = 0
    closed: bool = False

    def prepare(self) -> None:
        pass

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        self.prompts.append(prompt)
        try:
            for step in self.steps:
                await anyio.lowlevel.checkpoint()
                match step:
                    case anyio.Event():
                        await step.wait()
                    case Exception():
                        raise step
                    case delta:
                        self.said += 1
                        yield delta
        finally:
            self.closed = True


@dataclass
class Mouth:
    """Speaks `pieces(text)`; by default 10 ms of each character's code."""

    pieces: Callable[[str], Iterable[Piece]] = lambda text: [bytes([ord(char) % 256]) * TEN_MS for char in text]
    opening: tuple[Piece, ...] = ()
    closing: tuple[Piece, ...] = ()
    sample_rate_hz: int = 16000
    languages: frozenset[str] = frozenset(("ja",))
    voices: list[Voices] = field(default_factory=list)
    asked: list[tuple[str, Emotion]] = field(default_factory=list)
    given: int = 0
    speaking: int = 0
    exited: bool = False
    expected: list[tuple[Emotion, str]] = field(default_factory=list)
    told: list[tuple[str, Emotion, str]] = field(default_factory=list)  # what was expected and what asked, in order

    def expect(self, emotion: Emotion, words: str = "") -> None:
        self.expected.append((emotion, words))
        self.told.append(("expect", emotion, words))

    def prepare(self, voices: Voices) -> None:
        pass

    def open_synthesis(self, voices: Voices) -> AbstractAsyncContextManager[TurnSynthesis]:
        return self._open(voices)

    @asynccontextmanager
    async def _open(self, voices: Voices) -> AsyncIterator[TurnSynthesis]:
        self.voices.append(voices)
        await self._go_through(self.opening)
        try:
            yield self
        finally:
            self.exited = True
        await self._go_through(self.closing)

    async def _go_through(self, steps: Iterable[Piece]) -> None:
        for step in steps:
            match step:
                case anyio.Event():
                    await step.wait()
                case Exception():
                    raise step

    async def synthesize(self, text: str, emotion: Emotion, language: str | None = None) -> AsyncGenerator[bytes]:
        self.asked.append((text, emotion))
        self.told.append(("ask", emotion, text))
        self.speaking += 1
        try:
            for piece in self.pieces(text):
                await anyio.lowlevel.checkpoint()
                if isinstance(piece, bytes):
                    self.given += 1
                    yield piece
                else:
                    await self._go_through([piece])
        finally:
            self.speaking -= 1


@dataclass
class Recogniser:
    """Emit: keeps what it is given; `hold` keeps events of a kind waiting, `fail` raises at them."""

    hold: Mapping[type[TurnEvent], anyio.Event] = field(default_factory=dict)
    fail: Mapping[type[TurnEvent], Exception] = field(default_factory=dict)
    begun: list[TurnEvent] = field(default_factory=list)
    events: list[TurnEvent] = field(default_factory=list)
    _changed: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, event: TurnEvent) -> None:
        self._note(self.begun, event)
        await anyio.lowlevel.checkpoint()
        if type(event) in self.fail:
            raise self.fail[type(event)]
        if type(event) in self.hold:
            await self.hold[type(event)].wait()
        self._note(self.events, event)

    def _note(self, where: list[TurnEvent], event: TurnEvent) -> None:
        where.append(event)
        self._changed.set()
        self._changed = anyio.Event()

    async def until(self, kind: type[TurnEvent]) -> None:
        """Wait until an event of this kind has at least begun to be told."""
        while not any(isinstance(event, kind) for event in self.begun):
            await self._changed.wait()

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    def pcm(self) -> bytes:
        return b"".join(chunk.pcm for chunk in self.of(ReplyAudio))


async def run(
    mind: LLM,
    mouth: TurnTTS,
    asr: Emit,
    reply: Reply | None = None,
    timeline: Timeline | None = None,
    chunk_ms: int = 80,
    guard: Guard | None = None,
) -> Reply:
    reply = reply or Reply()
    request = TurnRequest(PROMPT, VOICES, {"愛音": "アノン"}, chunk_ms, guard=guard)
    with anyio.fail_after(STUCK_S):
        await run_turn(request, mind, mouth, asr, reply=reply, timeline=timeline or Timeline(anyio.current_time()))
    return reply


# The order of things


async def test_a_turn_tells_everything_in_order() -> None:
    mind, mouth, asr = Mind([line("うん。", "嗯。", "happy")]), Mouth(), Recogniser()
    reply = await run(mind, mouth, asr)
    assert reply == Reply([*reply.sentences], audio_sent=True)
    assert reply.lines() == reply.lines_begun() == [Line("うん。", "嗯。", "happy")]
    assert asr.events[0] == ThinkingStarted()
    assert len(asr.of(ThinkingEnded)) == 1
    assert [event for event in asr.events if not isinstance(event, ThinkingStarted | ThinkingEnded | ReplyAudio)] == [
        SynthesisStarted("うん。", "happy"),
        SentenceBegun(0, "うん。", "嗯。", "happy", 0),
    ]
    assert isinstance(asr.events[-1], ReplyAudio)
    assert asr.pcm() == b"".join(mouth_bytes("うん。"))
    assert (mind.prompts, mouth.voices) == ([PROMPT], [VOICES])
    assert mind.closed and mouth.exited and not mouth.speaking


def mouth_bytes(text: str) -> list[bytes]:
    return [piece for piece in Mouth().pieces(text) if isinstance(piece, bytes)]


async def test_the_voice_starts_while_the_translation_is_still_being_written() -> None:
    written = anyio.Event()
    mind = Mind(['{"emotion": "happy", "jp": "うん。"', written, ', "cn": "嗯。"}'])
    asr, reply = Recogniser(), Reply()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, Mouth(), asr, reply)
        await asr.until(ReplyAudio)
        assert asr.of(SentenceBegun) == [SentenceBegun(0, "うん。", None, "happy", 0)]
        assert reply.lines_begun() == [Line("うん。", "うん。", "happy")]
        written.set()
    assert asr.of(SentenceTranslated) == [SentenceTranslated(0, "うん。", "嗯。", "happy", 0)]
    assert reply.lines() == [Line("うん。", "嗯。", "happy")]


async def test_a_sentence_that_begins_with_its_translation_gets_no_second_one() -> None:
    spoken = anyio.Event()
    mind, asr = Mind(list(line("うん。", "嗯。"))), Recogniser()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, Mouth(lambda text: [spoken, b"ab"]), asr)
        await asr.until(ThinkingEnded)
        spoken.set()
    assert asr.of(SentenceBegun) == [SentenceBegun(0, "うん。", "嗯。", "happy", 0)]
    assert asr.of(SentenceTranslated) == []


async def test_a_translation_that_comes_while_the_sentence_is_being_announced_follows_it_once() -> None:
    written, announced = anyio.Event(), anyio.Event()
    mind = Mind(['{"emotion": "happy", "jp": "うん。"', written, ', "cn": "嗯。"}'])
    asr = Recogniser(hold={SentenceBegun: announced})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, Mouth(), asr)
        await asr.until(SentenceBegun)
        written.set()
        await asr.until(ThinkingEnded)
        announced.set()
    told = [event for event in asr.events if not isinstance(event, ThinkingStarted | ThinkingEnded | SynthesisStarted)]
    assert told[:2] == [
        SentenceBegun(0, "うん。", None, "happy", 0),
        SentenceTranslated(0, "うん。", "嗯。", "happy", 0),
    ]
    assert len(asr.of(SentenceTranslated)) == 1


async def test_the_next_sentence_is_synthesised_while_one_is_delivered_and_no_other() -> None:
    sent = anyio.Event()
    mind, mouth = Mind([line("一。"), line("二。"), line("三。"), line("四。")]), Mouth()
    asr = Recogniser(hold={ReplyAudio: sent})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, asr)
        await asr.until(ReplyAudio)
        await anyio.wait_all_tasks_blocked()
        assert [text for text, _ in mouth.asked] == ["一。", "二。"]
        sent.set()
    assert [text for text, _ in mouth.asked] == ["一。", "二。", "三。", "四。"]


async def test_audio_leaves_in_order_though_a_later_sentence_is_ready_first() -> None:
    first = anyio.Event()
    mind = Mind([line("一。"), line("二。")])
    mouth = Mouth(lambda text: [first, b"11"] if text == "一。" else [b"22"])
    asr = Recogniser()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, asr)
        await anyio.wait_all_tasks_blocked()
        assert mouth.given == 1
        assert asr.of(SentenceBegun) == []
        first.set()
    assert asr.of(ReplyAudio) == [ReplyAudio(0, b"11"), ReplyAudio(1, b"22")]


async def test_each_sentence_begins_at_the_length_of_all_audio_before_it() -> None:
    lengths = {"一。": 25 * TEN_MS, "二。": 0, "三。": TEN_MS // 2 + 2, "四。": 2}
    mind = Mind([line(text) for text in lengths])
    asr = Recogniser()
    await run(mind, Mouth(lambda text: [b"\x01" * lengths[text]]), asr)
    assert [begun.start_ms for begun in asr.of(SentenceBegun)] == [0, 250, 250, 255]


async def test_a_sentence_with_nothing_to_say_comes_in_its_turn_without_audio() -> None:
    mind, mouth, asr = Mind([line("一。"), line("（笑）", "（笑）"), line("二。")]), Mouth(), Recogniser()
    await run(mind, mouth, asr)
    assert [text for text, _ in mouth.asked] == ["一。", "二。"]
    assert [event.text for event in asr.of(SynthesisStarted)] == ["一。", "二。"]
    heard = [event for event in asr.events if isinstance(event, SentenceBegun | ReplyAudio)]
    assert [event.index for event in heard if isinstance(event, SentenceBegun)] == [0, 1, 2]
    assert [event.index for event in heard] == sorted(event.index for event in heard)
    assert not any(isinstance(event, ReplyAudio) and event.index == 1 for event in heard)


async def test_the_voice_is_given_kana_and_the_caller_what_is_shown() -> None:
    mouth, asr = Mouth(), Recogniser()
    await run(Mind([line("**愛音**だよ（笑）", emotion="sad")]), mouth, asr)
    assert mouth.asked == [("アノンだよ", "sad")]
    assert asr.of(SynthesisStarted) == [SynthesisStarted("**愛音**だよ（笑）", "sad")]
    assert asr.of(SentenceBegun)[0].jp == "**愛音**だよ（笑）"


async def test_the_voice_is_told_each_emotion_before_its_words_are_written() -> None:
    written = [anyio.Event(), anyio.Event(), anyio.Event()]
    mind = Mind(
        ['{"emotion": "sad', '"', written[0], ', "jp": "一。"', written[1], ', "cn": "甲"}', '{"emotion": "sad"']
    )
    mind.steps = [*mind.steps, written[2], ', "jp": "二。", "cn": "乙"}', line("三。", emotion="happy")]
    mouth = Mouth()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, Recogniser())
        for number, expected in enumerate([["sad"], ["sad"], ["sad", "sad"]]):
            await anyio.wait_all_tasks_blocked()
            assert [emotion for emotion, _ in mouth.expected] == expected
            written[number].set()
    assert mouth.asked == [("一。", "sad"), ("二。", "sad"), ("三。", "happy")]


async def test_a_voice_that_opens_late_is_told_the_emotion_then() -> None:
    opened, written = anyio.Event(), anyio.Event()
    mind, mouth = Mind(['{"emotion": "sad"', written, ', "jp": "一。", "cn": "甲"}']), Mouth(opening=(opened,))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, Recogniser())
        await anyio.wait_all_tasks_blocked()
        assert mouth.expected == []
        opened.set()
        await anyio.wait_all_tasks_blocked()
        assert mouth.expected == [("sad", "")]
        written.set()


async def test_a_voice_that_did_not_open_is_told_nothing_more() -> None:
    written = anyio.Event()
    mind, mouth = Mind([line("一。"), written, '{"emotion": "sad"', ', "jp": "二。"}']), Mouth(opening=(ALL,))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, Recogniser())
        await anyio.wait_all_tasks_blocked()
        written.set()
    assert mouth.expected == []


async def test_the_voice_is_told_the_words_of_a_sentence_clause_by_clause() -> None:
    mouth = Mouth()
    written = '{"emotion": "sad", "jp": "ええと、愛音は、千早', '愛音。（笑）そう、", "cn": "甲"}\n'
    mind = Mind([char for char in "".join(written)] + [line("二、二。")])
    await run(mind, mouth, Recogniser())
    assert mouth.told[:5] == [
        *(
            ("expect", "sad", words)
            for words in ("", "ええと、", "ええと、アノンは、", "ええと、アノンは、千早アノン。")
        ),
        ("ask", "sad", "ええと、アノンは、千早アノン。 そう、"),
    ]


async def test_the_words_of_the_next_sentence_wait_until_it_would_be_asked_for() -> None:
    sent, written = anyio.Event(), anyio.Event()
    mind = Mind([line("一。"), line("二。"), line("三。"), '{"emotion": "sad", "jp": "ええと、', written, '四。"}'])
    mouth, asr = Mouth(), Recogniser(hold={ReplyAudio: sent})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, asr)
        await asr.until(ReplyAudio)
        await anyio.wait_all_tasks_blocked()
        assert ("sad", "") in mouth.expected  # what the emotion needs can be prepared
        assert [words for _, words in mouth.expected if words] == []
        sent.set()
        await anyio.wait_all_tasks_blocked()
        assert mouth.told[-2:] == [("ask", "happy", "三。"), ("expect", "sad", "ええと、")]
        written.set()
    assert mouth.told[-1] == ("ask", "sad", "ええと、四。")


async def test_what_the_llm_was_told_is_neither_asked_for_nor_told_ahead_and_the_llm_is_let_go() -> None:
    told = (
        "あなたは古い郵便局で夜の番をしていて、" * 3
        + "窓辺の籠には青いカナリアが一羽いて、明け方になると三度鳴き、雨の日は布をかけます。"
    )
    guard = Guard(PromptText(told), Line("ひみつ。", "秘密。", "calm"))
    mind, mouth, asr = Mind([*line("うん。"), *line(f"ええと、{told}"), line("終。")]), Mouth(), Recogniser()
    reply = await run(mind, mouth, asr, guard=guard)
    assert reply.lines() == [Line("うん。", "甲", "happy"), Line("ひみつ。", "秘密。", "calm")]
    assert [text for text, _ in mouth.asked] == ["うん。", "ひみつ。"]
    assert ("happy", "ええと、") in mouth.expected
    assert not any("郵便局" in words for _, words in mouth.expected)
    assert mind.closed and mind.said < len([*mind.steps])
    assert (reply.incomplete, reply.repeated > 80) == (None, True)


async def test_a_voice_that_was_lost_is_told_no_words() -> None:
    lost = anyio.Event()
    mind, asr = Mind([line("一。"), lost, '{"emotion": "sad", "jp": "ええと、', '四。"}']), Recogniser()
    mouth = Mouth(lambda text: [ALL])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, asr)
        await anyio.wait_all_tasks_blocked()
        lost.set()
    assert "ええと、" not in [words for _, words in mouth.expected]


CLAUSES = ("ええと、", "愛", "音は", "そう。", "え！", "？", "（笑）", "*あ、*", " ")
SENTENCES = st.lists(
    st.tuples(st.sampled_from(["happy", "sad", "auto"]), st.lists(st.sampled_from(CLAUSES), max_size=5)), max_size=4
)


@settings(max_examples=100, deadline=None)
@given(SENTENCES, st.lists(st.integers(0, 200), max_size=10), st.lists(st.booleans(), max_size=10))
async def test_words_that_were_told_begin_the_sentence_that_is_asked_for_next(
    sentences: list[tuple[str, list[str]]], cuts: list[int], pauses: list[bool]
) -> None:
    text = "".join(line("".join(clauses), emotion=emotion) for emotion, clauses in [*sentences, ("happy", ["終。"])])
    ends = sorted({min(cut, len(text)) for cut in [*cuts, len(text)]})
    mouth, mind = Mouth(), Mind([text[start:end] for start, end in zip([0, *ends], ends, strict=False)])

    async def slowly(event: TurnEvent) -> None:
        for _ in range(20 if pauses and pauses.pop() else 1):
            await anyio.lowlevel.checkpoint()

    await run(mind, mouth, slowly)
    for number, (what, emotion, words) in enumerate(mouth.told):
        if what == "expect" and words:
            _, asked_emotion, asked = next(each for each in mouth.told[number:] if each[0] == "ask")
            assert asked.startswith(words) and asked_emotion == emotion


async def test_the_marks_of_a_turn() -> None:
    timeline = Timeline(anyio.current_time())
    await run(Mind([line("一。")]), Mouth(), Recogniser(), timeline=timeline)
    assert list(timeline.timings_ms()) == ["first_token", "first_sentence", "first_audio", "audio_end"]
    silent = Timeline(anyio.current_time())
    await run(Mind([line("一。")]), Mouth(lambda text: []), Recogniser(), timeline=silent)
    assert list(silent.timings_ms()) == ["first_token", "first_sentence"]


# Chunks


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 700), max_size=6), min_size=1, max_size=3), st.sampled_from([10, 20, 80]))
def test_chunks_are_whole_samples_never_empty_and_never_too_long(sizes: list[list[int]], chunk_ms: int) -> None:
    bytes_of = iter(repeat(range(256)))
    pieces = {
        f"{'一二三'[index]}。": [bytes((list(next(bytes_of)) * 3)[:size]) for size in of_one]
        for index, of_one in enumerate(sizes)
    }
    asr = Recogniser()

    async def turn() -> None:
        await run(Mind([line(text) for text in pieces]), Mouth(lambda text: pieces[text]), asr, chunk_ms=chunk_ms)

    anyio.run(turn)
    for index, spoken in enumerate(map(b"".join, pieces.values())):
        chunks = [chunk.pcm for chunk in asr.of(ReplyAudio) if chunk.index == index]
        assert all(0 < len(chunk) <= chunk_ms * TEN_MS // 10 and not len(chunk) % 2 for chunk in chunks)
        assert b"".join(chunks) == spoken[: len(spoken) // 2 * 2]


# A voice that fails

ONE = TTSError("This sentence cannot be spoken", one_sentence=True)
ALL = TTSError("The voice is gone")


async def test_without_a_voice_the_text_goes_on() -> None:
    mouth, asr = Mouth(opening=(ALL,)), Recogniser()
    reply = await run(Mind([line("一。"), line("二。")]), mouth, asr)
    assert reply.audio_error is ALL
    assert [begun.jp for begun in asr.of(SentenceBegun)] == ["一。", "二。"]
    assert not reply.audio_sent and not asr.of(ReplyAudio) and not asr.of(SynthesisStarted)


async def test_a_voice_that_does_not_open_is_waited_for_only_once_the_text_is_there() -> None:
    opened = anyio.Event()
    mouth, asr = Mouth(opening=(opened, ALL)), Recogniser()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, Mind([line("一。")]), mouth, asr)
        await asr.until(ThinkingEnded)
        opened.set()
    assert [begun.jp for begun in asr.of(SentenceBegun)] == ["一。"]


@pytest.mark.parametrize("before", [[], [b"abcd"]])
async def test_after_a_fault_of_one_sentence_the_next_is_spoken(before: list[Piece]) -> None:
    mouth = Mouth(lambda text: [*before, ONE] if text == "一。" else [b"22"])
    asr = Recogniser()
    reply = await run(Mind([line("一。"), line("二。")]), mouth, asr)
    assert reply.audio_error is ONE
    assert [text for text, _ in mouth.asked] == ["一。", "二。"]
    assert [begun.jp for begun in asr.of(SentenceBegun)] == ["一。", "二。"]
    assert asr.pcm() == b"".join(piece for piece in before if isinstance(piece, bytes)) + b"22"


async def test_after_a_fault_of_the_voice_no_other_sentence_is_spoken() -> None:
    """The second may have been asked for already; the third never is."""
    mouth, asr = Mouth(lambda text: [ALL] if text == "一。" else [b"22"]), Recogniser()
    reply = await run(Mind([line("一。"), line("二。"), line("三。")]), mouth, asr)
    assert reply.audio_error is ALL
    assert "三。" not in [text for text, _ in mouth.asked]
    assert [begun.jp for begun in asr.of(SentenceBegun)] == ["一。", "二。", "三。"]


@pytest.mark.parametrize(("first", "second", "told"), [(ONE, ALL, ALL), (ALL, ONE, ALL), (ALL, TTSError("x"), ALL)])
async def test_the_fault_that_ended_the_voice_is_told(first: TTSError, second: TTSError, told: TTSError) -> None:
    second_asked = anyio.Event()

    def pieces(text: str) -> Iterable[Piece]:
        if text == "一。":
            return [second_asked, first]
        second_asked.set()
        return [b"", second]

    reply = await run(Mind([line("一。"), line("二。")]), Mouth(pieces), Recogniser())
    assert reply.audio_error is told


async def test_a_voice_that_fails_at_hanging_up_has_spoken_all_the_same() -> None:
    mouth, asr = Mouth(closing=(ALL,)), Recogniser()
    reply = await run(Mind([line("一。"), line("二。")]), mouth, asr)
    assert reply.audio_error is ALL
    assert asr.pcm() == b"".join(mouth_bytes("一。二。"))


# Plain text


async def test_plain_text_is_spoken_while_it_is_written() -> None:
    written = anyio.Event()
    mind, mouth, asr = Mind(["うん。そ", written, "う。"]), Mouth(), Recogniser()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, asr)
        await asr.until(ReplyAudio)
        assert [text for text, _ in mouth.asked] == ["うん。"]
        written.set()
    assert [text for text, _ in mouth.asked] == ["うん。", "そう。"]


@pytest.mark.parametrize(
    ("text", "shown", "said"),
    [
        ("你好！我是爱音。", "你好！我是爱音。", []),
        ('{"emotion": "happy", "cn": "你好！"}', "你好！", []),
        ('{"reply": "你好！"}', "你好！", []),
        ("안녕하세요!", "안녕하세요!", []),
        ("うん。你好吗？そう。", "うん。你好吗？そう。", ["うん。", "そう。"]),
    ],
)
async def test_what_the_voice_cannot_say_is_shown_and_the_reply_says_why(
    text: str, shown: str, said: list[str]
) -> None:
    mouth, asr = Mouth(), Recogniser()
    reply = await run(Mind([*text]), mouth, asr)
    assert [words for words, _ in mouth.asked] == said
    assert isinstance(reply.audio_error, TTSError) and not reply.audio_error.timed_out
    assert "".join(begun.jp for begun in asr.of(SentenceBegun)) == shown

    able = Mouth(languages=frozenset(("ja", "zh", "ko")))
    assert (await run(Mind([text]), able, Recogniser())).audio_error is None
    assert "".join(words for words, _ in able.asked) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("了解！行くね。", ["了解！", "行くね。"]),
        ("うん。大丈夫。", ["うん。", "大丈夫。"]),
        ('{"emotion": "happy", "jp": "大丈夫。", "cn": "没事。"}', ["大丈夫。"]),
        ('{"emotion": "happy", "jp": "你好吗？", "cn": "你好吗？"}', ["你好吗？"]),
        ("Hello! 123。", ["Hello!", "123。"]),
        ("うん（你好）", ["うん"]),
        ("うん。\n中文：你好吗？", ["うん。"]),
        ("うん。```python\nprint(1)\n```\nそう。", ["うん。", "そう。"]),
    ],
)
async def test_japanese_without_kana_is_spoken_and_subtitles_and_code_are_not(text: str, said: list[str]) -> None:
    mouth = Mouth()
    reply = await run(Mind([text]), mouth, Recogniser())
    assert [words for words, _ in mouth.asked] == said
    assert reply.audio_error is None


# An LLM that fails

LOST = LLMError("The model broke off")


@pytest.mark.parametrize("steps", [[LOST], ['{"emotion": "happy", "jp": "う', LOST], ["うん。", LOST]])
async def test_a_mind_that_fails_before_its_first_sentence_raises_as_itself(steps: list[Step]) -> None:
    mind, mouth, asr, reply = Mind(steps), Mouth(), Recogniser(), Reply()
    with pytest.raises(LLMError) as raised:
        await run(mind, mouth, asr, reply)
    assert raised.value is LOST
    assert reply == Reply()
    assert mind.closed
    assert mouth.exited or not mouth.voices
    assert not asr.of(SentenceBegun)


async def test_a_mind_that_fails_later_leaves_what_was_whole() -> None:
    asr = Recogniser()
    reply = await run(Mind([line("一。", "甲"), '{"emotion": "sad", "jp": "二', LOST]), Mouth(), asr)
    assert reply.incomplete is LOST
    assert reply.lines() == [Line("一。", "甲", "happy")]
    assert asr.pcm() == b"".join(mouth_bytes("一。"))
    assert len(asr.of(ThinkingEnded)) == 1


async def test_a_translation_that_never_comes_is_told_as_the_words_themselves() -> None:
    broken = anyio.Event()
    mind, asr = Mind([line("一。", "甲"), '{"emotion": "sad", "jp": "二。", "cn": "乙', broken, LOST]), Recogniser()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, Mouth(), asr)
        await anyio.wait_all_tasks_blocked()
        broken.set()
    assert asr.of(SentenceBegun)[1] == SentenceBegun(1, "二。", None, "sad", 20)
    assert asr.of(SentenceTranslated)[-1] == SentenceTranslated(1, "二。", "二。", "sad", 20)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{}", '{"emotion": "happy"}', "```json\n```", "<think>嗯。", "<|im_end|>"),
        '<|FunctionCallBegin|>[{"name":"get_weather","parameters":{"city":"Beijing"}}]<|FunctionCallEnd|>',
    ],
)
async def test_an_answer_without_a_word_is_an_error(text: str) -> None:
    mouth, asr = Mouth(), Recogniser()
    with pytest.raises(LLMError):
        await run(Mind([text]), mouth, asr)
    assert [type(event) for event in asr.events] == [ThinkingStarted, ThinkingEnded]
    assert mouth.exited and not mouth.asked


async def test_a_reply_without_end_is_cut_and_the_mind_is_closed() -> None:
    mind, asr = Mind(line(f"{number}。") for number in count(1)), Recogniser()
    reply = await run(mind, Mouth(), asr)
    assert reply.incomplete == "too_long"
    assert len(reply.lines()) == len(asr.of(SentenceBegun)) == 40
    assert mind.closed
    assert mind.said == 41


async def test_forty_one_sentences_of_plain_text_are_cut() -> None:
    reply = await run(Mind(["うん。" * 41]), Mouth(), Recogniser())
    assert reply.incomplete == "too_long"
    assert len(reply.lines()) == 40


# A user that is slow


async def test_a_slow_caller_holds_back_the_voice_but_not_the_mind() -> None:
    sent = anyio.Event()
    mind = Mind([line(f"{number}。") for number in range(40)])
    mouth = Mouth(lambda text: [b"ab"] * 250)
    asr = Recogniser(hold={ReplyAudio: sent})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, mouth, asr)
        await asr.until(ReplyAudio)
        await anyio.wait_all_tasks_blocked()
        assert mind.closed
        assert len(asr.of(ThinkingEnded)) == 1
        assert len(mouth.asked) == 2
        assert mouth.given <= 4 * 64
        sent.set()
    assert mouth.given == 40 * 250
    assert len(asr.pcm()) == 40 * 500


async def test_a_caller_slow_at_translations_does_not_hold_back_the_mind() -> None:
    told, rest = anyio.Event(), anyio.Event()
    parts: list[Step] = [
        '{"emotion": "sad", "jp": "一。"',
        rest,
        ', "cn": "甲"}',
        *(line(f"{number}。") for number in range(39)),
    ]
    mind, asr = Mind(parts), Recogniser(hold={SentenceTranslated: told})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, mind, Mouth(), asr)
        await asr.until(SentenceBegun)
        await anyio.wait_all_tasks_blocked()
        rest.set()
        await asr.until(SentenceTranslated)
        await anyio.wait_all_tasks_blocked()
        assert mind.closed
        assert not asr.of(SentenceTranslated)
        told.set()
    assert asr.of(SentenceTranslated)[0] == SentenceTranslated(0, "一。", "甲", "sad", 0)


# A user that is gone


class Gone(Exception):
    """The user hung up."""


@pytest.mark.parametrize(
    "kind", [ThinkingStarted, ThinkingEnded, SynthesisStarted, SentenceBegun, SentenceTranslated, ReplyAudio]
)
@pytest.mark.parametrize("gone", [Gone(), anyio.BrokenResourceError()])
async def test_whatever_emit_raises_ends_the_turn_and_comes_out_as_itself(
    kind: type[TurnEvent], gone: Exception
) -> None:
    written = anyio.Event()
    steps: list[Step] = ['{"emotion": "happy", "jp": "一。"', written, ', "cn": "甲"}', line("二。"), line("三。")]
    mind, mouth, asr = Mind(steps), Mouth(lambda text: [b"ab"] * 200), Recogniser(fail={kind: gone})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(set_after, asr, SentenceBegun, written)
        with pytest.raises(type(gone)) as raised:
            await run(mind, mouth, asr)
        tasks.cancel_scope.cancel()
    assert raised.value is gone
    assert mind.closed or not mind.prompts
    assert mouth.exited or not mouth.voices
    assert not mouth.speaking


async def set_after(asr: Recogniser, kind: type[TurnEvent], event: anyio.Event) -> None:
    await asr.until(kind)
    event.set()


async def test_a_defect_of_a_voice_is_not_swallowed() -> None:
    defect = ZeroDivisionError()
    mind = Mind([line("一。"), line("二。")])
    with pytest.raises(ZeroDivisionError) as raised:
        await run(mind, Mouth(lambda text: [defect]), Recogniser())
    assert raised.value is defect
    assert mind.closed


# What a reply tells


def test_a_sentence_without_translation_stands_for_itself() -> None:
    heard = SpokenSentence(0, "一。", "sad", None, begun=True)
    reply = Reply([heard, SpokenSentence(1, "二。", "auto", "")])
    assert reply.lines() == [Line("一。", "一。", "sad"), Line("二。", "", "auto")]
    assert reply.lines_begun() == [Line("一。", "一。", "sad")]
