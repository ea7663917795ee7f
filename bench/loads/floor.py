"""The same work with nothing in between: a transcript in, the first sound out, straight at the simulated vendors."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from bench.loads import talk
from bench.loads.frames import TEXT, FrameReader, frame, upgrade_request

EVERY_S = 3.0  # longer than a reply takes


class _Line(asyncio.Protocol):
    """A connection whose bytes go to one function."""

    def __init__(self, url: str, receive: Callable[[bytes], None]) -> None:
        self.where = urlsplit(url)
        self.transport: Any = None
        self._receive = receive

    async def open(self) -> None:
        host, port = self.where.hostname or "", self.where.port or 0
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._receive(data)


class Direct:
    """One user of the vendors, again and again; `took_s`: from each question to its first sound."""

    def __init__(self, llm: str, tts: str) -> None:
        self._writer, self._voice = _Line(llm, self._read), _Line(tts, self._hear)
        self._head: bytes | None = b""
        self._frames = FrameReader()
        self._asked = 0.0
        self._events = 0
        self._said = self._sounded = False
        self.took_s: list[float] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._writer.open()
        await self._voice.open()
        self._voice.transport.write(upgrade_request(self._voice.where.netloc, self._voice.where.path))
        body = json.dumps({"model": "any", "messages": [], "stream": True})
        path = f"{self._writer.where.path}/chat/completions"
        question = f"POST {path} HTTP/1.1\r\nHost: any\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        while True:
            await asyncio.sleep(EVERY_S)
            self._asked, self._events, self._said, self._sounded = time.monotonic(), 0, False, False
            self._writer.transport.write(question)

    def _read(self, data: bytes) -> None:
        self._events += data.count(b"data: ")
        if self._events >= talk.FIRST_JP_TOKENS and not self._said:
            self._said = True
            text = {"event": "task_continue", "text": talk.SENTENCES[0].jp}
            self._voice.transport.write(frame(TEXT, json.dumps(text).encode(), masked=True))

    def _hear(self, data: bytes) -> None:
        if self._head is not None:
            self._head, found, data = (self._head + data).partition(b"\r\n\r\n")
            if not found:
                return
            self._head = None
            self._voice.transport.write(frame(TEXT, b'{"event":"task_start"}', masked=True))
        for _, payload in self._frames.feed(data):
            if b"task_continued" in payload[:80] and self._said and not self._sounded:
                self._sounded = True
                self.took_s.append(time.monotonic() - self._asked)
