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
        raise ValueError(f"地址 {text!r} 看不懂：{error}") from error
    if parts.scheme not in _SCHEMES:
        raise ValueError(f"地址 {text!r} 要以 ws:// 或 wss:// 开头，不是 {parts.scheme}://")
    if {"[", "]"} & set(parts.netloc) and not _BRACKETED_HOST.fullmatch(parts.netloc):
        raise ValueError(f"地址 {text!r} 看不懂：方括号里要是一个完整的 IPv6 地址，例如 ws://[::1]:{DEFAULT_PORT}/ws")
    if not parts.hostname or any(character.isspace() for character in text):
        raise ValueError(f"地址 {text!r} 里没有主机名；例如 ws://localhost:{DEFAULT_PORT}/ws")
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
        raise CannotConnect(f"连不上 {url}：{reason}", transient=transient) from error


def _explain(error: Exception) -> tuple[str, bool]:
    """One clause for the person, and whether the next try may go well."""
    match error:
        case InvalidStatus(response=response):
            code = response.status_code
            hint = "；地址里的路径对吗？通常是 /ws" if code == 404 else ""
            return f"服务器回答 HTTP {code}{hint}", code >= 500 or code == 429
        case InvalidProxy() | ProxyError():
            return f"系统设置的代理不能用（{error}）", False
        case ImportError():
            return "系统设置了 SOCKS 代理；请 pip install python-socks，或取消 ALL_PROXY 等环境变量", False
        case ssl.SSLError():
            return f"TLS 没有谈成（{error.reason or error}）；没有证书的服务器请用 ws:// 而不是 wss://", False
        case InvalidURI() | UnicodeError():
            return "这个地址不成立", False
        case InvalidHandshake():
            return "那里应答的不是 WebSocket 服务器，或者它正在启动", True
        case socket.gaierror():
            return "找不到这个主机名", True
        case TimeoutError():
            return f"{OPEN_TIMEOUT_S:.0f} 秒内没有应答", True
        case ConnectionResetError() | BrokenPipeError() | ConnectionAbortedError():
            return "对方没有回答就断开了；ws:// 和 wss:// 没有弄错吗？", True
        case OSError(errno=int(number)) if number != 0 and not isinstance(error, ConnectionRefusedError):
            return f"到那里的网络不通（{os.strerror(number)}）", True
    return "那里没有服务器在应答（请先启动它）", True


def explain_close(code: int, reason: str) -> str:
    match code:
        case 1000:
            return "服务器结束了对话"
        case 1005 | 1006:
            return "连接断了"
        case 4500:
            return "服务器不认识这个令牌"
        case 4501:
            return "同一个令牌建立了新的连接，这个连接被取代，到此结束"
        case 4503:
            return "服务器不接受从这里来的连接（4503）"
        case 4505:
            return "服务器没有这个角色，请换一个 --character（4505）"
    return f"连接断了（{code}{' ' + printable(reason) if reason else ''}）"


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
