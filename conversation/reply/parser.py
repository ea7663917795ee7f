"""Sans-IO: an LLM's text in, in any pieces; sentences (jp, cn, emotion) out, each as soon as its voice can start.

The contract (`prompts/reply_format.md`) is one JSON line per sentence, `{"emotion", "jp", "cn"}` in that order, so that
a sentence can be spoken when its `jp` is closed, while `cn` is still being written. LLMs break contracts. Whatever
comes, each word of its fields is shown once, nothing of the syntax is shown or spoken, and an answer with a word in it
never becomes an empty reply. What is accepted besides: the columns `responses_cn`, `responses_jp`,
`responses_emotion_labels`; objects in a list or one in another; and plain text, which is spoken as it stands.
"""

from dataclasses import dataclass
from itertools import zip_longest

from conversation.reply import words
from conversation.reply.joining import join_sentences
from conversation.reply.loose_json import LooseJsonScanner, Mark, More, Outside, Token, Word
from services.base import Emotion

MAX_SENTENCES = 40
MAX_CHARS = 64_000  # four times what the longest permitted reply of a vendor (4,096 tokens) takes


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """A sentence can be spoken. `cn` is None where the translation is not written yet."""

    index: int
    jp: str
    emotion: Emotion
    cn: str | None


@dataclass(frozen=True, slots=True)
class TranslationReady:
    """The translation of an earlier sentence is whole."""

    index: int
    cn: str


ReplyEvent = SentenceReady | TranslationReady

_LOOSE_COMMA = {"jp": "、", "cn": "，"}  # what a comma becomes that had looked like syntax


class ReplyParser:
    """One reply. `too_long` is set when it was cut at MAX_SENTENCES or MAX_CHARS; from then on nothing comes out."""

    def __init__(self) -> None:
        self._scanner = LooseJsonScanner()
        self._said = _Sentences()
        self._objects: list[_Object] = []
        self._held: _Object | None = None  # ended without one of its texts: perhaps its brace came too early
        self._between: list[str] = []  # what stands outside, since the last object
        self._loose: list[str] = []  # prose around the objects, and words in them that are no field's
        self._raw: list[str] = []  # all text until the first sentence, for a second reading
        self._chars = 0

    @property
    def too_long(self) -> bool:
        return self._said.too_long

    @property
    def emotion_ahead(self) -> Emotion | None:
        """The emotion of a sentence whose words are still being written: its voice can be prepared."""
        return self._objects[-1].fields.emotion_ahead() if self._objects else None

    @property
    def words_ahead(self) -> str:
        """With which that sentence will begin, whatever follows: up to the end of its last whole clause."""
        return words.settled(self._scanner.open_string) if self.emotion_ahead and self._objects[-1].awaits_jp() else ""

    def feed(self, delta: str) -> list[ReplyEvent]:
        """What this piece makes ready."""
        if self.too_long:
            return []
        kept = delta[: MAX_CHARS - self._chars]
        self._chars += len(kept)
        if not self._said.count:
            self._raw.append(kept)
        self._read(self._scanner.feed(kept))
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
        self._read_rest()
        raw = "".join(self._raw)
        if not self._said.count and '\\"' in raw:  # JSON quoted in a string
            self._loose.clear()
            self._read(self._scanner.feed(words.unescaped(raw)))
            self._read_rest()
        if not self._said.count:
            self._said.say_plain("".join(self._loose), like_json=words.looks_like_json(raw))
        if not self._said.count:
            self._said.say_plain(words.without_names(raw), like_json=True)

    def _read_rest(self) -> None:
        tokens = self._scanner.close()
        match tokens:
            case [Word(text), *_] if self._objects and self._objects[-1].awaits_key() and words.is_cut_word(text):
                del tokens[0]
        self._read(tokens)
        self._next_object()

    def _read(self, tokens: list[Token]) -> None:
        for token in tokens:
            match token:
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
                        self._objects.append(self._held or _Object(self._said, self._loose))
                        self._held = None
                    self._objects[-1].receive(token)

    def _open_object(self) -> None:
        if not self._objects:
            self._objects.append(self._next_object())
        elif self._objects[-1].takes_no_object():  # it was never closed
            self._objects[-1].end()
        elif not self._objects[-1].open_brace():
            self._objects.append(_Object(self._said, self._loose))

    def _close_object(self, current: "_Object") -> None:
        if current.close_brace():
            return
        self._objects.pop()
        if self._objects or current.fields.are_whole():
            current.end()
        else:
            self._held = current

    def _next_object(self) -> "_Object":
        """Before an opening brace or the end: fields whose brace is missing or came too early, or prose."""
        between = "".join(self._between)
        self._between.clear()
        if words.looks_like_fields(between) or (self._held and self._held.awaits_value()):
            scanner = LooseJsonScanner(inside=True)
            self._read(scanner.feed(words.without_fences(between)))
            self._read(scanner.close())
        else:
            self._loose.append(between)
        held, self._held = self._held or _Object(self._said, self._loose), None
        held.end()
        return held


