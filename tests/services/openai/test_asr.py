"""Speech to text by OpenAI's interface: every server people have understands us, and every fault ends well.

The servers are simulators of them: what they take, what they refuse, in which words and shapes.
"""

import json
import os
from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import numpy as np
import pytest
from structlog.testing import capture_logs

from services.asr_service import TimedASR
from services.base import ASR, ASRError, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.openai import asr as openai_asr
from services.vendors.openai.asr import open_asr
from tests.simulators.openai_transcription import (
    GPT_4O,
    GROQ,
    KEY,
    MEAN,
    OPENAI,
    SERVERS,
    SILICONFLOW,
    SPEACHES,
    WHISPER_CPP,
    Fault,
    Said,
    Server,
    TranscriptionSimulator,
    serve_transcription,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

HINTS = RecognitionHints("anon", hotwords=("爱音", "Anon"))
VENDORS_OWN_WORDS = "vendor text that must not be shown"


def speech(ms: int, seed: int = 0) -> bytes:
    return np.random.default_rng(seed).integers(-9000, 9000, ms * 16, dtype="<i2").tobytes()


@asynccontextmanager
async def asked(
    server: Server = OPENAI, *, final_s: float = 8.0, **changes: Any
) -> AsyncIterator[tuple[TranscriptionSimulator, ASR]]:
    """A server and our ASR for it, with its deadline; afterwards nothing is being answered and nothing is open."""
    with anyio.fail_after(60):
        async with serve_transcription(server) as simulator:
            settings = {"endpoint": simulator.endpoint, "secrets": {"OPENAI_API_KEY": KEY}, **changes}
            async with open_asr(ASRSettings(**settings)) as asr:
                yield simulator, TimedASR(asr, final_s)
            simulator.restore()
            await simulator.until(lambda: not simulator.open)
            await simulator.until_live(False)


async def hear(asr: ASR, pcm: bytes, hints: RecognitionHints = HINTS, *, whole: bool = False, piece: int = 3200) -> str:
    async with asr.open_recognition(hints, whole=whole) as recognition:
        for at in range(0, len(pcm), piece):
            await recognition.send(pcm[at : at + piece])
        await recognition.finish()
        async with aclosing(recognition.transcripts()) as transcripts:
            found = [transcript async for transcript in transcripts]
    assert found == [Transcript(found[-1].text, is_final=True)]
    return found[0].text


async def fail(asr: ASR, pcm: bytes | None = None) -> ASRError:
    with pytest.raises(ASRError) as raised:
        await hear(asr, speech(600) if pcm is None else pcm)
    assert VENDORS_OWN_WORDS not in str(raised.value)
    return raised.value


# ---------------------------------------------------------------- every server there is


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
@pytest.mark.parametrize("language", ["", "ja"])
async def test_every_server_understands_us_and_is_asked_what_it_takes_from_then_on(
    server: Server, language: str
) -> None:
    pcm = speech(1234)
    hints = RecognitionHints("anon", hotwords=("爱音", "Anon"), language=language)
    async with asked(server) as (simulator, asr):
        simulator.hear = lambda _: [Said("はい、そうです。", language="ja")]
        assert await hear(asr, pcm, hints) == "はい、そうです。"
        learned = simulator.asked
        assert await hear(asr, pcm, hints, whole=True) == "はい、そうです。"
        assert simulator.asked == learned + 1  # what was refused once is not tried again
        assert [request.pcm for request in simulator.requests] == [pcm] * simulator.asked
        fields = simulator.requests[-1].fields
        assert fields["model"] == "whisper-1"
        if language and server is not MEAN:
            assert fields["language"] == "ja"
        assert fields.get("prompt") == ("爱音、Anon" if server.takes_prompt else None)
        assert (fields["response_format"] == "verbose_json") == (
            "verbose_json" in server.formats or not server.obeys_format
        )


async def test_what_was_left_out_is_told_to_the_operator_once() -> None:
    with capture_logs() as logs:
        async with asked(GPT_4O) as (_, asr):
            for _ in range(2):
                await hear(asr, speech(500))
    assert [each["event"] for each in logs] == ["hearing_parameters_not_taken"]


async def test_a_server_that_fails_by_itself_over_a_field_is_found_out_before_its_first_answer() -> None:
    async with asked(SPEACHES) as (simulator, asr):
        simulator.faults.extend([Fault(status=500)] * 2)
        assert await hear(asr, speech(1000)) == "听到1000毫秒"
        fields = [request.fields for request in simulator.requests]
        assert fields[0] == fields[1] and set(fields[2]) == {"model", "response_format"}


@pytest.mark.parametrize("still", [False, True])
async def test_a_server_that_failed_over_a_field_is_told_the_language_again_after_a_while(
    still: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hints = RecognitionHints("anon", language="ja")
    async with asked(SPEACHES) as (simulator, asr):
        simulator.faults.extend([Fault(status=500)] * 2)
        monkeypatch.setattr(openai_asr, "LEAN_S", 0.0)  # it is over at once
        assert await hear(asr, speech(1000), hints) and "language" not in simulator.requests[-1].fields
        simulator.faults.extend([Fault(status=500)] * (2 if still else 0))
        monkeypatch.undo()
        assert await hear(asr, speech(1000), hints)
        assert ("language" in simulator.requests[-1].fields) == (not still)
        before = simulator.asked
        assert await hear(asr, speech(1000), hints)
        assert simulator.asked == before + 1
        assert ("language" in simulator.requests[-1].fields) == (not still)


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/json"])
@pytest.mark.parametrize("body", ["你好，爱音。\n", '"你好，爱音。"', ' {"text": " 你好，爱音。"}'])
async def test_an_answer_in_another_shape_than_was_asked_for_is_read(body: str, content_type: str) -> None:
    if content_type == "application/json" and not body.strip().startswith(("{", '"')):
        pytest.skip("no server writes plain text and calls it JSON")
    async with asked() as (simulator, asr):
        simulator.faults.append(Fault("raw", body=body.encode(), content_type=content_type))
        simulator.faults.append(Fault("raw", body=body.encode(), content_type=content_type))
        assert await hear(asr, speech(700)) == "你好，爱音。"


@pytest.mark.parametrize(
    "segments",
    [
        None,
        [],
        "none",
        [{"text": "你好"}],
        [{"text": "早", "no_speech_prob": 0.9, "avg_logprob": -3}],  # of another text
        [{"text": " 你 好", "no_speech_prob": None, "avg_logprob": "x"}],
        [{"id": 1}],
    ],
)
async def test_segments_that_tell_nothing_do_no_harm(segments: Any) -> None:
    told = json.dumps({"text": "你好", "segments": segments, "duration": "1.5"}).encode()
    async with asked() as (simulator, asr):
        simulator.faults.extend([Fault("raw", body=told)] * 2)
        assert await hear(asr, speech(700)) == "你好"


@pytest.mark.parametrize("server", [OPENAI, GPT_4O, SILICONFLOW], ids=lambda server: server.name)
async def test_silence_that_a_server_answers_with_a_subtitle_is_nothing(server: Server) -> None:
    async with asked(server) as (simulator, asr):
        simulator.hear = lambda _: [Said("ご視聴ありがとうございました", 0.8, -0.9, language="ja")]
        assert await hear(asr, speech(900)) == ""


async def test_an_ear_that_is_sure_of_a_subtitle_heard_one() -> None:
    async with asked(OPENAI) as (simulator, asr):
        simulator.hear = lambda _: [Said("ご視聴ありがとうございました", 0.01, -0.1, language="ja")]
        assert await hear(asr, speech(900)) == "ご視聴ありがとうございました"


@pytest.mark.parametrize("server", [OPENAI, SILICONFLOW], ids=lambda server: server.name)
async def test_mandarin_in_traditional_characters_comes_out_as_our_users_write(server: Server) -> None:
    async with asked(server) as (simulator, asr):
        simulator.hear = deque([[Said("今天天氣怎麼樣")]])
        assert await hear(asr, speech(900)) == "今天天气怎么样"
        simulator.hear = deque([[Said("東京大学に行く", language="ja")]])
        assert await hear(asr, speech(900)) == "東京大学に行く"


async def test_tags_are_not_words() -> None:
    async with asked(SILICONFLOW) as (simulator, asr):
        simulator.hear = lambda _: [Said("<|zh|><|HAPPY|><|Speech|><|withitn|>太好了😊。")]
        assert await hear(asr, speech(900)) == "太好了。"


async def test_whisper_cpp_is_told_that_the_language_is_not_known() -> None:
    async with asked(WHISPER_CPP) as (simulator, asr):
        simulator.hear = lambda _: [Said(" 你好\n"), Said(" 爱音\n")]
        assert await hear(asr, speech(900)) == "你好爱音"
        assert simulator.requests[-1].fields["language"] == "auto"


@pytest.mark.parametrize("ms", [0, 60, 99])
async def test_what_is_too_short_to_be_a_word_is_asked_of_nobody(ms: int) -> None:
    async with asked(OPENAI) as (simulator, asr):
        assert await hear(asr, speech(ms)) == ""
        assert simulator.asked == 0


@pytest.mark.parametrize(
    "words", ["Audio file is too short.", "audio_too_short", "Audio file is likely empty", "audio file is empty"]
)
async def test_a_refusal_for_want_of_sound_is_an_empty_transcript(words: str) -> None:
    async with asked() as (simulator, asr):
        simulator.faults.append(Fault(status=400, words=words))
        assert await hear(asr, speech(300)) == ""
        assert simulator.asked == 1


async def test_a_key_is_sent_only_where_there_is_one() -> None:
    async with asked(SPEACHES, secrets={}) as (simulator, asr):
        assert await hear(asr, speech(300))
        assert not any("Authorization" in request.headers for request in simulator.requests)


async def test_the_connection_is_there_before_the_person_has_finished_and_is_used_again() -> None:
    async with asked(SPEACHES) as (simulator, asr):
        async with asr.open_recognition(HINTS) as recognition:
            await simulator.until_live(True)
            assert simulator.asked == 0
            await recognition.send(speech(500))
            await recognition.finish()
            async with aclosing(recognition.transcripts()) as transcripts:
                assert (await anext(transcripts)).is_final
        await hear(asr, speech(500))
        assert len({request.peer for request in simulator.requests}) == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_no_fault() -> None:
    async with asked(GROQ) as (simulator, asr):
        await hear(asr, speech(400))
        for _ in range(3):
            simulator.hang_up()
            assert await hear(asr, speech(400)) == "听到400毫秒"


async def test_a_long_recording_arrives_whole() -> None:
    pcm = speech(120_000)
    async with asked(SPEACHES) as (simulator, asr):
        await hear(asr, pcm, whole=True, piece=64_000)
        assert simulator.requests[-1].pcm == pcm


async def test_many_at_once_are_each_heard() -> None:
    heard: dict[int, str] = {}
    async with asked(GROQ) as (_, asr):

        async def talk(number: int) -> None:
            heard[number] = await hear(asr, speech(500 + number))

        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(talk, number)
    assert heard == {number: f"听到{500 + number}毫秒" for number in range(30)}


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("fault", "says", "retryable"),
    [
        (Fault(status=401), "refused the key", False),
        (Fault(status=402), "quota is used up", False),
        (Fault(status=403), "denied access", False),
        (Fault(status=403, words="Your balance is not enough"), "quota is used up", False),
        (Fault(status=404, body=b"404 page not found", content_type="text/plain"), "not at the address", False),
        (Fault(status=404, words="The model 'x' does not exist"), "model of speech recognition", False),
        (Fault(status=400, words="Unknown model 'x'. Available: y"), "model of speech recognition", False),
        (Fault(status=405), "not at the address", False),
        (Fault(status=413), "too long", True),
        (Fault(status=429), "too busy", True),
        (Fault(status=429, words="You exceeded your quota: insufficient_quota"), "quota is used up", False),
        (Fault(status=503, words="Loading model"), "too busy", True),
        (Fault("page"), "not at the address", False),
        (Fault("redirect"), "not at the address", False),
        (Fault("error_in_200", words="Unexpected endpoint or method. (POST /audio)"), "not at the address", False),
        (Fault("garbage"), "cannot be read", True),
        (Fault("empty"), "cannot be read", True),
        (Fault("bad_utf8"), "cannot be read", True),
        (Fault("no_text"), "cannot be read", True),
        (Fault("endless"), "cannot be read", True),
    ],
    ids=lambda value: f"{value.kind}-{value.status}" if isinstance(value, Fault) else None,
)
async def test_what_cannot_be_mended_is_said_at_once_and_the_next_utterance_is_heard(
    fault: Fault, says: str, retryable: bool
) -> None:
    with capture_logs() as logs:
        async with asked() as (simulator, asr):
            await hear(asr, speech(300))
            learned = simulator.asked
            simulator.faults.append(fault)
            error = await fail(asr)
            assert says in str(error) and error.retryable == retryable and not error.timed_out
            assert simulator.asked == learned + 1
            assert await hear(asr, speech(800)) == "听到800毫秒"
    events = [each for each in logs if each["event"] in ("hearing_failed", "hearing_refused")]
    assert len(events) == 1 and (events[0]["log_level"] == "error") == (not retryable)
    shown = json.dumps(logs, default=str)
    assert KEY not in shown and VENDORS_OWN_WORDS not in shown


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop"),
        Fault("drop_in_body"),
        Fault("end_early"),
        Fault("error_in_200"),
        *(Fault(status=status) for status in (500, 502, 504)),
        Fault(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{len(fault.body or b'')}",
)
async def test_what_may_pass_is_tried_once_more(fault: Fault) -> None:
    async with asked() as (simulator, asr):
        await hear(asr, speech(300))
        learned = simulator.asked
        simulator.faults.append(fault)
        assert await hear(asr, speech(700)) == "听到700毫秒"
        assert simulator.asked == learned + 2
        simulator.faults.extend([fault] * 2)
        error = await fail(asr)
        assert error.retryable and simulator.asked == learned + 4


@pytest.mark.parametrize("kind", ["silent", "silent_after_headers", "unread"])
async def test_a_server_that_stalls_is_left_in_time(kind: Any) -> None:
    async with asked(final_s=0.5) as (simulator, asr):
        await hear(asr, speech(300))
        simulator.faults.append(Fault(kind))
        error = await fail(asr, speech(60_000))
        assert error.timed_out and error.retryable
        assert await hear(asr, speech(800)) == "听到800毫秒"


async def test_a_refusal_says_when_to_come_again() -> None:
    async with asked() as (simulator, asr):
        simulator.faults.append(Fault(status=429, headers={"Retry-After": "7"}))
        assert (await fail(asr)).not_before_s == 7.0


async def test_what_only_the_operator_can_mend_is_said_once() -> None:
    with capture_logs() as logs:
        async with asked(secrets={"OPENAI_API_KEY": "wrong"}) as (_, asr):
            for _ in range(3):
                assert not (await fail(asr)).retryable
    refused = [each for each in logs if each["event"] == "hearing_refused"]
    assert len(refused) == 1 and "OPENAI_API_KEY" in refused[0]["advice"]


async def test_nobody_at_the_address_is_an_error_that_may_pass() -> None:
    async with asked(endpoint="http://127.0.0.1:9/v1") as (_, asr):
        error = await fail(asr)
        assert error.retryable and "cannot be reached" in str(error)


# ---------------------------------------------------------------- leaving


@pytest.mark.parametrize("moment", ["at once", "speaking", "asked"])
@pytest.mark.parametrize("kind", ["silent", "unread", "silent_after_headers"])
async def test_leaving_waits_for_nobody_and_leaves_nothing(moment: str, kind: Any) -> None:
    async with asked(SPEACHES) as (simulator, asr):
        await hear(asr, speech(300))
        learned = simulator.asked
        before = len(os.listdir("/proc/self/fd"))
        simulator.faults.append(Fault(kind))
        async with anyio.create_task_group() as tasks:
            async with asr.open_recognition(HINTS) as recognition:
                if moment != "at once":
                    await recognition.send(speech(60_000))
                if moment == "asked":
                    await recognition.finish()

                    async def wait() -> None:
                        async with aclosing(recognition.transcripts()) as transcripts:
                            await anext(transcripts)

                    tasks.start_soon(wait)
                    await simulator.until(lambda: simulator.asked > learned)
                    tasks.cancel_scope.cancel()
        simulator.restore()
        if moment == "asked":
            await simulator.until(lambda: not simulator.open)
        else:
            simulator.faults.clear()
        await anyio.wait_all_tasks_blocked()
        assert len(os.listdir("/proc/self/fd")) <= before
        assert await hear(asr, speech(800)) == "听到800毫秒"


async def test_a_callers_own_error_is_not_changed() -> None:
    async with asked() as (_, asr):
        with pytest.raises(ZeroDivisionError):
            async with asr.open_recognition(HINTS):
                _ = 1 / 0


# ---------------------------------------------------------------- opening


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"endpoint": ""}, "endpoints.openai_asr"),
        ({"endpoint": "ws://127.0.0.1/v1"}, "endpoints.openai_asr"),
        ({"endpoint": "http:///v1"}, "endpoints.openai_asr"),
        ({"endpoint": "http://host/v1?key=1"}, "endpoints.openai_asr"),
        ({"secrets": {"OPENAI_API_KEY": "schlüssel"}}, "OPENAI_API_KEY holds characters"),
        ({"secrets": {"OPENAI_API_KEY": "a\r\nb: c"}}, "OPENAI_API_KEY holds characters"),
    ],
)
async def test_settings_that_cannot_be_served_are_refused_with_what_to_do(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(EngineUnavailable, match=says) as raised:
        async with open_asr(ASRSettings(**{"endpoint": "http://127.0.0.1:1/v1", **changes})):
            pass
    assert "schl" not in str(raised.value)
