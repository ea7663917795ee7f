"""What every engine promises, whoever it comes from. The engines are the rows of `engine_rows.py`.

Nothing here knows what is said, only how: whole or with the error of its kind, in time, and with nothing left behind.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import anyio
import anyio.lowlevel
import pytest

from conversation.single_error import single_error
from services.asr_service import ASR_VENDORS, open_asr
from services.base import (
    ASR,
    LLM,
    TTS,
    ASRError,
    LLMError,
    Message,
    Prompt,
    RecognitionHints,
    ServiceError,
    Synthesis,
    Transcript,
    TTSError,
)
from services.engine_choice import EngineChoice, Vendor
from services.llm_service import LLM_VENDORS, open_llm
from services.tts_service import TTS_VENDORS, open_tts
from tests.services.engine_rows import ROWS, SPEECH, Bench, Kind

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Dictionary.create.. is deprecated:DeprecationWarning"),  # pyopenjtalk's own
]

PATIENCE_S = 60.0  # a promise that is waited for longer is broken
STEPS = (0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 144)  # of the event loop, after which a call is cancelled
SHORT: Mapping[Kind, dict[str, float]] = {
    "llm": {"first_token_s": 0.3, "gap_s": 0.3, "total_s": 2.0},
    "tts": {"first_audio_s": 0.3, "gap_s": 0.3},
    "asr": {"final_s": 0.4},
}


# --- how an engine of each kind is used


async def read(llm: LLM, *said: str) -> str:
    """The answer to what was said in turns, by the user first."""
    messages = [Message("assistant" if n % 2 else "user", text) for n, text in enumerate(said)]
    text = ""
    async with aclosing(llm.stream(Prompt("anon", (Message("system", "You are Anon."), *messages)))) as deltas:
        async for delta in deltas:
            assert isinstance(delta, str) and delta
            text += delta
    return text


async def hear(synthesis: Synthesis, text: str) -> bytes:
    async with aclosing(synthesis.synthesize(text, "auto")) as pieces:
        pcm = b"".join([piece async for piece in pieces])
    assert len(pcm) % 2 == 0
    return pcm


async def understand(asr: ASR, *pieces: bytes, whole: bool = False) -> Transcript:
    """The last transcript of an utterance, and the only final one."""
    heard: list[Transcript] = []

    async def say() -> None:
        for piece in pieces:
            await recognition.send(piece)
        await recognition.finish()

    with single_error():
        async with (
            asr.open_recognition(RecognitionHints("anon"), whole=whole) as recognition,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(say)
            async with aclosing(recognition.transcripts()) as transcripts:
                async for transcript in transcripts:
                    heard.append(transcript)
            tasks.cancel_scope.cancel()
    assert [transcript.is_final for transcript in heard] == [False] * (len(heard) - 1) + [True]
    return heard[-1]


async def use_llm(llm: LLM, _: Bench[Any]) -> None:
    assert await read(llm, "你好")


async def use_tts(tts: TTS, bench: Bench[Any]) -> None:
    async with tts.open_synthesis(bench.voice) as synthesis:
        assert await hear(synthesis, "こんにちは。")


async def use_asr(asr: ASR, _: Bench[Any]) -> None:
    await understand(asr, SPEECH)


@dataclass(frozen=True)
class Service:
    """What an engine of a kind is opened with, and how it is used once."""

    vendors: Mapping[str, Vendor]
    open: Callable[..., Any]
    use: Callable[[Any, Bench[Any]], Awaitable[None]]
    error: type[ServiceError]


SERVICES: Mapping[Kind, Service] = {
    "llm": Service(LLM_VENDORS, open_llm, use_llm, LLMError),
    "tts": Service(TTS_VENDORS, open_tts, use_tts, TTSError),
    "asr": Service(ASR_VENDORS, open_asr, use_asr, ASRError),
}


# --- what is looked at


def our_tasks() -> Counter[str]:
    """Of engines alone: vendors that stand in this process have their own."""
    return Counter(name for task in asyncio.all_tasks() if (name := task.get_name()).startswith("services."))


def sockets() -> int:
    found = 0
    for entry in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # the directory's own descriptor
            found += os.readlink(entry).startswith("socket:")
    return found


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not condition():
            await anyio.lowlevel.checkpoint()


class Opened:
    """An engine of a row, and its vendor."""

    def __init__(self, kind: Kind, name: str, bench: Bench[Any]) -> None:
        self.kind = kind
        self.service = SERVICES[kind]
        self.bench = bench
        self.engine: Any = None
        self._choice = EngineChoice(name, self.service.vendors[name], "a row of the table")
        self._tasks: list[str] = []

    @asynccontextmanager
    async def opened(self, **settings: Any) -> AsyncIterator[Any]:
        """The engine; after it not a connection, not a task and not a socket is left."""
        before = our_tasks(), sockets()
        async with self.service.open(self._choice, replace(self.bench.settings, **settings)) as engine:
            yield engine
        await until(lambda: our_tasks() <= before[0] and sockets() <= before[1])

    async def use(self, engine: Any = None) -> None:
        with anyio.fail_after(PATIENCE_S):
            await self.service.use(engine or self.engine, self.bench)

    async def fail(self, engine: Any) -> ServiceError | None:
        """The error of its kind, if it failed. Any other error is the end of the test."""
        try:
            await self.use(engine)
        except ServiceError as error:
            assert isinstance(error, self.service.error) and str(error)
            return error
        finally:
            self.bench.heal()
        return None

    @asynccontextmanager
    async def leaving_nothing(self) -> AsyncIterator[None]:
        """Of what is asked for in this block: no task of ours, no call at the vendor's. And the engine still works."""
        before = our_tasks()
        yield
        await until(lambda: our_tasks() <= before and not self.bench.calls())
        await self.use()


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=ROWS)
async def row(
    anyio_backend: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Opened]:
    found = ROWS[request.param]
    async with found.stand(tmp_path_factory.mktemp("row")) as bench:
        opened = Opened(found.kind, found.engine, bench)
        async with opened.opened() as opened.engine:
            await opened.use()
            yield opened
        await until(lambda: not bench.connections())


