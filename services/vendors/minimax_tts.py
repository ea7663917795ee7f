"""MiniMax T2A v2 over WebSocket: a sentence in, its pcm out; connections are made ahead of need and kept warm.

A turn speaks over one connection per emotion, because `task_start` fixes the emotion. A sentence is sent while the one
before it is still coming in. No task reads: whoever waits for a sentence reads for all who wait on that connection.

An address that ends in `_bidi` is spoken to in the bidirectional variant. There a turn that is interrupted leaves a
connection that the next one goes on with, once the vendor has acknowledged the cancellation.
"""

import math
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

import aiohttp
import anyio
import structlog
from anyio.abc import TaskGroup
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter, wait_random

from services.base import TTS, Emotion, EngineUnavailable, Speech, TTSSettings, Voice, map_errors
from services.vendors import minimax_frames as frames
from services.vendors.minimax_connection import (
    BIDIRECTIONAL,
    PLAIN,
    Connection,
    Failed,
    Variant,
    connect,
    open_session,
)
from services.vendors.minimax_frames import Fault, Remedy, Text

KEY_NAME = "MINIMAX_API_KEY"
WARM_CONNECTIONS = 8  # kept for later turns by this process; a turn opens up to two ahead of need and leaves one over
PATIENCE_S = 5.0  # all waiting and trying again for the voice of one turn

_RETRIES = {Remedy.AGAIN: 1, Remedy.AT_ONCE: 2, Remedy.WAIT: math.inf}


class _Patience:
    """The seconds that one turn may spend on waiting and trying again, whichever of its sentences it is for."""

    def __init__(self, whole_s: float) -> None:
        self.busy_wait = wait_exponential_jitter(multiplier=whole_s / 10, max=whole_s * 0.4, jitter=whole_s / 10)
        self.broken_wait = wait_random(0, whole_s / 50)
        self._left_s = whole_s
        self._since = 0.0
        self._waiting = 0  # sentences

    @property
    def left_s(self) -> float:
        return self._left_s - (anyio.current_time() - self._since if self._waiting else 0.0)

    def begin(self) -> None:
        if not self._waiting:
            self._since = anyio.current_time()
        self._waiting += 1

    def end(self) -> None:
        self._left_s = self.left_s
        self._since = anyio.current_time()
        self._waiting -= 1


class _Recovery:
    """Whether and when one sentence is tried again."""

    def __init__(self, patience: _Patience) -> None:
        self._patience = patience
        self._failures: Counter[Remedy] = Counter()
        self.fault: Fault | None = None  # the last

    @property
    def left_s(self) -> float:
        """Without limit as long as nothing has failed."""
        return self._patience.left_s if self.fault else math.inf

    def allows(self, error: BaseException) -> bool:
        if not isinstance(error, Failed):
            return False
        if self.fault is None:
            self._patience.begin()
        self.fault = error.fault
        self._failures[self.fault.remedy] += 1
        return self._failures[self.fault.remedy] <= _RETRIES.get(self.fault.remedy, 0)

    def wait_s(self, state: RetryCallState) -> float:
        waits = {Remedy.WAIT: self._patience.busy_wait, Remedy.AGAIN: self._patience.broken_wait}
        return waits[self.fault.remedy](state) if self.fault and self.fault.remedy in waits else 0.0

    def is_hopeless(self, state: RetryCallState) -> bool:
        return state.upcoming_sleep >= self.left_s

    def settle(self) -> None:
        if self.fault is not None:
            self._patience.end()


@dataclass(slots=True)
class _Slot:
    """The connection on which a turn speaks with one emotion."""

    lock: anyio.Lock = field(default_factory=anyio.Lock)
    connection: Connection | None = None
    refused: Fault | None = None  # what the attempt ahead of need met, and the sentence would meet again


