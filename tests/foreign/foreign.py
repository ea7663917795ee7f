"""Clients of other hands, each group in a virtual environment of its own, run as programs against our simulators.

    python -m tests.foreign.foreign llm        installs those of requirements-llm.txt, and says where

`requirements-NAME.in` says what is wanted and `requirements-NAME.txt` is its lock (`make lock`), without the address of
any index. The environment is made under `.venv/foreign/NAME` by the first test that needs it, and kept until the lock
changes; where the index has no such packages, the test is skipped with pip's own words. Only wheels are installed,
unless the lock says otherwise with a line `--no-binary PACKAGE`.

A client is a file of `clients/`: given JSON on its standard input, it does all of that in one go (what takes time is to
start it), and prints JSON as its last line. A server is a file of `servers/`: an engine that people run, with weights.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
HERE: Final = ROOT / "tests" / "foreign"
_INSTALLED: Final = ROOT / ".venv" / "foreign"
_INSTALL_S, _RUN_S = 600, 120  # nothing takes that long unless it hangs
# What pip says where an index lacks a package, or cannot be reached at all.
_NOT_THERE: Final = re.compile(r"No matching distribution|Could not find a version|Could not install requirement", re.I)


def ask_client(name: str, client: str, asked: Any, **environment: str) -> Any:
    """The JSON that `clients/CLIENT.py` prints last, run in the environment NAME with `asked` as its input.

    Skips the test where its packages cannot be had. `environment`: beside PATH and the like; no key, proxy or setting
    of whoever runs the tests gets there.
    """
    python = _python_of(name)
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    done = subprocess.run(
        [str(python), "-I", str(HERE / "clients" / f"{client}.py")],
        env={**kept, "NO_PROXY": "*", "PYTHONUTF8": "1", **environment},
        input=json.dumps(asked),
        capture_output=True,
        encoding="utf-8",
        timeout=_RUN_S,
    )
    assert done.returncode == 0, f"{client} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def serve(name: str, server: str, *arguments: str) -> Iterator[str]:
    """The address at which `servers/SERVER.py` listens, run in the environment NAME; it has ended on leaving.

    Skips the test where its packages cannot be had. What it prints beside its address is shown where it does not start.
    """
    python = _python_of(name)
    command = [str(python), "-I", str(HERE / "servers" / f"{server}.py"), *arguments]
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, encoding="utf-8"
        ) as program,
    ):
        try:
            assert program.stdout is not None
            address = program.stdout.readline().strip()
            said.seek(0)
            assert address, f"{server} did not start:\n{said.read().decode(errors='replace')}"
            yield address
        finally:
            program.kill()


def _python_of(name: str) -> Path:
    python, why = _install(name)
    if why:
        told = f"the clients of requirements-{name}.txt cannot be installed here: {why}"
        # Of an index nobody can ask that it has everything; whatever else is wrong, CI must hear of it.
        lacking = _NOT_THERE.search(why)
        pytest.skip(told) if lacking or not os.environ.get("NOTHING_SKIPPED") else pytest.fail(told)
    return python


@cache
def _install(name: str) -> tuple[Path, str]:
    """The Python of an environment, made if need be; and why it could not be."""
    lock = HERE / f"requirements-{name}.txt"
    folder = _INSTALLED / name
    python, mark = folder / "bin" / "python", folder / "installed"
    wanted = f"{sys.version}\n{lock.read_text('utf-8')}"
    with _alone(name):
        if mark.is_file() and mark.read_text("utf-8") == wanted:
            return python, ""
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, symlinks=True)
        # Our own pip installs into it, so that none has to be put there first.
        command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--require-hashes"]
        more = ["--only-binary", ":all:", "--no-compile", "--disable-pip-version-check", "--no-input", "--retries", "1"]
        done = subprocess.run(
            [*command, *more, "--requirement", str(lock)], capture_output=True, encoding="utf-8", timeout=_INSTALL_S
        )
        if done.returncode:
            return python, " ".join(_errors(done.stderr)) or f"pip ended with {done.returncode}"
        mark.write_text(wanted, "utf-8")
    return python, ""


def _errors(said: str) -> list[str]:
    return [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """The other workers of this run wait, and find what was installed."""
    _INSTALLED.mkdir(parents=True, exist_ok=True)
    with open(_INSTALLED / f"{name}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for group in sys.argv[1:]:
        print(*_install(group))
