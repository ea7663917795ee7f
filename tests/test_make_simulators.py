"""`make simulators`: the cloud paths for a person without keys, and a clean end."""

import base64
import re
import signal
import socket
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.protocol_client import ProtocolClient, audio, kinds
from tests.running_server import ROOT, RunningServer

SPOKEN = (8000 * np.sin(np.arange(16000) * 0.3)).astype("<i2").tobytes()  # to the simulated ear, whoever is loud speaks


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "more", "llm"),
    [(signal.SIGINT, [], "doubao"), (signal.SIGTERM, ["--bidi", "--llm", "openrouter"], "openai")],
    ids=str,
)
def test_simulators_talk_through_the_server_and_end_cleanly(
    tmp_path: Path, number: signal.Signals, more: list[str], llm: str
) -> None:
    command = [sys.executable, "-m", "tests.simulators", "--first-token-ms", "0", "--token-ms", "0", *more]
    server = RunningServer(tmp_path, {}, *command)
    try:
        server.wait_until_ready()
        _, about, _ = server.get("/")
        engines = {kind: engine["name"] for kind, engine in about["engines"].items()}
        assert engines["llm"] == llm and engines["tts"] == "minimax" and engines["asr"] == "bytedance"
        client = ProtocolClient(server.url)
        client.connect(api_token="dev_token_001")
        messages = client.turn("你好")
        assert kinds(messages) == ["thinking", "audio_chunk", "audio_end", "response"] and audio(messages)
        client.send("audio_message", audio_base64=base64.b64encode(SPOKEN).decode())
        messages = client.until("response", "error")
        assert kinds(messages) == ["thinking", "transcription", "audio_chunk", "audio_end", "response"]
        assert [message["text"] for message in messages if message["type"] == "transcription"][-1] == "听到1000毫秒"
        server.signal(number)
        assert client.closed()[0] == 4001
        client.close()
        assert server.wait() == 0
        with socket.socket() as user:
            assert user.connect_ex(("127.0.0.1", server.port)) != 0  # nobody is left
    finally:
        server.kill()


def test_make_offers_them() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^simulators: .*\n\t@exec \$\(PYTHON\) -m tests\.simulators$", makefile, re.MULTILINE)
