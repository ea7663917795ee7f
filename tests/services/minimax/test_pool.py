"""What MiniMax's engine opens ahead of a turn, in both variants: enough, never more than some, and nothing is left."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import count
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest
from structlog.testing import capture_logs

from services.base import TTS, Emotion, Synthesis, Voice
from services.engine_choice import EngineUnavailable
from services.engine_settings import TTSSettings
from services.vendors.minimax.pool import WARM_CONNECTIONS
from services.vendors.minimax.tts import open_tts
from tests.simulators.minimax import KEY, MinimaxSimulator, simulate_minimax
from tests.simulators.minimax import Fault as PlainFault
from tests.simulators.minimax_bidi import BidiSimulator, Fault, simulate_minimax_bidi

pytestmark = pytest.mark.anyio

AnySimulator = BidiSimulator | MinimaxSimulator


@pytest.fixture(params=["plain", "bidirectional"])
async def vendor(request: pytest.FixtureRequest) -> AsyncIterator[AnySimulator]:
    with anyio.fail_after(60):  # a test that hangs is a test that fails
        async with simulate_minimax() as plain, simulate_minimax_bidi() as bidirectional:
            yield plain if request.param == "plain" else bidirectional


@asynccontextmanager
async def opened(vendor: AnySimulator, **changes: Any) -> AsyncIterator[TTS]:
    """Our engine for this vendor; afterwards not a socket and not a task is left."""
    secrets = {"MINIMAX_API_KEY": KEY}
    tasks = asyncio.all_tasks()
    async with open_tts(TTSSettings(endpoint=vendor.url, model="speech-2.8-hd", secrets=secrets, **changes)) as tts:
        yield tts
    await vendor.until(lambda: not vendor.open_calls)
    while asyncio.all_tasks() - tasks:
        await anyio.lowlevel.checkpoint()


async def hear(synthesis: Synthesis, text: str, emotion: Emotion = "auto") -> bytes:
    async with aclosing(synthesis.synthesize(text, emotion)) as pieces:
        return b"".join([piece async for piece in pieces])


def started(vendor: AnySimulator) -> list[str | None]:
    return [call.emotion for call in vendor.waiting if call.start]


async def until_prepared(vendor: AnySimulator, emotion: Emotion = "auto") -> None:
    """Until a turn finds all it opens by itself: a task that is likely, and a connection without one."""
    await vendor.until(lambda: len(vendor.waiting) == 2 and started(vendor) == [emotion])
    await anyio.wait_all_tasks_blocked()


def break_all(vendor: AnySimulator, stage: Literal["handshake", "connect", "start"], **how: Any) -> None:
    make = Fault if isinstance(vendor, BidiSimulator) else PlainFault
    vendor.faults.append(make(stage, times=math.inf, **how))  # type: ignore[arg-type]


@pytest.mark.parametrize("emotion", ["auto", "happy"])
async def test_a_turn_that_was_prepared_for_opens_no_connection(vendor: AnySimulator, emotion: Emotion) -> None:
    async with opened(vendor) as tts:
        tts.prepare(Voice())
        await until_prepared(vendor)
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, "うん。", emotion) == vendor.speech("うん。")
            assert vendor.handshakes == 2
            assert vendor.call_of("うん。").emotion == emotion


async def test_the_task_is_the_one_with_which_the_voice_began_last(vendor: AnySimulator) -> None:
    async with opened(vendor) as tts:
        async with tts.open_synthesis(Voice()) as synthesis:
            await hear(synthesis, "一つ目。", "sad")
            await hear(synthesis, "二つ目。", "angry")
        tts.prepare(Voice())
        await vendor.until(lambda: "sad" in started(vendor))


async def test_what_is_there_or_being_made_is_not_made_again(vendor: AnySimulator) -> None:
    async with opened(vendor) as tts:
        for _ in range(50):
            tts.prepare(Voice())
        await until_prepared(vendor)
        for _ in range(3):
            tts.prepare(Voice())
            await anyio.wait_all_tasks_blocked()
        assert vendor.handshakes == 2


async def test_after_a_turn_only_what_it_used_is_made_again(vendor: AnySimulator) -> None:
    async with opened(vendor) as tts:
        tts.prepare(Voice())
        await until_prepared(vendor)
        for turn in range(3):
            async with tts.open_synthesis(Voice()) as synthesis:
                await hear(synthesis, f"{turn}番目。")
            await vendor.until(lambda: len(vendor.open_calls) == 1)
            tts.prepare(Voice())
            await until_prepared(vendor)
            assert vendor.handshakes == 3 + turn


async def test_however_many_voices_are_prepared_no_more_than_some_connections_are_open(vendor: AnySimulator) -> None:
    most = 0
    async with opened(vendor) as tts:
        for n in count():
            tts.prepare(Voice(speed=1 + n / 1000))
            await anyio.lowlevel.checkpoint()
            most = max(most, len(vendor.open_calls))
            if vendor.handshakes >= 4 * WARM_CONNECTIONS:
                break
        await vendor.until(lambda: len(vendor.open_calls) <= WARM_CONNECTIONS)
    assert most <= 2 * WARM_CONNECTIONS  # a vendor sees late that one was hung up


async def test_a_connection_that_died_while_it_was_kept_is_made_anew(vendor: AnySimulator) -> None:
    async with opened(vendor) as tts:
        tts.prepare(Voice())
        await until_prepared(vendor)
        for socket in list(vendor.sockets):
            socket.transport.abort()
        await vendor.until(lambda: not vendor.open_calls)
        await anyio.wait_all_tasks_blocked()
        tts.prepare(Voice())
        await until_prepared(vendor)
        async with tts.open_synthesis(Voice()) as synthesis:
            assert await hear(synthesis, "うん。") == vendor.speech("うん。")
        assert vendor.handshakes == 4


@pytest.mark.parametrize(
    ("stage", "how"),
    [("handshake", {"status": 503}), ("connect", {"drop": True}), ("start", {"raw": "{"}), ("start", {"status": 1041})],
)
async def test_a_hint_fails_in_silence(vendor: AnySimulator, stage: Any, how: dict[str, Any]) -> None:
    with capture_logs() as logs:
        async with opened(vendor) as tts:
            break_all(vendor, stage, **how)
            while vendor.handshakes < 6:
                tts.prepare(Voice())
                await anyio.lowlevel.checkpoint()
            vendor.faults.clear()
            async with tts.open_synthesis(Voice()) as synthesis:
                assert await hear(synthesis, "うん。") == vendor.speech("うん。")
        tts.prepare(Voice())  # and nothing comes of it
    assert logs == []


async def test_a_refused_key_is_told_to_the_operator_before_anybody_is_spoken_to(vendor: AnySimulator) -> None:
    with capture_logs() as logs:
        async with opened(vendor) as tts:
            break_all(vendor, "handshake", status=401)
            while vendor.handshakes < 4:
                tts.prepare(Voice())
                await anyio.lowlevel.checkpoint()
            while not logs:
                await anyio.lowlevel.checkpoint()
    assert [(log["event"], log["log_level"]) for log in logs] == [("voice_refused", "error")]


@pytest.mark.parametrize("stage", ["connect", "start"])
async def test_what_is_still_being_made_ends_with_the_engine(vendor: AnySimulator, stage: Any) -> None:
    async with opened(vendor, connect_s=3600, first_audio_s=3600) as tts:
        break_all(vendor, stage, stall=True)
        tts.prepare(Voice())
        await vendor.until(lambda: len(vendor.open_calls) == 2)
        await anyio.wait_all_tasks_blocked()


async def test_an_error_among_those_who_use_the_engine_leaves_as_itself(vendor: AnySimulator) -> None:
    with pytest.raises(EngineUnavailable) as raised:
        async with opened(vendor) as tts:
            tts.prepare(Voice())
            raise EngineUnavailable("another engine") from ValueError()
    assert isinstance(raised.value.__cause__, ValueError)
    await vendor.until(lambda: not vendor.open_calls)
