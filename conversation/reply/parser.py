"""Sans-IO: an LLM's text in, in any pieces; sentences (jp, cn, emotion) out, each as soon as its voice can start.

The contract (`prompts/reply_format.md`) is one JSON line per sentence, `{"emotion", "jp", "cn"}` in that order, so that
a sentence can be spoken when its `jp` is closed, while `cn` is still being written. LLMs break contracts. Whatever
comes, each word of its fields is shown once, nothing of the syntax is shown or spoken, and an answer with a word in it
never becomes an empty reply. What is accepted besides: the columns `responses_cn`, `responses_jp`,
`responses_emotion_labels`; objects in a list or one in another; and plain text, which is spoken as it stands, sentence
by sentence. Thoughts, marks of chat templates and calls of tools are taken out first.
"""

from conversation.reply import labels, words
from conversation.reply.field_lines import FieldLines
from conversation.reply.labels import NOBODY, Speakers
from conversation.reply.loose_json import LooseJsonScanner, Mark, Outside, Token, Word
from conversation.reply.objects import ReplyObject
from conversation.reply.prose import Prose
from conversation.reply.reply_filter import ReplyFilter, Restart
from conversation.reply.sentences import MAX_SENTENCES, ReplyEvent, SentenceReady, Sentences, TranslationReady
from services.base import Emotion

__all__ = ["MAX_CHARS", "MAX_SENTENCES", "ReplyEvent", "ReplyParser", "SentenceReady", "TranslationReady"]

MAX_CHARS = 64_000  # four times what the longest permitted reply of a vendor (4,096 tokens) takes


class ReplyParser:
    """One reply. `too_long` is set when it was cut at MAX_SENTENCES or MAX_CHARS; from then on nothing comes out."""

    def __init__(self, speakers: Speakers = NOBODY) -> None:
        self._filter = ReplyFilter()
        self._said = Sentences(speakers)
        self._reading = _Reading(self._said)
        self._asked: list[_Reading] = []  # what stood before the end of what was asked
        self._chars = 0

    @property
    def too_long(self) -> bool:
        return self._said.too_long

    @property
    def emotion_ahead(self) -> Emotion | None:
        """The emotion of a sentence whose words are still being written: its voice can be prepared."""
        return self._reading.emotion_ahead

    @property
    def words_ahead(self) -> str:
        """With which that sentence will begin, whatever follows: up to the end of its last whole clause."""
        return self._reading.words_ahead

    def feed(self, delta: str) -> list[ReplyEvent]:
        """What this piece makes ready."""
        if self.too_long:
            return []
        kept = delta[: MAX_CHARS - self._chars]
        self._chars += len(kept)
        self._read(self._filter.feed(kept))
        if len(kept) < len(delta):
            self._end()
            self._said.too_long = True
        return self._said.take()

    def close(self) -> list[ReplyEvent]:
        """What the end of the text makes ready: whatever was left open, or the plain text."""
        if not self.too_long:
            self._end()
        return self._said.take()

    def _end(self) -> None:
        self._read(self._filter.close())
        self._reading.end()
        while self._asked and not self._said.count:  # the character's own words, with a mark of what it was asked
            self._asked.pop().end()

    def _read(self, pieces: list[str | Restart]) -> None:
        for piece in pieces:
            if not isinstance(piece, Restart):
                self._reading.feed(piece)
            elif self._reading.can_be_dropped:
                if piece is Restart.ASKED:
                    self._asked.append(self._reading)
                self._reading = _Reading(self._said)


