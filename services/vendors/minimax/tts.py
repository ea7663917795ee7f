"""MiniMax T2A v2 over WebSocket: a sentence in, its pcm out; connections are made ahead of need and kept warm.

A turn speaks over one connection per emotion and language, because `task_start` fixes both. A sentence is sent while
the one before it is still coming in. No task reads: whoever waits for a sentence reads for all who wait on that
connection.

An address that ends in `_bidi` is spoken to in the bidirectional variant. There a turn that is interrupted leaves a
connection that the next one goes on with, once the vendor has acknowledged the cancellation. And there a sentence is
sent clause by clause while it is being written, so that it is already being spoken when its last word is known.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio

from services.base import TTS, Synthesis, Voice
from services.engine_choice import EngineUnavailable
from services.engine_settings import TTSSettings
from services.engine_tasks import ending
from services.vendors.minimax import frames
from services.vendors.minimax.connection import BIDIRECTIONAL, PLAIN, open_session
from services.vendors.minimax.pool import Pool
from services.vendors.minimax.synthesis import MinimaxSynthesis

KEY_NAME = "MINIMAX_API_KEY"


class MinimaxTTS:
    """The voice engine of this process."""

    def __init__(self, pool: Pool, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.languages = frozenset(("ja", "zh", "ko", "en"))  # of the forty those that a sentence is ever told to be in
        self._pool = pool

    @property
    def credits(self) -> tuple[str, ...]:
        return ()

    def prepare(self, voice: Voice) -> None:
        self._pool.prepare(voice)

    @asynccontextmanager
    async def open_synthesis(self, voice: Voice) -> AsyncIterator[Synthesis]:
        tasks = anyio.create_task_group()
        synthesis = MinimaxSynthesis(self._pool, voice, tasks)
        try:
            async with ending(tasks):
                synthesis.open_ahead()
                yield synthesis
        finally:
            await synthesis.close()


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncIterator[TTS]:
    """Open the engine for this process.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    key = settings.secrets.get(KEY_NAME, "")
    if not key:
        raise EngineUnavailable(f"engines.tts: minimax needs {KEY_NAME}; set it, or choose auto")
    address = urlsplit(settings.endpoint)
    if address.scheme not in ("ws", "wss"):
        raise EngineUnavailable(
            "endpoints.tts: minimax wants a ws:// or wss:// address ending in /t2a_v2 or /t2a_v2_bidi"
        )
    if settings.sample_rate_hz not in frames.SAMPLE_RATES_HZ:
        rates = ", ".join(map(str, sorted(frames.SAMPLE_RATES_HZ)))
        raise EngineUnavailable(f"audio.tts_sample_rate: minimax speaks at one of {rates}")
    variant = BIDIRECTIONAL if address.path.endswith("_bidi") else PLAIN
    tasks = anyio.create_task_group()
    async with open_session(settings, key) as session:
        pool = Pool(session, settings, variant, tasks)
        try:
            async with ending(tasks):
                yield MinimaxTTS(pool, settings.sample_rate_hz)
        finally:
            await pool.shed()
