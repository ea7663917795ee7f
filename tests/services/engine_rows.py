"""All engines, for the promises of `test_engine_contract.py`: a new one is a row here.

A row is how to stand up the vendor of an engine (a simulator, or nothing), the settings with which the engine reaches
it, and how that vendor goes wrong.
"""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pytest

from services.base import RECOGNITION_RATE_HZ, Line, Script, Voice
from services.engine_settings import ASRSettings, LLMSettings, TTSSettings
from services.vendors.gpt_sovits.voice import GptSovitsVoice
from tests.services.sherpa import tiny_model
from tests.services.whisper import stand_in
from tests.simulators import ark as arks
from tests.simulators import bytedance as bytedances
from tests.simulators import funasr as funasrs
from tests.simulators import (
    gpt_sovits,
    openai_chat,
    openai_speech,
    openai_transcription,
    speech_server,
    style_bert_vits2,
    voicevox,
)
from tests.simulators import minimax as minimaxes
from tests.simulators import minimax_bidi as bidis

KEY = "sk-of-the-contract-0123456789"
SCRIPTS = {"anon": Script((), ((Line("こんにちは。", "你好。"), Line("元気？", "还好吗？")),))}
# Loud enough to be taken for speech by whoever looks at nothing else.
SPEECH = np.random.default_rng(0).integers(-9000, 9000, RECOGNITION_RATE_HZ // 2, dtype="<i2").tobytes()
RECORDING = Voice(options=GptSovitsVoice("anon.wav", "こんにちは。"))

S = TypeVar("S", LLMSettings, TTSSettings, ASRSettings)
Kind = Literal["llm", "tts", "asr"]


@dataclass(frozen=True)
class Bench(Generic[S]):
    """A vendor that stands, and what an engine needs to reach it.

    `calls`: how many it is serving; `connections`: how many are open. `faults`: by name, what makes it go wrong from
    now on; after the one called `silent` it never answers. `heal` ends them.
    """

    settings: S
    calls: Callable[[], int] = lambda: 0
    connections: Callable[[], int] = lambda: 0
    faults: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    heal: Callable[[], None] = lambda: None
    voice: Voice = field(default_factory=Voice)  # one that the vendor has


@dataclass(frozen=True)
class Row:
    """`folder`, which `stand` is given, is empty and its own."""

    kind: Kind
    engine: str  # its name in the configuration
    stand: Callable[[Path], AbstractAsyncContextManager[Bench[Any]]]


def put(thing: object, **attributes: object) -> Callable[[], None]:
    """When called, give it these."""

    def do() -> None:
        for name, value in attributes.items():
            setattr(thing, name, value)

    return do


@asynccontextmanager
async def no_llm(_: Path) -> AsyncIterator[Bench[LLMSettings]]:
    yield Bench(LLMSettings(scripts=SCRIPTS))


@asynccontextmanager
async def no_tts(_: Path) -> AsyncIterator[Bench[TTSSettings]]:
    yield Bench(TTSSettings())


@asynccontextmanager
async def no_asr(_: Path) -> AsyncIterator[Bench[ASRSettings]]:
    yield Bench(ASRSettings(scripts=SCRIPTS))


@asynccontextmanager
async def ark(_: Path) -> AsyncIterator[Bench[LLMSettings]]:
    async with arks.serve_ark(key=KEY) as vendor:
        keys = {"DOUBAO_API_KEY": KEY, "OPENAI_API_KEY": KEY}
        settings = LLMSettings(endpoint=vendor.endpoint, model=arks.MODEL, secrets=keys)
        ways = {name: arks.Behaviour(fault=name) for name in ("silent", "stall", "drop", "end_early", "garbage")}
        for code in ("AuthenticationError", "ServerOverloaded", "QuotaExceeded", "InputTextRiskDetection"):
            ways[code] = arks.Behaviour(refusal=arks.REFUSALS[code])
        faults = {name: put(vendor, default=way) for name, way in ways.items()}
        heal = put(vendor, default=arks.Behaviour())
        yield Bench(settings, lambda: vendor.open, lambda: vendor.open_connections, faults, heal)


@asynccontextmanager
async def openai_llm(_: Path) -> AsyncIterator[Bench[LLMSettings]]:
    """One that nobody asked for a key, on somebody's desk."""
    async with openai_chat.serve_openai("ollama") as vendor:
        settings = LLMSettings(endpoint=vendor.endpoint, model=openai_chat.MODEL)
        ways = {name: openai_chat.Behaviour(fault=name) for name in ("silent", "stall", "drop", "end_early", "garbage")}
        for about in ("model", "value"):
            ways[about] = openai_chat.Behaviour(refusal=vendor.refusal(about))
        faults = {name: put(vendor, default=way) for name, way in ways.items()}
        heal = put(vendor, default=openai_chat.Behaviour())
        yield Bench(settings, lambda: vendor.open, lambda: vendor.open_connections, faults, heal)


def minimax(simulate: Callable[..., Any], fault: Callable[..., Any]) -> Callable[[Path], Any]:
    """Of the plain variant, or of the bidirectional one."""

    @asynccontextmanager
    async def stand(_: Path) -> AsyncIterator[Bench[TTSSettings]]:
        async with simulate(key=KEY) as vendor:
            settings = TTSSettings(endpoint=vendor.url, model="speech-2.8-hd", secrets={"MINIMAX_API_KEY": KEY})
            ways: dict[str, Any] = {"silent": {"at": "text", "stall": True}, "drop": {"at": "speech", "drop": True}}
            ways |= {"away": {"at": "handshake", "status": 503}, "garbage": {"at": "text", "raw": "{]"}}
            ways |= {f"{code}": {"at": "text", "status": code} for code in (1000, 1002, 1004, 1008, 1026, 2013)}
            faults = {name: put(vendor, faults=[fault(**way, times=1e9)]) for name, way in ways.items()}
            yield Bench(settings, lambda: 0, lambda: len(vendor.open_calls), faults, put(vendor, faults=[]))

    return stand


# Of a voice over HTTP; each at the request for sound.
SPEECH_FAULTS: Mapping[str, dict[str, Any]] = {
    "silent": {"stall": True},
    "stall": {"stall": True, "after_bytes": 6401},
    "drop": {"drop": True},
    "break off": {"drop": True, "after_bytes": 6401},
    "denied": {"status": 401},
    "missing": {"status": 404},
    "refused": {"status": 422},
    "busy": {"status": 429},
    "busy for long": {"status": 429, "headers": {"Retry-After": "60"}},
    "quota": {"status": 429, "body": b'{"error": {"code": "insufficient_quota", "message": "no"}}'},
    "failed": {"status": 500},
    "away": {"status": 503},
    "garbage": {"status": 200, "kind": "audio/wav", "body": b"RIFF\0\0\0\0no sound"},
    "empty": {"status": 200, "kind": "audio/wav", "body": b""},
    "page": {"status": 200, "kind": "text/html", "body": b"<html>Sign in</html>"},
    "told in JSON": {"status": 200, "body": b'{"error": "no"}'},
    "moved": {"status": 307, "headers": {"Location": "/elsewhere"}},
}


def http_voice(
    simulate: Callable[[], AbstractAsyncContextManager[Any]], model: str = "", voice: Voice | None = None
) -> Callable[[Path], Any]:
    """Of any vendor that is asked over HTTP."""

    @asynccontextmanager
    async def stand(_: Path) -> AsyncIterator[Bench[TTSSettings]]:
        async with simulate() as vendor:
            faults = {
                name: put(vendor, faults=[speech_server.Fault(vendor.sound_path, **way, times=1e9)])
                for name, way in SPEECH_FAULTS.items()
            }
            settings = TTSSettings(endpoint=vendor.url, model=model)
            heal, connections = put(vendor, faults=[]), lambda: vendor.open_connections
            yield Bench(settings, lambda: vendor.open, connections, faults, heal, voice or Voice())

    return stand


@asynccontextmanager
async def bytedance(_: Path) -> AsyncIterator[Bench[ASRSettings]]:
    async with bytedances.simulate_bytedance() as vendor:
        keys, model = {"BYTEDANCE_API_KEY": bytedances.API_KEY}, "volc.bigasr.sauc.duration"
        settings = ASRSettings(endpoint=vendor.url, batch_endpoint=vendor.batch_url, model=model, secrets=keys)
        ways: dict[str, Any] = {"silent": {"at": "final", "stall": True}, "drop": {"at": "audio", "drop": True}}
        ways |= {"away": {"at": "handshake", "status": 503}, "garbage": {"at": "final", "raw": b"\x11\xff?"}}
        ways |= {f"{code}": {"at": "first", "code": code} for code in (45000001, 45000081, 45000292, 55000031)}
        faults = {name: put(vendor, faults=[bytedances.Fault(**way, times=1e9)]) for name, way in ways.items()}
        open_calls = lambda: len(vendor.open_calls)  # noqa: E731
        yield Bench(settings, open_calls, open_calls, faults, put(vendor, faults=[]))


@asynccontextmanager
async def openai_asr(_: Path) -> AsyncIterator[Bench[ASRSettings]]:
    async with openai_transcription.serve_transcription(key=KEY) as vendor:
        settings = ASRSettings(endpoint=vendor.endpoint, model="whisper-1", secrets={"OPENAI_API_KEY": KEY})
        kinds: tuple[openai_transcription.FaultKind, ...] = (
            "silent", "silent_after_headers", "drop", "drop_in_body", "end_early", "garbage", "empty", "bad_utf8",
            "page", "no_text", "error_in_200", "endless", "redirect",
        )  # fmt: skip
        ways = {str(kind): openai_transcription.Fault(kind) for kind in kinds}
        ways |= {f"{code}": openai_transcription.Fault(status=code) for code in (400, 401, 404, 413, 429, 500, 503)}
        faults = {name: put(vendor, faults=deque([way] * 99)) for name, way in ways.items()}
        connections = lambda: len(vendor.live)  # noqa: E731
        yield Bench(settings, lambda: vendor.open, connections, faults, put(vendor, faults=deque()))


def funasr(program: funasrs.Program) -> Callable[[Path], Any]:
    @asynccontextmanager
    async def stand(_: Path) -> AsyncIterator[Bench[ASRSettings]]:
        async with funasrs.simulate_funasr(funasrs.Manner(program)) as vendor:
            ways: dict[str, Any] = {"silent": {"at": "end", "stall": True}, "deaf": {"at": "upgrade", "stall": True}}
            ways |= {"drop": {"at": "audio", "drop": True}, "drop at the end": {"at": "end", "drop": True}}
            ways |= {"closed": {"at": "audio", "close": 1011}, "garbage": {"at": "end", "raw": "{]"}}
            ways |= {f"{status}": {"at": "handshake", "status": status} for status in (400, 401, 404, 429, 503)}
            faults = {name: put(vendor, faults=[funasrs.Fault(**way, times=1e9)]) for name, way in ways.items()}
            open_calls = lambda: len(vendor.open_calls)  # noqa: E731
            settings = ASRSettings(endpoint=vendor.url)
            yield Bench(settings, open_calls, lambda: len(vendor.sockets), faults, put(vendor, faults=[]))

    return stand


@asynccontextmanager
async def whisper(folder: Path) -> AsyncIterator[Bench[ASRSettings]]:
    """Its library is a stand-in, its process is real."""
    with pytest.MonkeyPatch.context() as patch:
        stand_in.install(patch)
        yield Bench(ASRSettings(model_dir=str(stand_in.write_model(folder))))


def sherpa(directory: str) -> Callable[[Path], Any]:
    """The kind of a model is read from the name of its directory."""

    @asynccontextmanager
    async def stand(folder: Path) -> AsyncIterator[Bench[ASRSettings]]:
        model = tiny_model.write_model(folder / directory, streaming="streaming" in directory)
        yield Bench(ASRSettings(model_dir=str(model)))

    return stand


ROWS: Mapping[str, Row] = {
    "llm embedded": Row("llm", "embedded", no_llm),
    "llm doubao": Row("llm", "doubao", ark),
    "llm openai at Ark": Row("llm", "openai", ark),
    "llm openai": Row("llm", "openai", openai_llm),
    "tts embedded": Row("tts", "embedded", no_tts),
    "tts minimax": Row("tts", "minimax", minimax(minimaxes.simulate_minimax, minimaxes.Fault)),
    "tts minimax bidirectional": Row("tts", "minimax", minimax(bidis.simulate_minimax_bidi, bidis.Fault)),
    "tts voicevox": Row("tts", "voicevox", http_voice(voicevox.simulate_voicevox)),
    "tts gpt_sovits": Row("tts", "gpt_sovits", http_voice(gpt_sovits.simulate_gpt_sovits, voice=RECORDING)),
    "tts style_bert_vits2": Row("tts", "style_bert_vits2", http_voice(style_bert_vits2.simulate_style_bert_vits2)),
    "tts openai": Row("tts", "openai", http_voice(openai_speech.simulate_openai_speech, openai_speech.MODEL)),
    "asr embedded": Row("asr", "embedded", no_asr),
    "asr bytedance": Row("asr", "bytedance", bytedance),
    "asr openai": Row("asr", "openai", openai_asr),
    "asr funasr": Row("asr", "funasr", funasr("cpp-2pass")),
    "asr funasr in Python": Row("asr", "funasr", funasr("py-new")),
    "asr funasr in old Python": Row("asr", "funasr", funasr("py-old")),
    "asr whisper": Row("asr", "whisper", whisper),
    "asr sherpa streaming": Row("asr", "sherpa", sherpa("nemo-streaming")),
    "asr sherpa whole": Row("asr", "sherpa", sherpa("nemo-whole")),
}

# Engines without a row, by kind and name, each with the reason.
LEFT_OUT: Mapping[tuple[Kind, str], str] = {}
