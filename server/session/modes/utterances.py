"""Utterances of one user in; their transcription messages, and for each the text that begins a turn, out.

The side of what is heard. An utterance of a stream or of agent mode has a task of its own from its beginning, and a
place in the order of requests: what was asked before it is answered before it. A recording is transcribed within its
turn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from conversation.character import Character
from conversation.early_asking import EarlyAsking
from conversation.endpointing import BYTES_PER_SAMPLE
from conversation.interruption.judge import Rules, is_harmless
from conversation.timeline import Timeline
from conversation.transcription import NoAudio, TranscriptionRequest, UtteranceBuffer, transcribe
from conversation.user_text import spoken_text
from server.audio.received_audio import milliseconds
from server.backend import Backend
from server.protocol import wire
from server.session.modes.telling import OverReply, Telling, TellingInOrder
from server.session.request_queue import Place
from server.session.requests import Requests
from server.session.turn_delivery import NotTranscribed
from server.session.turn_messages import TurnId
from server.session.turns import Turns
from server.transport.connection import ConnectionLost, HangUp
from services.base import RECOGNITION_RATE_HZ, ASRError, RecognitionHints

STREAM_PATIENCE_S = 15.0  # a stream was started and nothing comes: docs/protocol.en.md, `stream_timeout`
# In agent mode the clock of an utterance is its samples: a microphone switched off in mid-word would never come
# to the silence that ends it.
AGENT_PATIENCE_S = 2.0
_SLOWEST = 2  # a stream may take so many times as long as it sounds: a slow one holds a vendor's session, which costs
_BYTES_PER_SECOND = RECOGNITION_RATE_HZ * 2


class UtteranceOwner(Protocol):
    """Where an utterance comes from, and who is told what became of it: stream.py, agent.py."""

    async def begun(self) -> None:
        """The utterance goes to the ASR."""
        ...

    async def heard(self, utterance: "Utterance") -> None:
        """The ASR takes no more of it."""
        ...

    async def transcribed(self, utterance: "Utterance") -> bool:
        """Its final transcript was sent. Whether a turn answers it."""
        ...

    async def not_transcribed(self, utterance: "Utterance", error: wire.Error | None) -> None:
        """There is none. Says so where the user should know; None: a defect of ours, which is told elsewhere."""
        ...


class Guesses:
    """Of one utterance: the LLM is asked early for the answer to it, once everything before it is answered."""

    def __init__(self, requests: Requests, turns: Turns) -> None:
        self.place: Place | None = None
        self._requests = requests
        self._turns = turns
        self._asking = EarlyAsking()
        self._guessed = ""
        self._heard = (0, 0, False)

    def understood(self, text: str) -> None:
        """So much, until now."""
        self._asking.understood(text)
        self._guess()

    def listened(self, silence_ms: int, now_ms: int, *, ended: bool = False) -> None:
        """There is so much silence behind the last word, at this time of the received audio."""
        self._heard = silence_ms, now_ms, ended
        self._guess()

    def drop(self) -> None:
        """The utterance is answered, or never will be."""
        self.place = None
        if self._guessed:  # else the guess there may be is another utterance's
            self._turns.llm.drop()

    def _guess(self) -> None:
        if self.place is None or not self.place.is_reached:
            return
        silence_ms, now_ms, ended = self._heard
        wanted = self._asking.wanted(silence_ms, now_ms, ended=ended)
        if wanted == self._guessed:
            return
        self._guessed = wanted
        self._turns.llm.drop()
        if wanted and self._requests.allows_guess():
            self._requests.beside(self._turns.guess(wanted))


@dataclass(eq=False, slots=True)
class Utterance:
    """What a user is saying, from its first audio to its transcript."""

    kind: wire.TurnInput
    audio: UtteranceBuffer
    understood: Callable[[str], None] | None = None  # told each partial transcript
    guesses: Guesses | None = None
    over: OverReply | None = None  # where it may be said into a reply: it goes to the ASR at once
    interrupts: bool = False  # it began while a reply was spoken, and may end that
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)  # of its transcription, not of the turn after
    ended_at: float | None = None  # when the last of it was received, on the loop's clock; as far as is known
    used_samples: int | None = None  # so many of it, in its transcript, once there is one

    @property
    def discarded(self) -> bool:
        """Whether it was given up: its mode was left, or it became too long."""
        return self.scope.cancel_called

    def close(self) -> None:
        """It is whole."""
        self.ended_at = self.ended_at or anyio.current_time()
        self.audio.close()

    def ended_by(self, at: float) -> None:
        """What was received later, on the loop's clock, is none of it."""
        self.ended_at = min(self.ended_at or at, at)

    def listened(self, silence_ms: int, heard_samples: int, *, ended: bool = False) -> None:
        """As in Guesses."""
        if self.guesses is not None:
            self.guesses.listened(silence_ms, milliseconds(heard_samples), ended=ended)

    def discard(self) -> None:
        """It will not be answered."""
        self.audio.abandon()
        self.scope.cancel()


