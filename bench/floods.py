"""One stranger in, one flood out: what a single socket, or a few, can do to a server; in a process of its own.

    python -m bench.floods control-frames 127.0.0.1 8765 BEGIN 20 127.0.0.11 TOKEN

It begins at a moment of the machine's monotonic clock that all attackers share, lasts so many seconds after it, and
prints what it did as JSON. Every flood but `messages` does without the token.
"""

import base64
import itertools
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.stranger import BINARY, CONT, PING, PONG, TEXT, UPGRADE, Stranger, frame, go_last, message

LOOK_AFTER_S = 10.0  # by then a socket must have been ended, or be counted
_READ = 1 << 18  # as much as a server reads at once
_LARGE = 3_000_000  # of a frame, below limits.max_frame_bytes
_MOST_OF_A_HEAD = 24 << 20  # that this machine may survive it


def control_frames(stranger: Stranger) -> None:
    """Frames without a payload, 40,000 in what a server reads at once."""
    kinds = itertools.cycle((frame(PONG), frame(CONT, fin=False), frame(BINARY)))

    def attack(raw: socket.socket) -> None:
        kind = next(kinds)
        if kind == frame(CONT, fin=False):
            raw.sendall(frame(TEXT, fin=False))
        stranger.pour(raw, kind * (_READ // len(kind)))

    stranger.again(attack)


def pings_unread(stranger: Stranger) -> None:
    """Pings of the greatest length, whose pongs are sipped: 64 bytes at a time."""
    pings = frame(PING, bytes(125)) * 500

    def attack(raw: socket.socket) -> None:
        raw.settimeout(0.2)
        at = 0
        while stranger.goes_on:
            try:
                count = raw.send(memoryview(pings)[at:])
            except TimeoutError:
                raw.recv(64)
                continue
            at = (at + count) % len(pings)
            stranger.counts["bytes"] += count

    stranger.again(attack, receive_buffer=4096)


def refused_upgrades(stranger: Stranger) -> None:
    """Requests that an HTTP parser takes and a WebSocket parser does not: they must be answered and closed."""
    many = b"".join(b"X-%d: y\r\n" % number for number in range(140))
    first, rest = UPGRADE.split(b"\r\n", 1)
    requests = (
        first + b"\r\n" + many + rest,
        first + b"\r\nX-Long: " + b"y" * 9000 + b"\r\n" + rest,
        UPGRADE.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 4\r\n\r\nbody"),
    )
    turns = itertools.cycle(requests)
    while stranger.goes_on:
        with stranger.counting():
            raw = stranger.tcp()
            stranger.hold(raw)
            raw.sendall(next(turns))
        time.sleep(0.03)


def endless_heads(stranger: Stranger) -> None:
    """Heads of a request that do not end, two at a time, as fast as they are taken: many lines, and a single one."""
    kinds = itertools.cycle(((b"X-More: " + b"y" * 1000 + b"\r\n") * 250, b"y" * 250_000))
    datas: dict[socket.socket, bytes] = {}
    sockets: dict[socket.socket, int] = {}
    while stranger.goes_on:
        with stranger.counting():
            while len(sockets) < 2:
                raw = stranger.tcp()
                raw.settimeout(0.05)
                raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
                sockets[raw], datas[raw] = 0, next(kinds)
        for raw, sent in list(sockets.items()):
            try:
                sockets[raw] += raw.send(datas[raw]) if sent < _MOST_OF_A_HEAD else 0
                stranger.counts["bytes"] += sockets[raw] - sent
            except TimeoutError:
                continue
            except OSError:
                stranger.counts["ended by the server"] += 1
                del sockets[raw]
        if sockets and min(sockets.values()) >= _MOST_OF_A_HEAD:
            time.sleep(0.1)


def dripping_seconds(stranger: Stranger) -> None:
    """A whole request, and behind its answer another one that comes a byte a second; on 100 sockets."""
    rest = b"GET /health HTTP/1.1\r\nX-Slow: " + b"y" * 4096
    sockets: dict[socket.socket, int] = {}
    while stranger.goes_on:
        with stranger.counting():
            while len(sockets) < 100 and stranger.goes_on:
                raw = stranger.tcp()
                raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                raw.recv(4096)
                sockets[raw] = 0
                stranger.hold(raw)
        for raw, at in list(sockets.items()):
            try:
                raw.sendall(rest[at : at + 1])
                sockets[raw] += 1
            except OSError:
                stranger.counts["ended by the server"] += 1
                del sockets[raw]
        time.sleep(1)


def large_first_frames(stranger: Stranger) -> None:
    """The largest frame a server may have to take from a user, from nobody, but for its last byte."""
    first = frame(TEXT, b" " * _LARGE)[:-1]
    sockets: list[socket.socket] = []

    def attack(raw: socket.socket) -> None:
        raw.settimeout(2)
        raw.sendall(first)
        stranger.counts["bytes"] += len(first)
        sockets.append(raw.dup())  # which holds it open
        while len(sockets) == 64 and stranger.goes_on:
            time.sleep(0.1)

    stranger.again(attack)


def frames_not_utf8(stranger: Stranger) -> None:
    """A frame that no text is, again and again."""

    def attack(raw: socket.socket) -> None:
        raw.sendall(frame(TEXT, b"\xff\xfe\xc0") + frame(TEXT, b"\xff"))
        raw.recv(4096)
        stranger.counts["frames"] += 1

    stranger.again(attack)


def guessed_tokens(stranger: Stranger) -> None:
    """One token after the other."""

    def attack(raw: socket.socket) -> None:
        raw.sendall(message("connect", api_token=os.urandom(12).hex()))
        answer = b""
        while b'"code"' not in answer and (more := raw.recv(4096)):
            answer += more
        said = next((code for code in (b"unauthorized", b"rate_limited") if code in answer), b"something else")
        stranger.counts[f"told {said.decode()}"] += 1

    stranger.again(attack)


def messages(stranger: Stranger) -> None:
    """A user who asks for too much: what costs nothing to send, and 3 MiB that are no base64."""
    small = message("ping") * 200 + message("dance") * 20 + message("clear_history") * 20
    large = message("audio_message", audio_base64="*" + base64.b64encode(bytes(_LARGE // 4 * 3 - 100)).decode())

    def attack(raw: socket.socket) -> None:
        raw.sendall(message("connect", api_token=stranger.token))
        stranger.pour(raw, small * 20 + large)

    stranger.again(attack)


@dataclass(frozen=True, slots=True)
class Flood:
    """`fault`: its row in the table of what was found."""

    fault: str
    run: Callable[[Stranger], None]


FLOODS: Mapping[str, Flood] = {
    "control-frames": Flood("R1", control_frames),
    "pings-unread": Flood("R2", pings_unread),
    "refused-upgrades": Flood("R3", refused_upgrades),
    "endless-heads": Flood("R4", endless_heads),
    "dripping-seconds": Flood("R5", dripping_seconds),
    "large-first-frames": Flood("R6", large_first_frames),
    "not-utf8": Flood("R9", frames_not_utf8),
    "guessed-tokens": Flood("R10", guessed_tokens),
    "messages": Flood("R12", messages),
}


def main() -> None:
    """Flood, then say what came of it."""
    name, host, port, begin, seconds, source, token = sys.argv[1:]
    go_last()
    stranger = Stranger((host, int(port)), source, float(begin) + float(seconds), token)
    time.sleep(max(0.0, float(begin) - time.monotonic()))
    FLOODS[name].run(stranger)
    stranger.counts["left open"] += stranger.left_open(LOOK_AFTER_S)
    print(json.dumps(stranger.counts))


if __name__ == "__main__":
    main()
