"""A path in; whether the file there is still the one that was opened, and whether another process has it, too."""

import os
import sys
from contextlib import suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class FileGone(Exception):
    """At the path there is no file, or another one: who writes on into the one that was opened, writes to nobody."""


class DatabaseFile:
    """Which file is meant. Its lock lives as long as the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: tuple[int, int] | None = None
        self._lock: int | None = None

    def remember(self) -> None:
        """What is there now is the file that was opened."""
        self._opened = _identity(self.path)

    def check(self) -> None:
        """Two microseconds, on a disk that answers.

        Raises:
            FileGone: it is not the file that was opened.
        """
        if self._opened is None or _identity(self.path) != self._opened:
            raise FileGone

    def lock(self) -> bool:
        """Be one of those who have it open; False if there are others. True where nothing can be locked."""
        self.unlock()
        if sys.platform == "win32":
            return True
        try:
            self._lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        alone = _try_lock(self._lock, fcntl.LOCK_EX)
        # Shared from here on: who comes next finds any of those who are here, not only the first one.
        return _try_lock(self._lock, fcntl.LOCK_SH) and alone

    def unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _identity(path: Path) -> tuple[int, int] | None:
    with suppress(FileNotFoundError, NotADirectoryError):
        found = path.stat()
        return found.st_dev, found.st_ino
    return None


if sys.platform != "win32":

    def _try_lock(descriptor: int, kind: int) -> bool:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks
            return True
        return True
