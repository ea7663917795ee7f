"""Pure: the sentences of a reply and how much of its audio was heard in; the lines, as far as they were heard, out.

A sentence that was being played is cut at a clause, by the share of its audio: a voice takes about as long for each
mora. The translation is cut by the same share.
"""

import re
from collections.abc import Iterable
from typing import Protocol

from services.base import Line

_CLAUSE = re.compile(r"[^、，,。．.！？!?…～~]*[、，,。．.！？!?…～~\s]*[」』）)\"”’]*\s*")
_KANA = re.compile(r"[ぁ-ゖァ-ヺー]")
_SILENT = re.compile(r"[ゃゅょぁぃぅぇぉャュョァィゥェォ「」『』（）()\"“”\s]")
_PAUSE = re.compile(r"[、，,。．.！？!?…]")
_MORAE_OF_OTHERS = 2.0  # a kanji, for the most part
_MORA_MS = 130  # at a usual pace, where the audio of a sentence is not all there


class Spoken(Protocol):
    """A sentence of the reply: where its audio begins in that of the turn, and how much there is so far."""

    begun: bool
    start_ms: int
    made_ms: int
    made_whole: bool

    @property
    def line(self) -> Line:
        """Its words."""
        ...


def lines_heard(sentences: Iterable[Spoken], heard_ms: int) -> list[Line]:
    """The reply as far as `heard_ms` of its audio. A sentence without audio was seen when its time came."""
    heard: list[Line] = []
    for sentence in sentences:
        if not sentence.begun or sentence.start_ms > heard_ms:
            break
        line = sentence.line
        length_ms = _length_ms(sentence)
        share = 1.0 if length_ms == 0 else (heard_ms - sentence.start_ms) / length_ms
        if share < 1.0:
            jp = up_to(line.jp, share)
            line = Line(jp, up_to(line.cn, share, at_least=min(1, len(jp))), line.emotion)
        if not line.jp:
            break
        heard.append(line)
    return heard


def up_to(text: str, share: float, at_least: int = 0) -> str:
    """The clauses of which more than half lies within this share of a text, but at least so many."""
    clauses = [clause for clause in _CLAUSE.findall(text) if clause]
    lengths = [morae(clause) for clause in clauses]
    due = share * sum(lengths)
    kept, passed = 0, 0.0
    while kept < len(clauses) and (kept < at_least or passed + lengths[kept] / 2 <= due):
        passed += lengths[kept]
        kept += 1
    return "".join(clauses[:kept]).rstrip()


def morae(text: str) -> float:
    """About how long it takes to say, in morae."""
    return sum(_morae_of(char) for char in text)


def _morae_of(char: str) -> float:
    if _SILENT.match(char):
        return 0.0
    return 1.0 if _KANA.match(char) or _PAUSE.match(char) else _MORAE_OF_OTHERS


def _length_ms(sentence: Spoken) -> int:
    """As much as there is, or will be."""
    if sentence.made_whole or sentence.made_ms == 0:
        return sentence.made_ms
    return max(sentence.made_ms, int(morae(sentence.line.jp) * _MORA_MS))
