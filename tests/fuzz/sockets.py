"""Inputs by sockets: messages, WebSocket frames and HTTP heads that nobody would send, to a real server.

Whatever comes, it is answered by a listed message, code or status, or the connection is ended by a listed code; and
when all have gone, the server holds no task and no descriptor more than before, and has logged no incident.
"""

import asyncio
import contextlib
import json
import random
import re
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from server.protocol import close_codes
from server.protocol.wire import AnyServerMessage, ErrorCode
from tests.fuzz.targets import TARGETS

_PATIENCE_S = 20.0
_BATCH = 8  # inputs between two pings
_MESSAGES = {kind.__struct_config__.tag for kind in get_args(AnyServerMessage)}
_CODES = set(get_args(ErrorCode)) - {"internal"}
_CLOSES = {1000, 1005, 1002, 1003, 1007, 1008, 1009, *close_codes.REASONS} - {close_codes.INTERNAL}
_STATUSES = {101, 200, 400, 403, 404, 405, 408, 413, 414, 417, 426, 431, 501, 503, 505}
_STATUS = re.compile(rb"HTTP/1\.1 (\d+)")
_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_HEADS = (
    _UPGRADE,
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD /characters?x=%ff HTTP/1.0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"POST /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: GET\r\n\r\n",
    b"GET /asyncapi.json HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nRange: bytes=0-1\r\n\r\n",
)


def frame(opcode: int, payload: bytes, *, first: int = 0x80) -> bytes:
    """A client's frame, its mask zero. `first`: the bits beside the opcode."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size)
    return bytes([first | opcode]) + length + bytes(4) + payload


# What is asked last: the answer names it, hence is known from all others.
_LAST_ANSWER = b"fuzzed.to.the.end"
_LAST = frame(1, b'{"type": "%s"}' % _LAST_ANSWER)
_JUNK = (b"\r\n", b"\0", b"\xff", b" ", b":", b"\n", b"X: " + b"y" * 9000 + b"\r\n", b"a: b\r\n" * 130, b"%00", b"../")


@dataclass(slots=True)
class Findings:
    """How many inputs there were of each kind, what came of them, and what should not have."""

    inputs: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)  # what, and the shortest input that did it

    def fault(self, what: str, sent: Sequence[bytes]) -> None:
        """Something that must not be."""
        shown = repr(list(sent))
        if what not in self.wrong or len(shown) < len(self.wrong[what]):
            self.wrong[what] = shown


class Fuzzer:
    """Inputs of one seed, for one server. `token`: of a user that nobody else is."""

    def __init__(self, port: int, token: str, seed: int, findings: Findings) -> None:
        self._port, self._token, self._findings = port, token, findings
        self._random = random.Random(seed)
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def messages(self) -> None:
        """Some messages of a connected user, then a ping: all answers up to the pong, or the end."""
        reader, writer = self._stream or await self._connected()
        sent = [self._message() for _ in range(_BATCH)]
        self._findings.inputs["messages"] += _BATCH
        writer.write(b"".join([*sent, _LAST]))
        if not await self._answers(reader, sent):
            await self.leave()

    async def frames(self) -> None:
        """Bytes that are hardly frames, before or after the handshake; then our side is closed."""
        known = self._random.random() < 0.5
        sent = [self._hello()] if known else []
        sent += [self._frame() for _ in range(self._random.randint(1, 5))]
        self._findings.inputs["frames"] += 1
        await self._to_the_end(sent, upgraded=True)

    async def heads(self) -> None:
        """A request with a fault in it; then our side is closed."""
        self._findings.inputs["heads"] += 1
        await self._to_the_end([self._edited(self._random.choice(_HEADS), _JUNK)], upgraded=False)

    async def leave(self) -> None:
        """Close what is open."""
        if self._stream is not None:
            self._stream[1].transport.abort()
            self._stream = None

    # what is sent

    def _hello(self) -> bytes:
        return frame(1, json.dumps({"type": "connect", "api_token": self._token}).encode())

    def _edited(self, seed: bytes, words: Sequence[bytes]) -> bytes:
        for _ in range(self._random.randint(0, 3)):
            at = self._random.randint(0, len(seed))
            new = self._random.choice((self._random.choice(words), self._random.randbytes(self._random.randint(0, 4))))
            seed = seed[:at] + new + seed[at + self._random.choice((0, 0, 1, 2, 9)) :]
        return seed

    def _message(self) -> bytes:
        target = TARGETS["wire"]
        payload = self._edited(self._random.choice(target.seeds), [word.encode() for word in target.words])
        text = payload.decode("utf-8", "replace").encode()
        return frame(2, payload) if self._random.random() < 0.05 else frame(1, text)

    def _frame(self) -> bytes:
        pick = self._random
        size = pick.choice((0, 0, 1, 5, 125, 126, 300))
        made = frame(
            pick.choice((0, 1, 1, 2, 8, 8, 9, 10, 3, 15)), pick.randbytes(size), first=pick.choice((0x80, 0, 0xC0))
        )
        return self._edited(made, (b"\x88\x80\0\0\0\0", b"\xff" * 9, b"\x01\0")) if pick.random() < 0.5 else made

    # what is answered

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._stream = await self._opened(upgraded=True)
        self._stream[1].write(self._hello())
        return self._stream

    async def _opened(self, *, upgraded: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        if upgraded:
            writer.write(_UPGRADE)
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 "), head
        return reader, writer

    async def _answers(self, reader: asyncio.StreamReader, sent: Sequence[bytes]) -> bool:
        """Whether the connection is open, once what was asked last is answered."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while True:
                    opcode, payload = await read_frame(reader)
                    self._judge(opcode, payload, sent)
                    if opcode == 8:
                        return False
                    if _LAST_ANSWER in payload:
                        return True
        except TimeoutError:
            self._findings.fault("no answer to what was asked last", sent)
        except (OSError, EOFError):
            self._findings.fault("ended without a close frame", sent)
        return False

    def _judge(self, opcode: int, payload: bytes, sent: Sequence[bytes]) -> None:
        """One frame of the server."""
        if opcode == 1:
            said: dict[str, Any] = json.loads(payload)
            kind = said["type"]
            if kind == "error":
                kind = f"error {said['code']}"
            self._findings.outcomes[kind] += 1
            if said["type"] not in _MESSAGES or (said["type"] == "error" and said["code"] not in _CODES):
                self._findings.fault(f"said {kind}", sent)
        elif opcode == 8:
            code = struct.unpack(">H", payload[:2])[0] if payload else 1005
            self._findings.outcomes[f"closed {code}"] += 1
            if code not in _CLOSES and not 3000 <= code < 5000:  # what the client itself closed with is sent back
                self._findings.fault(f"closed {code}", sent)

    async def _to_the_end(self, sent: Sequence[bytes], *, upgraded: bool) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                reader, writer = await self._opened(upgraded=upgraded)
                try:
                    writer.write(b"".join(sent))
                    writer.write_eof()
                    await (self._read_frames(reader, sent) if upgraded else self._read_answers(reader, sent))
                finally:
                    writer.transport.abort()
        except TimeoutError:
            self._findings.fault("neither answered nor ended", sent)
        except OSError:  # it was ended over what it still sent
            self._findings.outcomes["reset"] += 1

    async def _read_frames(self, reader: asyncio.StreamReader, sent: Sequence[bytes]) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                self._judge(*await read_frame(reader), sent)

    async def _read_answers(self, reader: asyncio.StreamReader, sent: Sequence[bytes]) -> None:
        """Every status there is; a body may hold anything but the beginning of an answer."""
        for status in map(int, _STATUS.findall(await reader.read())):
            self._findings.outcomes[f"HTTP {status}"] += 1
            if status not in _STATUSES:
                self._findings.fault(f"HTTP {status}", sent)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """A server's frame: opcode and payload."""
    first, size = await reader.readexactly(2)
    if size == 126:
        size = struct.unpack(">H", await reader.readexactly(2))[0]
    elif size == 127:
        size = struct.unpack(">Q", await reader.readexactly(8))[0]
    return first & 15, await reader.readexactly(size)


