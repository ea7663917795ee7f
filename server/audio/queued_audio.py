"""Recordings of all users in; a place for each in the memory of this process, or none, out."""


class AudioBudget:
    """How many bytes of recordings may wait or be recognised, of all users together."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, data: bytes) -> "Recording | None":
        """Count one from its receipt on; None where that is too much. One that stands alone is always taken."""
        if self.held_bytes and self.held_bytes + len(data) > self._limit_bytes:
            return None
        return Recording(self, data)


class Recording:
    """What one user has recorded: counted while it is here. Whoever took it lets it go, whatever becomes of it."""

    def __init__(self, budget: AudioBudget, data: bytes) -> None:
        self._budget = budget
        self.data = b""
        self.replace(data)

    def replace(self, data: bytes) -> None:
        """The same in another form. It may be longer: what was taken is not refused any more."""
        self._budget.held_bytes += len(data) - len(self.data)
        self.data = data

    def release(self) -> None:
        """It is needed no more. Once more does nothing."""
        self.replace(b"")
