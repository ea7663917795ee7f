"""Sans-IO: the text of JSON in, in any pieces; whether a string stands open, and whether hidden text closed it, out.

A mark within a string may be one that the model only mentioned: what it seems to hide is then the rest of the reply.
"""

import re

_SIGN = re.compile(r"[{\\\"]")
_END = re.compile(r"\"\s{0,8}(?:[}\]]|,\s{0,8}(?:\{|\"[^\"\n]{1,40}\"\s{0,8}[:：]))")
_LONGEST_END = 80


class Strings:
    """Whether the text so far ends within a string of an object."""

    def __init__(self) -> None:
        self.open = False
        self._in_object = False
        self._escaped = False

    def read(self, text: str) -> None:
        at = 0
        if self._escaped and text:
            self._escaped, at = False, 1
        while sign := _SIGN.search(text, at):
            at = sign.end()
            if sign[0] == "{":
                self._in_object = True
            elif sign[0] == '"':
                self.open = self._in_object and not self.open
            elif self.open:
                self._escaped = at == len(text)
                at += 1


class HeldText:
    """Text that a mark within a string hides, for now."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._last = ""
        self._length = 0
        self._object_at: int | None = None  # the first that begins within it: of a draft, whose strings end as well
        self.ends_string = False  # it goes on behind as an object does
        self.ends_string_first = False  # and no object had begun in it
        self.closes_string: bool | None = None  # whether a quotation mark came first; False: a line or an object did

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    def read(self, text: str) -> None:
        self._pieces.append(text)
        if self.closes_string is None and (first := re.search(r'["\n{]', text)):
            self.closes_string = first[0] == '"'
        if self._object_at is None and "{" in text:
            self._object_at = self._length + text.index("{")
        self._length += len(text)
        seen = self._last + text
        self._last = seen[-_LONGEST_END:]
        if not self.ends_string and (end := _END.search(seen)):
            self.ends_string = True
            end_at = self._length - len(seen) + end.start()
            self.ends_string_first = self._object_at is None or end_at < self._object_at
