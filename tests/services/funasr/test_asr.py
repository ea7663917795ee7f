"""FunASR against strict simulators of its four programs: every sample arrives, the end is found, faults end well."""

import asyncio
import json
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from services.asr_service import TimedASR
from services.base import ASR, ASRError, Recognition, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.funasr import asr as funasr_asr
from services.vendors.funasr.asr import open_asr
from tests.simulators.funasr import PROGRAMS, Call, Fault, FunasrSimulator, Manner, Program, simulate_funasr

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HINTS = RecognitionHints("anon")
VENDORS_OWN_WORDS = "vendor text that must not be shown"


def speech(ms: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(-9000, 9000, ms * 16, dtype="<i2").tobytes()


def silence(ms: int) -> bytes:
    return bytes(ms * 32)


@asynccontextmanager
async def funasr(
    manner: Manner | None = None, *, tls: ssl.SSLContext | None = None, **changes: Any
) -> AsyncIterator[tuple[FunasrSimulator, ASR]]:
    """A server and our ASR for it, with its deadline; afterwards not a socket and not a task of ours is left."""
    with anyio.fail_after(60):
        async with simulate_funasr(manner, tls=tls) as simulator:
            tasks = asyncio.all_tasks()
            settings = ASRSettings(**{"endpoint": simulator.url, **changes})
            async with open_asr(settings) as asr:
                yield simulator, TimedASR(asr, settings.final_s)
            if not any(fault.half_open for fault in simulator.faults):  # there the simulator does not notice
                await simulator.until(lambda: not simulator.open_calls)
            await anyio.wait_all_tasks_blocked()
            left = [str(task.get_coro().__qualname__) for task in asyncio.all_tasks() - tasks]  # type: ignore[union-attr]
            assert [name for name in left if "handler" not in name and "keepalive" not in name] == []


async def hear(asr: ASR, *pieces: bytes, hints: RecognitionHints = HINTS, whole: bool = False) -> list[Transcript]:
    async with asr.open_recognition(hints, whole=whole) as recognition, anyio.create_task_group() as tasks:

        async def speak() -> None:
            for piece in pieces:
                await recognition.send(piece)
            await recognition.finish()

        tasks.start_soon(speak)
        return await all_of(recognition)
    raise AssertionError


async def hear_at_pace(simulator: FunasrSimulator, asr: ASR, pcm: bytes) -> list[Transcript]:
    """The same, and whatever the server says to a frame is heard before the next is sent."""
    heard: list[Transcript] = []
    async with asr.open_recognition(HINTS) as recognition, anyio.create_task_group() as tasks:

        async def listen() -> None:
            heard.extend(await all_of(recognition))

        tasks.start_soon(listen)
        for at in range(0, len(pcm), 1920):
            await recognition.send(pcm[at : at + 1920])
            await until_call(simulator, lambda call, at=at: len(call.audio) >= at + 1920)  # type: ignore[misc]
            await anyio.sleep(0.002)  # for the answer, of which nobody knows whether there is one
        await recognition.finish()
    return heard


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


async def until_call(simulator: FunasrSimulator, condition: Callable[[Call], bool], number: int = 0) -> Call:
    await simulator.until(lambda: len(simulator.calls) > number and condition(simulator.calls[number]))
    return simulator.calls[number]


# ---------------------------------------------------------------- an utterance


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("stamps", [True, False])
async def test_every_sample_arrives_and_the_final_transcript_comes_last(
    program: Program, whole: bool, stamps: bool
) -> None:
    pcm = silence(300) + speech(1234) + silence(157)
    async with funasr(Manner(program, stamps=stamps)) as (simulator, asr):
        simulator.hear = lambda _: "你好，爱音。"
        for number in range(2):  # the second time with what was learned
            transcripts = await hear(asr, pcm, whole=whole)
            assert transcripts[-1] == Transcript("你好，爱音。", is_final=True)
            assert not any(transcript.is_final for transcript in transcripts[:-1])
            call = simulator.calls[number]
            assert bytes(call.audio) == pcm
            assert set(call.frames[:-1]) == {1920}
            assert call.first["mode"] == ("offline" if whole else "2pass")
        assert len(simulator.calls) == 2


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("rest_bytes", [2, 30, 32])
async def test_an_utterance_may_end_just_after_a_frame(program: Program, rest_bytes: int) -> None:
    pcm = speech(600) + speech(1)[:rest_bytes]
    async with funasr(Manner(program)) as (simulator, asr):
        simulator.hear = lambda _: "你好。"
        transcripts = await hear(asr, pcm)
        assert transcripts[-1] == Transcript("你好。", is_final=True)
        assert [bytes(call.audio) for call in simulator.calls] == [pcm.ljust(600 * 32 + 32, b"\0")]


@pytest.mark.parametrize("program", ["cpp-2pass", "py-new", "py-old"])
async def test_partial_texts_are_appended_and_replaced_by_their_sentence(program: Program) -> None:
    async with funasr(Manner(program)) as (simulator, asr):
        simulator.hear = deque(["今天天气很好我们去散步吧。", "好不好？"])
        transcripts = await hear_at_pace(simulator, asr, speech(1920) + silence(1020) + speech(1320, 1))
        texts = [each.text for each in transcripts]
        assert texts[-1] == "今天天气很好我们去散步吧。好不好？"
        first = [text for text in texts if "。" not in text]
        assert len(first) >= 2 and all("今天天气很好我们去散步吧".startswith(text) for text in first)
        assert first == sorted(set(first), key=len)
        assert any(each.is_definite and each.text == "今天天气很好我们去散步吧。" for each in transcripts)
        assert any(text.startswith("今天天气很好我们去散步吧。好") and text != texts[-1] for text in texts)


async def test_partials_come_while_one_still_speaks() -> None:
    async with funasr() as (simulator, asr), asr.open_recognition(HINTS) as recognition:
        simulator.hear = lambda _: "今天天气很好"
        await recognition.send(speech(1200))
        async with aclosing(recognition.transcripts()) as transcripts:
            assert "今天天气很好".startswith((await anext(transcripts)).text)
            await recognition.finish()
            assert [each async for each in transcripts][-1].is_final


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("whole", [False, True])
async def test_only_silence_is_an_empty_transcript(program: Program, whole: bool) -> None:
    async with funasr(Manner(program)) as (_, asr):
        assert await hear(asr, silence(700), whole=whole) == [Transcript("", is_final=True)]


async def test_a_server_that_is_known_to_be_silent_about_nothing_has_not_stalled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(funasr_asr, "END_S", 0.3)
    async with funasr(Manner("py-old", answers_empty=False)) as (_, asr):
        assert (await fail(asr, silence(500))).timed_out  # nobody can tell yet
        assert (await hear(asr, speech(600)))[-1].text
        assert await hear(asr, silence(500)) == [Transcript("", is_final=True)]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_no_audio_at_all_is_an_empty_transcript(program: Program) -> None:
    async with funasr(Manner(program)) as (_, asr):
        assert await hear(asr) == [Transcript("", is_final=True)]


@pytest.mark.parametrize("program", PROGRAMS)
async def test_a_sentence_on_its_way_at_the_end_is_not_taken_for_the_last_word(program: Program) -> None:
    async with funasr(Manner(program, late_sentence=True, final_s=0.05)) as (simulator, asr):
        simulator.hear = lambda _: "最后一句。"
        assert (await hear(asr, speech(900)))[-1].text == "最后一句。"


async def test_the_last_answer_of_a_slow_server_is_waited_for() -> None:
    async with funasr(Manner("cpp-2pass", final_s=1.0)) as (simulator, asr):
        simulator.hear = deque(["第一句。", "第二句。"])
        assert (await hear(asr, speech(700) + silence(1000), speech(500)))[-1].text == "第一句。第二句。"


async def test_a_full_stop_too_many_is_dropped() -> None:
    async with funasr(Manner(double_stop=True)) as (simulator, asr):
        simulator.hear = lambda _: "是吗？"
        assert (await hear(asr, speech(700)))[-1].text == "是吗？"


@pytest.mark.parametrize("program", ["cpp-2pass", "py-new"])
async def test_tags_are_not_words_and_partials_that_are_no_japanese_are_not_asked_for_again(program: Program) -> None:
    async with funasr(Manner(program, sense_voice=True)) as (simulator, asr):
        simulator.hear = lambda _: "東京に行こう。"
        assert (await hear(asr, speech(1900)))[-1].text == "東京に行こう。"
        assert {each.text for each in await hear(asr, speech(1900))} == {"東京に行こう。"}
        assert [call.first["mode"] for call in simulator.calls] == ["2pass", "offline"]


async def test_a_known_language_is_said_and_only_mandarin_has_partials() -> None:
    async with funasr() as (simulator, asr):
        for language in ("", "zh", "ja"):
            await hear(asr, speech(700), hints=RecognitionHints("anon", language=language))
        assert [(call.first["svs_lang"], call.first["mode"]) for call in simulator.calls] == [
            ("auto", "2pass"),
            ("zh", "2pass"),
            ("ja", "offline"),
        ]


@pytest.mark.parametrize("program", ["cpp-2pass", "py-new"])
async def test_names_are_told_as_the_server_takes_them(program: Program) -> None:
    hints = RecognitionHints("anon", hotwords=("爱音", "千早 爱音", "爱音", ""))
    async with funasr(Manner(program)) as (simulator, asr):
        for _ in range(2):
            await hear(asr, speech(700), hints=hints)
        first, second = (call.first["hotwords"] for call in simulator.calls)
        assert first == "爱音 千早 爱音"
        weighted = program == "cpp-2pass"
        assert (json.loads(second) == {"爱音": 20, "千早 爱音": 20}) if weighted else second == first


async def test_traditional_characters_come_out_as_our_users_write() -> None:
    async with funasr() as (simulator, asr):
        simulator.hear = lambda _: "今天天氣怎麼樣"
        assert {each.text for each in await hear(asr, speech(1900))} <= {"今天天气怎么样"[:n] for n in range(1, 8)}


@pytest.mark.parametrize("program", ["cpp-2pass", "py-new"])
async def test_the_subprotocol_is_offered_where_it_is_wanted(program: Program) -> None:
    async with funasr(Manner(program, wants_subprotocol=program == "py-new")) as (simulator, asr):
        for _ in range(2):
            assert (await hear(asr, speech(500)))[-1].text
        assert [call.subprotocol for call in simulator.calls] == [None if program == "cpp-2pass" else "binary"] * 2
        assert simulator.handshakes == (2 if program == "cpp-2pass" else 3)


async def test_speech_that_comes_faster_than_it_is_taken_waits_where_it_comes_from() -> None:
    pcm = speech(20_000)
    async with funasr() as (simulator, asr):
        await hear(asr, *(pcm[at : at + 64_000] for at in range(0, len(pcm), 64_000)))
        assert simulator.audio == pcm


async def test_many_at_once_are_each_heard() -> None:
    heard: dict[int, str] = {}
    async with funasr() as (_, asr):

        async def talk(number: int) -> None:
            heard[number] = (await hear(asr, speech(500 + 50 * number)))[-1].text

        async with anyio.create_task_group() as tasks:
            for number in range(20):
                tasks.start_soon(talk, number)
    assert heard == {number: f"听到{500 + 50 * number}毫秒。" for number in range(20)}


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "fault",
    [
        Fault("handshake", drop=True),
        Fault("handshake", status=500),
        Fault("upgrade", drop=True),
        Fault("upgrade", close=1000),
        Fault("audio", drop=True, after_bytes=9600),
        Fault("audio", close=1000, after_bytes=9600),
        Fault("end", drop=True),
        Fault("end", close=1011),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.at}-{value.close or value.status or 'drop'}",
)
async def test_an_utterance_whose_connection_breaks_is_heard_again_as_a_whole_once(
    program: Program, fault: Fault
) -> None:
    async with funasr(Manner(program)) as (simulator, asr):
        simulator.faults.append(replace(fault))
        assert (await hear(asr, speech(900)))[-1].text == "听到900毫秒。"
        assert bytes(simulator.calls[-1].audio) == speech(900)
        simulator.faults = [replace(fault, times=9)]
        error = await fail(asr, speech(900))
        assert error.retryable and not error.timed_out
        simulator.faults = []
        assert (await hear(asr, speech(600)))[-1].text == "听到600毫秒。"


