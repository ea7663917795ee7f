"""The first minute of `make`: what it shows while libraries are installed, and that it ends as pip ends."""

import os
import pty
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.running_server import ROOT

PIP_SAYS = """\
Collecting aiohttp==3.14.5 (from -r .venv/locked.txt (line 1))
  Using cached aiohttp-3.14.5-cp311-cp311-linux_x86_64.whl (1.9 MB)
Ignoring colorama: markers 'sys_platform == "win32"' don't match your environment
Requirement already satisfied: attrs==26.1 in ./.venv/lib/python3.11/site-packages (from -r requirements.txt)
Processing ./wheels/pyopenjtalk_plus-0.4.1-py3-none-any.whl
  Downloading pyopenjtalk_plus-0.4.1-py3-none-any.whl (38.1 MB)
Installing collected packages: pyopenjtalk-plus, aiohttp
Successfully installed aiohttp-3.14.5
"""
NAMES = ("aiohttp", "colorama", "attrs", "pyopenjtalk-plus")
UNREAD = "sudachidict-core"
REQUIREMENTS = "".join(f"{name}==1 \\\n    --hash=sha256:00\n" for name in (*NAMES[:2], UNREAD, *NAMES[2:]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program = tmp_path / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\nprintf %s {shlex.quote(PIP_SAYS)}\necho "ERROR: no disk" >&2\nexit ${{STATUS:-0}}\n'
    )
    program.chmod(0o755)
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    return tmp_path


def install(folder: Path, status: int = 0, language: str = "en", terminal: int | None = None) -> tuple[int, str]:
    command = ["bash", str(ROOT / "scripts" / "venv.sh"), ".venv", "requirements.txt"]
    environment = {**os.environ, "STATUS": str(status), "LANGUAGE": language}
    done = subprocess.run(command, cwd=folder, env=environment, stderr=terminal or subprocess.PIPE, timeout=60)
    return done.returncode, (done.stderr or b"").decode()


def test_every_package_is_named_as_it_comes(folder: Path) -> None:
    code, shown = install(folder)
    assert code == 0
    steps = [
        "1/4 aiohttp==3.14.5",
        "2/4 colorama",
        "3/4 attrs==26.1",
        "4/4 pyopenjtalk_plus",
        "(38.1 MB)",
        "unpacking",
    ]
    positions = [shown.index(step) for step in steps]
    assert positions == sorted(positions)
    assert shown.splitlines()[-1] == "requirements.txt is installed"


def test_what_is_never_read_is_not_asked_for(folder: Path) -> None:
    install(folder)
    asked = (folder / ".venv" / "locked.txt").read_text()
    assert asked == REQUIREMENTS.replace(f"{UNREAD}==1 \\\n    --hash=sha256:00\n", "")
    assert UNREAD in (ROOT / "requirements.txt").read_text(
        encoding="utf-8"
    )  # for those who let pip find what is required


def test_terminal_shows_one_line_that_moves(folder: Path) -> None:
    master, slave = pty.openpty()
    code, _ = install(folder, terminal=slave)
    os.close(slave)
    shown = os.read(master, 65_536).decode()
    os.close(master)
    assert code == 0
    assert shown.count("\n") < install(folder)[1].count("\n")
    assert "\r\x1b[K  4/4 pyopenjtalk_plus" in shown


def test_failure_of_pip_is_a_failure_with_its_words(folder: Path) -> None:
    code, shown = install(folder, status=3)
    assert code == 3 and "ERROR: no disk" in shown and "is installed" not in shown


@pytest.mark.parametrize(
    ("language", "word"), [("zh_CN.UTF-8", "装好了"), ("ja", "終わりました"), ("fr", "is installed")]
)
def test_steps_are_told_in_the_reader_s_language(folder: Path, language: str, word: str) -> None:
    assert word in install(folder, language=language)[1]
