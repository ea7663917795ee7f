"""Who waits for one of a few synthesisers in, who is next out: the one whose listener would fall silent first."""

import heapq
import itertools
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio


@dataclass(order=True, slots=True)
class _Waiting:
    ahead: int
    arrived: int
    called: anyio.Event = field(compare=False, default_factory=anyio.Event)
    given_up: bool = field(compare=False, default=False)


class EngineQueue:
    """Places at a few engines. In order of arrival one user's second sentence would delay another's first."""

    def __init__(self, engines: int) -> None:
        self.threads = anyio.CapacityLimiter(math.inf)  # of the jobs: the places are the limit
        self._free = engines
        self._waiting: list[_Waiting] = []
        self._arrivals = itertools.count()

    @asynccontextmanager
    async def place(self, ahead: int) -> AsyncIterator[None]:
        """One engine's worth of work, when its time has come. `ahead`: how much of its turn is heard before it."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(_Waiting(ahead, next(self._arrivals)))
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, waiting: _Waiting) -> None:
        heapq.heappush(self._waiting, waiting)
        called = False
        try:
            await waiting.called.wait()
            called = True
        finally:
            if not called:  # cancelled, perhaps at the very moment of being called
                waiting.given_up = True
                if waiting.called.is_set():
                    self._pass_on()

    def _pass_on(self) -> None:
        while self._waiting:
            waiting = heapq.heappop(self._waiting)
            if not waiting.given_up:
                waiting.called.set()
                return
        self._free += 1
