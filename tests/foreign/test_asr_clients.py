"""Simulators of recognisers, judged by clients that work in the field.

livekit-plugins-volcengine is not among them: with what it needs it takes 300 MB. Tried by hand, it is let in and heard
at all three of ByteDance's endpoints; its ids are no UUIDs, and it sends no X-Api-Sequence.
"""

import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.foreign.foreign import ask_client
from tests.simulators.bytedance import ACCESS_KEY, APP_KEY, SERVICES, simulate_bytedance
from tests.simulators.funasr import Manner, Program, simulate_funasr
from tests.simulators.openai_transcription import KEY, OPENAI, SILICONFLOW, Fault, Said, serve_transcription

pytestmark = pytest.mark.slow

SPEECH = np.random.default_rng(0).integers(-9000, 9000, 1600 * 16, dtype="<i2").tobytes() + bytes(2 * 16000)


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal("asyncio") as running:
        yield running


@pytest.fixture
def recording(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "speech.pcm").write_bytes(SPEECH)
    with wave.open(str(tmp_path / "speech.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(SPEECH)
    return {"pcm": str(tmp_path / "speech.pcm"), "wav": str(tmp_path / "speech.wav")}


def test_openais_own_client_is_answered(portal: BlockingPortal, recording: dict[str, str]) -> None:
    common = {"key": KEY, "model": "whisper-1"}
    verbose = {"response_format": "verbose_json", "timestamp_granularities": ["segment"]}
    questions: list[dict[str, Any]] = [
        common,
        {**common, **verbose, "language": "ja", "prompt": "爱音", "temperature": 0.2},
        {**common, "response_format": "text"},
        {**common, "key": "wrong"},
        {**common, "model": "unheard-of"},
        common,
    ]
    with portal.wrap_async_context_manager(serve_transcription(OPENAI)) as simulator:
        simulator.hear = lambda _: [Said("你好，"), Said("爱音。")]
        simulator.faults.extend([Fault()] * 4 + [Fault(status=429)])  # the wrong key takes one, and so does the model
        asked = {"package": "openai", "url": simulator.endpoint, **recording, "questions": questions}
        plain, told, text, wrong_key, no_model, again = ask_client("llm", "transcription", asked)
        assert simulator.requests[0].pcm == SPEECH
    assert plain["text"] == told["text"] == text["text"].strip() == "你好，爱音。"
    assert told["segments"] == ["你好，", "爱音。"]
    assert (wrong_key["status"], no_model["status"]) == (401, 429) and again["text"] == "你好，爱音。"


def test_openais_own_client_is_answered_in_json_alone(portal: BlockingPortal, recording: dict[str, str]) -> None:
    with portal.wrap_async_context_manager(serve_transcription(SILICONFLOW)) as simulator:
        asked = {"package": "openai", "url": simulator.endpoint, **recording, "questions": [{"key": KEY, "model": "x"}]}
        assert ask_client("llm", "transcription", asked)[0]["text"] == "听到2600毫秒"


def test_doubao_speech_is_heard_at_every_endpoint(portal: BlockingPortal, recording: dict[str, str]) -> None:
    with portal.wrap_async_context_manager(simulate_bytedance()) as simulator:
        simulator.hear = lambda _: "你好，爱音。"
        keys = {"app_id": APP_KEY, "access_token": ACCESS_KEY}
        questions = [{"url": simulator.url_of(service), **keys} for service in SERVICES]
        answers = ask_client("asr", "transcription", {"package": "doubao", **recording, "questions": questions})
        assert [answer["text"] for answer in answers] == ["你好，爱音。"] * 3
        assert all(call.answered and not call.sent_codes for call in simulator.calls)
        assert not any("x-api-sequence" in {name.lower() for name in call.headers} for call in simulator.calls)


@pytest.mark.parametrize("program", ["py-new", "py-old"])
def test_funasr_python_is_answered(portal: BlockingPortal, recording: dict[str, str], program: Program) -> None:
    """It takes no times but as text, which the programs in C++ alone write, and those not always."""
    with portal.wrap_async_context_manager(simulate_funasr(Manner(program, stamps=False))) as simulator:
        simulator.hear = lambda _: "今天天气很好。"
        asked = {"package": "funasr", "url": simulator.url, **recording, "questions": [{}]}
        (answer,) = ask_client("asr", "transcription", asked)
        (call,) = simulator.calls
        assert call.ended and bytes(call.audio) == SPEECH and call.first["mode"] == "2pass"
        assert "今天天气很好" in "".join(answer["partials"] + answer["finals"])
