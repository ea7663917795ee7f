"""A defect of ours in the middle of a turn: the turn ends as turns end, the session and its next turn live."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from server import wire
from server.auth import Authenticator
from server.backend import Backend
from server.caller_history import CallerHistory
from server.character_manager import CharacterManager
from server.config import Config
from server.connection_manager import ConnectionManager
from server.rate_limits import RateLimits
from server.served_turn import ServedTurn
from services.base import EngineChoice, Prompt, TTSSettings, Vendor
from services.vendors.embedded_tts import open_tts
from stores.history import HistoryKey, MemoryHistory
from stores.presence import InProcessPresence

pytestmark = pytest.mark.anyio


class DefectiveLLM:
    """Says a sentence, then shows that we made a mistake."""

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        yield '{"emotion": "happy", "jp": "うん。", "cn": "嗯。"}\n'
        yield "{"
        raise ZeroDivisionError("the canary of this test")


async def test_defect_ends_the_turn_with_an_incident_id_and_keeps_what_was_heard() -> None:
    characters = CharacterManager.load(Path(__file__).parents[2] / "prompts", "anon")
    store, said = MemoryHistory(), list[wire.AnyServerMessage]()

    async def send(message: wire.AnyServerMessage) -> None:
        said.append(message)

    async with open_tts(TTSSettings()) as tts:
        backend = Backend(
            Config(),
            Authenticator([]),
            characters,
            DefectiveLLM(),
            tts,
            {"tts": EngineChoice("embedded", Vendor(""), "")},
            store,
            ConnectionManager(InProcessPresence(), Config().limits),
            RateLimits({}),
        )
        history = CallerHistory(store, "a" * 64, send)
        turn = ServedTurn(backend, send, frozenset({"turns"}), history, characters.default, 1, 0.0)
        with capture_logs() as logs:
            await turn.run("你好", "text")
    *_, error, end = said
    assert isinstance(error, wire.Error) and error.code == "internal" and "canary" not in error.message
    assert isinstance(end, wire.TurnEnd) and end.status == "failed"
    assert [log["ref"] for log in logs if log["event"] == "incident"] == [error.ref]
    heard = any(isinstance(message, wire.AudioChunk) for message in said)
    assert heard == any(isinstance(message, wire.AudioEnd) for message in said)
    (user, *reply), _ = await store.newest(HistoryKey("a" * 64, "anon"), 10)
    assert user.content_cn == "你好" and user.cut and len(reply) <= 1
