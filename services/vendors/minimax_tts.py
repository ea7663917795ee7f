"""MiniMax T2A v2 over WebSocket: a sentence in, its pcm out; connections are made ahead of need and kept warm.

A turn speaks over one connection per emotion, because `task_start` fixes the emotion. A sentence is sent while the one
before it is still coming in. No task reads: whoever waits for a sentence reads for all who wait on that connection.

Longer than the house allows, because a vendor's socket is one file: from the wire upwards it is a line, the task it
holds, what is done when that fails, the voice of one turn, and the engine with what it keeps warm.
"""

import math
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Literal, Self
from urllib.parse import urlsplit

import aiohttp
import anyio
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential_jitter, wait_random

from services.base import TTS, Emotion, EngineUnavailable, Speech, TTSError, TTSSettings, Voice, map_errors
from services.vendors import minimax_frames as frames
from services.vendors.minimax_frames import Fault, Remedy, Text, TextQueue

KEY_NAME = "MINIMAX_API_KEY"
WARM_S = 110.0  # the vendor hangs up after 120 idle seconds (page, section 5)
WARM_CONNECTIONS = 8  # kept for later turns by this process; a turn opens up to two ahead of need and leaves one over
WARM_START_S = 1.0  # a kept connection that is slower than this to start a task is taken for dead
PATIENCE_S = 5.0  # all waiting and trying again for the voice of one turn
CLOSE_S = 1.0  # for writing the close frame; its answer is not waited for
LARGEST_MESSAGE_S = 60  # of audio; the last message of a sentence may repeat the whole of it

_RETRIES = {Remedy.AGAIN: 1, Remedy.AT_ONCE: 2, Remedy.WAIT: math.inf}

_Socket = aiohttp.ClientWebSocketResponse[Literal[False]]


