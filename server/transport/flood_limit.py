"""What one connection sends in, one by one; a refusal, where that is too much, out; who goes on is hung up on."""

from time import monotonic

from server.protocol import close_codes, wire
from server.transport.connection import HangUp
from server.transport.rate_limits import TokenBucket


class FloodLimit:
    """So many a second, and a burst at once; the same again may be refused, and then it is over."""

    def __init__(self, per_second: int, burst: int, sentence: str) -> None:
        """`per_second` 0 switches it off. `sentence`: what who sends too many is told."""
        now = monotonic()
        self._taken = TokenBucket(per_second, burst, now)
        self._refused = TokenBucket(per_second, burst, now)
        self._burst = burst
        self._sentence = sentence
        self.waited_s = 0.0  # how long the last one was held by us: what came meanwhile may come at once

    def refusal(self, cost: float = 1.0) -> wire.Error | None:
        """Count one more, or as many as it is worth; the answer where it is too much.

        Raises:
            HangUp: it goes on.
        """
        now = monotonic()
        wait_ms = self._taken.retry_after_ms(now, min(cost, self._burst), self.waited_s)
        if wait_ms is None:
            return None
        refusal = wire.Error(self._sentence, "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._refused.retry_after_ms(now, min(cost, self._burst)) is not None:
            raise HangUp(refusal, close_codes.RATE_LIMITED)
        return refusal
