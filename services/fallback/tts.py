"""Several voices as one: whoever fails before the first audio of a turn is replaced by the next; then the turn keeps
the voice it has, and a sentence that fails later fails as with a single one.

Sentences overlap. Which voice a turn has is decided by the foremost one that is not over: those behind it hold back
what they have until then, and begin anew where another voice took over.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup, TaskStatus

from services.base import Emotion, TTSError, TurnSynthesis, TurnTTS, Voice, Voices
from services.engine_choice import EngineUnavailable, Vendor
from services.engine_settings import TTSSettings
from services.fallback.lineup import Call, Lineup, most_useful
from services.tts_service import TimedTTS, open_tts


@asynccontextmanager
async def open_voices(lineup: Lineup, settings_of: Callable[[Vendor], TTSSettings]) -> AsyncIterator[TurnTTS]:
    """All of a lineup; one alone is asked directly.

    Raises (on entering):
        EngineUnavailable: one cannot be opened, with what to do.
    """
    async with AsyncExitStack() as stack:
        engines = [
            NamedTTS(each.name, await stack.enter_async_context(open_tts(each, settings_of(each.vendor))))
            for each in lineup.choices
        ]
        rates = {engine.name: engine.sample_rate_hz for engine in engines}
        if len(set(rates.values())) > 1:
            each = ", ".join(f"{name} at {rate} Hz" for name, rate in rates.items())
            raise EngineUnavailable(f"engines.tts: voices that stand in for each other need one rate, but: {each}")
        yield engines[0] if len(engines) == 1 else FallbackTTS(lineup, engines)


class NamedTTS:
    """One engine, which finds its own among the voices of a character."""

    def __init__(self, name: str, tts: TimedTTS) -> None:
        self.name = name
        self.sample_rate_hz = tts.sample_rate_hz
        self.languages = tts.languages
        self._tts = tts

    def prepare(self, voices: Voices) -> None:
        self._tts.prepare(voices.get(self.name, Voice()))

    def open_synthesis(self, voices: Voices) -> AbstractAsyncContextManager[TurnSynthesis]:
        return self._tts.open_synthesis(voices.get(self.name, Voice()))


class FallbackTTS:
    """services.base.TurnTTS over several. `engines` are those of the lineup."""

    def __init__(self, lineup: Lineup, engines: Sequence[NamedTTS]) -> None:
        self.sample_rate_hz = engines[0].sample_rate_hz
        self._lineup = lineup
        self._engines = engines

    def prepare(self, voices: Voices) -> None:
        self._engines[self._lineup.next_asked].prepare(voices)

    @asynccontextmanager
    async def open_synthesis(self, voices: Voices) -> AsyncIterator[TurnSynthesis]:
        error: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                turn = _TurnVoice(self._engines, self._lineup.calls(), voices, tasks)
                try:
                    await turn.open()
                    yield turn
                finally:
                    turn.over.set()
        except ExceptionGroup as group:  # an error of the turn's own, or that no voice could be opened
            error = group.exceptions[0]
        if error is not None:
            raise error


@dataclass(eq=False, slots=True)
class _Used:
    """A voice that this turn has, or had. `waiting`: sentences that it has not begun to speak."""

    call: Call
    synthesis: TurnSynthesis
    waiting: set[anyio.CancelScope] = field(default_factory=set)


class _TurnVoice:
    """The voice of one turn, whichever that is."""

    def __init__(self, engines: Sequence[NamedTTS], calls: Iterator[Call], voices: Voices, tasks: TaskGroup) -> None:
        self.over = anyio.Event()
        self._engines = engines
        self._calls = calls
        self._voices = voices
        self._tasks = tasks
        self._used: _Used | None = None
        self._settled = False  # there was audio: the turn keeps this voice
        self._running: list[object] = []  # sentences that are not over, in order
        self._changed = anyio.Event()  # one of these two
        self._failures: list[TTSError] = []

    @property
    def languages(self) -> frozenset[str]:
        return self._voice.synthesis.languages

    async def open(self) -> None:
        """
        Raises:
            TTSError: not one of them could be opened.
        """
        if failed := await self._open_next():
            raise most_useful(failed)

    def expect(self, emotion: Emotion, words: str = "") -> None:
        self._voice.synthesis.expect(emotion, words)

    async def synthesize(self, text: str, emotion: Emotion, language: str | None = None) -> AsyncGenerator[bytes]:
        sentence = object()
        self._running.append(sentence)
        try:
            while True:
                used, spoken = self._voice, False
                async with aclosing(used.synthesis.synthesize(text, emotion, language)) as pieces:
                    piece, failed = await self._begin(sentence, used, pieces)
                    if used is not self._used:
                        continue  # another took over meanwhile
                    try:
                        while piece is not None:
                            spoken = self._settled = True
                            self._wake()
                            yield piece
                            piece = await anext(pieces, None)
                    except TTSError as error:
                        failed = error
                if failed is not None:
                    used.call.failed(failed)
                    await self._replace(used, failed, language)
                    continue
                if spoken:
                    used.call.succeeded()
                return
        finally:
            self._running.remove(sentence)
            self._wake()

    async def _begin(
        self, sentence: object, used: _Used, pieces: AsyncGenerator[bytes]
    ) -> tuple[bytes | None, TTSError | None]:
        """Its first audio (None: it has none) or its failure, when it is its turn to say so. Ended early where another
        voice takes over."""
        piece, failed = None, None
        with anyio.CancelScope() as waiting:
            used.waiting.add(waiting)
            try:
                piece = await anext(pieces, None)
            except TTSError as error:
                failed = error
            finally:
                used.waiting.discard(waiting)
            while not self._settled and self._running[0] is not sentence:
                await self._changed.wait()
        return piece, failed

    async def _replace(self, used: _Used, failed: TTSError, language: str | None) -> None:
        """Have the next one speak.

        Raises:
            TTSError: it is too late for that, of no use, or there is none.
        """
        if self._settled or failed.of_request:
            raise failed
        self._failures.append(failed)
        self._failures += await self._open_next(language)
        if self._used is used:
            raise most_useful(self._failures)
        for waiting in used.waiting:
            waiting.cancel()

    async def _open_next(self, language: str | None = None) -> list[TTSError]:
        """The next that can be opened, and says this language; the failures, where there is none."""
        failures: list[TTSError] = []
        for call in self._calls:
            if language is not None and language not in self._engines[call.index].languages:
                continue
            try:
                self._used = _Used(call, await self._tasks.start(self._hold, call))
                return []
            except TTSError as error:
                call.failed(error)
                failures.append(error)
        return failures

    async def _hold(self, call: Call, *, task_status: TaskStatus[TurnSynthesis]) -> None:
        """A synthesis, open until the turn is over: it is closed in the task in which it was opened."""
        with call:
            async with self._engines[call.index].open_synthesis(self._voices) as synthesis:
                task_status.started(synthesis)
                await self.over.wait()

    @property
    def _voice(self) -> _Used:
        assert self._used is not None  # once it is open
        return self._used

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
