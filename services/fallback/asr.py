"""Several ASRs as one: an utterance whose recognition fails is given anew, from its first sample, to the next.

Each has its own deadline for the final transcript (TimedASR): it is there at the latest after the sum of these.
"""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Final

import anyio
import anyio.lowlevel

from services.asr_service import open_asr
from services.base import ASR, RECOGNITION_RATE_HZ, ASRError, Recognition, RecognitionHints, Transcript
from services.engine_choice import Vendor
from services.engine_settings import ASRSettings
from services.engine_tasks import open_tasks
from services.fallback.lineup import Call, Lineup, most_useful

_PIECE_BYTES: Final = 6400  # 200 ms: what was said before another took over is handed to it in pieces of these


@asynccontextmanager
async def open_asrs(
    lineup: Lineup, settings_of: Callable[[Vendor], ASRSettings], longest_s: float
) -> AsyncIterator[ASR]:
    """All of a lineup; one alone is handed on as it is. `longest_s`: so much of an utterance is kept.

    Raises (on entering):
        EngineUnavailable: one cannot be opened, with what to do.
    """
    async with AsyncExitStack() as stack:
        asrs = [await stack.enter_async_context(open_asr(each, settings_of(each.vendor))) for each in lineup.choices]
        yield asrs[0] if len(asrs) == 1 else FallbackASR(lineup, asrs, longest_s)


class FallbackASR:
    """services.base.ASR over several. `asrs` are those of the lineup."""

    def __init__(self, lineup: Lineup, asrs: Sequence[ASR], longest_s: float) -> None:
        self._lineup = lineup
        self._asrs = asrs
        self._longest_bytes = int(longest_s * RECOGNITION_RATE_HZ * 2)

    @property
    def phrases_only(self) -> bool:
        return self._asrs[self._lineup.serving].phrases_only

    @property
    def tells_partials(self) -> bool:
        return self._asrs[self._lineup.serving].tells_partials

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        utterance = _Utterance(self._asrs, hints, whole, self._longest_bytes)
        try:
            async with open_tasks() as tasks:  # what is heard fails in `transcripts` alone
                tasks.start_soon(utterance.run, self._lineup)
                yield utterance
        finally:
            utterance.close()  # now that nobody hears any more


class _Utterance:
    """One utterance, kept until it is recognised."""

    def __init__(self, asrs: Sequence[ASR], hints: RecognitionHints, whole: bool, longest_bytes: int) -> None:
        self._asrs = asrs
        self._hints = hints
        self._whole = whole  # it is there in full
        self._audio = _KeptAudio(longest_bytes)
        self._heard_in, self._heard = anyio.create_memory_object_stream[Transcript](math.inf)
        self._failed: ASRError | None = None

    async def send(self, pcm: bytes) -> None:
        await self._audio.put(pcm)

    async def finish(self) -> None:
        self._audio.end()

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        async for transcript in self._heard:
            yield transcript
        if self._failed is not None:
            raise self._failed

    async def run(self, lineup: Lineup) -> None:
        """Fails by nothing that an ASR does: whoever waits for transcripts is told."""
        errors: list[ASRError] = []
        try:
            for call in lineup.calls():
                with call:
                    error = await self._ask(call, again=bool(errors))
                    if error is None:
                        return
                    call.failed(error)
                errors.append(error)
                if error.of_request or not self._audio.repeatable:
                    break
            self._failed = errors[-1] if errors[-1].of_request else most_useful(errors)
        finally:
            self._heard_in.close()
            self._audio.abandon()

    def close(self) -> None:
        self._heard.close()

    async def _ask(self, call: Call, *, again: bool) -> ASRError | None:
        """The failure, if it was one. `again`: an ASR before it heard some of it, and it gets that all at once."""
        asr, whole = self._asrs[call.index], self._whole or self._audio.ended
        async with asr.open_recognition(self._hints, whole=whole) as recognition, anyio.create_task_group() as tasks:
            tasks.start_soon(self._audio.feed, recognition)
            failed = None
            try:
                async with aclosing(recognition.transcripts()) as transcripts:
                    async for transcript in transcripts:
                        if transcript.is_final or transcript.is_definite:
                            call.succeeded()
                        if again and transcript.is_definite and transcript.until_ms is None:
                            transcript = replace(transcript, is_definite=False)  # of how much, nobody can tell
                        self._heard_in.send_nowait(transcript)
            except ASRError as error:
                failed = error
            tasks.cancel_scope.cancel()
        return failed


class _KeptAudio:
    """What was said of an utterance so far, for one recogniser after the other."""

    def __init__(self, longest_bytes: int) -> None:
        self.ended = False
        self.repeatable = True  # all of it is still there
        self._longest_bytes = longest_bytes
        self._pcm = bytearray()
        self._taken = 0  # bytes, by the present recogniser
        self._abandoned = False
        self._changed = anyio.Event()

    async def put(self, pcm: bytes) -> None:
        """Waits until the present recogniser has it."""
        if self._abandoned:
            return
        if len(self._pcm) + len(pcm) > self._longest_bytes and self._taken == len(self._pcm):
            self.repeatable = False
            self._pcm.clear()
            self._taken = 0
        self._pcm += pcm
        self._change()
        while self._taken < len(self._pcm) and not self._abandoned:
            await self._changed.wait()

    def end(self) -> None:
        self.ended = True
        self._change()

    def abandon(self) -> None:
        """Nobody listens any more."""
        self._abandoned = True
        self._pcm.clear()
        self._change()

    async def feed(self, recognition: Recognition) -> None:
        """All of it to another recogniser, up to its end."""
        self._taken = 0
        while True:
            if self._taken < len(self._pcm):
                piece = bytes(self._pcm[self._taken : self._taken + _PIECE_BYTES])
                await recognition.send(piece)
                self._taken += len(piece)
                self._change()
                await anyio.lowlevel.checkpoint()  # one that has failed takes everything; let that be known first
            elif self.ended:
                return await recognition.finish()
            else:
                await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