class _Failed(TTSError):
    """A fault on its way out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(
            fault.message,
            retryable=fault.remedy not in (Remedy.GIVE_UP, Remedy.OTHER_TEXT),
            timed_out=fault.timed_out,
            one_sentence=fault.one_sentence,
        )
        self.fault = fault


class _Line:
    """One WebSocket: messages out, events in."""

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket
        self._heard_at = anyio.current_time()
        self._closed = False

    @property
    def open(self) -> bool:
        return not self._closed and self._socket.get_extra_info("peername") is not None  # None: the transport is gone

    @property
    def silent_s(self) -> float:
        return anyio.current_time() - self._heard_at

    async def write(self, message: bytes) -> None:
        with map_errors(((aiohttp.ClientError, OSError), lambda _: _Failed(frames.BROKEN_OFF))):
            await self._socket.send_frame(message, aiohttp.WSMsgType.TEXT)

    async def read(self, limit_s: float) -> frames.Event:
        with map_errors(
            (TimeoutError, lambda _: _Failed(frames.STALLED)),
            (frames.MalformedMessage, lambda _: _Failed(frames.BROKEN_OFF)),
        ):
            with anyio.fail_after(limit_s):
                message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise _Failed(frames.BROKEN_OFF)
            self._heard_at = anyio.current_time()
            return frames.decode(message.data)

    async def expect(self, kind: type[frames.Connected | frames.TaskStarted], limit_s: float) -> None:
        event: frames.Event = frames.Ignored()
        while isinstance(event, frames.Ignored):
            event = await self.read(limit_s)
        if isinstance(event, frames.Refusal):
            raise _Failed(event.fault)
        if not isinstance(event, kind):
            raise _Failed(frames.BROKEN_OFF)

    async def close(self, farewell: bytes = b"") -> None:
        """Never waits for the vendor: its side of the close may take as long as it likes."""
        if self._closed:
            return
        self._closed = True
        with anyio.move_on_after(CLOSE_S, shield=True), suppress(_Failed):
            if farewell:
                await self.write(farewell)
            await self._socket.close()


class _Connection:
    """A line and the one task it may hold."""

    def __init__(self, line: _Line, settings: TTSSettings) -> None:
        self._line = line
        self._stall_s = settings.first_audio_s / 2  # of all that a sentence is granted: a second attempt fits in
        self._gap_s = settings.gap_s
        self._texts = TextQueue(settings.sample_rate_hz)
        self._reading = anyio.Lock(fast_acquire=True)
        self.task: bytes | None = None  # the task_start that was accepted
        self.used = False  # a text was sent
        self.alone = False  # what is on it must not share
        self.kept = False  # since an earlier turn

    @property
    def idle(self) -> bool:
        return not self._texts

    @property
    def alive(self) -> bool:
        return self._line.open and (not self.idle or self._line.silent_s < WARM_S)

    def takes(self, *, alone: bool) -> bool:
        """Whether another text may be sent now."""
        return self.alive and (self.idle or not (alone or self.alone or self._texts.abandoned))

    async def start(self, task: bytes) -> Self:
        """Open the task, where it is not open already; where that fails, the connection is closed."""
        if self.task == task:
            return self
        limit_s = min(self._stall_s, WARM_START_S) if self.kept else self._stall_s
        try:
            await self._line.write(task)
            await self._line.expect(frames.TaskStarted, limit_s)
            self.task = task
        finally:
            if self.task is None:
                await self.close()
        return self

    async def send(self, content: str) -> Text:
        """Have a text spoken after those sent before."""
        text, sent = self._texts.add(), False
        self.used = True
        try:
            await self._line.write(frames.task_continue(content))
            sent = True
        finally:
            if not sent:  # the finals to come would close the wrong texts
                await self._fail(frames.BROKEN_OFF)
        return text

    async def receive(self, text: Text) -> bytes | None:
        """What has come of the text since the last call, at least one sample; None at its end."""
        while not text.settled:
            async with self._reading:
                if not text.settled:
                    await self._read()
        if text.pieces:
            pcm = b"".join(text.pieces)
            text.pieces.clear()
            return pcm
        if text.fault is not None:
            raise _Failed(text.fault)
        return None

    async def leave(self, text: Text) -> None:
        """Nobody waits for this text any longer. Only closing tells the vendor so, and only if it is the last."""
        if text in self._texts:
            text.abandon()
            if self._texts.abandoned == len(self._texts):
                await self.close()

    async def close(self) -> None:
        await self._line.close(frames.TASK_FINISH if self.task is not None and self.idle else b"")

    async def _read(self) -> None:
        try:
            event = await self._line.read(self._gap_s if self._texts.being_spoken else self._stall_s)
        except _Failed as failed:
            await self._fail(failed.fault)
        else:
            if self._texts.receive(event) is not None:
                await self.close()

    async def _fail(self, fault: Fault) -> None:
        if self.kept and not self._texts.heard and fault.remedy is Remedy.AGAIN:
            fault = replace(fault, remedy=Remedy.AT_ONCE)  # it died while it was kept; no fault of this turn's
        self._texts.fail(fault)
        await self.close()


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
        if not isinstance(error, _Failed):
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
    connection: _Connection | None = None
    refused: Fault | None = None  # what the attempt ahead of need met, and the sentence would meet again


class _Speech:
    """The voice of one turn."""

    def __init__(self, engine: "_Engine", voice: Voice) -> None:
        self._engine = engine
        self._voice = voice
        self._patience = _Patience(engine.patience_s)
        self._slots: defaultdict[bytes, _Slot] = defaultdict(_Slot)  # by task_start
        self._spare = _Slot()
        self._opened: list[_Connection] = []
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
        except _Failed as failed:
            self._engine.report(failed.fault)
            # Too many requests end a task in the middle of a sentence; the next sentence can wait for its turn.
            cut = failed.fault.one_sentence or failed.fault.remedy is Remedy.WAIT
            raise _Failed(replace(failed.fault, one_sentence=cut)) from failed
        finally:
            await connection.leave(spoken)

    async def prepare(self, task: bytes) -> None:
        """Have a task started, for a first sentence that will very likely want it."""
        slot = self._slots[task]
        async with slot.lock:
            try:
                slot.connection = slot.connection or await self._open(task, self._engine.take(task, None))
            except _Failed as failed:
                self._engine.report(failed.fault)
                slot.refused = failed.fault if failed.fault.remedy is Remedy.GIVE_UP else None

    async def prepare_spare(self) -> None:
        """Have a connection without a task, for another emotion."""
        async with self._spare.lock:
            try:
                self._spare.connection = self._engine.take(None) or await self._engine.connect()
            except _Failed as failed:
                self._engine.report(failed.fault)

    async def close(self) -> None:
        """What was not used may serve another turn."""
        for connection in filter(None, [*self._opened, self._spare.connection]):
            if connection.used or not connection.alive:
                await connection.close()
            else:
                await self._engine.keep(connection)

    async def _begin(self, task: bytes, content: str) -> tuple[_Connection, Text, bytes | None]:
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
            begun: tuple[_Connection, Text, bytes | None] = await retrying(self._attempt, task, content, recovery)
            return begun
        except _Failed as failed:
            self._engine.report(failed.fault)
            raise
        finally:
            recovery.settle()

    async def _attempt(self, task: bytes, content: str, recovery: _Recovery) -> tuple[_Connection, Text, bytes | None]:
        if recovery.fault is not None and (recovery.fault.remedy is Remedy.AT_ONCE or recovery.fault.code == 1041):
            await self._shed()
        out_of_patience = (TimeoutError, lambda _: _Failed(recovery.fault or frames.STALLED))
        with map_errors(out_of_patience), anyio.fail_after(recovery.left_s):
            connection, text = await self._send(task, content, alone=recovery.fault is not None)
            begun = False
            try:
                pcm = await connection.receive(text)
                if text.fault is not None:  # better the whole of it once more than a part
                    raise _Failed(text.fault)
                begun = True
            finally:
                if not begun:
                    await connection.leave(text)
        return connection, text, pcm

    async def _send(self, task: bytes, content: str, *, alone: bool) -> tuple[_Connection, Text]:
        slot = self._slots[task]
        async with slot.lock:  # sentences get their place in the queue in the order they were asked for
            if slot.refused is not None:
                refused, slot.refused = slot.refused, None
                raise _Failed(refused)
            connection = slot.connection
            if connection is None or not connection.takes(alone=alone):
                connection = self._engine.take(task) or await self._take_spare() or self._engine.take(None)
                connection = slot.connection = await self._open(task, connection)
            connection.alone = alone
            return connection, await connection.send(content)

    async def _take_spare(self) -> _Connection | None:
        async with self._spare.lock:
            spare, self._spare.connection = self._spare.connection, None
        return spare

    async def _open(self, task: bytes, warm: _Connection | None) -> _Connection:
        """A connection with this task; one that died while it was kept is replaced without a word."""
        if warm is not None:
            self._opened.append(warm)
            try:
                return await warm.start(task)
            except _Failed as failed:
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

    def __init__(self, session: aiohttp.ClientSession, settings: TTSSettings) -> None:
        self.sample_rate_hz = settings.sample_rate_hz
        self.patience_s = min(PATIENCE_S, settings.first_audio_s)
        self.first_emotions: dict[Voice, Emotion] = {}  # with which a voice last began a turn; as many as characters
        self._session = session
        self._settings = settings
        self._warm: list[_Connection] = []
        self._reported: set[int | str] = set()
        self._log = structlog.get_logger(__name__)

    @asynccontextmanager
    async def open_speech(self, voice: Voice) -> AsyncIterator[Speech]:
        speech = _Speech(self, voice)
        likely = self.task_start(voice, self.first_emotions.get(voice, "auto"))
        error: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(speech.prepare, likely)
                tasks.start_soon(speech.prepare_spare)
                try:
                    yield speech
                finally:
                    tasks.cancel_scope.cancel()
        except ExceptionGroup as group:  # the turn's own error: those two never raise
            error = group.exceptions[0]
        finally:
            await speech.close()
        if error is not None:
            raise error

    def task_start(self, voice: Voice, emotion: Emotion) -> bytes:
        return frames.task_start(voice, emotion, self._settings.model, self.sample_rate_hz)

    async def connect(self) -> _Connection:
        """A connection on which a task may be started."""
        with map_errors(*_HANDSHAKE_ERRORS), anyio.fail_after(self._settings.connect_s):
            socket = await self._session.ws_connect(
                self._settings.endpoint,
                timeout=aiohttp.ClientWSTimeout(ws_close=0),
                max_msg_size=LARGEST_MESSAGE_S * self.sample_rate_hz * 4,  # 2 bytes a sample, 2 hex digits a byte
                decode_text=False,
            )
            line, greeted = _Line(socket), False
            try:
                await line.expect(frames.Connected, self._settings.connect_s)
                greeted = True
            finally:
                if not greeted:
                    await line.close()
        return _Connection(line, self._settings)

    def take(self, *tasks: bytes | None) -> _Connection | None:
        """A kept connection with one of these tasks (None: without any), the first task first."""
        for task in tasks:
            for connection in reversed(self._warm):  # the youngest is the likeliest to live
                if connection.task == task and connection.alive:
                    self._warm.remove(connection)
                    return connection
        return None

    async def keep(self, connection: _Connection) -> None:
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


async def _refuse_redirect(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    response = await send(request)
    if 300 <= response.status < 400:
        response.close()
        raise _Failed(frames.http_fault(response.status, response.headers.get("Trace-Id", "")))
    return response


def _refused_handshake(error: Exception) -> _Failed:
    assert isinstance(error, aiohttp.WSServerHandshakeError)
    trace_id = error.headers.get("Trace-Id", "") if error.headers else ""
    return _Failed(frames.http_fault(error.status, trace_id))


_HANDSHAKE_ERRORS = (
    (TimeoutError, lambda _: _Failed(frames.STALLED)),
    (aiohttp.WSServerHandshakeError, _refused_handshake),
    (aiohttp.ClientConnectorCertificateError, lambda _: _Failed(frames.BAD_CERTIFICATE)),
    ((aiohttp.ClientError, OSError), lambda _: _Failed(frames.BROKEN_OFF)),
)


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
    if address.scheme not in ("ws", "wss") or address.path.endswith("_bidi"):
        raise EngineUnavailable("endpoints.tts: minimax wants a ws:// or wss:// address ending in /t2a_v2 (not _bidi)")
    if settings.sample_rate_hz not in frames.SAMPLE_RATES_HZ:
        rates = ", ".join(map(str, sorted(frames.SAMPLE_RATES_HZ)))
        raise EngineUnavailable(f"audio.tts_sample_rate: minimax speaks at one of {rates}")
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=_ssl_context(settings)),  # the number of turns is the limit
        headers={"Authorization": f"Bearer {key}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_refuse_redirect,),
        trust_env=False,
    ) as session:
        engine = _Engine(session, settings)
        try:
            yield engine
        finally:
            await engine.shed()


def _ssl_context(settings: TTSSettings) -> ssl.SSLContext | bool:
    """One for the process: making it costs 23 ms."""
    if not settings.endpoint.startswith("wss://"):
        return True
    context = ssl.create_default_context()
    if not settings.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