class _Speech:
    """The voice of one turn."""

    def __init__(self, engine: "_Engine", voice: Voice, tasks: TaskGroup) -> None:
        self._engine = engine
        self._voice = voice
        self._tasks = tasks
        self._patience = _Patience(engine.patience_s)
        self._slots: defaultdict[bytes, _Slot] = defaultdict(_Slot)  # by task_start
        self._spare = _Slot()
        self._opened: list[Connection] = []
        self._spoken = False

    async def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        if not any(character.isalnum() for character in text):
            return  # nothing to speak; the vendor would count it against the rate limit and refuse it
        if not self._spoken:
            self._spoken = True
            self._engine.first_emotions[self._voice] = emotion
        connection, spoken, pcm = await self._begin(self._engine.task_start(self._voice, emotion), text)
        try:
            while pcm is not None:
                yield pcm
                pcm = await connection.receive(spoken)
        except Failed as failed:
            self._engine.report(failed.fault)
            # Too many requests end a task in the middle of a sentence; the next sentence can wait for its turn.
            cut = failed.fault.one_sentence or failed.fault.remedy is Remedy.WAIT
            raise Failed(replace(failed.fault, one_sentence=cut)) from failed
        finally:
            await connection.leave(spoken)

    def expect(self, emotion: Emotion) -> None:
        if not self._tasks.cancel_scope.cancel_called:
            self._tasks.start_soon(self.prepare, emotion, True)

    async def prepare(self, emotion: Emotion, use_spare: bool) -> None:
        """Have a task started, for a sentence that will very likely want it."""
        task = self._engine.task_start(self._voice, emotion)
        slot = self._slots[task]
        async with slot.lock:
            connection = slot.connection
            if connection is not None and await connection.settle() and connection.takes(alone=False):
                return
            slot.refused = None
            try:
                slot.connection = await self._open(task, await self._take(task, use_spare))
            except Failed as failed:
                self._engine.report(failed.fault)
                slot.refused = failed.fault if failed.fault.remedy is Remedy.GIVE_UP else None

    async def prepare_spare(self) -> None:
        """Have a connection without a task, for another emotion."""
        async with self._spare.lock:
            try:
                self._spare.connection = self._engine.take(None) or await self._engine.connect()
            except Failed as failed:
                self._engine.report(failed.fault)

    async def close(self) -> None:
        """What was not used may serve another turn."""
        for connection in filter(None, [*self._opened, self._spare.connection]):
            if connection.used or not connection.alive:
                await connection.close()
            else:
                await self._engine.keep(connection)

    async def _begin(self, task: bytes, content: str) -> tuple[Connection, Text, bytes | None]:
        """Try until there is audio, or an end without any."""
        recovery = _Recovery(self._patience)
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
            self._engine.report(failed.fault)
            raise
        finally:
            recovery.settle()

    async def _attempt(self, task: bytes, content: str, recovery: _Recovery) -> tuple[Connection, Text, bytes | None]:
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
        connection = self._engine.take(task)
        if connection is None and use_spare:
            async with self._spare.lock:
                connection, self._spare.connection = self._spare.connection, None
        return connection or self._engine.take(None)

    async def _open(self, task: bytes, warm: Connection | None) -> Connection:
        """A connection with this task; one that died while it was kept is replaced without a word."""
        if warm is not None:
            self._opened.append(warm)
            try:
                return await warm.start(task)
            except Failed as failed:
                if failed.fault.remedy not in (Remedy.AGAIN, Remedy.AT_ONCE):
                    raise
        fresh = await self._engine.connect()
        self._opened.append(fresh)
        return await fresh.start(task)

    async def _shed(self) -> None:
        """Close what only waits: it may be as dead as the last one, or be what makes too many connections."""
        idle = [slot for slot in (*self._slots.values(), self._spare) if not slot.lock.locked()]
        for slot in idle:
            if slot.connection is not None and slot.connection.idle:
                await slot.connection.close()
        await self._engine.shed()


class _Engine:
    """The voice engine of this process."""

    def __init__(self, session: aiohttp.ClientSession, settings: TTSSettings, variant: Variant) -> None:
        self.sample_rate_hz = settings.sample_rate_hz
        self.patience_s = min(PATIENCE_S, settings.first_audio_s)
        self.first_emotions: dict[Voice, Emotion] = {}  # with which a voice last began a turn; as many as characters
        self._session = session
        self._settings = settings
        self._variant = variant
        self._warm: list[Connection] = []
        self._reported: set[int | str] = set()
        self._log = structlog.get_logger(__name__)

    @asynccontextmanager
    async def open_speech(self, voice: Voice) -> AsyncIterator[Speech]:
        tasks = anyio.create_task_group()
        speech = _Speech(self, voice, tasks)
        error: Exception | None = None
        try:
            async with tasks:
                tasks.start_soon(speech.prepare, self.first_emotions.get(voice, "auto"), False)
                tasks.start_soon(speech.prepare_spare)
                try:
                    yield speech
                finally:
                    tasks.cancel_scope.cancel()
        except ExceptionGroup as group:  # the turn's own error: what prepares never raises
            error = group.exceptions[0]
        finally:
            await speech.close()
        if error is not None:
            raise error

    def task_start(self, voice: Voice, emotion: Emotion) -> bytes:
        return frames.task_start(voice, emotion, self._settings.model, self.sample_rate_hz)

    async def connect(self) -> Connection:
        """A connection on which a task may be started."""
        return await connect(self._session, self._settings, self._variant)

    def take(self, *tasks: bytes | None) -> Connection | None:
        """A kept connection with one of these tasks (None: without any), the first task first."""
        for task in tasks:
            for connection in reversed(self._warm):  # the youngest is the likeliest to live
                if connection.task == task and connection.alive:
                    self._warm.remove(connection)
                    return connection
        return None

    async def keep(self, connection: Connection) -> None:
        connection.kept = True
        living = [other for other in (*self._warm, connection) if other.alive]
        gone = [other for other in self._warm if other not in living] + living[:-WARM_CONNECTIONS]
        self._warm = living[-WARM_CONNECTIONS:]
        for other in gone:
            await other.close()

    async def shed(self) -> None:
        warm, self._warm = self._warm, []
        for connection in warm:
            await connection.close()

    def report(self, fault: Fault) -> None:
        """Tell the operator what only the operator can mend, once."""
        if fault.remedy is Remedy.GIVE_UP and fault.code not in self._reported:
            self._reported.add(fault.code)
            self._log.error("voice_refused", code=fault.code, advice=fault.message, trace_id=fault.trace_id)


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncIterator[TTS]:
    """Open the engine for this process.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    key = settings.secrets.get(KEY_NAME, "")
    if not key:
        raise EngineUnavailable(f"engines.tts: minimax needs {KEY_NAME}; set it, or choose auto")
    address = urlsplit(settings.endpoint)
    if address.scheme not in ("ws", "wss"):
        raise EngineUnavailable(
            "endpoints.tts: minimax wants a ws:// or wss:// address ending in /t2a_v2 or /t2a_v2_bidi"
        )
    if settings.sample_rate_hz not in frames.SAMPLE_RATES_HZ:
        rates = ", ".join(map(str, sorted(frames.SAMPLE_RATES_HZ)))
        raise EngineUnavailable(f"audio.tts_sample_rate: minimax speaks at one of {rates}")
    async with open_session(settings, key) as session:
        engine = _Engine(session, settings, BIDIRECTIONAL if address.path.endswith("_bidi") else PLAIN)
        try:
            yield engine
        finally:
            await engine.shed()
