"""Pure: what an LLM was told, and what it answers, in; how much of the one it repeats out.

Only letters and digits are compared, whatever their width, case, accents and the signs between them. What the character
is meant to say stands there too: words in quotation marks, lines of its script. These do not count.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import accumulate

_BEGINNING = 12  # letters by which a repetition is found
_PLACES = 4  # of one beginning, and
_MAX_RUNS = 8  # followed at a time: else a text of one letter would be compared with itself everywhere
_REMEMBERED = 200  # letters of a reply, in which a repetition that was found late has its beginning
_SHORTEST_SAYING = 6  # letters; shorter ones are parts of other words
_QUOTED = re.compile(r"「[^「」\n]{1,200}」|『[^『』\n]{1,200}』|“[^“”\n]{1,200}”|\"[^\"\n]{1,200}\"")
_SPACE_OR_MARKDOWN = re.compile(r"(?<=\s)\s+|[#*_`|>~]")


def _letters(text: str) -> str:
    """What of a text is compared. No letter depends on those around it, so a text may be cut anywhere."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(filter(str.isalnum, plain))


class PromptText:
    """A text that is not to be repeated. Made once; a Repetition compares a reply with it."""

    def __init__(self, text: str, sayings: Iterable[str] = ()) -> None:
        """`sayings`: what may be said, wherever it stands in the text."""
        letters = [(letter, place) for place, char in enumerate(text) for letter in _letters(char)]
        self._letters = "".join(letter for letter, _ in letters)
        self._place = [place for _, place in letters]
        counts = [True] * len(text)
        for start, end in (*self._stretches(_letters_of(sayings)), *_spans(_QUOTED, text)):
            counts[start:end] = [False] * (end - start)
        for start, end in _spans(_SPACE_OR_MARKDOWN, text):
            counts[start:end] = [False] * (end - start)
        self._counted = [0, *accumulate(counts)]
        self._beginnings: dict[str, tuple[tuple[int, int], ...]] = {}
        for end in range(_BEGINNING, len(letters) + 1):
            beginning = self._letters[end - _BEGINNING : end]
            known = self._beginnings.get(beginning, ())
            if len(known) < _PLACES:
                self._beginnings[beginning] = (*known, (end - _BEGINNING, end))

    def characters(self, start: int, end: int) -> int:
        """How many of its characters count, from one letter up to another."""
        return self._counted[self._place[end - 1] + 1] - self._counted[self._place[start]]

    def has(self, letter: str, at: int) -> bool:
        return self._letters[at : at + 1] == letter

    def beginnings(self, letters: str) -> Iterable[tuple[int, int]]:
        """Where these letters stand, from and to; of as many as a repetition begins with."""
        return self._beginnings.get(letters, ())

    def start_of(self, said: str, start: int) -> int:
        """Where the stretch begins whose letters up to `start` are the last ones of what was said."""
        shorter = min(len(said), start)
        for back in range(1, shorter + 1):
            if said[-back] != self._letters[start - back]:
                return start - back + 1
        return start - shorter

    def _stretches(self, sayings: Iterable[str]) -> Iterator[tuple[int, int]]:
        """Where in the text each saying stands."""
        for saying in sayings:
            at = self._letters.find(saying)
            while at >= 0:
                yield self._place[at], self._place[at + len(saying) - 1] + 1
                at = self._letters.find(saying, at + len(saying))


def _letters_of(sayings: Iterable[str]) -> set[str]:
    found = set(map(_letters, sayings))
    return {saying for saying in found if len(saying) >= _SHORTEST_SAYING}


def _spans(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (found.span() for found in pattern.finditer(text))


class Repetition:
    """What one text, read piece by piece, repeats of another."""

    def __init__(self, prompt: PromptText) -> None:
        self._prompt = prompt
        self._last = ""  # letters
        self._runs: dict[int, int] = {}  # what the prompt has just as it was read: up to where -> from where

    def read(self, words: str) -> int:
        """The longest stretch that ends in these words, in characters of the prompt."""
        self._last, self._runs, longest = self._after(words)
        return longest

    def would_read(self, words: str) -> int:
        """The same, of words that may yet go on."""
        return self._after(words)[2]

    def _after(self, words: str) -> tuple[str, dict[int, int], int]:
        prompt, runs, longest = self._prompt, self._runs, 0
        letters = self._last + _letters(words)
        for at in range(len(self._last), len(letters)):
            if runs:
                runs = {end + 1: start for end, start in runs.items() if prompt.has(letters[at], end)}
            begins = max(0, at + 1 - _BEGINNING)
            for start, end in prompt.beginnings(letters[begins : at + 1]):
                if end not in runs and len(runs) < _MAX_RUNS:
                    # Not where it was found: what stands in many places is found only where they part.
                    runs[end] = prompt.start_of(letters[max(0, begins - _REMEMBERED) : begins], start)
            for end, start in runs.items():
                longest = max(longest, prompt.characters(start, end))
        return letters[-_REMEMBERED:], runs, longest
