"""GPT-SoVITS: a recording for each emotion, a language for each sentence, ways of streaming, silent failures."""

from typing import Any

import anyio
import pytest
from structlog.testing import capture_logs

from services.base import Emotion, Voice
from services.engine_voices import PerEmotion
from services.vendors.gpt_sovits.voice import GptSovitsRecording, GptSovitsVoice
from tests.services.http_speech.asked_voices import GPT_SOVITS, LONG, RECORDINGS, SHORT, fail, hear
from tests.simulators.gpt_sovits import RATE_HZ, Manner
from tests.simulators.speech_server import Fault

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("emotion", "reference", "text"), [("auto", "anon.wav", "こんにちは。"), ("sad", "sad.wav", "はあ。")]
)
async def test_each_emotion_has_its_recording(emotion: Emotion, reference: str, text: str) -> None:
    async with GPT_SOVITS.running() as (simulator, tts), tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
        assert await hear(synthesis, SHORT, emotion) == simulator.pcm
        body = simulator.spoken[0].body
        assert (body["ref_audio_path"], body["prompt_text"], body["prompt_lang"]) == (reference, text, "ja")


async def test_what_a_recording_says_of_itself_is_sent() -> None:
    recording = GptSovitsRecording("sad.wav", "oh", "en", 0.9)
    voice = GptSovitsVoice("anon.wav", "你好", "zh", ("calm.wav",), 1.1, emotions=PerEmotion(sad=recording))
    async with GPT_SOVITS.running() as (simulator, tts), tts.open_synthesis(Voice(options=voice)) as synthesis:
        await hear(synthesis, SHORT)
        await hear(synthesis, SHORT, "sad")
        sent = [
            (call.body["prompt_lang"], call.body["speed_factor"], call.body["aux_ref_audio_paths"])
            for call in simulator.spoken
        ]
        assert sent == [("zh", 1.1, ["calm.wav"]), ("en", 0.9, ["calm.wav"])]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("今日は良い天気だね。", "all_ja"),
        ("新しいPVを見た？", "ja"),
        ("好的，我们走吧。", "zh"),
        ("안녕하세요.", "ko"),
        ("大丈夫。", "all_ja"),
        ("OK!", "ja"),
    ],
)
async def test_each_sentence_has_its_language(text: str, language: str) -> None:
    async with GPT_SOVITS.running() as (simulator, tts), tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
        await hear(synthesis, text)
        assert [call.body["text_lang"] for call in simulator.spoken] == [language]


@pytest.mark.parametrize(
    ("older", "wanted", "asked"),
    [(False, 1, [True, True]), (False, 3, [3, 3]), (True, 1, [True, True]), (True, 2, [2, True, True])],
)
async def test_a_way_of_streaming_that_is_not_known_there_is_asked_for_once(
    older: bool, wanted: Any, asked: list[Any]
) -> None:
    voice = GptSovitsVoice("anon.wav", "こんにちは。", streaming=wanted)
    async with GPT_SOVITS.running(Manner(older=older)) as (simulator, tts):
        async with tts.open_synthesis(Voice(options=voice)) as synthesis:
            for _ in range(2):
                assert await hear(synthesis, SHORT)
        assert [call.body["streaming_mode"] for call in simulator.spoken] == asked


async def test_one_request_at_a_time_whoever_asks() -> None:
    async with GPT_SOVITS.running(Manner(pace=50)) as (simulator, tts):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):

                async def turn() -> None:
                    async with tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
                        await hear(synthesis, SHORT)

                tasks.start_soon(turn)
        assert len(simulator.spoken) == 3 and not simulator.overlapped


async def test_a_recording_that_is_not_there_is_told_though_a_stream_does_not_tell_it() -> None:
    voice = Voice(options=GptSovitsVoice("nowhere.wav", "こんにちは。"))
    with capture_logs() as logs:
        async with GPT_SOVITS.running() as (simulator, tts), tts.open_synthesis(voice) as synthesis:
            error, _ = await fail(synthesis, SHORT)
            assert "voices.gpt_sovits.reference" in str(error) and not error.retryable and not error.one_sentence
            assert "nowhere" not in str(error)
            assert [call.body["streaming_mode"] for call in simulator.spoken] == [True, False]
    assert [(log["event"], log["code"]) for log in logs] == [("voice_refused", "recording")]


async def test_a_second_of_silence_is_a_failure_and_not_speech() -> None:
    async with GPT_SOVITS.running(Manner(broken="silence")) as (simulator, tts):
        async with tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
            error, heard = await fail(synthesis, SHORT)
            assert heard == b"" and error.one_sentence
            simulator.manner.broken = ""
            assert await hear(synthesis, SHORT)


async def test_silence_of_a_broken_stream_is_not_heard_before_what_comes_instead() -> None:
    async with GPT_SOVITS.running() as (simulator, tts), tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
        silent = b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80>\0\0\0}\0\0\2\0\x10\0data\0\0\0\0" + bytes(32_000)
        simulator.faults.append(Fault("tts", status=200, kind="audio/wav", body=silent))
        assert await hear(synthesis, SHORT) == simulator.pcm


async def test_a_language_the_model_has_not_costs_its_sentence_alone() -> None:
    async with GPT_SOVITS.running() as (simulator, tts), tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
        said = b'{"message":"text_lang: ko is not supported in version v1"}'
        simulator.faults.append(Fault("tts", status=400, body=said, text="안녕하세요."))
        error, _ = await fail(synthesis, "안녕하세요.")
        assert error.one_sentence and "language" in str(error)
        assert await hear(synthesis, LONG)


async def test_a_character_without_a_recording_is_told_of_at_the_start() -> None:
    voices = {"anon": Voice(options=RECORDINGS), "rin": Voice()}
    with capture_logs() as logs:
        async with GPT_SOVITS.running(voices=voices):
            pass
    assert [log["event"] for log in logs] == [
        "rin: has no voice here; voices.gpt_sovits.reference should name a recording"
    ]


async def test_its_own_rate_is_read_from_the_stream() -> None:
    async with GPT_SOVITS.running(sample_rate_hz=16_000) as (simulator, tts):
        async with tts.open_synthesis(GPT_SOVITS.voice) as synthesis:
            heard = await hear(synthesis, LONG)
        assert len(heard) == pytest.approx(len(simulator.pcm) * 16_000 / RATE_HZ, abs=8)
