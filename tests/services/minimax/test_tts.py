"""MiniMax against a strict simulator of it: the same audio under every variation, and every fault ends well.

Longer than the house allows, because the rows of the fault table stand together.
"""

import asyncio
import math
import random
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from services.base import TTS, Emotion, Synthesis, TTSError, Voice
from services.engine_choice import EngineUnavailable
from services.engine_settings import TTSSettings
from services.vendors.minimax.tts import open_tts
from tests.simulators.minimax import KEY, Fault, Manner, MinimaxSimulator, simulate_minimax

pytestmark = pytest.mark.anyio

LONG = "今日はとても良い天気ですね、散歩に行きましょう。"  # 1.44 s
SHORT = "うん。"


def changes_of(variation: Manner | Fault | object) -> str:
    """A short name for a test: what is not as it is by default."""
    if not isinstance(variation, Manner | Fault):
        return str(variation)
    named = {field.name: (getattr(variation, field.name), field.default) for field in fields(variation)}
    return "-".join(f"{name}={str(value)[:20]}" for name, (value, default) in named.items() if value != default)


def settings_for(simulator: MinimaxSimulator, **changes: Any) -> TTSSettings:
    return TTSSettings(
        **{"endpoint": simulator.url, "model": "speech-2.8-hd", "secrets": {"MINIMAX_API_KEY": KEY}, **changes}
    )


@asynccontextmanager
async def minimax(manner: Manner | None = None, **changes: Any) -> AsyncIterator[tuple[MinimaxSimulator, TTS]]:
    """A vendor and our engine for it; afterwards not a socket and not a task of ours is left."""
    with anyio.fail_after(60):  # a test that hangs is a test that fails
        async with simulate_minimax(manner) as simulator, _watched(simulator):
            async with open_tts(settings_for(simulator, **changes)) as tts:
                yield simulator, tts


@asynccontextmanager
async def _watched(simulator: MinimaxSimulator) -> AsyncIterator[None]:
    tasks = asyncio.all_tasks()
    yield
    await simulator.until(lambda: not simulator.open_calls)
    await anyio.wait_all_tasks_blocked()
    left = [task.get_coro() for task in asyncio.all_tasks() - tasks]
    assert [name for name in map(_name_of, left) if "protocol_handler" not in name] == []  # that one is the simulator's


def _name_of(coroutine: Any) -> str:
    return str(coroutine.__qualname__)


async def hear(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> bytes:
    async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
        heard = [piece async for piece in pieces]
    assert all(piece and len(piece) % 2 == 0 for piece in heard)
    return b"".join(heard)


async def fail(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> tuple[TTSError, bytes]:
    """The error that ends a sentence, and what was heard of it before."""
    heard: list[bytes] = []
    with pytest.raises(TTSError) as raised:
        async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
            async for piece in pieces:
                heard.append(piece)
    return raised.value, b"".join(heard)


async def until_started(simulator: MinimaxSimulator, emotion: Emotion) -> None:
    """Until a task with this emotion waits for its first text."""
    await simulator.until(lambda: emotion in [call.emotion for call in simulator.waiting])


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
        Manner(final="whole again"),
        Manner(final="whole again", counts_bytes=False),
        Manner(final="whole again", message_bytes=3201, names_event=False),
        Manner(names_event=False, counts_bytes=False),
    ],
    ids=changes_of,
)
async def test_tts_final_frame_repeats_the_whole_odd_bytes_missing_event_null_data(manner: Manner) -> None:
    async with minimax(manner) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        text = LONG if manner.message_bytes > 1 else SHORT
        for emotion in ("auto", "happy"):
            assert await hear(synthesis, text, emotion) == simulator.speech(text)


