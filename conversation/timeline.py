"""Pure: named marks of one turn in, the milliseconds from its beginning to each of them out."""

from typing import Literal

Mark = Literal["end_of_speech", "final_transcript", "first_token", "first_sentence", "first_audio", "audio_end"]


class Timeline:
    """One turn. Times are seconds of any one monotonic clock."""

    def __init__(self, began_at: float) -> None:
        self.began_at = began_at
        self._marks: dict[Mark, float] = {}

    def mark(self, name: Mark, now: float) -> None:
        """Only the first time counts."""
        self._marks.setdefault(name, now)

    def has(self, name: Mark) -> bool:
        """Whether this has happened."""
        return name in self._marks

    def timings_ms(self) -> dict[str, int]:
        """Each mark that happened, in the order in which it did."""
        return {name: round((at - self.began_at) * 1000) for name, at in self._marks.items()}
