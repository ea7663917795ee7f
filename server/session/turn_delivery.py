"""One turn as its user sees it: what they say in; messages of the protocol out, and the turn kept in the history."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

import structlog
from msgspec import UNSET, UnsetType

from conversation.character import Character
from conversation.events import (
    ReplyAudio,
    SentenceBegun,
    SentenceTranslated,
    SynthesisStarted,
    ThinkingEnded,
    ThinkingStarted,
    TurnEvent,
)
from conversation.prompt import build_prompt
from conversation.reply.joining import join_sentences, reply_emotion
from conversation.timeline import Timeline
from conversation.turn import Reply, TurnRequest, run_turn
from server.backend import Backend
from server.observability.incidents import incident
from server.protocol import wire
from server.session.user_history import UserHistory
from server.transport.connection import ConnectionLost, HangUp
from services.base import Line, LLMError

log = structlog.get_logger()

Send = Callable[[wire.AnyServerFrame], Awaitable[None]]
TurnId: TypeAlias = str | UnsetType  # on messages of the base protocol only for those who asked for `turns`


class NotTranscribed(Exception):
    """There is no transcript of what the user said; `error` is the answer to that."""

    def __init__(self, error: wire.Error) -> None:
        super().__init__(error.message)
        self.error = error


# How to find out what was said, for audio that is transcribed within its turn. May raise NotTranscribed.
Transcribe = Callable[[TurnId, Timeline], Awaitable[str]]


@dataclass(slots=True)
class TurnDelivery:
    """Run once."""

    backend: Backend
    send: Send
    extensions: frozenset[wire.Extension]
    history: UserHistory
    character: Character
    number: int
    timeline: Timeline
    said: str | None = None  # not known yet
    turn_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    reply: Reply = field(default_factory=Reply)
    audio_open: bool = False  # some was sent, or may have been, and its end was not
    over: bool = False

    async def run(self, said: str | Transcribe, kind: wire.TurnInput) -> None:
        """From `thinking` to `response`, or to `error` where nothing was heard or the LLM fails before its first
        sentence. Cancelled or broken off, it keeps what was said and heard until then, marked as cut.
        """
        ended = False
        try:
            self.said = said if isinstance(said, str) else None  # it is kept, wherever the turn is cut
            await self._begin(kind)
            self.said = said if isinstance(said, str) else await said(self.shown_id, self.timeline)
            await self._talk(self.said)
            await self._end_audio()
            ended = True
        except (ConnectionLost, HangUp):
            raise
        except NotTranscribed as reason:
            ended = True
            await self._fail(reason.error)
            return
        except LLMError as error:
            ended = True
            await self._fail(wire.Error(str(error), _code(error), error.retryable, turn_id=self.shown_id))
            return
        except Exception:  # a defect of ours ends the turn, not the session
            if self.audio_open:
                await self._end_audio()
            await self._fail(incident(turn_id=self.turn_id))
            return
        finally:
            if not ended:
                await self._keep(self.reply.lines_begun(), cut=True)
        if not await self._keep(self.reply.lines(), cut=self.reply.incomplete is not None):
            await self.history.tell_unavailable()
        await self.send(self._response())
        await self._end("completed")

    @property
    def shown_id(self) -> TurnId:
        """The turn's id on its messages."""
        return self.turn_id if "turns" in self.extensions else UNSET

    async def end_cut(self) -> None:
        """After a turn that was cut: its client learns that no more of it comes."""
        if self.audio_open:
            await self._end_audio()
        if not self.over:
            await self._end("interrupted")

    async def _end_audio(self) -> None:
        await self.send(wire.AudioEnd(self.shown_id))
        self.audio_open = False

    async def _begin(self, kind: wire.TurnInput) -> None:
        if "turns" in self.extensions:
            await self.send(wire.TurnStarted(self.turn_id, kind, self.number))
        await self.send(wire.Thinking(turn_id=self.shown_id))

    async def _talk(self, said: str) -> None:
        prompt = build_prompt(
            self.character,
            self.backend.characters.reply_format,
            await self.history.recall(self.character.name),
            said,
            self.backend.config.llm.context_tokens,
        )
        request = TurnRequest(
            prompt,
            self.character.voice(self.backend.engines["tts"].name),
            self.character.pronunciation,
            self.backend.config.audio.chunk_ms,
        )
        await run_turn(
            request, self.backend.llm, self.backend.tts, self._emit, reply=self.reply, timeline=self.timeline
        )

    async def _emit(self, event: TurnEvent) -> None:
        """A turn's event as the message it is for this user, if it is one."""
        match event:
            case ReplyAudio(index, pcm):
                self.audio_open = True  # before: a turn that is cut in this await cannot know whether it left
                if "binary_audio" in self.extensions:
                    await self.send(wire.AudioFrame(pcm, index, self.number))
                else:
                    await self.send(wire.AudioChunk(pcm, "pcm", self.backend.tts.sample_rate_hz, self.shown_id))
            case SentenceBegun(index, jp, cn, emotion, start_ms) | SentenceTranslated(index, jp, cn, emotion, start_ms):
                if "sentences" in self.extensions:
                    await self.send(wire.SentenceMessage(self.turn_id, index, jp, cn, emotion, start_ms))
            case ThinkingStarted():
                await self._stage(wire.LlmStart(self.shown_id))
            case ThinkingEnded(elapsed_s):
                await self._stage(wire.LlmEnd(round(elapsed_s, 3), self.shown_id))
            case SynthesisStarted(text, emotion):
                await self._stage(wire.TtsStart(text, emotion, self.shown_id))
            case _:
                assert_never(event)

    async def _stage(self, message: wire.LlmStart | wire.LlmEnd | wire.TtsStart) -> None:
        if "stages" in self.extensions:
            await self.send(message)

    async def _keep(self, lines: Sequence[Line], *, cut: bool) -> bool:
        if self.said is None:
            return True
        return await self.history.keep(self.character.name, self.turn_id, self.said, lines, cut=cut)

    def _response(self) -> wire.Response:
        lines = self.reply.lines()
        audio_error, incomplete = self.reply.audio_error, self.reply.incomplete
        return wire.Response(
            content_cn=join_sentences(line.cn for line in lines),
            content_jp=join_sentences(line.jp for line in lines),
            emotion=reply_emotion(lines),
            audio_sample_rate=self.backend.tts.sample_rate_hz,
            audio_error=wire.AudioError("tts_timeout" if audio_error.timed_out else "tts_failed", str(audio_error))
            if audio_error
            else UNSET,
            incomplete=True if incomplete else UNSET,
            reason=_reason(incomplete) if incomplete else UNSET,
            turn_id=self.shown_id,
        )

    async def _fail(self, error: wire.Error) -> None:
        await self.send(error)
        await self._end("failed")

    async def _end(self, status: wire.TurnStatus) -> None:
        timings = self.timeline.timings_ms()
        log.info("turn", status=status, turn_id=self.turn_id, character=self.character.name, **timings)
        if "turns" in self.extensions:
            await self.send(wire.TurnEnd(self.turn_id, status, timings))
        elif "stages" in self.extensions:
            await self.send(wire.TurnEnd())
        self.over = True


def _code(error: LLMError) -> Literal["llm_failed", "llm_timeout"]:
    return "llm_timeout" if error.timed_out else "llm_failed"


def _reason(incomplete: LLMError | Literal["too_long"]) -> wire.IncompleteReason:
    if incomplete == "too_long" or incomplete.too_long:
        return "too_long"
    return _code(incomplete)
