"""A Python that lacks our libraries in; the project's own Python in its place, or one sentence with the command, out.

Python 3.8 must be able to read this file. The client has the same one: neither side knows the other's code.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from server.observability.language import tell

# ---------------------------------------------------------------- the same on both sides

NEEDED = (3, 11)
ROOT = Path(__file__).resolve().parents[len(__name__.split(".")) - 1]
CHOSEN = "_CHATANON_PYTHON"  # set once this was done: a second time would be for ever
PYTHONS = (".venv/bin/python", ".venv/Scripts/python.exe")
REQUIREMENTS = "-m pip install --require-hashes -r requirements.txt"


def insist_on_version(*start: str) -> None:
    """`start`: what follows `python` in the command that was given."""
    if tuple(sys.version_info) < NEEDED:
        _start_again(start)
        _end(tell("python_too_old", version=sys.version.split()[0], command=_command_that_installs()))


def insist_on_library(name: str | None, *start: str) -> NoReturn:
    """`name`: what could not be imported."""
    _start_again(start)
    _end(tell("library_missing", name=name, command=_command_that_installs()))


def _end(sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    sys.exit(2)


def _start_again(start: tuple[str, ...]) -> None:
    """With the project's Python; returns where there is none that works, or where it runs already."""
    python = next((str(ROOT / name) for name in PYTHONS if (ROOT / name).is_file()), None)
    if python is None or os.environ.get(CHOSEN) == python:
        return
    environment = {**os.environ, CHOSEN: python}
    try:
        if sys.platform == "win32":  # where exec returns to the shell at once
            sys.exit(subprocess.call([python, *start], env=environment))
        os.execve(python, [python, *start], environment)
    except OSError:  # made on another machine
        return


def _command_that_installs() -> str:
    """To be typed in the folder where the reader is."""
    elsewhere = Path.cwd() != ROOT
    if os.name == "nt":
        command = rf"py -3 -m venv .venv; .venv\Scripts\python {REQUIREMENTS}"
        return f'cd "{ROOT}"; {command}' if elsewhere else command
    if shutil.which("make"):
        return f"make -C {shlex.quote(str(ROOT))} install" if elsewhere else "make install"
    command = f"python3 -m venv .venv && .venv/bin/python {REQUIREMENTS}"
    return f"cd {shlex.quote(str(ROOT))} && {command}" if elsewhere else command
