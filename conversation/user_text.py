"""Pure: what a person typed, or an ASR wrote down, in; what of it can be seen, or was said, out."""

import re
import unicodedata

# Control characters and lone surrogates (Unicode's Cc and Cs), and the formatting characters that can make a text read
# backwards or hide in it: no part of what a person says.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible_text(content: str) -> str:
    """The text without control characters and those that hide or turn text around; "" where nothing can be seen."""
    kept = _HIDDEN.sub("", content).strip()
    if all(unicodedata.category(char)[0] in "ZC" for char in kept):  # spaces of every kind, and what has no width
        return ""
    return kept


def spoken_text(transcript: str) -> str:
    """The visible text of a transcript; "" where it has no word in it.

    ASRs write down noise as punctuation and signs: a letter, a digit or an ideograph is the least that was said.
    """
    text = visible_text(transcript)
    return text if any(unicodedata.category(char)[0] in "LN" for char in text) else ""
