"""Every engine of the configuration by itself: whether it opens, and where the operator wants it, one small call."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from time import monotonic

from msgspec.structs import replace as with_fields

from server.backend import Backend, choose_engines_of, open_backend
from server.checkup.findings import Finding, found
from server.config import ConfigError, Settings
from server.observability.language import translate
from services.base import Message, Prompt, RecognitionHints, ServiceError
from services.engine_choice import EngineChoice
from stores.history_sql import MEMORY_URL

_SAID = "你好"
_SPOKEN = "はい。"
_HEARD = bytes(32_000)  # a second of silence: any answer proves the way and the key


async def look_at_engines(settings: Settings, *, call: bool) -> AsyncIterator[Finding]:
    """`call`: ask each for something small, which cloud vendors may charge for."""
    for kind, lineup in choose_engines_of(settings).items():
        for choice in lineup.choices:
            yield await _look_at_engine(_with_it_alone(settings, kind, choice), kind, choice, call=call)


def _with_it_alone(settings: Settings, kind: str, choice: EngineChoice) -> Settings:
    """Beside embedded ones of the other kinds, and without a history: only what is looked at can fail."""
    names = {"llm": ("embedded",), "tts": ("embedded",), "asr": ("embedded",)}
    if kind in names:
        names[kind] = (choice.name,)
    config = settings.config
    return replace(
        settings,
        config=with_fields(
            config,
            engines=with_fields(config.engines, **names),
            history=with_fields(config.history, url=MEMORY_URL),
        ),
        warnings=(),
    )


async def _look_at_engine(settings: Settings, kind: str, choice: EngineChoice, *, call: bool) -> Finding:
    fields: Mapping[str, object] = {"kind": kind, "name": choice.name}
    try:
        async with open_backend(settings) as backend:
            if not call or kind == "vad":
                return found("good", "doctor_engine_opens", **fields, reason=translate(choice.reason))
            began = monotonic()
            await _CALLS[kind](backend)
            return found("good", "doctor_engine_answers", **fields, ms=round((monotonic() - began) * 1000))
    except ConfigError as error:
        return found("bad", "doctor_engine_bad", **fields, error=translate(str(error)))
    except ServiceError as error:
        mend = "doctor_mend_later" if error.retryable else "doctor_mend_key"
        return found("bad", mend, **fields, error=error)


async def _think(backend: Backend) -> None:
    prompt = Prompt(backend.characters.default.name, (Message("user", _SAID),))
    async with aclosing(backend.llm.stream(prompt)) as fragments:
        async for _ in fragments:
            return


async def _speak(backend: Backend) -> None:
    async with backend.tts.open_synthesis(backend.characters.default.voices) as synthesis:
        async with aclosing(synthesis.synthesize(_SPOKEN, "auto")) as pieces:
            async for _ in pieces:
                return


async def _hear(backend: Backend) -> None:
    hints = RecognitionHints(backend.characters.default.name)
    async with backend.asr.open_recognition(hints, whole=True) as recognition:
        await recognition.send(_HEARD)
        await recognition.finish()
        async with aclosing(recognition.transcripts()) as transcripts:
            async for transcript in transcripts:
                if transcript.is_final:
                    return


_CALLS = {"llm": _think, "tts": _speak, "asr": _hear}