async def test_a_repeated_whole_is_recognised_in_a_short_sentence_by_the_vendors_count() -> None:
    async with minimax(Manner(final="whole again")) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_a_voice_is_spoken_at_the_configured_rate_as_its_character_has_it() -> None:
    voice = Voice("Japanese_CalmLady", "speech-2.6-turbo", speed=1.2, pitch=-2)
    async with minimax(sample_rate_hz=24000) as (simulator, tts), tts.open_synthesis(voice) as synthesis:
        assert await hear(synthesis, SHORT, "sad") == simulator.speech(SHORT)
        start = simulator.call_of(SHORT).start
        assert start is not None
        assert (start["model"], start["audio_setting"]["sample_rate"]) == ("speech-2.6-turbo", 24000)
        assert start["voice_setting"]["voice_id"] == "Japanese_CalmLady"
        assert start["voice_setting"]["emotion"] == "sad"


async def test_a_sentence_of_another_language_is_spoken_as_such_and_the_next_one_as_japanese_again() -> None:
    said = {"うん。": "Japanese", "好的，我们走吧。": "Chinese", "안녕!": "Korean", "ね。": "Japanese"}
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        for text in said:
            assert await hear(synthesis, text, "happy") == simulator.speech(text)
        starts = {text: simulator.call_of(text).start for text in said}
        assert {text: start and start["language_boost"] for text, start in starts.items()} == said


async def test_one_emotion_is_one_connection_and_the_next_sentence_is_sent_while_one_is_received() -> None:
    manner = Manner(first_audio_s=0.05, pace=20)
    async with minimax(manner) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        async with aclosing(synthesis.synthesize("一つ目の文です。", "happy")) as first:
            heard = [await anext(first)]
            async with aclosing(synthesis.synthesize("二つ目の文です。", "happy")) as second:
                async with anyio.create_task_group() as tasks:
                    ahead: list[bytes] = []

                    async def read_ahead() -> None:
                        ahead.append(await anext(second))

                    tasks.start_soon(read_ahead)
                    call = simulator.call_of("一つ目の文です。")
                    while len(call.texts) < 2:
                        heard.append(await anext(first))
                    assert call.spoken == []
                    heard += [piece async for piece in first]
                ahead += [piece async for piece in second]
        assert b"".join(heard) == simulator.speech("一つ目の文です。")
        assert b"".join(ahead) == simulator.speech("二つ目の文です。")
        assert call.texts == ["一つ目の文です。", "二つ目の文です。"]


async def test_sentences_asked_for_together_are_not_mixed() -> None:
    async with minimax(Manner(message_bytes=101)) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis, anyio.create_task_group() as tasks:
            heard: dict[str, bytes] = {}

            async def listen(text: str) -> None:
                heard[text] = await hear(synthesis, text)

            for text in ("あいうえおかき。", "さし。"):
                tasks.start_soon(listen, text)
        assert heard == {text: simulator.speech(text) for text in ("あいうえおかき。", "さし。")}


