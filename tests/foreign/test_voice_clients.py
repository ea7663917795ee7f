"""The simulators of voices, judged by clients that work in the field: `voicevox-client`, OpenAI's own, LiveKit's."""

import io
import wave
from base64 import b64decode
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, TypeVar

import pytest
from anyio.from_thread import start_blocking_portal

from tests.foreign.foreign import ask_client
from tests.simulators.minimax import KEY as MINIMAX_KEY
from tests.simulators.minimax import simulate_minimax, speech
from tests.simulators.openai_speech import KEY, MODEL, RATE_HZ, Manner, simulate_openai_speech
from tests.simulators.voicevox import simulate_voicevox

pytestmark = pytest.mark.slow

Simulator = TypeVar("Simulator")
TEXT = "こんにちは、元気だった？"


@contextmanager
def running(simulator: AbstractAsyncContextManager[Simulator]) -> Iterator[Simulator]:
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(simulator) as found:
        yield found


def test_voicevox_is_asked_through_its_client() -> None:
    sentences: list[dict[str, Any]] = [
        {"text": TEXT, "speaker": 3},
        {"text": TEXT, "speaker": 3, "speedScale": 2.0, "pauseLength": 0.1},
        {"text": TEXT, "speaker": 4711},
        {"text": TEXT, "speaker": 3, "speedScale": 0},
    ]
    with running(simulate_voicevox()) as engine:
        said = ask_client("voices", "voicevox", {"url": engine.url, "sentences": sentences})
        assert said["version"] == "0.25.0"
        plain, fast, unknown, broken = said["answers"]
        sizes = []
        for answer, call in zip((plain, fast), engine.spoken, strict=False):
            with wave.open(io.BytesIO(b64decode(answer["wav"]))) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
                sizes.append(file.getnframes())
                assert file.readframes(file.getnframes()) == call.sent and answer["loaded"]
        assert sizes[1] < 0.6 * sizes[0]
        assert (unknown["refused"], broken["refused"]) == (422, 500)


def test_a_speech_server_is_asked_through_openais_client() -> None:
    fields = {"key": KEY, "model": MODEL, "voice": "nova", "input": TEXT, "response_format": "pcm"}
    sentences: list[dict[str, Any]] = [
        fields,
        {**fields, "instructions": "Softly.", "speed": 1.5, "stream_format": "audio"},
        {**fields, "response_format": "wav"},
        {**fields, "key": "wrong"},
        {**fields, "voice": "nobody"},
        {**fields, "model": "tts-9"},
        {**fields, "extra_body": {"stream": True}},
    ]
    with running(simulate_openai_speech(Manner(), key=KEY)) as server:
        plain, soft, filed, key, voice, model, unknown = ask_client(
            "llm", "speech", {"url": server.url, "sentences": sentences}
        )
        sent = [call.sent for call in server.spoken if call.sent]
    assert [b64decode(plain["sound"]), b64decode(soft["sound"])] == sent[:2] and len(sent[1]) < len(sent[0])
    assert b64decode(filed["sound"]).endswith(sent[2]) and b64decode(filed["sound"]).startswith(b"RIFF")
    assert (plain["kind"], filed["kind"]) == ("audio/pcm", "audio/wav") and len(sent[0]) > RATE_HZ // 2
    assert (key["refused"], key["status"]) == ("AuthenticationError", 401)
    assert (voice["refused"], voice["param"]) == ("BadRequestError", "voice")
    assert (model["refused"], model["status"]) == ("NotFoundError", 404)
    assert (unknown["refused"], unknown["param"]) == ("BadRequestError", "stream")


def test_minimax_is_asked_through_livekits_plugin() -> None:
    shared = {"model": "speech-2.8-hd", "voice": "Japanese_CalmLady", "audio_format": "pcm", "sample_rate": 16_000}
    shared["api_key"] = MINIMAX_KEY
    served: list[dict[str, Any]] = [
        {"emotion": "happy", "language_boost": "Japanese"},
        {"speed": 1.2, "pitch": -2, "intensity": 10, "text_normalization": True},
    ]
    voices = [{**shared, **options} for options in (*served, {"api_key": "wrong"}, {"voice": "nobody"})]
    with running(simulate_minimax()) as vendor:
        url = vendor.url.removesuffix("/ws/v1/t2a_v2")
        asked = {"url": url, "pieces": ["やっほー。", "元気に", "してた？"], "voices": voices}
        *answers, key, voice = ask_client("livekit", "minimax_voice", asked)
        for answer, call in zip(answers, vendor.calls, strict=False):
            assert call.start is not None and "".join(call.texts) == "やっほー。元気にしてた？"
            pcm = b"".join(speech(text, call.start) for text in call.texts)
            heard = b64decode(answer["pcm"])
            assert heard.startswith(pcm) and not heard[len(pcm) :].strip(b"\0") and call.spoken == call.texts
        assert (key["refused"], voice["refused"]) == ("APIStatusError", "APIConnectionError")
        assert vendor.calls[-1].sent_codes == [2054]
