"""A history that cannot be written at once: what is waited for, what is given up, and what is not the disk's fault."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from services.base import Line
from stores import history_sql
from stores.history import FinishedTurn, HistoryKey, HistoryStore, HistoryUnavailable
from stores.history_sql import open_history

pytestmark = pytest.mark.anyio

URL = "sqlite:///talk.db"
ANON = HistoryKey("a" * 64, "anon")

HOLDER = """
import sqlite3, sys
lock = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    lock.execute(line)
    print("done", flush=True)
"""


class Holder:
    """Another process with the same file open."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def does(self, statement: str) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{statement}\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def end(self) -> None:
        self._process.communicate()


@contextmanager
def another_process(path: Path) -> Iterator[Holder]:
    holder = Holder(path)
    try:
        yield holder
    finally:
        holder.end()


async def say(store: HistoryStore, turn_id: str) -> None:
    line = Line("ハロー～", "哈喽～", "happy")
    await store.append_turn(
        ANON, FinishedTurn(turn_id, "你好", [line], content_cn=line.cn, content_jp=line.jp, emotion=line.emotion)
    )


async def kept(store: HistoryStore) -> set[str]:
    return {message.turn_id for message in (await store.newest(ANON, 1000))[0]}


@contextmanager
def before_each(statement: str, act: Callable[[], None]) -> Iterator[None]:
    """Let `act` happen in the thread that is about to execute such a statement."""

    def before(_: Any, __: Any, text: str, *___: Any) -> None:
        if text.startswith(statement):
            act()

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


@pytest.mark.parametrize("writers", [1, 40])
async def test_a_file_that_another_process_writes_to_is_waited_for(tmp_path: Path, writers: int) -> None:
    async with open_history(URL, tmp_path, busy_s=60) as store:
        with another_process(tmp_path / "talk.db") as holder:
            holder.does("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                for number in range(writers):
                    tasks.start_soon(say, store, f"t{number}")
                await anyio.wait_all_tasks_blocked()
                assert await kept(store) == set(), "reading goes on meanwhile"
                holder.does("COMMIT")
        assert await kept(store) == {f"t{number}" for number in range(writers)}


async def test_a_file_that_is_held_for_too_long_is_given_up_by_all_who_wait_and_the_next_one_works(
    tmp_path: Path,
) -> None:
    refused: list[str] = []

    async def try_to_say(turn_id: str) -> None:
        with pytest.raises(HistoryUnavailable, match="held by another program"):
            await say(store, turn_id)
        refused.append(turn_id)

    waits = 0

    def count() -> None:
        nonlocal waits
        waits += 1

    async with open_history(URL, tmp_path, busy_s=0.1) as store:
        with another_process(tmp_path / "talk.db") as holder, before_each("BEGIN", count):
            holder.does("BEGIN IMMEDIATE")
            async with anyio.create_task_group() as tasks:
                for number in range(40):
                    tasks.start_soon(try_to_say, f"t{number}")
            assert len(refused) == waits == 40
            holder.does("ROLLBACK")
        await say(store, "after")
        assert await kept(store) == {"after"}


async def test_a_late_event_loop_is_not_the_disks_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time round, the loop is busy for longer than any of the store's limits."""
    limit_s = 0.02
    for name in ("STUCK_SECONDS", "WRITE_SECONDS", "READ_STUCK_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(history_sql, name, limit_s)
    over = False

    async def hold_the_loop() -> None:
        while not over:
            until = anyio.current_time() + 2 * limit_s
            while anyio.current_time() < until:
                pass
            await anyio.lowlevel.checkpoint()

    async with open_history(URL, tmp_path, busy_s=limit_s) as store, anyio.create_task_group() as tasks:
        tasks.start_soon(hold_the_loop)
        async with anyio.create_task_group() as sayers:
            for number in range(30):
                sayers.start_soon(say, store, f"t{number}")
        assert len(await kept(store)) == 30
        over = True


async def test_a_call_that_ended_while_the_loop_was_away_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_sql, "STUCK_SECONDS", 0.0)
    async with open_history(URL, tmp_path, busy_s=0.05) as store, anyio.create_task_group() as tasks:
        committed = threading.Event()
        event.listen(Engine, "commit", lambda _: committed.set(), once=True)
        tasks.start_soon(say, store, "t1")
        await anyio.lowlevel.checkpoint()
        committed.wait()
        until = anyio.current_time() + 0.2
        while anyio.current_time() < until:
            pass
    async with open_history(URL, tmp_path) as store:
        assert await kept(store) == {"t1"}


async def test_a_write_that_hangs_is_given_up_is_not_kept_after_all_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_sql, "STUCK_SECONDS", 0.05)
    hanging, answers = threading.Event(), threading.Event()

    def hang() -> None:
        hanging.set()
        answers.wait()

    async with open_history(URL, tmp_path, busy_s=0.05) as store:
        with before_each("INSERT", hang):
            try:
                for turn_id in ("t1", "t2"):  # the second one waits behind the first
                    with pytest.raises(HistoryUnavailable) as hung:
                        await say(store, turn_id)
                    assert "does not answer" in str(hung.value) and hanging.is_set()
                assert await kept(store) == set(), "reading goes on"
            finally:
                answers.set()
            await say(store, "t3")
        assert await kept(store) == {"t3"}


async def test_forgetting_does_not_fail_where_another_program_still_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_sql, "READ_STUCK_SECONDS", 0.05)
    async with open_history(URL, tmp_path, busy_s=0.3) as store:
        await say(store, "t1")
        with another_process(tmp_path / "talk.db") as holder:
            holder.does("BEGIN")
            holder.does("SELECT * FROM messages")
            await store.clear(ANON)
            assert await kept(store) == set()


async def test_a_read_that_hangs_is_given_up_sooner_than_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_sql, "READ_STUCK_SECONDS", 0.05)
    answers = threading.Event()

    def hang() -> None:
        answers.wait()

    async with open_history(URL, tmp_path, busy_s=60) as store:
        await say(store, "t1")
        with before_each("SELECT", hang):
            try:
                for _ in range(3):  # the third one finds no thread free
                    with pytest.raises(HistoryUnavailable, match="does not answer"):
                        await store.newest(ANON, 10)
                await say(store, "t2")
            finally:
                answers.set()
            assert await kept(store) == {"t1", "t2"}
