"""Chat completions, sans-IO: the vendor's bytes and refusals in, the reply's text and LLMErrors out."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from services.base import LLMError
from services.vendors.ark.parameters import NONE, Objection, read_objection

# Of one event, of an answer that is not streamed, of an error's body; real ones have a few KiB.
MAX_BODY_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What a refusal means: the sentence for the person, and who must do what."""

    message: str
    retryable: bool = False
    operator: bool = False  # nobody but the operator can mend it: logged as an error, once
    not_before_s: float = 0.0  # trying again sooner is of no use


_KEY = Fault("The language model refused the key of this server; its operator should check it.", operator=True)
_DENIED = Fault("The language model denied access; this server's operator should check the account.", operator=True)
_MODEL = Fault("The language model was not found; this server's operator should check its name.", operator=True)
_NOT_FOUND = Fault(
    "The language model was not found; this server's operator should check its name and the endpoint, /v1 for example.",
    operator=True,
)
_CLOSED = Fault("The language model is switched off at its vendor; its operator should check it.", True, True, 60.0)
_QUOTA = Fault("The language model's quota is used up; this server's operator should check it.", operator=True)
_SENSITIVE = Fault("The language model declined because of sensitive content; please put it in other words.")
_REQUEST = Fault(
    "The language model refused the request; its operator should check the settings models.llm_model, "
    "llm.reasoning_effort and llm.stream.",
    operator=True,
)
_CONTEXT = Fault(
    "The conversation is longer than the language model can take; its operator should set a lower llm.context_tokens.",
    operator=True,
)
ADDRESS = Fault("The language model is not at its address; the operator should check the endpoint.", operator=True)
_BUSY = Fault("The language model is too busy at the moment; please try again.", retryable=True)
_BROKEN = Fault("The language model failed on its own side; please try again.", retryable=True)
UNREADABLE = Fault("The language model sent an answer that cannot be read; please try again.", retryable=True)
_TOO_LONG = Fault("The language model's answer was cut at its greatest length; its operator should allow more tokens.")
CUT = Fault("The connection to the language model broke before its answer was whole.", retryable=True)
UNREACHABLE = Fault("The language model cannot be reached at the moment; please try again.", retryable=True)
CERTIFICATE = Fault("The language model's certificate is not valid; its operator should check it.", operator=True)

# Codes are hierarchical ("RateLimitExceeded.EndpointRPMExceeded"): a name stands for itself and all beneath it.
_BY_CODE: Mapping[str, Fault] = {
    code: fault
    for fault, codes in (
        (_REQUEST, "MissingParameter InvalidParameter"),
        (_SENSITIVE, "SensitiveContentDetected InputTextSensitiveContentDetected OutputTextSensitiveContentDetected"),
        (_SENSITIVE, "InputTextRiskDetection OutputTextRiskDetection"),
        (_CLOSED, "InvalidEndpoint.ClosedEndpoint"),
        (_MODEL, "InvalidEndpointOrModel ModelNotOpen UnsupportedModel model_not_found"),
        (_KEY, "AuthenticationError"),
        (_DENIED, "AccessDenied OperationDenied"),
        # A used-up account is a 429 too, and waiting does not help there: the code decides, never the status.
        (_QUOTA, "AccountOverdueError QuotaExceeded AccountQuotaExceeded SetLimitExceeded"),
        (_QUOTA, "insufficient_quota billing_hard_limit_reached billing_not_active insufficient_balance"),
        (_BUSY, "RateLimitExceeded ModelAccountRpmRateLimitExceeded ModelAccountTpmRateLimitExceeded"),
        (_BUSY, "APIAccountRpmRateLimitExceeded AccountRateLimitExceeded RequestBurstTooFast"),
        (_BUSY, "ServerOverloaded InflightBatchsizeExceeded"),
        (_BROKEN, "InternalServiceError"),
        (_CONTEXT, "context_length_exceeded"),
    )
    for code in codes.split()
}
# For bodies without a code of Ark's: other servers, and the HTML of gateways.
_BY_STATUS: Mapping[int, Fault] = {
    401: _KEY,
    402: _QUOTA,
    403: _DENIED,
    404: _NOT_FOUND,
    405: ADDRESS,
    408: _BROKEN,
    429: _BUSY,
}


# What servers without codes say of a prompt that is too long for the model.
_TOO_MUCH = re.compile(r"context (length|size|window|limit)|(prompt|input) is too long|上下文长度", re.IGNORECASE)

# Why an answer ended, as servers say it, where that is not that it was whole.
_TORN_BY: Mapping[str, Fault] = {
    reason: fault
    for fault, reasons in (
        (_TOO_LONG, "length max_tokens max_output_tokens model_length model_context_window_exceeded"),
        (_SENSITIVE, "content_filter content_filtered safety sensitive"),
    )
    for reason in reasons.split()
}


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


class Error(msgspec.Struct, frozen=True, gc=False):
    """Ark's `code` is a name; llama.cpp and vLLM put the HTTP status there, Ollama null."""

    code: str | int | None = None
    message: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    """A chunk of an answer, a whole one, or the body of an error."""

    choices: tuple[_Choice, ...] | None = None
    usage: object = None  # numbers for the log; a reply is not lost over a strange one
    id: str | None = None
    error: Error | str | None = None


