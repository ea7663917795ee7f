"""Either side started with a Python that has none of our libraries: the project's own takes over, or one sentence."""

import ast
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.client.peer import ROOT

PATIENCE_S = 60  # only reached where something starts itself for ever
BARE = (sys.executable, "-S", "-B")  # without site-packages
SIDES = {"client": ("client/test_client.py",), "server": ("-m", "server.main")}
READ_BY_OLD_PYTHONS = [
    *(f"client/texts/{name}.py" for name in ("codes", "command_line", "connections", "sound", "talk")),
    "client/test_client.py", "client/language.py", "client/texts/__init__.py", "client/right_python.py",
    "server/main.py", "server/observability/command_line.py", "server/observability/language.py",
    "server/observability/texts.py", "server/observability/right_python.py",
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What a bare Python reads before it gives up, in a folder whose name needs quotes."""
    folder = tmp_path / "my project"
    for name in ("client", "server"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def own_python(project: Path, script: str) -> None:
    """Give the project a .venv whose Python does as the script says."""
    program = project / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_text(script)
    program.chmod(0o755)


def start(project: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=project, env={**os.environ, **variables}, capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.mark.slow
@pytest.mark.parametrize("side", SIDES)
def test_project_s_own_python_takes_over_with_what_was_asked(project: Path, side: str) -> None:
    own_python(project, '#!/bin/sh\nprintf "%s|" "$@"\n')
    done = start(project, *BARE, *SIDES[side], *(["--message", "a 'b'"] if side == "client" else []))
    asked = ["--message", "a 'b'"] if side == "client" else []
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{each}|" for each in (*SIDES[side], *asked))


def removed(project: Path) -> None:
    own_python(project, "")
    program = project / ".venv" / "bin" / "python"
    program.unlink()
    program.symlink_to("/nowhere/python")


BROKEN: dict[str, Callable[[Path], None]] = {
    "no .venv": lambda project: None,
    "as bare": lambda project: own_python(project, f'#!/bin/sh\nexec {shlex.join(BARE)} "$@"\n'),
    "of another machine": lambda project: own_python(project, "\x7fELF of another kind"),
    "removed": removed,
}


@pytest.mark.slow
@pytest.mark.parametrize("state", BROKEN)
@pytest.mark.parametrize("side", SIDES)
def test_without_one_that_works_there_is_one_sentence_with_one_command(project: Path, side: str, state: str) -> None:
    BROKEN[state](project)
    done = start(project, *BARE, *SIDES[side], LANGUAGE="en")
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert sentence.endswith("Please run: make install")
    assert start(project, *BARE, *SIDES[side], LANGUAGE="ja").stderr.endswith("make install\n")


@pytest.mark.slow
def test_command_is_right_where_the_reader_is_and_without_make(project: Path, tmp_path: Path) -> None:
    client = str(project / "client" / "test_client.py")
    elsewhere = start(tmp_path, *BARE, client)
    assert elsewhere.stderr.strip().endswith(f"make -C {shlex.quote(str(project))} install")
    without_make = start(project, *BARE, client, PATH="/nowhere").stderr.strip()
    assert without_make.endswith("python3 -m venv .venv && .venv/bin/python -m pip install --require-hashes "
                                 "-r requirements.txt")  # fmt: skip


OLD = """
import runpy, sys
sys.version_info = (3, 8, 18, "final", 0)
sys.argv = sys.argv[1:]
sys.path.insert(0, ".")
if sys.argv[0] == "server":
    runpy.run_module("server.main", run_name="__main__")
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.parametrize("side", ["client/test_client.py", "server"])
def test_old_python_is_named_with_what_is_needed(project: Path, side: str) -> None:
    done = start(project, sys.executable, "-c", OLD, side, LANGUAGE="en")
    assert done.returncode == 2
    (sentence,) = done.stderr.splitlines()
    assert "3.11 or newer" in sentence and sentence.endswith("make install")


@pytest.mark.parametrize("path", READ_BY_OLD_PYTHONS)
def test_old_pythons_can_read_what_tells_them(path: str) -> None:
    ast.parse((ROOT / path).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_both_sides_do_the_same() -> None:
    """Neither may import the other, so each has its own; what differs is above the line."""
    line = "# ---------------------------------------------------------------- the same on both sides"
    texts = [
        (ROOT / path).read_text(encoding="utf-8").partition(line) for path in READ_BY_OLD_PYTHONS if "right" in path
    ]
    assert texts[0][2] == texts[1][2] != ""
