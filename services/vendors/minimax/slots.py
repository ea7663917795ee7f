"""Tasks in, connections on which they are started out: those of one turn, one per task, opened ahead of need."""

from collections import defaultdict
from dataclasses import dataclass, field

import anyio

from services.vendors.minimax.connection import Connection, Failed
from services.vendors.minimax.frames import Fault, Remedy
from services.vendors.minimax.pool import Pool


@dataclass(slots=True)
class Slot:
    """The connection on which a turn speaks with one emotion. Whoever holds `lock` decides what is sent over it."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    connection: Connection | None = None
    refused: Fault | None = None  # what the attempt ahead of need met, and the sentence would meet again


class TurnConnections:
    """What a turn has taken from the pool or opened."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._slots: defaultdict[bytes, Slot] = defaultdict(Slot)  # by task_start
        self._spare = Slot()
        self._opened: list[Connection] = []

    def slot(self, task: bytes) -> Slot:
        return self._slots[task]

    async def prepare(self, task: bytes, use_spare: bool) -> None:
        """Have a task started, for a sentence that will very likely want it."""
        slot = self._slots[task]
        async with slot.lock:
            slot.refused = None
            await self.try_ready(task, use_spare)

    async def prepare_spare(self) -> None:
        """Have a connection without a task, for another emotion."""
        async with self._spare.lock:
            try:
                self._spare.connection = self._pool.take(None) or await self._pool.connect()
            except Failed as failed:
                self._pool.report(failed.fault)

    async def ready(self, task: bytes, *, alone: bool, use_spare: bool = True) -> Connection:
        """A connection that takes a text of this task now. To be called by whoever holds the slot."""
        slot = self._slots[task]
        if slot.refused is not None:
            refused, slot.refused = slot.refused, None
            raise Failed(refused)
        connection = slot.connection
        if connection is None or not await connection.settle() or not connection.takes(alone=alone):
            connection = slot.connection = await self._open(task, await self._take(task, use_spare))
        return connection

    async def try_ready(self, task: bytes, use_spare: bool = True) -> Connection | None:
        """Likewise ahead of need: what it meets is told to the sentence, where that would meet it again."""
        try:
            return await self.ready(task, alone=False, use_spare=use_spare)
        except Failed as failed:
            self._pool.report(failed.fault)
            self._slots[task].refused = failed.fault if failed.fault.remedy is Remedy.GIVE_UP else None
            return None

    async def shed(self) -> None:
        """Close what only waits: it may be as dead as the last one, or be what makes too many connections."""
        idle = [slot for slot in (*self._slots.values(), self._spare) if not slot.lock.locked()]
        for slot in idle:
            if slot.connection is not None and not slot.connection.texts:
                await slot.connection.close()
        await self._pool.shed()

    async def close(self) -> None:
        """What was not used may serve another turn."""
        for connection in filter(None, [*self._opened, self._spare.connection]):
            if connection.used or not connection.alive:
                await connection.close()
            else:
                await self._pool.keep(connection)

    async def _take(self, task: bytes, use_spare: bool) -> Connection | None:
        """What is there already: with this task, else without one."""
        connection = self._pool.take(task)
        if connection is None and use_spare:
            async with self._spare.lock:
                connection, self._spare.connection = self._spare.connection, None
        return connection or self._pool.take(None)

    async def _open(self, task: bytes, warm: Connection | None) -> Connection:
        """A connection with this task; one that died while it was kept is replaced without a word."""
        if warm is not None:
            self._opened.append(warm)
            try:
                return await warm.start(task)
            except Failed as failed:
                if failed.fault.remedy not in (Remedy.AGAIN, Remedy.AT_ONCE):
                    raise
        fresh = await self._pool.connect()
        self._opened.append(fresh)
        return await fresh.start(task)
