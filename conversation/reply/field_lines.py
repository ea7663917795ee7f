"""Sans-IO: fields of the reply contract without any brace, from the first one's name on; tokens of objects out.

Most are lines such as `jp: やった！`, with bullets, bold names, full-width colons, or several in a row: each is read
when its end has come, and its text is taken as it stands. Where strings or lists follow the names it is JSON whose
braces are missing, and all that follows is read as that.
"""

import re
from typing import Final

from conversation.reply import labels, language, names, words
from conversation.reply.loose_json import LooseJsonScanner, Mark, More, Token, Word
from conversation.reply.marks import Kind, kind_of_speaker

_PEEKED: Final = 64  # of an open line: enough for its name
_LINE = re.compile(r"[^\n]*\n?")
_UNKNOWN = re.compile(r"([A-Za-z][A-Za-z_ ]{1,20}?|[^\W\dA-Za-z_]{1,6})\s?[:：]\s*(\S.*)")


class FieldLines:
    """Feed it text as it comes; `close` ends all."""

    def __init__(self) -> None:
        self._line: list[str] = []
        self._begun = ""  # the first of the open line
        self._met = False  # the name on the open line was seen
        self._scanner: LooseJsonScanner | None = None  # of JSON without braces
        self._last = ""  # field
        self._given = False  # it has a text
        self._sentence: set[str] = set()  # fields it has so far
        self._emotion_ends: bool | None = None  # a sentence, instead of beginning it; None as long as nothing tells

    def feed(self, text: str) -> list[Token]:
        out: list[Token] = []
        for line in _LINE.findall(text):
            if line:
                self._go_on(line, out)
        return out

    def close(self) -> list[Token]:
        """The tokens of what was left open; a line that was cut within a name is none."""
        out: list[Token] = []
        line = "".join(self._line)
        if self._scanner or not (words.is_cut_word(line) and self._sentence):
            self._end_line(line, out)
        return [*out, Mark.NEXT_SENTENCE, *(self._scanner.close() if self._scanner else [Mark.CLOSE_OBJECT])]

    def _go_on(self, text: str, out: list[Token]) -> None:
        self._line.append(text)
        if self._scanner is None and len(self._begun) < _PEEKED:
            self._begun = (self._begun + text[:_PEEKED]).lstrip()[:_PEEKED]
            if not self._met and (label := labels.label_at(self._begun)):
                self._meet(label.field, out)
                self._met = True
        if text.endswith("\n"):
            line = "".join(self._line)
            self._line.clear()
            self._end_line(line, out)

    def _end_line(self, line: str, out: list[Token]) -> None:
        met, self._begun, self._met = self._met, "", False
        if self._scanner is None and labels.is_json_field(line):
            self._scanner = LooseJsonScanner(inside=True)
        if self._scanner is not None:
            out += self._scanner.feed(words.without_fences(line))
            return
        for part in labels.split_fields(words.without_fences(line).strip()):
            label = labels.label_at(part)
            if label is None:
                self._read_unnamed(part, out)
                continue
            if not met:
                self._meet(label.field, out)
            met = False
            self._begin(label.field, out)
            self._put(part[label.end :], out)

    def _meet(self, field: str, out: list[Token]) -> None:
        """A field's name: of the same sentence, or of another one."""
        if field == "emotion" and not self._sentence and self._emotion_ends is None:
            self._emotion_ends = False
        elif field == "emotion" and self._emotion_ends is None:
            self._emotion_ends = True
        elif field in self._sentence and self._emotion_ends is None:
            self._emotion_ends = False
        if field in self._sentence or (field == "emotion" and self._sentence and not self._emotion_ends):
            out.append(Mark.NEXT_SENTENCE)
            self._sentence.clear()

    def _begin(self, field: str, out: list[Token]) -> None:
        if field == "jp" and "emotion" not in self._sentence and self._emotion_ends is False:
            out += [Mark.COMMA, Word("emotion")]  # none will come
            self._sentence.add("emotion")
        out += [Mark.COMMA, Word(field)]
        self._sentence.add(field)
        self._last, self._given = field, False

    def _put(self, text: str, out: list[Token]) -> None:
        """The text of the field that was begun."""
        text = text.strip(labels.AROUND_FIELDS)
        if not words.has_word(text):
            return
        out.append(Word(text))
        self._given = True
        if self._last == "emotion" and self._emotion_ends:
            out.append(Mark.NEXT_SENTENCE)
            self._sentence.clear()

    def _read_unnamed(self, text: str, out: list[Token]) -> None:
        """A line without a name: of the field before it, unless its language is the other one's."""
        kana = language.has_kana(text)
        unknown = _UNKNOWN.match(text)
        if not words.has_word(text) or (unknown and kind_of_speaker(unknown[1]) is Kind.THEIRS):
            return
        if not self._given:
            self._put(text, out)
        elif unknown and (names.is_untold(unknown[1]) or not kana):
            out += [Mark.COMMA, Word(unknown[1]), Mark.COLON, Word(unknown[2])]
            self._last = ""
        elif self._last in ("", "emotion") or (self._last == "cn") is kana:
            field = "jp" if kana else "cn"
            self._meet(field, out)
            self._begin(field, out)
            self._put(text, out)
        else:
            out.append(More(f" {text}" if text[0].isascii() else text))