async def fuzz(port: int, tokens: Sequence[str], inputs: int, seed: int = 0) -> Findings:
    """So many inputs, by one user at a time for each token."""
    findings = Findings()

    async def one(number: int) -> None:
        fuzzer = Fuzzer(port, tokens[number], seed + number, findings)
        kinds: list[Callable[[], Awaitable[None]]] = [fuzzer.messages, fuzzer.frames, fuzzer.heads]
        picks = random.Random(seed + number)
        while findings.inputs.total() < inputs:
            await picks.choice(kinds)()
        await fuzzer.leave()

    async with asyncio.TaskGroup() as users:
        for number in range(len(tokens)):
            users.create_task(one(number))
    return findings


# A server that says at any time how many tasks and descriptors it has: to be run in place of server.main.
COUNTED_SERVER = """
import asyncio, os, signal, sys
from server import main

def tell():
    with open(os.environ["FUZZ_COUNTS"], "a") as file, os.scandir("/proc/self/fd") as open_ones:
        # The database opens as many connections as it has ever needed at once, up to a few: these are no leak.
        held = [each for each in open_ones if "history.db" not in os.path.realpath(each.path)]
        print(len(asyncio.all_tasks()), len(held), file=file)

call = main.Application.__call__

async def watched(self, scope, receive, send):
    if scope["type"] == "lifespan":
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
    await call(self, scope, receive, send)

main.Application.__call__ = watched
sys.exit(main.main())
"""
COMMAND = (sys.executable, "-c", COUNTED_SERVER)


def counts(file: Path) -> list[tuple[int, ...]]:
    """Tasks and descriptors, each time it was asked."""
    return [tuple(map(int, line.split())) for line in file.read_text().splitlines()] if file.exists() else []
