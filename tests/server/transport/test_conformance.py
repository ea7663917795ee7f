"""RFC 6455 against the real listener, with a user connected behind it: Autobahn's cases 1 to 7 and 10 rebuilt.

The suite itself needs Python 2.7 and an app that sends everything back: tests/fuzz/autobahn.py.
"""

import json
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer
from tests.server.transport.conformance_cases import CASES, PONG, TEXT, Case, close, frame

_PATIENCE_S = 60.0
_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_CLOSE = 8


@dataclass
class Heard:
    """What came back."""

    pongs: list[bytes] = field(default_factory=list)
    answers: int = 0
    close: int | None = None


class RawClient:
    """A connected user whose frames are made by hand."""

    def __init__(self, port: int, token: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")
        self.socket.sendall(_UPGRADE)
        while self._file.readline() != b"\r\n":
            pass
        self.socket.sendall(frame(TEXT, json.dumps({"type": "connect", "api_token": token}).encode()))
        assert b'"connected"' in self._frame()[1]
        self.heard = Heard()

    def _frame(self) -> tuple[int, bytes]:
        first, size = self._file.read(2)
        if size == 126:
            (size,) = struct.unpack(">H", self._file.read(2))
        return first & 15, self._file.read(size)

    def hear(self) -> None:
        """One frame more."""
        opcode, payload = self._frame()
        if opcode == PONG:
            self.heard.pongs.append(payload)
        elif opcode == TEXT:
            self.heard.answers += 1
        else:
            assert opcode == _CLOSE
            self.heard.close = struct.unpack(">H", payload[:2])[0] if payload else 1005

    def leave(self) -> None:
        """Close this side; the server must close its own, and say nothing more."""
        with suppress(OSError):  # it has closed already
            self.socket.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):  # over what it did not read
            assert self._file.read() == b""
        self._file.close()
        self.socket.close()


def play(case: Case, client: RawClient) -> Heard:
    for piece in case.sent:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
            client.socket.sendall(piece)
    heard = client.heard
    if case.close == 1000 and not case.says_goodbye:
        while len(heard.pongs) < len(case.pongs) or heard.answers < (case.answers or 0):
            client.hear()
            assert heard.close is None, heard
        client.socket.sendall(close(1000))
    while heard.close is None:
        client.hear()
    client.leave()
    return heard


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_frames_are_answered_as_the_rfc_has_it(server: RunningServer, token: str, case: Case) -> None:
    heard = play(case, RawClient(server.port, token))
    assert heard.close == case.close
    assert heard.pongs == list(case.pongs)
    assert case.answers is None or heard.answers == case.answers


def test_the_server_is_there_for_others_after_all_that(talk: Callable[..., ProtocolClient]) -> None:
    talk().ping()
