"""Pure: the beginning of a line in; whose words follow, or which field's, before its colon, out.

The names are tables: those of fields in names.py, those of roles in marks.py, and a character has its own.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from conversation.reply.marks import Kind, kind_of_speaker
from conversation.reply.names import COLUMNS, LINE_NAMES, emotion_of, field_name, is_emotion
from services.base import Emotion

LONGEST: Final = 160  # characters of a text that show whether fields begin with it
AROUND_FIELDS: Final = " \t\r\n,，;；|/"  # no part of a text, where fields stand in lines

_NAMES_BEGUN: Final = frozenset(name[:length] for name in (*LINE_NAMES, COLUMNS) for length in range(len(name) + 1))
_QUOTES: Final = frozenset("\"'“")
_BEFORE = r"(?:[-*+•・>]\s{0,4}|#{1,4}\s?|\d{1,2}[.)．、]?\s{0,4})?[\"'“*_`【\[(（]{0,4}\s{0,2}"
_RUN = r"(?:[A-Za-z]{1,14}(?:[_ ][A-Za-z_]{0,14})?|[^\W\dA-Za-z_]{1,5})"
_ASIDE = r"\s?[(（]\w{1,12}[)）]"
_AFTER = r"[\"'“”*_`】\])）]{0,4}\s{0,8}"
_NAMED = re.compile(rf"\s*(?P<before>{_BEFORE})(?P<name>{_RUN})(?:{_ASIDE})?{_AFTER}[:：](?:\*\*|__)?\s*")
_BEGINNING = re.compile(rf"\s*{_BEFORE}(?:(?P<name>{_RUN})(?P<over>(?:{_ASIDE})?{_AFTER}|\s?[(（]\w{{0,12}}))?\Z")
_BETWEEN_FIELDS = re.compile(rf"[,，;；|/、\s]\s{{0,4}}(?={_BEFORE}{_RUN}(?:{_ASIDE})?{_AFTER}[:：])")
_JSON_BEGUN = re.compile(r"[\"'“]|\[\s{0,8}[\"'“\[]")
_JSON_VALUE = re.compile(_JSON_BEGUN.pattern + r"|\[\s{0,8}\Z")
_EMOTION_LINE = re.compile(r"[^\n]{0,40}")
_EMOTION_VALUE = re.compile(r"([^\n\])）】]{0,40})(?:[\])）】]|\n|\Z)[*_]{0,2}\s*")
_SPEAKER = re.compile(
    r"\s*(?:[-*#>]{1,4}\s?)?[*_\[【(（]{0,3}(?P<name>[^\W\d_]{1,20}(?: [A-Za-z]{2,20})?)[\])）】]?"
    r"(?:\s?[(（](?P<aside>[^()（）\n]{0,20})[)）])?[*_]{0,2}\s?[:：][*_]{0,2}\s*"
)
# The character's own name without a colon: 【愛音】うん。 愛音「うん。」
_OWN = re.compile(
    r"\s*(?:[\[【(（](?P<name>[^\[\]【】()（）\n]{1,40})[\])）】]\s*|(?P<quoted>[^\s「『]{1,20})\s?(?=[「『]))"
)


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a field at the beginning of a line; `end` is where its text begins."""

    field: str
    end: int
    quoted: bool


class Opening(Enum):
    """What begins at a place."""

    NOTHING = auto()
    FIELDS = auto()  # of no object
    JSON = auto()
    UNKNOWN = auto()  # more is to be read


def label_at(line: str) -> Label | None:
    named = _NAMED.match(line)
    if named is None:
        return None
    name = named["name"].lower()
    field = field_name(name) if name.startswith(COLUMNS) else LINE_NAMES.get(name.replace("_", " ").strip())
    return Label(field, named.end(), not _QUOTES.isdisjoint(named["before"])) if field else None


def opening(text: str, *, first: bool) -> Opening:
    """Whether fields without a brace begin with this. A translation's alone does so at the `first` place, or quoted;
    an emotion's where another field follows, for before other words it is the emotion of these."""
    label = label_at(text)
    if label is None:
        begun = _BEGINNING.match(text)
        may_be = begun is not None and _may_be_name((begun["name"] or "").lower(), whole=bool(begun["over"]))
        return Opening.UNKNOWN if may_be else Opening.NOTHING
    if label.field == "cn" and not (first or label.quoted):
        return Opening.NOTHING
    if label.field == "emotion" and not (label.quoted or _JSON_BEGUN.match(text, label.end)):
        return _what_follows_emotion(text[label.end :])
    return Opening.FIELDS


def _what_follows_emotion(text: str) -> Opening:
    line = _EMOTION_LINE.match(text)
    if line and len(split_fields(line[0])) > 1:
        return Opening.FIELDS
    rest = text[line.end() :] if line else text
    if rest and not rest[0].isspace():
        return Opening.NOTHING
    return opening(rest.lstrip(), first=True) if rest.strip() else Opening.UNKNOWN


def _may_be_name(begun: str, *, whole: bool) -> bool:
    if begun.startswith(COLUMNS):
        return True
    begun = begun if COLUMNS.startswith(begun) else begun.replace("_", " ")
    return begun.strip() in LINE_NAMES if whole else begun in _NAMES_BEGUN


def is_json_field(line: str) -> bool:
    """Whether a field has its name in quotation marks, or a string or a list as its text."""
    label = label_at(line)
    return label is not None and (label.quoted or _JSON_VALUE.match(line, label.end) is not None)


def split_fields(line: str) -> list[str]:
    """A line, cut in front of each field but its first."""
    parts, begun = list[str](), 0
    for gap in _BETWEEN_FIELDS.finditer(line):
        own = _NAMED.match(line, begun)
        if not (own and gap.start() < own.end()) and label_at(line[gap.end() : gap.end() + LONGEST]):
            parts.append(line[begun : gap.start()])
            begun = gap.end()
    return [*parts, line[begun:]]


def split_emotion(text: str) -> tuple[Emotion | None, str]:
    """`[emotion: happy] うん。`, or `emotion: happy` on a line: the emotion, and what follows it."""
    label = label_at(text)
    value = _EMOTION_VALUE.match(text, label.end) if label and label.field == "emotion" else None
    if value is None or not is_emotion(value[1]):
        return None, text
    return emotion_of(value[1]), text[value.end() :]


@dataclass(frozen=True, slots=True)
class Speakers:
    """Whose name before a colon is whose: the `own` ones of the character, and of `others`."""

    own: frozenset[str] = frozenset()
    others: frozenset[str] = frozenset()

    @classmethod
    def of(cls, own: Iterable[str], others: Iterable[str] = ()) -> "Speakers":
        names = frozenset(name.strip().lower() for name in own)
        return cls(names, frozenset(name.strip().lower() for name in others) - names)

    def label(self, text: str) -> tuple[Kind | None, str, str]:
        """Who speaks, OURS or THEIRS; how (an aside to the name); and what follows. None: no name stands there."""
        own = _OWN.match(text)
        if own and (own["name"] or own["quoted"]).strip().lower() in self.own:
            return Kind.OURS, "", text[own.end() :]
        named = _SPEAKER.match(text)
        if named is None:
            return None, "", text
        name = named["name"].lower()
        kind = Kind.OURS if name in self.own else Kind.THEIRS if name in self.others else kind_of_speaker(name)
        return (kind, named["aside"] or "", text[named.end() :]) if kind else (None, "", text)

    def without_own(self, text: str) -> str:
        """A text of the character's without its own name before it."""
        kind, _, rest = self.label(text) if self.own else (None, "", "")
        return rest if kind is Kind.OURS and rest else text


NOBODY: Final = Speakers()
