"""A `history.url` in, an opened HistoryStore out: one SQLite file through SQLAlchemy, or memory."""

import random
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import anyio
import msgspec
import structlog
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Executable,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    text,
)
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InternalError, OperationalError

from services.base import Line
from stores.database_file import DatabaseFile, FileGone
from stores.history import (
    FinishedTurn,
    HistoryKey,
    HistoryStore,
    HistoryUnavailable,
    MemoryHistory,
    StoredMessage,
    utc_now,
)
from stores.sql_lane import Patience, SqlLane, result_code

Shared = Literal["warn", "refuse"]

log = structlog.get_logger()

MEMORY_URL = "memory:"
SCHEMA_VERSION = 1  # PRAGMA user_version; 0 is a file without our table

BUSY_SECONDS = 5.0  # of `history.busy_seconds`: how long another program's lock is waited for
# Beyond that a thread that does not come back is given up: the disk does not answer.
STUCK_SECONDS = 3.0
WRITE_SECONDS = 30.0  # of a write with all those before it; its user has heard the reply meanwhile
# Reads never wait for a lock (WAL) and take 1-3 ms. The first sound of a reply waits for one, so it is not waited for
# long: who gets no history is told so.
READ_STUCK_SECONDS = 2.0
READ_SECONDS = 5.0
CLOSE_SECONDS = 5.0
# SQLite has one writer at a time: in this process writers queue for its connection in order of arrival, instead of
# polling the file's lock against each other. The second reader is there while the first one waits for the disk.
WRITERS = 1
READERS = 2

# Like a class, these describe; no connection hangs on them. Alembic will take `metadata` as its target.
metadata = MetaData()
messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("token_hash", String(64), nullable=False),
    Column("character", String(64), nullable=False),
    Column("turn_id", String(64), nullable=False),
    Column("role", String(9), nullable=False),
    Column("content_cn", Text, nullable=False),
    Column("content_jp", Text),
    Column("emotion", String(16)),
    Column("lines", Text, nullable=False),  # JSON: a list of services.base.Line
    Column("cut", Boolean, nullable=False),
    Column("at", String(29), nullable=False),  # ISO 8601, UTC, milliseconds
    Index("messages_of_a_talk", "token_hash", "character", "id"),
    sqlite_autoincrement=True,  # an id given out is not used again after `clear`
)


class HistoryUrlError(ValueError):
    """`history.url` cannot be opened; str(error) says why and what to do, in one sentence for the operator."""


class _Fault(NamedTuple):
    """What an SQLite result code means, at run time to a user and at start to the operator."""

    running: str
    starting: str


_DAMAGED = _Fault(
    "its file is damaged",
    "is damaged or is no SQLite database; restore a copy, or move it away to begin with an empty history",
)
_SHUT = _Fault(
    "its file cannot be opened", "cannot be opened for reading and writing; check who owns it and its folder"
)
_HELD = _Fault("its file is held by another program", "is held by another program; end that program")
_OTHER = _Fault("its file cannot be used", "cannot be used; check the disk and that no other program made this file")
_GONE = "its file was deleted or replaced"
_FAULTS: Mapping[int, _Fault] = {
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_CANTOPEN: _SHUT,
    sqlite3.SQLITE_PERM: _SHUT,
    sqlite3.SQLITE_READONLY: _SHUT,
    sqlite3.SQLITE_BUSY: _HELD,
    sqlite3.SQLITE_LOCKED: _HELD,
    sqlite3.SQLITE_FULL: _Fault("the disk is full", "cannot grow, the disk is full; make room on it"),
    sqlite3.SQLITE_IOERR: _Fault("the disk fails", "cannot be read or written; check the disk"),
}


def _refusal(path: Path, error: BaseException | None) -> HistoryUrlError:
    return HistoryUrlError(f"history.url: {path} {_FAULTS.get(result_code(error), _OTHER).starting}")


def _is_fault(error: DatabaseError) -> bool:
    """Whether the file or the disk is to blame. Everything else is a defect of ours, and must be seen as one."""
    return isinstance(error, OperationalError | InternalError) or type(error) is DatabaseError


@contextmanager
def _map_to_unavailable() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if not _is_fault(error):
            raise
        reason = _FAULTS.get(result_code(error.orig), _OTHER).running
        raise HistoryUnavailable(f"The history is not available now: {reason}.") from error
    except (OSError, TimeoutError) as error:
        raise HistoryUnavailable("The history is not available now: the disk does not answer.") from error
    except msgspec.DecodeError as error:
        raise HistoryUnavailable(f"The history is not available now: {_DAMAGED.running}.") from error


