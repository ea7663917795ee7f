"""Sans-IO: pieces of a reply's audio, as they are sent, in; how much of them still sounds at the other end out."""


class Playback:
    """One client, which plays each piece as soon as it comes and the one before it is over.

    Times are seconds of any one monotonic clock.
    """

    def __init__(self) -> None:
        self._ends_at = 0.0

    def sent(self, seconds: float, now: float) -> None:
        """One more piece of this length left."""
        self._ends_at = max(self._ends_at, now) + seconds

    def left_s(self, now: float) -> float:
        """How long what was sent goes on sounding."""
        return max(0.0, self._ends_at - now)

    def stop(self, now: float) -> None:
        """It plays nothing more of what it has."""
        self._ends_at = min(self._ends_at, now)
