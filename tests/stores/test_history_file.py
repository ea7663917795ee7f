"""The history's file taken away while it is open, and opened by two."""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from stores.history import FinishedTurn, HistoryKey, HistoryStore, HistoryUnavailable
from stores.history_sql import HistoryUrlError, open_history
from tests.running_server import ROOT

pytestmark = pytest.mark.anyio

URL = "sqlite:///data/chatanon.db"
ANON = HistoryKey("a" * 64, "anon")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def say(store: HistoryStore, turn_id: str) -> None:
    await store.append_turn(ANON, FinishedTurn(turn_id, "你好", [], content_cn="", content_jp="", emotion="auto"))


async def recall(store: HistoryStore) -> list[str]:
    return [message.turn_id for message in (await store.newest(ANON, 10))[0]]


def rows(path: Path) -> list[str]:
    """In a file that must be sound."""
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [turn_id for (turn_id,) in database.execute("SELECT turn_id FROM messages ORDER BY id")]


# --- the file is taken away -----------------------------------------------------------------------------------------


def delete(path: Path, _: Path) -> None:
    path.unlink()


def delete_with_its_log(path: Path, _: Path) -> None:
    for file in path.parent.glob("chatanon.db*"):
        file.unlink()


def delete_folder(path: Path, _: Path) -> None:
    shutil.rmtree(path.parent)


def move(path: Path, elsewhere: Path) -> None:
    path.rename(elsewhere / "chatanon.db")


def move_folder(path: Path, elsewhere: Path) -> None:
    path.parent.rename(elsewhere / "data")


def replace_by_copy(path: Path, elsewhere: Path) -> None:
    shutil.copy(elsewhere / "copy.db", elsewhere / "other.db")
    (elsewhere / "other.db").rename(path)


def replace_by_empty(path: Path, elsewhere: Path) -> None:
    (elsewhere / "empty.db").touch()
    (elsewhere / "empty.db").rename(path)


GONE: list[tuple[Callable[[Path, Path], None], list[str]]] = [
    (delete, []),
    (delete_with_its_log, []),
    (delete_folder, []),
    (move, []),
    (move_folder, []),
    (replace_by_copy, ["copied"]),
    (replace_by_empty, []),
]
NOTICE: dict[str, Callable[[HistoryStore], object]] = {
    "written": lambda store: say(store, "in vain"),
    "read": recall,
    "cleared": lambda store: store.clear(ANON),
}


@pytest.mark.parametrize("noticed", NOTICE)
@pytest.mark.parametrize(("take_away", "left"), GONE, ids=[take_away.__name__ for take_away, _ in GONE])
async def test_a_file_that_is_gone_is_noticed_once_and_the_next_one_is_used(
    tmp_path: Path, take_away: Callable[[Path, Path], None], left: list[str], noticed: str
) -> None:
    path, elsewhere = tmp_path / "data" / "chatanon.db", tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with open_history(URL, tmp_path) as store:
        await say(store, "copied")
    shutil.copy(path, elsewhere / "copy.db")
    with capture_logs() as log:
        async with open_history(URL, tmp_path) as store:
            for number in range(20):
                await say(store, f"before {number}")
            take_away(path, elsewhere)
            with pytest.raises(HistoryUnavailable, match="its file was deleted or replaced"):
                await NOTICE[noticed](store)  # type: ignore[misc]
            assert await recall(store) == left
            await say(store, "after")
            assert await recall(store) == [*left, "after"]
    assert rows(path) == [*left, "after"], "and whoever opens it afterwards finds the same"
    assert [event["log_level"] for event in log] == ["error"], "one line"


@pytest.mark.parametrize(("take_away", "where"), [(move, "chatanon.db"), (move_folder, "data/chatanon.db")])
async def test_what_was_kept_is_whole_in_a_file_that_was_moved(
    tmp_path: Path, take_away: Callable[[Path, Path], None], where: str
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with open_history(URL, tmp_path) as store:
        await say(store, "first")
        await say(store, "second")
        take_away(tmp_path / "data" / "chatanon.db", elsewhere)
        with pytest.raises(HistoryUnavailable):
            await recall(store)
    assert rows(elsewhere / where) == ["first", "second"]


async def test_several_who_miss_it_together_are_all_told_and_all_go_on(tmp_path: Path) -> None:
    told: list[int] = []

    async def talk(number: int) -> None:
        try:
            await say(store, f"in vain {number}")
        except HistoryUnavailable:
            told.append(number)
            await say(store, f"again {number}")

    with capture_logs() as log:
        async with open_history(URL, tmp_path) as store:
            (tmp_path / "data" / "chatanon.db").unlink()
            async with anyio.create_task_group() as tasks:
                for number in range(20):
                    tasks.start_soon(talk, number)
            kept = set(await recall(store))
    assert told
    assert len(rows(tmp_path / "data" / "chatanon.db")) == 20, "each either was kept or was told, and then kept"
    assert kept <= {f"{how} {number}" for how in ("in vain", "again") for number in range(20)}
    assert len(log) == 1


async def test_where_no_new_file_can_be_made_each_call_says_so_until_one_can(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with open_history(URL, tmp_path) as store:
        await say(store, "before")
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("a file where the folder was")
        for _ in range(3):
            with pytest.raises(HistoryUnavailable, match="its file was deleted or replaced"):
                await say(store, "in vain")
        folder.unlink()
        (tmp_path / "elsewhere").rename(folder)
        if not await _works(store):
            assert await _works(store)
        await say(store, "after")
        assert await recall(store) == ["before", "after"], "back in its place it is the same as ever"


async def _works(store: HistoryStore) -> bool:
    try:
        await recall(store)
    except HistoryUnavailable:
        return False
    return True


# --- two have it open -----------------------------------------------------------------------------------------------

HOLDER = """
import sys, anyio
from pathlib import Path
from stores.history_sql import open_history

async def main():
    async with open_history("sqlite:///data/chatanon.db", Path(sys.argv[1])):
        print("open", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
"""


@contextmanager
def holder(root: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the history open."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root)], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with process:
        try:
            assert process.stdout is not None
            while (line := process.stdout.readline()) != "open\n":
                assert line, "it did not open it"
            yield process
        finally:
            process.kill()


async def warnings(root: Path) -> list[str]:
    """What somebody who opens it is told."""
    with capture_logs() as log:
        async with open_history(URL, root) as store:
            await say(store, "anyway")
    return [event["event"] for event in log if event["log_level"] == "warning"]


@pytest.mark.slow
async def test_who_opens_a_file_that_others_have_is_told_until_the_last_of_them_is_killed(tmp_path: Path) -> None:
    assert await warnings(tmp_path) == []
    with holder(tmp_path) as first, holder(tmp_path) as second:
        assert len(await warnings(tmp_path)) == 1
        for process, others in ((first, 1), (second, 0)):
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert len(await warnings(tmp_path)) == others


@pytest.mark.slow
async def test_by_config_the_second_one_does_not_start_and_the_first_goes_on(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path, shared="refuse") as store:
        with pytest.raises(HistoryUrlError, match=r"another server uses .*chatanon\.db; end that one"):
            async with open_history(URL, tmp_path, shared="refuse"):
                pass
        await say(store, "on")
        assert await recall(store) == ["on"]
    async with open_history(URL, tmp_path, shared="refuse") as store:
        assert await recall(store) == ["on"]
