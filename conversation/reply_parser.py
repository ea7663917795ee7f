"""Sans-IO: a mind's text in, in any pieces; sentences (jp, cn, emotion) out, each as soon as its voice can start.

The contract (`prompts/reply_format.md`) is one JSON line per sentence, `{"emotion", "jp", "cn"}` in that order, so that
a sentence can be spoken when its `jp` is closed, while `cn` is still being written. Minds break contracts. Whatever
comes, each word of it is shown once, nothing of the syntax is shown or spoken, and a non-empty answer never becomes
an empty reply. What is accepted besides: the columns `responses_cn`, `responses_jp`, `responses_emotion_labels`;
objects in a list or one in another; and plain text, which is spoken as it stands.
"""

import re
import unicodedata
from dataclasses import dataclass, field

from conversation.loose_json import LooseJsonScanner, Mark, More, Outside, Token, Word
from services.base import EMOTIONS, Emotion

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

_COLUMN = "responses"
_MAX_KEY = 40
_FIELD_OF_WORD = {
    "jp": "jp", "ja": "jp", "japanese": "jp", "cn": "cn", "zh": "cn", "chinese": "cn",
    "emotion": "emotion", "emotions": "emotion",
}  # fmt: skip
_NOT_LETTERS = re.compile(r"[^a-z]+")
_SPACES = re.compile(r"\s+")
_SENTENCE = re.compile(r"[^。！？!?…\n]*[。！？!?…]*[」』”’）)\]】\"']*")
_FENCE = re.compile(r"```[A-Za-z]*")
_LOOKS_LIKE_FIELD = re.compile(r"[\"'“]?(?:jp|cn|emotion|responses_[a-z_]{1,20})[\"'”]?\s{0,8}[:：]")
_SYNTAX = str.maketrans("", "", '{}[]"`“”')


@dataclass(slots=True)
class _Object:
    """An object being read: its fields, each a list of texts, and the sentence already announced from it."""

    pending: str | None = None  # a word that is a key if a colon follows
    key: str | None = None  # the field the next value belongs to; "" for one we do not know
    list_depth: int = 0
    columns: bool = False
    fields: dict[str, list[str]] = field(default_factory=dict)
    index: int | None = None
    awaits_translation: bool = False

    def has_value(self) -> bool:
        return bool(self.key and self.fields[self.key])

    def takes_no_object(self) -> bool:
        return not self.list_depth and (self.key is None or self.has_value())


