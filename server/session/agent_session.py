"""Agent mode of one user: microphone audio in; utterances, turns and `agent_listening` out.

The table of conversation/agent_mode.py decides, conversation/endpointing.py hears where speech begins and ends; what
is here does what they say. An utterance is a job of the user's inbox from its first word on, so that whatever else
they ask for comes after its reply.
"""

from functools import partial
from typing import assert_never

import anyio.lowlevel

from conversation.agent_mode import AgentMode, Attention, Effect, Happened, State
from conversation.endpointing import Event, SpeechStarted, SpeechStopped, UtteranceAudio
from server.audio.chunk_intake import ChunkIntake
from server.audio.received_audio import Microphone
from server.backend import Backend
from server.protocol import wire
from server.session.hearing import Ears, Utterance, begin_timeline
from server.session.served_turn import NotHeard, Send
from server.session.talk import Talk
from server.transport.connection import ConnectionLost, HangUp
from services.base import RECOGNITION_RATE_HZ


class AgentSession:
    """From `agent_mode_start` to `agent_mode_stop`. Only the reader's task listens; utterances are served in jobs."""

    def __init__(self, backend: Backend, talk: Talk, ears: Ears, send: Send, listening: wire.Listening) -> None:
        """`listening`: what announces that the microphone is heard."""
        self._talk = talk
        self._ears = ears
        self._send = send
        self._listening = listening
        self._intake = ChunkIntake(backend.config)
        self._microphone = Microphone(backend)
        self._mode = AgentMode()
        self._utterance: Utterance | None = None  # what is being said
        self._listens = False
        self._hinted = False  # that only phrases are understood

    @property
    def open(self) -> bool:
        """Whether chunks are still taken."""
        return self._mode.state is not State.OFF

    async def start(self) -> bool:
        """Listen, after what waits; False, and the user is told, where too much waits already."""
        return await self._talk.submit(partial(self.happened, Happened.STARTED))

    async def stop(self) -> None:
        """At once: the utterance in progress is forgotten; a turn that runs goes to its end."""
        await self.happened(Happened.STOPPED)

    async def hear(self, chunk: bytes) -> None:
        """The next audio of the microphone. Waits while the ASR is behind.

        Raises:
            BadAudio: it is not taken.
        """
        await self._microphone.receive(self._intake.take(chunk))
        if self._mode.attention is Attention.SKIP:
            self._microphone.forget()
        await self._listen(waits=True)

    async def happened(self, happened: Happened) -> bool:
        """Do what the table says; whether that is to begin a turn."""
        effects = self._mode.receive(happened)
        for effect in effects:
            await self._do(effect)
        # To what was held. In a job, where the one that would take the audio comes after it: nothing may wait for room.
        await self._listen(waits=False)
        return Effect.START_TURN in effects

    async def _listen(self, *, waits: bool) -> None:
        """To all that has come, as long as it is to be listened to. Once at a time: who comes second is served too."""
        if self._listens:
            return
        self._listens = True
        try:
            while self._mode.attention is Attention.HEAR and (events := self._microphone.listen()) is not None:
                await anyio.lowlevel.checkpoint()
                for event in events:
                    await self._heard(event, waits)
                if self._microphone.pauses:
                    await self.happened(Happened.SPEECH_PAUSED)
        finally:
            self._listens = False

    async def _heard(self, event: Event, waits: bool) -> None:
        await self._ears.tell(event)
        utterance = self._utterance
        match event:
            case SpeechStarted():
                await self.happened(Happened.SPEECH_STARTED)
            case UtteranceAudio(pcm):
                if utterance is not None:
                    utterance.ended_at = self._microphone.heard_at
                    if waits:
                        await utterance.speech.put(pcm)
                    else:
                        utterance.speech.append(pcm)
            case SpeechStopped(_, silence_samples):
                if utterance is not None:
                    utterance.ended_at = self._microphone.heard_at - silence_samples / RECOGNITION_RATE_HZ
                await self.happened(Happened.SPEECH_STOPPED)
            case _:
                assert_never(event)

    async def _do(self, effect: Effect) -> None:
        match effect:
            case Effect.ANNOUNCE_LISTENING:
                await self._send(self._listening)
            case Effect.OPEN_UTTERANCE:
                await self._open_utterance()
            case Effect.CLOSE_UTTERANCE:
                if self._utterance is not None:
                    self._utterance.close()
            case Effect.DISCARD_UTTERANCE:
                if self._utterance is not None:
                    self._utterance.discard()
            case Effect.FORGET_AUDIO:
                await self._ears.tell_cut(self._microphone)
            case Effect.START_TURN:
                pass  # by whoever had the transcript
            case _:
                assert_never(effect)

    async def _open_utterance(self) -> None:
        utterance = self._utterance = self._ears.new_utterance("agent")
        if not await self._talk.submit(partial(self._serve, utterance)):
            await self.happened(Happened.NOTHING_HEARD)

    async def _serve(self, utterance: Utterance) -> None:
        """The job of an utterance: its transcript, and the turn that answers it."""
        text = None
        try:
            with utterance.scope:
                text = await self._ears.hear(utterance, self._talk.character)
        except NotHeard as reason:
            await self._not_heard(reason.error)
        except (ConnectionLost, HangUp):
            raise
        except Exception:  # a defect of ours must not leave the microphone deaf
            await self.happened(Happened.HEARING_FAILED)
            raise
        if text is None or not await self.happened(Happened.FINAL_TRANSCRIPT):
            return
        if await self._talk.allows_turn(waits=False):
            await self._talk.take_turn(text, "agent", begin_timeline(utterance))
        else:
            await self.happened(Happened.TURN_FINISHED)

    async def _not_heard(self, error: wire.Error) -> None:
        """No speech is nothing, but whoever speaks to an ASR of few phrases is told once what they are."""
        if error.code != "no_speech":
            if self.open:
                await self._send(error)
            await self.happened(Happened.HEARING_FAILED)
            return
        if self._ears.phrases_only and not self._hinted and self.open:
            self._hinted = True
            await self._send(error)
        await self.happened(Happened.NOTHING_HEARD)
