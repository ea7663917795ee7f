"""How late the event loop is and how much it computes in; whether the server begins more, or refuses it, out.

An overloaded server refuses what it has not begun, and serves what it has as well as ever. `Overload` has no clock: it
is told what passed. docs/decisions/0022 says why it looks at these two figures, and how the numbers below were found.
"""

import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf

import anyio
import structlog

from server.config import LimitsConfig

log = structlog.get_logger()

_EVERY_S = 0.25
_NEWEST = 0.25  # of the mean of a second
_NEWEST_RUNNING = 0.06  # of four: what is begun costs most some seconds later
_NEWEST_BEGUN = 0.03  # of eight: a wave of turns is one, however steep
# Late means: each of so many ticks in a row was. One long callback, or a machine that slept, is no overload.
_TICKS_LATE = 3
# A processor that is used up hurts nobody as long as the loop is on time: floods of strangers take what is left of it.
_FELT = 0.4  # of busy_lag_ms; a turn waits for the loop about ten times before its first sound
_LEAST_CUT = 0.7
_CUT_EVERY = 4  # ticks: until it can be seen what the last cut did
_NEAR = 0.9  # only a limit that is nearly reached can show that there is room beyond it
_GROWTH, _LEAST_GROWTH = 0.02, 0.003  # of a limit, in each tick: on an idle processor, and on one nearly used up
_TURN_S = 4.0  # at the least
_CALM = 0.8  # of what is too much: who would be refused again at once is better not let in
_CALM_TICKS = 12
_RETRY_MS = (1_000, 3_000)


@dataclass(slots=True)
class _Limit:
    """Of what is borne, found out by what was: none until it was too much once; it falls at once and grows slowly."""

    newest: float
    most: float = inf
    _mean: float = 0.0
    _ticks_since_cut: int = _CUT_EVERY

    def tick(self, amount: float, least: float, pressure: float, growth: float) -> None:
        """There is so much of it; `growth` 0 where nobody wants more."""
        self._mean += self.newest * (amount - self._mean)
        self._ticks_since_cut += 1
        if pressure <= 1:
            self.most *= 1 + growth
        elif self._ticks_since_cut > _CUT_EVERY:
            self.most = max(least, min(self.most, self._mean * max(_LEAST_CUT, 1 / pressure)))
            self._ticks_since_cut = 0


@dataclass(slots=True)
class _Beginnings:
    """How many begin in a second, and how many more may in this one."""

    limit: _Limit
    left: float = inf
    count: int = 0

    def tick(self, passed_s: float, least: float, pressure: float, growth: float) -> None:
        self.limit.tick(self.count / passed_s, least, pressure, growth if self.left < 1 else 0.0)
        self.left = min(max(1.0, self.limit.most), max(0.0, self.left) + self.limit.most * passed_s)
        self.count = 0


class Overload:
    """What the loop bears. So few as `busy_turns` it always does."""

    def __init__(self, limits: LimitsConfig) -> None:
        self.is_busy = False  # no newcomer is let in, and nothing is begun that one can do without
        self.refused = 0
        self._limits = limits
        self._running = 0
        self._at_a_time = _Limit(_NEWEST_RUNNING)
        self._beginnings = _Beginnings(_Limit(_NEWEST_BEGUN))
        self._share = 0.0
        self._late_ms: deque[float] = deque([0.0] * _TICKS_LATE, _TICKS_LATE)
        self._calm_ticks = 0

    @contextmanager
    def serving(self) -> Iterator[None]:
        """One more request is served: an utterance, a turn."""
        self._running += 1
        self._beginnings.count += 1
        self._beginnings.left -= 1
        try:
            yield
        finally:
            self._running -= 1

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        few = self._running < self._limits.busy_turns
        return few or (self._running < self._at_a_time.most and self._beginnings.left >= 1)

    @property
    def has_too_many(self) -> bool:
        """Whether what costs most should not follow for one that has only begun."""
        return self._running > max(self._at_a_time.most, self._limits.busy_turns)

    @property
    def figures(self) -> dict[str, float]:
        """For the log."""
        return {"cpu_percent": round(100 * self._share), "late_ms": round(min(self._late_ms)), "running": self._running}

    def retry_after_ms(self) -> int:
        """One more was refused; when it may be tried again, each at another time."""
        self.refused += 1
        return random.randint(*_RETRY_MS)

    def tick(self, passed_s: float, computed_s: float, late_s: float) -> None:
        """So much time since the last tick, so much of it computed, and this one is so late."""
        self._share += _NEWEST * (computed_s / passed_s - self._share)
        self._late_ms.append(late_s * 1000)
        pressure, few = self._pressure(), self._limits.busy_turns
        growth = max(_LEAST_GROWTH, _GROWTH * (1 - self._used()))
        near = self._running >= _NEAR * self._at_a_time.most
        self._at_a_time.tick(self._running, few, pressure, growth if near else 0.0)
        self._beginnings.tick(passed_s, few / _TURN_S, pressure, growth)
        self._calm_ticks = self._calm_ticks + 1 if pressure < _CALM else 0
        self.is_busy = pressure > 1 or (self.is_busy and self._calm_ticks < _CALM_TICKS)

    def _pressure(self) -> float:
        """1: as much as may be."""
        limits, late_ms = self._limits, min(self._late_ms)
        if not limits.busy_cpu_percent or self._running < limits.busy_turns:
            return 0.0
        too_late = late_ms / limits.busy_lag_ms if limits.busy_lag_ms else 0.0
        return max(too_late, self._used() if late_ms >= _FELT * limits.busy_lag_ms else 0.0)

    def _used(self) -> float:
        """Of the processor's time that may be."""
        return 100 * self._share / self._limits.busy_cpu_percent if self._limits.busy_cpu_percent else 0.0


async def watch(overload: Overload) -> None:
    """For ever: tell it how the loop fares, and the log when it begins and ends to be too much."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    was, computed_s, began = False, _computed_s(cores), time.monotonic()
    while True:
        before_s = computed_s
        await anyio.sleep(_EVERY_S)
        passed_s, computed_s = time.monotonic() - began, _computed_s(cores)
        overload.tick(passed_s, computed_s - before_s, max(0.0, passed_s - _EVERY_S))
        began += passed_s
        if overload.is_busy and not was:
            overload.refused = 0
            log.warning("busy", **overload.figures)
        elif was and not overload.is_busy:
            log.info("busy_no_more", refused=overload.refused, **overload.figures)
        was = overload.is_busy


def _computed_s(cores: int) -> float:
    """By the thread of the loop, or by all threads on all cores they may have, whichever is nearer to its end."""
    return max(time.thread_time(), time.process_time() / cores)
