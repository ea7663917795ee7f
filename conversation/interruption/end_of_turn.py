"""A partial transcript in; after how much silence its speaker has finished out.

Silence alone cannot tell who has finished from who searches for a word. How the words end often can: a question mark, a
particle that closes a sentence, or a filler and a conjunction after which more must come. The endings are lists beside
this file (`end_of_turn/`). A stop at the end counts for less than a word: recognisers put one after half a sentence.
"""

import re
from enum import Enum
from functools import cache

from conversation.interruption.spelling import joined, plain, without_length
from conversation.interruption.word_lists import lists

COMPLETE_MS = 300
UNFINISHED_MS = 1200

_QUESTION = re.compile(r"\?[!?.。]*$")
_GOES_ON = re.compile(r"(?:[,、…—]|\.{2,}|。{2,}|[-~〜～]{1,})$")
_STOP = re.compile(r"[.。!]$")
# With a stop, so much is a sentence. A word in Latin letters counts as three.
SHORTEST_SENTENCE = 4


class Ending(Enum):
    """What the end of a transcript says."""

    COMPLETE = "complete"
    OPEN = "open"
    EITHER = "either"


def silence_ms(
    partial: str, default_ms: int, *, complete_ms: int = COMPLETE_MS, unfinished_ms: int = UNFINISHED_MS
) -> int:
    """Silence that ends an utterance whose transcript so far is this; `default_ms` where its words do not tell."""
    match ending(partial):
        case Ending.COMPLETE:
            return min(complete_ms, default_ms)
        case Ending.OPEN:
            return max(unfinished_ms, default_ms)
        case Ending.EITHER:
            return default_ms


def ending(partial: str) -> Ending:
    """What the words, then the mark after them, say."""
    written = plain(partial).strip().rstrip("\"'”’」』) ")
    said = _words(partial)
    if not said:
        return Ending.EITHER
    if _QUESTION.search(written):
        return Ending.COMPLETE
    by_words = _by_words(said)
    if by_words is not None and (by_words is not Ending.COMPLETE or not _GOES_ON.search(written)):
        return by_words
    if _GOES_ON.search(written):
        return Ending.OPEN
    return Ending.COMPLETE if _STOP.search(written) and _length(said) >= SHORTEST_SENTENCE else Ending.EITHER


def _words(text: str) -> str:
    return without_length(joined(text))


def _length(said: str) -> int:
    latin = said.count(" ")
    return 3 * latin + sum(not (char.isascii()) for char in said)


def _by_words(said: str) -> Ending | None:
    """By the longest ending that is in a list."""
    endings, longest = _endings()
    if whole := endings.get(f"^{said}"):
        return whole
    for length in range(min(longest, len(said)), 0, -1):
        found = endings.get(said[-length:])
        before = said[-length - 1 : -length]
        if found and not (said[-length].isascii() and before not in ("", " ") and before.isascii()):
            return found
    return None


@cache
def _endings() -> tuple[dict[str, Ending], int]:
    """Each with what it says; the length of the longest."""
    found = {
        entry[: len(entry) - len(entry.lstrip("^"))] + _words(entry): Ending(section)
        for section, entry in lists("end_of_turn")
    }
    return found, max(map(len, found))
