"""ByteDance against a strict simulator of it: every sample arrives, every fault ends well, and nothing is left open.

Longer than the house allows, because the rows of the fault table stand together.
"""

import asyncio
import json
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from services.base import ASR, ASRError, Recognition, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.bytedance import asr as bytedance_asr
from services.vendors.bytedance import audio as bytedance_audio
from services.vendors.bytedance.asr import open_asr
from tests.simulators.bytedance import (
    ACCESS_KEY,
    API_KEY,
    APP_KEY,
    BytedanceSimulator,
    Call,
    Fault,
    Manner,
    simulate_bytedance,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HINTS = RecognitionHints("anon")
NEW_KEY = {"BYTEDANCE_API_KEY": API_KEY}
OLD_KEYS = {"BYTEDANCE_APP_KEY": APP_KEY, "BYTEDANCE_ACCESS_KEY": ACCESS_KEY}
RESOURCE = "volc.bigasr.sauc.duration"
PACKET = 6400
KEYS = (API_KEY, APP_KEY, ACCESS_KEY)
VENDORS_OWN_WORDS = "vendor text that must not be shown"


def speech(ms: int, seed: int = 0) -> bytes:
    """Loud, and no two stretches of it alike."""
    noise = np.random.default_rng(seed).integers(-9000, 9000, ms * 16, dtype="<i2")
    return noise.tobytes()


def silence(ms: int) -> bytes:
    return bytes(ms * 32)


def changes_of(variation: object) -> str:
    """A short name for a test: what is not as it is by default."""
    if not isinstance(variation, Manner | Fault):
        return str(variation)
    named = {field.name: (getattr(variation, field.name), field.default) for field in fields(variation)}
    return "-".join(f"{name}={str(value)[:20]}" for name, (value, default) in named.items() if value != default)


def settings_for(simulator: BytedanceSimulator, **changes: Any) -> ASRSettings:
    settings = {"endpoint": simulator.url, "batch_endpoint": simulator.batch_url, "model": RESOURCE}
    return ASRSettings(**{**settings, "secrets": NEW_KEY, **changes})


@asynccontextmanager
async def bytedance(manner: Manner | None = None, **changes: Any) -> AsyncIterator[tuple[BytedanceSimulator, ASR]]:
    """A vendor and our ASR for it; afterwards not a socket and not a task of ours is left."""
    with anyio.fail_after(60):  # a test that hangs is a test that fails
        async with simulate_bytedance(manner) as simulator, _watched(simulator):
            async with open_asr(settings_for(simulator, **changes)) as asr:
                yield simulator, asr


@asynccontextmanager
async def _watched(simulator: BytedanceSimulator) -> AsyncIterator[None]:
    tasks = asyncio.all_tasks()
    yield
    half_open = [fault for fault in simulator.faults if fault.half_open]
    if not half_open:  # there it is the simulator that does not notice
        await simulator.until(lambda: not simulator.open_calls)
    await anyio.wait_all_tasks_blocked()
    left = [str(task.get_coro().__qualname__) for task in asyncio.all_tasks() - tasks]  # type: ignore[union-attr]
    assert [name for name in left if "protocol_handler" not in name] == []  # the simulator's


async def hear(asr: ASR, *pieces: bytes, hints: RecognitionHints = HINTS, whole: bool = False) -> list[Transcript]:
    """All transcripts of one utterance."""
    async with asr.open_recognition(hints, whole=whole) as recognition, anyio.create_task_group() as tasks:

        async def speak() -> None:
            for piece in pieces:
                await recognition.send(piece)
            await recognition.finish()

        tasks.start_soon(speak)
        return await all_of(recognition)
    raise AssertionError


async def all_of(recognition: Recognition) -> list[Transcript]:
    async with aclosing(recognition.transcripts()) as transcripts:
        return [transcript async for transcript in transcripts]


async def fail(asr: ASR, *pieces: bytes, whole: bool = False) -> ASRError:
    with pytest.raises(ASRError) as raised:
        async with asr.open_recognition(HINTS, whole=whole) as recognition:
            for piece in pieces:
                await recognition.send(piece)
            await recognition.finish()
            await all_of(recognition)
    assert VENDORS_OWN_WORDS not in str(raised.value)
    return raised.value


async def until_call(simulator: BytedanceSimulator, condition: Callable[[Call], bool], number: int = 0) -> Call:
    await simulator.until(lambda: len(simulator.calls) > number and condition(simulator.calls[number]))
    return simulator.calls[number]


def header(call: Call, name: str) -> str | None:
    return {key.lower(): value for key, value in call.headers.items()}.get(name.lower())


# ---------------------------------------------------------------- an utterance


@pytest.mark.parametrize("whole", [False, True])
async def test_every_sample_arrives_and_the_final_transcript_comes_last(whole: bool) -> None:
    pcm = silence(300) + speech(1234) + silence(150)
    async with bytedance() as (simulator, asr):
        simulator.hear = lambda pcm: "你好，爱音。"
        transcripts = await hear(asr, pcm, whole=whole)
        assert transcripts[-1] == Transcript("你好，爱音。", is_final=True)
        assert not any(transcript.is_final for transcript in transcripts[:-1])
        assert simulator.audio == pcm
        assert len(simulator.calls) == 1
        assert simulator.calls[0].service == ("bigmodel_nostream" if whole else "bigmodel_async")
    assert not asr.phrases_only


async def test_audio_goes_out_in_packets_of_200_ms_while_it_comes_in() -> None:
    pcm = speech(1300)
    async with bytedance() as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        for start in range(0, len(pcm), 640):
            await recognition.send(pcm[start : start + 640])
        call = await until_call(simulator, lambda call: len(call.packets) == 6)
        await recognition.finish()
        await all_of(recognition)
        assert [packet.size for packet in call.packets] == [PACKET] * 6 + [len(pcm) - 6 * PACKET]
        assert bytes(call.audio) == pcm


async def test_a_backlog_is_sent_packet_by_packet_at_the_spacing_that_the_vendor_allows() -> None:
    pcm = speech(1900)
    async with bytedance() as (simulator, asr):
        await hear(asr, pcm)
        at = [packet.at for packet in simulator.calls[0].packets]
        assert len(at) == 10 and bytes(simulator.calls[0].audio) == pcm
        assert at[8] - at[0] > 0.5  # 0.8 where the packets need the same time each


NEVER_S = 3600.0


async def test_live_audio_and_the_last_packet_wait_for_no_spacing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytedance_asr, "PACE_S", NEVER_S)
    pcm = speech(900)
    async with bytedance() as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        for count, start in enumerate(range(0, 4 * PACKET, PACKET), 1):
            await recognition.send(pcm[start : start + PACKET])
            await until_call(simulator, lambda call, count=count: len(call.packets) == count)  # type: ignore[misc]
        await recognition.send(pcm[4 * PACKET :])
        await recognition.finish()
        await all_of(recognition)
        assert simulator.audio == pcm


