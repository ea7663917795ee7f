"""Chunks of one stream or one agent mode, as the client sends them, in; pcm as it is listened to out."""

from conversation.endpointing import BYTES_PER_SAMPLE
from server.audio.conversion import AudioTooLong, ChunkResampler, check_chunk
from server.quantities import counted


class ChunkIntake:
    """Checked, counted, and at RECOGNITION_RATE_HZ."""

    def __init__(self, rate_hz: int, max_bytes: int, longest_s: float | None = None) -> None:
        """`rate_hz`: at which the client sends. `max_bytes`: of one chunk. `longest_s`: of all of them together."""
        self._rate_hz = rate_hz
        self._max_bytes = max_bytes
        self._longest_s = longest_s
        self._resampler = ChunkResampler(self._rate_hz)
        self._samples = 0

    def take(self, chunk: bytes) -> bytes:
        """
        Raises:
            BadAudio: these are no samples.
            AudioTooLong: with them it is more than is taken.
        """
        check_chunk(chunk, self._max_bytes, self._rate_hz)
        self._samples += len(chunk) // BYTES_PER_SAMPLE
        if self._longest_s is not None and self._samples > self._longest_s * self._rate_hz:
            raise AudioTooLong(
                f"A stream may last {counted(self._longest_s, 'second')}; this one was closed at its end"
            )
        return self._resampler.feed(chunk)

    def end(self) -> bytes:
        """What was still held back."""
        return self._resampler.end()
