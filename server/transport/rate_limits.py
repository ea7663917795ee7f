"""Somebody does something once more in; how long they must wait, if at all, out. Time is an argument: no clock here."""

import math
from collections import OrderedDict, deque
from collections.abc import Mapping

_WINDOW_S = 60.0
# Counted apart by one limit: some megabytes. A stranger has as many addresses as they like (IPv6); the key that was
# allowed something longest ago is forgotten, and may begin anew.
_MOST_KEYS = 10_000


class RateLimits:
    """Moving windows of one minute, in this process. A key that is silent for a minute is forgotten."""

    def __init__(self, per_minute: Mapping[str, int]) -> None:
        """`per_minute`: what is counted -> how often it is allowed; 0 switches that limit off."""
        self._windows = {name: _MovingWindow(amount) for name, amount in per_minute.items() if amount}

    def retry_after_ms(self, name: str, key: str, now: float) -> int | None:
        """Count one more of `name` by `key`: None if it is allowed, else when the next one will be.

        `now`: seconds of one monotonic clock, never going back from call to call.
        """
        window = self._windows.get(name)
        return window.count(key, now) if window else None


class _MovingWindow:
    """When each key was last allowed something, the key that was allowed longest ago first."""

    def __init__(self, amount: int) -> None:
        self._amount = amount
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def count(self, key: str, now: float) -> int | None:
        self._forget_the_silent(now)
        times = self._times.setdefault(key, deque(maxlen=self._amount))
        if len(times) == self._amount and now - times[0] < _WINDOW_S:
            return max(1, math.ceil((times[0] + _WINDOW_S - now) * 1000))
        times.append(now)  # and the oldest falls out
        self._times.move_to_end(key)
        return None

    def _forget_the_silent(self, now: float) -> None:
        while self._times:
            key, times = next(iter(self._times.items()))
            if now - times[-1] < _WINDOW_S and len(self._times) <= _MOST_KEYS:
                return
            del self._times[key]


class TokenBucket:
    """So many a second on average, and a burst of so many at once."""

    def __init__(self, per_second: int, burst: int, now: float) -> None:
        """`per_second` 0 switches the limit off; `now` as in RateLimits."""
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._at = now

    def retry_after_ms(self, now: float, cost: float = 1.0, waited_s: float = 0.0) -> int | None:
        """Count one more, or part of one: None if it is allowed, else when it would be.

        `waited_s`: how long it was us who did not read; what came meanwhile may come at once.
        """
        if not self._per_second or cost <= 0:
            return None
        longest = self._burst + waited_s * self._per_second
        refilled = self._left + (now - self._at) * self._per_second
        self._left = max(self._left, min(longest, refilled))  # what was granted for waiting is not taken back
        self._at = now
        if self._left < cost:
            return max(1, math.ceil((cost - self._left) / self._per_second * 1000))
        self._left -= cost
        return None
