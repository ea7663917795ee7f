"""The server's address in; an open WebSocket out, or one sentence why not, and when another try is worth it."""

import base64
import ipaddress
import json
import os
import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI, ProxyError

from client.language import has_text, tell

Frame = dict[str, Any]  # one message of the wire; nothing in it is trusted to have the type it should

DEFAULT_PORT = 8765
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 60.0  # a server whose audio buffer is full answers pings late, and is not dead
MAX_FRAME_BYTES = 4 * 2**20  # an audio chunk is a few kilobytes

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_BRACKETED_HOST = re.compile(r"([^\[\]]*@)?\[[^\[\]]+\](:[0-9]*)?")  # of an IPv6 address, and for nothing else
_TRANSIENT_CLOSES = frozenset({1001, 1005, 1006, 1009, 1011, 1012, 1013, 1014})


class CannotConnect(Exception):
    """No connection; str(error) is one sentence. `transient`: the next try may go well."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


def mend_url(text: str) -> str:
    """The WebSocket address meant by `localhost:8765`, `http://host`, `wss://host/path` and the like.

    Raises:
        ValueError: no address can be made of it; the message says what is wrong.
    """
    text = text.strip().replace("：", ":")
    has_scheme = "://" in text
    try:
        parts = urlsplit(text if has_scheme else f"ws://{text}")
        port = parts.port
    except ValueError as error:
        raise ValueError(tell("url_unreadable", url=repr(text), error=error)) from error
    if parts.scheme not in _SCHEMES:
        raise ValueError(tell("url_scheme", url=repr(text), scheme=parts.scheme))
    if {"[", "]"} & set(parts.netloc) and not _BRACKETED_HOST.fullmatch(parts.netloc):
        raise ValueError(tell("url_brackets", url=repr(text)))
    if not parts.hostname or any(character.isspace() for character in text):
        raise ValueError(tell("url_no_host", url=repr(text)))
    host = parts.netloc if port is not None or has_scheme else f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}"
    path = parts.path if parts.path.strip("/") else "/ws"
    return urlunsplit((_SCHEMES[parts.scheme], host, path, parts.query, ""))


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def may_reconnect(close_code: int) -> bool:
    return 4000 <= close_code < 4500 or close_code in _TRANSIENT_CLOSES


def reconnect_delay_s(failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row; `chance` in [0, 1) spreads the users of one server."""
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + chance / 2)


async def open_connection(url: str) -> ClientConnection:
    """
    Raises:
        CannotConnect
    """
    try:
        return await connect(
            url,
            proxy=None if is_loopback(url) else True,
            compression=None,
            max_size=MAX_FRAME_BYTES,
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
        )
    except (OSError, InvalidHandshake, InvalidProxy, InvalidURI, ImportError, UnicodeError) as error:
        reason, transient = _explain(error)
        raise CannotConnect(tell("cannot_connect", url=url, reason=reason), transient=transient) from error


def _explain(error: Exception) -> tuple[str, bool]:
    """One clause for the person, and whether the next try may go well."""
    match error:
        case InvalidStatus(response=response):
            code = response.status_code
            said = tell("http_404") if code == 404 else tell("http_status", status=code)
            return said, code >= 500 or code == 429
        case InvalidProxy() | ProxyError():
            return tell("bad_proxy", error=error), False
        case ImportError():
            return tell("socks_proxy"), False
        case ssl.SSLError():
            return tell("tls_failed", error=error.reason or error), False
        case InvalidURI() | UnicodeError():
            return tell("address_impossible"), False
        case InvalidHandshake():
            return tell("no_websocket"), True
        case socket.gaierror():
            return tell("no_such_host"), True
        case TimeoutError():
            return tell("no_answer", seconds=f"{OPEN_TIMEOUT_S:.0f}"), True
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return tell("cut_at_once"), True
        case OSError(errno=int(number)) if number != 0 and not isinstance(error, ConnectionRefusedError):
            return tell("network_down", error=os.strerror(number)), True
    return tell("no_server"), True


def explain_close(code: int, reason: str) -> str:
    name = f"close.{code}"
    return tell(name) if has_text(name) else tell("close", why=f"{code} {printable(reason)}".strip())


def encode(message: Frame) -> str:
    """Lone surrogates, which a command line may hold, become question marks."""
    return json.dumps(message, ensure_ascii=False).encode("utf-8", "replace").decode()


def decode(received: str | bytes) -> Frame:
    """What is not a JSON object becomes a message without a type."""
    try:
        frame = json.loads(received) if isinstance(received, str) else {}
    except (ValueError, RecursionError):
        frame = {}
    return frame if isinstance(frame, dict) else {}


def audio_frame(kind: str, audio: bytes) -> Frame:
    return {"type": kind, "audio_base64": base64.b64encode(audio).decode()}


def text_of(frame: Frame, key: str) -> str:
    value = frame.get(key)
    return printable(value) if isinstance(value, str) else ""


def printable(text: str) -> str:
    """One line without control characters: what a server sends must not steer the terminal."""
    return _CONTROL.sub(" ", text).strip()
