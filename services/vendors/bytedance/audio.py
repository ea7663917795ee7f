"""The pcm of one utterance in, packets for the vendor out; what may have to be sent once more is kept."""

from typing import Final

import anyio

from services.base import RECOGNITION_RATE_HZ

_BYTES_PER_MS: Final = RECOGNITION_RATE_HZ * 2 // 1000
PACKET_BYTES: Final = 200 * _BYTES_PER_MS  # the vendor's optimum (page, section 3)
QUEUE_BYTES: Final = 3 * PACKET_BYTES  # not yet sent; more is not taken, and waits where it comes from
_LIVE_S: Final = 0.05  # a packet that was waited for so long holds what is being said now
KEPT_BYTES: Final = 120_000 * _BYTES_PER_MS  # sent and not confirmed; no utterance is longer


class UtteranceAudio:
    """One utterance. Its positions are those of the present session: the vendor's clock starts with each one anew."""

    def __init__(self) -> None:
        self._pcm = bytearray()  # what is not confirmed, sent or not
        self._sent = 0  # of it, in this session
        self._confirmed = 0  # of this session, and no longer here
        self._closed = False
        self.repeatable = True  # another session can hear everything that is not confirmed
        self.overdue = False  # the next packet was there before this session was
        self.heard_anything = False
        self.finished = False
        self._changed = anyio.Event()

    @property
    def unsent(self) -> int:
        """Bytes that wait."""
        return len(self._pcm) - self._sent

    @property
    def backlogged(self) -> bool:
        """Whether another packet waits behind the next one."""
        return self.unsent >= 2 * PACKET_BYTES

    async def append(self, pcm: bytes) -> None:
        """Waits while QUEUE_BYTES wait; drops what comes after the end."""
        view = memoryview(pcm)
        while view and not (self._closed or self.finished):
            room = QUEUE_BYTES - self.unsent
            if room <= 0:
                await self._changed.wait()
                continue
            self._pcm += view[:room]
            view = view[room:]
            self.heard_anything = True
            self._notify()

    def finish(self) -> None:
        """No more will come."""
        self.finished = True
        self._notify()

    def close(self) -> None:
        """No more is wanted."""
        self._closed = True
        self._pcm.clear()
        self._sent = 0
        self._notify()

    async def next_packet(self, silence_at: float) -> tuple[bytes, bool]:
        """The next packet, and whether it is the last, which may be shorter or empty.

        Where none has come together at `silence_at`, it is filled up with silence.
        """
        began = anyio.current_time()
        while self.unsent < PACKET_BYTES and not self.finished:
            with anyio.CancelScope(deadline=silence_at):
                await self._changed.wait()
            if self.unsent < PACKET_BYTES and not self.finished and anyio.current_time() >= silence_at:
                self._pcm += bytes(PACKET_BYTES - self.unsent)
        packet = bytes(self._pcm[self._sent : self._sent + PACKET_BYTES])
        self._sent += len(packet)
        self.overdue = self.overdue and anyio.current_time() - began < _LIVE_S
        if self._sent > KEPT_BYTES:
            self.repeatable = False
            self._drop(self._sent)
        self._notify()
        return packet, self.finished and not self.unsent

    def confirm(self, end_ms: float) -> None:
        """What ends so many ms after the beginning of this session need not be sent again."""
        end = round(min(end_ms * RECOGNITION_RATE_HZ / 1000, 1e12)) * 2
        self._drop(min(max(end - self._confirmed, 0), self._sent))

    def rewind(self) -> None:
        """A new session: all that is not confirmed is to be sent, and late."""
        self._sent = self._confirmed = 0
        self.overdue = True

    def _drop(self, size: int) -> None:
        del self._pcm[:size]
        self._sent -= size
        self._confirmed += size

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