class _Database:
    """The connections to one file, in lanes; to another one where that was deleted or replaced."""

    def __init__(self, path: Path, busy_s: float, shared: Shared) -> None:
        to_write = Patience(busy_s, busy_s + STUCK_SECONDS, max(WRITE_SECONDS, 3 * busy_s))
        to_read = Patience(busy_s, READ_STUCK_SECONDS, READ_SECONDS)
        self._file = DatabaseFile(path)
        self._busy_s = busy_s
        self._shared = shared
        self._lost = 0  # files
        self._reopening = anyio.Lock()
        self.writers = SqlLane(self._file, WRITERS, to_write, begin="BEGIN IMMEDIATE")
        self.readers = SqlLane(self._file, READERS, to_read, begin=None)
        self.sweepers = SqlLane(self._file, 1, to_write, begin=None)  # what may wait like a write, and is none

    async def open(self) -> None:
        """All connections.

        Raises:
            HistoryUrlError: the file cannot be used, or others use it and must not.
        """
        path = _open_once(self._file.path)
        alone = self._file.lock()
        if not alone and self._shared == "refuse":
            raise HistoryUrlError(f"history.url: another server uses {path}; end that one, or choose another file")
        await _prepare(self.writers, path, self._busy_s)
        for lane in self._lanes:
            await lane.open()
        self._file.remember()
        if not alone:
            log.warning(
                f"history.url: another server uses {path}, too; each counts connections and rates for itself, so that "
                "one token can be there twice; run one process, or give each a file of its own"
            )

    async def execute(
        self, lane: SqlLane, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None
    ) -> Sequence[Row[Any]]:
        """Run one statement in a transaction of its own and commit it."""

        def work(connection: Connection) -> Sequence[Row[Any]]:
            result = connection.execute(statement, rows)
            return result.all() if result.returns_rows else ()

        lost = self._lost
        with _map_to_unavailable():
            try:
                return await lane.run(work)
            except FileGone as error:
                with anyio.CancelScope(shield=True):
                    await self._open_another(lost)
                raise HistoryUnavailable(f"The history is not available now: {_GONE}.") from error

    async def close(self) -> None:
        for lane in reversed(self._lanes):
            await lane.close()  # the last one to close brings the write-ahead log home
        self._file.unlock()

    @property
    def _lanes(self) -> tuple[SqlLane, ...]:
        return self.writers, self.readers, self.sweepers

    async def _open_another(self, lost: int) -> None:
        """Go on with the file that is there now, or with a new one; of those who miss it together, one does."""
        async with self._reopening:
            if self._lost != lost:
                return
            # Into the file it belongs to, wherever that is now: else SQLite would take it for the new one's log.
            with suppress(DatabaseError, TimeoutError):
                await self.sweepers.run(_bring_home, checked=False)
            for lane in self._lanes:
                await lane.let_go()
            try:
                await self.open()
            except HistoryUrlError as error:
                raise HistoryUnavailable(f"The history is not available now: {_GONE}.") from error
            self._lost += 1
            log.error(
                f"history: {self._file.path} was deleted, moved or replaced while this server ran; what was in it is "
                "not known any more, and what is said from now on is kept in the file that is there now"
            )


def _bring_home(connection: Connection) -> None:
    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


