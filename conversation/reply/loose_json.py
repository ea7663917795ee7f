"""Sans-IO: text that was meant to be JSON in, in any pieces; tokens out, whatever is broken in it.

A linear scanner with one character of state: no look-ahead, no backtracking, no recursion, so that the tokens depend
on the text alone and never on how it was cut. What it forgives: prose and Markdown fences around the objects, single
and typographic quotes, bare words, raw line ends in strings, missing or doubled commas, a quotation mark inside a
string that was not escaped, a missing quotation mark, and strings or objects that are never closed.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

_CLOSING = {'"': '"', "'": "'\"", "“": '”"'}  # LLMs that open with another mark often close with this one
_ESCAPES = {"b": "", "f": "", "n": "\n", "r": "", "t": " "}
_PLAIN_RUN = {closing: re.compile(rf"[^\\\n{closing}]*") for closing in _CLOSING.values()}
_OUTSIDE_RUN = re.compile(r"[^{]*")
_MAX_PIECES = 256  # of an open string, and of its characters, that are shown: it may be asked for at every piece
_MAX_DEPTH = 64  # brackets below it are read as if they were not there


class Mark(Enum):
    """Tokens without text."""

    OPEN_OBJECT = auto()
    CLOSE_OBJECT = auto()
    OPEN_LIST = auto()
    CLOSE_LIST = auto()
    COLON = auto()
    COMMA = auto()
    NEXT_SENTENCE = auto()  # what follows is another object, though no brace says so: only of lines of fields


@dataclass(frozen=True, slots=True)
class Outside:
    """Text that stands in no object."""

    text: str


@dataclass(frozen=True, slots=True)
class Word:
    """A string or a bare word inside an object."""

    text: str


@dataclass(frozen=True, slots=True)
class More:
    """The last word went on after what had looked like its closing quotation mark."""

    text: str


Token = Mark | Outside | Word | More


class _State(Enum):
    OUTSIDE = auto()
    BETWEEN = auto()  # inside an object, before any token
    AFTER_WORD = auto()  # right after a closing quotation mark
    STRING = auto()
    LINE_QUOTE = auto()  # a quotation mark at the beginning of a string's second line: closing, or opening the next one
    ESCAPE = auto()
    UNICODE = auto()  # the four digits after \u
    BARE = auto()
    MORE = auto()  # text after a closing quotation mark that was none
    MORE_QUOTE = auto()  # a quotation mark there: perhaps the real one


class LooseJsonScanner:
    """Feed it text as it comes; `close` ends whatever is open. It has a method for each state, hence so many."""

    def __init__(self, *, inside: bool = False) -> None:
        """`inside`: read all of it as the inside of an object, as if no brace were missing or too many."""
        self._inside = inside
        self._stack: list[str] = ["{"] if inside else []
        self._state = _State.BETWEEN if inside else _State.OUTSIDE
        self._text: list[str] = []
        self._closing = '"'
        self._digits = ""
        self._high_surrogate = 0
        self._line_ended = False  # a raw line end in the open string: what follows shows whether it was left open

    def feed(self, text: str) -> list[Token]:
        """The tokens this piece completes."""
        out: list[Token] = []
        at = 0
        while at < len(text):
            at = self._step(text, at, out)
        return out

    @property
    def open_string(self) -> str:
        """The beginning, bounded, of the Word that is being read, where it is a quoted one: it will not change."""
        in_string = self._state in (_State.STRING, _State.ESCAPE, _State.UNICODE)
        return "".join(self._text[:_MAX_PIECES])[:_MAX_PIECES] if in_string else ""

    def close(self) -> list[Token]:
        """The tokens of everything left open."""
        out: list[Token] = []
        if self._state in (_State.STRING, _State.ESCAPE, _State.UNICODE, _State.BARE):
            out.append(Word(_without_syntax(self._take())))
        elif self._state in (_State.MORE, _State.MORE_QUOTE):
            out.append(More(_without_syntax(self._take())))
        while self._stack:
            out.append(Mark.CLOSE_OBJECT if self._stack.pop() == "{" else Mark.CLOSE_LIST)
        self._state = _State.OUTSIDE
        return out

    def _step(self, text: str, at: int, out: list[Token]) -> int:
        """Read at least one character from `at`; return where to go on."""
        match self._state:
            case _State.OUTSIDE:
                return self._outside(text, at, out)
            case _State.BETWEEN:
                return self._between(text[at], at, out)
            case _State.AFTER_WORD:
                return self._after_word(text[at], at)
            case _State.STRING:
                return self._string(text, at, out)
            case _State.LINE_QUOTE:
                return self._line_quote(text[at], at)
            case _State.ESCAPE:
                return self._escape(text[at], at)
            case _State.UNICODE:
                return self._unicode(text[at], at)
            case _State.BARE:
                return self._bare(text[at], at, out)
            case _:  # MORE, MORE_QUOTE
                return self._more(text[at], at, out)

    def _outside(self, text: str, at: int, out: list[Token]) -> int:
        end = _run_end(_OUTSIDE_RUN, text, at)
        if end > at:
            out.append(Outside(text[at:end]))
        if end < len(text):
            self._open("{", out)
            end += 1
        return end

    def _between(self, char: str, at: int, out: list[Token]) -> int:
        if char in "{[":
            self._open(char, out)
        elif char in "}]":
            self._close_bracket(char, out)
        elif char in ":：":
            out.append(Mark.COLON)
        elif char in ",，":
            out.append(Mark.COMMA)
        elif char in _CLOSING:
            self._open_string(char)
        elif not char.isspace() and char not in "\\”`":
            self._state = _State.BARE
            return at
        return at + 1

    def _after_word(self, char: str, at: int) -> int:
        if (char.isspace() and char != "\n") or char == "\\":
            return at + 1
        if char in ',，:：}]\n"”{[':  # as JSON goes on, or a missing comma
            self._state = _State.BETWEEN
            return at
        self._state = _State.MORE
        return at

    def _string(self, text: str, at: int, out: list[Token]) -> int:
        if self._line_ended:
            if text[at].isspace():
                return at + 1
            self._line_ended = False
            if text[at] in '{}"':  # perhaps the string was left open, and the next line has begun
                self._end_word(Word(_without_syntax(self._take())), out)
                if text[at] == '"':
                    self._state = _State.LINE_QUOTE
                    return at + 1
                return at
            self._text.append("\n")
        end = _run_end(_PLAIN_RUN[self._closing], text, at)
        if end > at:
            self._high_surrogate = 0
            self._text.append(text[at:end])
        if end == len(text):
            return end
        char = text[end]
        if char == "\\":
            self._state = _State.ESCAPE
        elif char == "\n":
            self._line_ended = True
        else:
            out.append(Word(self._take()))
            self._state = _State.AFTER_WORD
        return end + 1

    def _line_quote(self, char: str, at: int) -> int:
        if char.isspace():
            return at + 1
        if char in ',，:：}]"':
            self._state = _State.BETWEEN
        else:
            self._open_string('"')
        return at

    def _open_string(self, quote: str) -> None:
        self._closing = _CLOSING[quote]
        self._line_ended = False
        self._state = _State.STRING

    def _escape(self, char: str, at: int) -> int:
        if char == "u":
            self._digits = ""
            self._state = _State.UNICODE
        else:
            self._high_surrogate = 0
            self._text.append(_ESCAPES.get(char, char))
            self._state = _State.STRING
        return at + 1

    def _unicode(self, char: str, at: int) -> int:
        if char not in "0123456789abcdefABCDEF":  # no escape after all: what it was to say is lost
            self._state = _State.STRING
            return at
        self._digits += char
        if len(self._digits) == 4:
            self._text.append(self._decoded(int(self._digits, 16)))
            self._state = _State.STRING
        return at + 1

    def _decoded(self, unit: int) -> str:
        """One UTF-16 unit; a pair gives its character with the second half, a lone half gives nothing."""
        high, self._high_surrogate = self._high_surrogate, 0
        if 0xD800 <= unit < 0xDC00:
            self._high_surrogate = unit
            return ""
        if 0xDC00 <= unit < 0xE000:
            return chr(0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00)) if high else ""
        return chr(unit)

    def _bare(self, char: str, at: int, out: list[Token]) -> int:
        if char in '"”' and self._text and not self._text[-1].isspace():  # only the opening one is missing
            self._end_word(Word(self._take().strip()), out)
            self._closing, self._state = '"', _State.AFTER_WORD
            return at + 1
        if char in ',，:：{}[]\n"“':
            self._end_word(Word(self._take().strip()), out)
            return at
        if char != "\\":
            self._text.append(char)
        return at + 1

    def _more(self, char: str, at: int, out: list[Token]) -> int:
        quoted = self._state is _State.MORE_QUOTE
        if char in "{}\n" or (quoted and (char in ",，:：]" or (char in _CLOSING and self._text[-1:] == [" "]))):
            self._end_word(More(self._take()), out)
            return at
        if char in self._closing:
            self._state = _State.MORE_QUOTE
        elif char != "\\":
            self._text.append(char)
            if not char.isspace():
                self._state = _State.MORE
        return at + 1

    def _end_word(self, word: Word | More, out: list[Token]) -> None:
        out.append(word)
        self._state = _State.BETWEEN

    def _open(self, bracket: str, out: list[Token]) -> None:
        if len(self._stack) < _MAX_DEPTH:
            self._stack.append(bracket)
            out.append(Mark.OPEN_OBJECT if bracket == "{" else Mark.OPEN_LIST)
        self._state = _State.BETWEEN

    def _close_bracket(self, bracket: str, out: list[Token]) -> None:
        """Close the innermost bracket of this kind and all that stand open within it; a stray one is passed over."""
        opening = "{" if bracket == "}" else "["
        if opening in self._stack:
            while True:
                closed = self._stack.pop()
                out.append(Mark.CLOSE_OBJECT if closed == "{" else Mark.CLOSE_LIST)
                if closed == opening:
                    break
        if self._inside and not self._stack:
            self._stack.append("{")
        if not self._stack:
            self._state = _State.OUTSIDE

    def _take(self) -> str:
        text = "".join(self._text)
        self._text.clear()
        self._high_surrogate = 0
        return text


def _run_end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    assert match is not None  # every pattern here matches the empty string
    return match.end()


def _without_syntax(text: str) -> str:
    """A string that was never closed, without the brackets it ran into."""
    return text.rstrip().rstrip("}],").rstrip()
