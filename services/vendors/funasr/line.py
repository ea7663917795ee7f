"""One WebSocket to a FunASR server: frames out, answers in, and every fault as an ASRError."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Literal
from urllib.parse import urlsplit

import aiohttp
import anyio

from services.base import map_errors
from services.engine_http.session import unverified_tls
from services.engine_settings import ASRSettings
from services.vendors.funasr import faults, messages
from services.vendors.funasr.faults import Failed

CLOSE_S: Final = 0.5  # for writing the close frame; its answer is not waited for
SUBPROTOCOL: Final = "binary"  # without it some Python servers answer 400, with it strict others end the handshake

_Socket = aiohttp.ClientWebSocketResponse[Literal[True]]
_BROKEN_OFF = ((aiohttp.ClientError, OSError), lambda _: Failed(faults.BROKEN_OFF))


class Line:
    """An open connection: one utterance."""

    def __init__(self, socket: _Socket, transport: asyncio.Transport | None) -> None:
        self._socket = socket
        self._transport = transport

    async def write(self, frame: str | bytes, limit_s: float) -> None:
        kind = aiohttp.WSMsgType.TEXT if isinstance(frame, str) else aiohttp.WSMsgType.BINARY
        data = frame.encode() if isinstance(frame, str) else frame
        with map_errors((TimeoutError, lambda _: Failed(faults.STALLED)), _BROKEN_OFF), anyio.fail_after(limit_s):
            await self._socket.send_frame(data, kind)

    async def read(self) -> messages.Answer:
        with map_errors(_BROKEN_OFF):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            return messages.read_answer(message.data)
        unreadable = message.type is aiohttp.WSMsgType.BINARY or isinstance(message.data, aiohttp.WebSocketError)
        raise Failed(faults.UNREADABLE if unreadable else faults.BROKEN_OFF)

    async def close(self) -> None:
        """Never waits for the server: what it does not take any more is dropped."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.abort()
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._socket.close()
        if self._transport is not None:
            self._transport.abort()


def _why_not_connected(error: Exception) -> faults.Fault:
    hung_up = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionResetError)
    return faults.NOT_ENCRYPTED if hung_up else faults.UNREACHABLE


_HANDSHAKE_ERRORS = (
    (TimeoutError, lambda _: Failed(faults.STALLED)),
    (aiohttp.WSServerHandshakeError, lambda error: Failed(faults.http_fault(getattr(error, "status", 0)))),
    (aiohttp.ClientConnectorCertificateError, lambda _: Failed(faults.CERTIFICATE)),
    (aiohttp.ClientConnectorSSLError, lambda _: Failed(faults.NOT_ENCRYPTED)),
    (aiohttp.ClientConnectorError, lambda error: Failed(_why_not_connected(error))),
    (aiohttp.ServerDisconnectedError, lambda _: Failed(faults.ENCRYPTED)),
    ((aiohttp.ClientError, OSError), lambda _: Failed(faults.UNREACHABLE)),
)


class Lines:
    """All connections of this process; which subprotocol the server wants is found out by the first."""

    def __init__(self, session: aiohttp.ClientSession, settings: ASRSettings) -> None:
        self._session = session
        self._settings = settings
        self._subprotocols: tuple[str, ...] = ()
        self._tls = _tls_of(settings)

    @asynccontextmanager
    async def open(self, limit_s: float) -> AsyncIterator[Line]:
        """Raises (on entering) Failed: the handshake failed."""
        with map_errors(*_HANDSHAKE_ERRORS), anyio.fail_after(limit_s):
            socket = await self._handshake()
        connection = socket._response.connection
        line = Line(socket, connection.transport if connection is not None else None)
        try:
            yield line
        finally:
            await line.close()

    async def _handshake(self) -> _Socket:
        try:
            return await self._connect()
        except aiohttp.WSServerHandshakeError as error:
            if error.status != 400 or self._subprotocols:
                raise
        self._subprotocols = (SUBPROTOCOL,)
        try:
            return await self._connect()
        except aiohttp.WSServerHandshakeError:
            self._subprotocols = ()
            raise

    async def _connect(self) -> _Socket:
        return await self._session.ws_connect(
            self._settings.endpoint,
            protocols=self._subprotocols,
            heartbeat=None,  # some work in their event loop, and answer no ping meanwhile
            timeout=aiohttp.ClientWSTimeout(ws_close=0),
            max_msg_size=messages.MAX_MESSAGE_BYTES,
            ssl=self._tls,
        )


def _tls_of(settings: ASRSettings) -> ssl.SSLContext | bool:
    """FunASR's own certificate vouches for nobody; on the way to this machine itself there is nobody, either."""
    address = urlsplit(settings.endpoint)
    if address.scheme != "wss":
        return True
    verified = settings.verify_tls and not _is_here(address.hostname or "")
    return ssl.create_default_context() if verified else unverified_tls()


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
