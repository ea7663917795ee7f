"""Every store keeps the same promises; the SQLite file keeps them through crashes, full disks and bad files."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.pool import Pool

from services.base import Line
from stores import history_sql
from stores.history import MEMORY_MESSAGES, HistoryKey, HistoryStore, HistoryUnavailable, MemoryHistory
from stores.history_sql import HistoryUrlError, open_history

pytestmark = pytest.mark.anyio

PROJECT = Path(__file__).resolve().parents[2]
URL = "sqlite:///data/chatanon.db"
ANON = HistoryKey("a" * 64, "anon")
LINES = (Line("ハロー～", "哈喽～", "happy"), Line("元気？", "你好吗？"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory:", URL])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[HistoryStore]:
    async with open_history(request.param, tmp_path) as opened:
        yield opened


async def say(store: HistoryStore, turn_id: str, key: HistoryKey = ANON, text: str = "你好") -> None:
    await store.append_turn(
        key, turn_id, text, LINES, content_cn="哈喽～你好吗？", content_jp="ハロー～元気？", emotion="happy"
    )


# --- both stores ----------------------------------------------------------------------------------------------------


async def test_a_turn_is_found_again_with_both_sides(store: HistoryStore) -> None:
    before = datetime.now(UTC)
    await say(store, "t1")
    (user, reply), more = await store.newest(ANON, 10)
    assert not more
    assert (user.turn_id, user.role, user.content_cn) == ("t1", "user", "你好")
    assert (user.content_jp, user.emotion, user.lines, user.cut) == (None, None, (), False)
    assert (reply.turn_id, reply.role, reply.content_cn) == ("t1", "assistant", "哈喽～你好吗？")
    assert (reply.content_jp, reply.emotion, reply.lines) == ("ハロー～元気？", "happy", LINES)
    assert user.id < reply.id
    assert before - timedelta(milliseconds=1) < user.at == reply.at <= datetime.now(UTC)
    assert user.at.tzinfo == UTC and user.at.microsecond % 1000 == 0


async def test_a_reply_cut_before_it_was_heard_leaves_the_users_text_alone(store: HistoryStore) -> None:
    await store.append_turn(ANON, "t1", "你好", [], content_cn="", content_jp="", emotion="auto", cut=True)
    messages, _ = await store.newest(ANON, 10)
    assert [(message.role, message.cut) for message in messages] == [("user", True)]


async def test_a_cut_reply_is_marked(store: HistoryStore) -> None:
    await store.append_turn(
        ANON, "t1", "你好", LINES[:1], content_cn="哈喽～", content_jp="ハロー～", emotion="happy", cut=True
    )
    messages, _ = await store.newest(ANON, 10)
    assert [(message.role, message.cut) for message in messages] == [("user", True), ("assistant", True)]


async def test_pages_lead_back_to_the_beginning_without_gap_or_overlap(store: HistoryStore) -> None:
    for number in range(5):
        await say(store, f"t{number}")
    everything, more = await store.newest(ANON, 10)
    assert len(everything) == 10 and not more
    page, more = await store.newest(ANON, 4)
    assert page == everything[6:] and more
    page, more = await store.newest(ANON, 4, before=page[0].id)
    assert page == everything[2:6] and more
    page, more = await store.newest(ANON, 4, before=page[0].id)
    assert page == everything[:2] and not more
    assert await store.newest(ANON, 4, before=page[0].id) == ([], False)


async def test_callers_and_characters_have_histories_of_their_own(store: HistoryStore) -> None:
    tomori, stranger = HistoryKey(ANON.token_hash, "tomori"), HistoryKey("b" * 64, "anon")
    for key in (ANON, tomori, stranger):
        await say(store, f"with {key.character} {key.token_hash[0]}", key)
    await store.clear(tomori)
    assert await store.newest(tomori, 10) == ([], False)
    assert {message.turn_id for message in (await store.newest(ANON, 10))[0]} == {"with anon a"}
    assert {message.turn_id for message in (await store.newest(stranger, 10))[0]} == {"with anon b"}


async def test_an_id_is_not_used_again_after_clear(store: HistoryStore) -> None:
    await say(store, "t1")
    last = (await store.newest(ANON, 1))[0][0].id
    await store.clear(ANON)
    await store.clear(ANON)
    await say(store, "t2")
    assert (await store.newest(ANON, 10))[0][0].id > last


@pytest.mark.parametrize(
    "text", ["a\0b", "\0", "👩‍👩‍👧‍👦🏳️‍🌈", "燈" * 4000, "'; DROP TABLE messages; --", "\r\n\t\u202e", '"\\']
)
async def test_any_text_comes_back_as_it_was(store: HistoryStore, text: str) -> None:
    line = Line(text, text, "sad")
    await store.append_turn(ANON, "t", text, [line], content_cn=text, content_jp=text, emotion="sad")
    (user, reply), _ = await store.newest(ANON, 2)
    assert (user.content_cn, reply.content_cn, reply.content_jp, reply.lines) == (text, text, text, (line,))


async def test_many_sessions_append_at_once(store: HistoryStore) -> None:
    async def talk(number: int) -> None:
        key = HistoryKey(f"{number:064x}", "anon")
        for turn in range(5):
            await say(store, f"{number}-{turn}", key)
            messages, _ = await store.newest(key, 20)
            assert [message.turn_id for message in messages[::2]] == [f"{number}-{done}" for done in range(turn + 1)]

    async with anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(talk, number)


STEPS = st.lists(
    st.tuples(st.just("say"), st.sampled_from("ab"), st.text(max_size=20), st.integers(0, 2))
    | st.tuples(st.just("clear"), st.sampled_from("ab"))
    | st.tuples(st.just("newest"), st.sampled_from("ab"), st.integers(1, 5), st.none() | st.integers(1, 20)),
    max_size=15,
)


@settings(max_examples=15, deadline=None)
@given(steps=STEPS)
async def test_the_file_and_the_memory_tell_the_same_story(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any]
) -> None:
    memory = MemoryHistory()
    async with open_history(URL, tmp_path_factory.mktemp("story")) as file:
        for step in steps:
            key = HistoryKey(step[1] * 64, "anon")
            match step:
                case ("say", _, text, count):
                    for store in (memory, file):
                        await store.append_turn(
                            key, "t", text, LINES[:count], content_cn=text, content_jp=text, emotion="calm"
                        )
                case ("clear", _):
                    for store in (memory, file):
                        await store.clear(key)
                case ("newest", _, limit, before):
                    assert timeless(await memory.newest(key, limit, before)) == timeless(
                        await file.newest(key, limit, before)
                    )


def timeless(page: tuple[list[Any], bool]) -> object:
    messages, more = page
    return [(m.id, m.turn_id, m.role, m.content_cn, m.content_jp, m.emotion, m.lines) for m in messages], more


async def test_memory_is_bounded() -> None:
    store = MemoryHistory()
    for number in range(MEMORY_MESSAGES // 2 + 1):
        await say(store, f"t{number}")
    messages, more = await store.newest(ANON, MEMORY_MESSAGES * 2)
    assert len(messages) == MEMORY_MESSAGES and not more
    assert messages[0].turn_id == "t1"


def test_a_key_does_not_show_the_hash() -> None:
    assert repr(ANON) == "HistoryKey(character='anon')"


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


async def refusal(url: str, root: Path) -> str:
    with pytest.raises(HistoryUrlError) as refused:
        async with open_history(url, root):
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


async def test_a_locked_file_is_history_unavailable_until_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_sql, "BUSY_SECONDS", 0.05)
    async with open_history(URL, tmp_path) as store:
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


async def test_a_file_held_for_long_refuses_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_sql, "BUSY_SECONDS", 0.05)
    with held_by_another_program(tmp_path / "talk.db"):
        assert "is held by another program" in await refusal("sqlite:///talk.db", tmp_path)


async def test_a_write_that_hangs_is_given_up_and_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(threading.enumerate())
    async with open_history(URL, tmp_path) as store:
        threads = set(threading.enumerate()) - before
        with held_by_another_program(tmp_path / "data" / "chatanon.db"), monkeypatch.context() as patch:
            patch.setattr(history_sql, "CALL_SECONDS", 0.05)
            with pytest.raises(HistoryUnavailable) as hung:
                await say(store, "t1")
            assert "does not answer" in sentence(hung, tmp_path)
        await say(store, "t2")
        for thread in threads:  # what was given up ends by itself once the disk answers
            await anyio.to_thread.run_sync(thread.join)
        assert (await store.newest(ANON, 1))[0][0].turn_id == "t2"


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
    assert len(threads) == history_sql.WRITERS + history_sql.READERS
    for thread in threads:
        thread.join()


# --- real processes -------------------------------------------------------------------------------------------------

# For each folder named on its input: opens the history there, appends one turn, says so.
STARTER = """
import sys, anyio
from pathlib import Path
from stores.history import HistoryKey
from stores.history_sql import open_history
from services.base import Line

