"""A partial transcript in; after how much silence its speaker has finished out.

Silence alone cannot tell who has finished from who searches for a word. How the words end often can: a question mark, a
particle that closes a sentence, or a filler and a conjunction after which more must come. The endings are lists beside
this file (`end_of_turn/`), and shapes of endings, behind `~`, where none of the others fits. A stop at the end counts
for less than a word: recognisers put one after half a sentence. Where words do not tell, few people pause for longer
than UNSURE_MS in the middle of what they say; but "yes" is not to wait for so long.
"""

import re
from enum import Enum
from functools import cache

from conversation.interruption.backchannels import is_backchannel
from conversation.interruption.spelling import joined, plain, without_length
from conversation.interruption.word_lists import lists

COMPLETE_MS = 300
UNSURE_MS = 1000
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
    partial: str,
    default_ms: int,
    *,
    complete_ms: int = COMPLETE_MS,
    unsure_ms: int = UNSURE_MS,
    unfinished_ms: int = UNFINISHED_MS,
) -> int:
    """Silence that ends an utterance whose transcript so far is this; `default_ms` where it may be a short answer."""
    match ending(partial):
        case Ending.COMPLETE:
            return min(complete_ms, default_ms)
        case Ending.OPEN:
            return max(unfinished_ms, default_ms)
        case Ending.EITHER if _is_answer(partial):
            return default_ms
        case Ending.EITHER:
            return max(unsure_ms, default_ms)


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


def _is_answer(partial: str) -> bool:
    """Whether it may be no sentence, and all that somebody has to say."""
    return not partial or is_backchannel(partial) or _words(partial) in _answers()


@cache
def _answers() -> frozenset[str]:
    return frozenset(_words(entry) for section, entry in lists("end_of_turn") if section == "answer")


def _words(text: str) -> str:
    return without_length(joined(text))


def _length(said: str) -> int:
    latin = said.count(" ")
    return 3 * latin + sum(not (char.isascii()) for char in said)


def _by_words(said: str) -> Ending | None:
    """By the longest ending that is in a list, else by the first shape."""
    endings, longest = _endings()
    if whole := endings.get(f"^{said}"):
        return whole
    for length in range(min(longest, len(said)), 0, -1):
        found = endings.get(said[-length:])
        before = said[-length - 1 : -length]
        if found and not (said[-length].isascii() and before not in ("", " ") and before.isascii()):
            return found
    return next((says for shape, says in _shapes() if shape.search(said.rstrip())), None)


@cache
def _shapes() -> tuple[tuple[re.Pattern[str], Ending], ...]:
    """How transcripts end, each with what it says."""
    return tuple(
        (re.compile(f"(?:{entry[1:]})$"), Ending(section))
        for section, entry in lists("end_of_turn")
        if entry.startswith("~")
    )


@cache
def _endings() -> tuple[dict[str, Ending], int]:
    """Each with what it says; the length of the longest."""
    found = {
        entry[: len(entry) - len(entry.lstrip("^"))] + _words(entry): Ending(section)
        for section, entry in lists("end_of_turn")
        if not entry.startswith("~") and section != "answer"
    }
    return found, max(map(len, found))
