"""Sans-IO: an LLM's text in; its sentences out, until it repeats what it was told: then a line of the character's own.

What was spoken before that stays; the sentence in which it becomes too much is replaced, and the reply ends there.
"""

from dataclasses import dataclass, replace
from typing import Final

from conversation.reply.labels import NOBODY, Speakers
from conversation.reply.parser import ReplyEvent, ReplyParser, SentenceReady, TranslationReady
from conversation.reply.prompt_text import PromptText, Repetition
from services.base import Emotion, Line

LONGEST: Final = 80  # characters of a prompt, in one stretch, that anybody may happen to say


@dataclass(frozen=True, slots=True)
class Guard:
    """What is not to be repeated, and what the character says instead; and whose name is whose."""

    prompt: PromptText
    deflection: Line
    speakers: Speakers = NOBODY


class GuardedParser:
    """A ReplyParser. `repeated`: how much of the prompt was in what was replaced; where any was, the reply is over."""

    def __init__(self, guard: Guard | None) -> None:
        self._parser = ReplyParser(guard.speakers if guard else NOBODY)
        self._guard = guard
        prompt = guard.prompt if guard else PromptText("")
        self._jp, self._cn, self._both = Repetition(prompt), Repetition(prompt), Repetition(prompt)
        self._ahead = ("", True)  # words of the sentence that is being written, and whether these may be spoken
        self.repeated = 0

    @property
    def too_long(self) -> bool:
        return self._parser.too_long

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes, whatever the LLM writes."""
        return self.too_long or self.repeated > 0

    @property
    def emotion_ahead(self) -> Emotion | None:
        return self._parser.emotion_ahead

    @property
    def words_ahead(self) -> str:
        """None that repeat anything: they wait until the sentence is whole, for it may be replaced. A voice that was
        told of a beginning before them drops it, because the line in its place begins otherwise."""
        words = self._parser.words_ahead
        if words != self._ahead[0]:
            repeated = max(self._jp.would_read(words), self._both.would_read(words))
            self._ahead = words, repeated == 0
        return words if self._ahead[1] else ""

    def feed(self, delta: str) -> list[ReplyEvent]:
        return [] if self.is_over else self._guarded(self._parser.feed(delta))

    def close(self) -> list[ReplyEvent]:
        return [] if self.is_over else self._guarded(self._parser.close())

    def _guarded(self, events: list[ReplyEvent]) -> list[ReplyEvent]:
        self._ahead = ("", True) if events else self._ahead
        passed: list[ReplyEvent] = []
        for event in events:
            repeated = self._repeated(event)
            if self._guard is not None and repeated > LONGEST:
                self.repeated = repeated
                passed.append(_replaced(event, self._guard.deflection))
                break
            passed.append(event)
        return passed

    def _repeated(self, event: ReplyEvent) -> int:
        """In one language, or from one to the other."""
        match event:
            case SentenceReady(_, jp, _, cn):
                found = max(self._jp.read(jp), self._both.read(jp))
                if cn == jp:  # plain text, which stands in for its translation: nobody said it twice
                    return max(found, self._cn.read(cn))
                return found if cn is None else max(found, self._repeated_in_translation(cn))
            case TranslationReady(_, cn):
                return self._repeated_in_translation(cn)

    def _repeated_in_translation(self, cn: str) -> int:
        return max(self._cn.read(cn), self._both.read(cn))


def _replaced(event: ReplyEvent, line: Line) -> ReplyEvent:
    match event:
        case SentenceReady(index):
            return SentenceReady(index, line.jp, line.emotion, line.cn)
        case TranslationReady():
            return replace(event, cn=line.cn)
