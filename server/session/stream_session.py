"""One streamed utterance of a user: its chunks in; its transcriptions, and the turn that answers it, out."""

import anyio.lowlevel

from server.audio.chunk_intake import ChunkIntake
from server.audio.received_audio import Microphone
from server.backend import Backend
from server.protocol import wire
from server.session.hearing import Ears, begin_timeline
from server.session.served_turn import NotHeard, Send
from server.session.talk import Talk


class StreamSession:
    """From `audio_stream_start` to the transcript. A job of the inbox; chunks wait for it in a buffer of their own."""

    def __init__(self, backend: Backend, talk: Talk, ears: Ears, send: Send) -> None:
        self._talk = talk
        self._ears = ears
        self._send = send
        self._intake = ChunkIntake(backend.config, backend.config.limits.max_audio_seconds.stream)
        self._microphone = Microphone(backend) if ears.tells_events else None
        self._started = False
        self._utterance = ears.new_utterance("stream")

    @property
    def open(self) -> bool:
        """Whether chunks are still taken: neither the user nor we have ended it."""
        return self._utterance.speech.takes_more

    async def start(self) -> bool:
        """Listen, after what waits; False, and the user is told, where too much waits already."""
        return await self._talk.submit(self._serve)

    async def stop(self) -> None:
        """Forget it; nothing is answered."""
        self._utterance.discard()
        if self._microphone is not None:
            await self._ears.tell_cut(self._microphone)

    async def hear(self, chunk: bytes) -> None:
        """The next audio. Waits while the ASR is behind.

        Raises:
            BadAudio, AudioTooLong: it is not taken.
        """
        await self._hear(self._intake.take(chunk))

    async def end(self) -> None:
        """It is whole."""
        await self._hear(self._intake.end())
        self._utterance.close()
        if self._started and self._microphone is not None:
            await self._ears.tell_cut(self._microphone)

    async def _hear(self, pcm: bytes) -> None:
        await self._utterance.speech.put(pcm)
        if self._microphone is not None:
            await self._microphone.receive(pcm)
            if self._started:
                await self._tell_events(self._microphone)

    async def _tell_events(self, microphone: Microphone) -> None:
        while (events := microphone.listen()) is not None:
            await anyio.lowlevel.checkpoint()
            for event in events:
                await self._ears.tell(event)

    async def _serve(self) -> None:
        text = None
        try:
            with self._utterance.scope:
                await self._send(wire.AudioStreamStarted())
                self._started = True
                if self._microphone is not None:
                    await self._tell_events(self._microphone)
                    if not self.open:  # it was whole before it began
                        await self._ears.tell_cut(self._microphone)
                text = await self._ears.hear(self._utterance, self._talk.character)
        except NotHeard as reason:
            if self._microphone is not None:
                await self._ears.tell_cut(self._microphone)
            await self._send(reason.error)
        if text is not None:
            await self._talk.take_turn(text, "stream", begin_timeline(self._utterance))