async def test_a_change_of_emotion_speaks_while_the_last_sentence_is_still_being_received() -> None:
    async with minimax(Manner(pace=4)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        async with aclosing(synthesis.synthesize(LONG, "happy")) as first:
            await anext(first)
            assert await hear(synthesis, SHORT, "sad") == simulator.speech(SHORT)
            assert simulator.call_of(LONG).spoken == []
            async for _ in first:
                pass
        assert await hear(synthesis, SHORT * 2, "happy") == simulator.speech(SHORT * 2)
    assert {call.emotion: call.texts for call in simulator.calls if call.texts} == {
        "happy": [LONG, SHORT * 2],
        "sad": [SHORT],
    }


async def test_the_first_sentence_finds_its_task_already_started() -> None:
    async with minimax() as (simulator, tts):
        emotions: list[Emotion] = ["auto", "sad"]  # at first nothing is known, then how the turn before began
        for expected, emotion in zip(emotions, reversed(emotions), strict=True):
            async with tts.open_synthesis(Voice()) as synthesis:
                await until_started(simulator, expected)
                before = [call for call in simulator.calls if call.start]
                await hear(synthesis, f"初めは{emotion}。", expected)
                assert [call for call in simulator.calls if call.start] == before
            async with tts.open_synthesis(Voice()) as synthesis:
                await hear(synthesis, f"次は{emotion}。", emotion)


async def test_an_unexpected_emotion_finds_a_connection_already_made() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        await simulator.until(lambda: len(simulator.waiting) == 2)
        await hear(synthesis, SHORT, "angry")
        assert simulator.handshakes == 2


async def test_what_a_turn_leaves_unused_serves_the_next_and_what_it_used_does_not() -> None:
    async with minimax() as (simulator, tts):
        for turn in range(4):
            async with tts.open_synthesis(Voice()) as synthesis:
                await simulator.until(lambda: len(simulator.waiting) == 2)
                await until_started(simulator, "auto")
                await hear(synthesis, f"{turn}番目。")
        assert [call.texts for call in simulator.calls if call.texts] == [[f"{turn}番目。"] for turn in range(4)]
        assert simulator.handshakes == 5


async def test_a_connection_idle_for_too_long_is_replaced_silently() -> None:
    async with minimax(Manner(idle_s=0.05)) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            for text in ("一つ目。", "二つ目。"):
                await simulator.until(lambda: bool(simulator.calls) and not simulator.open_calls)
                assert await hear(synthesis, text) == simulator.speech(text)
        await simulator.until(lambda: not simulator.open_calls)
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_the_key_goes_into_the_header_and_no_compression_is_offered() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        await hear(synthesis, SHORT)
        headers = {name.lower(): value for name, value in simulator.calls[0].headers.items()}
        assert headers["authorization"] == f"Bearer {KEY}"
        assert "sec-websocket-extensions" not in headers


async def test_turns_at_the_same_time_share_nothing() -> None:
    async with minimax() as (simulator, tts):

        async def turn(name: str) -> None:
            async with tts.open_synthesis(Voice()) as synthesis:
                for n in range(3):
                    await hear(synthesis, f"{name}の{n}番目。")

        async with anyio.create_task_group() as tasks:
            for name in "あいうえお":
                tasks.start_soon(turn, name)
        spoken = [{text[0] for text in call.texts} for call in simulator.calls if call.texts]
        assert sorted(map(sorted, spoken)) == [[name] for name in "あいうえお"]
        assert len(simulator.open_calls) <= 8


async def test_a_kept_connection_that_died_is_replaced_silently() -> None:
    async with minimax() as (simulator, tts):
        async with tts.open_synthesis(Voice()):
            await until_started(simulator, "auto")
        for socket in list(simulator.sockets):
            socket.transport.abort()
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert simulator.texts == [SHORT]


async def test_a_kept_connection_that_is_dead_without_a_sign_is_replaced_silently() -> None:
    async with minimax(first_audio_s=0.5) as (simulator, tts):
        async with tts.open_synthesis(Voice()):
            await until_started(simulator, "auto")
        simulator.faults += [Fault("text", stall=True), Fault("start", stall=True, times=1)]
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


@pytest.mark.parametrize("code", [1002, 1039, 2045, 1041])
async def test_too_many_requests_wait_and_ask_again_only_for_what_is_unfinished(code: int) -> None:
    async with minimax(first_audio_s=1) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, "一つ目。") == simulator.speech("一つ目。")
        simulator.faults.append(Fault("text", status=code))
        assert await hear(synthesis, "二つ目。") == simulator.speech("二つ目。")
        assert await hear(synthesis, "三つ目。") == simulator.speech("三つ目。")
        assert simulator.texts == ["一つ目。", "二つ目。", "三つ目。"]


async def test_too_many_requests_in_the_middle_of_a_sentence_cut_it_and_spare_the_next() -> None:
    async with minimax(first_audio_s=1) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("speech", status=1002, after_bytes=9600))
        error, heard = await fail(synthesis, LONG)
        assert error.one_sentence and error.retryable
        assert heard and simulator.speech(LONG).startswith(heard)
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_too_many_requests_for_too_long_end_in_an_error() -> None:
    async with minimax(first_audio_s=0.5) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("text", status=1002, times=math.inf))
        error, _ = await fail(synthesis, SHORT)
        assert error.retryable and not error.one_sentence and "busy" in str(error)
        patience_is_spent, _ = await fail(synthesis, SHORT)  # the turn has one patience, not each sentence
        assert str(patience_is_spent) == str(error)