async def start(root, name):
    async with open_history("sqlite:///data/chatanon.db", Path(root)) as store:
        await store.append_turn(HistoryKey("a" * 64, "anon"), name, "你好", [Line("や", "呀")],
                                content_cn="呀", content_jp="や", emotion="auto")

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
from stores.history import HistoryKey
from stores.history_sql import open_history
from services.base import Line

async def talk(store, number):
    turn = 0
    while True:
        turn += 1
        await store.append_turn(HistoryKey("a" * 64, "anon"), f"{sys.argv[2]}-{number}-{turn}", "你好" * turn,
                                [Line("や" * turn, "呀")] * 3, content_cn="呀", content_jp="や", emotion="auto")
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
    finally:
        for process in processes:
            with suppress(BrokenPipeError):
                process.communicate()


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


async def test_a_switch_to_wal_that_is_refused_at_once_is_tried_again(tmp_path: Path) -> None:
    reader = sqlite3.connect(tmp_path / "talk.db", isolation_level=None)
    reader.executescript("CREATE TABLE other (number); BEGIN; SELECT * FROM other;")
    attempts: list[object] = []
    tried_again = anyio.Event()

    def count(connection: object, _: object) -> None:
        attempts.append(connection)
        if len(attempts) == 2:
            tried_again.set()

    async def start() -> None:
        async with open_history("sqlite:///talk.db", tmp_path) as store:
            await say(store, "t1")

    with on_every_connection(count):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(start)
            await tried_again.wait()
            reader.close()


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
