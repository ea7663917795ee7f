"""One WebSocket to MiniMax, in either variant: texts in, the pcm of each out, and every fault as a TTSError."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal, NamedTuple, Self

import aiohttp
import anyio

from services.base import TTSError, map_errors
from services.engine_deadline import Deadline
from services.engine_http.session import unverified_tls
from services.engine_settings import TTSSettings
from services.vendors.minimax import bidi, frames
from services.vendors.minimax.frames import Event, Fault, Remedy
from services.vendors.minimax.reading import Leisure, Readers
from services.vendors.minimax.texts import Text, TextQueue

WARM_S = 110.0  # the vendor hangs up after 120 idle seconds (page, section 5)
WARM_START_S = 1.0  # a kept connection that is slower than this to answer is taken for dead
CLOSE_S = 1.0  # for writing the last message; its answer is not waited for
LARGEST_MESSAGE_S = 60  # of audio; the last message of a sentence may repeat the whole of it

_Socket = aiohttp.ClientWebSocketResponse[Literal[False]]


@dataclass(frozen=True, slots=True)
class Variant:
    """How one of the vendor's two ways to speak differs from the other.

    `request`: a text, and what the vendor has of it, in; the messages that have it spoken to its end out.
    """

    decode: Callable[[bytes | str], Event]
    request: Callable[[str, str], tuple[bytes, ...]]
    queue: Callable[[int], TextQueue]
    in_pieces: bool  # a text may be sent while it is being written


PLAIN = Variant(frames.decode, lambda text, _: (frames.task_continue(text),), TextQueue, in_pieces=False)
BIDIRECTIONAL = Variant(bidi.decode, bidi.request, bidi.BidiTextQueue, in_pieces=True)


class Failed(TTSError):
    """A fault on its way out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(
            fault.message,
            retryable=fault.remedy not in (Remedy.GIVE_UP, Remedy.OTHER_TEXT),
            timed_out=fault.timed_out,
            one_sentence=fault.one_sentence,
        )
        self.fault = fault


class Line:
    """One WebSocket: messages out, events in."""

    def __init__(self, socket: _Socket, decode: Callable[[bytes | str], Event]) -> None:
        self._socket = socket
        self._decode = decode
        self._due = Deadline()
        self._heard_at = monotonic()
        self._closed = False

    @property
    def open(self) -> bool:
        return not self._closed and self._socket.get_extra_info("peername") is not None  # None: the transport is gone

    @property
    def silent_s(self) -> float:
        return monotonic() - self._heard_at

    async def write(self, message: bytes) -> None:
        with map_errors(((aiohttp.ClientError, OSError), lambda _: Failed(frames.BROKEN_OFF))):
            await self._socket.send_frame(message, aiohttp.WSMsgType.TEXT)

    async def read(self, limit_s: float) -> Event:
        message = None
        with self._due.within(limit_s):
            message = await self._socket.receive()
        if message is None:
            raise Failed(frames.STALLED)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Failed(frames.BROKEN_OFF)
        self._heard_at = monotonic()
        try:
            return self._decode(message.data)
        except frames.MalformedMessage as error:
            raise Failed(frames.BROKEN_OFF) from error

    async def expect(self, kind: type[frames.Connected | frames.TaskStarted], limit_s: float) -> None:
        event: Event = frames.Ignored()
        while isinstance(event, frames.Ignored):
            event = await self.read(limit_s)
        if isinstance(event, frames.Refusal):
            raise Failed(event.fault)
        if not isinstance(event, kind):
            raise Failed(frames.BROKEN_OFF)

    async def close(self, farewell: bytes = b"") -> None:
        """Never waits for the vendor: its side of the close may take as long as it likes."""
        if self._closed:
            return
        self._closed = True
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(CLOSE_S), suppress(Failed):
                if farewell:
                    await self.write(farewell)
            with anyio.move_on_after(CLOSE_S):  # whatever has become of that, the socket is given back
                await self._socket.close()


class _Patience(NamedTuple):
    """`stall_s`: for the first audio of a text, of all that a sentence is granted: a second attempt fits in. `gap_s`:
    for each next piece of it."""

    stall_s: float
    gap_s: float


