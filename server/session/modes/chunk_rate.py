"""Audio chunks of one user and their sizes in; a refusal, where they are too many, out."""

import anyio

from server.config import Config
from server.protocol import close_codes, wire
from server.transport.connection import HangUp
from server.transport.rate_limits import TokenBucket


class ChunkRate:
    """So many chunks a second; who goes on sending more is hung up on.

    Only what a chunk falls short of its share of a second counts: a recording sent faster than it was spoken is held by
    the buffer of its mode and not refused, but nobody keeps us busy with crumbs.
    """

    def __init__(self, config: Config) -> None:
        limits, now = config.limits, anyio.current_time()
        self._taken = TokenBucket(limits.audio_chunks_per_second, limits.audio_chunks_burst, now)
        self._refused = TokenBucket(limits.audio_chunks_per_second, limits.audio_chunks_burst, now)
        self._bytes_of_one = config.audio.asr_sample_rate * 2 / max(limits.audio_chunks_per_second, 1)
        self.waited_s = 0.0  # how long the last one was held: what came meanwhile may come at once

    def refusal(self, size: int) -> wire.Error | None:
        """Count one more of so many bytes; the answer where it is too many.

        Raises:
            HangUp: it goes on.
        """
        now = anyio.current_time()
        wait_ms = self._taken.retry_after_ms(now, 1 - size / self._bytes_of_one, self.waited_s)
        if wait_ms is None:
            return None
        refusal = wire.Error("Too many audio chunks; slow down", "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._refused.retry_after_ms(now) is not None:
            raise HangUp(refusal, close_codes.RATE_LIMITED)
        return refusal