def of_kind(kind: Kind) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", [name for name, row in ROWS.items() if row.kind == kind], indirect=True)


def of_vendors() -> pytest.MarkDecorator:
    embedded = ("embedded", "sherpa", "whisper")
    rows = [name for name, row in ROWS.items() if row.engine not in embedded]
    return pytest.mark.parametrize("row", rows, indirect=True)


# --- every engine


async def test_a_call_that_is_cancelled_at_any_point_leaves_nothing(row: Opened) -> None:
    for steps in STEPS:
        async with row.leaving_nothing(), anyio.create_task_group() as tasks:
            tasks.start_soon(row.fail, row.engine)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()


async def test_calls_at_the_same_time_are_each_answered(row: Opened) -> None:
    async with row.leaving_nothing(), anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(row.use)


async def test_an_engine_that_was_never_asked_can_be_closed_and_another_opened(row: Opened) -> None:
    for _ in range(2):
        async with row.opened():
            pass
    async with row.opened() as engine:
        await row.use(engine)


async def test_an_engine_can_be_closed_in_the_middle_of_a_call(row: Opened) -> None:
    async with anyio.create_task_group() as tasks, row.opened() as engine:
        tasks.start_soon(row.fail, engine)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


# --- every vendor that can fail


@of_vendors()
async def test_every_fault_is_an_error_of_its_kind_in_time_and_the_next_call_works(row: Opened) -> None:
    async with row.opened(**SHORT[row.kind]) as engine:
        for name, begin in row.bench.faults.items():
            async with row.leaving_nothing():
                begin()
                error = await row.fail(engine)
            assert error is not None, name
            assert error.timed_out or name != "silent"
            await row.use(engine)


@of_vendors()
async def test_an_address_where_nobody_is_fails_and_hints_do_not(row: Opened) -> None:
    nowhere = {}
    for key in ("endpoint", "batch_endpoint"):
        if address := getattr(row.bench.settings, key, ""):
            nowhere[key] = urlunsplit(urlsplit(address)._replace(netloc="127.0.0.1:9"))
    async with row.leaving_nothing(), row.opened(**nowhere, **SHORT[row.kind]) as engine:
        _hint(row, engine)
        assert await row.fail(engine) is not None


