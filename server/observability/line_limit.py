"""Lines that strangers cause, of whatever kind, in; a few of each kind a minute, and how many more there were, out."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, MutableMapping
from typing import Any

import anyio
import structlog

log = structlog.get_logger()

GUESSING = "more wrong tokens than limits.wrong_tokens_per_minute_overall: somebody may be guessing them"
NOT_WRITTEN = "more lines like this were not written"

# Events of ours that somebody without a token can cause as often as they like. What users do, and defects of ours, are
# written each time. The lines of libraries come here too: server/observability/library_lines.py.
STRANGERS_EVENTS = {
    "unauthorized",
    GUESSING,
    "a client puts its token into the address, where it is ignored and others can read it",
}
KIND = "_kind"  # the field that makes a line one of a kind, for whoever knows it better than by its event

_WINDOW_S = 60.0
_EACH_KIND = 5  # lines in a minute
_ALL_KINDS = 20  # but the first of each is written in any case
_MOST_KINDS = 12  # that are counted apart: a line each at the end of a minute, and one more at the end of the server
_OTHERS = "others"


class LineLimit:
    """A processor of structlog. Loggers are called from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._written: dict[str, deque[float]] = {}
        self._all_written: deque[float] = deque(maxlen=_ALL_KINDS)
        self._not_written: Counter[str] = Counter()

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event, or none."""
        said = event.get("event")
        kind = event.pop(KIND, said if isinstance(said, str) and said in STRANGERS_EVENTS else None)
        if kind is not None and not self._allows(kind):
            raise structlog.DropEvent
        return event

    def _allows(self, kind: str) -> bool:
        with self._lock:
            now = self._clock()
            for times in (self._all_written, *self._written.values()):
                while times and now - times[0] >= _WINDOW_S:
                    times.popleft()
            if kind not in self._written and len(self._written) >= _MOST_KINDS:
                self._forget_the_silent()
            known = kind if kind in self._written or len(self._written) < _MOST_KINDS else _OTHERS
            times = self._written.setdefault(known, deque(maxlen=_EACH_KIND))
            if len(times) == _EACH_KIND or (times and len(self._all_written) == _ALL_KINDS):
                self._not_written[known] += 1
                return False
            times.append(now)
            self._all_written.append(now)
            return True

    def _forget_the_silent(self) -> None:
        for kind in [kind for kind, times in self._written.items() if not times and kind not in self._not_written]:
            del self._written[kind]

    def tell(self) -> None:
        """How many of each kind were not written since this was told."""
        with self._lock:
            counts, self._not_written = self._not_written, Counter()
        for kind, count in counts.items():
            log.warning(NOT_WRITTEN, like=kind, count=count)

    async def tell_for_ever(self) -> None:
        """Every minute; and when it is stopped."""
        try:
            while True:
                await anyio.sleep(_WINDOW_S)
                self.tell()
        finally:
            self.tell()
