"""One turn as its user sees it: what they say in; messages of the protocol out, and the turn kept in the history."""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import anyio
import structlog

from conversation.character import Character
from conversation.endpointing import BYTES_PER_SAMPLE
from conversation.events import ReplyAudio, ThinkingStarted, TurnEvent
from conversation.prompt import build_prompt
from conversation.timeline import Timeline
from conversation.turn import Reply, TurnRequest, run_turn
from server.backend import Backend
from server.observability.incidents import incident
from server.protocol import wire
from server.session.client import Client
from server.session.turn_messages import TurnId, TurnMessages, llm_code
from server.session.user_history import UserHistory
from server.transport.connection import ConnectionLost, HangUp
from services.base import Line, LLMError

log = structlog.get_logger()


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
    client: Client
    history: UserHistory
    character: Character
    number: int
    timeline: Timeline
    said: str | None = None  # not known yet
    turn_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    reply: Reply = field(default_factory=Reply)
    messages: TurnMessages = field(init=False)
    audio_open: bool = False  # some was sent, or may have been, and its end was not
    over: bool = False

    def __post_init__(self) -> None:
        granted, rate_hz = self.client.extensions.granted, self.backend.tts.sample_rate_hz
        self.messages = TurnMessages(granted, self.turn_id, self.number, rate_hz, self.reply)

    async def run(self, said: str | Transcribe, kind: wire.TurnInput) -> None:
        """From `thinking` to its last message, or to `error` where nothing was heard or the LLM fails before its first
        sentence. Cancelled or broken off, it keeps what was said and heard until then, marked as cut.
        """
        ended = False
        try:
            self.said = said if isinstance(said, str) else None  # it is kept, wherever the turn is cut
            await self._send(self.messages.begun(kind))
            self.said = said if isinstance(said, str) else await said(self.messages.shown_id, self.timeline)
            await self._talk(self.said)
            if self.audio_open or not self.messages.sentence_by_sentence:
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
            await self._fail(wire.Error(str(error), llm_code(error), error.retryable, turn_id=self.messages.shown_id))
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
        await self._send(self.messages.answered())
        await self._end("completed")

    async def end_cut(self) -> None:
        """After a turn that was cut: its client learns that no more of it comes."""
        if self.audio_open:
            await self._end_audio()
        if not self.over:
            await self._end("interrupted")

    async def _send(self, messages: Iterable[wire.AnyServerFrame]) -> None:
        for message in messages:
            await self.client.send(message)

    async def _end_audio(self) -> None:
        await self.client.send(self.messages.audio_ended())
        self.audio_open = False

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
            translation_first=self.messages.sentence_by_sentence,
            guard=self.backend.characters.guard(self.character),
        )
        try:
            await run_turn(
                request, self.backend.llm, self.backend.tts, self._emit, reply=self.reply, timeline=self.timeline
            )
        finally:
            if self.reply.repeated:
                log.warning("manifest_repeated", turn_id=self.turn_id, characters=self.reply.repeated)

    async def _emit(self, event: TurnEvent) -> None:
        match event:
            case ThinkingStarted():
                await self.client.played_out()
            case ReplyAudio():
                self.audio_open = True  # before: a turn that is cut in this await cannot know whether it left
        await self._send(self.messages.of(event))
        if isinstance(event, ReplyAudio):
            seconds = len(event.pcm) / (BYTES_PER_SAMPLE * self.backend.tts.sample_rate_hz)
            self.client.playback.sent(seconds, anyio.current_time())

    async def _keep(self, lines: Sequence[Line], *, cut: bool) -> bool:
        if self.said is None:
            return True
        return await self.history.keep(self.character.name, self.turn_id, self.said, lines, cut=cut)

    async def _fail(self, error: wire.Error) -> None:
        await self.client.send(error)
        await self._end("failed")

    async def _end(self, status: wire.TurnStatus) -> None:
        timings = self.timeline.timings_ms()
        log.info("turn", status=status, turn_id=self.turn_id, character=self.character.name, **timings)
        await self._send(self.messages.ended(status, timings))
        self.over = True
