"""The same work with nothing in between: a transcript in, the first sound out, straight at the simulated vendors."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from bench.loads import talk
from bench.loads.frames import BINARY, TEXT, FrameReader, frame, upgrade_request

EVERY_S = 0.5
_START = frame(TEXT, b'{"event":"task_start"}', masked=True)


class _Line(asyncio.Protocol):
    """A connection whose bytes go to one function."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.receive = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.receive(data)  # type: ignore[func-returns-value]


class Direct:
    """One user of the vendors, again and again; `took_s`: from each question to its first sound."""

    def __init__(self, llm: str, tts: str) -> None:
        self._llm, self._tts = urlsplit(llm), urlsplit(tts)
        self._frames = FrameReader()
        self._loop = asyncio.get_running_loop()
        self._writer, self._voice = _Line(), _Line()
        self._asked = 0.0
        self._seen = b""
        self._sounded = True
        self.took_s: list[float] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        for line, where in ((self._writer, self._llm), (self._voice, self._tts)):
            await self._loop.create_connection(lambda line=line: line, where.hostname, where.port)  # type: ignore[misc]
        self._voice.transport.write(upgrade_request(self._tts.netloc, self._tts.path) + _START)
        await asyncio.sleep(EVERY_S)
        self._writer.receive, self._voice.receive = self._read, self._hear  # type: ignore[assignment]
        body = json.dumps({"model": "any", "messages": [], "stream": True})
        path = f"{self._llm.path}/chat/completions"
        question = f"POST {path} HTTP/1.1\r\nHost: any\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        while True:
            self._asked, self._seen, self._sounded = self._loop.time(), b"", False
            self._writer.transport.write(question)
            while b"[DONE]" not in self._seen or not self._sounded:
                await asyncio.sleep(EVERY_S)

    def _read(self, data: bytes) -> None:
        before = self._seen.count(b"data: ")
        self._seen += data
        if before < talk.FIRST_JP_TOKENS <= self._seen.count(b"data: "):
            text = {"event": "task_continue", "text": talk.SENTENCES[0].jp}
            self._voice.transport.write(frame(TEXT, json.dumps(text).encode(), masked=True))

    def _hear(self, data: bytes) -> None:
        for opcode, payload in self._frames.feed(data):
            if opcode in (TEXT, BINARY) and b"task_continued" in payload[:80] and not self._sounded:
                self._sounded = True
                self.took_s.append(self._loop.time() - self._asked)
