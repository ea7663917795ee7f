"""The process of an ASR, from the server's side: utterances in, what the process says of each out.

The process is started when this runs and again whenever it dies; nobody waits for it but who speaks before it is there.
"""

import itertools
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio.abc import ByteReceiveStream, Process

from services.asr_process.frames import Frame, FrameReader, Kind
from services.base import ASRError, Transcript
from services.engine_tasks import open_tasks

log = structlog.get_logger()

GOODBYE_S: Final = 1.0  # for writing that a recognition is over
LAST_WORDS: Final = 500  # characters of what a process said before it died
PROJECT: Final = Path(__file__).parents[2]
PIPE_GONE: Final = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(frozen=True, slots=True)
class Job:
    """What a process is for. `setup` is the first that it is told; `on_ready` gets the first that it says."""

    name: str  # for the log
    module: str
    setup: bytes
    on_ready: Callable[[bytes], None]


class ProcessRecognition:
    """One utterance. Its failures come out of `transcripts`."""

    def __init__(self, worker: "WorkerProcess", number: int, read: Callable[[bytes], str]) -> None:
        self._worker = worker
        self._number = number
        self._read = read
        self._heard: bytes | None = None
        self._settled = anyio.Event()

    async def send(self, pcm: bytes) -> None:
        await self._write(Kind.AUDIO, pcm)

    async def finish(self) -> None:
        await self._write(Kind.FINISH)

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        await self._settled.wait()
        if self._heard is None:
            raise ASRError("Speech recognition broke off; please say it again")
        yield Transcript(self._read(self._heard), is_final=True)

    def settle(self, heard: bytes | None) -> None:
        """What was heard, None where nothing will be."""
        self._heard = heard
        self._settled.set()

    async def _write(self, kind: Kind, payload: bytes = b"") -> None:
        if not self._settled.is_set():
            await self._worker.write(Frame(kind, self._number, payload))


class WorkerProcess:
    """The process, and the recognitions it is at work on."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._recognitions: dict[int, ProcessRecognition] = {}
        self._numbers = itertools.count(1)
        self._process: Process | None = None
        self._tried = anyio.Event()  # there is a process to write to, or it cannot be started
        self._wanted = anyio.Event()
        self.settled = anyio.Event()  # the first one is ready, or has died
        self.last_words = ""  # of one that died

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
                self.last_words = str(error)
                log.error(f"{self._job.name}: its process cannot be started: {error}")
            finally:
                self._bury()

    @asynccontextmanager
    async def recognition(self, opening: bytes, read: Callable[[bytes], str]) -> AsyncIterator[ProcessRecognition]:
        """A new one; waits until there is a process, or was, but not until it is ready. `read`: a HEARD as text."""
        self._wanted.set()
        await self._tried.wait()
        number = next(self._numbers)
        recognition = ProcessRecognition(self, number, read)
        if self._process is None:
            recognition.settle(None)
        else:
            self._recognitions[number] = recognition
        try:
            if number in self._recognitions:
                await self.write(Frame(Kind.OPEN, number, opening))
            yield recognition
        finally:
            if self._recognitions.pop(number, None):
                with anyio.move_on_after(GOODBYE_S, shield=True):
                    await self.write(Frame(Kind.CLOSE, number))

    async def write(self, frame: Frame) -> None:
        """To the process of the recognition, which is settled when it dies: what cannot be written is of no use."""
        if self._process and self._process.stdin:
            try:
                await self._process.stdin.send(frame.encode())
            except PIPE_GONE:
                return

    async def _live(self) -> bool:
        """One process from its start to its end; whether it was ever ready."""
        command = [sys.executable, "-m", self._job.module]
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
                    await self.write(Frame(Kind.SETUP, payload=self._job.setup))  # the first to be written
                    ready = await self._receive(process.stdout)
            finally:
                if process.returncode is None:
                    process.kill()
            status = await process.wait()
        self.last_words = "".join(said)[-LAST_WORDS:] or f"its process ended with status {status}"
        log.error(f"{self._job.name}: its process ended", status=status, said=self.last_words)
        return ready

    def _bury(self) -> None:
        self._tried.set()
        self._process, self._tried = None, anyio.Event()
        for recognition in self._recognitions.values():
            recognition.settle(None)
        self._recognitions.clear()
        self.settled.set()

    async def _receive(self, stdout: ByteReceiveStream) -> bool:
        ready, reader = False, FrameReader()
        async for data in stdout:
            for frame in reader.feed(data):
                if frame.kind is Kind.READY:
                    ready = True
                    self._job.on_ready(frame.payload)
                    self.settled.set()
                    continue
                if frame.kind is Kind.FAILED:
                    log.error(f"{self._job.name}: failed at an utterance", why=frame.payload.decode(errors="replace"))
                if recognition := self._recognitions.pop(frame.recognition, None):
                    recognition.settle(frame.payload if frame.kind is Kind.HEARD else None)
        return ready


async def _listen(stderr: ByteReceiveStream, words: list[str]) -> None:
    async for data in stderr:
        words[:] = ["".join(words)[-LAST_WORDS:], data.decode(errors="replace")]


@asynccontextmanager
async def open_worker(job: Job) -> AsyncIterator[WorkerProcess]:
    """At once: the process gets ready meanwhile, and ends with the block."""
    worker = WorkerProcess(job)
    async with open_tasks() as tasks:
        tasks.start_soon(worker.run)
        yield worker
