"""The next piece of a reply's audio in; leave for it, when it is due, out.

Of a reply that can be interrupted little may be on its way: what a client has, it plays, whatever is said into it. So
audio leaves at most `lead_s` ahead of its playback, and none while the reply is held. A client that is told to stop by
`interrupted` stops at once; one that is not has no more than that to play.
"""

import anyio

from conversation.playback import Playback

_INSTANT_S = 0.001  # is not worth waiting for
_REFILL = 0.5  # of the lead: who has waited for it sends several pieces at once, so that not each needs a timer


class Pacing:
    """Of one turn's audio, on its client's playback. `lead_s` None: nothing waits, but a reply can be held all the
    same."""

    def __init__(self, playback: Playback, lead_s: float | None) -> None:
        self._playback = playback
        self._lead_s = lead_s
        self._released = anyio.Event()
        self._released.set()
        self.sent_s = 0.0

    def hold(self) -> None:
        """Nothing more leaves."""
        if self._released.is_set():
            self._released = anyio.Event()

    def release(self) -> None:
        """It goes on."""
        self._released.set()

    async def due(self, seconds: float = 0.0) -> None:
        """Wait until a piece of this length may leave."""
        while True:
            if not self._released.is_set():
                await self._released.wait()
            wait_s = self.wait_s(seconds, anyio.current_time())
            if wait_s == 0:
                return
            await anyio.sleep(wait_s)

    def wait_s(self, seconds: float, now: float) -> float:
        """How long a piece of this length must wait for what is ahead of it; not more than needed, and not often."""
        if self._lead_s is None:
            return 0.0
        ahead_s = self._playback.left_s(now)
        room_s = max(0.0, self._lead_s - seconds)
        return 0.0 if ahead_s <= room_s + _INSTANT_S else ahead_s - min(self._lead_s * _REFILL, room_s)

    def sent(self, seconds: float) -> None:
        """A piece of this length left."""
        self._playback.sent(seconds, anyio.current_time())
        self.sent_s += seconds

    def heard_s(self, played_s: float | None = None) -> float:
        """How much of this turn's audio the user has heard by now: `played_s` where the client counts it itself."""
        if played_s is not None:
            return min(played_s, self.sent_s)
        return max(0.0, self.sent_s - self._playback.left_s(anyio.current_time()))
