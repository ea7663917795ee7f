"""An utterance (pcm) in, its transcripts out: sherpa-onnx in this process, with a model of the operator's own.

A streaming model gives partial transcripts and takes utterances for ended by itself; any other hears an utterance when
it is whole. Which languages are understood, and how well, is the model's affair. Names that may be said (`hotwords`)
are not made use of: only some models could. All recognition is done in worker threads; onnxruntime lets go of the GIL.
"""

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import anyio
import numpy as np
from anyio import from_thread, to_thread
from numpy.typing import NDArray

from services.base import ASR, RECOGNITION_RATE_HZ, ASRError, Recognition, RecognitionHints, Transcript, map_errors
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.vendors.sherpa.models import Model
from services.vendors.sherpa.probe import PROJECT, find_working_model, load, recognise

T = TypeVar("T")
Samples = NDArray[np.float32]

MAX_THREADS = 4
TAIL_S = 0.66  # of silence after an utterance: a streaming model holds back its last word until it has heard on
SHORTEST = (
    RECOGNITION_RATE_HZ  # samples; models fail at what is shorter than a step of theirs, and at this the trial was
)
QUIET_S = 0.1  # in so short a stretch there may be a pause between two words


class Recogniser:
    """The library's ASR, shared by all recognitions. Its methods block: call them by `run`."""

    def __init__(self, model: Model, end_window_ms: int) -> None:
        processors = os.cpu_count() or 1
        # Pieces of a stream are short, and many speak at once; a whole utterance is long, and somebody waits for it.
        threads = 1 if model.kind.streaming else min(processors, MAX_THREADS)
        self.kind = model.kind
        places = max(1, processors // threads)
        self._places = threading.BoundedSemaphore(places)
        self._queue = anyio.CapacityLimiter(places)  # who waits holds no thread; who is cancelled leaves one at work
        self._library = load(model, threads=threads, end_window_s=end_window_ms / 1000)
        recognise(self._library, model)

    async def run(self, work: Callable[[], T]) -> T:
        """In a worker thread, when there is a place. Whoever is cancelled waits no longer; the work ends soon.

        Raises:
            ASRError: the library failed.
        """
        return await to_thread.run_sync(self._in_place, work, abandon_on_cancel=True, limiter=self._queue)

    def _in_place(self, work: Callable[[], T]) -> T:
        with self._places:
            from_thread.check_cancelled()  # nobody waits for it any more
            with map_errors((RuntimeError, _failed)):
                return work()

    def create_stream(self) -> Any:
        return self._library.create_stream()

    def hear(self, stream: Any, samples: Samples, *, last: bool = False) -> Transcript:
        """What a streaming model has made of the utterance with these next samples of it."""
        stream.accept_waveform(RECOGNITION_RATE_HZ, samples)
        if last:
            stream.input_finished()
        while self._library.is_ready(stream):
            from_thread.check_cancelled()
            self._library.decode_stream(stream)
        text = self._library.get_result(stream)
        return Transcript(
            text, is_final=last, is_definite=bool(text) and not last and self._library.is_endpoint(stream)
        )

    def hear_whole(self, samples: Samples) -> str:
        """What any other model makes of a whole utterance."""
        texts = []
        for piece in cut_at_pauses(samples, self.kind.longest_s):
            from_thread.check_cancelled()
            stream = self._library.create_stream()
            stream.accept_waveform(RECOGNITION_RATE_HZ, np.pad(piece, (0, max(0, SHORTEST - len(piece)))))
            self._library.decode_stream(stream)
            texts.append(stream.result.text.strip())
        return " ".join(text for text in texts if text)


def _failed(_: Exception) -> ASRError:
    return ASRError("Speech recognition failed; please say it again")


def _samples_of(pcm: bytes | bytearray) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float32) * np.float32(2**-15)


