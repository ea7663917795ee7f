"""The project as in a fresh clone, and a shell in it."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.documents.pages import TWINS, write_character
from tests.espeak import speak
from tests.running_server import ROOT
from tests.speech import wav


def make_clone(tmp_path: Path) -> Path:
    """The project as in a fresh clone whose libraries are installed: `make` and PATH find this very Python there."""
    leave_out = shutil.ignore_patterns(".*", "data", "recordings", "credentials.py", "__pycache__", "*.wav", "htmlcov")
    folder = tmp_path / "clone"
    shutil.copytree(ROOT, folder, ignore=leave_out)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("python", ""), ("pip", "-m pip "), ("uvicorn", "-m uvicorn ")):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n')
        (programs / name).chmod(0o755)
    for stamp in ("installed", "installed-dev"):
        (folder / ".venv" / stamp).touch()
    pcm, rate_hz = speak("你叫什么名字", "cmn", 175, 50)  # the defaults of the command
    (folder / "hello.wav").write_bytes(wav(pcm, rate_hz=rate_hz))
    write_character(TWINS["characters"][1], folder / "prompts")
    return folder


def path_of(clone: Path) -> str:
    return f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"


def run(clone: Path, command: str, said: str = "") -> str:
    """Its standard output; it must end well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CHATANON_", "VALID_"))}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=clone,
        env={**environment, "PATH": path_of(clone)},
        input=said,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout
