"""A defect of ours in the middle of a turn: the turn ends as turns end, the session and its next turn live."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from conversation.timeline import Timeline
from server.audio.queued_audio import AudioBudget
from server.auth import Authenticator
from server.backend import Backend
from server.character_manager import CharacterManager
from server.config import Config
from server.connection_manager import ConnectionManager
from server.overload import Overload
from server.protocol import wire
from server.protocol.extensions import Extensions
from server.session.client import Client
from server.session.early_llm import EarlyLLM
from server.session.turn_delivery import TurnDelivery
from server.session.user_history import UserHistory
from server.transport.rate_limits import RateLimits
from services.base import Prompt
from services.engine_settings import ASRSettings, TTSSettings
from services.fallback.tts import NamedTTS
from services.tts_service import TimedTTS
from services.vendors.bytedance.asr import open_asr
from services.vendors.embedded.tts import open_tts
from services.vendors.silero.vad import open_vad
from stores.history import HistoryKey, MemoryHistory
from stores.presence import InProcessPresence

pytestmark = pytest.mark.anyio


class DefectiveLLM:
    """Says a sentence, then shows that we made a mistake."""

    def prepare(self) -> None: ...

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        yield '{"emotion": "happy", "jp": "うん。", "cn": "嗯。"}\n'
        yield "{"
        raise ZeroDivisionError("the canary of this test")


async def test_defect_ends_the_turn_with_an_incident_id_and_keeps_what_was_heard() -> None:
    characters = CharacterManager.load(Path(__file__).parents[3] / "prompts", "anon")
    store, said = MemoryHistory(), list[wire.AnyServerFrame]()

    async def send(message: wire.AnyServerFrame) -> None:
        said.append(message)

    ears = ASRSettings("ws://127.0.0.1/", "ws://127.0.0.1/", "volc", secrets={"BYTEDANCE_API_KEY": "key"})
    async with open_tts(TTSSettings()) as tts, open_asr(ears) as asr, open_vad() as vad:
        backend = Backend(
            Config(),
            Authenticator([]),
            characters,
            DefectiveLLM(),
            NamedTTS("embedded", TimedTTS(tts, 60, 60)),
            asr,
            vad,
            {},
            store,
            ConnectionManager(InProcessPresence(), Config().limits, Overload(Config().limits)),
            RateLimits({}),
            AudioBudget(1),
            Overload(Config().limits),
        )
        history = UserHistory(store, "a" * 64, send)
        client = Client(send, Extensions(["turns"], []), 16_000)
        turn = TurnDelivery(backend, EarlyLLM(backend.llm), client, history, characters.default, 1, Timeline(0.0))
        with capture_logs() as logs:
            await turn.run("你好", "text")
            await turn.finish()
    *_, error, end = said
    assert isinstance(error, wire.Error) and error.code == "internal" and "canary" not in error.message
    assert isinstance(end, wire.TurnEnd) and end.status == "failed"
    assert [log["ref"] for log in logs if log["event"] == "incident"] == [error.ref]
    heard = any(isinstance(message, wire.AudioChunk) for message in said)
    assert heard == any(isinstance(message, wire.AudioEnd) for message in said)
    (user, *reply), _ = await store.newest(HistoryKey("a" * 64, "anon"), 10)
    assert user.content_cn == "你好" and user.cut and len(reply) <= 1
