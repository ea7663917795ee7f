"""An utterance (pcm) in, its transcript out: Whisper on this machine, with a model of the operator's own.

The work is done in a process of its own (worker.py), for all users one after the other. What Whisper invents where
nobody spoke is left out of the transcript (services/transcripts/).
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import anyio
import structlog

from services.asr_process.worker import PROJECT, Job, ProcessRecognition, WorkerProcess, open_worker
from services.base import ASR, RECOGNITION_RATE_HZ, Recognition, RecognitionHints
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.transcripts.cleaning import Segment, said

LOADED_WITHIN_S: Final = 180.0  # the largest models take a minute from a slow disk
STUCK_S: Final = 60.0  # for an utterance, and twice its length: who takes longer is ended, and started anew
MAX_HEARINGS: Final = 100  # at once; who comes later waits. Each holds what was said: 32 kB a second
PROMPT_CHARACTERS: Final = 200
LFS_POINTER: Final = b"version https://git-lfs"
# A file with one of these names each must be there: without the tokenizer, the library would go and download it.
FILES: Final = (("model.bin",), ("config.json",), ("tokenizer.json",), ("vocabulary.txt", "vocabulary.json"))
WHERE_FROM: Final = (
    "it holds model.bin, config.json, tokenizer.json and vocabulary.txt or .json, as Systran/faster-whisper-small or "
    "deepdml/faster-whisper-large-v3-turbo-ct2 at Hugging Face do"
)

_log = structlog.get_logger(__name__)


class _Engine:
    """The ASR of this process."""

    phrases_only = False
    tells_partials = False

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self._places = anyio.Semaphore(MAX_HEARINGS)

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        prompt = "、".join(dict.fromkeys(" ".join(word.split()) for word in hints.hotwords))[:PROMPT_CHARACTERS]
        opening = json.dumps({"language": hints.language, "prompt": prompt}).encode()
        length = _Length()
        read = partial(_read, length=length, hints=hints, prompt=prompt)
        async with self._places, self._worker.recognition(opening, read) as recognition:
            yield _Recognition(recognition, length)


class _Length:
    """How much was said, in bytes."""

    pcm_bytes = 0


class _Recognition:
    """One utterance; how long it is counts when what was heard is judged."""

    def __init__(self, recognition: ProcessRecognition, length: _Length) -> None:
        self._length = length
        self._send = recognition.send
        self.finish = recognition.finish
        self.transcripts = recognition.transcripts

    async def send(self, pcm: bytes) -> None:
        self._length.pcm_bytes += len(pcm)
        await self._send(pcm)


def _read(heard: bytes, *, length: _Length, hints: RecognitionHints, prompt: str) -> str:
    told = json.loads(heard)
    segments = [Segment(*each) for each in told["segments"]]
    seconds = length.pcm_bytes / (2 * RECOGNITION_RATE_HZ)
    return said(segments, seconds, language=hints.language or told["language"], asked=prompt)


def check_model(directory: Path) -> None:
    """Raises EngineUnavailable: it is no directory with a model, with what is missing and where to get it."""
    if not directory.exists():
        raise EngineUnavailable(f"whisper.model_dir: {directory} does not exist; {WHERE_FROM}")
    if not directory.is_dir():
        raise EngineUnavailable(f"whisper.model_dir: {directory} is no directory; {WHERE_FROM}")
    missing = [" or ".join(names) for names in FILES if not any((directory / name).is_file() for name in names)]
    if missing:
        raise EngineUnavailable(f"whisper.model_dir: {directory} has no {' and no '.join(missing)}; {WHERE_FROM}")
    with (directory / "model.bin").open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise EngineUnavailable(
                f"whisper.model_dir: {directory / 'model.bin'} is a pointer of Git LFS and not the model; "
                "download the file itself, or run: git lfs pull"
            )


def _on_ready(payload: bytes) -> None:
    ready = json.loads(payload)
    if ready["why"]:
        _log.warning("whisper: the GPU cannot be used, so the CPU is", why=ready["why"])
    _log.info(f"whisper: runs on the {'GPU' if ready['device'] == 'cuda' else 'CPU'}")


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """Ready when its process has loaded the model and heard half a second of silence with it.

    Raises (on entering):
        EngineUnavailable: the library or the model is missing, or the model does not work; with what to do.
    """
    if find_spec("faster_whisper") is None:
        raise EngineUnavailable("engines.asr: whisper needs the package faster-whisper; run: pip install '.[local]'")
    if not settings.model_dir:
        raise EngineUnavailable(f"whisper.model_dir is empty; name the directory of your model: {WHERE_FROM}")
    directory = PROJECT / settings.model_dir
    check_model(directory)
    setup = json.dumps({"model_dir": str(directory), "stuck_s": STUCK_S}).encode()
    job = Job("whisper", "services.vendors.whisper.worker", setup, _on_ready)
    async with open_worker(job) as worker:
        with anyio.move_on_after(LOADED_WITHIN_S):
            await worker.settled.wait()
        if worker.last_words or not worker.settled.is_set():
            lines = [line.strip() for line in worker.last_words.splitlines() if line.strip()]
            why = lines[-1] if lines else f"not loaded within {LOADED_WITHIN_S:g} seconds"
            raise EngineUnavailable(
                f"whisper.model_dir: the model in {directory} cannot be loaded: {why}; get it again"
            )
        yield _Engine(worker)