async def test_too_many_connections_close_those_that_only_wait() -> None:
    async with minimax(Manner(connections=1), first_audio_s=1) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            for emotion in ("happy", "sad", "happy"):
                assert await hear(synthesis, SHORT, emotion) == simulator.speech(SHORT)


async def test_too_much_queued_is_sent_again() -> None:
    async with minimax(Manner(queued_texts=1, pace=20), first_audio_s=1) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis, anyio.create_task_group() as tasks:
            heard: dict[str, bytes] = {}

            async def listen(text: str) -> None:
                heard[text] = await hear(synthesis, text)

            tasks.start_soon(listen, LONG)
            tasks.start_soon(listen, SHORT)
        assert heard == {text: simulator.speech(text) for text in (LONG, SHORT)}
        assert 2205 in [code for call in simulator.calls for code in call.sent_codes]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("text", drop=True),
        Fault("text", stall=True),
        Fault("text", status=1000),
        Fault("text", status=1024),
        Fault("text", status=4711),
        Fault("text", status=2201),
        Fault("text", raw="{"),
        Fault("text", raw='{"event":"task_continued","data":{"audio":"0g"}}'),
        Fault("text", raw=b"\0\1"),
        Fault("text", raw="x" * 5_000_000),
        Fault("final", drop=True),
        Fault("final", stall=True),
    ],
    ids=changes_of,
)
async def test_tts_drops_or_stalls_in_a_sentence(fault: Fault) -> None:
    manner = Manner(message_bytes=200_000)  # with `final`, the whole audio comes in the message that does not come
    fault = replace(fault)
    async with (
        minimax(manner, first_audio_s=0.4 if fault.stall else 5) as (simulator, tts),
        tts.open_synthesis(Voice()) as synthesis,
    ):
        simulator.faults.append(fault)
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert fault.times == 0
        assert await hear(synthesis, LONG) == simulator.speech(LONG)


@pytest.mark.parametrize("fault", [Fault("text", drop=True), Fault("text", stall=True)], ids=str)
async def test_tts_drops_or_stalls_twice_and_is_not_asked_a_third_time(fault: Fault) -> None:
    limit_s = 0.2 if fault.stall else 5
    async with minimax(first_audio_s=limit_s) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(replace(fault, times=3))
        error, heard = await fail(synthesis, SHORT)
        assert heard == b"" and error.retryable and not error.one_sentence
        assert error.timed_out == fault.stall
        assert simulator.faults[0].times == 1


@pytest.mark.parametrize(
    "fault",
    [Fault("speech", drop=True, after_bytes=6400), Fault("speech", stall=True, after_bytes=6400)],
    ids=changes_of,
)
async def test_tts_drops_or_stalls_when_some_of_the_sentence_was_sent(fault: Fault) -> None:
    fault = replace(fault)
    manner = Manner(pace=20)  # so that the first audio is heard before the line breaks
    async with minimax(manner, gap_s=0.2) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(fault)
        error, heard = await fail(synthesis, LONG)
        assert heard == simulator.speech(LONG)[:6400]
        assert error.retryable and not error.one_sentence and error.timed_out == fault.stall
        assert await hear(synthesis, LONG) == simulator.speech(LONG)
        assert simulator.texts == [LONG, LONG]


@pytest.mark.parametrize("code", [1026, 1027, 1042, 2203, 2204])
@pytest.mark.parametrize("event", ["task_failed", "task_continued"])
async def test_a_refused_sentence_does_not_silence_the_following_ones(code: int, event: str) -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("text", status=code, event=event, text="悪い文。"))
        assert await hear(synthesis, "良い文。") == simulator.speech("良い文。")
        error, _ = await fail(synthesis, "悪い文。")
        assert error.one_sentence and not error.retryable
        assert await hear(synthesis, "次の文。") == simulator.speech("次の文。")
        assert simulator.texts == ["良い文。", "次の文。"]


