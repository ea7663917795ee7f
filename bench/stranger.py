"""What a stranger has: sockets of one address, frames made by hand, and a count of what became of them."""

import contextlib
import errno
import json
import os
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_REFUSED_S = 0.1  # before another try


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True) -> bytes:
    """A client's frame. Its mask is zero, so that the payload stands in it as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = b"\xfe" + struct.pack(">H", size)
    else:
        length = b"\xff" + struct.pack(">Q", size)
    return bytes([fin << 7 | opcode]) + length + bytes(4) + payload


def message(kind: str, **fields: object) -> bytes:
    """One of our protocol's messages, as a frame."""
    return frame(TEXT, json.dumps({"type": kind, **fields}).encode())


@dataclass(slots=True)
class Stranger:
    """Attacks `address` from `source` until `end`, a moment of time.monotonic()."""

    address: tuple[str, int]
    source: str
    end: float
    token: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    held: list[tuple[float, socket.socket]] = field(default_factory=list)

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.end

    def tcp(self, receive_buffer: int | None = None) -> socket.socket:
        """A new socket."""
        raw = socket.socket()
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(10)
        raw.bind((self.source, 0))
        raw.connect(self.address)
        self.counts["sockets"] += 1
        return raw

    def websocket(self, receive_buffer: int | None = None) -> socket.socket:
        """A new WebSocket, or an OSError."""
        raw = self.tcp(receive_buffer)
        raw.sendall(UPGRADE)
        head = b""
        while b"\r\n\r\n" not in head:
            if not (more := raw.recv(4096)):
                raise ConnectionResetError(errno.ECONNRESET, "closed instead of an answer")
            head += more
        if not head.startswith(b"HTTP/1.1 101"):
            raise ConnectionRefusedError(errno.ECONNREFUSED, head.partition(b"\r\n")[0].decode())
        return raw

    def again(self, attack: Callable[[socket.socket], None], receive_buffer: int | None = None) -> None:
        """One WebSocket after the other: a new one whenever the attack or the server has ended the last."""
        while self.goes_on:
            with self.counting(), self.websocket(receive_buffer) as raw:
                attack(raw)

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """What goes wrong with a socket in this block ends the block and is counted, once a while has passed."""
        try:
            yield
        except (ConnectionRefusedError, TimeoutError):
            self.counts["not let in"] += 1
            time.sleep(_REFUSED_S)
        except (ConnectionResetError, BrokenPipeError):
            self.counts["ended by the server"] += 1

    def pour(self, raw: socket.socket, data: bytes, most: float = float("inf")) -> None:
        """Send it over and over, as fast as it is taken, at most so many bytes; what comes back is thrown away."""
        raw.setblocking(False)
        view, at, sent = memoryview(data), 0, 0
        while self.goes_on and sent < most:
            try:
                count = raw.send(view[at:])
            except BlockingIOError:
                self.throw_away(raw)
                time.sleep(0.001)
                continue
            at, sent = (at + count) % len(data), sent + count
            self.counts["bytes"] += count
            self.throw_away(raw)

    def throw_away(self, raw: socket.socket) -> None:
        """Whatever has come."""
        with contextlib.suppress(BlockingIOError):
            if not raw.recv(1 << 16):
                raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def hold(self, raw: socket.socket) -> None:
        """Keep it open to the end, unless the server ends it: see `left_open`."""
        self.held.append((time.monotonic(), raw))

    def left_open(self, seconds: float) -> int:
        """How many of those held are open after so long or longer."""
        return sum(is_open(raw) for since, raw in self.held if self.end - since >= seconds)


def go_last() -> None:
    """Whoever measures beside this process goes first; and it may have as many sockets as the machine lets it."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def is_open(raw: socket.socket) -> bool:
    """Whether the other end has closed it, once what it sent has been read."""
    raw.setblocking(False)
    try:
        while raw.recv(1 << 16):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
