"""Engines that are asked over HTTP, each against its strict simulator: what all promise, and every fault ends well."""

from contextlib import aclosing
from dataclasses import fields, replace

import anyio
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from services.base import Voice
from services.engine_choice import EngineUnavailable
from services.tts_service import TimedTTS
from tests.services.http_speech.asked_voices import (
    ENGINES,
    GPT_SOVITS,
    LONG,
    OWN_WORDS,
    SHORT,
    STYLE_BERT_VITS2,
    Engine,
    fail,
    hear,
    pieces_of,
)
from tests.simulators.speech_server import Fault

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)]


def name_of(value: object) -> str:
    """Of a row of a table: what is not as it is by default."""
    if not isinstance(value, Fault):
        return str(value)
    named = {each.name: getattr(value, each.name) for each in fields(value) if each.name not in ("path", "text")}
    default = vars(Fault(""))
    return "-".join(f"{name}={str(given)[:20]}" for name, given in named.items() if given != default[name])


async def test_a_sentence_is_heard_to_its_end_in_whole_samples(engine: Engine) -> None:
    async with engine.running() as (simulator, tts), tts.open_synthesis(engine.voice) as synthesis:
        for text in (SHORT, LONG):
            simulator.calls.clear()
            heard = await hear(synthesis, text)
            assert all(call.whole for call in simulator.spoken)
            if engine is STYLE_BERT_VITS2:  # without the noise around each part
                assert 0 < len(heard) < len(simulator.pcm)
            else:
                assert heard == simulator.pcm


async def test_a_sentence_is_resampled_to_the_configured_rate(engine: Engine) -> None:
    async with engine.running(sample_rate_hz=16_000) as (simulator, tts):
        assert tts.sample_rate_hz == 16_000
        async with tts.open_synthesis(engine.voice) as synthesis:
            heard = np.frombuffer(await hear(synthesis, SHORT), "<i2")
        sent = np.frombuffer(simulator.pcm, "<i2")
    assert peak_hz(heard, 16_000) == pytest.approx(peak_hz(sent, engine.rate_hz), abs=4)
    assert len(heard) / 16_000 <= len(sent) / engine.rate_hz + 0.11


def peak_hz(samples: NDArray[np.int16], rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples, rate_hz))
    return float(np.argmax(spectrum))


async def test_the_first_sound_comes_before_a_long_sentence_is_made(engine: Engine) -> None:
    async with engine.running(engine.manner(pace=20)) as (simulator, tts):
        async with (
            tts.open_synthesis(engine.voice) as synthesis,
            aclosing(synthesis.synthesize(LONG, "auto")) as pieces,
        ):
            first = await anext(pieces)
            first_bytes = len(simulator.pcm)
            rest = [piece async for piece in pieces]
        assert first and rest and first_bytes < len(simulator.pcm) / 2


async def test_connections_are_kept_from_turn_to_turn(engine: Engine) -> None:
    async with engine.running() as (simulator, tts):
        tts.prepare(engine.voice)
        for _ in range(6):
            async with tts.open_synthesis(engine.voice) as synthesis:
                await hear(synthesis, SHORT)
        assert len({call.peer for call in simulator.calls}) <= 3  # the first requests of all may come together


async def test_sentences_asked_for_together_are_not_mixed(engine: Engine) -> None:
    texts = [f"{number}番目の文です。" for number in "一二三四五六七八"]
    async with engine.running() as (_, tts), tts.open_synthesis(engine.voice) as synthesis:
        alone = {text: await hear(synthesis, text) for text in texts}
        heard: dict[str, bytes] = {}

        async def listen(text: str) -> None:
            heard[text] = await hear(synthesis, text)

        async with anyio.create_task_group() as tasks:
            for text in texts:
                tasks.start_soon(listen, text)
        assert heard == alone and len(set(heard.values())) == len(texts)


@pytest.mark.parametrize("text", ['C++ & 100% は 1+1=2、"?#/\\だよ。', "é😀ｶﾅ<b>；&amp;"])
async def test_any_text_arrives_as_it_is(engine: Engine, text: str) -> None:
    async with engine.running() as (simulator, tts), tts.open_synthesis(engine.voice) as synthesis:
        assert await hear(synthesis, text)
        asked = [call for call in simulator.calls if call.path in (engine.sound_path, "audio_query")]
        assert "".join(simulator.text_of(call) for call in asked) == text


