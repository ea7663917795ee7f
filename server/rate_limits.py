"""Somebody does something once more in; how long they must wait, if at all, out."""

import math
import time
from collections.abc import Mapping

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

_WINDOW_MS = 60_000


class RateLimits:
    """Moving windows of one minute, in this process."""

    def __init__(self, per_minute: Mapping[str, int]) -> None:
        """`per_minute`: what is counted -> how often it is allowed; 0 switches that limit off."""
        self._items: dict[str, RateLimitItem] = {
            name: RateLimitItemPerMinute(amount) for name, amount in per_minute.items() if amount
        }
        self._windows = MovingWindowRateLimiter(MemoryStorage())

    def retry_after_ms(self, name: str, key: str) -> int | None:
        """Count one more of `name` by `key`: None if it is allowed, else when the next one will be."""
        item = self._items.get(name)
        if item is None or self._windows.hit(item, name, key):
            return None
        reset_at = self._windows.get_window_stats(item, name, key).reset_time
        # The wall clock may have been set meanwhile; a wait beyond the window is never true.
        return min(max(1, math.ceil((reset_at - time.time()) * 1000)), _WINDOW_MS)
