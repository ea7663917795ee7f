"""A request: sent once, awaited for its answer. A turn is one whose answer comes in many events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from chatanon_client.errors import ChatAnonError
from chatanon_client.events import (
    Audio,
    AudioError,
    Interrupted,
    Response,
    Sentence,
    Thinking,
    Transcription,
    TurnEnd,
    TurnEvent,
    TurnStarted,
)

Answer = TypeVar("Answer")


class Request(Generic[Answer]):
    """`await` it for its answer; a ChatAnonError is raised where there is none. Nobody need await it."""

    def __init__(self, text: str, answer: type[Any]) -> None:
        """`text`: the message. `answer`: the event that answers it, or Turn."""
        self.text = text
        self.answer = answer
        self.was_sent = False  # at least its beginning
        self.on_sent: Callable[[], object] = lambda: None  # called when the last of it is on its way
        self._done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    @property
    def is_done(self) -> bool:
        return self._done.done()

    @property
    def has_failed(self) -> bool:
        return self._done.done() and self._done.exception() is not None

    def finish(self, answer: Answer) -> None:
        if not self._done.done():
            self._done.set_result(answer)

    def fail(self, error: ChatAnonError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
            self._done.exception()  # it counts as seen: who does not await is not told by the event loop either

    async def wait_done(self) -> None:
        """However it ends."""
        await asyncio.wait([self._done])

    def __await__(self) -> Generator[Any, None, Answer]:
        return asyncio.shield(self._done).__await__()


@dataclass(slots=True)
class Reply:
    """The whole of one turn."""

    content_cn: str = ""
    content_jp: str = ""
    emotion: str = "auto"
    transcript: str = ""  # what was understood of the user
    sentences: list[Sentence] = field(default_factory=list)
    audio: bytes = b""  # signed 16-bit little-endian, mono
    sample_rate: int = 16_000
    audio_error: AudioError | None = None  # why it has no voice, or not all of it
    incomplete: bool = False  # it broke off, for the `reason`
    reason: str = ""
    interrupted: Interrupted | None = None
    timings_ms: Mapping[str, float] = field(default_factory=dict)  # with the extension `turns`


class Turn(Request[Reply]):
    """`await` it for the Reply, or go through it with `async for`: its events as they come, to its end."""

    def __init__(self, text: str, kind: Literal["text", "audio", "stream", "agent"] = "text") -> None:
        super().__init__(text, Turn)
        self.kind = kind
        self.started = asyncio.Event()  # a stream: its sound may be sent, or never will be
        self.has_rest = kind == "stream"  # more of it is to be sent
        self.turn_id = ""
        self.begun = False
        self.error: ChatAnonError | None = None  # it has failed, and its `turn_end` is still to come
        self._reply = Reply()
        self._pieces: list[bytes] = []
        self._events: asyncio.Queue[TurnEvent | None] = asyncio.Queue()

    def add(self, event: TurnEvent, *, ends_itself: bool) -> bool:
        """`ends_itself`: a `turn_end` comes though no `turn_started` did. Whether that was the last of it."""
        if isinstance(event, TurnEnd) and not (self.begun and event.turn_id == self.turn_id):
            return False  # of the turn before it
        self._events.put_nowait(event)
        self._note(event)
        over = isinstance(event, TurnEnd if self.turn_id or ends_itself else Response)
        if over and self.error is not None:
            self.fail(self.error)
        elif over:
            self._reply.audio = b"".join(self._pieces)
            self.finish(self._reply)
        return over

    def _note(self, event: TurnEvent) -> None:
        reply = self._reply
        match event:
            case TurnStarted(turn_id=turn_id):
                self.turn_id, self.begun = turn_id, True
            case Thinking():
                self.begun = True
            case Transcription(text=text):
                reply.transcript = text
            case Sentence(index=index):
                reply.sentences[:] = [*(each for each in reply.sentences if each.index != index), event]
            case Audio(pcm=pcm, sample_rate=sample_rate):
                self._pieces.append(pcm)
                reply.sample_rate = sample_rate
            case Interrupted():
                reply.interrupted = event
            case Response():
                # With `sentence_responses` there is one for each sentence.
                reply.content_cn += event.content_cn
                reply.content_jp += event.content_jp
                reply.emotion = event.emotion if reply.emotion == "auto" else reply.emotion
            case TurnEnd(timings_ms=timings_ms):
                reply.timings_ms = timings_ms
        if isinstance(event, Response | TurnEnd):
            reply.audio_error = event.audio_error or reply.audio_error
            reply.incomplete, reply.reason = event.incomplete or reply.incomplete, event.reason or reply.reason

    def finish(self, answer: Reply) -> None:
        super().finish(answer)
        self._close()

    def fail(self, error: ChatAnonError) -> None:
        super().fail(error)
        self._close()

    def _close(self) -> None:
        self.has_rest = False
        self.started.set()
        self._events.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[TurnEvent]:
        while (event := await self._events.get()) is not None:
            yield event
        await self  # raises what ended it
