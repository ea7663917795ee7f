"""Pure: a sentence in; the parts in which a voice that gives no sound before the last word is asked for it, out.

The first part is short, so that there is sound soon; each is long enough to be heard while the next, twice as long, is
being made. A part ends only where a speaker would breathe. The numbers below are the whole rule.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

FIRST_MORAE: Final = 8  # at least: about a second
GROWTH: Final = 2  # of the least length, from part to part
LAST_MORAE: Final = 6  # at least; fewer stay with the part before

COMMA_PAUSE_S: Final = 0.12
SENTENCE_PAUSE_S: Final = 0.25
TAIL_S: Final = 0.1  # after the last part, so that two sentences do not run together

_MARK = r"(?:[、，;；。．！？!?…\n]|,(?!\d))"
_CLAUSE = re.compile(rf"(?:(?!{_MARK}).)*(?:{_MARK}+[」』）)”’】\s]*|\Z)", re.DOTALL)
_BREATH = re.compile(rf"{_MARK}[」』）)”’】\s]*\Z")
_COMMA = re.compile(r"[、，,;；][」』）)”’】\s]*\Z")
_NO_MORA = frozenset("ゃゅょぁぃぅぇぉャュョァィゥェォ、，,;；。．！？!?…「」『』（）()”’“‘【】・ \n\u3000")


def grouped(units: Sequence[tuple[int, bool]]) -> Iterator[range]:
    """Units of a sentence, as how many morae they have and whether one may breathe after them, in parts."""
    start, morae, least = 0, 0, FIRST_MORAE
    left = sum(length for length, _ in units)
    for at, (length, breath) in enumerate(units, 1):
        morae += length
        left -= length
        if breath and morae >= least and left >= LAST_MORAE:
            yield range(start, at)
            start, morae, least = at, 0, least * GROWTH
    if start < len(units):
        yield range(start, len(units))


def parts_of(text: str, longest: int) -> list[tuple[str, float]]:
    """A text in parts of at most `longest` characters, each with the seconds of silence after it."""
    clauses = [piece for clause in _CLAUSE.findall(text) if clause for piece in _cut(clause, longest)]
    units = [(morae(clause), _BREATH.search(clause) is not None) for clause in clauses]
    texts: list[str] = []
    for group in grouped(units):
        size = 0
        for at in group:  # a part of several clauses must not be too long either
            if not size or size + len(clauses[at]) > longest:
                texts.append("")
                size = 0
            texts[-1] += clauses[at]
            size += len(clauses[at])
    last = len(texts) - 1
    return [(each.strip(), TAIL_S if at == last else _pause(each)) for at, each in enumerate(texts) if each.strip()]


def morae(text: str) -> int:
    """How long it takes to say, roughly: a kanji is two morae, a letter or digit read by its name three."""
    return sum(
        0 if char in _NO_MORA else 3 if char.isascii() and char.isalnum() else 2 if char >= "\u3400" else 1
        for char in text
    )


def _pause(text: str) -> float:
    if _COMMA.search(text):
        return COMMA_PAUSE_S
    return SENTENCE_PAUSE_S if _BREATH.search(text) else 0.0


def _cut(clause: str, longest: int) -> Iterator[str]:
    for start in range(0, len(clause), longest):
        yield clause[start : start + longest]
