"""The bot of docs/clients.md: shown as it is, served as it is, and run as a stranger would."""

import re
import shutil
import subprocess
import sys
import urllib.request
import wave
from pathlib import Path

import pytest

from tests.running_server import ROOT, RunningServer

BOT = ROOT / "web" / "app" / "examples" / "bot.py"
PATIENCE_S = 60


@pytest.mark.parametrize("document", ["clients.md", "clients.en.md"])
def test_bot_shown_is_the_one_that_is_served(document: str) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    assert re.findall(r"```python\n(.*?)```", text, re.DOTALL) == [BOT.read_text(encoding="utf-8")]


@pytest.mark.slow
def test_bot_talks_beside_a_copy_of_the_library(server: RunningServer, token: str, tmp_path: Path) -> None:
    """Nothing of the project is there but the folder; the bot comes from the server."""
    shutil.copytree(ROOT / "chatanon_client", tmp_path / "chatanon_client")
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/app/examples/bot.py", timeout=PATIENCE_S) as served:
        (tmp_path / "bot.py").write_bytes(served.read())

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "bot.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)

    done = run(server.url, token, "你好", "再见")
    assert (done.returncode, done.stderr) == (0, "") and re.search(r"\[\w+\]\n", done.stdout)
    with wave.open(str(tmp_path / "reply.wav"), "rb") as voice:
        assert (voice.getframerate(), voice.getnchannels()) == (16_000, 1) and voice.getnframes() > 16_000
    refused = run(server.url, "wrong", "你好")
    assert refused.returncode == 1 and refused.stderr.startswith("unauthorized: ")


@pytest.mark.slow
@pytest.mark.parametrize("document", ["clients.md", "clients.en.md"])
def test_command_shown_runs(server: RunningServer, token: str, tmp_path: Path, document: str) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    (command,) = re.findall(r"```bash\n(.*?)\n```", text, re.DOTALL)
    shown = {
        "PYTHONPATH=.": f"PYTHONPATH={ROOT}",
        ".venv/bin/python": sys.executable,
        "web/app/": f"{ROOT}/web/app/",
        "localhost:8765": f"localhost:{server.port}",
        "dev_token_001": token,
    }
    for written, here in shown.items():
        assert written in command
        command = command.replace(written, here)
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "reply.wav").exists()