class ReplyParser:
    """One reply. `too_long` is set when it was cut at MAX_SENTENCES or MAX_CHARS; from then on nothing comes out."""

    def __init__(self) -> None:
        self.too_long = False
        self._scanner = LooseJsonScanner()
        self._objects: list[_Object] = []
        self._count = 0
        self._chars = 0
        self._outside: list[str] = []  # prose around the objects, and loose words in them
        self._raw: list[str] = []  # all text until the first sentence, for a second reading

    def feed(self, delta: str) -> list[ReplyEvent]:
        """What this piece makes ready."""
        if self.too_long:
            return []
        kept = delta[: MAX_CHARS - self._chars]
        self._chars += len(kept)
        if not self._count:
            self._raw.append(kept)
        events = self._read(self._scanner.feed(kept))
        if len(kept) < len(delta):
            self.too_long = True
        return events

    def close(self) -> list[ReplyEvent]:
        """What the end of the text makes ready: whatever was left open, or the plain text."""
        if self.too_long:
            return []
        events = self._read(self._scanner.close())
        if not self._count:
            events += self._second_reading("".join(self._raw))
        return events

    def _read(self, tokens: list[Token]) -> list[ReplyEvent]:
        events: list[ReplyEvent] = []
        for token in tokens:
            match token:
                case Outside(text):
                    self._outside.append(text)
                case Mark.OPEN_OBJECT:
                    if self._objects and self._objects[-1].takes_no_object():
                        self._finish(self._objects.pop(), events)  # the one before was never closed
                    self._objects.append(_Object())
                case Mark.CLOSE_OBJECT:
                    if self._objects:
                        self._finish(self._objects.pop(), events)
                case _:
                    if not self._objects:
                        self._objects.append(_Object())
                    self._read_in_object(token, self._objects[-1], events)
        return events

    def _read_in_object(self, token: Token, current: _Object, events: list[ReplyEvent]) -> None:
        match token:
            case Mark.OPEN_LIST:
                current.list_depth += 1
            case Mark.CLOSE_LIST:
                current.list_depth = max(0, current.list_depth - 1)
            case Mark.COLON if not current.list_depth:
                self._begin_field(current, events)
            case Mark.COMMA if not current.list_depth:
                self._drop_pending(current)
                current.key = None
            case Word(text) if current.key is None or (
                not current.list_depth and current.has_value() and _field_name(text) is not None
            ):  # a key, also where the comma before it is missing
                self._drop_pending(current)
                current.key, current.pending = None, text
            case Word(text):
                self._add_value(current, text, events)
            case More(text):
                self._go_on(current, text, events)
            case _:
                pass

    def _begin_field(self, current: _Object, events: list[ReplyEvent]) -> None:
        """The pending word was a key. The same field again: an object whose brackets were forgotten."""
        name = current.pending or ""
        current.pending = None
        key = _field_name(name) or ""
        if key and key in current.fields and (key != "cn" or current.index is not None):
            self._finish(current, events)
            self._objects[-1] = current = _Object()
        current.key = key
        current.columns = current.columns or _COLUMN in name.lower()
        if key:
            current.fields[key] = []

    def _drop_pending(self, current: _Object) -> None:
        """A word that was no key: a loose word of the answer, unless it is one of the contract's own."""
        if current.pending and _field_name(current.pending) is None and current.pending.lower() not in EMOTIONS:
            self._outside.append(current.pending)
        current.pending = None

    def _add_value(self, current: _Object, text: str, events: list[ReplyEvent]) -> None:
        if not current.key:
            self._outside.append("" if text == "null" else text)
            return
        values = current.fields[current.key]
        if current.list_depth > 1 and values:
            values[-1] += text
        elif text != "null":
            values.append(text)
        if current.key == "jp" and not current.list_depth:
            self._announce(current, events)

    def _go_on(self, current: _Object, text: str, events: list[ReplyEvent]) -> None:
        """A value went on after its closing quotation mark: longer text, or, where it is being spoken, one more."""
        if _field_name(text) is not None:  # the quotation mark before it was the missing one of the value
            current.key, current.pending = None, text
        elif current.key is None:
            current.pending = (current.pending or "") + text
        elif not current.key:
            self._outside.append(text)
        elif current.key == "jp" and current.index is not None:
            self._say(_clean(text), "", self._emotion(current), events)
        elif current.fields[current.key]:
            current.fields[current.key][-1] += text

    def _announce(self, current: _Object, events: list[ReplyEvent]) -> None:
        """Start the voice before the object is whole, if all it needs is known."""
        if current.columns or current.index is not None or "emotion" not in current.fields:
            return
        jp = _clean("".join(current.fields["jp"]))
        if jp:
            cn = _clean("".join(current.fields["cn"])) if "cn" in current.fields else None
            if "cn" in current.fields:
                current.fields["cn"] = []
            current.index = self._say(jp, cn, self._emotion(current), events)
            current.awaits_translation = cn is None

    def _finish(self, current: _Object, events: list[ReplyEvent]) -> None:
        """An object has ended: announce what is left of it."""
        self._drop_pending(current)
        jp = [text for text in map(_clean, current.fields.get("jp", [])) if text]
        cn = [text for text in map(_clean, current.fields.get("cn", [])) if text]
        if current.index is not None:
            if current.awaits_translation:
                events.append(TranslationReady(current.index, "".join(cn or jp)))
        elif current.columns:
            self._say_columns(jp, cn, current.fields.get("emotion", []), events)
        elif jp or cn:
            self._say("".join(jp or cn), "".join(cn or jp), self._emotion(current), events)

    def _say_columns(self, jp: list[str], cn: list[str], labels: list[str], events: list[ReplyEvent]) -> None:
        """Columns of unequal length: what is left over of one goes with the last sentence of the other."""
        jp, cn = jp or cn, cn or jp
        for index, spoken in enumerate(jp):
            shown = "".join(cn[index:]) if index == len(jp) - 1 else "".join(cn[index : index + 1])
            self._say(spoken, shown, _emotion(labels[index] if index < len(labels) else ""), events)

    def _emotion(self, current: _Object) -> Emotion:
        return _emotion(next(iter(current.fields.get("emotion", [])), ""))

    def _say(self, jp: str, cn: str | None, emotion: Emotion, events: list[ReplyEvent]) -> int | None:
        if not jp or self.too_long:
            return None
        if self._count == MAX_SENTENCES:
            self.too_long = True
            return None
        index = self._count
        self._count += 1
        events.append(SentenceReady(index, jp, emotion, cn))
        return index

    def _second_reading(self, raw: str) -> list[ReplyEvent]:
        """No sentence was found: fields without braces, JSON quoted in a string, or plain text."""
        text = _FENCE.sub(" ", raw).strip()
        if '\\"' in text:
            text = text.replace('\\"', '"')
        if _LOOKS_LIKE_FIELD.search(text):
            events = self._read(_scan(text[text.find("{") + 1 :] if "{" in text else text))
            if self._count:
                return events
        plain = text if "{" not in text else "".join(self._outside)
        if plain[:1] in "[\"'" or "{" in text:
            plain = plain.translate(_SYNTAX)
        events = []
        for piece in _SENTENCE.findall(plain):
            sentence = _clean(piece)
            if _has_word(sentence):
                self._say(sentence, sentence, "auto", events)
        return events


def _field_name(key: str) -> str | None:
    """Which of our fields a key means: jp, cn or emotion, also within a longer name such as responses_jp."""
    if len(key) > _MAX_KEY:
        return None
    words = _NOT_LETTERS.split(key.strip().lower())
    return next((_FIELD_OF_WORD[word] for word in words if word in _FIELD_OF_WORD), None)


def _scan(text: str) -> list[Token]:
    scanner = LooseJsonScanner(inside=True)
    return scanner.feed(text) + scanner.close()


def _clean(text: str) -> str:
    return _SPACES.sub(" ", text).strip().rstrip(",").rstrip()


def _emotion(label: str) -> Emotion:
    return next((emotion for emotion in EMOTIONS if emotion == label.strip().lower()), "auto")


def _has_word(text: str) -> bool:
    """Whether anything is left to show: a letter, a digit, an emoji, or a silence that is meant."""
    return any(char.isalnum() or char == "…" or unicodedata.category(char) == "So" for char in text)