class Connection:
    """A line and the one task it may hold."""

    def __init__(self, line: Line, settings: TTSSettings, variant: Variant) -> None:
        self._line = line
        self._request = variant.request
        self._patience = _Patience(settings.first_audio_s / 2, settings.gap_s)
        self.texts = variant.queue(settings.sample_rate_hz)
        self._readers = Readers()
        self._leisure = Leisure(settings.sample_rate_hz, self._patience.stall_s / 8)
        self.task: bytes | None = None  # the task_start that was accepted
        self.used = False  # a text was sent, and the vendor was not told to forget it
        self.alone = False  # what is on it must not share
        self.kept = False  # since an earlier turn

    @property
    def alive(self) -> bool:
        return self._line.open and (bool(self.texts) or self._line.silent_s < WARM_S)

    def takes(self, *, alone: bool) -> bool:
        """Whether another text may be sent now."""
        return self.alive and not (self.texts and (alone or self.alone or self.texts.abandoned))

    async def start(self, task: bytes) -> Self:
        """Open the task, where it is not open already; where that fails, the connection is closed."""
        if not await self.settle():
            raise Failed(frames.BROKEN_OFF)
        if self.task == task:
            return self
        limit_s = min(self._patience.stall_s, WARM_START_S) if self.kept else self._patience.stall_s
        try:
            await self._line.write(task)
            await self._line.expect(frames.TaskStarted, limit_s)
            self.task = task
        finally:
            if self.task is None:
                await self.close()
        return self

    async def settle(self) -> bool:
        """Wait until what was cancelled is off the line; where the vendor does not say so in time, it is closed."""
        with suppress(Failed), anyio.move_on_after(min(self._patience.stall_s, WARM_START_S)):
            while self.texts.canceling:
                if self.texts.receive(await self._line.read(WARM_START_S)) is not None:
                    break
        if self.texts.canceling:
            await self.close()
        return not self.texts.canceling

    async def send(self, text: Text, content: str, *, whole: bool = True) -> None:
        """Send what the vendor has not yet of a text added to `texts`; `whole`: that is all there will be of it."""
        if content == text.sent and not whole:
            return
        messages = self._request(content, text.sent) if whole else (frames.task_continue(content[len(text.sent) :]),)
        text.sent, text.in_pieces = content, text.in_pieces or not whole
        self.used, sent = True, False
        try:
            for message in messages:
                await self._line.write(message)
            sent = True
        finally:
            if not sent:  # the finals to come would close the wrong texts
                await self._fail(frames.BROKEN_OFF)

    async def receive(self, text: Text) -> bytes | None:
        """What has come of the text since the last call, at least one sample; None at its end."""
        await self._readers.settle(text, self._read)
        if text.pieces:
            pcm = b"".join(text.pieces)
            text.pieces.clear()
            self._leisure.handed_on(len(pcm))
            return pcm
        if text.fault is not None:
            raise Failed(text.fault)
        return None

    async def leave(self, text: Text) -> None:
        """Nobody waits for this text any longer. The vendor is told so if it is the last, and its answer is left to
        whoever speaks next: an interruption waits for nobody."""
        if text not in self.texts:
            return
        text.abandon()
        self._leisure.end()
        if self.texts.abandoned < len(self.texts):
            return
        message = self.texts.cancel()
        if message is not None:
            with anyio.move_on_after(CLOSE_S, shield=True), suppress(Failed):
                await self._line.write(message)
                self.used = False
                return
        await self.close()

    async def close(self) -> None:
        await self._line.close(frames.TASK_FINISH if self.task is not None and not self.texts else b"")

    async def _read(self) -> None:
        await self._leisure.rest()
        try:
            event = await self._line.read(self._patience.gap_s if self.texts.being_spoken else self._patience.stall_s)
        except Failed as failed:
            await self._fail(failed.fault)
        else:
            if self.texts.receive(event) is not None:
                await self.close()

    async def _fail(self, fault: Fault) -> None:
        if self.kept and not self.texts.heard and fault.remedy is Remedy.AGAIN:
            fault = replace(fault, remedy=Remedy.AT_ONCE)  # it died while it was kept; no fault of this turn's
        self.texts.fail(fault)
        await self.close()


@asynccontextmanager
async def open_session(settings: TTSSettings, key: str) -> AsyncIterator[aiohttp.ClientSession]:
    """What all connections of this process share."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=_ssl_context(settings)),  # the number of turns is the limit
        headers={"Authorization": f"Bearer {key}"},
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(_refuse_redirect,),
        trust_env=False,
    ) as session:
        yield session


async def connect(session: aiohttp.ClientSession, settings: TTSSettings, variant: Variant) -> Connection:
    """A connection on which a task may be started."""
    with map_errors(*_HANDSHAKE_ERRORS), anyio.fail_after(settings.connect_s):
        socket = await session.ws_connect(
            settings.endpoint,
            timeout=aiohttp.ClientWSTimeout(ws_close=0),
            max_msg_size=LARGEST_MESSAGE_S * settings.sample_rate_hz * 4,  # 2 bytes a sample, 2 hex digits a byte
            decode_text=False,
        )
        line, greeted = Line(socket, variant.decode), False
        try:
            await line.expect(frames.Connected, settings.connect_s)
            greeted = True
        finally:
            if not greeted:
                await line.close()
    return Connection(line, settings, variant)


async def _refuse_redirect(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    response = await send(request)
    if 300 <= response.status < 400:
        response.close()
        raise Failed(frames.http_fault(response.status, response.headers.get("Trace-Id", "")))
    return response


def _refused_handshake(error: Exception) -> Failed:
    assert isinstance(error, aiohttp.WSServerHandshakeError)
    trace_id = error.headers.get("Trace-Id", "") if error.headers else ""
    return Failed(frames.http_fault(error.status, trace_id))


_HANDSHAKE_ERRORS = (
    (TimeoutError, lambda _: Failed(frames.STALLED)),
    (aiohttp.WSServerHandshakeError, _refused_handshake),
    (aiohttp.ClientConnectorCertificateError, lambda _: Failed(frames.BAD_CERTIFICATE)),
    ((aiohttp.ClientError, OSError), lambda _: Failed(frames.BROKEN_OFF)),
)


def _ssl_context(settings: TTSSettings) -> ssl.SSLContext | bool:
    """One for the process: making it costs 23 ms."""
    if not settings.endpoint.startswith("wss://"):
        return True
    return ssl.create_default_context() if settings.verify_tls else unverified_tls()