class _Sentences:
    """The sentences said so far, and the events not yet taken."""

    def __init__(self) -> None:
        self.count = 0
        self.too_long = False
        self._events: list[ReplyEvent] = []

    def take(self) -> list[ReplyEvent]:
        events, self._events = self._events, []
        return events

    def say(self, jp: str, cn: str | None, emotion: Emotion) -> int | None:
        """Give the sentence's index, or None where there is nothing to say or no room."""
        if not jp or self.too_long:
            return None
        if self.count == MAX_SENTENCES:
            self.too_long = True
            return None
        self._events.append(SentenceReady(self.count, jp, emotion, cn))
        self.count += 1
        return self.count - 1

    def translate(self, index: int, cn: str) -> None:
        if not self.too_long:
            self._events.append(TranslationReady(index, cn))

    def say_columns(self, jp: list[str], cn: list[str], labels: list[str]) -> None:
        """Columns of unequal length: what is left over of one goes with the last sentence of the other."""
        rows: list[tuple[str, list[str], Emotion]] = []
        early: list[str] = []
        for spoken, shown, label in zip_longest(jp if any(jp) else cn, cn if any(cn) else jp, labels, fillvalue=""):
            if spoken:
                rows.append((spoken, [*early, shown], words.emotion_of(label)))
                early.clear()
            else:
                (rows[-1][1] if rows else early).append(shown)
        for spoken, texts, emotion in rows:
            self.say(spoken, join_sentences(texts), emotion)

    def say_plain(self, text: str, *, like_json: bool) -> None:
        """Plain text, or the words that are left of JSON without a field of ours."""
        for sentence in words.plain_sentences(text, like_json=like_json):
            self.say(sentence, sentence, "auto")


class _Fields:
    """What an object holds of one sentence, or of columns of them."""

    def __init__(self, said: _Sentences) -> None:
        self._said = said
        self.texts: dict[str, list[str]] = {}
        self.filled: set[str] = set()  # fields with a word in them
        self.columns = False
        self.index: int | None = None  # of the sentence already announced
        self.awaits_translation = False

    def add(self, name: str, text: str, *, to_last: bool) -> None:
        """One more text of a field. Empty ones keep their place in a column."""
        blank = not words.clean(text)
        if to_last and self.texts[name]:
            self.texts[name][-1] += text
        elif not blank or self.columns:
            self.texts[name].append(text)
        if not blank:
            self.filled.add(name)

    def have_text(self) -> bool:
        return not self.filled.isdisjoint(("jp", "cn"))

    def are_whole(self) -> bool:
        return self.filled >= {"jp", "cn"} and not self.columns

    def text(self, name: str) -> str:
        return join_sentences(self.column(name))

    def column(self, name: str) -> list[str]:
        return [words.clean(text) for text in self.texts.get(name, ())]

    def emotion(self) -> Emotion:
        return words.emotion_of(next(iter(self.texts.get("emotion", ())), ""))

    def emotion_ahead(self) -> Emotion | None:
        return self.emotion() if "emotion" in self.filled and self.index is None and not self.columns else None

    def announce(self) -> None:
        """Start the voice before the object is whole, if all it needs is known."""
        if not self.columns and self.index is None and "jp" in self.filled and "emotion" in self.texts:
            cn = self.text("cn") or None
            self.index = self._said.say(self.text("jp"), cn, self.emotion())
            self.awaits_translation = self.index is not None and cn is None

    def end(self) -> None:
        """Say what was not said before."""
        if self.awaits_translation and self.index is not None:
            self._said.translate(self.index, self.text("cn") or self.text("jp"))
        elif self.index is None and self.columns:
            self._said.say_columns(self.column("jp"), self.column("cn"), self.texts.get("emotion", []))
        elif self.index is None:
            jp, cn = self.text("jp"), self.text("cn")
            self._said.say(jp or cn, cn or jp, self.emotion())


