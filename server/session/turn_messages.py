"""Pure: what happens in a turn in; the messages of the protocol it is for this client out."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias, assert_never

from msgspec import UNSET, UnsetType

from conversation.events import (
    ReplyAudio,
    SentenceBegun,
    SentenceTranslated,
    SynthesisStarted,
    ThinkingEnded,
    ThinkingStarted,
    TurnEvent,
)
from conversation.reply.joining import join_sentences, reply_emotion
from conversation.turn import Reply
from server.protocol import wire
from services.base import Line, LLMError

TurnId: TypeAlias = str | UnsetType  # on messages of the base protocol only for those who asked for `turns`
Messages: TypeAlias = Iterator[wire.AnyServerFrame]


class TurnMessages:
    """Of one turn. The extensions are those of its beginning: one that is granted meanwhile begins with the next."""

    def __init__(
        self, extensions: frozenset[wire.Extension], turn_id: str, number: int, sample_rate_hz: int, reply: Reply
    ) -> None:
        self._has = extensions
        self._id = turn_id
        self._number = number
        self._rate_hz = sample_rate_hz
        self._reply = reply

    @property
    def shown_id(self) -> TurnId:
        """The turn's id on its messages."""
        return self._id if "turns" in self._has else UNSET

    @property
    def sentence_by_sentence(self) -> bool:
        """Whether each sentence has a `response` of its own, before its audio, and all of them no other."""
        return "sentence_responses" in self._has

    def begun(self, kind: wire.TurnInput) -> Messages:
        """The first of all."""
        if "turns" in self._has:
            yield wire.TurnStarted(self._id, kind, self._number)
        yield wire.Thinking(turn_id=self.shown_id)

    def of(self, event: TurnEvent) -> Messages:
        """An event of the turn, if it is one for this client."""
        stages = "stages" in self._has
        match event:
            case ReplyAudio(index, pcm):
                yield self._audio(index, pcm)
            case SentenceBegun(_, jp, cn, emotion, _, voiced):
                yield from self._sentence(event)
                if self.sentence_by_sentence:
                    if voiced:
                        yield wire.TtsStart(jp, emotion, self.shown_id)
                    yield wire.Response(cn or jp, jp, emotion, audio_sample_rate=self._rate_hz, turn_id=self.shown_id)
            case SentenceTranslated():
                yield from self._sentence(event)
            case ThinkingStarted():
                if stages:
                    yield wire.LlmStart(self.shown_id)
            case ThinkingEnded(elapsed_s):
                if stages:
                    yield wire.LlmEnd(round(elapsed_s, 3), self.shown_id)
            case SynthesisStarted(text, emotion):
                if stages and not self.sentence_by_sentence:
                    yield wire.TtsStart(text, emotion, self.shown_id)
            case _:
                assert_never(event)

    def audio_ended(self) -> wire.AudioEnd:
        """No more audio comes."""
        return wire.AudioEnd(self.shown_id)

    def interrupted(self, reason: wire.InterruptionReason, heard_ms: int) -> wire.Interrupted:
        """Instead of the rest of its audio."""
        return wire.Interrupted(self._id, reason, heard_ms)

    def answered(self, lines: Sequence[Line]) -> Messages:
        """The whole reply, or what there is of it."""
        if not self.sentence_by_sentence:
            yield wire.Response(
                content_cn=join_sentences(line.cn for line in lines),
                content_jp=join_sentences(line.jp for line in lines),
                emotion=reply_emotion(lines),
                audio_sample_rate=self._rate_hz,
                **self._shortcomings(),
                turn_id=self.shown_id,
            )

    def ended(self, status: wire.TurnStatus, timings_ms: dict[str, int]) -> Messages:
        """The last of all."""
        shortcomings = self._shortcomings() if self.sentence_by_sentence else {}
        if "turns" in self._has:
            yield wire.TurnEnd(self._id, status, timings_ms, **shortcomings)
        elif "stages" in self._has:
            yield wire.TurnEnd(**shortcomings)

    def _audio(self, index: int, pcm: bytes) -> wire.AnyServerFrame:
        if "binary_audio" in self._has:
            return wire.AudioFrame(pcm, index, self._number)
        return wire.AudioChunk(pcm, "pcm", self._rate_hz, self.shown_id)

    def _sentence(self, event: SentenceBegun | SentenceTranslated) -> Messages:
        if "sentences" in self._has:
            yield wire.SentenceMessage(self._id, event.index, event.jp, event.cn, event.emotion, event.start_ms)

    def _shortcomings(self) -> wire.Shortcomings:
        """What the reply lacks."""
        shortcomings: wire.Shortcomings = {}
        if error := self._reply.audio_error:
            shortcomings["audio_error"] = wire.AudioError(
                "tts_timeout" if error.timed_out else "tts_failed", str(error)
            )
        if incomplete := self._reply.incomplete:
            shortcomings["incomplete"] = True
            shortcomings["reason"] = _reason(incomplete)
        return shortcomings


def llm_code(error: LLMError) -> Literal["llm_failed", "llm_timeout"]:
    """The code of an LLM's failure."""
    return "llm_timeout" if error.timed_out else "llm_failed"


def _reason(incomplete: LLMError | Literal["too_long"]) -> wire.IncompleteReason:
    if incomplete == "too_long" or incomplete.too_long:
        return "too_long"
    return llm_code(incomplete)
