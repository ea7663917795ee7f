"""The history in an SQLite file: where it lies, what refuses to start, and faults while it runs."""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import Pool

from services.base import Line
from stores import history_sql
from stores.history import FinishedTurn, HistoryKey, HistoryStore, HistoryUnavailable
from stores.history_sql import HistoryUrlError, open_history

pytestmark = pytest.mark.anyio

URL = "sqlite:///data/chatanon.db"
ANON = HistoryKey("a" * 64, "anon")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def say(store: HistoryStore, turn_id: str, text: str = "你好") -> None:
    line = Line("ハロー～", "哈喽～", "happy")
    await store.append_turn(
        ANON, FinishedTurn(turn_id, text, [line], content_cn=line.cn, content_jp=line.jp, emotion=line.emotion)
    )


# --- where the file lies --------------------------------------------------------------------------------------------


async def test_the_history_is_found_again_after_a_restart(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path) as store:
        await say(store, "t1")
    assert (tmp_path / "data" / "chatanon.db").stat().st_size > 0
    assert not list((tmp_path / "data").glob("*-wal")), "the write-ahead log was brought home"
    async with open_history(URL, tmp_path) as store:
        assert len((await store.newest(ANON, 10))[0]) == 2


@pytest.mark.parametrize("scheme", ["sqlite", "sqlite+aiosqlite"])
async def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path, scheme: str) -> None:
    async with open_history(f"{scheme}:///{tmp_path}/deep/er/talk.db", Path("/nonexistent")) as store:
        await say(store, "t1")
    assert (tmp_path / "deep" / "er" / "talk.db").exists()


async def test_a_folder_we_make_is_closed_to_others(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path):
        assert (tmp_path / "data").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@host/db",
        "sqlite+pysqlite:///x.db",
        "sqlite://data/x.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///x.db?mode=ro",
        "data/chatanon.db",
        "",
    ],
)
async def test_another_url_is_refused_with_what_is_accepted(tmp_path: Path, url: str) -> None:
    with pytest.raises(HistoryUrlError, match=r"^history\.url: .*sqlite:///.*memory:") as refused:
        async with open_history(url, tmp_path):
            pass
    assert "secret" not in str(refused.value)
    assert os.listdir(tmp_path) == []


async def refusal(url: str, root: Path, busy_s: float = history_sql.BUSY_SECONDS) -> str:
    with pytest.raises(HistoryUrlError) as refused:
        async with open_history(url, root, busy_s):
            pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("content", [b"this is not a database, but a letter to a friend" * 100, b"\x00" * 5000])
async def test_a_damaged_file_refuses_to_start_and_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "talk.db"
    path.write_bytes(content)
    assert f"{path} is damaged or is no SQLite database; restore a copy" in await refusal("sqlite:///talk.db", tmp_path)
    assert path.read_bytes() == content


async def test_a_newer_schema_refuses_to_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "talk.db") as database:
        database.execute("PRAGMA user_version=99")
    database.close()
    assert "update the program" in await refusal("sqlite:///talk.db", tmp_path)


async def test_a_table_that_is_not_ours_refuses_to_start(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "talk.db") as database:
        database.execute("CREATE TABLE messages (sender, body)")
    database.close()
    assert "no other program made this file" in await refusal("sqlite:///talk.db", tmp_path)
    with sqlite3.connect(tmp_path / "talk.db") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (0,)
    database.close()


async def test_a_place_that_cannot_be_written_refuses_to_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    assert "cannot be made" in await refusal(URL, tmp_path)
    (tmp_path / "talk.db").mkdir()
    assert "cannot be opened" in await refusal("sqlite:///talk.db", tmp_path)


async def test_a_file_that_lost_its_version_number_is_taken_back(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path) as store:
        await say(store, "t1")
    with sqlite3.connect(tmp_path / "data" / "chatanon.db") as database:
        database.execute("PRAGMA user_version=0")  # as a restored text dump has it
    database.close()
    async with open_history(URL, tmp_path) as store:
        assert len((await store.newest(ANON, 10))[0]) == 2


# --- faults while it runs -------------------------------------------------------------------------------------------


@contextmanager
def on_every_connection(act: Callable[[Any, object], None]) -> Iterator[None]:
    """Let `act` see each connection opened inside, before the store's own settings."""
    event.listen(Pool, "connect", act)
    try:
        yield
    finally:
        event.remove(Pool, "connect", act)


def sentence(error: pytest.ExceptionInfo[HistoryUnavailable], tmp_path: Path) -> str:
    text = str(error.value)
    assert text.endswith(".") and "\n" not in text
    assert str(tmp_path) not in text and "INSERT" not in text and "SELECT" not in text
    return text