async def test_a_whole_clip_goes_out_as_fast_as_the_line_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytedance_asr, "PACE_S", NEVER_S)
    pcm = speech(30_000)
    async with bytedance() as (simulator, asr):
        assert (await hear(asr, pcm, whole=True))[-1].is_final
        packets = simulator.calls[0].packets
        assert [packet.size for packet in packets[:-1]] == [PACKET] * (len(packets) - 1)
        assert simulator.audio == pcm


async def test_partial_transcripts_grow_and_come_only_when_the_text_has_changed() -> None:
    async with bytedance() as (simulator, asr):
        simulator.hear = lambda pcm: "今天天气很好我们去散步吧"
        partials = [each.text for each in (await hear(asr, speech(1600)))[:-1]]
    assert len(partials) >= 3
    assert partials == sorted(set(partials), key=len)
    assert all("今天天气很好我们去散步吧".startswith(text) and text for text in partials)


@pytest.mark.parametrize(
    "manner",
    [
        Manner(),
        Manner(greeting="empty", pings=True),
        Manner(greeting="none"),
        Manner(result_list=True),
        Manner(gzips=True),
        Manner(gzips=True, result_list=True, final_sequence="positive"),
        Manner(final_utterances=False),
        Manner(final_sequence="none", start_time="absent"),
        Manner(start_time="-1", empty_definite=True),
        Manner(final_invoke_type="hard_vad", final_s=0.1),
    ],
    ids=changes_of,
)
@pytest.mark.parametrize("whole", [False, True])
async def test_the_text_is_the_same_however_the_vendor_tells_it(manner: Manner, whole: bool) -> None:
    async with bytedance(manner) as (simulator, asr):
        simulator.hear = deque(["第一句。", "第二句。"])
        pause = silence(
            3200 if whole else 1000
        )  # of a whole recording the vendor decides by itself what is an utterance
        transcripts = await hear(asr, speech(600) + pause, speech(400, 1), whole=whole)
        assert transcripts[-1] == Transcript("第一句。第二句。", is_final=True)


