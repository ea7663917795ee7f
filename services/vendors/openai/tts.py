"""OpenAI's `/audio/speech`, at whoever's address: a sentence in; its pcm out, streamed where the server streams.

`endpoint` is what stands before `/audio/speech`; the key is sent where there is one.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import msgspec
import structlog
from yarl import URL

from services.base import TTS, Emotion, Voice
from services.engine_choice import EngineUnavailable
from services.engine_settings import TTSSettings
from services.http_speech import faults
from services.http_speech.engine import HttpTTS, streamed
from services.http_speech.faults import Failed, Fault, Names, Remedy
from services.http_speech.server import Ask, SpeechServer, open_server
from services.http_speech.sound import Sound
from services.vendors.openai.speech_request import (
    OPTIONAL,
    PCM_RATE_HZ,
    Dialect,
    body_of,
    dialect_of,
    is_about,
    without,
)
from services.vendors.openai.voice import OpenAIVoice

NAMES: Final = Names("openai", "openai_tts", secret="OPENAI_API_KEY", model="openai_tts")
PLACES: Final = 64
_MODEL: Final = Fault(
    Remedy.GIVE_UP,
    "The voice service does not have this model: models.openai_tts, or the character's voices.openai.model, should be "
    "checked",
    code="model",
)
_log = structlog.get_logger(__name__)


class OpenAISpeaker:
    """One server, and how it was found to be asked."""

    def __init__(self, server: SpeechServer, settings: TTSSettings) -> None:
        self.languages = frozenset(("ja", "zh", "ko", "en"))
        self.credits: tuple[str, ...] = ()
        self._server = server
        self._model = settings.model
        self._dialect = dialect_of(URL(settings.endpoint).host or "")

    def prepare(self, voice: Voice) -> None:
        """A connection is all that can be prepared."""

    async def speak(self, voice: Voice, text: str, emotion: Emotion, sound: Sound) -> AsyncGenerator[bytes]:
        own = voice.options if isinstance(voice.options, OpenAIVoice) else OpenAIVoice()
        dialect: Dialect | None = self._dialect
        refused: Failed | None = None
        for _ in range(len(OPTIONAL) + 2):
            if dialect is None:
                break
            asked = dialect
            body = body_of(own, self._model, text, emotion, asked)
            reading = _Reading(asked, body)
            try:
                async with aclosing(streamed(self._server, _ask(body), reading, sound)) as pieces:
                    async for pcm in pieces:
                        self._learn(asked)
                        yield pcm
                return
            except Failed as failed:
                refused, dialect = failed, None if sound.heard else reading.instead
        if refused is not None:
            self._server.report(refused.fault)
            raise refused

    def _learn(self, answered: Dialect) -> None:
        if answered != self._dialect:
            self._dialect = answered
            lacks = sorted(answered.lacks)
            _log.warning("voice_parameters_not_taken", model=self._model, parameters=lacks, format=answered.format)


class _Reading:
    """What a refusal means: something to be left out, or an end."""

    def __init__(self, dialect: Dialect, body: dict[str, Any]) -> None:
        self.instead: Dialect | None = None
        self._dialect = dialect
        self._body = body

    def __call__(self, status: int, body: bytes) -> Fault | None:
        words = " ".join(faults.words_in(body))
        self.instead = without(self._dialect, self._body, status, words)
        if self.instead is not None:
            return faults.REFUSED  # which nobody hears of
        if status in (400, 404, 422) and is_about(words, "voice"):
            return faults.wrong_voice(NAMES, ".voice_id")
        return _MODEL if status in (400, 404, 422) and is_about(words, "model") else None


def _ask(body: dict[str, Any]) -> Ask:
    bare = PCM_RATE_HZ if body.get("response_format") == "pcm" else None
    return Ask("audio/speech", body=msgspec.json.encode(body), bare_rate_hz=bare)


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncIterator[TTS]:
    """Open the engine for this process; whether somebody is at its address shows only later.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    if not settings.model:
        raise EngineUnavailable("models.openai_tts is empty; name the model that endpoints.openai_tts is to speak with")
    async with open_server(settings, NAMES, PLACES) as server:
        yield HttpTTS(server, OpenAISpeaker(server, settings), settings.sample_rate_hz)
