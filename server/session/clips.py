"""Whole utterances of one user in; transcriptions, and the turn that each is answered with, out."""

from functools import partial

import anyio
import anyio.to_thread

from conversation.timeline import Timeline
from server.audio.conversion import AudioTooLong, BadAudio, read_batch
from server.config import Config
from server.session.hearing import Ears
from server.session.served_turn import TurnId
from server.session.talk import Talk
from server.transport.connection import Connection


class Clips:
    """Batch audio. It is recognised within its turn, so that `thinking` comes first."""

    def __init__(self, config: Config, connection: Connection, talk: Talk, ears: Ears) -> None:
        self._rate_hz = config.audio.asr_sample_rate
        self._longest_s = config.limits.max_audio_seconds.batch
        self._connection = connection
        self._talk = talk
        self._ears = ears

    async def take(self, data: bytes) -> None:
        """Answer it after what waits."""
        if await self._talk.allows_turn():
            await self._talk.submit(partial(self._answer, data, anyio.current_time()))

    async def _answer(self, data: bytes, received_at: float) -> None:
        try:
            pcm = await anyio.to_thread.run_sync(read_batch, data, self._rate_hz, self._longest_s)
        except BadAudio as error:
            await self._connection.refuse("bad_audio", str(error))
        except AudioTooLong as error:
            await self._connection.refuse("audio_too_long", str(error))
        else:
            await self._talk.take_turn(partial(self._hear, pcm), "audio", Timeline(received_at))

    async def _hear(self, pcm: bytes, turn_id: TurnId, timeline: Timeline) -> str:
        utterance = self._ears.new_utterance("audio")
        await utterance.speech.put(pcm)  # the first piece always fits
        utterance.speech.close()
        text = await self._ears.hear(utterance, self._talk.character, turn_id)
        timeline.mark("final_transcript", anyio.current_time())
        return text
