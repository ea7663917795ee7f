"""Recordings of one user in; transcriptions, and the turn that answers each, out."""

from functools import partial

import anyio
import anyio.to_thread

from conversation.timeline import Timeline
from server.audio.conversion import AudioTooLong, BadAudio, read_batch
from server.config import Config
from server.session.modes.utterances import Utterances
from server.session.requests import Requests
from server.session.turn_messages import TurnId
from server.session.turns import Turns


class BatchMode:
    """A recording is transcribed within its turn, so that `thinking` comes first."""

    def __init__(self, config: Config, requests: Requests, turns: Turns, utterances: Utterances) -> None:
        self._rate_hz = config.audio.asr_sample_rate
        self._longest_s = config.limits.max_audio_seconds.batch
        self._requests = requests
        self._turns = turns
        self._utterances = utterances

    async def answer(self, data: bytes) -> None:
        """After what waits."""
        if await self._requests.allows_turn():
            await self._requests.submit(partial(self._answer, data, anyio.current_time()))

    async def _answer(self, data: bytes, received_at: float) -> None:
        try:
            pcm = await anyio.to_thread.run_sync(read_batch, data, self._rate_hz, self._longest_s)
        except BadAudio as error:
            await self._requests.connection.refuse("bad_audio", str(error))
        except AudioTooLong as error:
            await self._requests.connection.refuse("audio_too_long", str(error))
        else:
            await self._turns.answer(partial(self._transcribe, pcm), "audio", Timeline(received_at))

    async def _transcribe(self, pcm: bytes, turn_id: TurnId, timeline: Timeline) -> str:
        utterance = self._utterances.new("audio")
        await utterance.audio.put(pcm)  # the first piece always fits
        utterance.audio.close()
        text = await self._utterances.transcribe(utterance, turn_id)
        timeline.mark("final_transcript", anyio.current_time())
        return text
