"""The next piece of a reply's audio in; leave for it, when it is due and the reply is not held, out."""

from time import monotonic

import anyio

from conversation.endpointing import BYTES_PER_SAMPLE
from conversation.interruption.echo_guard import EchoGuard
from conversation.pacing import Pacing
from conversation.playback import Playback


def seconds_of(pcm: bytes, rate_hz: int) -> float:
    """How long it sounds."""
    return len(pcm) / (BYTES_PER_SAMPLE * rate_hz)


class AudioGate:
    """Of one turn."""

    def __init__(self, playback: Playback, lead_s: float | None, echo: EchoGuard | None = None) -> None:
        """As in Pacing; a reply can be held all the same. `echo` is told what will be heard of the loudspeaker."""
        self._playback = playback
        self._pacing = Pacing(playback, lead_s)
        self._echo = echo
        self._open = anyio.Event()
        self._open.set()

    def hold(self) -> None:
        """Nothing more leaves."""
        if self._open.is_set():
            self._open = anyio.Event()

    def release(self) -> None:
        """It goes on."""
        self._open.set()

    async def due(self, pcm: bytes = b"", rate_hz: int = 1) -> None:
        """Wait until this piece may leave."""
        seconds = seconds_of(pcm, rate_hz)
        while True:
            if not self._open.is_set():
                await self._open.wait()
            wait_s = self._pacing.wait_s(seconds, monotonic())
            if wait_s == 0:
                return
            await anyio.sleep(wait_s)

    def sent(self, pcm: bytes, rate_hz: int) -> None:
        """This piece left."""
        now = monotonic()
        if self._echo is not None:
            self._echo.played(pcm, (now + self._playback.left_s(now)) * 1000, rate_hz)
        self._pacing.sent(seconds_of(pcm, rate_hz), now)

    def stopped(self) -> None:
        """The client is told to play nothing more."""
        now = monotonic()
        if self._echo is not None:
            self._echo.stopped((now + self._playback.left_s(now)) * 1000)
        self._playback.stop(now)

    def heard_ms(self, played_ms: int | None = None) -> int:
        """How much of the turn's audio was heard by now: `played_ms` where the client counts it itself."""
        played_s = None if played_ms is None else played_ms / 1000
        return round(self._pacing.heard_s(monotonic(), played_s) * 1000)
