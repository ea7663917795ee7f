"""A transcript, partial or final, in; whether it only shows that somebody listens, out: "uh-huh", 嗯嗯, うんうん.

Such words do not stop a reply. All of a text must consist of them: 嗯，等一下 begins with one and interrupts. The words
are lists beside this file (`backchannels/`), the idea is Yngve's: "On getting a word in edgewise" (1970).
"""

import re
from functools import cache

from conversation.interruption.spelling import joined, plain, without_length
from conversation.interruption.word_lists import lists

_KANA_LAUGHTER = re.compile("は{2,}|ひ{2,}|ふ{2,}|へ{2,}")  # a single は is a particle
_ONE_KANA = re.compile("[ぁ-ん]")
_REPEATED = re.compile(r"(.{1,8}?)\1+")
_REFUSAL = "ううん"  # but うーん is none
# Whoever says more than this wants to be answered. Repetitions are not counted.
MAX_CHARS = 14
MAX_LATIN_CHARS = 30


def is_backchannel(text: str) -> bool:
    """Whether it is nothing else; an empty text is not even that."""
    if _REFUSAL in joined(text):
        return False
    said = _normal(text)
    chars = MAX_LATIN_CHARS if said.isascii() else MAX_CHARS
    return len(said) <= chars and _pattern().fullmatch(said) is not None


def may_become_backchannel(text: str) -> bool:
    """Whether a transcript that is not final is the beginning of one, and more must come: なる of なるほど.

    A single kana is so of anything: そ of そう and of それ.
    """
    said = _normal(text)
    if _ONE_KANA.fullmatch(said):
        return True
    chars = MAX_LATIN_CHARS if said.isascii() else MAX_CHARS
    if not 0 < len(said) <= chars or _pattern().fullmatch(said):
        return False
    return any(
        said[at:] in _beginnings() and (at == 0 or _pattern().fullmatch(said[:at]) is not None)
        for at in range(len(said))
    )


def _normal(text: str) -> str:
    """In one spelling, without repetitions: 哈 for 哈哈哈. A question keeps its mark."""
    words, longer = _KANA_LAUGHTER.sub("哈", without_length(joined(text))), ""
    while words != longer:  # of haha, haha: first each word, then both
        words, longer = _REPEATED.sub(r"\1", words), words
    return words + "?" * plain(text).rstrip("!. \"'」』").endswith("?")


@cache
def _beginnings() -> frozenset[str]:
    words = (_normal(entry.removesuffix("?")) for section, entry in lists("backchannels") if not section)
    return frozenset(word[:length] for word in words for length in range(1, len(word)))


@cache
def _pattern() -> re.Pattern[str]:
    """Words, each with what may end it: in Japanese only after two letters, for あな may become あなた."""
    entries = [
        (section, re.escape(_normal(entry.removesuffix("?"))), entry) for section, entry in lists("backchannels")
    ]
    words = {word + (r"(?:\?\Z)?" if entry.endswith("?") else "") for section, word, entry in entries if not section}
    particles = {word for section, word, _ in entries if section == "particles"}
    endings = {word for section, word, _ in entries if section == "endings"}
    return re.compile(f"(?:(?:{_any(words)})(?:{_any(particles)}|(?<=..)(?:{_any(endings)}))?)+")


def _any(words: set[str]) -> str:
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))
