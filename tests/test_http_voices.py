"""A real server with each voice that is asked over HTTP, against that voice's simulator: a turn is spoken."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.protocol_client import ProtocolClient, audio
from tests.running_server import ROOT, RunningServer, running_server
from tests.simulators import openai_speech
from tests.simulators.gpt_sovits import simulate_gpt_sovits
from tests.simulators.openai_speech import simulate_openai_speech
from tests.simulators.speech_server import Fault, SpeechSimulator
from tests.simulators.style_bert_vits2 import simulate_style_bert_vits2
from tests.simulators.voicevox import simulate_voicevox

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-voices-over-http"
VOICES = """
voices:
  voicevox: {speaker: ずんだもん, speed: 1.2, emotions: {happy: あまあま}}
  gpt_sovits: {reference: anon.wav, reference_text: こんにちは。, emotions: {sad: {reference: sad.wav}}}
  style_bert_vits2: {model: anon, style_weight: 2, emotions: {happy: 元気}}
  openai: {voice_id: nova, instructions: Speak like Anon.}
"""
SIMULATORS = {
    "voicevox": (simulate_voicevox, "voicevox", ["VOICEVOX:ずんだもん"]),
    "gpt_sovits": (simulate_gpt_sovits, "gpt_sovits", []),
    "style_bert_vits2": (simulate_style_bert_vits2, "style_bert_vits2", []),
    "openai": (simulate_openai_speech, "openai_tts", []),
}


@contextmanager
def serving(engine: str, folder: Path) -> Iterator[tuple[RunningServer, Any]]:
    simulate, endpoint, _ = SIMULATORS[engine]
    prompts = folder / "prompts"
    shutil.copytree(ROOT / "prompts", prompts)
    shutil.rmtree(prompts / "tomori")
    (prompts / "anon" / "character.yaml").write_text(VOICES, "utf-8")
    portal: BlockingPortal
    with start_blocking_portal("asyncio") as portal, portal.wrap_async_context_manager(simulate()) as simulator:  # type: ignore[operator]
        with running_server(
            folder,
            VALID_API_TOKENS=TOKEN,
            CHATANON_ENGINES__LLM="embedded",
            CHATANON_ENGINES__ASR="embedded",
            CHATANON_ENGINES__TTS=engine,
            CHATANON_MODELS__OPENAI_TTS=openai_speech.MODEL,
            CHATANON_CHARACTERS__FOLDER=str(prompts),
            **{f"CHATANON_ENDPOINTS__{endpoint.upper()}": simulator.url},
        ) as server:
            yield server, simulator


@pytest.mark.parametrize("engine", SIMULATORS)
def test_a_turn_is_spoken_by_the_voice_of_the_configuration(engine: str, tmp_path: Path) -> None:
    with serving(engine, tmp_path) as (server, simulator):
        client = ProtocolClient(server.url)
        client.connect(api_token=TOKEN)
        pcm = np.frombuffer(audio(client.turn("你好")), "<i2")
        sent: SpeechSimulator = simulator
        assert any(call.whole for call in sent.spoken)
        assert len(pcm) / 16_000 > 0.5 and np.abs(pcm).max() > 4000
        about = server.get("/")[1]
        assert about["engines"]["tts"]["name"] == engine
        assert [credit for credit in about["credits"] if "HTS" not in credit] == SIMULATORS[engine][2]
        # A server that is gone costs a turn its sound, and the next one has it again.
        path = sent.sound_path
        sent.faults.append(Fault(path, status=401, times=99))
        silent = client.turn("你好")
        assert audio(silent) == b"" and silent[-1]["type"] == "response" and silent[-1]["content_jp"]
        sent.faults.clear()
        assert audio(client.turn("你好"))
        client.close()
        assert [event["engine"] for event in server.events("voice_refused")] == [engine]
        assert "must not be shown" not in "".join(server.log) + str(silent)
