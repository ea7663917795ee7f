"""Sentences in, the pcm of each out: the voice of one turn, which speaks over one connection per emotion."""

from collections import defaultdict
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskGroup
from tenacity import AsyncRetrying, retry_if_exception

from services.base import Emotion, Voice, map_errors
from services.vendors import minimax_frames as frames
from services.vendors.minimax_connection import Connection, Failed
from services.vendors.minimax_frames import Fault, Remedy, Text
from services.vendors.minimax_pool import Pool
from services.vendors.minimax_recovery import Patience, Recovery


@dataclass(slots=True)
class _Slot:
    """The connection on which a turn speaks with one emotion."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    connection: Connection | None = None
    refused: Fault | None = None  # what the attempt ahead of need met, and the sentence would meet again


class MinimaxSpeech:
    """The voice of one turn."""

    def __init__(self, pool: Pool, voice: Voice, tasks: TaskGroup) -> None:
        self._pool = pool
        self._voice = voice
        self._tasks = tasks
        self._patience = Patience(pool.patience_s)
        self._slots: defaultdict[bytes, _Slot] = defaultdict(_Slot)  # by task_start
        self._spare = _Slot()
        self._opened: list[Connection] = []
        self._spoken = False

    async def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        if not any(character.isalnum() for character in text):
            return  # nothing to speak; the vendor would count it against the rate limit and refuse it
        if not self._spoken:
            self._spoken = True
            self._pool.first_emotions[self._voice] = emotion
        connection, spoken, pcm = await self._begin(self._pool.task_start(self._voice, emotion), text)
        try:
            while pcm is not None:
                yield pcm
                pcm = await connection.receive(spoken)
        except Failed as failed:
            self._pool.report(failed.fault)
            # Too many requests end a task in the middle of a sentence; the next sentence can wait for its turn.
            cut = failed.fault.one_sentence or failed.fault.remedy is Remedy.WAIT
            raise Failed(replace(failed.fault, one_sentence=cut)) from failed
        finally:
            await connection.leave(spoken)

    def expect(self, emotion: Emotion) -> None:
        if not self._tasks.cancel_scope.cancel_called:
            self._tasks.start_soon(self.prepare, self._pool.task_start(self._voice, emotion), True)

    async def prepare(self, task: bytes, use_spare: bool) -> None:
        """Have a task started, for a sentence that will very likely want it."""
        slot = self._slots[task]
        async with slot.lock:
            connection = slot.connection
            if connection is not None and await connection.settle() and connection.takes(alone=False):
                return
            slot.refused = None
            try:
                slot.connection = await self._open(task, await self._take(task, use_spare))
            except Failed as failed:
                self._pool.report(failed.fault)
                slot.refused = failed.fault if failed.fault.remedy is Remedy.GIVE_UP else None

    async def prepare_spare(self) -> None:
        """Have a connection without a task, for another emotion."""
        async with self._spare.lock:
            try:
                self._spare.connection = self._pool.take(None) or await self._pool.connect()
            except Failed as failed:
                self._pool.report(failed.fault)

    async def close(self) -> None:
        """What was not used may serve another turn."""
        for connection in filter(None, [*self._opened, self._spare.connection]):
            if connection.used or not connection.alive:
                await connection.close()
            else:
                await self._pool.keep(connection)

    async def _begin(self, task: bytes, content: str) -> tuple[Connection, Text, bytes | None]:
        """Try until there is audio, or an end without any."""
        recovery = Recovery(self._patience)
        retrying = AsyncRetrying(
            retry=retry_if_exception(recovery.allows),
            wait=recovery.wait_s,
            stop=recovery.is_hopeless,
            sleep=anyio.sleep,
            reraise=True,
        )
        try:
            begun: tuple[Connection, Text, bytes | None] = await retrying(self._attempt, task, content, recovery)
            return begun
        except Failed as failed:
            self._pool.report(failed.fault)
            raise
        finally:
            recovery.settle()

    async def _attempt(self, task: bytes, content: str, recovery: Recovery) -> tuple[Connection, Text, bytes | None]:
        if recovery.fault is not None and (recovery.fault.remedy is Remedy.AT_ONCE or recovery.fault.code == 1041):
            await self._shed()
        out_of_patience = (TimeoutError, lambda _: Failed(recovery.fault or frames.STALLED))
        with map_errors(out_of_patience), anyio.fail_after(recovery.left_s):
            connection, text = await self._send(task, content, alone=recovery.fault is not None)
            begun = False
            try:
                pcm = await connection.receive(text)
                if text.fault is not None:  # better the whole of it once more than a part
                    raise Failed(text.fault)
                begun = True
            finally:
                if not begun:
                    await connection.leave(text)
        return connection, text, pcm

    async def _send(self, task: bytes, content: str, *, alone: bool) -> tuple[Connection, Text]:
        slot = self._slots[task]
        async with slot.lock:  # sentences get their place in the queue in the order they were asked for
            if slot.refused is not None:
                refused, slot.refused = slot.refused, None
                raise Failed(refused)
            connection = slot.connection
            if connection is None or not await connection.settle() or not connection.takes(alone=alone):
                connection = slot.connection = await self._open(task, await self._take(task, use_spare=True))
            connection.alone = alone
            return connection, await connection.send(content)

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

    async def _shed(self) -> None:
        """Close what only waits: it may be as dead as the last one, or be what makes too many connections."""
        idle = [slot for slot in (*self._slots.values(), self._spare) if not slot.lock.locked()]
        for slot in idle:
            if slot.connection is not None and slot.connection.idle:
                await slot.connection.close()
        await self._pool.shed()