class Refused(LLMError):
    """The vendor said no. `not_before_s`: seconds before which trying again is of no use (`Retry-After`)."""

    def __init__(
        self, fault: Fault, status: int | None, error: Error, not_before_s: float = 0.0, objection: Objection = NONE
    ) -> None:
        super().__init__(fault.message, retryable=fault.retryable)
        self.fault = fault
        self.status = status
        named = isinstance(error.code, str) and re.fullmatch(r"[\w.-]{1,100}", error.code, re.ASCII)
        self.code = named[0] if named else None  # fit for a log, as is:
        traced = re.search(r"request id:? ?([\w-]{1,64})", error.message or "", re.ASCII | re.IGNORECASE)
        self.request_id = traced[1] if traced else None
        self.not_before_s = max(fault.not_before_s, not_before_s)
        self.objection = objection


# Of what else a refusal may be about, no parameter is the reason, whatever words it uses.
_NOT_OF_PARAMETERS: Final = frozenset((_KEY, _DENIED, _MODEL, _CLOSED, _QUOTA, _SENSITIVE, _BUSY, _CONTEXT))


def refusal(status: int | None, error: Error, not_before_s: float = 0.0, body: bytes | None = None) -> Refused:
    """What an error means. `status`: None where that was 200 none the less; `body`: all that was said with it."""
    if (number := _http_status(error.code)) is not None:
        status = number
    code = error.code if isinstance(error.code, str) else ""
    while code and code not in _BY_CODE:
        code = code.rpartition(".")[0]
    if code:
        fault = _BY_CODE[code]
    elif status is None and "unexpected endpoint" in (error.message or "").lower():  # LM Studio: any path is a 200
        fault = ADDRESS
    elif status is None or status >= 500:
        fault = _BROKEN
    elif 300 <= status < 400:
        fault = ADDRESS
    else:
        fault = _BY_STATUS.get(status, _REQUEST)
    if fault is _REQUEST and _TOO_MUCH.search(error.message or ""):
        fault = _CONTEXT
    by_status = not code and status == 403  # "streaming requests are not yet allowed": the status is not the reason
    objection = NONE
    if body is not None and (by_status or fault not in _NOT_OF_PARAMETERS):
        objection = read_objection(status, body)
    return Refused(fault, status, error, not_before_s, objection)


def _http_status(code: str | int | None) -> int | None:
    """The status, where a server repeats it as its code; some have numbers of their own there."""
    number = int(code) if isinstance(code, str) and re.fullmatch("[0-9]{3}", code) else code
    return number if isinstance(number, int) and 400 <= number < 600 else None


def failure(fault: Fault) -> LLMError:
    return LLMError(fault.message, retryable=fault.retryable, too_long=fault is _TOO_LONG)


def error_in(body: bytes) -> Error:
    """What the body of a refusal says; nothing, where it is the HTML of a gateway."""
    try:
        return _plain(_decode(body).error or Error())
    except LLMError:
        return Error()


def _plain(error: Error | str) -> Error:
    return Error(message=error) if isinstance(error, str) else error


def _decode(data: bytes) -> _Answer:
    try:
        return msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise failure(UNREADABLE) from error


class EventStream:
    """Sans-IO: the bytes of a `text/event-stream` in, the data of each whole event out, however the bytes were cut.

    Lines end in LF, CRLF or CR; a byte order mark at the beginning is none of it. Comments and every field but `data`
    are skipped; an event the stream ends in is dropped.
    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    _BLANK_LINE: Final = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
    _MARK: Final = b"\xef\xbb\xbf"

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
        return b"\n".join(line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:"))


class Reply:
    """sans-IO: what the vendor sends in, the text for the person out; `error` says how it failed after that text."""

    def __init__(self) -> None:
        self._events = EventStream()
        self.whole = False  # a finish_reason or `[DONE]` was seen: no text follows
        self.error: LLMError | None = None
        self.usage: object = None
        self.request_id: str | None = None

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
        if answer.error:
            raise refusal(None, _plain(answer.error), body=data)
        self.request_id, self.usage = answer.id or self.request_id, answer.usage or self.usage
        if answer.choices is None and not answer.usage and (objection := read_objection(None, data)).names:
            raise Refused(_REQUEST, None, Error(), objection=objection)  # MiniMax and others, in a form of their own
        if not answer.choices or self.whole:  # the usage comes alone, with `choices: []`
            return ""
        choice = answer.choices[0]
        self.whole = bool(choice.finish_reason)  # some servers put an empty one into every chunk
        if torn := _TORN_BY.get((choice.finish_reason or "").lower()):
            self.error = failure(torn)  # and the text before it is cut off somewhere
        text = choice.delta or choice.message
        return text.said if text else ""

    def check(self) -> None:
        """Raises LLMError if it failed, or ended before its end ("the end without `[DONE]` is a broken stream")."""
        if self.error or not self.whole:
            raise self.error or failure(CUT)
