"""An address in; an open WebSocket out, or why not. What a close code means, and how long to wait for another try."""

import ipaddress
import os
import re
import socket
import ssl
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidProxy, InvalidStatus, InvalidURI, ProxyError

from chatanon_client.errors import LOST, ChatAnonError

DEFAULT_PORT = 8765
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 15.0
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
PING_INTERVAL_S = 20.0
PING_TIMEOUT_S = 60.0  # a server whose audio buffer is full answers pings late, and is not dead
MAX_FRAME_BYTES = 4 * 2**20  # an audio chunk is a few kilobytes

_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}
_BRACKETED_HOST = re.compile(r"([^\[\]]*@)?\[[^\[\]]+\](:[0-9]*)?")  # of an IPv6 address, and for nothing else
_TRANSIENT_CLOSES = frozenset({1001, 1005, 1006, 1009, 1011, 1012, 1013, 1014})
_NO_CLOSE_FRAME = 1006


def mend_url(text: str) -> str:
    """The WebSocket address meant by `localhost:8765`, `http://host`, `wss://host/path` and the like.

    Raises:
        ChatAnonError: no address can be made of it.
    """
    text = text.strip().replace("：", ":")
    has_scheme = "://" in text
    try:
        parts = urlsplit(text if has_scheme else f"ws://{text}")
        port = parts.port
    except ValueError as error:
        raise _bad_url("url_unreadable", f"the address {text!r} makes no sense: {error}", str(error)) from error
    if parts.scheme not in _SCHEMES:
        raise _bad_url("url_scheme", f"the address {text!r} must begin with ws:// or wss://", parts.scheme)
    if {"[", "]"} & set(parts.netloc) and not _BRACKETED_HOST.fullmatch(parts.netloc):
        raise _bad_url("url_brackets", f"brackets hold a whole IPv6 address, and not as in {text!r}")
    if not parts.hostname or any(character.isspace() for character in text):
        raise _bad_url("url_no_host", f"the address {text!r} has no host name")
    host = parts.netloc if port is not None or has_scheme else f"{parts.netloc.rstrip(':')}:{DEFAULT_PORT}"
    path = parts.path if parts.path.strip("/") else "/ws"
    return urlunsplit((_SCHEMES[parts.scheme], host, path, parts.query, ""))


def _bad_url(code: str, message: str, detail: str = "") -> ChatAnonError:
    return ChatAnonError(code, message, fatal=True, detail=detail)


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


async def open_socket(url: str) -> ClientConnection:
    """
    Raises:
        ChatAnonError
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
        code, why, fatal, detail = _explain(error)
        raise ChatAnonError(code, f"cannot connect to {url}: {why}", fatal, not fatal, detail=detail) from error


def _explain(error: Exception) -> tuple[str, str, bool, str]:
    """Code, one clause, whether another try is of no use, and the system's own words."""
    match error:
        case InvalidStatus(response=response):
            status = response.status_code
            code, fatal = ("http_404", True) if status == 404 else ("http_status", not (status >= 500 or status == 429))
            return code, f"the server answers HTTP {status}", fatal, str(status)
        case InvalidProxy() | ProxyError():
            return "bad_proxy", f"the system's proxy cannot be used ({error})", True, str(error)
        case ImportError():
            return "socks_proxy", "for the system's SOCKS proxy, pip install python-socks", True, ""
        case ssl.SSLError():
            detail = str(error.reason or error)
            return "tls_failed", f"TLS failed ({detail})", True, detail
        case InvalidURI() | UnicodeError():
            return "address_impossible", "this address is impossible", True, ""
        case InvalidHandshake():
            return "no_websocket", "what answers there is no WebSocket server, or is just starting", False, ""
        case socket.gaierror():
            return "no_such_host", "this host name is not known", False, ""
        case TimeoutError():
            return "no_answer", f"no answer within {OPEN_TIMEOUT_S:.0f} s", False, f"{OPEN_TIMEOUT_S:.0f}"
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "cut_at_once", "the other side hung up without an answer", False, ""
        case OSError(errno=int(number)) if number != 0 and not isinstance(error, ConnectionRefusedError):
            return (
                "network_down",
                f"the network does not lead there ({os.strerror(number)})",
                False,
                os.strerror(number),
            )
    return "no_server", "no server answers there", False, ""


def may_reconnect(close_code: int) -> bool:
    """From 4500 on the server does not want this client without a change; 4501: another device has taken over."""
    return 4000 <= close_code < 4500 or close_code in _TRANSIENT_CLOSES


def how_it_ended(connection: ClientConnection, farewell: ChatAnonError | None) -> ChatAnonError:
    """`farewell`: the last `error` or `disconnected`, which says why a close follows."""
    close_code = connection.close_code or _NO_CLOSE_FRAME
    known = farewell if farewell is not None and close_code >= 1008 else ChatAnonError(LOST, "the connection was lost")
    return ChatAnonError(
        known.code,
        known.message,
        fatal=not may_reconnect(close_code),
        retryable=may_reconnect(close_code),
        retry_after_ms=known.retry_after_ms,
        ref=known.ref,
        close_code=close_code,
        detail=connection.close_reason or "",
    )


def reconnect_delay_s(failures: int, chance: float) -> float:
    """How long to wait after so many failures in a row; `chance` in [0, 1) spreads the users of one server."""
    longest = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 10))
    return longest * (0.5 + chance / 2)
