"""Style-Bert-VITS2's server over HTTP: a sentence in; its pcm out, part by part, for the server streams nothing.

All that is asked for stands in the address (page, section 8). The server takes at most 100 characters at once, and does
nothing else meanwhile: hence one request at a time.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

import anyio
import msgspec
import structlog

from services.base import TTS, Emotion, Voice
from services.engine_settings import TTSSettings
from services.http_speech import faults
from services.http_speech.engine import HttpTTS, in_parts, whole
from services.http_speech.faults import Failed, Fault, Names
from services.http_speech.server import Ask, SpeechServer, open_server
from services.http_speech.sound import Sound
from services.http_speech.wav import Block
from services.vendors.style_bert_vits2.voice import StyleBertVits2Style, StyleBertVits2Voice

NAMES: Final = Names("style_bert_vits2", "style_bert_vits2")
PLACES: Final = 1
LONGEST_TEXT: Final = 100  # characters
_LANGUAGES: Final = {"ja": "JP", "en": "EN", "zh": "ZH"}
# Names that styles are given. Where a character says nothing of an emotion, the first of these that its model has is
# taken; the next name that is met is a word here.
STYLES_OF: Final[Mapping[Emotion, tuple[str, ...]]] = {
    "happy": ("Happy", "happy", "喜び", "楽しい"),
    "sad": ("Sad", "sad", "悲しみ", "悲しい"),
    "angry": ("Angry", "angry", "怒り"),
    "fearful": ("Fear", "fear", "恐怖"),
    "disgusted": ("Disgust", "disgust", "嫌悪"),
    "surprised": ("Surprise", "surprise", "驚き"),
}
_log = structlog.get_logger(__name__)


class _Model(msgspec.Struct):
    config_path: str
    style2id: dict[str, int]

    @property
    def name(self) -> str:
        path = PureWindowsPath(self.config_path) if "\\" in self.config_path else PurePosixPath(self.config_path)
        return path.parent.name


class StyleBertVits2Speaker:
    """One server and its models, which it is asked for once."""

    def __init__(self, server: SpeechServer, settings: TTSSettings) -> None:
        self.languages = frozenset(("ja",))
        self.credits: tuple[str, ...] = ()
        self._server = server
        self._voices = settings.voices
        self._models: list[_Model] | None = None
        self._asking = anyio.Lock()

    def prepare(self, voice: Voice) -> None:
        """A connection is all that can be prepared: a model is loaded by speaking with it."""

    async def look(self) -> None:
        """Ask the server what it has, as soon as the process runs: what is wrong is told before anybody speaks."""
        with suppress(Failed):
            for character, voice in self._voices.items():
                own = _voice(voice)
                names = [model.name for model in await self._list()]
                if own.model is not None and own.model not in names:
                    _log.error(
                        f"{character}: voices.style_bert_vits2: the server has no model {own.model!r}; "
                        f"it has {', '.join(names)}"
                    )

    async def speak(self, voice: Voice, text: str, emotion: Emotion, sound: Sound) -> AsyncGenerator[bytes]:
        own = _voice(voice)
        params = _params(own, emotion, await self._style(own, emotion))

        async def ask(part: str) -> Block:
            return await whole(self._server, Ask("voice", {**params, "text": part}), _reading)

        async with aclosing(in_parts(" ".join(text.split()), LONGEST_TEXT, ask, sound)) as pieces:
            async for pcm in pieces:
                yield pcm

    async def _style(self, voice: StyleBertVits2Voice, emotion: Emotion) -> str:
        chosen = voice.emotions.of(emotion)
        if isinstance(chosen, str):
            return chosen
        if chosen is not None or emotion not in STYLES_OF:
            return voice.style if chosen is None or chosen.style is None else chosen.style
        models = await self._list()
        model = next((each for each in models if voice.model in (None, each.name)), None)
        known = model.style2id if model else {}
        return next((name for name in STYLES_OF[emotion] if name in known), voice.style)

    async def _list(self) -> list[_Model]:
        async with self._asking:
            if self._models is None:
                body = await self._server.json(Ask("models/info", method="GET"), _reading)
                try:
                    found = msgspec.json.decode(body, type=dict[str, _Model])
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    fault = faults.no_audio(NAMES)
                    self._server.report(fault)
                    raise Failed(fault) from error
                self._models = list(found.values())
            return self._models


def _voice(voice: Voice) -> StyleBertVits2Voice:
    return voice.options if isinstance(voice.options, StyleBertVits2Voice) else StyleBertVits2Voice()


def _params(voice: StyleBertVits2Voice, emotion: Emotion, style: str) -> dict[str, str]:
    chosen = voice.emotions.of(emotion)
    other = chosen if isinstance(chosen, StyleBertVits2Style) else StyleBertVits2Style()
    speed = voice.speed if other.speed is None else other.speed
    weight = voice.style_weight if other.style_weight is None else other.style_weight
    params = {
        "language": _LANGUAGES[voice.language],
        "style": style,
        "style_weight": f"{weight:g}",
        "length": f"{1 / speed:.4g}",  # a factor on the duration
    }
    if voice.model is not None:
        params["model_name"] = voice.model
    if voice.speaker is not None:
        params["speaker_name" if isinstance(voice.speaker, str) else "speaker_id"] = str(voice.speaker)
    return params


def _reading(status: int, body: bytes) -> Fault | None:
    words = " ".join(faults.words_in(body))
    return faults.wrong_voice(NAMES) if status == 422 and "invalid_params" in words else None


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncIterator[TTS]:
    """Open the engine for this process; whether somebody is at its address shows only later.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    async with open_server(settings, NAMES, PLACES) as server:
        speaker = StyleBertVits2Speaker(server, settings)
        server.tasks.start_soon(speaker.look)
        yield HttpTTS(server, speaker, settings.sample_rate_hz)
