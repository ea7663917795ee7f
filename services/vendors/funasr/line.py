"""The way to a FunASR server: which subprotocol it wants, which certificate will do, and what faults on it mean."""

import ipaddress
import ssl
from contextlib import AbstractAsyncContextManager
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from services.engine_http.session import unverified_tls
from services.engine_settings import ASRSettings
from services.socket_recognition.line import Handshake, Line, LineFaults, connect, open_line
from services.vendors.funasr import faults, messages
from services.vendors.funasr.faults import Failed

SUBPROTOCOL: Final = "binary"  # without it some Python servers answer 400, with it strict others end the handshake


def _unreachable(error: Exception) -> Failed:
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return Failed(faults.ENCRYPTED)
    hung_up = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionResetError)
    no_tls = hung_up or isinstance(error, aiohttp.ClientConnectorSSLError)
    return Failed(faults.NOT_ENCRYPTED if no_tls else faults.UNREACHABLE)


_FAULTS: Final = LineFaults(
    stalled=lambda: Failed(faults.STALLED),
    broken_off=lambda: Failed(faults.BROKEN_OFF),
    unreadable=lambda: Failed(faults.UNREADABLE),
    refused=lambda status, _: Failed(faults.http_fault(status)),
    no_websocket=lambda: Failed(faults.ADDRESS),
    certificate=lambda: Failed(faults.CERTIFICATE),
    unreachable=_unreachable,
)


class Lines:
    """All connections of this process; which subprotocol the server wants is found out by the first."""

    def __init__(self, connector: aiohttp.BaseConnector, settings: ASRSettings) -> None:
        self._connector = connector
        self._endpoint = settings.endpoint
        self._subprotocols: tuple[str, ...] = ()

    def open(self, limit_s: float) -> AbstractAsyncContextManager[Line]:
        """Raises (on entering) Failed: the handshake failed."""
        return open_line(self._connect, limit_s, _FAULTS)

    async def _connect(self) -> Line:
        handshake = Handshake(_FAULTS)
        try:
            return await self._upgrade(handshake)
        except Failed:
            if handshake.status != 400 or self._subprotocols:
                raise
        self._subprotocols = (SUBPROTOCOL,)
        try:
            return await self._upgrade(Handshake(_FAULTS))
        except Failed:
            self._subprotocols = ()
            raise

    async def _upgrade(self, handshake: Handshake) -> Line:
        return await connect(
            self._connector,
            self._endpoint,
            handshake,
            _FAULTS,
            largest_bytes=messages.MAX_MESSAGE_BYTES,
            protocols=self._subprotocols,
        )


def tls_of(settings: ASRSettings) -> ssl.SSLContext | bool:
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
