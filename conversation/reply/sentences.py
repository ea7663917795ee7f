"""Pure: what was found of a reply in; its sentences, numbered and bounded, as events out."""

from dataclasses import dataclass
from itertools import zip_longest

from conversation.reply import names
from conversation.reply.joining import join_sentences
from conversation.reply.labels import Speakers
from conversation.reply.language import foreign_language
from services.base import Emotion

MAX_SENTENCES = 40


@dataclass(frozen=True, slots=True)
class SentenceReady:
    """A sentence can be spoken. `cn` is None where the translation is not written yet.

    `language`: what a voice must know to say it, where that is not Japanese; UNSPOKEN where no voice is to say it.
    """

    index: int
    jp: str
    emotion: Emotion
    cn: str | None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class TranslationReady:
    """The translation of an earlier sentence is whole."""

    index: int
    cn: str


ReplyEvent = SentenceReady | TranslationReady


class Sentences:
    """The sentences said so far, and the events not yet taken."""

    def __init__(self, speakers: Speakers) -> None:
        self.speakers = speakers
        self.count = 0
        self.too_long = False
        self._events: list[ReplyEvent] = []

    def take(self) -> list[ReplyEvent]:
        events, self._events = self._events, []
        return events

    def say(self, jp: str, cn: str | None, emotion: Emotion, language: str | None = None) -> int | None:
        """Give the sentence's index, or None where there is nothing to say or no room."""
        jp, cn = self.speakers.without_own(jp), cn and self.speakers.without_own(cn)
        if not jp or self.too_long:
            return None
        if self.count == MAX_SENTENCES:
            self.too_long = True
            return None
        self._events.append(SentenceReady(self.count, jp, emotion, cn, language))
        self.count += 1
        return self.count - 1

    def translate(self, index: int, cn: str) -> None:
        if not self.too_long:
            self._events.append(TranslationReady(index, self.speakers.without_own(cn)))

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
            self.say(spoken, join_sentences(texts), emotion, None if any(jp) else _of_translation(spoken))

    def say_texts(self, jp: str, cn: str, emotion: Emotion) -> None:
        """A sentence of which one text may be missing."""
        self.say(jp or cn, cn or jp, emotion, None if jp else _of_translation(cn))


def _of_translation(text: str) -> str | None:
    return foreign_language(text, japanese_around=False)
