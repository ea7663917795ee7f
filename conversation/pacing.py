"""Sans-IO: a piece of a reply's audio and the time in; how long it has to wait, and what was heard so far, out.

Of a reply that can be interrupted little may be on its way: what a client has, it plays, whatever is said into it. So
audio leaves at most `lead_s` ahead of its playback. A client that is told to stop by `interrupted` stops at once; one
that is not has no more than that to play.
"""

from conversation.playback import Playback

_INSTANT_S = 0.001  # is not worth waiting for
_REFILL = 0.5  # of the lead: who has waited for it sends several pieces at once, so that not each needs a timer


class Pacing:
    """Of one turn's audio, on its client's playback. Times are seconds of one monotonic clock."""

    def __init__(self, playback: Playback, lead_s: float | None) -> None:
        """`lead_s` None: nothing waits."""
        self._playback = playback
        self._lead_s = lead_s
        self._sent_s = 0.0

    def wait_s(self, seconds: float, now: float) -> float:
        """How long a piece of this length waits for what is ahead of it; not more than needed, and not often."""
        if self._lead_s is None:
            return 0.0
        ahead_s = self._playback.left_s(now)
        room_s = max(0.0, self._lead_s - seconds)
        return 0.0 if ahead_s <= room_s + _INSTANT_S else ahead_s - min(self._lead_s * _REFILL, room_s)

    def sent(self, seconds: float, now: float) -> None:
        """A piece of this length left."""
        self._playback.sent(seconds, now)
        self._sent_s += seconds

    def heard_s(self, now: float, played_s: float | None = None) -> float:
        """How much of this turn's audio the user has heard by now: `played_s` where the client counts it itself."""
        if played_s is not None:
            return min(played_s, self._sent_s)
        return max(0.0, self._sent_s - self._playback.left_s(now))