async def test_definite_utterances_count_once_and_say_that_the_person_has_paused() -> None:
    async with bytedance() as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        simulator.hear = deque(["第一句。", "第二句。"])
        async with aclosing(recognition.transcripts()) as transcripts:
            await recognition.send(speech(600) + silence(1000))
            seen = [await anext(transcripts)]
            while not seen[-1].is_definite:
                seen.append(await anext(transcripts))
            assert seen[-1] == Transcript("第一句。", is_definite=True, until_ms=600)
            assert not any(each.is_definite for each in seen[:-1])
            await recognition.send(speech(400, 1))
            going_on = await anext(transcripts)
            assert going_on.text.startswith("第一句。第") and not going_on.is_definite
            await recognition.finish()
            rest = [each async for each in transcripts]
            assert rest[-1] == Transcript("第一句。第二句。", is_final=True)
            assert not any(each.is_definite for each in rest)


@pytest.mark.parametrize("whole", [False, True])
async def test_only_silence_is_an_empty_final_transcript(whole: bool) -> None:
    async with bytedance() as (_, asr):
        assert await hear(asr, silence(700), whole=whole) == [Transcript("", is_final=True)]


@pytest.mark.parametrize("whole", [False, True])
async def test_no_audio_at_all_is_an_empty_final_transcript_that_nobody_is_asked_for(whole: bool) -> None:
    async with bytedance() as (simulator, asr):
        async with asr.open_recognition(HINTS, whole=whole) as recognition:
            await recognition.finish()
            assert await all_of(recognition) == [Transcript("", is_final=True)]
        assert simulator.calls == []
        async with asr.open_recognition(HINTS, whole=whole) as recognition:
            call = await until_call(simulator, lambda call: call.request is not None)
            await recognition.finish()
            assert await all_of(recognition) == [Transcript("", is_final=True)]
        await simulator.until(lambda: not simulator.open_calls)
        assert call.packets == [] and call.sent_codes == []


async def test_empty_audio_as_the_vendor_calls_it_is_an_empty_final_transcript() -> None:
    async with bytedance() as (simulator, asr):
        simulator.faults.append(Fault("final", code=45000002))
        assert await hear(asr, silence(500)) == [Transcript("", is_final=True)]
        assert simulator.handshakes == 1


async def test_a_paused_utterance_is_kept_alive_with_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytedance_asr, "SILENCE_S", 0.2)  # 5 s in life; the proportion is that of the vendor's limit
    begin, end = speech(300), speech(300, 1)
    async with bytedance(Manner(idle_s=0.5)) as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        await recognition.send(begin)
        call = await until_call(simulator, lambda call: len(call.packets) == 5)
        await recognition.send(end)
        await recognition.finish()
        assert (await all_of(recognition))[-1].is_final
        silent = len(call.audio) - len(begin) - len(end)
        assert silent >= 3 * PACKET
        assert bytes(call.audio) == begin + bytes(silent) + end
        assert call.sent_codes == []


async def test_a_whole_clip_is_never_mixed_with_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytedance_asr, "SILENCE_S", 0.01)
    async with bytedance() as (simulator, asr), asr.open_recognition(HINTS, whole=True) as recognition:
        await recognition.send(speech(250))
        await until_call(simulator, lambda call: len(call.packets) == 1)
        await anyio.sleep(0.05)
        await recognition.finish()
        await all_of(recognition)
        assert simulator.audio == speech(250)


async def test_sending_waits_while_three_packets_are_not_yet_sent() -> None:
    async with bytedance() as (simulator, asr):
        simulator.faults.append(Fault("handshake", stall=True))
        async with asr.open_recognition(HINTS) as recognition:
            await recognition.send(speech(600))
            with anyio.move_on_after(0.05) as waiting:
                await recognition.send(speech(1))
            assert waiting.cancelled_caught


async def test_entering_waits_for_no_connection_and_what_is_said_meanwhile_is_not_lost() -> None:
    async with bytedance(connect_s=0.3) as (simulator, asr):
        simulator.faults.append(Fault("handshake", stall=True))
        async with asr.open_recognition(HINTS) as recognition:
            assert simulator.handshakes == 0
            await recognition.send(speech(500))
            await recognition.finish()
            assert (await all_of(recognition))[-1].is_final
        assert simulator.handshakes == 2 and simulator.audio == speech(500)


