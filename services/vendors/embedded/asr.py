"""An utterance (pcm) in, the phrase of the character's script that it was out: without a key, a network or a download.

It knows the phrases of `offline_lines.yaml` and nothing else, in Mandarin, Japanese and English at once. What is none
of them is heard as "". The work is done in a process of its own (embedded_asr_worker), one for all users, which is
started when this opens and again whenever it dies; nobody waits for it but who speaks before it is ready.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import structlog
from anyio.abc import ByteReceiveStream, Process

from services.base import ASR, ASRError, Recognition, RecognitionHints, Script, Transcript
from services.engine_settings import ASRSettings
from services.vendors.embedded.asr_frames import Frame, FrameReader, Kind

log = structlog.get_logger()

MAX_HEARINGS = 100  # at once; who comes later waits. Each holds what was said: 32 kB a second
GOODBYE_S = 1.0  # for writing that a recognition is over
LAST_WORDS = 500  # characters of what a process said before it died
PROJECT = Path(__file__).parents[3]
PIPE_GONE = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


class EmbeddedRecognition:
    """One utterance. Its failures come out of `transcripts`."""

    def __init__(self, worker: "WorkerProcess", number: int) -> None:
        self._worker = worker
        self._number = number
        self._text: str | None = None
        self._settled = anyio.Event()

    async def send(self, pcm: bytes) -> None:
        await self._write(Kind.AUDIO, pcm)

    async def finish(self) -> None:
        await self._write(Kind.FINISH)

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        await self._settled.wait()
        if self._text is None:
            raise ASRError("Speech recognition broke off; please say it again")
        yield Transcript(self._text, is_final=True)

    def settle(self, text: str | None) -> None:
        """What was heard, None where the process died."""
        self._text = text
        self._settled.set()

    async def _write(self, kind: Kind, payload: bytes = b"") -> None:
        if not self._settled.is_set():
            await self._worker.write(Frame(kind, self._number, payload))


class WorkerProcess:
    """The process, and the recognitions it is at work on."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = json.dumps(phrases_by_language(scripts)).encode()
        self._recognitions: dict[int, EmbeddedRecognition] = {}
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._tried = anyio.Event()  # there is a process to write to, or it cannot be started
        self._wanted = anyio.Event()

    async def run(self) -> None:
        """Until cancelled. One that dies before it is ready is started again only when somebody wants to speak."""
        ready = True
        while True:
            if not ready:
                self._wanted = anyio.Event()
                await self._wanted.wait()
            try:
                ready = await self._live()
            except OSError as error:
                ready = False
                log.error(f"embedded recogniser: its process cannot be started: {error}")
            finally:
                self._bury()

    async def add(self, character: str) -> tuple[int, EmbeddedRecognition]:
        """A new recognition; waits until there is a process, or was, but not until it is ready."""
        self._wanted.set()
        await self._tried.wait()
        number = next(self._numbers)
        recognition = EmbeddedRecognition(self, number)
        if self._process is None:
            recognition.settle(None)
        else:
            self._recognitions[number] = recognition
            await self.write(Frame(Kind.OPEN, number, character.encode()))
        return number, recognition

    async def write(self, frame: Frame) -> None:
        """To the process of the recognition, which is settled when it dies: what cannot be written is of no use."""
        if self._process and self._process.stdin:
            try:
                await self._process.stdin.send(frame.encode())
            except PIPE_GONE:
                return

    async def remove(self, number: int) -> None:
        if self._recognitions.pop(number, None):
            with anyio.move_on_after(GOODBYE_S, shield=True):
                await self.write(Frame(Kind.CLOSE, number))

    async def _live(self) -> bool:
        """One process from its start to its end; whether it was ever ready."""
        command = [sys.executable, "-m", "services.vendors.embedded.asr_worker"]
        with anyio.CancelScope(shield=True):  # in the middle of this asyncio would kill the child, but not wait for it
            process = await anyio.open_process(command, cwd=PROJECT, stderr=subprocess.PIPE, start_new_session=True)
        async with process:
            assert process.stdin and process.stdout and process.stderr
            self._process = process
            self._tried.set()
            said: list[str] = []
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_listen, process.stderr, said)
                    await self.write(Frame(Kind.SCRIPTS, payload=self._scripts))  # the first to be written
                    ready = await self._receive(process.stdout)
            finally:
                if process.returncode is None:
                    process.kill()
            status = await process.wait()
        log.error("embedded recogniser: its process ended", status=status, said="".join(said)[-LAST_WORDS:])
        return ready

    def _bury(self) -> None:
        self._tried.set()
        self._process, self._tried = None, anyio.Event()
        for recognition in self._recognitions.values():
            recognition.settle(None)
        self._recognitions.clear()

    async def _receive(self, stdout: ByteReceiveStream) -> bool:
        ready, reader = False, FrameReader()
        async for data in stdout:
            for frame in reader.feed(data):
                if frame.kind is Kind.READY:
                    ready = True
                    _report(json.loads(frame.payload))
                elif recognition := self._recognitions.pop(frame.recognition, None):
                    recognition.settle(frame.payload.decode())
        return ready


async def _listen(stderr: ByteReceiveStream, words: list[str]) -> None:
    async for data in stderr:
        words[:] = ["".join(words)[-LAST_WORDS:], data.decode(errors="replace")]


def _report(left_out: list[str]) -> None:
    if left_out:
        log.warning("embedded recogniser: phrases that cannot be pronounced are left out", phrases=left_out)


def phrases_by_language(scripts: Mapping[str, Script]) -> dict[str, dict[str, list[list[str]]]]:
    """By character and language, for each topic those in it."""
    found: dict[str, dict[str, list[list[str]]]] = {character: {} for character in scripts}
    for character, script in scripts.items():
        for topic in script.topics:
            for language, phrases in topic.phrases.items():
                found[character].setdefault(language, []).append(list(phrases))
    return found


class EmbeddedASR:
    """The ASR of this process."""

    phrases_only = True
    tells_partials = False

    def __init__(self, worker: WorkerProcess) -> None:
        self._worker = worker
        self._places = anyio.Semaphore(MAX_HEARINGS)

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        async with self._places:
            number, recognition = await self._worker.add(hints.character)
            try:
                yield recognition
            finally:
                await self._worker.remove(number)


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """At once: the process gets ready meanwhile."""
    worker = WorkerProcess(settings.scripts)
    error: Exception | None = None
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker.run)
            try:
                yield EmbeddedASR(worker)
            finally:
                tasks.cancel_scope.cancel()
    except ExceptionGroup as group:  # the block's own error leaves as itself
        error = group.exceptions[0]
    if error is not None:
        raise error