async def test_hints_are_taken_at_any_time(row: Opened) -> None:
    async with row.opened() as engine:
        for _ in range(40):
            _hint(row, engine)
        await row.use(engine)
    _hint(row, engine)  # it is closed: nothing comes of it


def _hint(row: Opened, engine: Any) -> None:
    if row.kind == "llm":
        engine.prepare()
    elif row.kind == "tts":
        engine.prepare(row.bench.voice)


# --- LLMs


@of_kind("llm")
@pytest.mark.parametrize("said", ["", " ", "。", "\n\n", "你" * 4000, '{"jp": "', "\u0000\ud7ff\uffff🙂"])
async def test_an_llm_takes_any_text(row: Opened, said: str) -> None:
    async with row.leaving_nothing():
        with suppress(LLMError):
            await read(row.engine, said)


@of_kind("llm")
async def test_an_llm_takes_forty_messages(row: Opened) -> None:
    assert await read(row.engine, *(f"第{n}句。" for n in range(41)))


@of_kind("llm")
async def test_an_llm_can_be_left_after_any_fragment_and_more_than_once(row: Opened) -> None:
    prompt = Prompt("anon", (Message("user", "你好"),))
    for count in range(4):
        async with row.leaving_nothing():
            deltas = row.engine.stream(prompt)
            for _ in range(count):
                await anext(deltas)
            for _ in range(2):
                await deltas.aclose()


# --- voices


@of_kind("tts")
@pytest.mark.parametrize("text", ["", " ", "。", "…", "♪", "🙂", "\u0000", "、、、"])
async def test_a_voice_may_have_nothing_to_say(row: Opened, text: str) -> None:
    async with row.leaving_nothing(), row.engine.open_synthesis(row.bench.voice) as synthesis:
        with suppress(TTSError):
            await hear(synthesis, text)
        assert await hear(synthesis, "うん。")


@of_kind("tts")
async def test_a_voice_says_forty_sentences_each_asked_for_while_the_one_before_is_spoken(row: Opened) -> None:
    sizes: dict[int, int] = {}
    async with row.leaving_nothing(), row.engine.open_synthesis(row.bench.voice) as synthesis:

        async def say(number: int) -> None:
            async with at_once:
                sizes[number] = len(await hear(synthesis, f"{number}番。"))

        at_once = anyio.Semaphore(2)
        async with anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(say, number)
    assert len(sizes) == 40 and all(sizes.values())


@of_kind("tts")
async def test_a_sentence_can_be_left_after_any_piece_and_more_than_once(row: Opened) -> None:
    for count in range(3):
        async with row.leaving_nothing(), row.engine.open_synthesis(row.bench.voice) as synthesis:
            pieces = synthesis.synthesize("今日はいい天気だね、散歩に行こうよ、ねえ。", "happy")
            for _ in range(count):
                await anext(pieces, None)
            for _ in range(2):
                await pieces.aclose()


@of_kind("tts")
async def test_a_sentence_that_was_expected_need_not_come(row: Opened) -> None:
    async with row.leaving_nothing(), row.engine.open_synthesis(row.bench.voice) as synthesis:
        for words in ("", "きょう", "きょうは", "あした"):
            synthesis.expect("sad", words)
        assert await hear(synthesis, "ところで。")


# --- recognisers


@of_kind("asr")
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"",),
        (bytes(2),),
        (bytes(32000),),
        (SPEECH,),
        tuple(SPEECH[at : at + 400] for at in range(0, len(SPEECH), 400)),
    ],
    ids=["nothing", "an empty piece", "one sample", "silence", "speech", "forty pieces"],
)
async def test_an_utterance_of_any_length_has_one_final_transcript(
    row: Opened, pieces: tuple[bytes, ...], whole: bool
) -> None:
    async with row.leaving_nothing():
        await understand(row.engine, *pieces, whole=whole)


@of_kind("asr")
async def test_an_utterance_can_be_left_at_any_time(row: Opened) -> None:
    hints = RecognitionHints("anon", hotwords=("Anon", "爱音"), dialogue=("你好", "こんにちは"))
    for count in range(3):
        async with row.leaving_nothing(), row.engine.open_recognition(hints) as recognition:
            for _ in range(count):
                await recognition.send(SPEECH)
            if count == 2:
                await recognition.finish()
