"""Some thousands of hostile sockets out of one process: silent ones, such as do not read, bombs and guessed tokens.

    python -m bench.crowd 127.0.0.1 8765 BEGIN 30 1.0 TOKEN,TOKEN...

BEGIN and the seconds are as in bench/floods.py; the next argument scales all numbers. Prints what
became of them as JSON.
"""

import asyncio
import contextlib
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.floods import LOOK_AFTER_S
from bench.stranger import PING, TEXT, UPGRADE, frame, go_last, message

SILENT, NOT_READING, BOMBING, GUESSING = 2000, 1000, 500, 200
_BOMB = frame(TEXT, b" " * 3_000_000)[:-1]
_AGAIN_S = 1.0  # before whoever was sent away comes back
_AT_ONCE = 200  # connections begun; more would wait in the kernel's queue
_DONE_S = 5.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Crowd:
    """All of them, against one address."""

    address: tuple[str, int]
    end: float
    counts: Counter[str]
    doors: asyncio.Semaphore

    @property
    def goes_on(self) -> bool:
        """Whether there is time left."""
        return asyncio.get_running_loop().time() < self.end

    @contextlib.asynccontextmanager
    async def socket(self, number: int, *, upgrade: bool, limit: int = 1 << 16) -> AsyncIterator[Stream]:
        """A connection, from one of 50 addresses, for a block that ends where the server ends it."""
        source = f"127.0.1.{number % 50 + 1}"
        try:
            async with self.doors:
                reader, writer = await asyncio.open_connection(*self.address, local_addr=(source, 0), limit=limit)
                self.counts["sockets"] += 1
                if upgrade:
                    writer.write(UPGRADE)
                    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        except (OSError, EOFError, TimeoutError):
            self.counts["not let in"] += 1
            return
        try:
            yield reader, writer
        except (OSError, EOFError):
            self.counts["ended by the server"] += 1
        finally:
            writer.transport.abort()

    async def silent(self, number: int) -> None:
        """Nothing, or half of a request; it must be ended within LOOK_AFTER_S."""
        async with self.socket(number, upgrade=False) as (reader, writer):
            if number % 2:
                writer.write(UPGRADE[:40])
            try:
                await asyncio.wait_for(reader.read(), LOOK_AFTER_S)
                self.counts["silent: ended in time"] += 1
            except TimeoutError:
                self.counts["silent: left open"] += 1
                await self._wait(reader)

    async def _wait(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(), max(0.0, self.end - asyncio.get_running_loop().time()))

    async def not_reading(self, number: int, token: str) -> None:
        """Asks, and never looks at the answers. With a token: messages, else control frames."""
        async with self.socket(number, upgrade=True) as (_, writer):
            if token:
                writer.write(message("connect", api_token=token))
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            question = message("ping") * 100 if token else frame(PING, bytes(125)) * 50
            while self.goes_on:
                writer.write(question)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(writer.drain(), 1)
                await asyncio.sleep(0.2)

    async def bombing(self, number: int) -> None:
        """The largest frame at once, before a word was said; and again."""
        while self.goes_on:
            async with self.socket(number, upgrade=True) as (reader, writer):
                writer.write(_BOMB)
                await asyncio.wait_for(writer.drain(), 10)
                await self._wait(reader)
            await asyncio.sleep(_AGAIN_S)

    async def guessing(self, number: int) -> None:
        """A wrong token, and again."""
        while self.goes_on:
            async with self.socket(number, upgrade=True) as (reader, writer):
                writer.write(message("connect", api_token=os.urandom(12).hex()))
                await asyncio.wait_for(reader.readuntil(b'"code"'), 10)
                self.counts["guessed tokens"] += 1
            await asyncio.sleep(0.05)


async def attack(address: tuple[str, int], end: float, scale: float, tokens: Sequence[str]) -> Counter[str]:
    """All at once; what became of them."""
    loop = asyncio.get_running_loop()
    crowd = Crowd(address, end, Counter(), asyncio.Semaphore(_AT_ONCE))

    def so_many(count: int) -> range:
        return range(round(count * scale))

    kinds: list[tuple[range, Callable[[int], Awaitable[None]]]] = [
        (so_many(SILENT), crowd.silent),
        (
            so_many(NOT_READING),
            lambda number: crowd.not_reading(number, tokens[number] if number < len(tokens) else ""),
        ),
        (so_many(BOMBING), crowd.bombing),
        (so_many(GUESSING), crowd.guessing),
    ]
    all_of_them = [(kind, number) for numbers, kind in kinds for number in numbers]
    random.Random(1).shuffle(all_of_them)  # else the first kind alone would fill the doors
    tasks = [loop.create_task(guarded(kind, number)) for kind, number in all_of_them]
    _, late = await asyncio.wait(tasks, timeout=end - loop.time() + _DONE_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return crowd.counts


async def guarded(kind: Callable[[int], Awaitable[None]], number: int) -> None:
    """Whoever waits too long for the server has failed, and nobody else has."""
    with contextlib.suppress(TimeoutError):
        await kind(number)


def main() -> None:
    """Attack, then say what came of it."""
    host, port, begin, seconds, scale, tokens = sys.argv[1:]
    go_last()
    time.sleep(max(0.0, float(begin) - time.monotonic()))
    end = float(begin) + float(seconds)
    counts = asyncio.run(attack((host, int(port)), end, float(scale), tokens.split(",")))
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
