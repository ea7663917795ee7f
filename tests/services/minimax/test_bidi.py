"""MiniMax's bidirectional variant against a strict simulator; and, in both variants, the hint of an emotion to come.

Longer than the house allows, because the rows of the fault table stand together.
"""

import asyncio
import gc
import math
import random
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from services.base import TTS, Emotion, Synthesis, TTSError, Voice
from services.engine_settings import TTSSettings
from services.vendors.minimax.bidi import BidiTextQueue, decode, with_stop
from services.vendors.minimax.frames import Audio, Event, Ignored, Mark, Refusal, TaskFinished, status_fault
from services.vendors.minimax.texts import Text
from services.vendors.minimax.tts import open_tts
from tests.simulators.minimax import KEY, MinimaxSimulator, simulate_minimax
from tests.simulators.minimax import Fault as PlainFault
from tests.simulators.minimax_bidi import BidiSimulator, Fault, Manner, gather, simulate_minimax_bidi

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

LONG = "今日はとても良い天気ですね、散歩に行きましょう。"  # 1.44 s, two sentences to the vendor
SHORT = "うん。"
TURN = ["connected_success", ">task_start", "task_started"]
SENTENCE = [">task_continue", ">task_flush", "sentence_start", "sentence_end", "task_flushed"]
END = [">task_finish", "task_finished"]


def changes_of(variation: object) -> str:
    """A short name for a test: what is not as it is by default."""
    if not isinstance(variation, Manner | Fault):
        return str(variation)
    named = {field.name: (getattr(variation, field.name), field.default) for field in fields(variation)}
    return "-".join(f"{name}={str(value)[:20]}" for name, (value, default) in named.items() if value != default)


def settings_for(simulator: BidiSimulator | MinimaxSimulator, **changes: Any) -> TTSSettings:
    return TTSSettings(
        **{"endpoint": simulator.url, "model": "speech-2.8-hd", "secrets": {"MINIMAX_API_KEY": KEY}, **changes}
    )


@asynccontextmanager
async def minimax(manner: Manner | None = None, **changes: Any) -> AsyncIterator[tuple[BidiSimulator, TTS]]:
    """A vendor and our engine for it; afterwards not a socket and not a task is left, nor was a text ever cut off."""
    with anyio.fail_after(60):  # a test that hangs is a test that fails
        async with simulate_minimax_bidi(manner) as simulator:
            tasks = asyncio.all_tasks()
            async with open_tts(settings_for(simulator, **changes)) as tts:
                yield simulator, tts
            await simulator.until(lambda: not simulator.open_calls)
            while asyncio.all_tasks() - tasks:
                await anyio.lowlevel.checkpoint()
            if not simulator.faults:  # what has failed is not waited for
                assert [call.cut_off for call in simulator.calls if call.cut_off] == []
            assert not {2202, 2206} & {code for call in simulator.calls for code in call.mistakes}


