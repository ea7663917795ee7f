"""A sentence that is spoken while it is being written: MiniMax's bidirectional variant, alone and in whole turns."""

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from conversation.events import ReplyAudio, TurnEvent
from conversation.pronunciation import speakable
from conversation.timeline import Timeline
from conversation.turn import Reply, TurnRequest, run_turn
from services.base import TTS, Emotion, LLMError, Message, Prompt, Synthesis, Voice
from services.engine_settings import TTSSettings
from services.fallback.tts import NamedTTS
from services.tts_service import TimedTTS
from services.vendors.minimax.bidi import request, with_stop
from services.vendors.minimax.tts import open_tts
from tests.simulators.minimax import KEY, MinimaxSimulator, simulate_minimax, speech
from tests.simulators.minimax_bidi import BidiSimulator, Fault, Manner, gather, simulate_minimax_bidi

pytestmark = pytest.mark.anyio

FIRST = "ええと、今日はとても良い天気ですね、"  # two clauses; the second is long enough to be released
WHOLE = FIRST + "散歩に行きましょう。"
SHORT = "うん。"


@asynccontextmanager
async def opened(simulator: BidiSimulator | MinimaxSimulator, **changes: Any) -> AsyncIterator[TTS]:
    """Our engine for this vendor; afterwards not a socket and not a task is left, and no rule of its was broken."""
    secrets = {"MINIMAX_API_KEY": KEY}
    with anyio.fail_after(60):  # a test that hangs is a test that fails
        tasks = asyncio.all_tasks()
        async with open_tts(
            TTSSettings(endpoint=simulator.url, model="speech-2.8-hd", secrets=secrets, **changes)
        ) as tts:
            yield tts
        await simulator.until(lambda: not simulator.open_calls)
        while asyncio.all_tasks() - tasks:
            await anyio.lowlevel.checkpoint()
        if isinstance(simulator, BidiSimulator):
            assert not {2202, 2206} & {code for call in simulator.calls for code in call.mistakes}


@asynccontextmanager
async def minimax(manner: Manner | None = None, **changes: Any) -> AsyncIterator[tuple[BidiSimulator, TTS]]:
    async with simulate_minimax_bidi(manner) as simulator, opened(simulator, **changes) as tts:
        yield simulator, tts


async def hear(voice: Synthesis, text: str, emotion: Emotion = "auto") -> bytes:
    async with aclosing(voice.synthesize(text, emotion)) as pieces:
        heard = [piece async for piece in pieces]
    assert all(piece and len(piece) % 2 == 0 for piece in heard)
    return b"".join(heard)


def sent(simulator: BidiSimulator) -> list[str]:
    """What was sent to be spoken, over all connections, in the order of these."""
    return [text for call in simulator.calls for text in call.texts]


async def until_sent(simulator: BidiSimulator, *texts: str) -> None:
    await simulator.until(lambda: sent(simulator) == [*texts])


async def until(condition: Callable[[], bool]) -> None:
    """For what the simulator does not tell of."""
    while not condition():
        await anyio.lowlevel.checkpoint()


async def until_sent_at_last(simulator: BidiSimulator, words: str) -> None:
    await simulator.until(lambda: "".join(sent(simulator)).endswith(words))


async def until_sounding(simulator: BidiSimulator) -> None:
    await simulator.until(lambda: any(call.sounded for call in simulator.calls))


# ---------------------------------------------------------------- one sentence


async def test_only_the_rest_of_a_sentence_is_sent_when_it_is_whole() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("happy", "ええと、")
        await until_sent(simulator, "ええと、")
        voice.expect("happy", FIRST)
        await until_sounding(simulator)
        assert await hear(voice, WHOLE, "happy") == simulator.speech(WHOLE)
        assert sent(simulator) == ["ええと、", "今日はとても良い天気ですね、", "散歩に行きましょう。"]
        call = simulator.call_of(WHOLE)
        assert [event for event in call.events if event.startswith(">")] == [
            *(">task_start", ">task_continue", ">task_continue", ">task_continue", ">task_flush"),
        ]
        assert await hear(voice, SHORT, "happy") == simulator.speech(SHORT)
        assert simulator.call_of(SHORT) is call


