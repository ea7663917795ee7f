"""Sentences in, the pcm of each out: the voice of one turn, which speaks over one connection per emotion.

In the bidirectional variant the first words of a sentence may be sent while the rest is still being written. What the
vendor makes of them waits on the line, where the vendor's own pace and the system's buffers bound it, until the
sentence is asked for. If that then begins with other words, they are cancelled, and it is sent as a whole.
"""

from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio
from anyio.abc import TaskGroup
from tenacity import AsyncRetrying, retry_if_exception

from services.base import Emotion, Voice, map_errors
from services.vendors.minimax import frames
from services.vendors.minimax.connection import Connection, Failed
from services.vendors.minimax.frames import Remedy
from services.vendors.minimax.pool import Pool
from services.vendors.minimax.recovery import Patience, Recovery
from services.vendors.minimax.slots import TurnConnections
from services.vendors.minimax.texts import Text


@dataclass(eq=False, slots=True)
class _Ahead:
    """The sentence that is being written: what is known of it, and the text that was begun with that."""

    task: bytes
    words: str
    begun: tuple[Connection, Text] | None = None


class MinimaxSynthesis:
    """The voice of one turn."""

    def __init__(self, pool: Pool, voice: Voice, tasks: TaskGroup) -> None:
        self._pool = pool
        self._voice = voice
        self._tasks = tasks
        self._patience = Patience(pool.patience_s)
        self._connections = TurnConnections(pool)
        self._ahead: _Ahead | None = None
        self._spoken = False

    async def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        if not any(character.isalnum() for character in text):
            return  # nothing to speak; the vendor would count it against the rate limit and refuse it
        if not self._spoken:
            self._spoken = True
            self._pool.first_emotions[self._voice] = emotion
        connection, spoken, pcm = await self._begin(self._pool.task_start(self._voice, emotion, text), text)
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

    def open_ahead(self) -> None:
        """Have what the turn will very likely want: its first task, and a connection for another emotion."""
        self._tasks.start_soon(self._connections.prepare, self._pool.first_task(self._voice), False)
        self._tasks.start_soon(self._connections.prepare_spare)

    def expect(self, emotion: Emotion, words: str = "") -> None:
        if self._tasks.cancel_scope.cancel_called:
            return
        task = self._pool.task_start(self._voice, emotion, words)
        if not words or not self._pool.variant.in_pieces:
            self._tasks.start_soon(self._connections.prepare, task, True)
            return
        if self._ahead is not None and self._ahead.task == task and words.startswith(self._ahead.words):
            self._ahead.words = words
        else:
            if self._ahead is not None and self._ahead.begun is not None:
                self._ahead.begun[1].abandon()  # from now on nothing is sent behind it
                self._tasks.start_soon(self._drop, self._ahead)
            self._ahead = _Ahead(task, words)
        self._tasks.start_soon(self._speak_ahead, self._ahead)

    async def close(self) -> None:
        await self._drop(self._ahead)
        await self._connections.close()

    async def _speak_ahead(self, ahead: _Ahead) -> None:
        """Send what is known and was not sent, unless the sentence was asked for meanwhile."""
        async with self._connections.slot(ahead.task).lock:
            if ahead is self._ahead and ahead.begun is None:
                connection = await self._connections.try_ready(ahead.task)
                if connection is not None and ahead is self._ahead:
                    connection.alone = False
                    ahead.begun = connection, connection.texts.add()
            if ahead is self._ahead and ahead.begun is not None:
                connection, text = ahead.begun
                with suppress(Failed):  # the sentence will find it out, and be sent as a whole
                    await connection.send(text, ahead.words, whole=False)

    async def _drop(self, ahead: _Ahead | None) -> None:
        """The sentence that was begun will not come."""
        if ahead is not None and ahead.begun is not None:
            connection, text = ahead.begun
            await connection.leave(text)

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
            await self._connections.shed()
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
        async with self._connections.slot(task).lock:  # sentences get their places in the order they were asked for
            if not alone and (begun := await self._complete(task, content)):
                return begun
            connection = await self._connections.ready(task, alone=alone)
            connection.alone = alone
            text = connection.texts.add()
            await connection.send(text, content)
            return connection, text

    async def _complete(self, task: bytes, content: str) -> tuple[Connection, Text] | None:
        """Send the rest of a sentence that was begun, where it is this one. Another one goes on if it is in nobody's
        way: it will be spoken with another emotion, or behind this one."""
        ahead = self._ahead
        if ahead is None or ahead.task != task or (ahead.begun is None and not content.startswith(ahead.words)):
            return None
        self._ahead = None
        if ahead.begun is None:
            return None
        connection, text = ahead.begun
        if connection.alive and text.fault is None and content.startswith(text.sent):
            with suppress(Failed):
                await connection.send(text, content)
                return ahead.begun
        await connection.leave(text)
        return None
