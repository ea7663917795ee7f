"""Agent mode of one user: the audio of an open microphone in; utterances, each from its first word on, out.

The table of conversation/turn_taking.py decides, conversation/endpointing.py hears where speech begins and ends; what
is here does what they say.
"""

from functools import partial
from typing import assert_never

import anyio.lowlevel

from conversation.endpointing import Event as EndpointingEvent
from conversation.endpointing import SpeechStarted, SpeechStopped, UtteranceAudio
from conversation.turn_taking import Attention, Effect, Event
from server.audio.chunk_intake import ChunkIntake
from server.audio.received_audio import ReceivedAudio, milliseconds
from server.backend import Backend
from server.protocol import wire
from server.session.floor import Floor
from server.session.modes.interruptions import Interruptions
from server.session.modes.speech_events import SpeechEvents
from server.session.modes.utterances import Utterance, Utterances
from server.session.requests import Requests
from services.base import RECOGNITION_RATE_HZ


class AgentMode:
    """From `agent_mode_start` to `agent_mode_stop`. Audio is always taken; the table decides what becomes of it."""

    expected = "Hands-free talk is on: send agent_audio_chunk or agent_mode_stop"

    def __init__(
        self,
        backend: Backend,
        requests: Requests,
        utterances: Utterances,
        events: SpeechEvents,
        floor: Floor,
        listening: wire.Listening,
    ) -> None:
        """`listening` announces that audio is heard."""
        self._requests = requests
        self._utterances = utterances
        self._events = events
        self._floor = floor
        self._listening = listening
        self._intake = ChunkIntake(requests.client.audio_rate_hz, backend.config.limits.max_chunk_bytes)
        self._received = ReceivedAudio(backend.config, backend.vad, requests.client.echo)
        self._utterance: Utterance | None = None  # what is being said, or was said last
        self._interruptions = Interruptions(
            requests, lambda: floor.heard, partial(floor.told, self), utterances.interruption_rules()
        )
        self._hears = False

    async def receive(self, chunk: bytes) -> None:
        """The next audio of the microphone. Waits while the ASR is behind.

        Raises:
            BadAudio: it is not taken.
        """
        await self._received.receive(self._intake.take(chunk))
        if self._floor.attention is Attention.SKIP:
            self._received.forget()
        await self.hear(waits=True)

    async def hear(self, *, waits: bool) -> None:
        """Go through all audio that has come, as long as the table says so. One call at a time: a second one returns at
        once, and the first goes on with what the second came for.

        `waits`: for room in the utterance's buffer. Not where the one that takes from it comes after this.
        """
        if self._hears:
            return
        self._hears = True
        try:
            while self._floor.attention is Attention.HEAR and (events := self._received.next_events()) is not None:
                await anyio.lowlevel.checkpoint()
                for event in events:
                    await self._take(event, waits)
                if self._received.pauses:
                    await self._floor.told(self, Event.SPEECH_PAUSED)
        finally:
            self._hears = False

    async def do(self, effect: Effect) -> None:
        """What the table says of agent mode."""
        match effect:
            case Effect.AWAIT_PLAYBACK if self._requests.client.plays_for_s > 0:
                self._requests.beside(self._play_out)
            case Effect.AWAIT_PLAYBACK:
                await self._floor.told(self, Event.PLAYED_OUT)
            case Effect.ANNOUNCE_LISTENING:
                await self._requests.connection.send(self._listening)
            case Effect.OPEN_UTTERANCE:
                await self._open_utterance()
            case Effect.CLOSE_UTTERANCE:
                if self._utterance is not None:
                    self._utterance.close()
            case Effect.DISCARD_UTTERANCE:
                await self.discard()
            case Effect.FORGET_AUDIO:
                await self._events.cut(self._received)
            case Effect.PART_SPEECH:
                if self._utterance is not None:
                    await self._events.part(self._received, self._utterance.used_samples or 0)
                    self._utterance.ended_by(self._received.heard_at)
            case Effect.HOLD_TURN:
                self._interruptions.begin()
            case Effect.START_TURN | Effect.CUT_TURN | Effect.RELEASE_TURN:
                pass  # by whoever has the transcript; by the floor
            case _:
                assert_never(effect)

    async def discard(self) -> None:
        """Forget what is being said; nothing is answered."""
        if self._utterance is not None:
            self._utterance.discard()
            self._utterance = None

    async def begun(self) -> None:
        """Nothing: that audio is heard was announced before."""

    async def heard(self, utterance: Utterance) -> None:
        """The audio goes on, and what of it the ASR has not made use of belongs to the next utterance."""
        if utterance is self._utterance and utterance.used_samples is not None:
            await self._floor.told(self, Event.HEARD_OUT)

    async def transcribed(self, utterance: Utterance) -> bool:
        """A turn answers it, if nothing came between and the user may take one."""
        if utterance is not self._utterance or not await self._floor.told(self, Event.TRANSCRIBED):
            return False
        may = utterance.interrupts or await self._requests.allows_more(begun=True)
        if may and await self._requests.allows_turn(waits=False):
            return True
        await self._floor.told(self, Event.TURN_FINISHED)
        return False

    async def not_transcribed(self, utterance: Utterance, error: wire.Error | None) -> None:
        """No speech is nothing, but whoever speaks to an ASR of few phrases is told once what they are."""
        if utterance is not self._utterance:
            return
        if self._interruptions.pending:  # perhaps nobody spoke: it is not worth a word into the reply
            await self._floor.told(self, Event.NOTHING_RECOGNISED)
            return
        if error is None or error.code != "no_speech":
            if error is not None:
                await self._requests.connection.send(error)
            await self._floor.told(self, Event.RECOGNITION_FAILED)
            return
        if self._utterances.hint():
            await self._requests.connection.send(error)
        await self._floor.told(self, Event.NOTHING_RECOGNISED)

    async def _take(self, event: EndpointingEvent, waits: bool) -> None:
        await self._events.tell(event)
        verdict = self._interruptions.note(event, self._received.heard_samples)
        match event:
            case SpeechStarted():
                await self._floor.told(self, Event.SPEECH_STARTED)
            case UtteranceAudio(pcm):
                if self._utterance is not None:
                    self._utterance.ended_at = self._received.heard_at
                    if waits:
                        await self._utterance.audio.put(pcm)
                    else:
                        self._utterance.audio.append(pcm)
                    if (silence_ms := self._received.silence_ms) is not None:
                        self._utterance.listened(silence_ms, self._received.heard_samples)
            case SpeechStopped(_, silence_samples):
                if self._utterance is not None:
                    self._utterance.ended_at = self._received.heard_at - silence_samples / RECOGNITION_RATE_HZ
                    silence_ms = milliseconds(silence_samples)
                    self._utterance.listened(silence_ms, self._received.heard_samples, ended=True)
                await self._floor.told(self, Event.SPEECH_STOPPED)
            case _:
                assert_never(event)
        await self._interruptions.found(verdict)

    async def _play_out(self) -> None:
        await self._requests.client.played_out()
        await self._floor.told(self, Event.PLAYED_OUT)

    async def _open_utterance(self) -> None:
        over = self._interruptions if self._floor.full_duplex else None
        utterance = self._utterance = self._utterances.new("agent", self._received.understood, over)
        utterance.interrupts = self._interruptions.pending
        may = utterance.interrupts or await self._requests.allows_more()
        if not (may and await self._requests.start(partial(self._utterances.serve, utterance, self))):
            await self._floor.told(self, Event.NOTHING_RECOGNISED)