@pytest.mark.parametrize(
    ("words", "text", "pieces"),
    [
        ("うん。", "うん。", ["うん。"]),
        ("うん。そうだね！", "うん。そうだね！」", ["うん。そうだね！"]),
        ("うん、", "うん、", ["うん、", "。"]),
        ("「うん、", "「うん、」", ["「うん、", "。"]),
        ("うん、", "うん、そう", ["うん、", "そう。"]),
        ("え、", "え、そう…？ ", ["え、", "そう…？"]),
    ],
)
async def test_a_sentence_ends_with_a_stop_whatever_was_sent_of_it(words: str, text: str, pieces: list[str]) -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("auto", words)
        await until_sent(simulator, words)
        heard = await hear(voice, text)
        assert sent(simulator) == pieces
        assert heard == simulator.speech("".join(pieces))


@pytest.mark.parametrize(
    "manner",
    [
        Manner(message_bytes=3201),
        Manner(message_bytes=200_000),
        Manner(final="whole again"),
        Manner(final="none"),
        Manner(announces=False),
        Manner(flushes="at once", long_enough=100),
        Manner(blank_sentences=True),
        Manner(long_enough=2),
        Manner(long_enough=100),
        Manner(pace=20, first_audio_s=0.01, round_trip_s=0.01),
    ],
    ids=str,
)
@pytest.mark.parametrize("early", [True, False])
async def test_every_manner_of_the_vendor_gives_the_same_audio(manner: Manner, early: bool) -> None:
    async with minimax(replace(manner)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        texts = (
            (WHOLE, "え、そう、そうなんだ。") if manner.flushes == "at once" else (WHOLE, "え！？そう、そうなんだ。")
        )
        for text in texts:
            voice.expect("auto", text[:4])
            voice.expect("auto", text[:18])
            if early:
                await until_sent_at_last(simulator, text[:18])
            assert await hear(voice, text) == simulator.speech(text)


async def test_audio_that_comes_before_the_sentence_is_whole_is_kept_until_it_is_asked_for() -> None:
    words = "とても長い文なので、" * 40  # 24 s of sound: more than the line holds
    async with minimax(Manner(message_bytes=320)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("sad", words)
        await until_sounding(simulator)
        await anyio.wait_all_tasks_blocked()
        text = words + "おわり。"
        assert await hear(voice, text, "sad") == simulator.speech(text)


async def test_a_vendor_that_is_not_read_is_held_back() -> None:
    words = "とても長い文なので、" * 400
    async with minimax(Manner(message_bytes=32000)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("sad", words)
        await until_sounding(simulator)
        for _ in range(3):
            await anyio.wait_all_tasks_blocked()
        assert simulator.calls[0].sounded + simulator.calls[-1].sounded < 240  # of 240 s


async def test_the_plain_variant_takes_the_emotion_and_waits_for_the_words() -> None:
    async with simulate_minimax() as simulator, opened(simulator) as tts, tts.open_synthesis(Voice()) as voice:
        voice.expect("sad", FIRST)
        await simulator.until(lambda: "sad" in [call.emotion for call in simulator.waiting])
        assert await hear(voice, WHOLE, "sad") == simulator.speech(WHOLE)
        assert simulator.texts == [WHOLE]


# ---------------------------------------------------------------- it comes to nothing


@pytest.mark.parametrize("emotion", ["auto", "happy"])
@pytest.mark.parametrize("sounding", [True, False])
async def test_a_sentence_that_begins_with_other_words_is_sent_as_a_whole(emotion: Emotion, sounding: bool) -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("auto", FIRST if sounding else "ええと、")
        await (until_sounding(simulator) if sounding else until_sent(simulator, "ええと、"))
        assert await hear(voice, SHORT, emotion) == simulator.speech(SHORT)
        assert await hear(voice, "いや、まだ。", "auto") == simulator.speech("いや、まだ。")
        assert sum(call.count(">task_cancel") for call in simulator.calls) == 1
        assert sorted(sent(simulator)) == sorted([FIRST if sounding else "ええと、", SHORT, "いや、まだ。"])


async def test_a_sentence_with_another_emotion_does_not_disturb_one_that_was_begun() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("auto", FIRST)
        await until_sounding(simulator)
        assert await hear(voice, SHORT, "happy") == simulator.speech(SHORT)
        assert await hear(voice, WHOLE, "auto") == simulator.speech(WHOLE)
        assert sorted(sent(simulator)) == sorted([FIRST, SHORT, "散歩に行きましょう。"])


async def test_other_words_than_before_are_another_sentence() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        voice.expect("auto", "いや、")
        await until_sent(simulator, "いや、")
        voice.expect("auto", "ええと、")
        assert await hear(voice, WHOLE, "auto") == simulator.speech(WHOLE)


async def test_a_sentence_that_never_comes_is_cancelled_at_the_end_and_the_next_turn_goes_on_there() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as voice:
            voice.expect("auto", FIRST)
            await until_sounding(simulator)
        handshakes = simulator.handshakes
        async with tts.open_synthesis(Voice()) as voice:
            assert await hear(voice, SHORT) == simulator.speech(SHORT)
            assert simulator.call_of(SHORT).texts == [FIRST, SHORT]
            assert simulator.call_of(SHORT).count(">task_cancel") == 1
        assert simulator.handshakes == handshakes


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["connect", "start", "text", "speech", "cancel"])
async def test_whatever_it_is_waiting_for_a_turn_that_ends_leaves_nothing(stage: Any) -> None:
    async with minimax(Manner(message_bytes=320), first_audio_s=3600) as (simulator, tts):
        simulator.faults.append(Fault(stage, stall=True, times=math.inf))
        async with tts.open_synthesis(Voice()) as voice:
            voice.expect("auto", FIRST)
            await simulator.until(lambda: len(simulator.calls) >= 2)
            await anyio.wait_all_tasks_blocked()
        simulator.faults.clear()
        async with tts.open_synthesis(Voice()) as voice:
            assert await hear(voice, SHORT) == simulator.speech(SHORT)


# ---------------------------------------------------------------- beside other sentences


async def together(voice: Synthesis, *steps: tuple[str, Callable[[], Awaitable[None]]]) -> dict[str, bytes]:
    """Ask for one text after another, each after its step, while those before it are still being received."""
    heard: dict[str, bytes] = {}

    async def listen(text: str) -> None:
        heard[text] = await hear(voice, text)

    async with anyio.create_task_group() as tasks:
        for text, step in steps:
            await step()
            tasks.start_soon(listen, text)
    return heard


async def test_the_next_sentence_is_begun_while_the_one_before_it_is_received() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:

        async def first() -> None:
            pass

        async def second() -> None:
            await until_sounding(simulator)
            voice.expect("auto", FIRST)
            await until_sent(simulator, "一つ目のとても長い文です。", FIRST)

        texts = ("一つ目のとても長い文です。", WHOLE)
        heard = await together(voice, (texts[0], first), (texts[1], second))
        assert heard == {text: simulator.speech(text) for text in texts}
        assert len([call for call in simulator.calls if call.texts]) == 1


async def test_what_was_begun_in_vain_behind_a_sentence_does_not_disturb_it_nor_the_next() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:

        async def first() -> None:
            pass

        async def second() -> None:
            await until_sounding(simulator)
            voice.expect("auto", FIRST)
            await until_sent(simulator, "一つ目のとても長い文です。", FIRST)

        texts = ("一つ目のとても長い文です。", SHORT)
        heard = await together(voice, (texts[0], first), (texts[1], second))
        assert heard == {text: simulator.speech(text) for text in texts}
        assert await hear(voice, "次。") == simulator.speech("次。")


async def test_a_sentence_before_it_that_fails_takes_it_along_and_both_are_spoken() -> None:
    async with minimax(Manner(first_audio_s=0.02)) as (simulator, tts), tts.open_synthesis(Voice()) as voice:

        async def first() -> None:
            simulator.faults.append(Fault("speech", drop=True, text="一つ目。"))

        async def second() -> None:
            await until_sent(simulator, "一つ目。")
            voice.expect("auto", "ええと、")
            await until_sent(simulator, "一つ目。", "ええと、")

        heard = await together(voice, ("一つ目。", first), (WHOLE, second))
        assert heard == {text: simulator.speech(text) for text in ("一つ目。", WHOLE)}


# ---------------------------------------------------------------- faults


@pytest.mark.slow
@pytest.mark.parametrize("text", [FIRST, "散歩に行きましょう。"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault("text", drop=True),
        Fault("text", stall=True),
        Fault("text", raw="{"),
        *(Fault("text", status=code) for code in (1000, 1002, 2201, 2203, 2205)),
        *(Fault("text", status=code, event="task_continued") for code in (2203, 2205)),
    ],
    ids=str,
)
async def test_a_fault_at_any_piece_has_the_sentence_sent_as_a_whole(fault: Fault, text: str) -> None:
    first_audio_s = 0.6 if fault.stall else 2
    # Nothing of it has sounded when the fault is seen: a long comma is not long enough for this vendor.
    async with minimax(Manner(long_enough=100), first_audio_s=first_audio_s) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as voice:
            simulator.faults.append(fault := replace(fault, text=text))
            voice.expect("auto", FIRST)
            await until(lambda: fault.times == 0 or FIRST in simulator.texts)
            assert await hear(voice, WHOLE) == simulator.speech(WHOLE)
            assert fault.times == 0 and sent(simulator)[-1] == WHOLE
            assert await hear(voice, SHORT) == simulator.speech(SHORT)


@pytest.mark.parametrize("stage", ["handshake", "connect", "start"])
async def test_words_that_found_no_connection_are_sent_with_the_sentence(stage: Any) -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as voice:
        how: dict[str, Any] = {"status": 503} if stage == "handshake" else {"drop": True}
        simulator.faults.append(fault := Fault(stage, times=math.inf, **how))
        with capture_logs() as logs:
            voice.expect("sad", FIRST)
            await until(lambda: simulator.handshakes >= 3)
            fault.times = 0
            assert await hear(voice, WHOLE, "sad") == simulator.speech(WHOLE)
        assert logs == []


async def test_a_voice_that_is_refused_is_told_once_and_by_the_sentence() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice("no_such_voice")) as voice:
        voice.expect("sad", FIRST)
        await simulator.until(lambda: len([1 for call in simulator.calls if 2054 in call.sent_codes]) == 2)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(Exception, match="voice_id"):
            await hear(voice, WHOLE, "sad")


# ---------------------------------------------------------------- any beginning of any text

TEXTS = st.text(st.sampled_from("あい1 a、。！…？」愛音"), min_size=1, max_size=30)


@given(TEXTS, st.lists(st.integers(0, 30), max_size=4))
def test_the_vendor_gathers_the_same_sentences_however_a_text_was_cut(text: str, cuts: list[int]) -> None:
    """Also where it is cut in the middle of a word, which nobody does."""
    beginnings = [text[:cut] for cut in sorted(cuts) if any(char.isalnum() for char in text[:cut])]
    pieces, so_far = [], ""
    for words in [words for words in beginnings if words]:
        pieces.append(words[len(so_far) :])
        so_far = words
    messages = [json.loads(message) for message in request(text, so_far)]
    assert messages[-1] == {"event": "task_flush"}
    whole = "".join(pieces) + "".join(message["text"] for message in messages[:-1])
    spoken = [[each for each in sentence if each.isalnum()] for sentence in gather(whole, 10)[0]]
    expected = [[each for each in sentence if each.isalnum()] for sentence in gather(with_stop(text), 10)[0]]
    assert gather(whole, 10)[1] == "" or not so_far
    assert [each for each in spoken if each] == [each for each in expected if each]


# ---------------------------------------------------------------- whole turns

Step = str | Callable[[], Awaitable[None]] | Exception
NAMES = {"愛音": "アノン", "千早愛音": "チハヤアノン", "モ。娘": "モームスメ"}


class Mind:
    """Says its pieces of text, waits at its conditions, raises its errors."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps

    def prepare(self) -> None:
        pass

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        for step in self._steps:
            match step:
                case str():
                    await anyio.lowlevel.checkpoint()
                    yield step
                case Exception():
                    raise step
                case _:
                    await step()


async def talk(mind: Mind, tts: TTS) -> tuple[Reply, dict[int, bytes]]:
    """The reply, and what was heard of each of its sentences."""
    heard: dict[int, bytes] = {}
    reply = Reply()

    async def emit(event: TurnEvent) -> None:
        await anyio.lowlevel.checkpoint()
        if isinstance(event, ReplyAudio):
            heard[event.index] = heard.get(event.index, b"") + event.pcm

    ask = TurnRequest(Prompt("anon", (Message("user", "你好"),)), {}, NAMES)
    voice = NamedTTS("minimax", TimedTTS(tts, 60, 60))
    await run_turn(ask, mind, voice, emit, reply=reply, timeline=Timeline(anyio.current_time()))
    return reply, heard


def sound_of(simulator: BidiSimulator, text: str) -> bytes:
    return simulator.speech(with_stop(speakable(text, NAMES)))


async def test_the_first_sound_leaves_the_vendor_before_the_first_sentence_is_written() -> None:
    async with minimax() as (simulator, tts):

        async def sounding() -> None:
            await until_sounding(simulator)

        mind = Mind('{"emotion": "happy", "jp": "', FIRST, sounding, '散歩に行きましょう。", "cn": "我们去散步吧。"}')
        reply, heard = await talk(mind, tts)
        assert heard == {0: sound_of(simulator, WHOLE)}
        assert reply.audio_error is None and [line.jp for line in reply.lines()] == [WHOLE]


async def test_a_model_that_breaks_off_in_a_sentence_leaves_the_sentences_before_it() -> None:
    async with minimax() as (simulator, tts):

        async def until_begun() -> None:
            await simulator.until(lambda: FIRST in simulator.texts)

        first = '{"emotion": "happy", "jp": "一つ目の文です。", "cn": "甲"}\n'
        mind = Mind(first, '{"emotion": "happy", "jp": "' + FIRST, until_begun, LLMError("gone"))
        reply, heard = await talk(mind, tts)
        assert heard == {0: sound_of(simulator, "一つ目の文です。")}
        assert isinstance(reply.incomplete, LLMError) and reply.audio_error is None
        assert simulator.call_of(FIRST).count(">task_cancel") == 1
        async with tts.open_synthesis(Voice()) as voice:
            assert await hear(voice, SHORT, "happy") == simulator.speech(SHORT)


CLAUSES = [
    "ええと、",
    "愛音は",
    "千早",
    "モ。",
    "娘。",
    "（笑）",
    "今日はとても良い天気ですね、",
    "え！",
    "？",
    "*そう*、",
    "うん…",
]
CLAUSES += ["♪", "[x](y)", "「そう、", "」", " ", '\\"', "、", "a1. "]
SENTENCES = st.lists(
    st.tuples(st.sampled_from(["happy", "auto"]), st.lists(st.sampled_from(CLAUSES), min_size=1, max_size=8)),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(SENTENCES, st.data())
def test_nothing_is_lost_or_spoken_twice_however_the_model_writes(
    sentences: Sequence[tuple[str, list[str]]], data: st.DataObject
) -> None:
    text = "".join(
        f'{{"emotion": "{emotion}", "jp": "{"".join(clauses)}", "cn": "甲"}}\n' for emotion, clauses in sentences
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    waits = data.draw(st.lists(st.booleans(), min_size=len(deltas), max_size=len(deltas)))

    async def turn() -> None:
        async with minimax(Manner(message_bytes=32000)) as (simulator, tts):
            steps: list[Step] = []
            for delta, wait in zip(deltas, waits, strict=True):
                steps += [delta, settle] if wait else [delta]
            reply, heard = await talk(Mind(*steps), tts)
            assert reply.audio_error is None and reply.incomplete is None
            for sentence in reply.sentences:
                words = sounds(speakable(sentence.jp, NAMES))
                assert sounds(said(simulator, heard.get(sentence.index, b""), sentence.emotion)) == words

    anyio.run(turn)


def sounds(text: str) -> list[str]:
    return [char for char in text if char.isalnum()]


def said(simulator: BidiSimulator, pcm: bytes, emotion: Emotion) -> str:
    """The sentences of the vendor's that a sound is made of."""
    spoken = {
        speech(text, call.start): text
        for call in simulator.calls
        if call.start and call.emotion == emotion
        for text in call.spoken
    }
    text = ""
    while pcm:
        sound = max((sound for sound in spoken if pcm.startswith(sound)), key=len)
        pcm, text = pcm[len(sound) :], text + spoken[sound]
    return text


async def settle() -> None:
    """Let what is under way come to a rest, or nearly so."""
    for _ in range(30):
        await anyio.lowlevel.checkpoint()