async def hear(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> bytes:
    async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
        heard = [piece async for piece in pieces]
    assert all(piece and len(piece) % 2 == 0 for piece in heard)
    return b"".join(heard)


async def hear_together(synthesis: Synthesis, *texts: str, emotion: Emotion = "auto") -> dict[str, bytes | TTSError]:
    heard: dict[str, bytes | TTSError] = {}

    async def listen(text: str) -> None:
        try:
            heard[text] = await hear(synthesis, text, emotion)
        except TTSError as error:
            heard[text] = error

    async with anyio.create_task_group() as tasks:
        for text in texts:
            tasks.start_soon(listen, text)
    return heard


async def fail(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> tuple[TTSError, bytes]:
    """The error that ends a sentence, and what was heard of it before."""
    heard: list[bytes] = []
    with pytest.raises(TTSError) as raised:
        async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
            async for piece in pieces:
                heard.append(piece)
    return raised.value, b"".join(heard)


async def interrupt(tts: TTS, text: str, emotion: Emotion = "auto") -> None:
    """A turn that is cancelled while its sentence is being spoken."""
    async with anyio.create_task_group() as tasks:

        async def turn() -> None:
            async with (
                tts.open_synthesis(Voice()) as synthesis,
                aclosing(synthesis.synthesize(text, emotion)) as pieces,
            ):
                await anext(pieces)
                tasks.cancel_scope.cancel()
                async for _ in pieces:
                    pass

        tasks.start_soon(turn)


# ---------------------------------------------------------------- texts out, audio in


async def test_one_sentence_is_a_text_and_a_flush_and_the_task_is_finished_at_the_end() -> None:
    async with minimax() as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            for text in (SHORT, "ええ。"):
                assert await hear(synthesis, text) == simulator.speech(text)
            call = simulator.call_of(SHORT)
        await simulator.until(lambda: not call.open)
        assert call.events == TURN + SENTENCE + SENTENCE + END


async def test_the_next_sentence_is_sent_while_one_is_received() -> None:
    async with (
        minimax(Manner(first_audio_s=0.05, pace=20)) as (simulator, tts),
        tts.open_synthesis(Voice()) as synthesis,
    ):
        heard = await hear_together(synthesis, LONG, SHORT)
        assert heard == {LONG: simulator.speech(LONG), SHORT: simulator.speech(SHORT)}
        call = simulator.call_of(LONG)
        sent = [event for event in call.events[len(TURN) :] if event.startswith(">")]
        assert call.texts == [LONG, SHORT] and sent == SENTENCE[:2] * 2
        assert call.events.index("sentence_end") > len(TURN) + 3


@pytest.mark.parametrize(
    "manner",
    [
        Manner(),
        Manner(message_bytes=3201),
        Manner(message_bytes=1),
        Manner(message_bytes=200_000),
        Manner(final="empty"),
        Manner(final="null data"),
        Manner(final="no data"),
        Manner(final="none"),
        Manner(final="whole again"),
        Manner(final="whole again", message_bytes=3201, names_event=False),
        Manner(names_event=False, counts_bytes=False),
        Manner(announces=False),
        Manner(announces=False, message_bytes=3201),
        Manner(announces=False, final="whole again"),
        Manner(blank_sentences=True),
    ],
    ids=changes_of,
)
async def test_tts_final_frame_repeats_the_whole_odd_bytes_missing_event_null_data(manner: Manner) -> None:
    async with minimax(manner) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        texts = (LONG, "え！？そう。") if manner.message_bytes > 1 else (SHORT,)
        emotions: list[Emotion] = ["auto", "happy"]
        for emotion in emotions:
            for text in texts:
                assert await hear(synthesis, text, emotion) == simulator.speech(text)
            heard = await hear_together(synthesis, *texts, emotion=emotion)
            assert heard == {text: simulator.speech(text) for text in texts}


@pytest.mark.parametrize("first_audio_s", [0, 0.02])
async def test_a_flush_that_is_acknowledged_before_the_audio_cuts_nothing_off(first_audio_s: float) -> None:
    manner = Manner(flushes="at once", first_audio_s=first_audio_s)
    async with minimax(manner) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        texts = ("一つ目の文。", "二つ目の文。", "三つ目の文。")
        assert await hear_together(synthesis, *texts) == {text: simulator.speech(text) for text in texts}


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("うん。", "うん。"),
        ("うん", "うん。"),
        ("うん、", "うん、。"),
        ("うん♪ ", "うん♪。"),
        ("「うん。」", "「うん。"),
        ("「うん」", "「うん」。"),
        ("え！？ ", "え！？"),
        ("そう……", "そう……"),
        ("うん。そう", "うん。そう。"),
        ("Yes", "Yes。"),
    ],
)
async def test_a_text_ends_with_a_sentence_stop(text: str, sent: str) -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, text) == simulator.speech(sent)
        assert simulator.texts == [sent]


@given(st.text(st.sampled_from("あ1 a、。！…？」）♪\n"), min_size=1))
def test_nothing_that_is_spoken_is_lost_or_left_waiting_for_the_flush(text: str) -> None:
    sent = with_stop(text)
    assert [each for each in sent if each.isalnum()] == [each for each in text if each.isalnum()]
    assert gather(sent, 10)[1] == ""


async def test_a_text_with_nothing_to_speak_is_silence_and_costs_no_request() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, "……！？") == b""
        assert simulator.texts == []


# ---------------------------------------------------------------- interruption

CANCELLED = [">task_continue", ">task_flush", "sentence_start", ">task_cancel", "task_canceled"]


@pytest.mark.parametrize(
    "manner",
    [
        Manner(pace=20),
        Manner(pace=20, late_messages=5),
        Manner(pace=20, stray_messages=5),
        Manner(pace=20, late_messages=2, stray_messages=2, message_bytes=1001),
        Manner(pace=20, flushes="at once"),
        Manner(pace=20, message_bytes=320, late_messages=100),
    ],
    ids=changes_of,
)
async def test_a_barge_in_costs_no_new_connection_and_nothing_of_it_is_heard_later(manner: Manner) -> None:
    async with minimax(manner) as (simulator, tts):
        for turn in range(3):
            await interrupt(tts, f"{turn}番目のとても長い文です。")
            async with tts.open_synthesis(Voice()) as synthesis:
                async with aclosing(synthesis.synthesize(f"{turn}番目の返事です。", "auto")) as pieces:
                    heard = await anext(pieces)
                assert simulator.speech(f"{turn}番目の返事です。").startswith(heard)
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        (call,) = [call for call in simulator.calls if call.texts]
        assert call.count(">task_cancel") == call.count("task_canceled") == 6