class SqlHistory:
    """A HistoryStore in one table of an SQLite file."""

    def __init__(self, database: _Database) -> None:
        self._database = database

    async def append_turn(self, key: HistoryKey, turn: FinishedTurn) -> None:
        both = {
            "token_hash": key.token_hash,
            "character": key.character,
            "turn_id": turn.id,
            "cut": turn.cut,
            "at": utc_now().isoformat(timespec="milliseconds"),
        }
        user = {"role": "user", "content_cn": turn.user_text, "content_jp": None, "emotion": None, "lines": "[]"}
        rows = [both | user]
        if turn.lines:
            reply = {"content_cn": turn.content_cn, "content_jp": turn.content_jp, "emotion": turn.emotion}
            rows.append(both | reply | {"role": "assistant", "lines": msgspec.json.encode(turn.lines).decode()})
        await self._database.execute(self._database.writers, insert(messages), rows)

    async def newest(self, key: HistoryKey, limit: int, before: int | None = None) -> tuple[list[StoredMessage], bool]:
        query = select(messages).where(*_of_talk(key)).order_by(messages.c.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(messages.c.id < before)
        rows = await self._database.execute(self._database.readers, query)
        with _map_to_unavailable():
            return [_stored_message(row) for row in reversed(rows[:limit])], len(rows) > limit

    async def clear(self, key: HistoryKey) -> None:
        await self._database.execute(self._database.writers, delete(messages).where(*_of_talk(key)))
        # What was said stands in the write-ahead log, too, until that is brought home.
        await self._database.execute(self._database.sweepers, text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _of_talk(key: HistoryKey) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return messages.c.token_hash == key.token_hash, messages.c.character == key.character


def _stored_message(row: Row[Any]) -> StoredMessage:
    return StoredMessage(
        id=row.id,
        turn_id=row.turn_id,
        role=row.role,
        content_cn=row.content_cn,
        content_jp=row.content_jp,
        emotion=row.emotion,
        lines=msgspec.json.decode(row.lines, type=tuple[Line, ...]),
        at=datetime.fromisoformat(row.at),
        cut=row.cut,
    )


@asynccontextmanager
async def open_history(
    url: str, root: Path, busy_s: float = BUSY_SECONDS, shared: Shared = "warn"
) -> AsyncIterator[HistoryStore]:
    """`sqlite:///relative/to/root.db`, `sqlite:////absolute.db` or `memory:`.

    `busy_s`: how long a file that another program writes to is waited for.
    `shared`: what is done where another server has the file open.

    Raises:
        HistoryUrlError: the URL is of another kind, or its file cannot be used.
    """
    if url == MEMORY_URL:
        yield MemoryHistory()
        return
    database = _Database(database_path(url, root), busy_s, shared)
    try:
        await database.open()
        yield SqlHistory(database)
    finally:
        with anyio.move_on_after(CLOSE_SECONDS, shield=True):
            await database.close()


def database_path(url: str, root: Path) -> Path:
    """The file that `history.url` names.

    Raises:
        HistoryUrlError: it names none.
    """
    accepted = f"use sqlite:///<path from the project root>, sqlite:////<absolute path> or {MEMORY_URL}"
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise HistoryUrlError(f"history.url: this is not a URL; {accepted}") from None
    if parsed.drivername not in ("sqlite", "sqlite+aiosqlite"):
        raise HistoryUrlError(f"history.url: {parsed.drivername} is not supported; {accepted}")
    if parsed.host or parsed.query or parsed.database in (None, "", ":memory:"):
        raise HistoryUrlError(f"history.url: this names no file; {accepted}")
    return root / str(parsed.database)


def _open_once(path: Path) -> Path:
    """Make the folder, and try the file: a first connection that fails would leave its thread behind."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # private conversations: not for other users to read
        with suppress(OSError):  # the database tells better what is wrong
            path.touch(mode=0o600, exist_ok=True)
        sqlite3.connect(path).close()
    except OSError as error:
        raise HistoryUrlError(
            f"history.url: the folder {path.parent} cannot be made ({error.strerror}); choose another place"
        ) from error
    except sqlite3.Error as error:
        raise _refusal(path, error) from error
    return path


async def _prepare(lane: SqlLane, path: Path, busy_s: float) -> None:
    """Make the table where it is missing; of several processes that start together, one does."""
    deadline = anyio.current_time() + busy_s
    while True:
        try:
            await lane.run(partial(_migrate, path), checked=False)
            return
        except TimeoutError as error:
            raise _refusal(path, error) from error
        except DatabaseError as error:
            if result_code(error.orig) != sqlite3.SQLITE_BUSY or anyio.current_time() > deadline:
                raise _refusal(path, error.orig) from error
        # The first switch of a file to WAL does not wait for the busy timeout: two that meet there are both refused
        # at once, so they come back after unequal times.
        await anyio.sleep(random.uniform(0.002, 0.02))


def _migrate(path: Path, connection: Connection) -> None:
    """Bring the file to SCHEMA_VERSION, inside one transaction."""
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
    if version > SCHEMA_VERSION:
        raise HistoryUrlError(
            f"history.url: {path} was written by a newer version of this program (schema {version}, "
            f"this one knows {SCHEMA_VERSION}); update the program, or choose another file"
        )
    if version < SCHEMA_VERSION:  # with the second schema, Alembic's upgrade goes here
        metadata.create_all(connection)
        connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute(select(messages).limit(0))  # somebody else's `messages` fails here
