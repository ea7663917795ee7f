"""A limit on waiting that is moved along: one timer, however many waits follow one another.

What comes in pieces is waited for piece by piece. A cancel scope for each is a timer made and dropped for each, which
costs more than the piece itself; this looks at the clock when its one timer rings, and then sets it anew.
"""

import asyncio
import math
from types import TracebackType
from typing import Self


class Deadline:
    """Of one waiter, who waits again and again:

        with deadline.within(gap_s):
            piece = await anext(pieces)
        if deadline.passed: ...

    As with `anyio.move_on_after`, what is awaited is cancelled. There may be no `yield` in it either. Left alone, it
    lets go of its timer by itself.
    """

    __slots__ = ("_cancels", "_due", "_limit_s", "_loop", "_rings_at", "_task", "_timer", "passed")

    def __init__(self) -> None:
        self.passed = False  # in the last wait
        self._loop = asyncio.get_running_loop()
        self._limit_s = math.inf
        self._due = math.inf
        self._task: asyncio.Task[object] | None = None  # who waits
        self._cancels = 0  # that others had asked of it before
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def within(self, seconds: float) -> Self:
        self._limit_s = seconds
        return self

    def __enter__(self) -> None:
        self._task = task = asyncio.current_task(self._loop)
        assert task is not None
        self._cancels = task.cancelling()
        self.passed = False
        self._due = self._loop.time() + self._limit_s
        if self._due < self._rings_at:
            self._set_timer()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        task, self._task = self._task, None
        if not self.passed:
            return False
        assert task is not None
        mine = task.uncancel() <= self._cancels  # else somebody else wants its end as well, and gets it
        return mine and kind is asyncio.CancelledError

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        if self._task is None:
            return
        if self._loop.time() < self._due:
            self._set_timer()
        else:
            self.passed = True
            self._task.cancel()