async def test_utterances_at_the_same_time_share_nothing() -> None:
    async with bytedance() as (simulator, asr):
        simulator.hear = lambda pcm: f"{pcm[:8].hex()}"
        finals: dict[int, str] = {}

        async def utter(seed: int) -> None:
            finals[seed] = (await hear(asr, speech(500, seed)))[-1].text

        async with anyio.create_task_group() as tasks:
            for seed in range(6):
                tasks.start_soon(utter, seed)
        assert finals == {seed: speech(500, seed)[:8].hex() for seed in range(6)}


# ---------------------------------------------------------------- the handshake and the request


@pytest.mark.parametrize(
    ("secrets", "sent"),
    [
        (NEW_KEY, {"X-Api-Key": API_KEY}),
        (OLD_KEYS, {"X-Api-App-Key": APP_KEY, "X-Api-Access-Key": ACCESS_KEY}),
        ({**OLD_KEYS, **NEW_KEY}, {"X-Api-Key": API_KEY}),
        ({**OLD_KEYS, "BYTEDANCE_API_KEY": " "}, {"X-Api-App-Key": APP_KEY, "X-Api-Access-Key": ACCESS_KEY}),
        ({"BYTEDANCE_APP_KEY": APP_KEY, **NEW_KEY}, {"X-Api-Key": API_KEY}),
    ],
)
async def test_one_scheme_of_keys_is_sent_and_never_both(secrets: dict[str, str], sent: dict[str, str]) -> None:
    async with bytedance(secrets=secrets) as (simulator, asr):
        await hear(asr, speech(200))
        call = simulator.calls[0]
        for name in ("X-Api-Key", "X-Api-App-Key", "X-Api-Access-Key"):
            assert header(call, name) == sent.get(name)
        assert header(call, "X-Api-Resource-Id") == RESOURCE
        assert header(call, "X-Api-Sequence") == "-1"
        assert header(call, "X-Api-Request-Id") != header(call, "X-Api-Connect-Id")
        assert header(call, "Sec-WebSocket-Extensions") is None


@pytest.mark.parametrize("whole", [False, True])
async def test_names_and_what_was_said_go_along_as_a_string_of_json(whole: bool) -> None:
    hints = RecognitionHints("anon", ("爱音", "Tomori"), ("去哪里？", "我也去"))
    async with bytedance(end_window_ms=900) as (simulator, asr):
        await hear(asr, speech(200), hints=hints, whole=whole)
        request = simulator.calls[0].request
        assert request is not None and isinstance(request["request"]["corpus"]["context"], str)
        assert simulator.calls[0].context == {
            "hotwords": [{"word": "爱音"}, {"word": "Tomori"}],
            "context_type": "dialog_ctx",
            "context_data": [{"text": "去哪里？"}, {"text": "我也去"}],
        }
        asked = request["request"]
        assert asked["enable_punc"] and asked["enable_itn"] and asked["show_utterances"]
        assert asked.get("end_window_size") == (None if whole else 900)


async def test_the_vendors_id_of_each_session_is_logged() -> None:
    with capture_logs() as logs:
        async with bytedance() as (simulator, asr):
            await hear(asr, speech(200))
            log_id = simulator.calls[0].log_id
    assert log_id in [event.get("log_id") for event in logs if event["event"] == "hearing_opened"]


# ---------------------------------------------------------------- what goes wrong


def warned(logs: list[Any]) -> list[Any]:
    return [event for event in logs if event["log_level"] in ("warning", "error", "critical")]


