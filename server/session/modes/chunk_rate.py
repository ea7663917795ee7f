"""Audio chunks of one user and their sizes in; a refusal, where they are too many, out."""

from conversation.endpointing import BYTES_PER_SAMPLE
from server.config import LimitsConfig
from server.protocol import wire
from server.transport.flood_limit import FloodLimit


class ChunkRate:
    """So many chunks a second; who goes on sending more is hung up on.

    Only what a chunk falls short of its share of a second counts: a recording sent faster than it was spoken is held by
    the buffer of its mode and not refused, but nobody keeps us busy with crumbs.
    """

    def __init__(self, limits: LimitsConfig, rate_hz: int) -> None:
        """`rate_hz`: at which the client sends."""
        self._flood = FloodLimit(
            limits.audio_chunks_per_second, limits.audio_chunks_burst, "Too many audio chunks; slow down"
        )
        self._bytes_of_one = rate_hz * BYTES_PER_SAMPLE / max(limits.audio_chunks_per_second, 1)

    def waited(self, seconds: float) -> None:
        """So long the last one was held: what came meanwhile may come at once."""
        self._flood.waited_s = seconds

    def refusal(self, size: int) -> wire.Error | None:
        """Count one more of so many bytes; the answer where it is too many.

        Raises:
            HangUp: it goes on.
        """
        return self._flood.refusal(1 - size / self._bytes_of_one)
