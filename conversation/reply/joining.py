"""Pure: the sentences of a reply in, the one text and the one emotion that stand for all of them out."""

import unicodedata
from collections.abc import Iterable, Sequence

from services.base import Emotion, Line


def reply_emotion(lines: Sequence[Line]) -> Emotion:
    """That of the first sentence with one."""
    return next((line.emotion for line in lines if line.emotion != "auto"), "auto")


def join_sentences(sentences: Iterable[str]) -> str:
    """All in order, without a separator; one space after a letter of the Latin alphabet, a digit or a Latin stop."""
    joined = ""
    for sentence in filter(None, sentences):
        joined += (" " if joined and _wants_space(joined[-1]) else "") + sentence
    return joined


def _wants_space(char: str) -> bool:
    return char.isdecimal() or char in ".,!?;:" or unicodedata.name(char, "").startswith("LATIN ")
