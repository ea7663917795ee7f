"""Sans-IO: an LLM's text in, in any pieces; what of it is meant for the user out: no thoughts, no marks, no calls.

What comes out depends on the text alone and never on how it was cut. Nothing is kept waiting but the beginning of what
may yet become a mark.
"""

import re
from enum import Enum, auto

from conversation.reply.held_text import HeldText, Strings
from conversation.reply.marks import LEADS, Kind, Mark, is_role, kind_of_header, mark_at, may_begin_mark


class Restart(Enum):
    """In place of text: all before it was no reply."""

    THOUGHT = auto()
    ASKED = auto()  # unless nothing else comes


_HEADER = re.compile(r"[\w .=:-]*", re.ASCII)
_ROLE = re.compile(r"\s*[A-Za-z]*")
_LONGEST_HEADER = 100
_TORN = 4


class _State(Enum):
    TEXT = auto()
    ROLE = auto()  # a word that may say whose text follows
    HEADER = auto()
    THOUGHT = auto()
    CHANNEL = auto()  # a thought that was told by its header
    CALL = auto()
    THEIRS = auto()
    OVER = auto()  # what follows is another turn
    DOUBT = auto()  # after the end of a thought that began nowhere, in a string


# What ends hidden text, besides the end of the pair.
_ENDED_BY = {
    _State.THOUGHT: frozenset[Kind](),
    _State.CHANNEL: frozenset((Kind.TURN_END, Kind.HEADER)),
    _State.CALL: frozenset((Kind.TURN_END, Kind.HEADER, Kind.ROLE)),
    _State.THEIRS: frozenset((Kind.OURS, Kind.HEADER, Kind.ROLE)),
    _State.OVER: frozenset[Kind](),
}
_HIDDEN = frozenset(_ENDED_BY)
_PAIR = {
    _State.THOUGHT: Kind.THOUGHT,
    _State.CHANNEL: Kind.THOUGHT,
    _State.CALL: Kind.CALL,
    _State.THEIRS: Kind.ASKED,
}


class _Out:
    """What comes out, and whether it ends within a string of JSON."""

    def __init__(self) -> None:
        self._pieces: list[str | Restart] = []
        self._strings = Strings()

    @property
    def in_string(self) -> bool:
        return self._strings.open

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self._strings.read(text)

    def restart(self, restart: Restart) -> None:
        self._pieces.append(restart)
        self._strings = Strings()

    def take(self) -> list[str | Restart]:
        pieces, self._pieces = self._pieces, []
        return pieces