class _Object:
    """An object being read: mostly one small method for each way in which a contract can be broken."""

    def __init__(self, said: _Sentences, loose: list[str]) -> None:
        self._said = said
        self._loose = loose
        self.fields = _Fields(said)
        self._pending: str | None = None  # a word that is a key if a colon follows
        self._key: str | None = None  # the field the next value belongs to; "" for one we do not know
        self._given = False  # that field has a value, be it an empty one
        self._last = ""  # the last field of ours: words that belong nowhere else are its
        self._list_depth = 0
        self._braces = 0  # open within a field's value

    def takes_no_object(self) -> bool:
        """Where a brace can only begin the next one."""
        return not self._list_depth and not self._braces and (self._key is None or self._given)

    def awaits_key(self) -> bool:
        return self._key is None or (not self._list_depth and self._given)

    def awaits_value(self) -> bool:
        return bool(self._key) and not self._given

    def awaits_jp(self) -> bool:
        return self._key == "jp" and not (self._given or self._list_depth or self._braces)

    def open_brace(self) -> bool:
        """An object where a text belongs: its words are the text. False: it is an object of its own."""
        if not self._key:
            return False
        self._braces += 1
        self._key = None
        return True

    def close_brace(self) -> bool:
        """False: it is this object's own."""
        self._drop_pending()
        if not self._braces:
            return False
        self._braces -= 1
        self._key = self._last
        return True

    def end(self) -> None:
        """What follows is another sentence; an emotion alone waits for it."""
        self._drop_pending()
        if self.fields.have_text():
            self.fields.end()
            self.fields = _Fields(self._said)
        self._key, self._given, self._last = None, False, ""

    def receive(self, token: Token) -> None:
        match token:
            case Mark.OPEN_LIST:
                self._list_depth += 1
            case Mark.CLOSE_LIST:
                self._list_depth = max(0, self._list_depth - 1)
                self._announce()
            case Mark.COLON if self._pending is not None:
                self._begin_field(self._pending)
            case Mark.COMMA if not self._list_depth:
                self._drop_pending()
                if not self.awaits_value():
                    self._key = None
            case Word(text):
                self._read_word(text)
            case More(text):
                self._go_on(text)

    def _read_word(self, text: str) -> None:
        if words.is_contract_key(text):
            self._drop_pending()
            self._begin_field(text)
        elif self._key is None or (self.awaits_key() and words.field_name(text)):
            self._drop_pending()  # a key, also where the comma before it is missing
            self._key, self._pending = None, text
        else:
            self._add_value(text)

    def _begin_field(self, name: str) -> None:
        """The same field again: an object whose brackets were forgotten."""
        self._pending = None
        key = words.field_name(name) or ""
        if key in self.fields.filled:
            self.end()
        self._given = False
        if key:
            self._key = self._last = key
            self._list_depth = 0
            self.fields.texts.setdefault(key, [])
            self.fields.columns = self.fields.columns or words.is_column(name)
        else:
            self._key = self._last if self._braces else ""

    def _drop_pending(self) -> None:
        """A word that was no key: it goes on with the last text, unless it is one of the contract's own."""
        text, self._pending = (self._pending or "").strip(), None
        if not words.has_word(text) or words.is_contract_word(text):
            return
        if self._last not in _LOOSE_COMMA:
            self._loose.append(text + "\n")
            return
        self._key = self._last
        joined = self._key in self.fields.filled and not self.fields.columns
        self._add_value(_LOOSE_COMMA[self._key] + text if joined else text)

    def _add_value(self, text: str) -> None:
        self._given = True
        if text == "null":
            text = ""
        if not self._key:
            self._loose.append(text + "\n")
        elif self._key == "jp" and self.fields.index is not None:  # it is spoken already: one sentence more
            self._said.say(words.clean(text), "", self.fields.emotion())
        else:
            self.fields.add(self._key, text, to_last=self._list_depth > 1)
            self._announce()

    def _go_on(self, text: str) -> None:
        """A value went on after its closing quotation mark, perhaps up to a key whose quotation mark is missing."""
        text, key = words.split_key(text)
        if words.has_word(text):
            if self._pending is not None:
                self._pending += text
            elif self._key and not (self._key == "jp" and self.fields.index is not None):
                self.fields.add(self._key, text, to_last=True)
                self._announce()
            else:
                self._add_value(text)
        if key:
            self._drop_pending()
            self._begin_field(key)

    def _announce(self) -> None:
        if self._key == "jp" and not self._list_depth:
            self.fields.announce()
