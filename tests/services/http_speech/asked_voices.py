"""The engines that are asked over HTTP, each with its simulator: what all their tests start from."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

import anyio
import pytest

from services.base import TTS, Emotion, Synthesis, TTSError, Voice
from services.engine_settings import TTSSettings
from services.engine_voices import PerEmotion
from services.vendors.gpt_sovits.voice import GptSovitsRecording, GptSovitsVoice
from tests.simulators import gpt_sovits, openai_speech, style_bert_vits2, voicevox
from tests.simulators.speech_server import SpeechSimulator

LONG = "今日はとても良い天気だから、みんなで公園まで散歩に行きましょう、そのあとでお茶を飲もうね。"
SHORT = "うん、わかったよ。"
OWN_WORDS = "must not be shown"


@dataclass(frozen=True, eq=False)
class Engine:
    """One of them."""

    name: str
    simulate: Callable[..., AbstractAsyncContextManager[SpeechSimulator]]
    rate_hz: int  # of its own, so that nothing is resampled where this is asked for
    streams: bool
    sound_path: str  # of the requests that give sound
    manner: Callable[..., Any]  # of its server
    voice: Voice = field(default_factory=Voice)
    settings: dict[str, Any] = field(default_factory=dict)

    def open(self, url: str, **changes: Any) -> AbstractAsyncContextManager[TTS]:
        settings = {"endpoint": url, "sample_rate_hz": self.rate_hz, **self.settings, **changes}
        opened: AbstractAsyncContextManager[TTS] = import_module(f"services.vendors.{self.name}.tts").open_tts(
            TTSSettings(**settings)
        )
        return opened

    @asynccontextmanager
    async def running(self, manner: Any = None, **changes: Any) -> AsyncIterator[tuple[Any, TTS]]:
        """A server and our engine for it; afterwards not a socket and not a task of ours is left."""
        with anyio.fail_after(60):  # a test that hangs is a test that fails
            async with self.simulate(manner or self.manner()) as simulator:
                tasks = asyncio.all_tasks()
                async with self.open(simulator.url, **changes) as tts:
                    yield simulator, tts
                await simulator.until(lambda: not simulator.open)
                for _ in range(5000):  # a socket that is closed here is closed there a little later
                    if not simulator.open_connections:
                        break
                    await anyio.sleep(0.001)
                assert not simulator.open_connections
                left = [task.get_coro() for task in asyncio.all_tasks() - tasks]
                names = [str(getattr(each, "__qualname__", each)) for each in left]
                assert [name for name in names if "RequestHandler" not in name] == []  # that one is the simulator's


RECORDINGS = GptSovitsVoice(
    "anon.wav", "こんにちは。", emotions=PerEmotion(sad=GptSovitsRecording("sad.wav", "はあ。"))
)

VOICEVOX = Engine(
    "voicevox",
    voicevox.simulate_voicevox,
    voicevox.RATE_HZ,
    streams=False,
    sound_path="synthesis",
    manner=voicevox.Manner,
)
GPT_SOVITS = Engine(
    "gpt_sovits",
    gpt_sovits.simulate_gpt_sovits,
    gpt_sovits.RATE_HZ,
    streams=True,
    sound_path="tts",
    manner=gpt_sovits.Manner,
    voice=Voice(options=RECORDINGS),
)
STYLE_BERT_VITS2 = Engine(
    "style_bert_vits2",
    style_bert_vits2.simulate_style_bert_vits2,
    style_bert_vits2.RATE_HZ,
    streams=False,
    sound_path="voice",
    manner=style_bert_vits2.Manner,
)
OPENAI = Engine(
    "openai",
    openai_speech.simulate_openai_speech,
    openai_speech.RATE_HZ,
    streams=True,
    sound_path="audio/speech",
    manner=partial(openai_speech.Manner, flavour="speaches"),  # which takes everything
    settings={"model": openai_speech.MODEL},
)
ENGINES = (VOICEVOX, GPT_SOVITS, STYLE_BERT_VITS2, OPENAI)


async def pieces_of(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> list[bytes]:
    async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
        heard = [piece async for piece in pieces]
    assert all(piece and len(piece) % 2 == 0 for piece in heard)
    return heard


async def hear(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> bytes:
    return b"".join(await pieces_of(synthesis, text, emotion))


async def fail(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> tuple[TTSError, bytes]:
    """The error that ends a sentence, and what was heard of it before."""
    heard: list[bytes] = []
    with pytest.raises(TTSError) as raised:
        async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
            async for piece in pieces:
                heard.append(piece)
    return raised.value, b"".join(heard)