async def test_an_interrupted_turn_says_so_to_the_vendor_and_the_next_begins_after_the_answer() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts):
        await interrupt(tts, "とても長い一つの文です。")
        async with tts.open_synthesis(Voice()) as synthesis:
            await hear(synthesis, SHORT)
        call = simulator.call_of(SHORT)
        await simulator.until(lambda: not call.open)
        assert call.events == TURN + CANCELLED + SENTENCE + END


async def test_a_turn_that_was_heard_out_hangs_up_and_one_that_was_not_used_is_kept() -> None:
    async with minimax() as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            await simulator.until(lambda: len(simulator.waiting) == 2)
            await hear(synthesis, SHORT)
        await simulator.until(lambda: len(simulator.open_calls) == 1)
        assert simulator.open_calls == simulator.waiting
        assert simulator.call_of(SHORT).count(">task_finish") == 1


async def test_a_sentence_that_nobody_hears_out_leaves_the_session_to_the_next_one_of_its_turn() -> None:
    async with minimax(Manner(pace=20, late_messages=2)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        for turn in range(3):
            async with aclosing(synthesis.synthesize(LONG, "auto")) as pieces:
                await anext(pieces)
            assert await hear(synthesis, f"{turn}番目。") == simulator.speech(f"{turn}番目。")
        assert simulator.call_of(LONG).texts == [LONG, "0番目。", LONG, "1番目。", LONG, "2番目。"]


async def test_a_sentence_of_the_same_turn_does_not_wait_for_an_answer_that_never_comes() -> None:
    async with (
        minimax(Manner(pace=20), first_audio_s=0.5) as (simulator, tts),
        tts.open_synthesis(Voice()) as synthesis,
    ):
        simulator.faults.append(Fault("cancel", stall=True))
        async with aclosing(synthesis.synthesize(LONG, "auto")) as pieces:
            await anext(pieces)
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert simulator.texts == [LONG, SHORT]


async def test_what_another_sentence_waits_behind_is_not_cancelled() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        async with anyio.create_task_group() as tasks:
            heard: list[bytes] = []

            async def listen() -> None:
                heard.append(await hear(synthesis, SHORT))

            async with aclosing(synthesis.synthesize(LONG, "auto")) as pieces:
                await anext(pieces)
                tasks.start_soon(listen)
                await simulator.until(lambda: SHORT in simulator.texts)
        assert heard == [simulator.speech(SHORT)]
        call = simulator.call_of(LONG)
        assert call.texts == [LONG, SHORT] and call.count(">task_cancel") == 0


async def test_all_sentences_under_way_are_cancelled_at_once() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts):
        async with anyio.create_task_group() as tasks:

            async def turn() -> None:
                async with tts.open_synthesis(Voice()) as synthesis:
                    await hear_together(synthesis, LONG, SHORT, "ええ。")

            tasks.start_soon(turn)
            await simulator.until(lambda: len(simulator.texts) == 3)
            tasks.cancel_scope.cancel()
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, "次。") == simulator.speech("次。")
        call = simulator.call_of("次。")
        assert len(call.texts) == 4 and call.count(">task_cancel") == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("cancel", stall=True),
        Fault("cancel", drop=True),
        Fault("cancel", status=2206),
        Fault("cancel", status=2202, event="task_canceled"),
        Fault("cancel", status=1002),
        Fault("cancel", raw="{"),
        Fault("cancel", raw='{"event":"task_finished"}'),
    ],
    ids=changes_of,
)
async def test_a_cancellation_that_is_not_acknowledged_costs_a_new_connection_and_nothing_else(fault: Fault) -> None:
    fault = replace(fault)
    with capture_logs() as logs:
        async with minimax(Manner(pace=20), first_audio_s=0.5) as (simulator, tts):
            simulator.faults.append(fault)
            await interrupt(tts, LONG)
            interrupted = simulator.call_of(LONG)
            await simulator.until(lambda: fault.times == 0)
            async with tts.open_synthesis(Voice()) as synthesis:
                assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
            assert interrupted.texts == [LONG]
            await simulator.until(lambda: not interrupted.open)
    assert logs == []