@pytest.mark.parametrize("refused", ["一つ目。", "二つ目。"])
@pytest.mark.parametrize("code", [1026, 2204])
async def test_a_refusal_hits_the_sentence_that_is_meant_though_two_are_under_way(refused: str, code: int) -> None:
    async with minimax(Manner(first_audio_s=0.05)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault("text", status=code, text=refused, times=math.inf))
        heard: dict[str, bytes] = {}
        errors: dict[str, TTSError] = {}

        async def listen(text: str) -> None:
            try:
                heard[text] = await hear(synthesis, text)
            except TTSError as error:
                errors[text] = error

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen, "一つ目。")
            tasks.start_soon(listen, "二つ目。")
        (spoken,) = {"一つ目。", "二つ目。"} - {refused}
        assert heard == {spoken: simulator.speech(spoken)}
        assert list(errors) == [refused] and errors[refused].one_sentence


@pytest.mark.parametrize("text", ["", " \n", "……！？", "♪〜（）"])
async def test_a_sentence_with_nothing_to_speak_is_silence_and_costs_no_request(text: str) -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, text) == b""
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        assert simulator.texts == [SHORT]


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("handshake", status=401), "MINIMAX_API_KEY"),
        (Fault("handshake", status=403), "MINIMAX_API_KEY"),
        (Fault("handshake", status=404), "endpoints.tts"),
        (Fault("handshake", status=307, location="http://127.0.0.1:9/"), "endpoints.tts"),
        (Fault("connect", status=1004), "MINIMAX_API_KEY"),
        (Fault("connect", status=2049), "MINIMAX_API_KEY"),
        (Fault("start", status=2049), "MINIMAX_API_KEY"),
        (Fault("start", status=1008), "balance"),
        (Fault("text", status=1008), "balance"),
        (Fault("start", status=2054), "voice_id"),
        (Fault("start", status=2042), "voice_id"),
        (Fault("start", status=20132), "voice_id"),
        (Fault("start", status=2061), "models.tts_model"),
        (Fault("text", status=2056), "plan"),
        (Fault("text", status=2202), "understand"),
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
                    assert not error.retryable and not error.one_sentence
                    assert says in str(error)
                    for secret in (KEY, simulator.url, "127.0.0.1", "must not be shown"):
                        assert secret not in str(error) + repr(logs)
            simulator.faults.clear()
            async with tts.open_synthesis(Voice()) as synthesis:
                assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
    trace_id = "handshake-trace" if fault.at == "handshake" else "simulated-trace"
    assert [(log["log_level"], log["trace_id"]) for log in logs] == [("error", trace_id)]


@pytest.mark.parametrize("wrong_key", ["http", "1004", "2049"])
async def test_a_wrong_key_is_recognised_in_each_way_the_vendor_may_say_it(wrong_key: Any) -> None:
    wrong = {"MINIMAX_API_KEY": "some-other-key"}
    async with (
        minimax(Manner(wrong_key=wrong_key), secrets=wrong) as (_, tts),
        tts.open_synthesis(Voice()) as synthesis,
    ):
        error, _ = await fail(synthesis, SHORT)
        assert "MINIMAX_API_KEY" in str(error) and "some-other-key" not in str(error)


async def test_an_emotion_the_model_lacks_does_not_silence_the_others() -> None:
    async with minimax() as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        error, _ = await fail(synthesis, SHORT, "fluent")  # type: ignore[arg-type]
        assert error.one_sentence
        assert await hear(synthesis, SHORT, "happy") == simulator.speech(SHORT)


@pytest.mark.parametrize(
    "fault", [Fault("handshake", status=503), Fault("connect", drop=True), Fault("start", drop=True)], ids=changes_of
)
async def test_a_failed_connection_is_made_once_more(fault: Fault) -> None:
    async with minimax(first_audio_s=1) as (simulator, tts):
        simulator.faults.append(replace(fault, times=2))
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_a_vendor_that_cannot_be_reached_is_an_error_that_may_pass() -> None:
    async with simulate_minimax() as simulator:
        settings = settings_for(simulator, first_audio_s=0.2)
    async with open_tts(settings) as tts, tts.open_synthesis(Voice()) as synthesis:
        error, _ = await fail(synthesis, SHORT)
        assert error.retryable and not error.one_sentence