@pytest.mark.parametrize(
    ("code", "retryable", "says", "operator"),
    [
        (45000000, False, "refused how it was asked", True),
        (45000001, False, "refused how it was asked", True),
        (45000010, False, "refused the key of this server; its operator should check it.", True),
        (45000030, False, "not granted", True),
        (45000151, False, "refused how it was asked", True),
        (45000292, True, "too busy", True),
    ],
)
@pytest.mark.parametrize("at", ["upgrade", "first", "audio", "final"])
async def test_a_fault_that_asking_again_does_not_mend_is_not_asked_again(
    code: int, retryable: bool, says: str, operator: bool, at: Any
) -> None:
    with capture_logs() as logs:
        async with bytedance() as (simulator, asr):
            simulator.faults += [Fault(at, code=code, times=2)]
            for _ in range(2):
                error = await fail(asr, speech(300))
                assert says in str(error) and error.retryable == retryable and not error.timed_out
            assert simulator.handshakes == 2
            assert (await hear(asr, speech(300)))[-1].is_final
    errors = [event for event in logs if event["log_level"] == "error"]
    assert [(event["event"], event["code"]) for event in errors] == [("hearing_refused", code)] * operator
    assert all(event["advice"] and event["log_id"] == simulator.calls[0].log_id for event in errors)
    shown = json.dumps(logs, default=str)
    assert VENDORS_OWN_WORDS not in shown and not any(key in shown for key in KEYS)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("handshake", status=500),
        Fault("handshake", status=503),
        Fault("handshake", drop=True),
        Fault("upgrade", drop=True),
        Fault("upgrade", code=55000031),
        Fault("first", drop=True),
        Fault("first", close=1011),
        Fault("audio", drop=True, after_bytes=12_800),
        Fault("audio", close=1000, after_bytes=12_800),
        Fault("audio", close=1006 - 5, after_bytes=12_800),
        Fault("audio", code=45000081, after_bytes=12_800),
        Fault("audio", code=55000031, after_bytes=12_800),
        Fault("audio", code=55012345, after_bytes=12_800),
        Fault("audio", code=1, after_bytes=12_800),
        Fault("final", drop=True),
        Fault("final", close=1000),
        Fault("final", code=55000000),
        Fault("final", stall=True),
        Fault("final", half_open=True),
        Fault("audio", stall=True, after_bytes=12_800),
        Fault("audio", half_open=True, after_bytes=12_800),
        Fault("first", half_open=True),
        Fault("handshake", stall=True),
        Fault("handshake", half_open=True),
    ],
    ids=changes_of,
)
async def test_a_session_that_breaks_is_mended_once_with_all_that_was_not_confirmed(fault: Fault) -> None:
    pcm = speech(1500)
    silent = fault.stall or fault.half_open
    async with bytedance(connect_s=0.3 if silent else 5, final_s=1.0 if silent else 8) as (simulator, asr):
        simulator.hear = lambda pcm: "你好，爱音。"
        simulator.faults.append(replace(fault))
        assert (await hear(asr, pcm))[-1] == Transcript("你好，爱音。", is_final=True)
        assert simulator.handshakes == 2
        assert bytes(simulator.calls[-1].audio) == pcm


@pytest.mark.parametrize(
    "fault",
    [
        Fault("handshake", status=503),
        Fault("upgrade", code=55000031),
        Fault("audio", drop=True, after_bytes=12_800),
        Fault("audio", code=45000081, after_bytes=12_800),
        Fault("final", drop=True),
        Fault("final", stall=True),
    ],
    ids=changes_of,
)
async def test_a_session_that_breaks_twice_is_not_mended_again(fault: Fault) -> None:
    with capture_logs() as logs:
        async with bytedance(final_s=0.6 if fault.stall else 8) as (simulator, asr):
            simulator.faults.append(replace(fault, times=2))
            error = await fail(asr, speech(700))
            assert error.retryable
            assert error.timed_out == (fault.stall or fault.code == 45000081)
            assert simulator.handshakes == 2
            assert (await hear(asr, speech(300)))[-1].is_final
    assert [event["event"] for event in warned(logs)] == ["hearing_asked_again", "hearing_failed"]


@pytest.mark.parametrize(
    "fault", [Fault("audio", drop=True), Fault("final", drop=True), Fault("final", code=55000031)], ids=changes_of
)
async def test_a_whole_clip_is_mended_as_well(fault: Fault) -> None:
    async with bytedance() as (simulator, asr):
        simulator.hear = lambda pcm: "你好，爱音。"
        simulator.faults.append(replace(fault))
        assert await hear(asr, speech(4000), whole=True) == [Transcript("你好，爱音。", is_final=True)]
        assert simulator.handshakes == 2
        assert bytes(simulator.calls[-1].audio) == speech(4000)


async def test_a_whole_clip_that_takes_too_long_is_not_begun_anew() -> None:
    async with bytedance(final_s=0.3) as (simulator, asr):
        simulator.faults.append(Fault("final", stall=True))
        error = await fail(asr, speech(400), whole=True)
        assert error.timed_out and error.retryable and simulator.handshakes == 1


