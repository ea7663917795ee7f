"""Pure: how the calls of one vendor ended in, whether it is worth another call out.

After FAILURES_IN_A_ROW it is left alone for OPEN_S, then one call tries it; the others wait for how that ends. A call
that ends neither well nor badly, because its turn was cancelled or its own words were refused, counts as nothing.
Why this is ours: docs/decisions/0019.
"""

from collections.abc import Callable
from typing import Final, Literal

FAILURES_IN_A_ROW: Final = 2  # each of them was already tried again by its engine, or waited for to its deadline
OPEN_S: Final = 30.0

Why = Literal["timeout", "refused", "failed"]


class Breaker:
    """Of one vendor. `clock`: seconds, which only grow."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.why: Why | None = None  # the last call that counts failed; None: it went well, or there was none
        self._clock = clock
        self._failures = 0  # since the last success
        self._open_until: float | None = None
        self._trying = False  # the one call that finds out whether it is back

    @property
    def admits(self) -> bool:
        """Whether a call that began now would be let through."""
        return self._open_until is None or (not self._trying and self._clock() >= self._open_until)

    def begin(self) -> bool:
        """A call begins; whether it is the one that tries a vendor that was out."""
        tries = self._open_until is not None and self.admits
        self._trying = self._trying or tries
        return tries

    def succeed(self) -> None:
        self.why, self._failures, self._open_until = None, 0, None

    def fail(self, why: Why, *, tried: bool) -> None:
        """`tried`: by the call that tried it."""
        self.why = why
        self._failures += 1
        # Calls that began before it was out, and fail later, do not make it last longer.
        if tried or (self._open_until is None and self._failures >= FAILURES_IN_A_ROW):
            self._open_until = self._clock() + OPEN_S

    def end_try(self) -> None:
        """Of the call that tried it, however it ended."""
        self._trying = False
