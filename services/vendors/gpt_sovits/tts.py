"""GPT-SoVITS's `api_v2.py` over HTTP: a sentence and a recording of its emotion in, its pcm out, streamed.

The server is one for one request: a second one at the same time mixes up the first (page, section 6). Closing a request
ends its synthesis with the next piece of text. What is wrong with a recording is not told while streaming: where no
sound comes, the same is asked for once as a whole, which has an answer in words (page, section 5).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import msgspec
import structlog

from services.base import TTS, Emotion, Voice
from services.engine_language import language_of
from services.engine_settings import TTSSettings
from services.http_speech import faults
from services.http_speech.engine import HttpTTS, streamed
from services.http_speech.faults import Failed, Fault, Names, Remedy
from services.http_speech.server import Ask, SpeechServer, open_server
from services.http_speech.sound import Sound
from services.vendors.gpt_sovits.voice import GptSovitsRecording, GptSovitsVoice

NAMES: Final = Names("gpt_sovits", "gpt_sovits")
PLACES: Final = 1
PAUSE_S: Final = 0.15  # after every piece of a sentence, and after the last
NO_RECORDING: Final = Fault(
    Remedy.GIVE_UP,
    "The voice has no recording to speak like: the character's voices.gpt_sovits.reference should name one",
    code="no recording",
)
_RECORDING: Final = Fault(
    Remedy.GIVE_UP,
    "The voice service cannot use the character's recording: voices.gpt_sovits.reference, which is a file of 3 to 10 "
    "seconds on the server's disk, and reference_text should be checked",
    code="recording",
)
_LANGUAGE: Final = Fault(
    Remedy.OTHER_TEXT, "The voice service's model does not speak this language", code="language", elsewhere=True
)
_MODE: Final = Fault(Remedy.OTHER_TEXT, "The voice service cannot stream in this way", code="streaming_mode")
# What a refusal says, wherever in it; the next wording is a line more.
_SAYINGS: Final = (
    ("streaming_mode", _MODE),
    ("not exist", _RECORDING),
    ("No such file", _RECORDING),
    ("参考音频", _RECORDING),
    ("ref_audio", _RECORDING),
    ("prompt_text", _RECORDING),
    ("is not supported in version", _LANGUAGE),
)
# Languages whose sentences may hold English words, and what they are called without any.
_PURE: Final = {"ja": "all_ja", "zh": "zh", "ko": "ko"}
_log = structlog.get_logger(__name__)


class GptSovitsSpeaker:
    """One server, and in which ways it was found to stream."""

    def __init__(self, server: SpeechServer, settings: TTSSettings) -> None:
        self.languages = frozenset(("ja", "zh", "ko", "en"))
        self.credits: tuple[str, ...] = ()
        self._server = server
        self._plain = False  # the server is older than the ways of streaming
        for character, voice in settings.voices.items():
            if _voice(voice).reference is None:
                _log.warning(f"{character}: has no voice here; voices.gpt_sovits.reference should name a recording")

    def prepare(self, voice: Voice) -> None:
        """A connection is all that can be prepared."""

    async def speak(self, voice: Voice, text: str, emotion: Emotion, sound: Sound) -> AsyncGenerator[bytes]:
        own = _voice(voice)
        mode: int | bool = True if self._plain or own.streaming == 1 else own.streaming
        fault: Fault | None = None
        for _ in range(3):
            ask = Ask("tts", body=msgspec.json.encode(_body(own, text, emotion, mode)), again=False)
            try:
                async with aclosing(streamed(self._server, ask, _reading, sound)) as pieces:
                    async for pcm in pieces:
                        yield pcm
                if sound.heard:
                    return
                fault = faults.NO_SOUND
            except Failed as failed:
                fault = failed.fault
                if sound.heard or fault not in (_MODE, faults.BROKEN_OFF, faults.NO_SOUND):
                    raise
            sound.forget_silence()
            if mode is False or (fault is _MODE and mode is True):
                break
            self._plain = self._plain or fault is _MODE
            mode = fault is _MODE
        raise Failed(fault or faults.NO_SOUND)


def _voice(voice: Voice) -> GptSovitsVoice:
    return voice.options if isinstance(voice.options, GptSovitsVoice) else GptSovitsVoice()


def _body(voice: GptSovitsVoice, text: str, emotion: Emotion, mode: int | bool) -> dict[str, Any]:
    """Fields that are not set are left out: a null is refused."""
    recording = voice.emotions.of(emotion)
    if recording is None:
        if voice.reference is None:
            raise Failed(NO_RECORDING)
        recording = GptSovitsRecording(voice.reference, voice.reference_text)
    language = language_of(text)
    english = any(char.isascii() and char.isalpha() for char in text)
    body: dict[str, Any] = {
        "text": text,
        "text_lang": language if english else _PURE[language],
        "ref_audio_path": recording.reference,
        "prompt_text": recording.reference_text,
        "prompt_lang": recording.reference_language or voice.reference_language,
        "text_split_method": "cut5",
        "batch_size": 1,
        "speed_factor": voice.speed if recording.speed is None else recording.speed,
        "fragment_interval": PAUSE_S,
        "media_type": "wav",
        "streaming_mode": mode,
    }
    if voice.more_references:
        body["aux_ref_audio_paths"] = voice.more_references
    return body


def _reading(status: int, body: bytes) -> Fault | None:
    words = " ".join(faults.words_in(body))
    return next((fault for saying, fault in _SAYINGS if status in (400, 422) and saying in words), None)


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncIterator[TTS]:
    """Open the engine for this process; whether somebody is at its address shows only later.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    async with open_server(settings, NAMES, PLACES) as server:
        yield HttpTTS(server, GptSovitsSpeaker(server, settings), settings.sample_rate_hz)
