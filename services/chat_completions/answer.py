"""Chat completions, sans-IO: the vendor's bytes in, the reply's text and LLMErrors out."""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from services.base import LLMError
from services.chat_completions.faults import CUT, REQUEST, SENSITIVE, UNREADABLE, failure
from services.chat_completions.objections import read_objection
from services.chat_completions.refusals import Error, Refused, error_in, refusal
from services.chat_completions.servers import TORN_BY

# Of one event, of an answer that is not streamed, of an error's body; real ones have a few KiB.
MAX_BODY_BYTES: Final = 1 << 20


class _Part(msgspec.Struct, frozen=True, gc=False):
    """A piece of a content that is a list; parts of thinking, pictures and others are skipped."""

    type: str | None = None
    text: object = None

    @property
    def said(self) -> str:
        """Its text, if it is one."""
        return self.text if self.type in (None, "text", "output_text") and isinstance(self.text, str) else ""


class _Text(msgspec.Struct, frozen=True):
    content: str | tuple[_Part | str, ...] | None = None  # beside it may stand `reasoning_content`, for nobody to see
    refusal: object = None  # OpenAI's, where a model that is held to a schema will not answer

    @property
    def said(self) -> str:
        """All of it that is text."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(part if isinstance(part, str) else part.said for part in self.content)


class _Choice(msgspec.Struct, frozen=True):
    delta: _Text | None = None  # streamed
    message: _Text | None = None  # not streamed
    finish_reason: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    """A chunk of an answer, a whole one, or the body of an error."""

    choices: tuple[_Choice, ...] | None = None
    usage: object = None  # numbers for the log; a reply is not lost over a strange one
    id: object = None
    error: object = None
    # "error" where the error is not in a field of its own: SGLang, older vLLM.
    kind: str | None = msgspec.field(default=None, name="object")
    message: object = None
    detail: object = None

    @property
    def is_error(self) -> bool:
        """Errors come under status 200 as well, and in mid-stream."""
        return bool(self.error) or self.kind == "error" or (self.choices is None and bool(self.message or self.detail))


def _decode(data: bytes) -> _Answer:
    try:
        return msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise failure(UNREADABLE) from error


class EventStream:
    """Sans-IO: the bytes of a `text/event-stream` in, the data of each whole event out, however the bytes were cut.

    Lines end in LF, CRLF or CR; a byte order mark at the beginning is none of it. Comments and every field but `data`
    are skipped (and `error`, which is none, but older llama.cpp tells its errors so); an event the stream ends in is
    dropped.
    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    _BLANK_LINE: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
    _MARK: Final = b"\xef\xbb\xbf"
    _TELLING: Final = frozenset((b"data", b"error"))

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no blank line begins before here
        self._begun = False  # the first line was looked at for a mark
        self._after_cr = False  # the last event ended in a CR, to which an LF may belong

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """To be run to its end before the next call.

        Raises:
            LLMError: an event is longer than MAX_BODY_BYTES.
        """
        self._buffer += chunk
        if not self._begun and not self._MARK.startswith(self._buffer[:3]):
            self._begun = True
        elif not self._begun and len(self._buffer) >= 3:
            self._begun = True
            del self._buffer[:3]
        if self._after_cr and self._buffer:
            self._after_cr = False
            if self._buffer[0] == 10:
                del self._buffer[:1]
        while self._begun and (found := self._BLANK_LINE.search(self._buffer, self._searched)):
            if found.start() > MAX_BODY_BYTES:
                break
            event = bytes(self._buffer[: found.start()]).removesuffix(b"\r")
            self._after_cr = found.end() == len(self._buffer) and self._buffer.endswith(b"\r")
            del self._buffer[: found.end()]
            self._searched = 0
            if data := self._data(event):
                yield data
        if len(self._buffer) > MAX_BODY_BYTES:
            raise failure(UNREADABLE)
        self._searched = max(0, len(self._buffer) - 3)  # what ends it may be the beginning of a blank line

    @staticmethod
    def _data(event: bytes) -> bytes:
        if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:  # as Ark sends every one
            return event[6:]
        lines = (line.partition(b":") for line in event.splitlines())
        return b"\n".join(data.removeprefix(b" ") for name, _, data in lines if name in EventStream._TELLING)


class Reply:
    """sans-IO: what the vendor sends in, the text for the person out; `error` says how it failed after that text."""

    def __init__(self) -> None:
        self._events = EventStream()
        self.whole = False  # a finish_reason or `[DONE]` was seen: no text follows
        self.error: LLMError | None = None
        self.usage: object = None
        self.request_id: object = None

    def feed(self, chunk: bytes) -> str:
        """Some bytes of a streamed answer; the text of all events they complete."""
        texts: list[str] = []
        try:
            for data in self._events.feed(chunk):
                if data == b"[DONE]":
                    self.whole = True
                else:
                    texts.append(self.receive(data))
        except LLMError as error:
            if not self.whole:
                self.error = error
        return "".join(texts)

    def receive(self, data: bytes) -> str:
        """The JSON of one event, or of an answer that is not streamed.

        Raises:
            LLMError: it is an error, or cannot be read.
        """
        answer = _decode(data)
        if answer.is_error:
            raise refusal(None, error_in(data), body=data)
        self.request_id, self.usage = answer.id or self.request_id, answer.usage or self.usage
        if answer.choices is None and not answer.usage and (objection := read_objection(None, data)).names:
            raise Refused(REQUEST, None, Error(), objection=objection)  # MiniMax and others, in a form of their own
        if not answer.choices or self.whole:  # the usage comes alone, with `choices: []`
            return ""
        choice = answer.choices[0]
        self.whole = bool(choice.finish_reason)  # some servers put an empty one into every chunk
        if torn := TORN_BY.get((choice.finish_reason or "").lower()):
            self.error = failure(torn)  # and the text before it is cut off somewhere
        text = choice.delta or choice.message
        if text and text.refusal:
            self.error = failure(SENSITIVE)
        return text.said if text else ""

    def check(self) -> None:
        """Raises LLMError if it failed, or ended before its end ("the end without `[DONE]` is a broken stream")."""
        if self.error or not self.whole:
            raise self.error or failure(CUT)