async def test_turns_at_the_same_time_share_nothing() -> None:
    async with minimax(Manner(pace=40)) as (simulator, tts):

        async def turn(name: str) -> None:
            for n in range(2):
                async with tts.open_synthesis(Voice()) as synthesis:
                    async with aclosing(synthesis.synthesize(f"{name}の{n}番目の長い文。", "auto")) as pieces:
                        await anext(pieces)
                    text = f"{name}の{n}番目。"
                    assert await hear(synthesis, text) == simulator.speech(text)
                    async with aclosing(synthesis.synthesize(f"{name}の{n}番目の長い文。", "auto")) as pieces:
                        await anext(pieces)

        async with anyio.create_task_group() as tasks:
            for name in "あいうえお":
                tasks.start_soon(turn, name)
        await simulator.until(lambda: len(simulator.open_calls) <= 8)


async def test_an_interrupted_session_is_handed_on_to_its_own_voice_and_emotion_alone() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts):
        await interrupt(tts, LONG, "happy")
        turns: list[tuple[Voice, Emotion]] = [
            (Voice("Japanese_CalmLady"), "happy"),
            (Voice(), "sad"),
            (Voice(), "happy"),
        ]
        for voice, emotion in turns:
            async with tts.open_synthesis(voice) as synthesis:
                text = f"{voice.voice_id}が{emotion}。"
                assert await hear(synthesis, text, emotion) == simulator.speech(text)
        assert simulator.call_of(LONG).texts == [LONG, "Noneがhappy。"]


async def test_what_is_interrupted_before_its_first_sound_is_cancelled_too() -> None:
    async with minimax(Manner(first_audio_s=3600), first_audio_s=7200) as (simulator, tts):
        async with anyio.create_task_group() as tasks:

            async def turn() -> None:
                async with tts.open_synthesis(Voice()) as synthesis:
                    await hear(synthesis, LONG)

            tasks.start_soon(turn)
            await simulator.until(lambda: LONG in simulator.texts)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        simulator.manner.first_audio_s = 0
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert simulator.call_of(SHORT).texts == [LONG, SHORT]


@pytest.mark.parametrize("stage", ["connect", "start", "text", "speech", "final", "flush", "cancel"])
async def test_a_cancelled_turn_leaves_nothing_behind(stage: Any) -> None:
    async with minimax() as (simulator, tts):
        simulator.faults.append(Fault(stage, stall=True, times=math.inf))
        async with anyio.create_task_group() as tasks:

            async def turn() -> None:
                async with tts.open_synthesis(Voice()) as synthesis:
                    await hear(synthesis, LONG, "sad")

            tasks.start_soon(turn)
            await simulator.until(lambda: len(simulator.calls) >= 2)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        simulator.faults.clear()
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    "fault",
    [
        Fault("text", drop=True),
        Fault("text", stall=True),
        Fault("text", status=1000),
        Fault("text", status=2201),
        Fault("text", raw="{"),
        Fault("text", raw='{"event":"task_continued","data":{"audio":"0g"}}'),
        Fault("text", raw=b"\0\1"),
        Fault("final", drop=True),
        Fault("final", stall=True),
        Fault("flush", drop=True),
    ],
    ids=changes_of,
)
async def test_tts_drops_or_stalls_in_a_sentence(fault: Fault) -> None:
    fault = replace(fault)
    # The whole audio comes in the message that does not come; a flush is acknowledged at once, so before any audio.
    manner = Manner(message_bytes=200_000, flushes="at once" if fault.at == "flush" else "after speech")
    first_audio_s = 0.4 if fault.stall else 5
    async with (
        minimax(manner, first_audio_s=first_audio_s) as (simulator, tts),
        tts.open_synthesis(Voice()) as synthesis,
    ):
        simulator.faults.append(fault)
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert fault.times == 0
        assert await hear(synthesis, "次の文。") == simulator.speech("次の文。")


@pytest.mark.parametrize("fault", [Fault("text", drop=True), Fault("text", stall=True)], ids=changes_of)
async def test_tts_drops_or_stalls_twice_and_is_not_asked_a_third_time(fault: Fault) -> None:
    async with minimax(first_audio_s=0.2 if fault.stall else 5) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            simulator.faults.append(replace(fault, times=3))
            error, heard = await fail(synthesis, SHORT)
            assert heard == b"" and error.retryable and not error.one_sentence
            assert simulator.faults[0].times == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("speech", drop=True, after_bytes=6400),
        Fault("speech", stall=True, after_bytes=6400),
        Fault("flush", drop=True),
        Fault("flush", stall=True),
    ],
    ids=changes_of,
)
async def test_tts_drops_or_stalls_when_some_of_the_sentence_was_sent(fault: Fault) -> None:
    fault = replace(fault)
    async with minimax(Manner(pace=20), gap_s=0.2) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(fault)
        error, heard = await fail(synthesis, LONG)
        whole = simulator.speech(LONG)
        assert heard == (whole[:6400] if fault.at == "speech" else whole)
        assert error.retryable and not error.one_sentence and error.timed_out == fault.stall
        assert await hear(synthesis, LONG) == whole
        assert simulator.texts == [LONG, LONG]


