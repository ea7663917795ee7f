"""One connection to the server, as cheap as a client can be: the handshake, frames both ways, and what is in them."""

import asyncio
import time
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from bench.loads.frames import BINARY, CLOSE, PING, PONG, TEXT, FrameReader, frame, upgrade_request
from bench.loads.machine import token_of


class Said(msgspec.Struct):
    """Of a message of the server: what is looked at."""

    type: str
    audio: bytes = msgspec.field(name="audio_base64", default=b"")
    code: str = ""
    at_ms: int = 0
    retry_after_ms: int | None = None
    audio_error: msgspec.Raw | None = None
    incomplete: bool = False


class Client(asyncio.Protocol):
    """Connects with a token; from there, what it does is its subclass's."""

    extensions: tuple[str, ...] = ()

    def __init__(self, url: str, number: int) -> None:
        self._url = urlsplit(url)
        self._number = number
        self._frames = FrameReader()
        self._head: bytes | None = b""
        self._transport: asyncio.Transport | None = None
        self.now = time.monotonic  # finer than the loop's own, and of the same clock

    async def open(self) -> None:
        """Raises OSError."""
        await asyncio.get_running_loop().create_connection(lambda: self, self._url.hostname or "", self._url.port or 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self._transport.write(upgrade_request(self._url.netloc, self._url.path))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._transport = None
            self.lost()

    def data_received(self, data: bytes) -> None:
        if self._head is not None:
            self._head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                return
            self._head = None
            self.say(type="connect", api_token=token_of(self._number), extensions=self.extensions)
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT:
                self.receive(msgspec.json.decode(payload, type=Said))
            elif opcode == BINARY:
                self.hear(payload[8:])
            elif opcode == PING:
                self.send(frame(PONG, payload, masked=True))
            elif opcode == CLOSE and self._transport is not None:
                self._transport.close()

    def say(self, **fields: Any) -> None:
        self.send(frame(TEXT, msgspec.json.encode(fields), masked=True))

    def send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def hang_up(self) -> None:
        """It is not told that it was lost."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def receive(self, said: Said) -> None:
        """A message."""

    def hear(self, pcm: bytes) -> None:
        """Audio in a binary frame."""

    def lost(self) -> None:
        """The server, or what is between, has ended the connection."""
