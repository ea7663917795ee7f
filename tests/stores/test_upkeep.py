"""The history looked after: copies of a moment while somebody writes, what is found wrong, what is written out."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from services.base import Line
from stores.history import FinishedTurn, HistoryKey
from stores.history_sql import open_history
from stores.upkeep import Contents, ExportedMessage, UpkeepError, back_up, contents, faults, messages

ANON, TOMORI = HistoryKey("a" * 64, "anon"), HistoryKey("b" * 64, "tomori")
LINE = Line("ハロー～", "哈喽～", "happy")


async def _say(path: Path) -> None:
    async with open_history(f"sqlite:///{path}", path.parent) as store:
        for key, turn in ((ANON, "t1"), (TOMORI, "t2"), (ANON, "t3")):
            await store.append_turn(key, FinishedTurn(turn, "你好", [LINE], LINE.cn, LINE.jp, LINE.emotion))
        await store.append_turn(ANON, FinishedTurn("t4", "等等", [], "", "", "auto", cut=True))


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Of two users, with seven messages."""
    path = tmp_path / "history.db"
    anyio.run(_say, path)
    return path


@pytest.fixture
def writer(history: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(history, isolation_level=None)) as connection:
        yield connection


def test_a_copy_holds_what_was_committed_and_makes_no_writer_wait(
    history: Path, writer: sqlite3.Connection, tmp_path: Path
) -> None:
    writer.execute("PRAGMA busy_timeout=0")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM messages WHERE turn_id = 't1'")
    copy = tmp_path / "copy.db"
    assert back_up(history, copy) == Contents(7, 2)
    writer.execute("COMMIT")
    assert contents(history) == Contents(5, 2)
    assert list(faults(copy)) == []


def test_a_copy_is_one_file_for_its_owner_alone(history: Path, writer: sqlite3.Connection, tmp_path: Path) -> None:
    writer.execute("UPDATE messages SET content_cn = '你好呀' WHERE id = 1")  # into the log beside the file
    folder = tmp_path / "copies"
    folder.mkdir()
    back_up(history, folder / "copy.db")
    assert [path.name for path in folder.iterdir()] == ["copy.db"]
    assert (folder / "copy.db").stat().st_mode & 0o777 == 0o600
    assert next(messages(folder / "copy.db")).content_cn == "你好呀"


def test_a_copy_can_be_put_in_the_place_of_the_history(history: Path, tmp_path: Path) -> None:
    back_up(history, tmp_path / "copy.db")

    async def talk_on() -> int:
        async with open_history("sqlite:///copy.db", tmp_path) as store:
            await store.append_turn(ANON, FinishedTurn("t5", "还在吗", [LINE], LINE.cn, LINE.jp, LINE.emotion))
            return len((await store.newest(ANON, 100))[0])

    assert anyio.run(talk_on) == 7


def test_nothing_is_overwritten_and_nothing_half_is_left(history: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_bytes(b"precious")
    with pytest.raises(UpkeepError, match="something is there already"):
        back_up(history, there)
    assert there.read_bytes() == b"precious"
    with pytest.raises(UpkeepError, match="cannot be made"):
        back_up(history, tmp_path / "nowhere" / "copy.db")
    nonsense = tmp_path / "nonsense.db"
    nonsense.write_bytes(b"\x00nonsense" * 500)
    with pytest.raises(UpkeepError, match="cannot be read as a history"):
        back_up(nonsense, tmp_path / "copy.db")
    with pytest.raises(UpkeepError, match="there is no history"):
        back_up(tmp_path / "missing.db", tmp_path / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir() if "copy" in path.name) == []
    assert not (tmp_path / "missing.db").exists()


def test_a_sound_history_has_no_faults(history: Path) -> None:
    assert list(faults(history)) == []


DAMAGE = {
    "UPDATE messages SET lines = '[{' WHERE id = 2": "message 2: ",
    'UPDATE messages SET lines = \'[{"jp": 1, "cn": ""}]\' WHERE id = 2': "message 2: Expected `str`",
    "UPDATE messages SET at = 'yesterday' WHERE id = 3": "message 3: Invalid isoformat",
    "UPDATE messages SET content_cn = x'ff00' WHERE id = 5": "message 5: Expected `str`",
    "DELETE FROM messages WHERE id = 1": "message 2: a reply without what it answers",
    "UPDATE messages SET token_hash = 'c' WHERE id = 1": "message 2: a reply without what it answers",
    "PRAGMA user_version = 99": "schema 99: ",
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_what_is_wrong_is_named(history: Path, writer: sqlite3.Connection, statement: str) -> None:
    writer.execute(statement)
    (fault,) = faults(history)
    assert fault.startswith(DAMAGE[statement])


def test_a_page_that_the_disk_forgot_is_found(history: Path) -> None:
    page = 4096
    damaged = bytearray(history.read_bytes())
    for begin in range(page, len(damaged), page):
        damaged[begin : begin + page] = bytes(page)
    history.write_bytes(damaged)
    try:
        found = list(faults(history))
    except UpkeepError as error:
        found = [str(error)]
    assert found
    assert all("ok" != fault for fault in found)


def test_messages_are_written_out_as_they_were_said(history: Path) -> None:
    first, second, *_ = messages(history)
    assert (first.token_hash, first.character, first.role, first.content_cn) == ("a" * 64, "anon", "user", "你好")
    assert second == ExportedMessage(
        2, "a" * 64, "anon", "t1", "assistant", "哈喽～", "ハロー～", "happy", (LINE,), False, second.at
    )


@pytest.mark.parametrize(
    ("user", "character", "turns"),
    [
        ("", "", ["t1", "t1", "t2", "t2", "t3", "t3", "t4"]),
        ("bbbb", "", ["t2", "t2"]),
        ("", "anon", ["t1", "t1", "t3", "t3", "t4"]),
        ("aaaa", "tomori", []),
    ],
)
def test_of_one_user_or_character_alone(history: Path, user: str, character: str, turns: list[str]) -> None:
    assert [message.turn_id for message in messages(history, user, character)] == turns


def test_a_message_that_cannot_be_read_is_named_where_it_is_written_out(
    history: Path, writer: sqlite3.Connection
) -> None:
    writer.execute("UPDATE messages SET lines = '[{' WHERE id = 4")
    with pytest.raises(UpkeepError, match=r"message 4: .*; the command check names all that is wrong"):
        list(messages(history))