def cut_at_pauses(samples: Samples, longest_s: float) -> list[Samples]:
    """In pieces of at most `longest_s`, each cut where the second half of it is quietest."""
    pieces = []
    quiet = int(QUIET_S * RECOGNITION_RATE_HZ)
    while len(samples) > longest_s * RECOGNITION_RATE_HZ:
        longest = int(longest_s * RECOGNITION_RATE_HZ)
        stretches = samples[longest // 2 : longest][: longest // 2 // quiet * quiet].reshape(-1, quiet)
        quietest = int(np.square(stretches).sum(axis=1).argmin())
        cut = longest // 2 + quietest * quiet + quiet // 2
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]


class StreamedRecognition:
    """One utterance on its way through a streaming model."""

    def __init__(self, recogniser: Recogniser, *, partial: bool) -> None:
        self._recogniser = recogniser
        self._partial = partial
        self._stream: Any = None
        self._samples = 0
        self._heard = Transcript("")
        self._whole = False
        self._failure: ASRError | None = None
        self._news = anyio.Event()

    async def send(self, pcm: bytes) -> None:
        if self._failure is not None:
            return
        try:
            self._heard = await self._recogniser.run(lambda: self._hear(_samples_of(pcm)))
        except ASRError as error:
            self._failure = error
        self._news.set()

    def _hear(self, samples: Samples, *, last: bool = False) -> Transcript:
        if self._stream is None:
            self._stream = self._recogniser.create_stream()
        self._samples += len(samples)
        heard = self._recogniser.hear(self._stream, samples, last=last)
        return replace(heard, until_ms=self._samples * 1000 / RECOGNITION_RATE_HZ) if heard.is_definite else heard

    async def finish(self) -> None:
        self._whole = True
        self._news.set()

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        told = Transcript("")
        while not self._whole:
            await self._news.wait()
            self._news = anyio.Event()
            if self._failure is not None:
                raise self._failure
            heard = self._heard
            if self._partial and (heard.text != told.text or (heard.is_definite and not told.is_definite)):
                yield heard
            told = heard
        if self._failure is not None:
            raise self._failure
        silence = np.zeros(int(TAIL_S * RECOGNITION_RATE_HZ), np.float32)
        yield await self._recogniser.run(lambda: self._hear(silence, last=True))


class WholeRecognition:
    """One utterance that is kept until it is whole."""

    def __init__(self, recogniser: Recogniser) -> None:
        self._recogniser = recogniser
        self._pcm = bytearray()  # as long as the user lets an utterance become
        self._whole = anyio.Event()

    async def send(self, pcm: bytes) -> None:
        self._pcm += pcm

    async def finish(self) -> None:
        self._whole.set()

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        await self._whole.wait()
        text = ""
        if self._pcm:
            text = await self._recogniser.run(lambda: self._recogniser.hear_whole(_samples_of(self._pcm)))
        yield Transcript(text, is_final=True)


class SherpaASR:
    """The ASR of the process."""

    phrases_only = False

    def __init__(self, recogniser: Recogniser) -> None:
        self.tells_partials = recogniser.kind.streaming
        self._recogniser = recogniser

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        if self._recogniser.kind.streaming:
            yield StreamedRecognition(self._recogniser, partial=not whole)
        else:
            yield WholeRecognition(self._recogniser)


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """Ready when a child process, and then this one, have loaded the model and recognised a second of noise with it.

    Raises (on entering):
        EngineUnavailable: the library or the model is missing, or the model does not work; with what to do.
    """
    if not settings.model_dir:
        raise EngineUnavailable(
            "sherpa.model_dir is empty; name the directory of your model, or choose engines.asr: auto"
        )
    model = await find_working_model(PROJECT / settings.model_dir)
    try:
        recogniser = await to_thread.run_sync(Recogniser, model, settings.end_window_ms)
    except (ImportError, RuntimeError) as error:
        raise EngineUnavailable(f"engines.asr: sherpa cannot load the model: {error}") from error
    yield SherpaASR(recogniser)
