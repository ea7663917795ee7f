"""`make simulators`: the cloud paths for a person without keys, and a clean end."""

import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.running_server import ROOT, RunningServer
from tests.talker import Talker, audio, kinds


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulators_talk_through_the_server_and_end_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.simulators", "--first-token-ms", "0", "--token-ms", "0"]
    server = RunningServer(tmp_path, {}, *command)
    try:
        server.wait_until_ready()
        _, about, _ = server.get("/")
        assert (about["engines"]["llm"]["name"], about["engines"]["tts"]["name"]) == ("doubao", "minimax")
        talker = Talker(server.url)
        talker.connect(api_token="dev_token_001")
        messages = talker.turn("你好")
        assert kinds(messages) == ["thinking", "audio_chunk", "audio_end", "response"] and audio(messages)
        server.signal(number)
        assert talker.closed()[0] == 4001
        talker.close()
        assert server.wait() == 0
        with socket.socket() as caller:
            assert caller.connect_ex(("127.0.0.1", server.port)) != 0  # nobody is left
    finally:
        server.kill()


def test_make_offers_them() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^simulators: .*\n\t@exec \$\(PYTHON\) -m tests\.simulators$", makefile, re.MULTILINE)