@pytest.mark.parametrize("code", [1026, 1027, 1042, 2203, 2204])
@pytest.mark.parametrize("event", ["task_failed", "task_continued"])
async def test_a_refused_sentence_does_not_silence_the_following_ones(code: int, event: str) -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("text", status=code, event=event, text="悪い文。"))
        assert await hear(synthesis, "良い文。") == simulator.speech("良い文。")
        error, _ = await fail(synthesis, "悪い文。")
        assert error.one_sentence and not error.retryable
        for text in (LONG, SHORT):
            assert await hear(synthesis, text) == simulator.speech(text)


@pytest.mark.parametrize("flushes", ["after speech", "at once"])
async def test_the_flush_of_a_skipped_text_does_not_end_the_next_one(flushes: Any) -> None:
    async with minimax(Manner(flushes=flushes)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("text", status=2203, text="悪い文。"))
        await until_ready(simulator)
        await fail(synthesis, "悪い文。")
        texts = ("一つ目。", "二つ目。")
        assert await hear_together(synthesis, *texts) == {text: simulator.speech(text) for text in texts}
        assert simulator.handshakes == 2  # the skipped text cost no connection


@pytest.mark.parametrize("refused", ["一つ目。", "二つ目。"])
@pytest.mark.parametrize("code", [1026, 2204])
async def test_a_refusal_hits_the_sentence_that_is_meant_though_two_are_under_way(refused: str, code: int) -> None:
    async with minimax(Manner(first_audio_s=0.05)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("text", status=code, text=refused, times=math.inf))
        heard = await hear_together(synthesis, "一つ目。", "二つ目。")
        error = heard.pop(refused)
        assert isinstance(error, TTSError) and error.one_sentence
        assert heard == {text: simulator.speech(text) for text in heard}


@pytest.mark.parametrize("code", [1002, 1039, 1041, 2045, 2205])
async def test_too_many_requests_wait_and_ask_again_only_for_what_is_unfinished(code: int) -> None:
    async with minimax(first_audio_s=1) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, "一つ目。") == simulator.speech("一つ目。")
        simulator.faults.append(Fault("text", status=code))
        assert await hear(synthesis, "二つ目。") == simulator.speech("二つ目。")
        assert simulator.texts == ["一つ目。", "二つ目。"]


async def test_too_many_requests_in_the_middle_of_a_sentence_cut_it_and_spare_the_next() -> None:
    async with minimax(first_audio_s=1) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("speech", status=1002, after_bytes=9600))
        error, heard = await fail(synthesis, LONG)
        assert error.one_sentence and error.retryable
        assert heard and simulator.speech(LONG).startswith(heard)
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("handshake", status=401), "MINIMAX_API_KEY"),
        (Fault("handshake", status=404), "endpoints.tts"),
        (Fault("connect", status=2049), "MINIMAX_API_KEY"),
        (Fault("start", status=1008), "balance"),
        (Fault("start", status=2054), "voice_id"),
        (Fault("text", status=2206), "understand"),
    ],
    ids=changes_of,
)
async def test_tts_key_refused_voice_unknown_balance(fault: Fault, says: str) -> None:
    with capture_logs() as logs:
        async with minimax() as (simulator, tts):
            simulator.faults.append(replace(fault, times=math.inf))
            for _ in range(2):
                async with tts.open_synthesis(Voice()) as synthesis:
                    error, _ = await fail(synthesis, SHORT)
                    assert not error.retryable and not error.one_sentence and says in str(error)
            simulator.faults.clear()
            async with tts.open_synthesis(Voice()) as synthesis:
                assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
    assert [log["log_level"] for log in logs] == ["error"]


