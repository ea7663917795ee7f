"""VOICEVOX ENGINE over HTTP: a sentence in; its pcm out, with the times of its morae, in parts.

The engine renders one request after the other and gives no sound before a request is rendered. So a sentence has one
query, and its phrases are rendered in parts, the first one short (query.py). What is left of a sentence that was broken
off is rendered to its end: hence no more than two are asked for at once.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import msgspec
import structlog

from services.base import EMOTIONS, TTS, Emotion, SpokenPcm, Voice
from services.engine_settings import TTSSettings
from services.http_speech import faults
from services.http_speech.engine import HttpTTS, in_parts, whole
from services.http_speech.faults import Failed, Fault, Names
from services.http_speech.server import Ask, SpeechServer, open_server
from services.http_speech.sound import Sound
from services.http_speech.wav import Block
from services.vendors.voicevox import query as queries
from services.vendors.voicevox.catalogue import Catalogue, SpeakerShape, UnknownStyle, known_id, manner_of
from services.vendors.voicevox.query import Query
from services.vendors.voicevox.voice import VoicevoxVoice

NAMES: Final = Names("voicevox", "voicevox")
BRAND: Final = "VOICEVOX"
PLACES: Final = 2  # one is rendered, and the next one is there when it is done
LONGEST_TEXT: Final = 300  # characters, in one request: they stand in its address
_NO_STYLE: Final = ("スタイルが見つかりません", "このスタイルはこの機能", "指定されたスタイル")
_log = structlog.get_logger(__name__)


class VoicevoxSpeaker:
    """One engine and its list of speakers, which is asked for once."""

    def __init__(self, server: SpeechServer, settings: TTSSettings) -> None:
        self.languages = frozenset(("ja",))
        self.credits: tuple[str, ...] = ()
        self._server = server
        self._voices = settings.voices
        self._catalogue: Catalogue | None = None
        self._asking = anyio.Lock()
        self._warmed: set[int] = set()
        self._known: list[VoicevoxVoice] = []  # of the characters: those that the engine has

    def prepare(self, voice: Voice) -> None:
        if not self._server.tasks.cancel_scope.cancel_called:
            self._server.tasks.start_soon(self._warm, _voice(voice))

    async def look(self) -> None:
        """Ask the engine what it has, as soon as the process runs: what is wrong is told before anybody speaks."""
        with suppress(Failed):
            await self._list()
            for voice in self._known:
                await self._warm(voice)

    async def speak(self, voice: Voice, text: str, emotion: Emotion, sound: Sound) -> AsyncGenerator[bytes]:
        own = _voice(voice)
        style = await self._style(own, emotion)
        query = await self._query(text, style, own, emotion)
        if not queries.is_timed(query):
            # Where lengths are not told, a part of a query is not told from the whole: each has one of its own.
            async def ask(part: str) -> Block:
                first = query if part == text else await self._query(part, style, own, emotion)
                return await self._render(first, style)

            async for pcm in in_parts(text, LONGEST_TEXT, ask, sound):
                yield pcm
            return
        for part in queries.parts_of(query):
            morae = queries.morae_of(part, sound.lag_s)
            piece = SpokenPcm(sound.add(await self._render(part, style)))
            piece.morae = morae
            yield piece

    async def _query(self, text: str, style: int, voice: VoicevoxVoice, emotion: Emotion) -> Query:
        params = {"speaker": str(style), "text": text}
        query: Query = await self._ask_json(Ask("audio_query", params), queries.Shape)
        if not query["accent_phrases"]:
            raise Failed(faults.NO_SOUND)
        return queries.shaped(query, manner_of(voice, emotion))

    async def _render(self, query: Query, style: int) -> Block:
        ask = Ask("synthesis", {"speaker": str(style)}, msgspec.json.encode(query))
        return await whole(self._server, ask, _reading)

    async def _ask_json(self, ask: Ask, shape: Any) -> Any:
        """What an answer says, all of it, if it has this shape."""
        body = await self._server.json(ask, _reading)
        try:
            said = msgspec.json.decode(body)
            msgspec.convert(said, shape)
            return said
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            fault = faults.no_audio(NAMES)
            self._server.report(fault)
            raise Failed(fault) from error

    async def _style(self, voice: VoicevoxVoice, emotion: Emotion) -> int:
        if (known := known_id(voice, emotion)) is not None:
            return known
        try:
            return (await self._list()).style_id(voice, emotion)
        except UnknownStyle as error:
            fault = faults.wrong_voice(NAMES)
            self._server.report(fault)
            raise Failed(fault) from error

    async def _list(self) -> Catalogue:
        async with self._asking:
            if self._catalogue is None:
                speakers = await self._ask_json(Ask("speakers", method="GET"), list[SpeakerShape])
                self._catalogue = Catalogue(await self._brand(), speakers)
                self._check(self._catalogue)
            return self._catalogue

    async def _brand(self) -> str:
        """What the engine is called; the oldest do not say."""
        try:
            body = await self._server.json(Ask("engine_manifest", method="GET"), _unsaid)
            return str(msgspec.json.decode(body, type=dict[str, Any]).get("brand_name", BRAND))
        except (Failed, msgspec.MsgspecError, UnicodeDecodeError):
            return BRAND

    def _check(self, catalogue: Catalogue) -> None:
        """Of all characters: whom they are to credit, and which of them ask for what is not there."""
        credits: dict[str, None] = {}
        for character, voice in self._voices.items():
            try:
                for emotion in sorted(EMOTIONS):
                    credits[catalogue.credit(catalogue.style_id(_voice(voice), emotion))] = None
                self._known.append(_voice(voice))
            except UnknownStyle as error:
                _log.error(f"{character}: voices.voicevox: {error}")
        self.credits = tuple(filter(None, credits))

    async def _warm(self, voice: VoicevoxVoice) -> None:
        """Have the engine load the voice, which may take it seconds, while somebody still speaks to us."""
        with suppress(Failed):
            style = await self._style(voice, "auto")
            if style not in self._warmed:
                self._warmed.add(style)
                params = {"speaker": str(style), "skip_reinit": "true"}
                await self._server.tell(Ask("initialize_speaker", params), _reading)


def _voice(voice: Voice) -> VoicevoxVoice:
    return voice.options if isinstance(voice.options, VoicevoxVoice) else VoicevoxVoice()


def _unsaid(status: int, _: bytes) -> Fault | None:
    return faults.REFUSED if status == 404 else None


def _reading(status: int, body: bytes) -> Fault | None:
    """Page, section 7: an unknown style is told in words, beside a status that means much else."""
    words = " ".join(faults.words_in(body))
    return faults.wrong_voice(NAMES) if any(sign in words for sign in _NO_STYLE) else None


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncIterator[TTS]:
    """Open the engine for this process; whether somebody is at its address shows only later.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    async with open_server(settings, NAMES, PLACES) as server:
        speaker = VoicevoxSpeaker(server, settings)
        server.tasks.start_soon(speaker.look)
        yield HttpTTS(server, speaker, settings.sample_rate_hz)
