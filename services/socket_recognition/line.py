"""One WebSocket to an ASR: its handshake, frames out, an end that waits for nobody; faults as ASRErrors."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

import aiohttp
import anyio

from services.base import ASRError, map_errors

CLOSE_S: Final = 0.5  # for writing the close frame; its answer is not waited for
_REFUSAL_S: Final = 0.5  # for the body of a refusal
_REFUSAL_BYTES: Final = 4096

_Socket = aiohttp.ClientWebSocketResponse[Literal[True]]
_MakeError = Callable[[], ASRError]


@dataclass(frozen=True, slots=True)
class LineFaults:
    """What may happen to a line, in its vendor's words. `refused`: by the status and the body of an answer."""

    stalled: _MakeError
    broken_off: _MakeError
    unreadable: _MakeError
    refused: Callable[[int, bytes], ASRError]
    no_websocket: _MakeError
    certificate: _MakeError
    unreachable: Callable[[Exception], ASRError]


class Handshake:
    """The server's answer to the upgrade; aiohttp hands out neither its headers nor the body of a refusal, and follows
    redirects, where both the key and what is said would go."""

    def __init__(self, faults: LineFaults) -> None:
        self._faults = faults
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.transport: asyncio.Transport | None = None

    async def watch(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await send(request)
        self.status, self.headers = response.status, response.headers
        if response.status != 101:
            try:
                raise self._faults.refused(response.status, await _body_of(response))
            finally:
                response.close()
        self.transport = response.connection.transport if response.connection is not None else None
        return response


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    with anyio.move_on_after(_REFUSAL_S):
        while len(body) < _REFUSAL_BYTES and (chunk := await response.content.read(_REFUSAL_BYTES)):
            body += chunk
    return bytes(body)


class Line:
    """An open connection: one utterance."""

    def __init__(self, socket: _Socket, handshake: Handshake, faults: LineFaults) -> None:
        self._socket = socket
        self._transport = handshake.transport
        self._faults = faults
        self.headers = handshake.headers  # of the answer to the upgrade

    async def write(self, frame: str | bytes, limit_s: float) -> None:
        kind = aiohttp.WSMsgType.TEXT if isinstance(frame, str) else aiohttp.WSMsgType.BINARY
        data = frame.encode() if isinstance(frame, str) else frame
        stalled = (TimeoutError, lambda _: self._faults.stalled())
        with map_errors(stalled, self._broken_off), anyio.fail_after(limit_s):
            await self._socket.send_frame(data, kind)

    async def read_text(self) -> str:
        with map_errors(self._broken_off):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            text: str = message.data
            return text
        raise self._unlike(message.type, message.data)

    async def read_bytes(self) -> bytes:
        with map_errors(self._broken_off):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        raise self._unlike(message.type, message.data)

    def _unlike(self, kind: aiohttp.WSMsgType, data: object) -> ASRError:
        """What a message means that is not of the kind the vendor sends: the end, or one that nobody can read."""
        said = kind in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        unreadable = said or isinstance(data, aiohttp.WebSocketError)
        return self._faults.unreadable() if unreadable else self._faults.broken_off()

    @property
    def _broken_off(self) -> tuple[tuple[type[Exception], ...], Callable[[Exception], ASRError]]:
        return (aiohttp.ClientError, OSError), lambda _: self._faults.broken_off()

    async def close(self) -> None:
        """Never waits for the server: what it does not take any more is dropped."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.abort()
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._socket.close()
        if self._transport is not None:
            self._transport.abort()


@asynccontextmanager
async def open_line(connect: Callable[[], Awaitable[Line]], limit_s: float, faults: LineFaults) -> AsyncIterator[Line]:
    """Raises (on entering) ASRError: the handshake failed. `limit_s`: for all of it."""
    with map_errors((TimeoutError, lambda _: faults.stalled())), anyio.fail_after(limit_s):
        line = await connect()
    try:
        yield line
    finally:
        await line.close()


async def connect(
    connector: aiohttp.BaseConnector,
    endpoint: str,
    handshake: Handshake,
    faults: LineFaults,
    *,
    largest_bytes: int,
    headers: Mapping[str, str] | None = None,
    protocols: Sequence[str] = (),
) -> Line:
    """A line on which nothing was sent yet; whoever calls this has the deadline.

    Raises:
        ASRError: the handshake failed.
    """
    errors = (
        (TimeoutError, lambda _: faults.stalled()),
        (aiohttp.WSServerHandshakeError, lambda _: faults.no_websocket()),
        (aiohttp.ClientConnectorCertificateError, lambda _: faults.certificate()),
        ((aiohttp.ClientError, OSError), faults.unreachable),
    )
    with map_errors(*errors):
        async with aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "ChatAnon"},
            auto_decompress=False,
            middlewares=(handshake.watch,),
            trust_env=False,
        ) as session:
            socket = await session.ws_connect(
                endpoint,
                headers=headers,
                protocols=protocols,
                heartbeat=None,  # such servers answer pings late, or not while they work, and would be taken for dead
                timeout=aiohttp.ClientWSTimeout(ws_close=0),
                max_msg_size=largest_bytes,
            )
    return Line(socket, handshake, faults)


@asynccontextmanager
async def open_connector(tls: ssl.SSLContext | bool) -> AsyncIterator[aiohttp.BaseConnector]:
    """What all lines of this process share: the TLS context, which costs 23 ms to make, and resolved names."""
    # The number of utterances is the limit, and one connection is one utterance.
    async with aiohttp.TCPConnector(limit=0, force_close=True, ssl=tls) as connector:
        yield connector


def is_socket_address(endpoint: str) -> bool:
    """Whether a WebSocket could be there."""
    try:
        address = urlsplit(endpoint)
        return address.scheme in ("ws", "wss") and bool(address.hostname) and address.port != 0
    except ValueError:
        return False
