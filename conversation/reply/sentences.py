"""Pure: what was found of a reply in; its sentences, numbered and bounded, as events out."""

from dataclasses import dataclass
from itertools import zip_longest

from conversation.reply import names, words
from conversation.reply.joining import join_sentences
from services.base import Emotion

MAX_SENTENCES = 40


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


class Sentences:
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
                rows.append((spoken, [*early, shown], names.emotion_of(label)))
                early.clear()
            else:
                (rows[-1][1] if rows else early).append(shown)
        for spoken, texts, emotion in rows:
            self.say(spoken, join_sentences(texts), emotion)

    def say_plain(self, text: str, *, like_json: bool) -> None:
        """Plain text, or the words that are left of JSON without a field of ours."""
        sentences = words.plain_sentences(text, like_json=like_json)
        labels = [sentence for sentence in sentences if like_json and names.is_emotion(sentence)]
        kept = [sentence for sentence in sentences if sentence not in labels]
        for sentence in kept or [label for label in labels if not label.isascii()]:  # as a word it may be all there is
            self.say(sentence, sentence, names.emotion_of(labels[0]) if labels else "auto")
