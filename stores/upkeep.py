"""The file of a history in; a copy of it, what is wrong in it, its messages one by one, out. A server may write on.

SQLite's own means, none of which makes a writer wait (WAL): https://www.sqlite.org/backup.html,
https://www.sqlite.org/pragma.html#pragma_integrity_check.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from services.base import Line
from stores.history_sql import SCHEMA_VERSION

MOST_FAULTS = 20  # told of one file
_COLUMNS = "id, token_hash, character, turn_id, role, content_cn, content_jp, emotion, lines, cut, at"
# One turn is written at once: a reply without what it answers, or of another talk, was not written by us.
_REPLY_ALONE = """
SELECT id FROM messages AS reply WHERE role = 'assistant' AND NOT EXISTS (
    SELECT 1 FROM messages WHERE role = 'user' AND turn_id = reply.turn_id
    AND token_hash = reply.token_hash AND character = reply.character AND id < reply.id)
"""


class UpkeepError(Exception):
    """It cannot be done; str(error) is one sentence for the operator, with the mend."""


class Contents(NamedTuple):
    """How much there is."""

    messages: int
    talks: int  # of a user with a character


class ExportedMessage(msgspec.Struct, frozen=True):
    """One message as it is kept; `token_hash` is the SHA-256 of the user's token, `at` ISO 8601 in UTC."""

    id: int
    token_hash: str
    character: str
    turn_id: str
    role: str
    content_cn: str
    content_jp: str | None
    emotion: str | None
    lines: tuple[Line, ...]
    cut: bool
    at: str


def contents(path: Path) -> Contents:
    """Raises UpkeepError where the file cannot be read."""
    with closing(_open(path)) as database:
        row = _first(database, path, "SELECT count(*), count(DISTINCT token_hash || '/' || character) FROM messages")
    return Contents(*row)


def back_up(path: Path, target: Path) -> Contents:
    """A copy of the moment, in one file that only its owner can read, or none at all.

    Raises:
        UpkeepError: there is no history, something is at `target` already, or there is no room for it.
    """
    if target.exists():
        raise UpkeepError(f"{target}: something is there already; name a file that is not")
    with closing(_open(path)) as database:
        _first(database, path, "SELECT 1 FROM messages LIMIT 1")  # before anything is made
        try:
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        except OSError as error:
            raise UpkeepError(f"{target}: cannot be made ({error.strerror}); name another place") from error
        os.close(descriptor)
        unfinished = Path(name)
        try:
            _copy(database, unfinished)
            unfinished.replace(target)
        except (OSError, sqlite3.Error) as error:
            raise UpkeepError(f"{target}: cannot be written ({error}); make room, or name another place") from error
        finally:
            with suppress(FileNotFoundError):
                unfinished.unlink()
    return contents(target)


def faults(path: Path) -> Iterator[str]:
    """What is wrong in it, a sentence each, at most MOST_FAULTS; none: it is sound.

    Raises:
        UpkeepError: it cannot be read at all.
    """
    with closing(_open(path)) as database:
        found = 0
        for fault in _faults(database, path):
            yield fault
            found += 1
            if found == MOST_FAULTS:
                return


def messages(path: Path, user: str = "", character: str = "") -> Iterator[ExportedMessage]:
    """All messages of one moment, oldest first.

    `user`: how the `token_hash` begins; `character`: the name. Empty: of all.

    Raises:
        UpkeepError: it cannot be read; or a message in it cannot, which is named.
    """
    with closing(_open(path)) as database:
        query = f"SELECT {_COLUMNS} FROM messages WHERE token_hash GLOB ? AND character GLOB ? ORDER BY id"
        try:
            for row in database.execute(query, (f"{user}*", character or "*")):
                yield _exported(row)
        except sqlite3.Error as error:
            raise _unreadable(path, error) from error
        except ValueError as error:
            raise UpkeepError(f"{path}: {error}; the command check names all that is wrong") from error


def _faults(database: sqlite3.Connection, path: Path) -> Iterator[str]:
    try:
        yield from (said for (said,) in database.execute(f"PRAGMA integrity_check({MOST_FAULTS})") if said != "ok")
        (version,) = _first(database, path, "PRAGMA user_version")
        if version != SCHEMA_VERSION:
            yield f"schema {version}: this program knows {SCHEMA_VERSION}"
        for row in database.execute(f"SELECT {_COLUMNS} FROM messages ORDER BY id"):
            try:
                _exported(row)
            except ValueError as error:
                yield str(error)
        for (number,) in database.execute(_REPLY_ALONE):
            yield f"message {number}: a reply without what it answers"
    except sqlite3.DatabaseError as error:
        raise _unreadable(path, error) from error


def _exported(row: tuple[Any, ...]) -> ExportedMessage:
    """Raises ValueError, with the message's number, where it cannot be read."""
    *begin, lines, cut, at = row
    try:
        datetime.fromisoformat(at)
        heard = msgspec.json.decode(lines, type=tuple[Line, ...])
        return msgspec.convert(
            dict(zip(ExportedMessage.__struct_fields__, (*begin, heard, bool(cut), at), strict=True)), ExportedMessage
        )
    except (ValueError, TypeError) as error:
        raise ValueError(f"message {row[0]}: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    """To read from: nothing is made or mended."""
    if not path.is_file():
        raise UpkeepError(f"{path}: there is no history; history.url of the configuration says where it is")
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        database.execute("PRAGMA busy_timeout=5000")
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    return database


def _first(database: sqlite3.Connection, path: Path, query: str) -> tuple[Any, ...]:
    try:
        return database.execute(query).fetchone() or ()
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> UpkeepError:
    return UpkeepError(f"{path}: cannot be read as a history ({error}); restore a copy of it")


def _copy(database: sqlite3.Connection, target: Path) -> None:
    with closing(sqlite3.connect(target)) as copy:
        database.backup(copy)  # all pages in one go: pieces would begin anew at each turn that is written meanwhile
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
    with target.open("rb") as file:
        os.fsync(file.fileno())
