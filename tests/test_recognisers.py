"""People's own recognisers, as the person at the other end meets them: speech in, transcript and reply out."""

import base64
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal

from tests.protocol_client import ProtocolClient, Wire
from tests.running_server import RunningServer
from tests.simulators import funasr, openai_transcription
from tests.simulators.funasr import simulate_funasr
from tests.simulators.openai_transcription import KEY, Said, serve_transcription

pytestmark = pytest.mark.slow

SPEECH = np.random.default_rng(0).integers(-9000, 9000, 1280 * 16, dtype="<i2").tobytes()
SIMULATORS: dict[str, Callable[[], AbstractAsyncContextManager[Any]]] = {
    "openai": serve_transcription,
    "funasr": simulate_funasr,
}


@contextmanager
def served(engine: str, folder: Path) -> Iterator[tuple[Any, RunningServer, ProtocolClient]]:
    """A vendor, a server that asks it, and a user."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(SIMULATORS[engine]()) as simulator,
    ):
        address = simulator.endpoint if engine == "openai" else simulator.url
        name = {"openai": "OPENAI_ASR", "funasr": "FUNASR"}[engine]
        server = RunningServer(
            folder,
            {
                "CHATANON_ENGINES__LLM": "embedded",
                "CHATANON_ENGINES__TTS": "embedded",
                "CHATANON_ENGINES__ASR": engine,
                f"CHATANON_ENDPOINTS__{name}": address,
                "CHATANON_ASR__LANGUAGE": "zh",
                "OPENAI_API_KEY": KEY,
            },
        )
        try:
            server.wait_until_ready()
            client = ProtocolClient(server.url)
            client.connect(api_token="dev_token_001")
            yield simulator, server, client
            client.close()
        finally:
            server.kill()


def stream(client: ProtocolClient) -> list[Wire]:
    """Speak, piece by piece; everything up to the reply, or the error."""
    client.send("audio_stream_start")
    for at in range(0, len(SPEECH), 3200):
        client.send("audio_stream_chunk", audio_base64=base64.b64encode(SPEECH[at : at + 3200]).decode())
    client.send("audio_stream_end")
    return client.until("response", "error")


def recording(client: ProtocolClient) -> list[Wire]:
    client.send("audio_message", audio_base64=base64.b64encode(SPEECH).decode())
    return client.until("response", "error")


@pytest.mark.parametrize("engine", ["openai", "funasr"])
def test_speech_is_understood_and_answered_and_a_fault_is_that_of_one_turn(engine: str, tmp_path: Path) -> None:
    with served(engine, tmp_path) as (simulator, server, client):
        simulator.hear = (lambda _: [Said("你好，愛音。")]) if engine == "openai" else (lambda _: "你好，愛音。")
        for speak in (stream, recording):
            messages = speak(client)
            final = [each for each in messages if each["type"] == "transcription" and not each.get("is_partial")]
            assert [each["text"] for each in final] == ["你好，爱音。"]
            assert messages[-1]["type"] == "response" and messages[-1]["content_jp"]
            assert any(each["type"] == "audio_chunk" for each in messages)
        if engine == "openai":
            simulator.faults.append(openai_transcription.Fault(status=429))
            assert simulator.requests[-1].fields["language"] == "zh"
        else:
            simulator.faults.append(funasr.Fault("end", raw="no json"))
            assert [call.first["mode"] for call in simulator.calls] == ["2pass", "offline"]
            assert simulator.calls[0].first["svs_lang"] == "zh"
        assert stream(client)[-1]["type"] == "error"
        assert stream(client)[-1]["type"] == "response"
        _, told, _ = server.get("/")
        assert engine in str(told["engines"]["asr"])