async def test_a_kept_session_that_died_is_replaced_silently() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts):
        await interrupt(tts, LONG)
        await simulator.until(lambda: simulator.call_of(LONG).count("task_canceled") == 1)
        for socket in list(simulator.sockets):
            socket.transport.abort()
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_a_kept_session_that_is_dead_without_a_sign_is_replaced_silently() -> None:
    async with minimax(Manner(pace=20), first_audio_s=0.5) as (simulator, tts):
        await interrupt(tts, LONG)
        simulator.faults += [Fault("text", stall=True), Fault("start", stall=True)]
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_a_session_idle_for_too_long_is_replaced_silently() -> None:
    async with minimax(Manner(idle_s=0.05)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        for text in ("一つ目。", "二つ目。"):
            await simulator.until(lambda: bool(simulator.calls) and not simulator.open_calls)
            assert await hear(synthesis, text) == simulator.speech(text)


def open_descriptors() -> int:
    """0 where the system does not say."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


async def test_every_turn_ends_and_nothing_leaks_when_much_fails_and_many_interrupt() -> None:
    chance = random.Random(20261122)
    makers: list[dict[str, Any]] = [
        *({"at": stage, "drop": True} for stage in ("connect", "start", "text", "speech", "final", "flush", "cancel")),
        *({"at": "text", "status": code} for code in (1000, 1002, 1008, 1026, 1041, 2013, 2201, 2203, 2205)),
        *({"at": stage, "stall": True} for stage in ("start", "text", "final", "flush", "cancel")),
        {"at": "handshake", "status": 503},
    ]
    emotions: list[Emotion] = ["auto", "happy", "sad"]
    descriptors = open_descriptors()
    manner = Manner(late_messages=2, stray_messages=2, message_bytes=640)
    async with minimax(manner, first_audio_s=0.1, gap_s=0.1, connect_s=0.5) as (simulator, tts):
        for turn in range(60):
            async with tts.open_synthesis(Voice()) as synthesis:
                for sentence in range(3):
                    if chance.random() < 0.3:
                        simulator.faults.append(Fault(**chance.choice(makers)))
                    text, emotion = f"{turn}の{sentence}番目の文。", chance.choice(emotions)
                    if chance.random() < 0.5:
                        synthesis.expect(emotion, chance.choice(["", text[:5], text[:5], "別の文、"]))
                        for _ in range(chance.choice([1, 50])):  # so that there is time to send them, or not
                            await anyio.lowlevel.checkpoint()
                    try:
                        if chance.random() < 0.3:
                            async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
                                heard = await anext(pieces, b"")
                        else:
                            heard = await hear(synthesis, text, emotion)
                            assert heard == simulator.speech(text)
                    except TTSError:
                        continue
                    assert simulator.speech(text).startswith(heard)
            assert len(simulator.open_calls) <= 40
    assert open_descriptors() <= descriptors


# ---------------------------------------------------------------- what an event is about

RATE = 16000
PIECE = Audio(b"\1\0", is_final=False)
LAST = Audio(b"\2\0", is_final=True)
STARTED, ENDED, FLUSHED, CANCELED = Mark.SENTENCE_STARTED, Mark.SENTENCE_ENDED, Mark.FLUSHED, Mark.CANCELED


def queue_of(count: int) -> tuple[BidiTextQueue, list[Text]]:
    queue = BidiTextQueue(RATE)
    return queue, [queue.add() for _ in range(count)]


def receive(queue: BidiTextQueue, *events: Event) -> None:
    for event in events:
        assert queue.receive(event) is None


@pytest.mark.parametrize(
    ("name", "mark"),
    [("sentence_start", STARTED), ("sentence_end", ENDED), ("task_flushed", FLUSHED), ("task_canceled", CANCELED)],
)
def test_the_variants_own_events_are_understood(name: str, mark: Mark) -> None:
    assert decode(f'{{"event":"{name}","connect_id":"c","base_resp":{{"status_code":0}}}}') == mark
    assert decode('{"event":"something_else"}') == Ignored()


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=3), min_size=1, max_size=4))
def test_a_text_is_over_when_its_flush_is_acknowledged_and_all_its_sentences_have_ended(
    texts: list[list[int]],
) -> None:
    """`texts`: of each text its sentences, of each sentence the number of its pieces."""
    queue, queued = queue_of(len(texts))
    for k, sentences in enumerate(texts):
        for pieces in sentences:
            receive(queue, STARTED, *[PIECE] * pieces, LAST, ENDED)
            assert [text.ended for text in queued] == [n < k for n in range(len(texts))]
        receive(queue, FLUSHED)
        assert [text.ended for text in queued] == [n <= k for n in range(len(texts))]
    assert [len(text.pieces) for text in queued] == [sum(pieces + 1 for pieces in text) for text in texts]


def test_a_text_whose_end_is_not_sent_is_not_over_when_what_was_sent_of_it_is_spoken() -> None:
    queue, (first,) = queue_of(1)
    receive(queue, STARTED, PIECE, LAST, ENDED)
    assert not first.ended
    receive(queue, STARTED, LAST, ENDED, FLUSHED)
    assert first.ended and len(first.pieces) == 3


def test_a_flush_acknowledged_early_waits_for_the_sentence() -> None:
    queue, (first, second) = queue_of(2)
    receive(queue, FLUSHED, FLUSHED)
    assert not first.ended
    receive(queue, STARTED, PIECE, LAST, ENDED)
    assert first.ended and not second.ended
    receive(queue, STARTED, LAST, ENDED)
    assert second.ended and len(second.pieces) == 1


def test_audio_before_a_texts_first_sentence_is_not_its_own() -> None:
    queue, (first,) = queue_of(1)
    receive(queue, STARTED, PIECE, ENDED, FLUSHED)
    second = queue.add()
    receive(queue, PIECE, LAST, ENDED)
    assert (second.pieces, second.ended, len(first.pieces)) == ([], False, 1)


def test_a_server_that_announces_no_sentence_is_understood() -> None:
    queue, (first, second) = queue_of(2)
    receive(queue, PIECE, LAST, FLUSHED, PIECE, LAST, PIECE, FLUSHED)
    assert first.ended and second.ended
    assert [len(text.pieces) for text in (first, second)] == [2, 3]


def test_an_odd_byte_at_a_sentences_end_does_not_shift_the_next_one() -> None:
    queue, (text,) = queue_of(1)
    odd = Audio(b"\1\0\1", is_final=False)
    receive(queue, STARTED, odd, ENDED, STARTED, PIECE, ENDED, FLUSHED)
    assert b"".join(text.pieces) == b"\1\0\1\0"


def test_everything_before_the_cancellations_answer_is_dropped_and_nothing_after() -> None:
    queue, (text,) = queue_of(1)
    receive(queue, STARTED, PIECE)
    text.pieces.clear()
    assert queue.cancel() == b'{"event":"task_cancel"}'
    following = queue.add()
    receive(queue, PIECE, LAST, ENDED, STARTED, PIECE, FLUSHED, Refusal(status_fault(2205), True))
    assert queue.canceling and following.pieces == []
    receive(queue, CANCELED, STARTED, PIECE, ENDED, FLUSHED)
    assert not queue.canceling and text.pieces == []
    assert following.ended and len(following.pieces) == 1


@pytest.mark.parametrize("event", [Refusal(status_fault(1000)), TaskFinished()])
def test_what_ends_the_connection_ends_it_in_a_cancellation_too(event: Event) -> None:
    queue, _ = queue_of(1)
    queue.cancel()
    assert queue.receive(event) is not None


# ---------------------------------------------------------------- a hint of the emotion to come, in both variants

AnySimulator = BidiSimulator | MinimaxSimulator


@pytest.fixture(params=["plain", "bidirectional"])
async def vendor(request: pytest.FixtureRequest) -> AsyncIterator[AnySimulator]:
    with anyio.fail_after(60):
        async with simulate_minimax() as plain, simulate_minimax_bidi() as bidirectional:
            yield plain if request.param == "plain" else bidirectional


def started(vendor: AnySimulator) -> list[str | None]:
    return [call.emotion for call in vendor.calls if call.start]


async def until_ready(vendor: AnySimulator) -> None:
    """Until a turn has what it opens by itself: a task that is likely, and a connection without one."""
    await vendor.until(lambda: len(vendor.waiting) == 2 and len(started(vendor)) == 1)
    await anyio.wait_all_tasks_blocked()


async def test_an_expected_emotion_finds_its_task_already_started(vendor: AnySimulator) -> None:
    async with open_tts(settings_for(vendor)) as tts, tts.open_synthesis(Voice()) as synthesis:
        await until_ready(vendor)
        synthesis.expect("angry")
        await vendor.until(lambda: started(vendor) == ["auto", "angry"])
        assert vendor.handshakes == 2  # the spare one served
        synthesis.expect("surprised")
        await vendor.until(lambda: started(vendor) == ["auto", "angry", "surprised"])
        before = (vendor.handshakes, len(started(vendor)))
        emotions: list[Emotion] = ["surprised", "angry"]
        for emotion in emotions:
            text = f"これは{emotion}。"
            assert await hear(synthesis, text, emotion) == vendor.speech(text)
            assert vendor.call_of(text).emotion == emotion
        assert (vendor.handshakes, len(started(vendor))) == before


async def test_an_emotion_that_is_prepared_or_being_prepared_is_not_prepared_twice(vendor: AnySimulator) -> None:
    async with open_tts(settings_for(vendor)) as tts, tts.open_synthesis(Voice()) as synthesis:
        for _ in range(3):
            synthesis.expect("auto")
            synthesis.expect("sad")
        assert await hear(synthesis, SHORT, "sad") == vendor.speech(SHORT)
        for _ in range(3):
            synthesis.expect("sad")
            synthesis.expect("auto")
        assert await hear(synthesis, "ええ。") == vendor.speech("ええ。")
        assert sorted(map(str, started(vendor))) == ["auto", "sad"] and vendor.handshakes == 2


async def test_an_expected_emotion_takes_what_an_earlier_turn_left(vendor: AnySimulator) -> None:
    async with open_tts(settings_for(vendor)) as tts:
        async with tts.open_synthesis(Voice()) as synthesis:
            await until_ready(vendor)
            synthesis.expect("happy")
            await vendor.until(lambda: started(vendor) == ["auto", "happy"])
            await hear(synthesis, "ええ。")  # meanwhile the answer arrives
        async with tts.open_synthesis(Voice()) as synthesis:
            synthesis.expect("happy")
            assert await hear(synthesis, SHORT, "happy") == vendor.speech(SHORT)
            assert started(vendor).count("happy") == 1


async def test_a_hint_never_raises(vendor: AnySimulator) -> None:
    async with open_tts(settings_for(vendor)) as tts:
        async with tts.open_synthesis(Voice("no_such_voice")) as synthesis:
            synthesis.expect("calm")
            synthesis.expect("happy")
            error, _ = await fail(synthesis, SHORT, "happy")
            assert "voice_id" in str(error)
        synthesis.expect("sad")
        async with tts.open_synthesis(Voice()) as synthesis:
            synthesis.expect("sad")  # and nothing comes of it
    await vendor.until(lambda: not vendor.open_calls)
    synthesis.expect("sad")


async def test_a_sentence_whose_emotion_was_expected_waits_for_no_round_trip() -> None:
    async with minimax(Manner(round_trip_s=0.05)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:

        def answers(event: str) -> int:
            return sum(call.count(event) for call in simulator.calls)

        synthesis.expect("angry")
        await simulator.until(lambda: answers("task_started") == 2)
        before = (simulator.handshakes, answers("connected_success"), answers("task_started"))
        assert await hear(synthesis, SHORT, "angry") == simulator.speech(SHORT)
        assert (simulator.handshakes, answers("connected_success"), answers("task_started")) == before
        assert simulator.call_of(SHORT).events[: len(TURN) + 2] == TURN + SENTENCE[:2]


async def test_a_sentence_waits_for_what_a_hint_has_begun() -> None:
    async with minimax(Manner(round_trip_s=0.02)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        synthesis.expect("angry")
        assert await hear(synthesis, SHORT, "angry") == simulator.speech(SHORT)
        assert started(simulator).count("angry") == 1


async def test_what_a_hint_could_not_prepare_is_prepared_by_the_sentence() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        await until_ready(simulator)
        simulator.faults += [Fault("start", drop=True), Fault("connect", status=1002), Fault("handshake", status=503)]
        synthesis.expect("sad")
        assert await hear(synthesis, SHORT, "sad") == simulator.speech(SHORT)


async def test_a_hint_waits_for_the_end_of_what_was_cancelled() -> None:
    async with minimax(Manner(pace=20, late_messages=3)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        async with aclosing(synthesis.synthesize(LONG, "auto")) as pieces:
            await anext(pieces)
        synthesis.expect("auto")
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert simulator.call_of(SHORT).texts == [LONG, SHORT]


async def test_a_hint_makes_up_for_a_cancellation_that_is_not_acknowledged() -> None:
    async with (
        minimax(Manner(pace=20), first_audio_s=0.5) as (simulator, tts),
        tts.open_synthesis(Voice()) as synthesis,
    ):
        simulator.faults.append(Fault("cancel", stall=True))
        async with aclosing(synthesis.synthesize(LONG, "auto")) as pieces:
            await anext(pieces)
        synthesis.expect("auto")
        await simulator.until(lambda: started(simulator) == ["auto", "auto"])
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_a_refusal_that_a_hint_met_is_forgotten_when_the_next_one_succeeds(vendor: AnySimulator) -> None:
    async with open_tts(settings_for(vendor)) as tts, tts.open_synthesis(Voice()) as synthesis:
        await until_ready(vendor)
        if isinstance(vendor, BidiSimulator):
            vendor.faults.append(Fault("start", status=2054))
        else:
            vendor.faults.append(PlainFault("start", status=2054))
        synthesis.expect("sad")
        await vendor.until(lambda: 2054 in [code for call in vendor.calls for code in call.sent_codes])
        await vendor.until(lambda: len(vendor.open_calls) == 1)
        synthesis.expect("sad")
        await vendor.until(lambda: started(vendor) == ["auto", "sad", "sad"])
        assert await hear(synthesis, SHORT, "sad") == vendor.speech(SHORT)


async def test_what_died_with_audio_not_yet_read_is_let_go() -> None:
    async with minimax(Manner(pace=20, message_bytes=320, late_messages=20)) as (simulator, tts):
        simulator.faults.append(Fault("cancel", drop=True))
        await interrupt(tts, LONG)
        await simulator.until(lambda: not simulator.call_of(LONG).open)
    gc.collect()  # where a connection was not closed, its destructor warns, and a warning is an error