async def test_disk_full_is_history_unavailable(tmp_path: Path) -> None:
    def limit(connection: Any, _: object) -> None:
        connection.cursor().execute("PRAGMA max_page_count=20")

    with on_every_connection(limit):
        async with open_history(URL, tmp_path) as store:
            await say(store, "small")
            with pytest.raises(HistoryUnavailable) as full:
                await say(store, "large", text="长" * 50_000)
            assert "the disk is full" in sentence(full, tmp_path)
            assert "长" not in str(full.value.__cause__), "what people say is in no log"
            assert {message.turn_id for message in (await store.newest(ANON, 10))[0]} == {"small"}
            await say(store, "after")
            assert [message.turn_id for message in (await store.newest(ANON, 2))[0]] == ["after", "after"]


@contextmanager
def held_by_another_program(path: Path) -> Iterator[None]:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


async def test_a_locked_file_is_history_unavailable_until_it_is_free(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path, busy_s=0.05) as store:
        with held_by_another_program(tmp_path / "data" / "chatanon.db"):
            with pytest.raises(HistoryUnavailable) as locked:
                await say(store, "t1")
            assert "held by another program" in sentence(locked, tmp_path)
            assert await store.newest(ANON, 10) == ([], False)
        await say(store, "t2")
        assert {message.turn_id for message in (await store.newest(ANON, 10))[0]} == {"t2"}


async def test_a_write_waits_while_another_process_writes(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path) as store, anyio.create_task_group() as tasks:
        with held_by_another_program(tmp_path / "data" / "chatanon.db"):
            tasks.start_soon(say, store, "t1")
            await anyio.wait_all_tasks_blocked()
    async with open_history(URL, tmp_path) as store:
        assert {message.turn_id for message in (await store.newest(ANON, 10))[0]} == {"t1"}


async def test_a_file_held_for_long_refuses_to_start(tmp_path: Path) -> None:
    with held_by_another_program(tmp_path / "talk.db"):
        assert "is held by another program" in await refusal("sqlite:///talk.db", tmp_path, busy_s=0.05)


async def test_a_switch_to_wal_that_is_refused_at_once_is_tried_again(tmp_path: Path) -> None:
    attempts: list[object] = []
    tried_again = threading.Event()

    def count(connection: object, _: object) -> None:
        attempts.append(connection)
        if len(attempts) == 2:
            tried_again.set()

    async def start() -> None:
        async with open_history("sqlite:///talk.db", tmp_path) as store:
            await say(store, "t1")

    async with anyio.create_task_group() as tasks:
        with held_by_another_program(tmp_path / "talk.db"), on_every_connection(count):
            tasks.start_soon(start)
            await anyio.to_thread.run_sync(tried_again.wait)


async def test_damage_found_while_running_is_history_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "data" / "chatanon.db"
    async with open_history(URL, tmp_path) as store:
        for number in range(50):
            await say(store, f"t{number}", text="很长" * 200)
    with path.open("r+b") as file:
        page_size = int.from_bytes(file.read(18)[16:], "big")
        file.seek(page_size)  # page 1 holds the schema, and is needed to start at all
        file.write(b"\xff" * (path.stat().st_size - page_size))
    async with open_history(URL, tmp_path) as store:
        with pytest.raises(HistoryUnavailable) as damaged:
            await store.newest(ANON, 10)
        assert "damaged" in sentence(damaged, tmp_path)
        with pytest.raises(HistoryUnavailable):
            await say(store, "t")


async def test_a_row_that_cannot_be_read_is_history_unavailable(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path) as store:
        await say(store, "t1")
        with sqlite3.connect(tmp_path / "data" / "chatanon.db") as database:
            database.execute("""UPDATE messages SET lines = '[{"jp":' WHERE role = 'assistant'""")
        database.close()
        with pytest.raises(HistoryUnavailable) as damaged:
            await store.newest(ANON, 10)
        assert "damaged" in sentence(damaged, tmp_path)


async def test_a_defect_of_ours_is_not_blamed_on_the_disk(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path) as store:
        with pytest.raises(IntegrityError):
            await say(store, None)  # type: ignore[arg-type]
        await say(store, "t1")
        assert len((await store.newest(ANON, 10))[0]) == 2


async def test_a_cancelled_append_is_whole_or_absent_and_the_store_stays_well(tmp_path: Path) -> None:
    async with open_history(URL, tmp_path) as store:
        await say(store, "first")
        returned = ["first"]
        threads = set(threading.enumerate())

        async def append(turn_id: str) -> None:
            await say(store, turn_id)
            returned.append(turn_id)

        for number in range(40):
            async with anyio.create_task_group() as tasks:
                for part in range(3):
                    tasks.start_soon(append, f"{number}-{part}")
                for _ in range(number):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        await say(store, "last")
        assert set(threading.enumerate()) == threads, "no connection was lost to a cancellation"
        messages, _ = await store.newest(ANON, 1000)
        assert [message.role for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert set(returned) | {"last"} <= {message.turn_id for message in messages}


async def test_closing_ends_every_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    async with open_history(URL, tmp_path) as store:
        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(say, store, f"t{number}")
                tasks.start_soon(store.newest, ANON, 10)
        threads = set(threading.enumerate()) - before
    assert len(threads) == history_sql.WRITERS + history_sql.READERS + 1  # and the sweeper
    for thread in threads:
        thread.join()
