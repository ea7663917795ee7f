"""A vendor's name in, an opened voice out; the deadlines are the same for all of them."""

import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from pkgutil import resolve_name
from typing import Final, cast

import anyio
import msgspec

from services.base import TTS, Emotion, Synthesis, TTSError, TurnSynthesis, Voice
from services.engine_choice import EngineChoice, Vendor
from services.engine_deadline import Deadline
from services.engine_settings import TTSSettings
from services.engine_voices import PlainVoice

MEI_CREDIT = (
    'HTS Voice "Mei" by MMDAgent Project Team and Nagoya Institute of Technology, '
    "licensed under CC BY 3.0 (https://creativecommons.org/licenses/by/3.0/)"
)

# In order of preference; the last needs no secret. A new vendor is a folder under services/vendors and a row here.
TTS_VENDORS: Mapping[str, Vendor] = {
    "minimax": Vendor("services.vendors.minimax.tts", secrets=("MINIMAX_API_KEY",), endpoint="tts", model="tts_model"),
    "voicevox": Vendor(
        "services.vendors.voicevox.tts",
        endpoint="voicevox",
        own_server=True,
        voice="services.vendors.voicevox.voice:VoicevoxVoice",
    ),
    "gpt_sovits": Vendor(
        "services.vendors.gpt_sovits.tts",
        endpoint="gpt_sovits",
        own_server=True,
        voice="services.vendors.gpt_sovits.voice:GptSovitsVoice",
    ),
    "style_bert_vits2": Vendor(
        "services.vendors.style_bert_vits2.tts",
        endpoint="style_bert_vits2",
        own_server=True,
        voice="services.vendors.style_bert_vits2.voice:StyleBertVits2Voice",
    ),
    "openai": Vendor(
        "services.vendors.openai.tts",
        endpoint="openai_tts",
        model="openai_tts",
        own_server=True,
        voice="services.vendors.openai.voice:OpenAIVoice",
    ),
    "embedded": Vendor("services.vendors.embedded.tts", credit=MEI_CREDIT),
}


LONGEST_TEXT_CHARS: Final = 300  # asked for at once: less than a minute. Vendors end or refuse what is much longer
_BREATH = re.compile(r"[、，,;；:：…\s]+[」』）)”’】]*")  # where a sentence that is too long is divided


def voice_kinds() -> dict[str, type[msgspec.Struct]]:
    """Of each engine, what `voices.<engine>` of a character may hold. Their modules hold nothing else."""
    return {
        engine: cast(type[msgspec.Struct], resolve_name(vendor.voice)) if vendor.voice else PlainVoice
        for engine, vendor in TTS_VENDORS.items()
    }


@asynccontextmanager
async def open_tts(choice: EngineChoice, settings: TTSSettings) -> AsyncIterator["TimedTTS"]:
    """Open the chosen voice for this process; its module is imported only now.

    Raises (on entering):
        EngineUnavailable: it cannot be opened, with what to do.
    """
    async with import_module(choice.vendor.module).open_tts(settings) as tts:
        yield TimedTTS(tts, settings.first_audio_s, settings.gap_s)


class TimedTTS:
    """A voice whose sentences end in time, with a TTSError where they do not end by themselves."""

    def __init__(self, tts: TTS, first_audio_s: float, gap_s: float) -> None:
        self.sample_rate_hz = tts.sample_rate_hz
        self.languages = tts.languages
        self._tts = tts
        self._first_audio_s = first_audio_s
        self._gap_s = gap_s

    @property
    def credits(self) -> tuple[str, ...]:
        return self._tts.credits

    def prepare(self, voice: Voice) -> None:
        self._tts.prepare(voice)

    @asynccontextmanager
    async def open_synthesis(self, voice: Voice) -> AsyncIterator[TurnSynthesis]:
        async with self._tts.open_synthesis(voice) as synthesis:
            yield _TimedSynthesis(synthesis, self.languages, self._first_audio_s, self._gap_s)


class _TimedSynthesis:
    """Sentences may overlap, and a vendor may speak them one by one: the first audio of a sentence is due from the
    instant at which no earlier sentence is still being received."""

    def __init__(self, synthesis: Synthesis, languages: frozenset[str], first_audio_s: float, gap_s: float) -> None:
        self.languages = languages
        self._synthesis = synthesis
        self._first_audio_s = first_audio_s
        self._gap_s = gap_s
        self._running: list[anyio.CancelScope] = []  # one per sentence, in order; its deadline is for the first audio

    def expect(self, emotion: Emotion, words: str = "") -> None:
        self._synthesis.expect(emotion, words)

    async def synthesize(self, text: str, emotion: Emotion, language: str | None = None) -> AsyncGenerator[bytes]:
        first, gap = anyio.CancelScope(), Deadline()
        self._running.append(first)
        self._start_foremost()
        try:
            due = first
            for part in divide(text):
                async with aclosing(self._synthesis.synthesize(part, emotion)) as pieces:
                    piece = await _next(pieces, due)
                    while piece is not None:
                        yield piece
                        piece = await _next(pieces, gap.within(self._gap_s))
                due = anyio.CancelScope(deadline=anyio.current_time() + self._first_audio_s)
        finally:
            self._running.remove(first)
            self._start_foremost()

    def _start_foremost(self) -> None:
        if self._running and self._running[0].deadline == math.inf:
            self._running[0].deadline = anyio.current_time() + self._first_audio_s


def divide(text: str) -> Iterator[str]:
    """A sentence in parts that a voice takes: cut where one would breathe, as late as possible, else anywhere."""
    while len(text) > LONGEST_TEXT_CHARS:
        breaths = (found.end() for found in _BREATH.finditer(text, 0, LONGEST_TEXT_CHARS + 10))
        end = max((at for at in breaths if at <= LONGEST_TEXT_CHARS), default=LONGEST_TEXT_CHARS)
        yield text[:end]
        text = text[end:]
    if text:
        yield text


async def _next(pieces: AsyncGenerator[bytes], scope: anyio.CancelScope | Deadline) -> bytes | None:
    """The next piece, None after the last; nothing is ever handed out from inside the scope."""
    with scope:
        return await anext(pieces, None)
    raise TTSError("The voice did not answer in time", timed_out=True)
