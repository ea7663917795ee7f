"""One streamed utterance of a user: its chunks in; `audio_stream_started` and its audio out."""

import anyio.lowlevel

from conversation.turn_taking import Effect, Event
from server.audio.chunk_intake import ChunkIntake
from server.audio.received_audio import ReceivedAudio
from server.backend import Backend
from server.protocol import wire
from server.session.client import Client
from server.session.floor import Floor
from server.session.modes.speech_events import SpeechEvents
from server.session.modes.utterances import Utterance, Utterances


class StreamMode:
    """From `audio_stream_start` to the transcript. Chunks wait for their place in a buffer of their own."""

    expected = "A stream is open: send audio_stream_chunk or audio_stream_end"

    def __init__(
        self,
        backend: Backend,
        utterances: Utterances,
        events: SpeechEvents,
        client: Client,
        floor: Floor,
    ) -> None:
        self.utterance = utterances.new("stream")
        self._events = events
        self._send = client.send
        self._floor = floor
        limits = backend.config.limits
        self._intake = ChunkIntake(client.audio_rate_hz, limits.max_chunk_bytes, limits.max_audio_seconds.stream)
        self._received = ReceivedAudio(backend.config, backend.vad) if events.wanted else None
        self._begun = False

    async def receive(self, chunk: bytes) -> None:
        """The next audio. Waits while the ASR is behind.

        Raises:
            BadAudio, AudioTooLong: it is not taken.
        """
        await self._receive(self._intake.take(chunk))

    async def do(self, effect: Effect) -> None:
        """What the table of turn-taking says of a stream."""
        assert effect is Effect.CLOSE_UTTERANCE, effect
        self.utterance.close()
        if self._begun:
            await self._events.cut(self._received)

    async def finish(self) -> None:
        """The user says that it is whole: what was still held back of it. Waits while the ASR is behind."""
        await self._receive(self._intake.end())

    async def hear(self, *, waits: bool) -> None:
        """Nothing of a stream is held."""

    async def discard(self) -> None:
        """Forget it; nothing is answered."""
        self.utterance.discard()
        await self._floor.told(self, Event.STREAM_CLOSED)
        await self._events.cut(self._received)

    async def begun(self) -> None:
        """What was asked before is answered."""
        await self._send(wire.AudioStreamStarted())
        self._begun = True
        if self._received is not None:
            await self._tell_events(self._received)
            if not self.utterance.audio.takes_more:  # it was whole before it began
                await self._events.cut(self._received)

    async def heard(self, utterance: Utterance) -> None:
        """Chunks that still come are late."""
        await self._floor.told(self, Event.STREAM_CLOSED)

    async def transcribed(self, utterance: Utterance) -> bool:
        """Every stream is answered."""
        return True

    async def not_transcribed(self, utterance: Utterance, error: wire.Error | None) -> None:
        """The user is told."""
        await self.heard(utterance)  # where it did not even come to the ASR
        await self._events.cut(self._received)
        if error is not None:
            await self._send(error)

    async def _receive(self, pcm: bytes) -> None:
        await self.utterance.audio.put(pcm)
        if self._received is not None:
            await self._received.receive(pcm)
            if self._begun:
                await self._tell_events(self._received)

    async def _tell_events(self, received: ReceivedAudio) -> None:
        while (events := received.next_events()) is not None:
            await anyio.lowlevel.checkpoint()
            for event in events:
                await self._events.tell(event)
