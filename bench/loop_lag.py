"""The server as it is, and beside it a timer in its event loop: how late it was at worst, second by second, in a file.

    BENCH_LAG_FILE=lag.jsonl python -m bench.loop_lag

Each line: the moment (time.monotonic), by how many milliseconds the timer was late, and how many milliseconds of CPU
the loop's thread took in between, which is what the callbacks before it took when nobody else had the processor.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any, TextIO

from server import main

EVERY_S = 0.005


class Probe:
    """Wakes up every EVERY_S in the running loop."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._worst = (0.0, 0.0)
        self._told = self._began = time.monotonic()
        self._cpu = time.thread_time()
        self._loop.call_later(EVERY_S, self._wake)

    def _wake(self) -> None:
        now, cpu = time.monotonic(), time.thread_time()
        late, took = (now - self._began - EVERY_S) * 1000, (cpu - self._cpu) * 1000
        self._worst = max(self._worst[0], late), max(self._worst[1], took)
        if now - self._told >= 1:
            self._file.write(json.dumps([now, *self._worst]) + "\n")
            self._file.flush()
            self._worst, self._told = (0.0, 0.0), now
        self._began, self._cpu = now, cpu
        self._loop.call_later(EVERY_S, self._wake)


def watch(file: TextIO) -> None:
    """Begin with the app's lifespan, which runs in the loop that serves."""
    call = main.Application.__call__

    async def watched(self: main.Application, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            Probe(file)
        await call(self, scope, receive, send)

    main.Application.__call__ = watched  # type: ignore[method-assign]


if __name__ == "__main__":
    with open(os.environ["BENCH_LAG_FILE"], "a") as figures:
        watch(figures)
        sys.exit(main.main())