@pytest.mark.parametrize("stage", ["connect", "start"])
async def test_a_vendor_that_does_not_greet_is_given_up(stage: Any) -> None:
    async with minimax(connect_s=0.1, first_audio_s=0.2) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        simulator.faults.append(Fault(stage, stall=True, times=math.inf))
        error, _ = await fail(synthesis, SHORT, "sad")
        assert error.timed_out and error.retryable


@pytest.mark.parametrize("stage", ["connect", "start", "text", "speech", "final"])
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


async def test_a_sentence_that_nobody_hears_out_is_not_heard_in_the_next() -> None:
    async with minimax(Manner(pace=20)) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        async with aclosing(synthesis.synthesize(LONG, "auto")) as pieces:
            await anext(pieces)
        assert await hear(synthesis, SHORT) == simulator.speech(SHORT)


async def test_a_vendor_that_never_answers_the_close_holds_nobody_up() -> None:
    async with simulate_minimax(Manner(deaf_at_end=True)) as simulator:
        async with open_tts(settings_for(simulator)) as tts:
            with anyio.fail_after(60):
                async with tts.open_synthesis(Voice()) as synthesis:
                    await hear(synthesis, SHORT)


async def test_the_turns_own_error_leaves_as_it_is() -> None:
    async with minimax() as (_, tts):
        with pytest.raises(KeyError, match="mine"):
            async with tts.open_synthesis(Voice()):
                raise KeyError("mine")


@pytest.mark.parametrize(
    "changes",
    [
        {"secrets": {}},
        {"endpoint": ""},
        {"endpoint": "https://api.example"},
        {"sample_rate_hz": 48000},
    ],
    ids=changes_of,
)
async def test_settings_that_cannot_be_served_refuse_to_open(changes: dict[str, Any]) -> None:
    settings = {"endpoint": "ws://127.0.0.1:9/ws/v1/t2a_v2", "secrets": {"MINIMAX_API_KEY": KEY}, **changes}
    with pytest.raises(EngineUnavailable):
        async with open_tts(TTSSettings(**settings)):
            pass


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.parametrize("verify_tls", [True, False])
async def test_a_certificate_that_is_not_valid_is_refused_unless_the_operator_says_otherwise(
    verify_tls: bool, self_signed: ssl.SSLContext
) -> None:
    async with simulate_minimax(tls=self_signed) as simulator:
        async with open_tts(settings_for(simulator, verify_tls=verify_tls)) as tts:
            async with tts.open_synthesis(Voice()) as synthesis:
                if verify_tls:
                    error, _ = await fail(synthesis, SHORT)
                    assert not error.retryable and "certificate" in str(error)
                else:
                    assert await hear(synthesis, SHORT) == simulator.speech(SHORT)
        with anyio.fail_after(60):
            await simulator.until(lambda: not simulator.open_calls)


def open_descriptors() -> int:
    """0 where the system does not say."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


@pytest.mark.slow
async def test_every_turn_ends_and_nothing_leaks_when_one_call_in_ten_fails() -> None:
    chance = random.Random(20261122)
    makers: list[dict[str, Any]] = [
        *({"at": stage, "drop": True} for stage in ("connect", "start", "text", "speech", "final")),
        *({"at": "text", "status": code} for code in (1000, 1002, 1008, 1026, 1041, 2013, 2201, 2203, 2205)),
        *({"at": stage, "stall": True} for stage in ("start", "text", "final")),
        {"at": "handshake", "status": 503},
    ]
    emotions: list[Emotion] = ["auto", "happy", "sad"]
    descriptors = open_descriptors()
    async with minimax(first_audio_s=0.1, gap_s=0.1, connect_s=0.5) as (simulator, tts):
        for turn in range(60):
            async with tts.open_synthesis(Voice()) as synthesis:
                for sentence in range(3):
                    if chance.random() < 0.3:
                        simulator.faults.append(Fault(**chance.choice(makers)))
                    text = f"{turn}の{sentence}番目の文。"
                    try:
                        heard = await hear(synthesis, text, chance.choice(emotions))
                    except TTSError:
                        continue
                    assert heard == simulator.speech(text)
            assert len(simulator.open_calls) <= 40
    assert open_descriptors() <= descriptors
