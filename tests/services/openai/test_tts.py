"""OpenAI's speech and those who speak its protocol: each is heard; what one does not take is learned once."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from services.base import Emotion, Voice
from services.engine_choice import EngineUnavailable
from services.engine_voices import PerEmotion
from services.vendors.openai.speech_request import Dialect, dialect_of, without
from services.vendors.openai.voice import OpenAIStyle, OpenAIVoice
from tests.services.http_speech.asked_voices import LONG, OPENAI, SHORT, fail, hear
from tests.simulators.openai_speech import KEY, MODEL, Manner, simulate_openai_speech

pytestmark = pytest.mark.anyio
KEYS = {"secrets": {"OPENAI_API_KEY": KEY}}


@pytest.mark.parametrize(
    ("manner", "requests"),
    [
        (Manner(flavour="openai"), 2),  # it does not know `stream`
        (Manner(flavour="kokoro"), 1),
        (Manner(flavour="localai"), 1),
        (Manner(flavour="orpheus"), 1),
        (Manner(flavour="speaches"), 1),
        (Manner(flavour="vllm_omni"), 1),
        (Manner(flavour="vllm_omni", refused=frozenset(("stream_format",))), 3),  # then it streams events, then audio
        (Manner(flavour="speaches", refused=frozenset(("stream", "stream_format", "instructions"))), 4),
        (Manner(flavour="speaches", refused=frozenset(("wav",))), 2),
        (
            Manner(flavour="localai", refused=frozenset(("wav",))),
            2,
        ),  # which gives a WAV where bare samples are asked for
        (Manner(flavour="mute_about_it", refused=frozenset(("instructions",))), 4),
    ],
    ids=lambda each: " ".join((each.flavour, *sorted(each.refused))) if isinstance(each, Manner) else str(each),
)
async def test_every_server_is_heard_and_what_it_does_not_take_is_learned_once(manner: Manner, requests: int) -> None:
    async with OPENAI.running(manner) as (simulator, tts), tts.open_synthesis(Voice()) as synthesis:
        assert await hear(synthesis, SHORT, "happy") == simulator.pcm
        assert len(simulator.spoken) == requests
        simulator.calls.clear()
        assert await hear(synthesis, LONG, "happy") == simulator.pcm
        assert len(simulator.spoken) == 1


async def test_the_rate_of_bare_samples_is_taken_from_the_answer() -> None:
    manner = Manner(flavour="speaches", rate_hz=22_050, refused=frozenset(("wav",)))
    async with OPENAI.running(manner, sample_rate_hz=22_050) as (simulator, tts):
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, SHORT) == simulator.pcm


VOICE = OpenAIVoice(
    "nova",
    speed=1.2,
    instructions="Speak like Anon.",
    emotions=PerEmotion(sad="Nearly weeping.", calm=OpenAIStyle(voice_id="sage", speed=0.8)),
)


@pytest.mark.parametrize(
    ("voice", "emotion", "asked"),
    [
        (OpenAIVoice(), "auto", {"voice": "alloy", "speed": None, "instructions": None, "model": MODEL}),
        (OpenAIVoice(), "sad", {"instructions": "Speak in a low, sad voice."}),
        (VOICE, "auto", {"voice": "nova", "speed": 1.2, "instructions": "Speak like Anon."}),
        (VOICE, "happy", {"instructions": "Speak like Anon. Speak in a bright, happy voice."}),
        (VOICE, "sad", {"voice": "nova", "speed": 1.2, "instructions": "Nearly weeping."}),
        (VOICE, "calm", {"voice": "sage", "speed": 0.8}),
    ],
)
async def test_voice_speed_and_instructions_are_those_of_the_emotion(
    voice: OpenAIVoice, emotion: Emotion, asked: dict[str, Any]
) -> None:
    async with OPENAI.running() as (simulator, tts), tts.open_synthesis(Voice(options=voice)) as synthesis:
        await hear(synthesis, SHORT, emotion)
        (call,) = simulator.spoken
        assert {name: call.body.get(name) for name in asked} == asked


@pytest.mark.parametrize(
    ("voice", "flavour", "says"),
    [
        (OpenAIVoice("nobody"), "openai", "voices.openai.voice_id"),
        (OpenAIVoice("nobody"), "kokoro", "voices.openai.voice_id"),
        (OpenAIVoice(model="tts-9"), "openai", "models.openai_tts"),
        (OpenAIVoice(model="tts-9"), "speaches", "models.openai_tts"),
    ],
)
async def test_a_voice_or_model_it_has_not_is_the_operators_to_mend(
    voice: OpenAIVoice, flavour: Any, says: str
) -> None:
    with capture_logs() as logs:
        async with OPENAI.running(Manner(flavour=flavour)) as (simulator, tts):
            async with tts.open_synthesis(Voice(options=voice)) as synthesis:
                for _ in range(2):
                    error, _ = await fail(synthesis, SHORT)
                    assert says in str(error) and not error.retryable and not error.one_sentence
            assert len(simulator.spoken) <= 4
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["voice_refused"]


@pytest.mark.parametrize("secrets", [{}, {"OPENAI_API_KEY": "sk-of-somebody-else"}])
async def test_a_wrong_key_is_said_to_be_one_and_never_shown(secrets: dict[str, str]) -> None:
    with capture_logs() as logs:
        async with simulate_openai_speech(Manner(), key=KEY) as simulator:
            async with OPENAI.open(simulator.url, secrets=secrets) as tts, tts.open_synthesis(Voice()) as synthesis:
                error, _ = await fail(synthesis, SHORT)
                assert "OPENAI_API_KEY" in str(error) and "sk-" not in str(error) + repr(logs)
            async with OPENAI.open(simulator.url, **KEYS) as tts, tts.open_synthesis(Voice()) as synthesis:
                assert await hear(synthesis, SHORT)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": ""}, r"models\.openai_tts is empty"),
        ({"secrets": {"OPENAI_API_KEY": "a\nb"}}, "OPENAI_API_KEY holds"),
    ],
)
async def test_settings_that_cannot_be_served_refuse_to_open(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(EngineUnavailable, match=says):
        async with OPENAI.open("http://127.0.0.1:9/v1", **changes):
            pass


@pytest.mark.parametrize(
    ("host", "format"), [("api.openai.com", "pcm"), ("openai.com.evil", "wav"), ("127.0.0.1", "wav"), ("", "wav")]
)
def test_known_servers_are_asked_as_they_want_it(host: str, format: str) -> None:
    assert dialect_of(host).format == format


BODY = {"model": "m", "input": "x", "voice": "v", "stream": True, "stream_format": "audio", "speed": 1.2}


@pytest.mark.parametrize(
    ("status", "words", "lacks"),
    [
        (400, "Unknown parameter: 'stream_format'. stream is known", {"stream_format"}),
        (422, "Extra inputs are not permitted body stream", {"stream"}),
        (400, "speed must be 1", {"speed"}),
        (400, "Bad Request", {"stream_format"}),
        (400, "Voice 'x' not found", None),
        (400, "input too long", None),
        (401, "stream", None),
        (500, "stream", None),
        (200, 'data: {"type":"speech.audio.delta"}', {"stream"}),
        (200, "stream", None),
    ],
)
def test_a_refusal_names_what_is_left_out_next(status: int, words: str, lacks: set[str] | None) -> None:
    found = without(Dialect(), BODY, status, words)
    assert (found and set(found.lacks)) == lacks