@pytest.mark.parametrize("fault", [Fault("audio", drop=True), Fault("audio", code=45000081)], ids=changes_of)
async def test_text_confirmed_before_a_break_stays_and_only_what_follows_it_is_sent_again(fault: Fault) -> None:
    first, second = silence(100) + speech(700) + silence(1000), speech(900, 1)
    async with bytedance() as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        simulator.hear = deque(["第一句。", "第二句。"])
        async with aclosing(recognition.transcripts()) as transcripts:
            await recognition.send(first)
            while not (await anext(transcripts)).is_definite:
                pass
            simulator.faults.append(replace(fault, after_bytes=len(first) + PACKET))
            await recognition.send(second[: 2 * PACKET])
            await until_call(simulator, lambda call: call.request is not None, 1)
            await recognition.send(second[2 * PACKET :])
            await recognition.finish()
            rest = [each async for each in transcripts]
        assert rest[-1] == Transcript("第一句。第二句。", is_final=True)
        assert all(each.text.startswith("第一句。") for each in rest)
        confirmed = 800 * 32  # where the first sentence ended
        assert bytes(simulator.calls[1].audio) == (first + second)[confirmed:]


async def test_what_is_late_after_a_break_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytedance_asr, "PACE_S", NEVER_S)
    pcm = speech(8000)
    async with bytedance() as (simulator, asr):
        simulator.faults.append(Fault("first", drop=True))
        assert (await hear(asr, pcm))[-1].is_final
        assert len(simulator.calls[0].audio) < len(pcm)
        assert bytes(simulator.calls[1].audio) == pcm


async def test_an_utterance_too_long_to_be_kept_is_not_heard_with_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytedance_audio, "KEPT_BYTES", 5 * PACKET)
    monkeypatch.setattr(bytedance_asr, "PACE_S", 0.0)
    async with bytedance() as (simulator, asr):
        assert (await hear(asr, speech(3000)))[-1].is_final
        simulator.faults.append(Fault("audio", drop=True, after_bytes=10 * PACKET))
        error = await fail(asr, speech(3000))
        assert error.retryable and simulator.handshakes == 2


@pytest.mark.parametrize(
    "raw",
    [
        "a text",
        b"\x11",
        b"\x11\x91\x10\0\0\0\0\1\0\0\0\5{}",
        b"\x11\x90\x10\0\0\0\0\1{",
        b"\x21\x90\x10\0\0\0\0\2{}",
        b"\x11\xb0\x10\0\0\0\0\2{}",
        b"\x11\x90\x11\0\0\0\0\2{}",
        b"\x11\x90\x10\0\0\x20\0\0" + bytes(2 << 20),
    ],
    ids=lambda raw: repr(raw[:12]),
)
@pytest.mark.parametrize("at", ["first", "audio", "final"])
async def test_an_answer_that_cannot_be_read_ends_the_utterance_and_no_other(raw: str | bytes, at: Any) -> None:
    async with bytedance() as (simulator, asr):
        simulator.faults.append(Fault(at, raw=raw))
        error = await fail(asr, speech(500))
        assert "cannot be read" in str(error) and error.retryable
        assert simulator.handshakes == 1
        assert (await hear(asr, speech(300)))[-1].is_final


async def test_a_final_answer_before_the_last_packet_is_a_session_that_broke() -> None:
    last = b'{"result":{"text":"x"}}'
    early = b"\x11\x92\x10\0" + len(last).to_bytes(4, "big") + last
    async with bytedance() as (simulator, asr):
        simulator.hear = lambda pcm: "你好。"
        simulator.faults.append(Fault("audio", raw=early, after_bytes=PACKET))
        assert (await hear(asr, speech(900)))[-1] == Transcript("你好。", is_final=True)
        assert bytes(simulator.calls[-1].audio) == speech(900)


