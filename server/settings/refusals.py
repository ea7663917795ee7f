"""What is wrong with the operator's files, in sentences: one for each problem, and all of them at once."""

import unicodedata
from collections.abc import Sequence

_MOST_SHOWN = 20


class ConfigError(Exception):
    """The configuration cannot be used. str(error) is a line for each problem: the place, what is wrong, the mend."""

    def __init__(self, *sentences: str) -> None:
        shown = list(sentences[:_MOST_SHOWN])
        if len(sentences) > _MOST_SHOWN:
            shown.append(f"... and {len(sentences) - _MOST_SHOWN} more")
        super().__init__("\n".join(map(_on_one_line, shown)))


def _on_one_line(sentence: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in sentence)


def is_unseen(character: str) -> bool:
    """Whether it takes part in a text and cannot be seen, or not be told from a space."""
    return character != " " and unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cf")


def about_unseen(lines: Sequence[str], line: int) -> str:
    """The end of a sentence about a line, counted from 1, where it holds such a character, else nothing.

    Where it does not, but a key beside it does: a key that is indented with something else than spaces is another key.
    """
    for number in (line, line + 1, line - 1):
        if 0 < number <= len(lines):
            text = lines[number - 1]
            end = _comment_begins(text)
            if number != line:
                end = min(end, text.find(":") + 2)
            found = next(filter(is_unseen, text[:end]), None)
            if found:
                name = unicodedata.name(found, "a control character").lower()
                return f"; line {number} holds what cannot be seen, U+{ord(found):04X} ({name}): type it anew"
    return ""


def _comment_begins(line: str) -> int:
    for place, character in enumerate(line):
        if character == "#" and (place == 0 or line[place - 1].isspace()):
            return place
    return len(line)


def marked(name: str) -> str:
    """A name with what cannot be seen before and behind it made visible: `port<U+00A0>`."""
    core = name.strip("".join(filter(is_unseen, set(name))) + " ")
    begin = name.index(core)
    return _marks(name[:begin]) + core + _marks(name[begin + len(core) :])


def _marks(text: str) -> str:
    return "".join(f"<U+{ord(character):04X}>" for character in text)


def meant(name: str) -> str:
    """A name as it was meant: full-width letters are letters, and what cannot be seen is not there."""
    plain = unicodedata.normalize("NFKC", "".join(each for each in name if not is_unseen(each)))
    return plain.strip().lower().replace("-", "_")
