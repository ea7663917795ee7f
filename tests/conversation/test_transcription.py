"""An utterance's audio on its way to an ASR, and its transcripts on their way back."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from conversation.single_error import single_error
from conversation.transcription import NoAudio, Transcribed, TranscriptionRequest, UtteranceBuffer, transcribe
from services.asr_service import TimedASR
from services.base import ASRError, RecognitionHints, Transcript

pytestmark = pytest.mark.anyio

HINTS = RecognitionHints("anon")
PATIENT = TranscriptionRequest(HINTS, 60.0)


@dataclass
class Recogniser:
    """An ASR that counts: each piece is a partial transcript of how much it has heard."""

    definite_at: int = -1  # bytes
    fails_at: int = -1
    stalls: bool = False
    ends_early: bool = False
    phrases_only: bool = False
    tells_partials: bool = True
    heard: bytearray = field(default_factory=bytearray)
    open: int = 0

    @asynccontextmanager
    async def open_recognition(
        self, hints: RecognitionHints, *, whole: bool = False
    ) -> AsyncIterator["ScriptedRecognition"]:
        self.open += 1
        recognition = ScriptedRecognition(self)
        try:
            with recognition.say, recognition.said:
                yield recognition
        finally:
            self.open -= 1


class ScriptedRecognition:
    def __init__(self, recogniser: Recogniser) -> None:
        self._ear = recogniser
        self.say, self.said = anyio.create_memory_object_stream[Transcript](100)

    async def send(self, pcm: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self._ear.heard += pcm
        count = len(self._ear.heard)
        self.say.send_nowait(Transcript(str(count), is_definite=count == self._ear.definite_at))

    async def finish(self) -> None:
        if not self._ear.stalls:
            self.say.send_nowait(Transcript(f"{len(self._ear.heard)}.", is_final=True))

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        while True:
            transcript = await self.said.receive()
            if transcript.text == str(self._ear.fails_at):
                raise ASRError("It broke")
            if self._ear.ends_early:
                return
            yield transcript


async def listened(
    recogniser: Recogniser, request: TranscriptionRequest, *pieces: bytes, close: bool = True, final_s: float = 60.0
) -> tuple[str, list[str]]:
    partials: list[str] = []

    async def on_partial(text: str) -> None:
        partials.append(text)

    speech = UtteranceBuffer(1000)

    async def speak() -> None:
        for piece in pieces:
            await speech.put(piece)
            await anyio.wait_all_tasks_blocked()
        if close:
            speech.close()

    with single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(speak)
            transcribed = await transcribe(request, speech, TimedASR(recogniser, final_s), on_partial)
            speech.abandon()
    assert recogniser.open == 0
    return transcribed.text, partials


async def test_all_audio_arrives_in_order_and_the_final_transcript_is_the_result() -> None:
    recogniser = Recogniser()
    text, partials = await listened(recogniser, PATIENT, b"ab", b"cd", b"ef")
    assert (text, partials, bytes(recogniser.heard)) == ("6.", ["2", "4", "6"], b"abcdef")


async def test_utterance_that_is_whole_before_anybody_listens_is_heard_whole() -> None:
    recogniser, speech = Recogniser(), UtteranceBuffer(10)
    await speech.put(b"x" * 1000)  # a first piece always fits
    speech.close()

    async def on_partial(text: str) -> None: ...

    assert await transcribe(PATIENT, speech, TimedASR(recogniser, 60.0), on_partial) == Transcribed("1000.", 1000)


async def test_definite_transcript_ends_the_utterance_only_where_it_may() -> None:
    hands_free = TranscriptionRequest(HINTS, 60.0, definite_ends=True)
    assert (await listened(Recogniser(definite_at=4), hands_free, b"ab", b"cd", close=False))[0] == "4"
    assert (await listened(Recogniser(definite_at=4), PATIENT, b"ab", b"cd", b"ef"))[0] == "6."


async def test_failure_leaves_as_itself() -> None:
    with pytest.raises(ASRError, match="It broke"):
        await listened(Recogniser(fails_at=4), PATIENT, b"ab", b"cd", b"ef")


async def test_final_transcript_that_does_not_come_times_out() -> None:
    with pytest.raises(ASRError, match="in time") as raised:
        await listened(Recogniser(stalls=True), PATIENT, b"ab", final_s=0.01)
    assert raised.value.timed_out


async def test_recogniser_that_ends_without_a_final_transcript_has_failed() -> None:
    with pytest.raises(ASRError, match="without a result"):
        await listened(Recogniser(ends_early=True), PATIENT, b"ab")


async def test_stream_without_audio_is_given_up_and_hands_free_talk_takes_it_for_the_end() -> None:
    with pytest.raises(NoAudio):
        await listened(Recogniser(), TranscriptionRequest(HINTS, 0.01), b"ab", close=False)
    request = TranscriptionRequest(HINTS, 0.01, silence_ends=True)
    assert (await listened(Recogniser(), request, b"ab", close=False))[0] == "2."


async def test_full_buffer_holds_whoever_speaks_until_it_is_taken() -> None:
    speech = UtteranceBuffer(4)
    await speech.put(b"abcd")
    async with anyio.create_task_group() as tasks:
        put = anyio.Event()

        async def put_more() -> None:
            await speech.put(b"ef")
            put.set()

        tasks.start_soon(put_more)
        await anyio.wait_all_tasks_blocked()
        assert not put.is_set()
        assert await speech.take() == b"abcd"
        await put.wait()
    speech.close()
    assert await speech.take() == b"ef"
    assert await speech.take() is None


@pytest.mark.parametrize("end", [UtteranceBuffer.close, UtteranceBuffer.abandon])
async def test_nobody_waits_for_room_in_a_buffer_that_takes_no_more(end: Callable[[UtteranceBuffer], None]) -> None:
    speech = UtteranceBuffer(2)
    await speech.put(b"ab")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(speech.put, b"cd")
        await anyio.wait_all_tasks_blocked()
        end(speech)
    assert not speech.takes_more
    await speech.put(b"ef")
    assert await speech.take() == (b"ab" if end is UtteranceBuffer.close else None)
    assert await speech.take() is None