class Utterances:
    """All that one user says, in every mode, on its way to text."""

    def __init__(self, backend: Backend, requests: Requests, turns: Turns) -> None:
        self._backend = backend
        self._requests = requests
        self._turns = turns
        self._hinted = False

    def interruption_rules(self) -> Rules:
        """By which speech into a reply is judged."""
        shortest_ms = self._backend.config.agent.barge_in_min_ms
        return Rules(shortest_ms, self._backend.asr.tells_partials, lambda text: is_harmless(text, self._turns.speech))

    def hint(self) -> bool:
        """Whether the ASR knows a few phrases and no other, and the user was not told so yet."""
        if self._hinted or not self._backend.asr.phrases_only:
            return False
        self._hinted = True
        return True

    def new(
        self, kind: wire.TurnInput, understood: Callable[[str], None] | None = None, over: OverReply | None = None
    ) -> Utterance:
        """One that begins now, and may be as far ahead of the ASR as the limits say."""
        agent = self._backend.config.agent
        limit_bytes = int(self._backend.config.limits.buffered_audio_seconds * _BYTES_PER_SECOND)
        guesses = Guesses(self._requests, self._turns) if kind == "agent" and agent.speculative else None
        return Utterance(kind, UtteranceBuffer(limit_bytes), understood, guesses, over)

    async def serve(self, utterance: Utterance, owner: UtteranceOwner, place: Place) -> None:
        """Its transcript, in its place or at once, and in its place the turn that answers it."""
        if (guesses := utterance.guesses) is None:
            await self._serve(utterance, owner, place)
            return
        guesses.place = place
        try:
            await self._serve(utterance, owner, place)
        finally:
            guesses.drop()

    async def _serve(self, utterance: Utterance, owner: UtteranceOwner, place: Place) -> None:
        if utterance.over is None and not await place.reached():
            utterance.discard()
        if utterance.discarded:
            return
        text = await self._transcript(utterance, owner, place)
        if text is not None and await owner.transcribed(utterance):
            await self._turns.answer(text, utterance.kind, begin_timeline(utterance))

    async def transcribe(self, utterance: Utterance, telling: Telling, owner: UtteranceOwner | None = None) -> str:
        """The final text, which was sent, as were the changing ones before it.

        Raises:
            NotTranscribed: there is none, or it is not said to the character.
        """
        character = self._turns.character
        self._backend.llm.prepare()
        self._backend.tts.prepare(character.voices)

        async def on_partial(partial: str) -> None:
            if text := spoken_text(partial):
                if utterance.understood is not None:
                    utterance.understood(text)
                if utterance.guesses is not None:
                    utterance.guesses.understood(text)
                await telling.partial(text)

        try:
            await telling.begin()
            request = await self._request(utterance.kind, character)
            transcribed = await transcribe(request, utterance.audio, self._backend.asr, on_partial)
            text, utterance.used_samples = spoken_text(transcribed.text), transcribed.audio_bytes // BYTES_PER_SAMPLE
        except ASRError as error:
            code: wire.ErrorCode = "asr_timeout" if error.timed_out else "asr_failed"
            raise NotTranscribed(wire.Error(str(error), code, error.retryable, turn_id=telling.turn_id)) from error
        except NoAudio as silence:
            raise NotTranscribed(_nothing_came(silence, telling.turn_id)) from None
        finally:
            utterance.audio.abandon()
            if owner is not None:
                await owner.heard(utterance)
        if not text:
            nothing = self._not_understood(character)
            raise NotTranscribed(wire.Error(nothing, "no_speech", retryable=True, turn_id=telling.turn_id))
        await telling.final(text)
        return text

    async def _transcript(self, utterance: Utterance, owner: UtteranceOwner, place: Place) -> str | None:
        try:
            with utterance.scope:
                await owner.begun()
                telling = Telling(self._requests.client)
                if utterance.over is not None:
                    telling = TellingInOrder(self._requests.client, utterance.over, place)
                return await self.transcribe(utterance, telling, owner)
        except NotTranscribed as reason:
            if reason.error is not None:
                await owner.not_transcribed(utterance, reason.error)
        except (ConnectionLost, HangUp):
            raise
        except Exception:  # a defect of ours must not leave the mode waiting for ever
            await owner.not_transcribed(utterance, None)
            raise
        finally:
            utterance.audio.abandon()  # wherever it ended: somebody may wait for room in it
        return None

    async def _request(self, kind: wire.TurnInput, character: Character) -> TranscriptionRequest:
        dialogue = await self._turns.history.said_before(character.name)
        language = character.hears or self._backend.config.asr.language
        hints = RecognitionHints(
            character.name, character.hotwords, dialogue, language="" if language == "auto" else language
        )
        if kind == "agent":
            return TranscriptionRequest(hints, AGENT_PATIENCE_S, silence_ends=True, definite_ends=True)
        longest_s = _SLOWEST * self._backend.config.limits.max_audio_seconds.stream + STREAM_PATIENCE_S
        return TranscriptionRequest(hints, STREAM_PATIENCE_S, longest_s, whole=kind == "audio")

    def _not_understood(self, character: Character) -> str:
        if not self._backend.asr.phrases_only:
            return "No speech was recognised in this audio; please say it again"
        known = "、".join(character.suggestions)
        return (
            "Nothing was recognised: the built-in recogniser knows only the phrases of the demo"
            f"{f', such as {known}' if known else ''}; for free speech set the keys of a cloud recogniser"
        )


def _nothing_came(silence: NoAudio, turn_id: TurnId) -> wire.Error:
    if silence.ended:
        never = "No audio came in this stream: send audio_stream_chunk between its start and its end"
        return wire.Error(never, "no_speech", retryable=True, turn_id=turn_id)
    silent = f"Too little audio came, or none for {STREAM_PATIENCE_S:g} seconds; start another stream"
    return wire.Error(silent, "stream_timeout", retryable=True, turn_id=turn_id)


def begin_timeline(utterance: Utterance) -> Timeline:
    """Of the turn that answers an utterance whose final transcript has just come."""
    now = anyio.current_time()
    ended_at = utterance.ended_at if utterance.ended_at is not None else now
    timeline = Timeline(ended_at)
    timeline.mark("end_of_speech", ended_at)
    timeline.mark("final_transcript", now)
    return timeline