@pytest.mark.parametrize(
    ("status", "text", "code", "retryable", "says"),
    [
        (401, "Invalid X-Api-Key", "HTTP 401", False, "refused the key of this server"),
        (403, "load grant: not found in SaaS storage", "HTTP 403", False, "not granted"),
        (403, "45000010: load grant", 45000010, False, "refused the key of this server"),
        (401, "45000030: resource", 45000030, False, "not granted"),
        (400, "X-Api-Sequence", "HTTP 400", False, "refused how it was asked"),
        (404, "", "HTTP 404", False, "address"),
        (429, "", "HTTP 429", True, "busy"),
        (403, "45000292: quota", 45000292, True, "busy"),
    ],
)
async def test_a_refused_handshake_is_reported_once_without_keys_or_the_vendors_words(
    status: int, text: str, code: int | str, retryable: bool, says: str
) -> None:
    with capture_logs() as logs:
        async with bytedance() as (simulator, asr):
            simulator.faults.append(Fault("handshake", status=status, text=text, times=2))
            for _ in range(2):
                error = await fail(asr, speech(300))
                assert says in str(error) and error.retryable == retryable
            assert simulator.handshakes == 2
    known = [event for event in warned(logs) if event["code"] == code]
    if retryable and status == 429:
        assert [event["event"] for event in known] == ["hearing_failed"] * 2
    else:
        assert [event["event"] for event in known] == ["hearing_refused"]
        assert known[0]["log_level"] == "error" and known[0]["advice"]
    assert all(event["log_id"].startswith("2026") for event in known)
    shown = json.dumps(logs, default=str)
    assert not any(key in shown for key in KEYS) and not (text and text in shown)


@pytest.mark.parametrize("wrong_key", ["http", "frame"])
@pytest.mark.parametrize(
    "secrets", [{"BYTEDANCE_API_KEY": "wrong"}, {**OLD_KEYS, "BYTEDANCE_ACCESS_KEY": "wrong"}], ids=["new", "old"]
)
async def test_a_wrong_key_is_said_to_be_one_wherever_the_vendor_says_so(
    wrong_key: Any, secrets: dict[str, str]
) -> None:
    async with bytedance(Manner(wrong_key=wrong_key), secrets=secrets) as (simulator, asr):
        error = await fail(asr, speech(300))
        assert not error.retryable and "operator" in str(error)
        assert simulator.handshakes == 1


async def test_a_resource_that_is_not_granted_is_not_asked_for_again() -> None:
    async with bytedance(model="volc.other") as (simulator, asr):
        error = await fail(asr, speech(300))
        assert not error.retryable and simulator.handshakes == 1


async def test_too_many_sessions_at_once_are_told_so() -> None:
    async with bytedance(Manner(connections=1)) as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        await until_call(simulator, lambda call: call.request is not None)
        error = await fail(asr, speech(300))
        assert error.retryable and "busy" in str(error)
        await recognition.send(speech(300))
        await recognition.finish()
        assert (await all_of(recognition))[-1].is_final


async def test_nobody_at_the_address_is_an_error_that_may_pass() -> None:
    async with bytedance(endpoint="ws://127.0.0.1:9/api/v3/sauc/bigmodel_async") as (_, asr):
        error = await fail(asr, speech(300))
        assert error.retryable and "cannot be reached" in str(error)


async def test_a_redirect_is_never_followed() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {simulator.url}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    endpoint = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/bigmodel_async"
    async with server, bytedance(endpoint=endpoint) as (simulator, asr):
        error = await fail(asr, speech(300))
        assert not error.retryable and simulator.handshakes == 0


