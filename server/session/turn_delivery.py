"""One turn as its user sees it: what they say in; messages of the protocol out, and the turn kept in the history."""

import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field

import structlog

from conversation.character import Character
from conversation.events import ReplyAudio, SentenceBegun, ThinkingStarted, TurnEvent
from conversation.interruption.heard_lines import lines_heard
from conversation.prompt import build_prompt
from conversation.timeline import Timeline
from conversation.turn import Reply, TurnRequest, run_turn
from server.backend import Backend
from server.observability.incidents import incident
from server.protocol import wire
from server.session.audio_gate import AudioGate
from server.session.client import Client
from server.session.early_llm import EarlyLLM
from server.session.turn_messages import TurnId, TurnMessages, llm_code
from server.session.user_history import UserHistory
from server.transport.connection import ConnectionLost, HangUp
from services.base import Line, LLMError, Prompt

log = structlog.get_logger()


class NotTranscribed(Exception):
    """There is no transcript of what the user said; `error` is the answer to that, None where there is none."""

    def __init__(self, error: wire.Error | None) -> None:
        super().__init__(error and error.message)
        self.error = error


# How to find out what was said, for audio that is transcribed within its turn. May raise NotTranscribed.
Transcribe = Callable[[TurnId, Timeline], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Interruption:
    """Of a turn: by whom, and how much of its audio had been heard."""

    reason: wire.InterruptionReason
    heard_ms: int


async def prompt_of(
    said: str, character: Character, backend: Backend, history: UserHistory, *, tells: bool = True
) -> Prompt:
    """What the LLM is told for a turn. `tells`: the user, where the past cannot be read."""
    return build_prompt(
        character,
        backend.characters.reply_format,
        await history.recall(character.name, tells=tells),
        said,
        backend.config.llm.context_tokens,
    )


@dataclass(slots=True)
class TurnDelivery:
    """Run once, and then either finished or, where it was cut from outside, ended as that."""

    backend: Backend
    llm: EarlyLLM
    client: Client
    history: UserHistory
    character: Character
    number: int
    timeline: Timeline
    said: str | None = None  # not known yet
    turn_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    reply: Reply = field(default_factory=Reply)
    messages: TurnMessages = field(init=False)
    gate: AudioGate = field(init=False)
    failure: wire.Error | None = None  # instead of a reply
    interruption: Interruption | None = None
    audio_open: bool = False  # some was sent, or may have been, and its end was not

    def __post_init__(self) -> None:
        granted, rate_hz = self.client.extensions.granted, self.backend.tts.sample_rate_hz
        self.messages = TurnMessages(granted, self.turn_id, self.number, rate_hz, self.reply)
        lead_s = self.backend.config.audio.lead_ms / 1000
        self.gate = AudioGate(self.client.playback, lead_s if self.client.can_interrupt else None, self.client.echo)

    async def run(self, said: str | Transcribe, kind: wire.TurnInput) -> None:
        """From `thinking` to its last audio, or to a `failure` where nothing was recognised or the LLM fails before its
        first sentence. Cancelled or broken off, it keeps what was said and heard until then, marked as cut.
        """
        ended = False
        try:
            self.said = said if isinstance(said, str) else None  # it is kept, wherever the turn is cut
            await self._send(self.messages.begun(kind))
            self.said = said if isinstance(said, str) else await said(self.messages.shown_id, self.timeline)
            await self._talk(self.said)
            ended = True
        except (ConnectionLost, HangUp):
            raise
        except NotTranscribed as reason:
            ended = True
            self.failure = reason.error
        except LLMError as error:
            ended = True
            self.failure = wire.Error(str(error), llm_code(error), error.retryable, turn_id=self.messages.shown_id)
        except Exception:  # a defect of ours ends the turn, not the session
            self.failure = incident(turn_id=self.turn_id)
        finally:
            if not ended:
                await self._keep(self._lines_reached(), cut=True)

    async def finish(self) -> None:
        """After its last audio: it is kept, and its client gets the rest. What was spoken to its end is not cut."""
        if self.failure is not None:
            if self.audio_open:
                await self._end_audio()
            await self.client.send(self.failure)
            await self._end("failed")
            return
        kept = False
        try:
            if self.audio_open or not self.messages.sentence_by_sentence:
                await self._end_audio()
        finally:
            kept = await self._keep(self.reply.lines(), cut=self.reply.incomplete is not None)
        if not kept:
            await self.history.tell_unavailable()
        await self._send(self.messages.answered(self.reply.lines()))
        await self._end("completed")

    def interrupt(self, reason: wire.InterruptionReason, played_ms: int | None = None) -> None:
        """It is about to be cut. `played_ms`: of its audio, where the client counts that."""
        if self.interruption is None:
            self.interruption = Interruption(reason, self.gate.heard_ms(played_ms))

    async def end_interrupted(self) -> None:
        """After it was cut: its client stops playing, and learns how much of it is remembered."""
        assert self.interruption is not None
        await self.client.send(self.messages.interrupted(self.interruption.reason, self.interruption.heard_ms))
        self.gate.stopped()
        await self._end_audio()
        await self._send(self.messages.answered(self._lines_reached()))
        await self._end("interrupted")

    def _lines_reached(self) -> list[Line]:
        """Those of a turn that was broken off that are to be remembered."""
        if self.interruption is None and not self.client.can_interrupt:
            return self.reply.lines_begun()
        heard_ms = self.interruption.heard_ms if self.interruption else self.gate.heard_ms()
        return lines_heard(self.reply.sentences, heard_ms)

    async def _send(self, messages: Iterable[wire.AnyServerFrame]) -> None:
        for message in messages:
            await self.client.send(message)

    async def _end_audio(self) -> None:
        await self.client.send(self.messages.audio_ended())
        self.audio_open = False

    async def _talk(self, said: str) -> None:
        request = TurnRequest(
            await prompt_of(said, self.character, self.backend, self.history),
            self.character.voices,
            self.character.pronunciation,
            self.backend.config.audio.chunk_ms,
            translation_first=self.messages.sentence_by_sentence,
            paced=self.client.can_interrupt,
            guard=self.backend.characters.guard(self.character),
        )
        try:
            await run_turn(request, self.llm, self.backend.tts, self._emit, reply=self.reply, timeline=self.timeline)
        finally:
            if self.reply.repeated:
                log.warning("manifest_repeated", turn_id=self.turn_id, characters=self.reply.repeated)

    async def _emit(self, event: TurnEvent) -> None:
        match event:
            case ThinkingStarted():
                await self.client.played_out()
            case SentenceBegun(voiced=True):
                await self.gate.due()
            case ReplyAudio():
                await self.gate.due(event.pcm, self.backend.tts.sample_rate_hz)
                self.audio_open = True  # before: a turn that is cut in this await cannot know whether it left
        await self._send(self.messages.of(event))
        if isinstance(event, ReplyAudio):
            self.gate.sent(event.pcm, self.backend.tts.sample_rate_hz)

    async def _keep(self, lines: Sequence[Line], *, cut: bool) -> bool:
        if self.said is None:
            return True
        return await self.history.keep(self.character.name, self.turn_id, self.said, lines, cut=cut)

    async def _end(self, status: wire.TurnStatus) -> None:
        timings, guesses = self.timeline.timings_ms(), self.llm.told()
        log.info("turn", status=status, turn_id=self.turn_id, character=self.character.name, **timings, **guesses)
        await self._send(self.messages.ended(status, timings))
