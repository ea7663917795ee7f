"""Pure: a sentence as it is shown in, the text the synthesiser is given out.

Stage directions, emoji and Markdown are shown but not spoken; names become kana, the longest first.
"""

import re
import unicodedata
from collections.abc import Mapping

# Each pattern excludes its own opening sign from its body, and none runs on over line ends from a line's beginning, so
# that no input makes it read a stretch twice.
_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\([^()\s]{0,2000}\)")
_EMPHASIS = re.compile(r"\*{2,3}([^*\n]+)\*{2,3}|_{2,3}([^_\n]+)_{2,3}|~~([^~\n]+)~~")
_STAGE_DIRECTIONS = re.compile(r"[(（][^()（）]*[)）]|[\[［【][^\[\]［］【】]*[\]］】]|\*[^*\n]+\*")
_MAX_NESTING = 3
_MARKDOWN = re.compile(r"```[A-Za-z]*|[`*_#~]+|^[^\S\n]*(?:[-+>]|\d{1,3}[.)])\s+", re.MULTILINE)
_NO_MARKUP = re.compile(r"(?:[^()（）\[\]［］【】*_~`#\n!]|!(?=[^\[]))*")  # nothing that reaches beyond a clause
_CLAUSE_END = re.compile(r"[、。！？!?…]+")
_SPACES = re.compile(r"\s+")
_VARIATIONS = frozenset("\ufe0e\ufe0f\u20e3")


def speakable(text: str, pronunciation: Mapping[str, str]) -> str:
    """What is said aloud of a sentence; empty where there is nothing to say."""
    text = _SPACES.sub(" ", _in_kana(_without_markup(text), pronunciation)).strip()
    return text if any(char.isalnum() for char in text) else ""


def _without_markup(text: str) -> str:
    text = _LINK.sub(r"\1", text)
    text = _EMPHASIS.sub(lambda bold: bold[1] or bold[2] or bold[3], text)
    for _ in range(_MAX_NESTING):
        text = _STAGE_DIRECTIONS.sub(" ", text)
    text = _MARKDOWN.sub(" ", text)
    return "".join(char for char in text if not _is_pictogram(char))


def speakable_ahead(text: str, pronunciation: Mapping[str, str]) -> str:
    """The beginning of what is said aloud of any sentence that begins with these whole clauses; maybe empty."""
    no_markup = _NO_MARKUP.match(text)
    assert no_markup is not None  # the pattern matches the empty string
    for clause in reversed(list(_CLAUSE_END.finditer(no_markup[0]))):
        beginning = text[: clause.end()]
        spoken = speakable(beginning, pronunciation)
        if _CLAUSE_END.fullmatch(spoken[-1:]) and not _ends_within(_without_markup(beginning), pronunciation):
            return spoken
    return ""


def _ends_within(text: str, names: Mapping[str, str]) -> bool:
    """Whether the last letters may be the first ones of a name."""
    return any(text.endswith(name[:length]) for name in names for length in range(1, len(name)))


def _in_kana(text: str, pronunciation: Mapping[str, str]) -> str:
    if not pronunciation:
        return text
    longest_first = sorted(pronunciation, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda name: pronunciation[name[0]], text)


def _is_pictogram(char: str) -> bool:
    """Also what joins and colours them; but not signs that stand for words: ℃, ㎏, №."""
    category = unicodedata.category(char)
    if category == "So":
        return char != "°" and not unicodedata.decomposition(char)
    return category in ("Sk", "Cf", "Cs", "Co", "Cn") or char in _VARIATIONS
