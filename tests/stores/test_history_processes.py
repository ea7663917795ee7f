"""The history between real processes: some that start together, and some that are killed."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]

# For each folder named on its input: opens the history there, appends one turn, says so.
STARTER = """
import sys, anyio, structlog
from pathlib import Path
from stores.history import FinishedTurn, HistoryKey
from stores.history_sql import open_history
from services.base import Line

structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))

async def start(root, name):
    async with open_history("sqlite:///data/chatanon.db", Path(root)) as store:
        await store.append_turn(HistoryKey("a" * 64, "anon"), FinishedTurn(name, "你好", [Line("や", "呀")],
                                content_cn="呀", content_jp="や", emotion="auto"))

async def main():
    print("imported", flush=True)
    for line in sys.stdin:
        try:
            await start(line.strip(), sys.argv[1])
            print("up", flush=True)
        except Exception as error:
            print(repr(error), repr(error.__cause__), flush=True)

anyio.run(main)
"""

# Appends without end, eight sessions at once, and writes each turn's id the moment its append has returned.
APPENDER = """
import os, sys, anyio
from pathlib import Path
from stores.history import FinishedTurn, HistoryKey
from stores.history_sql import open_history
from services.base import Line

async def talk(store, number):
    turn = 0
    while True:
        turn += 1
        await store.append_turn(HistoryKey("a" * 64, "anon"), FinishedTurn(
                                f"{sys.argv[2]}-{number}-{turn}", "你好" * turn,
                                [Line("や" * turn, "呀")] * 3, content_cn="呀", content_jp="や", emotion="auto"))
        os.write(1, f"{sys.argv[2]}-{number}-{turn}\\n".encode())

async def main():
    async with open_history("sqlite:///data/chatanon.db", Path(sys.argv[1])) as store:
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(talk, store, number)

anyio.run(main)
"""


def run_python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=PROJECT,
        env=os.environ | {"PYTHONUTF8": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@contextmanager
def ended(*processes: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for process in processes:
            process.kill()
        raise
    finally:
        for process in processes:
            with suppress(BrokenPipeError):
                process.communicate()


@pytest.mark.slow
def test_processes_that_start_together_in_an_empty_folder_all_come_up(tmp_path: Path) -> None:
    starters = [run_python(STARTER, f"process {number}") for number in range(3)]
    with ended(*starters):
        assert [read_line(starter) for starter in starters] == ["imported"] * 3
        for number in range(20):
            for starter in starters:
                assert starter.stdin is not None
                starter.stdin.write(f"{tmp_path / str(number)}\n")
                starter.stdin.flush()
            assert [read_line(starter) for starter in starters] == ["up"] * 3
            assert set(turns(tmp_path / str(number))) == {"process 0", "process 1", "process 2"}
    assert [starter.returncode for starter in starters] == [0, 0, 0], "each ends as soon as its store is closed"


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def turns(root: Path) -> dict[str, list[str]]:
    """Turn ids and the roles kept of each, of a file that must be sound."""
    database = sqlite3.connect(root / "data" / "chatanon.db")
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        found: dict[str, list[str]] = {}
        for turn_id, role in database.execute("SELECT turn_id, role FROM messages ORDER BY id"):
            found.setdefault(turn_id, []).append(role)
        return found
    finally:
        database.close()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_kill_9_loses_no_append_that_returned_and_leaves_none_half_there(tmp_path: Path) -> None:
    rng = random.Random(58)
    acknowledged: set[str] = set()
    for attempt in range(6):
        appender = run_python(APPENDER, str(tmp_path), str(attempt))
        with ended(appender):
            for _ in range(rng.randint(1, 120)):
                acknowledged.add(read_line(appender))
            appender.send_signal(signal.SIGKILL)
            assert appender.stdout is not None
            acknowledged.update(line.strip() for line in appender.stdout)
        assert appender.returncode == -signal.SIGKILL
        kept = turns(tmp_path)
        assert acknowledged <= kept.keys()
        assert all(roles == ["user", "assistant"] for roles in kept.values())
