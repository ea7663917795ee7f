"""Lines in, the same on a stream out: from a thread of its own, so that a stream that blocks stops no conversation."""

import os
import queue
import threading
from typing import TextIO

# Some minutes of a busy server; what comes beyond it, while the stream takes nothing, is counted and dropped.
_MAX_WAITING = 10_000


class LogWriter:
    """Standard error may be a pipe that nobody reads or a disk that is full: nobody must wait for a line."""

    def __init__(self, stream: TextIO, max_waiting: int = _MAX_WAITING) -> None:
        self._stream = stream
        self._lines: queue.Queue[str | threading.Event] = queue.Queue(max_waiting)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line, or count it where there is no room."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def flush(self, seconds: float = 1.0) -> bool:
        """Wait until all lines so far are written; False where that takes too long."""
        written = threading.Event()
        try:
            self._lines.put(written, timeout=seconds)
        except queue.Full:
            return False
        return written.wait(seconds)

    def close(self) -> None:
        """At the end of the process: what can be written is, and what cannot does not spoil the exit status."""
        self.flush()
        try:
            self._stream.flush()
        except (OSError, ValueError):
            # Python would fail to flush it once more, and exit with 120.
            # https://docs.python.org/3/library/signal.html#note-on-sigpipe
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            try:
                if isinstance(line, threading.Event):
                    self._stream.flush()
                    line.set()
                else:
                    self._stream.write(line + "\n")
                    if self._dropped:
                        dropped, self._dropped = self._dropped, 0
                        said = f"log lines dropped: {dropped}"
                        as_json = f'{{"event": "{said}", "level": "warning"}}'
                        self._stream.write(f"{said if self._stream.isatty() else as_json}\n")
                    if self._lines.empty():
                        self._stream.flush()
            except (OSError, ValueError):  # closed, full: there is nowhere left to say so
                self._dropped += 1
