"""One WebSocket to ByteDance's ASR: frames out, answers in, and every fault as an ASRError."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final, Literal
from uuid import uuid4

import aiohttp
import anyio

from services.base import map_errors
from services.vendors.bytedance import faults, frames
from services.vendors.bytedance.faults import Failed

CLOSE_S: Final = 0.5  # for writing the close frame; its answer is not waited for
_REFUSAL_S: Final = 0.5  # for the body of a refusal
_REFUSAL_BYTES: Final = 4096

_Socket = aiohttp.ClientWebSocketResponse[Literal[True]]
_BROKEN_OFF = ((aiohttp.ClientError, OSError), lambda _: Failed(faults.BROKEN_OFF))


class Line:
    """An open session."""

    def __init__(self, socket: _Socket, transport: asyncio.Transport | None, log_id: str) -> None:
        self._socket = socket
        self._transport = transport
        self.log_id = log_id

    async def write(self, frame: bytes, limit_s: float) -> None:
        stalled = (TimeoutError, lambda _: Failed(faults.STALLED))
        with map_errors(stalled, _BROKEN_OFF), anyio.fail_after(limit_s):
            await self._socket.send_frame(frame, aiohttp.WSMsgType.BINARY)

    async def read(self) -> frames.Response | frames.Refusal:
        with map_errors(_BROKEN_OFF):
            message = await self._socket.receive()
        if message.type is aiohttp.WSMsgType.BINARY:
            return frames.receive(message.data)
        unreadable = message.type is aiohttp.WSMsgType.TEXT or isinstance(message.data, aiohttp.WebSocketError)
        raise Failed(faults.UNREADABLE if unreadable else faults.BROKEN_OFF)

    async def close(self) -> None:
        """Never waits for the vendor: what it does not take any more is dropped."""
        if self._transport is not None and self._transport.get_write_buffer_size():
            self._transport.abort()
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._socket.close()
        if self._transport is not None:
            self._transport.abort()


class _Handshake:
    """The vendor's answer to the upgrade; aiohttp itself hands out neither its headers nor the body of a refusal."""

    def __init__(self) -> None:
        self.log_id = ""
        self.transport: asyncio.Transport | None = None

    async def watch(self, request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await send(request)
        self.log_id = _loggable(response.headers.get("X-Tt-Logid", ""))
        if response.status != 101:
            try:
                raise Failed(faults.http_fault(response.status, await _body_of(response)))
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


def _loggable(log_id: str) -> str:
    found = re.match(r"[\w.:-]{1,100}", log_id, re.ASCII)
    return found[0] if found else ""


_HANDSHAKE_ERRORS = (
    (TimeoutError, lambda _: Failed(faults.STALLED)),
    (aiohttp.WSServerHandshakeError, lambda _: Failed(faults.NOT_A_WEBSOCKET)),
    (aiohttp.ClientConnectorCertificateError, lambda _: Failed(faults.BAD_CERTIFICATE)),
    ((aiohttp.ClientError, OSError), lambda _: Failed(faults.UNREACHABLE)),
)


@asynccontextmanager
async def open_connector(*endpoints: str) -> AsyncIterator[aiohttp.BaseConnector]:
    """What all sessions of this process share: the TLS context, which costs 23 ms, and resolved names."""
    encrypted = any(endpoint.startswith("wss://") for endpoint in endpoints)
    async with aiohttp.TCPConnector(
        limit=0,  # the number of utterances is the limit
        force_close=True,  # one connection is one session
        ssl=ssl.create_default_context() if encrypted else True,
    ) as connector:
        yield connector


def _session_headers() -> dict[str, str]:
    """Sending all three covers every version of the vendor's page (section 1)."""
    return {"X-Api-Request-Id": str(uuid4()), "X-Api-Connect-Id": str(uuid4()), "X-Api-Sequence": "-1"}


@asynccontextmanager
async def open_line(
    connector: aiohttp.BaseConnector, endpoint: str, headers: Mapping[str, str], limit_s: float
) -> AsyncIterator[Line]:
    """A session in which nothing was sent yet; `limit_s` is for opening it.

    Raises:
        Failed: on entering, the handshake failed. What fails inside gets the vendor's id of the session.
    """
    handshake = _Handshake()
    try:
        async with aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "User-Agent": "ChatAnon"},
            auto_decompress=False,
            middlewares=(handshake.watch,),
            trust_env=False,
        ) as session:
            with map_errors(*_HANDSHAKE_ERRORS), anyio.fail_after(limit_s):
                socket = await session.ws_connect(
                    endpoint,
                    headers={**headers, **_session_headers()},
                    # No heartbeat: the service answers pings late, and would be taken for dead (section 3).
                    heartbeat=None,
                    timeout=aiohttp.ClientWSTimeout(ws_close=0),
                    max_msg_size=frames.MAX_FRAME_BYTES,
                )
            line = Line(socket, handshake.transport, handshake.log_id)
            try:
                yield line
            finally:
                await line.close()
    except Failed as failed:
        failed.log_id = handshake.log_id
        raise