async def test_a_refusal_whose_body_never_ends_is_understood_by_its_status() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 1000\r\n\r\n{")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server, bytedance(endpoint=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as (_, asr):
        assert "refused the key" in str(await fail(asr, speech(300)))


async def test_a_certificate_that_is_not_valid_is_the_operators_to_mend(tmp_path: Path) -> None:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere -keyout key.pem -out cert.pem"
    await anyio.run_process(command.split(), cwd=tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with capture_logs() as logs, anyio.fail_after(30):
        async with simulate_bytedance(tls=context) as simulator, open_asr(settings_for(simulator)) as asr:
            error = await fail(asr, speech(300))
            assert not error.retryable and "certificate" in str(error) and simulator.calls == []
    assert [event["code"] for event in logs if event["event"] == "hearing_refused"] == ["certificate"]


# ---------------------------------------------------------------- leaving


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    ("moment", "whole"),
    [(moment, whole) for moment in ("at once", "opened", "audio", "finished") for whole in (False, True)]
    + [("partial", False)],
)
async def test_leaving_closes_the_session_at_once_and_leaves_nothing(moment: str, whole: bool) -> None:
    async with bytedance(Manner(final_s=30)) as (simulator, asr):
        before = descriptors()
        with anyio.fail_after(25):  # the vendor takes 30 s for its final answer
            async with asr.open_recognition(HINTS, whole=whole) as recognition:
                if moment == "opened":
                    await until_call(simulator, lambda call: call.request is not None)
                elif moment != "at once":
                    await recognition.send(speech(900))
                    await until_call(simulator, lambda call: len(call.packets) > 1)
                if moment == "finished":
                    await recognition.finish()
                    await until_call(simulator, lambda call: call.ended)
                if moment == "partial":
                    async with aclosing(recognition.transcripts()) as transcripts:
                        await anext(transcripts)
            await simulator.until(lambda: not simulator.open_calls)
        await anyio.wait_all_tasks_blocked()
        assert descriptors() <= before


@pytest.mark.parametrize("at", ["handshake", "first", "audio"])
async def test_leaving_a_vendor_that_reads_nothing_waits_for_nobody(at: Any) -> None:
    async with bytedance() as (simulator, asr):
        before = descriptors()
        simulator.faults.append(Fault(at, half_open=True))
        async with asr.open_recognition(HINTS, whole=True) as recognition:
            with anyio.move_on_after(0.3):
                for seed in range(100):  # until neither the vendor nor the kernel between takes any more
                    await recognition.send(speech(5000, seed))
            taken = len(simulator.audio)
        assert descriptors() <= before + 1  # the simulator's own end of it
        assert len(simulator.audio) == taken


async def test_a_vendor_that_takes_no_more_audio_has_stalled() -> None:
    async with bytedance(final_s=0.4) as (simulator, asr):
        simulator.faults.append(Fault("audio", half_open=True))
        error = await fail(asr, *[speech(9000)] * 50, whole=True)  # much more than the kernels of both ends take
        assert error.timed_out and simulator.handshakes == 1


async def test_a_callers_own_error_is_not_changed() -> None:
    async with bytedance() as (simulator, asr):
        with pytest.raises(ZeroDivisionError):
            async with asr.open_recognition(HINTS):
                await until_call(simulator, lambda call: call.request is not None)
                _ = 1 / 0


async def test_after_a_failure_nothing_waits_and_the_error_is_told_once_asked_for() -> None:
    async with bytedance() as (simulator, asr):
        simulator.faults.append(Fault("first", code=45000001))
        async with asr.open_recognition(HINTS) as recognition:
            for seed in range(5):
                await recognition.send(speech(5000, seed))  # much more than may wait
            await recognition.finish()
            with pytest.raises(ASRError):
                await all_of(recognition)


async def test_the_process_ends_with_utterances_that_nobody_waits_for() -> None:
    async with bytedance(Manner(final_s=30)) as (simulator, asr), anyio.create_task_group() as tasks:
        for seed in range(5):
            tasks.start_soon(hear, asr, speech(600, seed))
        await simulator.until(lambda: len([call for call in simulator.calls if call.ended]) == 5)
        tasks.cancel_scope.cancel()


# ---------------------------------------------------------------- opening


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"secrets": {}}, "BYTEDANCE_API_KEY"),
        ({"secrets": {"BYTEDANCE_APP_KEY": APP_KEY}}, "BYTEDANCE_ACCESS_KEY"),
        ({"secrets": {"BYTEDANCE_API_KEY": "schlüssel"}}, "BYTEDANCE_API_KEY holds characters"),
        ({"secrets": {"BYTEDANCE_API_KEY": "a\r\nb: c"}}, "BYTEDANCE_API_KEY holds characters"),
        ({"endpoint": "https://example.org/"}, "endpoints.asr:"),
        ({"endpoint": "ws://:80"}, "endpoints.asr:"),
        ({"batch_endpoint": ""}, "endpoints.asr_batch:"),
        ({"batch_endpoint": "ws://host:99999/"}, "endpoints.asr_batch:"),
        ({"model": ""}, "models.asr_resource_id"),
        ({"model": "a\nb"}, "models.asr_resource_id"),
    ],
)
async def test_settings_that_cannot_be_served_are_refused_with_what_to_do(changes: dict[str, Any], says: str) -> None:
    settings = ASRSettings(
        **{
            "endpoint": "wss://a/bigmodel_async",
            "batch_endpoint": "wss://a/bigmodel_nostream",
            "model": RESOURCE,
            "secrets": NEW_KEY,
            **changes,
        }
    )
    with pytest.raises(EngineUnavailable, match=says) as raised:
        async with open_asr(settings):
            pass
    assert APP_KEY not in str(raised.value) and "schl" not in str(raised.value)
