"""Pure: what a person typed, or an ASR wrote down, in; what of it can be seen, or was said, out."""

import unicodedata

# Formatting characters that can make a text read backwards or hide in it: no part of what a person says.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible_text(content: str) -> str:
    """The text without control characters and those that hide or turn text around; "" where nothing can be seen."""
    kept = "".join(
        char
        for char in content
        if char in "\n\t" or (unicodedata.category(char) not in ("Cc", "Cs") and char not in _BIDI)
    )
    if all(unicodedata.category(char)[0] in "ZC" for char in kept):  # spaces of every kind, and what has no width
        return ""
    return kept.strip()


def spoken_text(transcript: str) -> str:
    """The visible text of a transcript; "" where it has no word in it.

    ASRs write down noise as punctuation and signs: a letter, a digit or an ideograph is the least that was said.
    """
    text = visible_text(transcript)
    return text if any(unicodedata.category(char)[0] in "LN" for char in text) else ""