class ReplyFilter:
    """Feed it text as it comes; `close` gives what was still waiting."""

    def __init__(self) -> None:
        self._state = _State.TEXT
        self._waiting = ""  # perhaps the beginning of a mark
        self._header = ""
        self._said = False  # anything that can be seen
        self._held: HeldText | None = None  # since a mark in a string: it may belong to that string
        self._restart = Restart.THOUGHT  # that is in doubt
        self._out = _Out()

    def feed(self, text: str) -> list[str | Restart]:
        """What is sure by now."""
        self._take(self._waiting + text, whole=False)
        return self._out.take()

    def close(self) -> list[str | Restart]:
        """What had waited: no mark came of it, unless it is so long that it can only be a torn one."""
        if len(self._waiting) < _TORN:
            self._take(self._waiting, whole=True)
        self._leave_header()
        if self._state is _State.DOUBT:
            self._uncover(restart=True)
        elif self._held and self._held.ends_string:
            self._uncover()
        return self._out.take()

    def _take(self, text: str, *, whole: bool) -> None:
        at, self._waiting = 0, ""
        while at < len(text):
            lead = LEADS.search(text, at)
            start = lead.start() if lead else len(text)
            if start > at:
                self._read(text[at:start])
            if lead is None:
                return
            mark = mark_at(text, start)
            if mark is not None:
                self._receive(mark)
                at = mark.end
            elif not whole and may_begin_mark(text, start):
                self._waiting = text[start:]
                return
            else:
                self._read(text[start])
                at = start + 1

    def _read(self, text: str) -> None:
        if self._state is _State.TEXT:
            self._out.write(text)
            self._said = self._said or not text.isspace()
        elif self._held is not None:
            self._held.read(text)
            if self._state is not _State.DOUBT and self._held.ends_string_first:
                self._uncover()
            elif self._state is _State.DOUBT and self._held.closes_string is not None:
                self._uncover(restart=not self._held.closes_string)
        elif self._state in (_State.ROLE, _State.HEADER):
            self._read_header(text)

    def _uncover(self, *, restart: bool = False) -> None:
        """What was hidden is text: but the mark before it, nothing was none. `restart`: what came before was."""
        held, self._held, self._state = self._held, None, _State.TEXT
        if restart:
            self._out.restart(self._restart)
            self._said = False
        if held is not None:
            self._read(held.text)

    def _hide(self, state: _State) -> None:
        self._state = state
        if state in _HIDDEN or state is _State.DOUBT:
            self._held = HeldText() if self._out.in_string else None

    def _read_header(self, text: str) -> None:
        self._header += text
        pattern = _ROLE if self._state is _State.ROLE else _HEADER
        read = pattern.match(self._header)
        assert read is not None  # each pattern matches the empty string
        if read.end() < len(self._header) or len(self._header) > _LONGEST_HEADER:
            rest = self._header[read.end() :]
            self._header = read[0]
            self._leave_header()
            self._read(rest)

    def _leave_header(self) -> None:
        """A word that tells whose text follows, or none, and then it is text."""
        state, header, self._header = self._state, self._header, ""
        if state in (_State.ROLE, _State.HEADER):
            self._state = _State.TEXT
            if is_role(header.strip()):
                self._follow(kind_of_header(header))
            elif header:
                self._read(header)

    def _receive(self, mark: Mark) -> None:
        if self._state is _State.ROLE or (
            self._state is _State.HEADER and mark.kind not in (Kind.BODY, Kind.HEADER, Kind.SIGN)
        ):
            self._leave_header()
        if self._state is _State.DOUBT:
            self._uncover(restart=True)
        if self._state in _ENDED_BY:
            paired = mark.closes and mark.kind is _PAIR.get(self._state)
            if paired or mark.kind in _ENDED_BY[self._state]:
                self._state, self._held = _State.TEXT, None
            if paired or self._state is not _State.TEXT:
                return
        self._receive_in_text(mark)

    def _receive_in_text(self, mark: Mark) -> None:
        match mark.kind:
            case Kind.THOUGHT | Kind.ASKED if mark.closes:
                self._restart = Restart.THOUGHT if mark.kind is Kind.THOUGHT else Restart.ASKED
                if self._out.in_string:
                    self._hide(_State.DOUBT)
                else:
                    self._uncover(restart=True)
            case Kind.THOUGHT:
                self._hide(_State.THOUGHT)
            case Kind.ASKED if self._said:
                self._hide(_State.OVER)
            case Kind.CALL if not mark.closes:
                self._hide(_State.CALL)
            case Kind.ROLE:
                self._state = _State.ROLE
            case Kind.HEADER:
                self._state, self._header = _State.HEADER, ""
            case Kind.BODY if self._state is _State.HEADER:
                header, self._header = self._header, ""
                self._follow(kind_of_header(header))
            case Kind.THEIRS:
                self._follow(Kind.THEIRS)
            case Kind.FIELD if mark.name:
                self._read("\n" if mark.closes else f"\n{mark.name}: ")  # which is read where no JSON is, too

    def _follow(self, kind: Kind) -> None:
        if kind is Kind.THOUGHT:
            self._hide(_State.CHANNEL)
        elif kind is Kind.THEIRS:
            self._hide(_State.OVER if self._said else _State.THEIRS)
        else:
            self._state = _State.TEXT


def without_marks(text: str) -> str:
    """What of a whole text is meant for the user."""
    if LEADS.search(text) is None:
        return text
    reply_filter = ReplyFilter()
    kept = ""
    for piece in [*reply_filter.feed(text), *reply_filter.close()]:
        kept = "" if isinstance(piece, Restart) else kept + piece
    return kept


def only_without_marks(text: str) -> str:
    """A whole text without the marks in it, but with all that these hide."""
    kept, at = "", 0
    for lead in LEADS.finditer(text):
        if lead.start() >= at and (mark := mark_at(text, lead.start())):
            kept += text[at : lead.start()]
            at = mark.end
    return kept + text[at:]