@pytest.mark.parametrize("text", ["", " \n", "……！？", "♪〜（）", "😀"])
async def test_a_sentence_with_nothing_to_speak_is_silence_and_costs_no_request(engine: Engine, text: str) -> None:
    async with engine.running() as (simulator, tts), tts.open_synthesis(engine.voice) as synthesis:
        assert await hear(synthesis, text) == b""
        assert simulator.spoken == []


@pytest.mark.parametrize("when", ["before it answers", "while it speaks"])
async def test_a_sentence_that_nobody_waits_for_closes_its_request(engine: Engine, when: str) -> None:
    after_bytes = None if when == "before it answers" else 6401
    fault = Fault(engine.sound_path, stall=True, after_bytes=after_bytes)
    async with engine.running() as (simulator, tts):
        simulator.faults.append(fault)
        async with tts.open_synthesis(engine.voice) as synthesis:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hear, synthesis, LONG)
                await simulator.until(lambda: bool(simulator.spoken) and fault.times == 0)
                tasks.cancel_scope.cancel()
            await simulator.until(lambda: simulator.spoken[0].left and not simulator.open)
            assert await hear(synthesis, SHORT)


@pytest.mark.parametrize("after_bytes", [None, 6401])
async def test_a_server_that_stalls_is_given_up_in_time_and_its_request_closed(
    engine: Engine, after_bytes: int | None
) -> None:
    async with engine.running(engine.manner(pace=50)) as (simulator, tts):
        timed = TimedTTS(tts, 0.3, 0.2)
        async with timed.open_synthesis(engine.voice) as synthesis:
            simulator.faults.append(Fault(engine.sound_path, stall=True, after_bytes=after_bytes))
            error, heard = await fail(synthesis, SHORT)
            assert error.timed_out and error.retryable and bool(heard) == (engine.streams and after_bytes is not None)
            await simulator.until(lambda: not simulator.open)
            assert await hear(synthesis, SHORT)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Fault("", status=401), "endpoints."),
        (Fault("", status=403), "endpoints."),
        (Fault("", status=402), "balance"),
        (Fault("", status=404), "endpoints."),
        (Fault("", status=307, headers={"Location": "http://127.0.0.1:9/"}), "endpoints."),
        (Fault("", status=200), "no WAV audio"),
        (Fault("", status=200, kind="text/html", body=b"<html>must not be shown</html>"), "no WAV audio"),
        (Fault("", status=200, kind="audio/wav", body=b'{"error":"must not be shown"}'), "no WAV audio"),
        (Fault("", status=200, kind="audio/mpeg", body=b"ID3\4" + bytes(999)), "no WAV audio"),
        (
            Fault("", status=429, body=b'{"error":{"code":"insufficient_quota","message":"must not be shown"}}'),
            "balance",
        ),
    ],
    ids=name_of,
)
async def test_what_only_the_operator_can_mend_is_said_once_in_the_log(engine: Engine, fault: Fault, says: str) -> None:
    with capture_logs() as logs:
        async with engine.running() as (simulator, tts):
            simulator.faults.append(replace(fault, path=engine.sound_path, times=2))
            for _ in range(2):
                async with tts.open_synthesis(engine.voice) as synthesis:
                    error, heard = await fail(synthesis, SHORT)
                    assert heard == b"" and not error.retryable and not error.one_sentence and says in str(error)
                    for secret in (simulator.url, "127.0.0.1", OWN_WORDS):
                        assert secret not in str(error) + repr(logs)
            async with tts.open_synthesis(engine.voice) as synthesis:
                assert await hear(synthesis, SHORT)
    assert [(log["event"], log["log_level"]) for log in logs] == [("voice_refused", "error")]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("", status=413),
        Fault("", status=400),
        Fault("", status=422),
        Fault("", status=200, kind="audio/wav", body=b""),
    ],
    ids=name_of,
)
async def test_a_refused_sentence_does_not_silence_the_next(engine: Engine, fault: Fault) -> None:
    async with engine.running() as (simulator, tts), tts.open_synthesis(engine.voice) as synthesis:
        simulator.faults.append(replace(fault, path=engine.sound_path, text=None, times=9))
        error, _ = await fail(synthesis, SHORT)
        assert error.one_sentence and OWN_WORDS not in str(error)
        simulator.faults.clear()
        assert await hear(synthesis, LONG)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("", status=429, times=2),
        Fault("", status=503, times=2),
        Fault("", status=503, headers={"Retry-After": "0"}, times=2),
        Fault("", status=500),
        Fault("", drop=True),
    ],
    ids=name_of,
)
async def test_what_passes_is_waited_for(engine: Engine, fault: Fault) -> None:
    async with engine.running() as (simulator, tts), tts.open_synthesis(engine.voice) as synthesis:
        simulator.faults.append(replace(fault, path=engine.sound_path))
        assert await hear(synthesis, SHORT) == await hear(synthesis, SHORT)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "30"}], ids=str)