class _Reading:
    """The text of a reply, as long as nothing shows that it was none."""

    def __init__(self, said: Sentences) -> None:
        self._said = said
        self._scanner = LooseJsonScanner()
        self._objects: list[ReplyObject] = []
        self._held: ReplyObject | None = None  # ended without one of its texts: perhaps its brace came too early
        self._between: list[str] = []  # what stands outside, since the last object
        self._loose: list[str] = []  # prose around the objects, and words in them that are no field's
        self._prose = Prose(said)  # what stands before any object
        self._fields: FieldLines | None = None  # where no brace stands, once one was begun
        self._preface: str | None = None  # its rest, once an object was opened
        self._raw: list[str] = []  # all text until the first sentence of an object, for a second reading

    @property
    def emotion_ahead(self) -> Emotion | None:
        return self._objects[-1].fields.emotion_ahead() if self._objects else None

    @property
    def words_ahead(self) -> str:
        return words.settled(self._scanner.open_string) if self.emotion_ahead and self._objects[-1].awaits_jp() else ""

    @property
    def can_be_dropped(self) -> bool:
        """Whether nothing of it was given out, but perhaps plain sentences."""
        return (
            self._prose.spoke_alone and not self.words_ahead and (self._preface is None or not self._prose.spoken.given)
        )

    def feed(self, text: str) -> None:
        if self._prose.spoke_alone:
            self._raw.append(text)
        self._read(self._scanner.feed(text))

    def end(self) -> None:
        """Read what was left open; where no object spoke, all of it once more, as what it may have been meant for."""
        self._read_rest()
        raw = "".join(self._raw)
        if self._prose.spoke_alone and not self._prose.spoken.given and '\\"' in raw:  # JSON quoted in a string
            self._loose.clear()
            self._read(self._scanner.feed(words.unescaped(raw)))
            self._read_rest()
        if not self._prose.spoke_alone:
            return
        if words.is_tool_call(raw):
            self._prose.finish(self._preface or "", like_json=False)
            return
        like_json = self._prose.is_quoted or words.looks_like_json(labels.split_emotion(raw)[1])
        self._prose.finish("".join(self._loose), like_json=like_json)
        if not self._prose.spoken.given:
            self._prose.finish(words.without_names(raw), like_json=True)

    def _read_rest(self) -> None:
        tokens = self._scanner.close()
        match tokens:
            case [Word(text), *_] if self._objects and self._objects[-1].awaits_key() and words.is_cut_word(text):
                del tokens[0]
        self._read(tokens)
        self._end_prose()
        self._next_object()

    def _read(self, tokens: list[Token]) -> None:
        for token in tokens:
            match token:
                case Outside(text) if self._fields:
                    self._read(self._fields.feed(text))
                case Outside(text) if self._preface is None:
                    self._prose.feed(text)
                    if (fields := self._prose.take_fields()) is not None:
                        self._end_prose()
                        self._fields = FieldLines()
                        self._read(self._fields.feed(fields))
                case Mark.NEXT_SENTENCE:
                    if self._objects:
                        self._objects[-1].end()
                case Outside(text):
                    self._between.append(text)
                case Mark.OPEN_OBJECT:
                    self._open_object()
                case Mark.CLOSE_OBJECT if self._objects:
                    self._close_object(self._objects[-1])
                case Mark.CLOSE_OBJECT:
                    pass
                case _:
                    if not self._objects:
                        self._objects.append(self._held or ReplyObject(self._said, self._loose))
                        self._held = None
                    self._objects[-1].receive(token)

    def _end_prose(self) -> None:
        """What stands before any object, and fields that have no brace."""
        if self._preface is None:
            self._preface = self._prose.take_rest()
            (self._loose if self._prose.is_plain(self._preface) else self._between).append(self._preface)
        if self._fields:
            fields, self._fields = self._fields, None
            self._read(fields.close())

    def _open_object(self) -> None:
        if self._preface is None:
            self._prose.meet_object()
        self._end_prose()
        if not self._objects:
            self._objects.append(self._next_object())
        elif self._objects[-1].takes_no_object():  # it was never closed
            self._objects[-1].end()
        elif not self._objects[-1].open_brace():
            self._objects.append(ReplyObject(self._said, self._loose))

    def _close_object(self, current: ReplyObject) -> None:
        if current.close_brace():
            return
        self._objects.pop()
        if self._objects or current.fields.are_whole():
            current.end()
        else:
            self._held = current

    def _next_object(self) -> ReplyObject:
        """Before an opening brace or the end: fields whose brace is missing or came too early, or prose."""
        between = "".join(self._between)
        self._between.clear()
        if words.looks_like_fields(between) or (self._held and self._held.awaits_value()):
            scanner = LooseJsonScanner(inside=True)
            self._read(scanner.feed(words.without_fences(between)))
            self._read(scanner.close())
        else:
            self._loose.append(between)
        held, self._held = self._held or ReplyObject(self._said, self._loose), None
        held.end()
        return held
