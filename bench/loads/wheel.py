"""One timer for all that a process of the bench has to do at a certain time: what a millisecond holds is done together.

Thousands of events a second with a timer each would cost the loop more than the events themselves.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

TICK_S = 0.001


class Wheel:
    """Calls at times of the loop's clock, and by how much each pass was late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[tuple[Callable[..., None], tuple[Any, ...]]]] = {}
        self._due: list[int] = []  # a heap of the slots' numbers
        self._timer: asyncio.TimerHandle | None = None
        self.late_ms: list[float] = []

    def at(self, when_s: float, call: Callable[..., None], *arguments: Any) -> None:
        slot = int(when_s / TICK_S) + 1
        if slot not in self._slots:
            self._slots[slot] = []
            heapq.heappush(self._due, slot)
            if self._due[0] == slot:
                self._arm()
        self._slots[slot].append((call, arguments))

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due[0] * TICK_S, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._due:
            self.late_ms.append(max(0.0, now - self._due[0] * TICK_S) * 1000)
        while self._due and self._due[0] * TICK_S <= now + TICK_S / 2:
            for call, arguments in self._slots.pop(heapq.heappop(self._due)):
                call(*arguments)
        if self._due:
            self._arm()
