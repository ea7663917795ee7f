"""Pure: what an ASR wrote down in; the same in one spelling, so that lists of words need hold each word once, out."""

import re
import unicodedata

_WORD = re.compile(r"[a-z]+|[^\W_a-z]+")
# Letters that only draw a vowel out or cut it short: うーん, はぁい, うんっ.
_LENGTH = re.compile(r"[ー〜~～ぁぃぅぇぉっ]+")
_KATAKANA = {code: code - 0x60 for code in range(ord("ァ"), ord("ヶ") + 1)}


def plain(text: str) -> str:
    """One width, small letters, kana as hiragana."""
    return unicodedata.normalize("NFKC", text).casefold().translate(_KATAKANA)


def joined(text: str) -> str:
    """Its words without anything between them, but a space after each in Latin letters."""
    words = _WORD.findall(plain(text).replace("'", "").replace("’", ""))
    return "".join(f"{word} " if word.isascii() and word.isalpha() else word for word in words)


def without_length(text: str) -> str:
    return _LENGTH.sub("", text)
