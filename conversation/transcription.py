"""One utterance's audio in, as it arrives; its transcripts out, the changing ones as told, the final one as result."""

import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import anyio
import anyio.lowlevel

from conversation.single_error import single_error
from conversation.user_text import spoken_text
from services.base import ASR, RECOGNITION_RATE_HZ, Recognition, RecognitionHints, Transcript

OnPartial = Callable[[str], Awaitable[None]]

TAKEN_BYTES = 6400  # 200 ms: so much is under way between this buffer and the ASR's own


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The final transcript, "" where nothing was recognised, and how much of the utterance's audio it is of."""

    text: str
    audio_bytes: int


class NoAudio(Exception):
    """An utterance was begun, and nothing more of it came for the time that is allowed; `ended`: nothing ever did."""

    def __init__(self, *, ended: bool = False) -> None:
        super().__init__()
        self.ended = ended


class UtteranceBuffer:
    """Audio of one utterance on its way to the ASR, which may take it slower than it comes. One taker."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pieces: deque[bytes] = deque()
        self._waiting_bytes = 0
        self.taken_bytes = 0
        self.used_bytes = 0  # of these, what its taker was done with when it came for more
        self._whole = False
        self._abandoned = False
        self._filled = anyio.Event()
        self._emptied = anyio.Event()

    @property
    def takes_more(self) -> bool:
        """Whether audio that is put in now will be heard."""
        return not (self._whole or self._abandoned)

    async def put(self, pcm: bytes) -> None:
        """Waits while it is full: nothing more is read from whoever sends faster than is listened."""
        while self.takes_more and self._waiting_bytes > 0 and self._waiting_bytes + len(pcm) > self._limit_bytes:
            self._emptied = anyio.Event()
            await self._emptied.wait()
        self.append(pcm)

    def append(self, pcm: bytes) -> None:
        """For what is bounded elsewhere: it may be full."""
        if pcm and self.takes_more:
            self._pieces.append(pcm)
            self._waiting_bytes += len(pcm)
            self._filled.set()

    def close(self) -> None:
        """The utterance is whole."""
        self._whole = True
        self._wake()

    def abandon(self) -> None:
        """Nobody listens any more."""
        self._abandoned = True
        self._pieces.clear()
        self._wake()

    async def take(self) -> bytes | None:
        """The next of it: about TAKEN_BYTES where more waits, else what is there, at least some; None at the end."""
        self.used_bytes = self.taken_bytes
        while not self._pieces and self.takes_more:
            self._filled = anyio.Event()
            await self._filled.wait()
        if not self._pieces:
            return None
        taken = [self._pieces.popleft()]
        size = len(taken[0])
        while self._pieces and size + len(self._pieces[0]) <= TAKEN_BYTES:
            taken.append(self._pieces.popleft())
            size += len(taken[-1])
        self._waiting_bytes -= size
        self.taken_bytes += size
        self._emptied.set()
        return b"".join(taken)

    def _wake(self) -> None:
        self._filled.set()
        self._emptied.set()


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What listening needs to know. `whole`: the utterance exists already in full.

    `patience_s`: how long to wait for more audio; then NoAudio, or the end of the utterance where `silence_ends` it.
    `longest_s`: how long it may take to come in all; then NoAudio.
    `definite_ends`: so does the ASR's own opinion that the person has finished.
    """

    hints: RecognitionHints
    patience_s: float
    longest_s: float = math.inf
    whole: bool = False
    silence_ends: bool = False
    definite_ends: bool = False


async def transcribe(
    request: TranscriptionRequest, speech: UtteranceBuffer, asr: ASR, on_partial: OnPartial
) -> Transcribed:
    """`on_partial` is told each change before the final transcript.

    Raises:
        ASRError: the ASR refused, broke or did not answer in time.
        NoAudio: nothing came at all, or nothing more for too long.
    """
    shown = ""
    transcript = Transcript("")
    with single_error():
        async with (
            asr.open_recognition(request.hints, whole=request.whole) as recognition,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(_feed, request, speech, recognition)
            async with aclosing(recognition.transcripts()) as transcripts:
                async for transcript in transcripts:
                    if transcript.is_final or (request.definite_ends and _ends(transcript)):
                        break
                    if transcript.text and transcript.text != shown:
                        shown = transcript.text
                        await on_partial(shown)
            tasks.cancel_scope.cancel()
    return Transcribed(transcript.text, _bytes_of(transcript, speech))


def _ends(transcript: Transcript) -> bool:
    """Whether it may stand for the final one."""
    return transcript.is_definite and bool(spoken_text(transcript.text))


def _bytes_of(transcript: Transcript, speech: UtteranceBuffer) -> int:
    if transcript.is_final:
        return speech.taken_bytes
    if transcript.until_ms is None:
        return speech.used_bytes
    return min(2 * round(transcript.until_ms * RECOGNITION_RATE_HZ / 1000), speech.taken_bytes)


async def _feed(request: TranscriptionRequest, speech: UtteranceBuffer, recognition: Recognition) -> None:
    due = anyio.current_time() + request.longest_s
    empty = True
    while True:
        with anyio.CancelScope(deadline=min(due, anyio.current_time() + request.patience_s)) as waiting:
            pcm = await speech.take()
        if waiting.cancelled_caught:
            if not request.silence_ends:
                raise NoAudio
            speech.close()
            break
        if pcm is None and empty:
            raise NoAudio(ended=True)
        if pcm is None:
            break
        empty = False
        await recognition.send(pcm)
        await anyio.lowlevel.checkpoint()  # an ASR that has failed takes everything; let that be known first
    await recognition.finish()
