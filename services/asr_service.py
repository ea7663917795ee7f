"""A vendor's name in, an opened ASR out; the deadline for the final transcript is the same for all of them."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from importlib import import_module

import anyio

from services.base import ASR, ASRError, Recognition, RecognitionHints, Transcript
from services.engine_choice import EngineChoice, Vendor
from services.engine_settings import ASRSettings

# In order of preference; the last needs no secret. A new vendor is a folder under services/vendors and a row here.
ASR_VENDORS: Mapping[str, Vendor] = {
    "bytedance": Vendor(
        "services.vendors.bytedance.asr",
        secrets=("BYTEDANCE_API_KEY",),
        or_secrets=("BYTEDANCE_APP_KEY", "BYTEDANCE_ACCESS_KEY"),
        endpoint="asr",
        model="asr_resource_id",
    ),
    "sherpa": Vendor("services.vendors.sherpa.asr", model_dir="sherpa", only_named=True),
    "embedded": Vendor("services.vendors.embedded.asr"),
}

# Of an ASR with `phrases_only`, for the start-up line and `GET /`.
PHRASES_ONLY = "knows only the phrases of the demo, some of which GET /characters suggests"


@asynccontextmanager
async def open_asr(choice: EngineChoice, settings: ASRSettings) -> AsyncIterator[ASR]:
    """Open the chosen ASR for this process; its module is imported only now.

    Raises (on entering):
        EngineUnavailable: it cannot be opened, with what to do.
    """
    async with import_module(choice.vendor.module).open_asr(settings) as asr:
        yield TimedASR(asr, settings.final_s)


class TimedASR:
    """An ASR whose utterances end in time, with an ASRError where they do not end by themselves."""

    def __init__(self, asr: ASR, final_s: float) -> None:
        self.phrases_only = asr.phrases_only
        self.tells_partials = asr.tells_partials
        self._asr = asr
        self._final_s = final_s

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        async with self._asr.open_recognition(hints, whole=whole) as recognition:
            yield _TimedRecognition(recognition, self._final_s)


class _TimedRecognition:
    """A person may speak as long as they are let; from the end of it the final transcript is due."""

    def __init__(self, recognition: Recognition, final_s: float) -> None:
        self._recognition = recognition
        self._final_s = final_s
        self._waiting = anyio.CancelScope()

    async def send(self, pcm: bytes) -> None:
        await self._recognition.send(pcm)

    async def finish(self) -> None:
        await self._recognition.finish()
        self._waiting.deadline = anyio.current_time() + self._final_s

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        async with aclosing(self._recognition.transcripts()) as transcripts:
            transcript = Transcript("")
            while not transcript.is_final:
                transcript = await self._next(transcripts)
                yield transcript

    async def _next(self, transcripts: AsyncGenerator[Transcript]) -> Transcript:
        """Nothing is ever handed out from inside the scope."""
        with anyio.CancelScope(deadline=self._waiting.deadline) as self._waiting:
            transcript = await anext(transcripts, None)
            if transcript is None:
                raise ASRError("Speech recognition ended without a result; please say it again")
            return transcript
        raise ASRError("Speech recognition did not answer in time; please say it again", timed_out=True)
