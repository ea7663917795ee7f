"""All engines, for the promises of `test_engine_contract.py`: a new one is a row here.

A row is how to stand up the vendor of an engine (a simulator, or nothing), the settings with which the engine reaches
it, and how that vendor goes wrong.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np

from services.base import RECOGNITION_RATE_HZ, Line, Script
from services.engine_settings import ASRSettings, LLMSettings, TTSSettings
from tests.services.sherpa.tiny_model import write_model
from tests.simulators import ark as arks
from tests.simulators import bytedance as bytedances
from tests.simulators import minimax as minimaxes
from tests.simulators import minimax_bidi as bidis

KEY = "sk-of-the-contract-0123456789"
SCRIPTS = {"anon": Script((), ((Line("こんにちは。", "你好。"), Line("元気？", "还好吗？")),))}
# Loud enough to be taken for speech by whoever looks at nothing else.
SPEECH = np.random.default_rng(0).integers(-9000, 9000, RECOGNITION_RATE_HZ // 2, dtype="<i2").tobytes()

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
        settings = LLMSettings(endpoint=vendor.endpoint, model=arks.MODEL, secrets={"DOUBAO_API_KEY": KEY})
        ways = {name: arks.Behaviour(fault=name) for name in ("silent", "stall", "drop", "end_early", "garbage")}
        for code in ("AuthenticationError", "ServerOverloaded", "QuotaExceeded", "InputTextRiskDetection"):
            ways[code] = arks.Behaviour(refusal=arks.REFUSALS[code])
        faults = {name: put(vendor, default=way) for name, way in ways.items()}
        heal = put(vendor, default=arks.Behaviour())
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


def sherpa(directory: str) -> Callable[[Path], Any]:
    """The kind of a model is read from the name of its directory."""

    @asynccontextmanager
    async def stand(folder: Path) -> AsyncIterator[Bench[ASRSettings]]:
        model = write_model(folder / directory, streaming="streaming" in directory)
        yield Bench(ASRSettings(model_dir=str(model)))

    return stand


ROWS: Mapping[str, Row] = {
    "llm embedded": Row("llm", "embedded", no_llm),
    "llm doubao": Row("llm", "doubao", ark),
    "tts embedded": Row("tts", "embedded", no_tts),
    "tts minimax": Row("tts", "minimax", minimax(minimaxes.simulate_minimax, minimaxes.Fault)),
    "tts minimax bidirectional": Row("tts", "minimax", minimax(bidis.simulate_minimax_bidi, bidis.Fault)),
    "asr embedded": Row("asr", "embedded", no_asr),
    "asr bytedance": Row("asr", "bytedance", bytedance),
    "asr sherpa streaming": Row("asr", "sherpa", sherpa("nemo-streaming")),
    "asr sherpa whole": Row("asr", "sherpa", sherpa("nemo-whole")),
}
