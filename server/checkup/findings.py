"""What a check found: how bad it is, and a sentence for the operator."""

from dataclasses import dataclass
from typing import Literal

from server.observability.language import tell

Level = Literal["good", "doubt", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`sentence` is in the reader's language, and where not all is good says what to do."""

    level: Level
    sentence: str


def found(level: Level, text: str, /, **fields: object) -> Finding:
    """With the text of that name."""
    return Finding(level, tell(text, **fields))
