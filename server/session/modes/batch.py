"""Recordings of one user in; transcriptions, and the turn that answers each, out."""

from functools import partial

import anyio
import anyio.to_thread

from conversation.timeline import Timeline
from server.audio.conversion import AudioTooLong, BadAudio, read_batch
from server.audio.queued_audio import Recording
from server.backend import Backend
from server.protocol import wire
from server.session.modes.telling import Telling
from server.session.modes.utterances import Utterances
from server.session.request_queue import Place
from server.session.requests import Requests
from server.session.turn_messages import TurnId
from server.session.turns import Turns

_FULL_RETRY_MS = 5_000


class BatchMode:
    """A recording is transcribed within its turn, so that `thinking` comes first."""

    def __init__(self, backend: Backend, requests: Requests, turns: Turns, utterances: Utterances) -> None:
        self._rate_hz = requests.client.audio_rate_hz
        self._longest_s = backend.config.limits.max_audio_seconds.batch
        self._budget = backend.queued_audio
        self._requests = requests
        self._turns = turns
        self._utterances = utterances

    async def answer(self, data: bytes) -> None:
        """After what waits, if there is memory for it until then."""
        recording = self._budget.take(data)
        if recording is None:
            full = "Too many recordings of all users wait to be recognised; send this one again later"
            await self._requests.connection.send(
                wire.Error(full, "busy", retryable=True, retry_after_ms=_FULL_RETRY_MS)
            )
            return
        begun = False
        try:
            if await self._requests.allows_turn():
                begun = await self._requests.start(partial(self._serve, recording, anyio.current_time()))
        finally:
            if not begun:
                recording.release()

    async def _serve(self, recording: Recording, received_at: float, place: Place) -> None:
        try:
            if await place.reached():
                await self._answer(recording, received_at)
        finally:
            recording.release()

    async def _answer(self, recording: Recording, received_at: float) -> None:
        try:
            recording.replace(
                await anyio.to_thread.run_sync(read_batch, recording.data, self._rate_hz, self._longest_s)
            )
        except BadAudio as error:
            await self._requests.connection.refuse("bad_audio", str(error))
        except AudioTooLong as error:
            await self._requests.connection.refuse("audio_too_long", str(error))
        else:
            await self._turns.answer(partial(self._transcribe, recording), "audio", Timeline(received_at))

    async def _transcribe(self, recording: Recording, turn_id: TurnId, timeline: Timeline) -> str:
        utterance = self._utterances.new("audio")
        await utterance.audio.put(recording.data)  # the first piece always fits
        utterance.audio.close()
        text = await self._utterances.transcribe(utterance, Telling(self._requests.client, turn_id))
        recording.release()
        timeline.mark("final_transcript", anyio.current_time())
        return text