async def test_a_server_that_stays_busy_ends_in_an_error(engine: Engine, headers: dict[str, str]) -> None:
    async with engine.running(first_audio_s=0.5) as (simulator, tts):
        async with tts.open_synthesis(engine.voice) as synthesis:
            simulator.faults.append(Fault(engine.sound_path, status=429, headers=headers, times=99))
            error, _ = await fail(synthesis, SHORT)
            assert error.retryable and not error.one_sentence and "busy" in str(error)
            assert error.not_before_s == (30 if headers else 0)
            simulator.faults.clear()
            assert await hear(synthesis, SHORT)


@pytest.mark.parametrize("status", [0, 500])
async def test_a_server_that_breaks_off_again_is_not_asked_a_third_time(engine: Engine, status: int) -> None:
    fault = Fault(engine.sound_path, status=status, drop=not status, times=9)
    async with engine.running() as (simulator, tts), tts.open_synthesis(engine.voice) as synthesis:
        simulator.faults.append(fault)
        error, heard = await fail(synthesis, SHORT)
        assert heard == b"" and error.retryable and not error.one_sentence and not error.timed_out
        assert len(simulator.spoken) <= 2
        simulator.faults.clear()
        assert await hear(synthesis, SHORT)


async def test_a_line_that_breaks_in_a_sentence_ends_it_and_spares_the_next(engine: Engine) -> None:
    async with engine.running(engine.manner(pace=50)) as (simulator, tts):
        async with tts.open_synthesis(engine.voice) as synthesis:
            simulator.faults.append(Fault(engine.sound_path, drop=True, after_bytes=19_000, times=2))
            error, heard = await fail(synthesis, LONG)
            assert error.retryable and not error.one_sentence
            assert bool(heard) == engine.streams  # a part that was not whole is not heard
            simulator.faults.clear()
            assert await hear(synthesis, SHORT)


async def test_a_server_that_is_not_there_is_told_of_once_until_it_is_there(engine: Engine) -> None:
    async with engine.simulate() as simulator:
        pass
    with capture_logs() as logs:
        async with engine.open(simulator.url, first_audio_s=0.2) as tts, tts.open_synthesis(engine.voice) as synthesis:
            for _ in range(2):
                error, _ = await fail(synthesis, SHORT)
                assert error.retryable and not error.one_sentence and "whether it runs" in str(error)
    assert [(log["event"], log["code"]) for log in logs] == [("voice_refused", "unreachable")]


async def test_an_error_of_the_turn_leaves_as_it_is(engine: Engine) -> None:
    async with engine.running() as (_, tts):
        with pytest.raises(KeyError, match="mine"):
            async with tts.open_synthesis(engine.voice):
                raise KeyError("mine")


@pytest.mark.parametrize("endpoint", ["", "ws://127.0.0.1:9", "127.0.0.1:50021", "http://"])
async def test_addresses_that_cannot_be_asked_refuse_to_open(engine: Engine, endpoint: str) -> None:
    with pytest.raises(EngineUnavailable, match=r"endpoints\."):
        async with engine.open(endpoint):
            pass


async def test_a_voice_of_another_engine_is_none_of_its_own(engine: Engine) -> None:
    """A character without a word on this engine: it has a voice by default, or an error says which key names one."""
    async with engine.running() as (_, tts), tts.open_synthesis(Voice()) as synthesis:
        if engine is GPT_SOVITS:
            error, _ = await fail(synthesis, SHORT)
            assert "voices.gpt_sovits.reference" in str(error) and not error.retryable
        else:
            assert await pieces_of(synthesis, SHORT)
