"""FunASR: an utterance's pcm in, its transcripts out while it is still spoken; a connection each, mended once.

Partial texts come from the server's fast pass, sentences from its exact one (mode 2pass); a recording that exists
already is recognised by the exact one alone. Where a connection breaks, a new one hears the whole utterance again.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final
from uuid import uuid4

import anyio
import structlog

from services.base import ASR, RECOGNITION_RATE_HZ, Recognition, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.engine_tasks import open_tasks
from services.socket_recognition.line import Line, is_socket_address, open_connector
from services.socket_recognition.utterance import Outcome, Reports, send_and_hear
from services.vendors.funasr import faults, messages
from services.vendors.funasr.faults import Failed
from services.vendors.funasr.line import Lines, tls_of
from services.vendors.funasr.messages import Habits, Heard

QUEUE_BYTES: Final = 32 * messages.FRAME_BYTES  # not yet sent; more is not taken, and waits where it comes from
KEPT_BYTES: Final = 130 * 2 * RECOGNITION_RATE_HZ  # for another connection; no utterance is longer
QUIET_S: Final = 0.3  # after what may have been the last answer
END_S: Final = 3.0  # for it, and ...
END_SHARE: Final = 0.3  # ... this much of the audio's own length: recordings are recognised as a whole


class _Audio:
    """One utterance's pcm, kept until it has been heard."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._sent = 0
        self.finished = self._closed = False
        self._changed = anyio.Event()

    @property
    def repeatable(self) -> bool:
        return len(self._pcm) <= KEPT_BYTES

    @property
    def seconds(self) -> float:
        return len(self._pcm) / (2 * RECOGNITION_RATE_HZ)

    async def append(self, pcm: bytes) -> None:
        """Waits while too much waits to be sent; drops what comes after the end."""
        while len(self._pcm) - self._sent > QUEUE_BYTES and not (self._closed or self.finished):
            await self._changed.wait()
        if not (self._closed or self.finished):
            self._pcm += pcm
            self._notify()

    def finish(self) -> None:
        self.finished = True
        self._notify()

    def close(self) -> None:
        self._closed = True
        self._pcm.clear()
        self._notify()

    def rewind(self) -> None:
        self._sent = 0

    async def next_frame(self) -> bytes:
        """The next of the size that servers count; the last may be shorter, as far as they take it; b"" after it."""
        while len(self._pcm) - self._sent < messages.FRAME_BYTES and not self.finished:
            await self._changed.wait()
        frame = bytes(self._pcm[self._sent : self._sent + messages.FRAME_BYTES])
        self._sent += len(frame)
        self._notify()
        return frame.ljust(messages.SHORTEST_FRAME_BYTES, b"\0") if frame else b""

    def _notify(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class _Recognition:
    """One utterance."""

    def __init__(self, engine: "_Engine", hints: RecognitionHints, *, whole: bool) -> None:
        self._engine = engine
        self._hints = hints
        self._whole = whole
        self._audio = _Audio()
        self._asking = anyio.CancelScope()
        self._outcome = Outcome()
        self._anything = False

    async def send(self, pcm: bytes) -> None:
        self._anything = self._anything or bool(pcm)
        await self._audio.append(pcm)

    async def finish(self) -> None:
        if self._anything:
            self._audio.finish()
        else:
            self._asking.cancel()  # some servers answer nothing to nothing

    def transcripts(self) -> AsyncGenerator[Transcript]:
        return self._outcome.transcripts()

    async def run(self) -> None:
        """Never fails: whoever waits for transcripts is told."""
        text = ""
        try:
            with self._asking:
                text = await self._ask_twice()
        except Failed as failed:
            self._engine.report(failed)
            self._outcome.fail(failed)
        else:
            self._outcome.tell(Transcript(text, is_final=True))
        finally:
            self._audio.close()

    async def _ask_twice(self) -> str:
        try:
            return await self._ask()
        except Failed as failed:
            # Who was silent for as long as a final transcript may take is not waited for again.
            if not (failed.fault.again and self._audio.repeatable) or failed.timed_out:
                raise
            self._engine.log.warning("hearing_asked_again", code=failed.fault.code)
        self._audio.rewind()
        return await self._ask()

    async def _ask(self) -> str:
        """One connection, from its handshake to the final text."""
        async with self._engine.open_line() as line:
            heard = Heard(self._engine.server, self._hints.language)
            await send_and_hear(partial(self._send_all, line, heard), partial(self._receive_all, line, heard))
            if not heard.is_ending or not (heard.anything or self._engine.server.may_be_silent):
                raise Failed(faults.STALLED)
            return heard.text

    async def _send_all(self, line: Line, heard: Heard, waiting: anyio.CancelScope) -> None:
        limit_s = self._engine.settings.final_s / 2
        try:
            await line.write(self._engine.first_message(self._hints, whole=self._whole), limit_s)
            while frame := await self._audio.next_frame():
                await line.write(frame, limit_s)
            await line.write(messages.END, limit_s)
            heard.finish()
            waiting.deadline = anyio.current_time() + END_S + END_SHARE * self._audio.seconds
        except Failed as failed:
            if failed.timed_out:
                waiting.cancel()
            # Else the reader is about to find out.

    async def _receive_all(self, line: Line, heard: Heard, waiting: anyio.CancelScope) -> None:
        """Until nothing more will come; what that is, servers say in several ways, or leave to be guessed."""
        while not heard.is_whole:
            try:
                heard.receive(messages.read_answer(await line.read_text()))
            except Failed as failed:
                if failed.fault == faults.BROKEN_OFF and heard.may_be_whole:
                    return
                raise
            if heard.may_be_whole:
                waiting.deadline = anyio.current_time() + QUIET_S
            if heard.text and not (self._whole or heard.is_whole):
                definite = heard.is_definite and not self._audio.finished
                self._outcome.tell(Transcript(heard.text, is_definite=definite))


class _Engine:
    """The ASR of this process."""

    phrases_only = False
    tells_partials = True

    def __init__(self, lines: Lines, settings: ASRSettings) -> None:
        self.settings = settings
        self.server = Habits()
        self.log = structlog.get_logger(__name__)
        self._lines = lines
        self._reports = Reports(self.log)

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        recognition = _Recognition(self, hints, whole=whole)
        async with open_tasks() as tasks:  # what is heard fails in `transcripts` alone
            tasks.start_soon(recognition.run)
            yield recognition

    def open_line(self) -> AbstractAsyncContextManager[Line]:
        return self._lines.open(self.settings.connect_s)

    def first_message(self, hints: RecognitionHints, *, whole: bool) -> str:
        """Partial texts are of no use for a recording, nor where they are Mandarin, whatever is said."""
        exact = whole or self.server.wrong_partials or hints.language not in ("", "zh", "yue")
        return messages.first_message(self.server, hints, "offline" if exact else "2pass", uuid4().hex)

    def report(self, failed: Failed) -> None:
        self._reports.tell(failed.fault.code, failed.fault.message, failed.fault.advice)


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """Open the ASR for this process; nothing is sent before the first utterance.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    if not is_socket_address(settings.endpoint):
        raise EngineUnavailable(
            "endpoints.funasr: funasr wants a ws:// or wss:// address, such as ws://127.0.0.1:10095"
        )
    async with open_connector(tls_of(settings)) as connector:
        yield _Engine(Lines(connector, settings), settings)
