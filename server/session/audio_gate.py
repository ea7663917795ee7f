"""The next piece of a reply's audio in; leave for it, when it is due and the reply is not held, out."""

import anyio

from conversation.pacing import Pacing
from conversation.playback import Playback


class AudioGate:
    """Of one turn."""

    def __init__(self, playback: Playback, lead_s: float | None) -> None:
        """As in Pacing; a reply can be held all the same."""
        self._pacing = Pacing(playback, lead_s)
        self._open = anyio.Event()
        self._open.set()

    def hold(self) -> None:
        """Nothing more leaves."""
        if self._open.is_set():
            self._open = anyio.Event()

    def release(self) -> None:
        """It goes on."""
        self._open.set()

    async def due(self, seconds: float = 0.0) -> None:
        """Wait until a piece of this length may leave."""
        while True:
            if not self._open.is_set():
                await self._open.wait()
            wait_s = self._pacing.wait_s(seconds, anyio.current_time())
            if wait_s == 0:
                return
            await anyio.sleep(wait_s)

    def sent(self, seconds: float) -> None:
        """A piece of this length left."""
        self._pacing.sent(seconds, anyio.current_time())

    def heard_ms(self, played_ms: int | None = None) -> int:
        """How much of the turn's audio was heard by now: `played_ms` where the client counts it itself."""
        played_s = None if played_ms is None else played_ms / 1000
        return round(self._pacing.heard_s(anyio.current_time(), played_s) * 1000)
