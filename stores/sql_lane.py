"""Statements in, their rows out: threads with an SQLite connection each, which the event loop does not hold up.

A transaction runs in its thread from beginning to end, and the next one begins there without asking the event loop: a
loop that is late for its other work makes nobody wait for the disk. How long a lock may be waited for is counted by
SQLite itself, from when the statement begins. How long a thread may be stuck is counted by the loop, in steps of which
each must come round: so a loop that was late does not take that for the disk's fault.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import anyio
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import ConnectionPoolEntry

from stores.database_file import DatabaseFile

Result = TypeVar("Result")

_STEPS = 20


@dataclass(frozen=True, slots=True)
class Patience:
    """In seconds: `busy_s` for another program's lock; `stuck_s` where no statement of the lane begins or ends;
    `whole_s` for one call with all that is before it.
    """

    busy_s: float
    stuck_s: float
    whole_s: float


@dataclass(slots=True, eq=False)
class _Call:
    """One transaction that somebody waits for, or has given up."""

    arrived: float
    checked: bool
    given_up: bool = False


class GivenUp(Exception):
    """Nobody waits for this transaction any more: it is rolled back."""


class SqlLane:
    """Some connections of one kind; calls begin in order of arrival."""

    def __init__(self, file: DatabaseFile, threads: int, patience: Patience, begin: str | None) -> None:
        self._file = file
        self._patience = patience
        self._steps = 0  # statements begun and ended
        self._held_since = float("-inf")  # calls that came before this have already seen the file held all along
        self._size = threads
        self._engine = _engine(file.path, threads, patience.busy_s, begin)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="history")

    async def run(self, work: Callable[[Connection], Result], *, checked: bool = True) -> Result:
        """Do it in a transaction of its own, and commit.

        `checked`: only if the file is still there, before and after.

        Raises:
            TimeoutError: it was given up; what was not committed by then will not be.
            FileGone: the file is another one; what was committed may be in none.
        """
        call = _Call(monotonic(), checked)
        future = self._threads.submit(self._transact, call, work)
        try:
            await self._wait(future)
            return future.result()
        finally:
            call.given_up = True
            future.cancel()  # where it did not begin

    async def open(self) -> None:
        """All connections now: when the process has no descriptor left for one, it is too late."""
        await _ended(self._threads.submit(self._connect_all)).wait()

    async def let_go(self) -> None:
        """End the connections, those in use as soon as they are not; others may be made."""
        await _ended(self._threads.submit(self._engine.dispose)).wait()

    async def close(self) -> None:
        """End the connections, the last one of a file brings its write-ahead log home; and the threads."""
        future = self._threads.submit(self._engine.dispose)
        self._threads.shutdown(wait=False)
        await _ended(future).wait()

    async def _wait(self, future: "Future[Any]") -> None:
        ended, step_s = _ended(future), self._patience.stuck_s / _STEPS
        seen, stuck, whole = self._steps, 0, 0
        while not ended.is_set():
            with anyio.move_on_after(step_s):
                await ended.wait()
            seen, stuck, whole = self._steps, stuck + 1 if seen == self._steps else 0, whole + 1
            if not ended.is_set() and (stuck > _STEPS or whole * step_s > self._patience.whole_s):
                raise TimeoutError

    def _connect_all(self) -> None:
        with ExitStack() as opened:
            for _ in range(self._size):
                opened.enter_context(self._engine.connect())

    def _transact(self, call: _Call, work: Callable[[Connection], Result]) -> Result:
        began = monotonic()
        self._steps += 1
        try:
            if call.checked:
                self._file.check()  # first: a connection would make a new, empty file
            with self._engine.connect() as connection:
                self._set_busy_timeout(connection, 0 if call.arrived < self._held_since else self._patience.busy_s)
                with connection.begin():
                    _check(call)  # it may have waited long for its beginning
                    result = work(connection)
                    _check(call)
            self._held_since = float("-inf")
            if call.checked:
                self._file.check()  # it may have gone meanwhile
            return result
        except DatabaseError as error:
            if result_code(error.orig) == sqlite3.SQLITE_BUSY:
                self._held_since = max(self._held_since, began)
            raise
        finally:
            self._steps += 1

    def _set_busy_timeout(self, connection: Connection, seconds: float) -> None:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}").close()


def _check(call: _Call) -> None:
    if call.given_up:
        raise GivenUp


def _ended(future: "Future[Any]") -> anyio.Event:
    """Set once it has ended, on the event loop that asks."""
    loop, ended = asyncio.get_running_loop(), anyio.Event()

    def tell(_: "Future[Any]") -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(ended.set)

    future.add_done_callback(tell)
    return ended


def result_code(error: BaseException | None) -> int:
    """SQLite's primary result code; 0 where the driver gave none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _engine(path: Path, size: int, busy_s: float, begin: str | None) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        pool_size=size,
        max_overflow=0,
        # The driver begins nothing by itself, and a connection goes with whichever thread of the lane has it.
        connect_args={"isolation_level": None, "check_same_thread": False},
        hide_parameters=True,  # else the text of an error would quote what people said
    )

    def set_pragmas(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={busy_s * 1000:.0f}")  # first: the next one may have to wait
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")  # a commit is on the disk when it returns; 0.2 ms
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA secure_delete=ON")  # what is cleared is overwritten, not only unlinked
        cursor.close()

    event.listen(engine, "connect", set_pragmas)
    if begin is not None:

        def begin_transaction(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        event.listen(engine, "begin", begin_transaction)
    return engine
