"""Users who write and listen: each says something every four seconds, and what it hears is noted to the byte."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from zlib import crc32

from bench.loads import talk
from bench.loads.callers import GOLDEN
from bench.loads.client import Client, Said

EVERY_S = 4.0  # a turn takes about three
PATIENCE_S = 10.0


@dataclass(slots=True)
class Written:
    """Of all users; milliseconds from a message to its first sound."""

    first_audio_ms: list[float] = field(default_factory=list)
    asked: int = 0
    finished: int = 0  # with every byte of their audio

    @property
    def failed(self) -> int:
        return self.asked - self.finished


class Writer(Client):
    """One of them."""

    def __init__(self, url: str, number: int, written: Written) -> None:
        super().__init__(url, number)
        self._written = written
        self._asked = 0.0
        self._size = self._crc = 0
        self.ready, self.answered = asyncio.Event(), asyncio.Event()

    def write(self) -> None:
        self.answered.clear()
        self._written.asked += 1
        self._asked, self._size, self._crc = self.now(), 0, 0
        self.say(type="message", content="你好")

    def lost(self) -> None:
        self.ready.set()
        self.answered.set()

    def receive(self, said: Said) -> None:
        match said.type:
            case "connected":
                self.ready.set()
            case "audio_chunk":
                if not self._size:
                    self._written.first_audio_ms.append((self.now() - self._asked) * 1000)
                self._size, self._crc = self._size + len(said.audio), crc32(said.audio, self._crc)
            case "response":
                self._written.finished += self._size == talk.AUDIO_BYTES and self._crc == talk.reply_crc()
                self.answered.set()
            case "error":
                self.answered.set()


async def write(url: str, users: int, turns: int, *, first: int = 0) -> Written:
    """All users, evenly spread over the time between two turns of one; the first token is that of user `first`."""
    loop, written = asyncio.get_running_loop(), Written()
    began = loop.time() + 0.5

    async def one(number: int) -> None:
        writer = Writer(url, first + number, written)
        await writer.open()
        await writer.ready.wait()
        for turn in range(turns):
            await asyncio.sleep(max(0.0, began + (turn + number * GOLDEN % 1) * EVERY_S - loop.time()))
            writer.write()
        with suppress(TimeoutError):
            await asyncio.wait_for(writer.answered.wait(), PATIENCE_S)
        writer.hang_up()

    await asyncio.gather(*map(one, range(users)))
    return written
