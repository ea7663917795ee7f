"""The server as it is, and every two milliseconds of its CPU time a look at what it does, once SIGUSR2 has come.

What was seen is written to BENCH_PROFILE at the end, as JSON: how often which file ran, and for which file of ours. A
profiler that counts calls makes small functions dearer than they are, and takes waiting for work.
"""

import json
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

from server import main

EVERY_S = 0.002
ROOT = str(Path(main.__file__).resolve().parent.parent)


def ours(path: str) -> bool:
    return path.startswith(ROOT) and "site-packages" not in path


class Watch:
    """Counts the pairs of what runs and what of ours it runs for."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def begin(self, *_: object) -> None:
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def end(self) -> list[tuple[str, str, int]]:
        signal.setitimer(signal.ITIMER_PROF, 0)
        return [(*pair, count) for pair, count in self.seen.items()]

    def _look(self, _: int, frame: FrameType | None) -> None:
        running = frame.f_code.co_filename if frame is not None else ""
        while frame is not None and not ours(frame.f_code.co_filename):
            frame = frame.f_back
        self.seen[running, frame.f_code.co_filename if frame is not None else ""] += 1


if __name__ == "__main__":
    watch = Watch()
    signal.signal(signal.SIGUSR2, watch.begin)
    try:
        status = main.main()
    finally:
        Path(os.environ["BENCH_PROFILE"]).write_text(json.dumps(watch.end()))
    sys.exit(status)