@pytest.mark.parametrize("fault", [Fault("upgrade", stall=True), Fault("audio", stall=True), Fault("end", stall=True)])
async def test_a_server_that_stalls_is_left_in_time(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(funasr_asr, "END_S", 0.3)
    async with funasr() as (simulator, asr):
        simulator.faults.append(fault)
        error = await fail(asr, speech(300))
        assert error.timed_out and error.retryable and simulator.handshakes == 1
        assert (await hear(asr, speech(600)))[-1].text == "听到600毫秒。"


@pytest.mark.parametrize("at", ["handshake", "upgrade", "audio"])
async def test_a_server_that_takes_nothing_any_more_is_left_in_time(at: Any) -> None:
    async with funasr(final_s=0.8, connect_s=0.4) as (simulator, asr):
        simulator.faults.append(Fault(at, half_open=True))
        error = await fail(asr, *[speech(9000)] * (40 if at == "audio" else 1))
        assert error.timed_out and error.retryable


async def test_what_was_understood_before_a_server_fell_silent_is_not_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(funasr_asr, "END_S", 0.3)
    async with funasr() as (simulator, asr):
        simulator.hear = lambda _: "第一句。"
        simulator.faults.append(Fault("end", stall=True))
        assert (await hear(asr, speech(700) + silence(1000)))[-1] == Transcript("第一句。", is_final=True)


@pytest.mark.parametrize(
    "raw",
    [
        b"\0\1",
        "no json",
        "[]",
        '{"text": 1}',
        '{"is_final": "yes"}',
        "[" * 100_000,
        json.dumps({"text": "很" * 30_000, "mode": "2pass-online"}),
    ],
    ids=lambda raw: repr(raw[:12]),
)
@pytest.mark.parametrize("at", ["audio", "end"])
async def test_an_answer_that_cannot_be_read_ends_the_utterance_and_no_other(raw: str | bytes, at: Any) -> None:
    async with funasr() as (simulator, asr):
        simulator.faults.append(Fault(at, raw=raw))
        error = await fail(asr, speech(500))
        assert "cannot be read" in str(error) and error.retryable and simulator.handshakes == 1
        assert (await hear(asr, speech(600)))[-1].text == "听到600毫秒。"


@pytest.mark.parametrize(
    ("status", "says", "retryable"),
    [
        (401, "denied access", False),
        (403, "denied access", False),
        (404, "address", False),
        (200, "address", False),
        (302, "address", False),
        (429, "too busy", True),
        (503, "too busy", True),
    ],
)
async def test_a_refused_handshake_says_why_and_the_operator_is_told_once(
    status: int, says: str, retryable: bool
) -> None:
    with capture_logs() as logs:
        async with funasr() as (simulator, asr):
            simulator.faults.append(Fault("handshake", status=status, times=2))
            for _ in range(2):
                error = await fail(asr, speech(300))
                assert says in str(error) and error.retryable == retryable
            assert simulator.handshakes == 2
    assert len(logs) == (2 if retryable else 1)
    assert VENDORS_OWN_WORDS not in json.dumps(logs, default=str)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(status: int) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status} Over\r\nLocation: {simulator.url}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(redirect, "127.0.0.1", 0)
    async with server, funasr(endpoint=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as (simulator, asr):
        error = await fail(asr, speech(300))
        assert not error.retryable and "address" in str(error) and simulator.handshakes == 0


async def test_an_error_that_is_written_as_text_is_none() -> None:
    text = "ERROR. Real-time transcription service ONLY SUPPORT PCM stream."
    async with funasr() as (simulator, asr):
        simulator.faults.append(Fault("end", raw=json.dumps({"text": text, "is_final": True})))
        error = await fail(asr, speech(300))
        assert not error.retryable and "ERROR" not in str(error)


async def test_an_error_beside_the_end_is_one_where_nothing_was_heard() -> None:
    raw = json.dumps({"mode": "2pass", "is_final": False, "is_end": True, "error": "a; b"})
    async with funasr(Manner("py-new")) as (simulator, asr):
        simulator.faults.append(Fault("end", raw=raw, times=2))
        error = await fail(asr, speech(300))
        assert error.retryable and "own side" in str(error)


async def test_nobody_at_the_address_is_an_error_that_may_pass() -> None:
    async with funasr(endpoint="ws://127.0.0.1:9/") as (_, asr):
        error = await fail(asr, speech(300))
        assert error.retryable and "cannot be reached" in str(error)


# ---------------------------------------------------------------- TLS


@pytest.fixture
async def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=elsewhere -keyout key.pem -out cert.pem"
    await anyio.run_process(command.split(), cwd=tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    return context


async def test_funasrs_own_certificate_will_do_on_this_machine_and_where_the_operator_says_so(
    own_certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with funasr(tls=own_certificate) as (_, asr):
        assert (await hear(asr, speech(500)))[-1].text
    monkeypatch.setattr("services.vendors.funasr.line._is_here", lambda _: False)
    async with funasr(tls=own_certificate, verify_tls=False) as (_, asr):
        assert (await hear(asr, speech(500)))[-1].text
    with capture_logs() as logs:
        async with funasr(tls=own_certificate) as (simulator, asr):
            error = await fail(asr, speech(300))
            assert not error.retryable and "certificate" in str(error) and simulator.calls == []
    assert "ssl.verify_funasr" in logs[0]["advice"]


async def test_tls_where_there_is_none_and_none_where_there_is_are_told_apart(own_certificate: ssl.SSLContext) -> None:
    with capture_logs() as logs:
        async with simulate_funasr() as plain, simulate_funasr(tls=own_certificate) as encrypted:
            for url in (plain.url.replace("ws://", "wss://"), encrypted.url.replace("wss://", "ws://")):
                async with open_asr(ASRSettings(endpoint=url)) as asr:
                    assert "cannot be reached" in str(await fail(asr, speech(300)))
    advices = [each["advice"] for each in logs if each["event"] == "hearing_refused"]
    assert len(advices) == 2 and "with ws:// instead" in advices[0] and "with wss:// instead" in advices[1]


# ---------------------------------------------------------------- leaving


@pytest.mark.parametrize("moment", ["at once", "opened", "audio", "finished", "partial"])
@pytest.mark.parametrize("whole", [False, True])
async def test_leaving_closes_the_connection_at_once_and_leaves_nothing(moment: str, whole: bool) -> None:
    if moment == "partial" and whole:
        pytest.skip("recordings have none")
    async with funasr(Manner(final_s=30)) as (simulator, asr):
        before = len(os.listdir("/proc/self/fd"))
        with anyio.fail_after(10):
            async with asr.open_recognition(HINTS, whole=whole) as recognition:
                if moment == "opened":
                    await until_call(simulator, lambda call: bool(call.messages))
                elif moment != "at once":
                    await recognition.send(speech(900))
                    await until_call(simulator, lambda call: len(call.frames) > 1)
                if moment == "finished":
                    await recognition.finish()
                    await until_call(simulator, lambda call: call.ended)
                if moment == "partial":
                    async with aclosing(recognition.transcripts()) as transcripts:
                        await anext(transcripts)
            await simulator.until(lambda: not simulator.open_calls)
        await anyio.wait_all_tasks_blocked()
        assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("at", ["handshake", "upgrade", "audio"])
async def test_leaving_a_server_that_reads_nothing_waits_for_nobody(at: Any) -> None:
    async with funasr() as (simulator, asr):
        simulator.faults.append(Fault(at, half_open=True))
        with anyio.fail_after(5):
            async with asr.open_recognition(HINTS) as recognition:
                with anyio.move_on_after(0.3):
                    for seed in range(100):
                        await recognition.send(speech(5000, seed))


async def test_a_callers_own_error_is_not_changed() -> None:
    async with funasr() as (simulator, asr):
        with pytest.raises(ZeroDivisionError):
            async with asr.open_recognition(HINTS):
                await until_call(simulator, lambda call: bool(call.messages))
                _ = 1 / 0


@pytest.mark.parametrize("endpoint", ["", "http://host:10095", "ws://", "ws://host:99999/"])
async def test_an_address_that_cannot_be_used_is_refused_with_what_to_do(endpoint: str) -> None:
    with pytest.raises(EngineUnavailable, match=r"endpoints\.funasr"):
        async with open_asr(ASRSettings(endpoint=endpoint)):
            pass
