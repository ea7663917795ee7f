"""One utterance of a user in; its transcription messages, and the text that begins a turn, out."""

from dataclasses import dataclass, field
from typing import assert_never

import anyio
from msgspec import UNSET

from conversation.character import Character
from conversation.endpointing import Event, SpeechStarted, SpeechStopped, UtteranceAudio
from conversation.timeline import Timeline
from conversation.transcription import NoAudio, TranscriptionRequest, UtteranceBuffer, transcribe
from conversation.user_text import visible_text
from server.audio.received_audio import Microphone, milliseconds
from server.backend import Backend
from server.protocol import wire
from server.session.served_turn import NotHeard, TurnId
from server.session.user_history import UserHistory
from server.transport.connection import Connection
from services.base import RECOGNITION_RATE_HZ, ASRError, RecognitionHints

STREAM_PATIENCE_S = 15.0  # a stream was started and nothing comes: wire.md, `stream_timeout`
# In agent mode the clock of an utterance is its samples: a microphone switched off in mid-word would never come
# to the silence that ends it.
AGENT_PATIENCE_S = 2.0
_SLOWEST = 2  # times as long as it sounds may a stream take: who trickles on holds a vendor's session that costs money
_BYTES_PER_SECOND = RECOGNITION_RATE_HZ * 2


@dataclass(eq=False, slots=True)
class Utterance:
    """What a person is saying, from its first audio to its transcript."""

    kind: wire.TurnInput
    speech: UtteranceBuffer
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)  # of the hearing alone, not of the turn after
    ended_at: float | None = None  # when the last of it was received, on the loop's clock; as far as is known

    def close(self) -> None:
        """It is whole."""
        self.ended_at = self.ended_at or anyio.current_time()
        self.speech.close()

    def discard(self) -> None:
        """Nobody wants to know any more."""
        self.speech.abandon()
        self.scope.cancel()


class Ears:
    """How one user is heard."""

    def __init__(
        self, backend: Backend, connection: Connection, extensions: frozenset[wire.Extension], history: UserHistory
    ) -> None:
        self._backend = backend
        self._connection = connection
        self._send = connection.send
        self._extensions = extensions
        self._history = history

    def new_utterance(self, kind: wire.TurnInput) -> Utterance:
        """One that begins now, and may be as far ahead of the ASR as the limits say."""
        limit_bytes = int(self._backend.config.limits.buffered_audio_seconds * _BYTES_PER_SECOND)
        return Utterance(kind, UtteranceBuffer(limit_bytes, self._connection.check))

    async def hear(self, utterance: Utterance, character: Character, turn_id: TurnId = UNSET) -> str:
        """The final text, which was sent, as were the changing ones before it.

        Raises:
            NotHeard: there is none.
        """
        self._backend.llm.prepare()
        self._backend.tts.prepare(character.voice(self._backend.engines["tts"].name))
        if "stages" in self._extensions:
            await self._send(wire.AsrStart(turn_id))

        async def on_partial(heard: str) -> None:
            if text := visible_text(heard):
                await self._send(wire.Transcription(text, True, turn_id))

        try:
            heard = await transcribe(
                await self._request(utterance.kind, character), utterance.speech, self._backend.asr, on_partial
            )
        except ASRError as error:
            code: wire.ErrorCode = "asr_timeout" if error.timed_out else "asr_failed"
            raise NotHeard(wire.Error(str(error), code, error.retryable, turn_id=turn_id)) from error
        except NoAudio:
            silent = f"Too little audio came, or none for {STREAM_PATIENCE_S:g} seconds; start another stream"
            raise NotHeard(wire.Error(silent, "stream_timeout", retryable=True, turn_id=turn_id)) from None
        finally:
            utterance.speech.abandon()
        text = visible_text(heard)
        if not text:
            raise NotHeard(wire.Error(self._not_understood(character), "no_speech", retryable=True, turn_id=turn_id))
        await self._send(wire.Transcription(text, False, turn_id))
        if "stages" in self._extensions:
            await self._send(wire.AsrEnd(text, turn_id))
        return text

    async def tell(self, event: Event) -> None:
        """Extension `speech_events`."""
        match event:
            case SpeechStarted(at_sample) if self.tells_events:
                await self._send(wire.SpeechStarted(milliseconds(at_sample)))
            case SpeechStopped(at_sample) if self.tells_events:
                await self._send(wire.SpeechStopped(milliseconds(at_sample)))
            case SpeechStarted() | SpeechStopped() | UtteranceAudio():
                pass
            case _:
                assert_never(event)

    async def tell_cut(self, microphone: Microphone) -> None:
        """Nothing of what it has received is listened to any more; where that cuts speech short, so it is told."""
        if microphone.forget() and self.tells_events:
            await self._send(wire.SpeechStopped(microphone.received_ms))

    @property
    def tells_events(self) -> bool:
        """Whether the user wants to know where speech begins and ends."""
        return "speech_events" in self._extensions

    @property
    def phrases_only(self) -> bool:
        """Whoever is not understood should be told what can be."""
        return self._backend.asr.phrases_only

    async def _request(self, kind: wire.TurnInput, character: Character) -> TranscriptionRequest:
        hints = RecognitionHints(character.name, character.hotwords, await self._history.said_before(character.name))
        if kind == "agent":
            return TranscriptionRequest(hints, AGENT_PATIENCE_S, silence_ends=True, definite_ends=True)
        longest_s = _SLOWEST * self._backend.config.limits.max_audio_seconds.stream + STREAM_PATIENCE_S
        return TranscriptionRequest(hints, STREAM_PATIENCE_S, longest_s, whole=kind == "audio")

    def _not_understood(self, character: Character) -> str:
        if not self.phrases_only:
            return "No speech was recognised in this audio; please say it again"
        known = "、".join(character.suggestions)
        return (
            "Nothing was recognised: the built-in recogniser knows only the phrases of the demo"
            f"{f', such as {known}' if known else ''}; for free speech set the keys of a cloud recogniser"
        )


def begin_timeline(utterance: Utterance) -> Timeline:
    """Of the turn that answers an utterance whose final transcript has just come."""
    now = anyio.current_time()
    ended_at = utterance.ended_at if utterance.ended_at is not None else now
    timeline = Timeline(ended_at)
    timeline.mark("end_of_speech", ended_at)
    timeline.mark("final_transcript", now)
    return timeline
