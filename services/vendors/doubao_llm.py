"""A prompt in, the reply's text in fragments out: Volcengine Ark, or any server that speaks OpenAI's chat completions.

`endpoint` is what stands before `/chat/completions`; with that of Ollama (`http://127.0.0.1:11434/v1`), llama.cpp's
server or vLLM, and any key, those work too. Thinking is governed by `reasoning_effort` alone: beside an absent
`thinking` Ark takes every value of it, and `minimal` means none (protocol page, section 3). Where a server knows no
such value, `none` is tried, then the field is left out, as it always is for an empty value.
"""

import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import aiohttp
import anyio
import msgspec
import structlog
from yarl import URL

from services.base import LLM, EngineUnavailable, LLMError, LLMSettings, Prompt, map_errors

# Of one event, of an answer that is not streamed, of an error's body; real ones have a few KiB.
MAX_BODY_BYTES: Final = 1 << 20
# Replies being written at once in this process; further ones wait their turn, within their deadline.
MAX_CONNECTIONS: Final = 256
KEEP_ALIVE_S: Final = 120.0  # longer than the pauses of a talk, so that a turn pays for neither TCP nor TLS
TAIL_S: Final = 0.5  # the reply is whole; what may still come is the usage, and the connection's return to the pool

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Fault:
    """What a refusal means: the sentence for the person, and who must do what."""

    message: str
    retryable: bool = False
    operator: bool = False  # nobody but the operator can mend it: logged as an error, once
    not_before_s: float = 0.0  # trying again sooner is of no use


_KEY = _Fault("The language model refused the key of this server; its operator should check it.", operator=True)
_DENIED = _Fault("The language model denied access; this server's operator should check the account.", operator=True)
_MODEL = _Fault("The language model was not found; this server's operator should check its name.", operator=True)
_CLOSED = _Fault("The language model is switched off at its vendor; its operator should check it.", True, True, 60.0)
_QUOTA = _Fault("The language model's quota is used up; this server's operator should check it.", operator=True)
_SENSITIVE = _Fault("The language model declined because of sensitive content; please put it in other words.")
_REQUEST = _Fault("The language model refused the request; the operator should check the llm settings.", operator=True)
_ADDRESS = _Fault("The language model is not at its address; the operator should check the endpoint.", operator=True)
_BUSY = _Fault("The language model is too busy at the moment; please try again.", retryable=True)
_BROKEN = _Fault("The language model failed on its own side; please try again.", retryable=True)
_UNREADABLE = _Fault("The language model sent an answer that cannot be read; please try again.", retryable=True)
_CUT = _Fault("The connection to the language model broke before its answer was whole.", retryable=True)
_UNREACHABLE = _Fault("The language model cannot be reached at the moment; please try again.", retryable=True)
_CERTIFICATE = _Fault("The language model's certificate is not valid; its operator should check it.", operator=True)

# Codes are hierarchical ("RateLimitExceeded.EndpointRPMExceeded"): a name stands for itself and all beneath it.
_BY_CODE: Mapping[str, _Fault] = {
    code: fault
    for fault, codes in (
        (_REQUEST, "MissingParameter InvalidParameter"),
        (_SENSITIVE, "SensitiveContentDetected InputTextSensitiveContentDetected OutputTextSensitiveContentDetected"),
        (_SENSITIVE, "InputTextRiskDetection OutputTextRiskDetection"),
        (_CLOSED, "InvalidEndpoint.ClosedEndpoint"),
        (_MODEL, "InvalidEndpointOrModel ModelNotOpen UnsupportedModel"),
        (_KEY, "AuthenticationError"),
        (_DENIED, "AccessDenied OperationDenied"),
        # A used-up account is a 429 too, and waiting does not help there: the code decides, never the status.
        (_QUOTA, "AccountOverdueError QuotaExceeded AccountQuotaExceeded SetLimitExceeded"),
        (_BUSY, "RateLimitExceeded ModelAccountRpmRateLimitExceeded ModelAccountTpmRateLimitExceeded"),
        (_BUSY, "APIAccountRpmRateLimitExceeded AccountRateLimitExceeded RequestBurstTooFast"),
        (_BUSY, "ServerOverloaded InflightBatchsizeExceeded"),
        (_BROKEN, "InternalServiceError"),
    )
    for code in codes.split()
}
# For bodies without a code of Ark's: other servers, and the HTML of gateways.
_BY_STATUS: Mapping[int, _Fault] = {
    401: _KEY,
    402: _QUOTA,
    403: _DENIED,
    404: _MODEL,
    405: _ADDRESS,
    408: _BROKEN,
    429: _BUSY,
}


class _Text(msgspec.Struct, frozen=True, gc=False):
    content: str | None = None  # beside it may stand `reasoning_content`, which nobody shall see


class _Choice(msgspec.Struct, frozen=True, gc=False):
    delta: _Text | None = None  # streamed
    message: _Text | None = None  # not streamed
    finish_reason: str | None = None


class _Error(msgspec.Struct, frozen=True, gc=False):
    """Ark's `code` is a name; llama.cpp and vLLM put the HTTP status there, Ollama null."""

    code: str | int | None = None
    message: str | None = None


class _Answer(msgspec.Struct, frozen=True):
    """A chunk of an answer, a whole one, or the body of an error."""

    choices: tuple[_Choice, ...] | None = None
    usage: object = None  # numbers for the log; a reply is not lost over a strange one
    id: str | None = None
    error: _Error | None = None


class Refused(LLMError):
    """The vendor said no. `not_before_s`: seconds before which trying again is of no use (`Retry-After`)."""

    def __init__(self, fault: _Fault, status: int | None, error: _Error, not_before_s: float = 0.0) -> None:
        super().__init__(fault.message, retryable=fault.retryable)
        self.fault = fault
        self.status = status
        named = isinstance(error.code, str) and re.fullmatch(r"[\w.-]{1,100}", error.code, re.ASCII)
        self.code = named[0] if named else None  # fit for a log, as is:
        traced = re.search(r"request id:? ?([\w-]{1,64})", error.message or "", re.ASCII | re.IGNORECASE)
        self.request_id = traced[1] if traced else None
        self.not_before_s = max(fault.not_before_s, not_before_s)
        # Other servers know fewer efforts than Ark ("invalid reasoning value: 'minimal'", "does not support
        # thinking"); the only wording ever looked at, as the protocol page's section 8 allows.
        said = (error.message or "").lower()
        self.about_thinking = fault is _REQUEST and self.code is None and ("reasoning" in said or "think" in said)


def _refusal(status: int | None, error: _Error, not_before_s: float = 0.0) -> Refused:
    prefix = error.code if isinstance(error.code, str) else ""
    if isinstance(error.code, int):
        status = error.code
    while prefix and prefix not in _BY_CODE:
        prefix = prefix.rpartition(".")[0]
    if prefix:
        fault = _BY_CODE[prefix]
    elif status is None or status >= 500:
        fault = _BROKEN
    elif 300 <= status < 400:
        fault = _ADDRESS
    else:
        fault = _BY_STATUS.get(status, _REQUEST)
    return Refused(fault, status, error, not_before_s)


def _failure(fault: _Fault) -> LLMError:
    return LLMError(fault.message, retryable=fault.retryable)


def _decode(data: bytes) -> _Answer:
    try:
        return msgspec.json.decode(data, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _failure(_UNREADABLE) from error


class EventStream:
    """sans-IO: the bytes of a `text/event-stream` in, the data of each whole event out, however the bytes were cut.

    Lines end in LF or CRLF. Comments and every field but `data` are skipped; an event the stream ends in is dropped.
    """

    _BLANK_LINE: Final = re.compile(rb"\n\r?\n")  # what stands before it may end in \r

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # no blank line begins before here

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """To be run to its end before the next call.

        Raises:
            LLMError: an event is longer than MAX_BODY_BYTES.
        """
        self._buffer += chunk
        while found := self._BLANK_LINE.search(self._buffer, self._searched):
            if found.start() > MAX_BODY_BYTES:
                break
            event = bytes(self._buffer[: found.start()]).removesuffix(b"\r")
            del self._buffer[: found.end()]
            self._searched = 0
            if data := self._data(event):
                yield data
        if len(self._buffer) > MAX_BODY_BYTES:
            raise _failure(_UNREADABLE)
        self._searched = max(0, len(self._buffer) - 2)  # "\n\r" may be the beginning of a blank line

    @staticmethod
    def _data(event: bytes) -> bytes:
        if event.startswith(b"data: ") and b"\n" not in event:  # as Ark sends every one
            return event[6:]
        lines = (line.removesuffix(b"\r") for line in event.split(b"\n"))
        return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


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
            raise _refusal(None, answer.error)
        self.request_id, self.usage = answer.id or self.request_id, answer.usage or self.usage
        if not answer.choices or self.whole:  # the usage comes alone, with `choices: []`
            return ""
        choice = answer.choices[0]
        self.whole = choice.finish_reason is not None
        if choice.finish_reason == "content_filter":
            self.error = _failure(_SENSITIVE)  # and the text before it is cut off somewhere
        text = choice.delta or choice.message
        return (text and text.content) or ""

    def check(self) -> None:
        """Raises LLMError if it failed, or ended before its end ("the end without `[DONE]` is a broken stream")."""
        if self.error or not self.whole:
            raise self.error or _failure(_CUT)


class DoubaoLLM:
    """services.base.LLM over one pooled HTTP session. It sets no deadline but that of connecting: llm_service does."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, settings: LLMSettings) -> None:
        self._session = session
        self._url = url
        self._settings = settings
        # What to ask for until the server agrees; one that knows no `minimal` may know the newer `none`.
        effort = settings.reasoning_effort
        self._efforts = tuple(dict.fromkeys((effort, "none", "") if effort == "minimal" else (effort, "")))
        self._reported: set[str] = set()

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        border = (
            (aiohttp.ClientConnectorCertificateError, lambda _: Refused(_CERTIFICATE, None, _Error())),
            (TimeoutError, lambda _: LLMError(_UNREACHABLE.message, timed_out=True)),
            (aiohttp.ClientConnectorError, lambda _: _failure(_UNREACHABLE)),
            ((aiohttp.ClientError, OSError), lambda _: _failure(_CUT)),
        )
        reply = Reply()
        try:
            with map_errors(*border):
                async with self._ask(prompt) as response:
                    if not self._settings.stream and (text := reply.receive(await _read_body(response))):
                        yield text
                    while not (reply.whole or reply.error) and (chunk := await response.content.readany()):
                        if text := reply.feed(chunk):
                            yield text
                    reply.check()
                    await _read_tail(response, reply)
        except Refused as refused:
            self._report(refused, refused.request_id or reply.request_id)
            raise
        _log.debug("llm_usage", model=self._settings.model, request_id=reply.request_id, usage=reply.usage)

    @asynccontextmanager
    async def _ask(self, prompt: Prompt) -> AsyncIterator[aiohttp.ClientResponse]:
        """The vendor's answer, once it is one of the promised kind; closed on leaving, however far it was read."""
        kind = "text/event-stream" if self._settings.stream else "application/json"
        efforts = self._efforts
        for effort in efforts:
            async with self._session.post(
                self._url,
                data=self._request(prompt, effort),
                headers={"X-Client-Request-Id": uuid.uuid4().hex},
                allow_redirects=False,
            ) as response:
                if response.status == 200 and response.content_type == kind:
                    self._efforts = (effort,)
                    yield response
                    return
                refused = await _read_refusal(response)
            if not refused.about_thinking or effort == efforts[-1]:
                raise refused

    def _request(self, prompt: Prompt, effort: str) -> bytes:
        # No response_format: the model we ship with has none, and answers 400 (protocol page, section 5).
        request: dict[str, object] = {
            "model": self._settings.model,
            "messages": prompt.messages,
            "stream": self._settings.stream,
        }
        if self._settings.stream:
            request["stream_options"] = {"include_usage": True}
        if effort:
            request["reasoning_effort"] = effort
        return msgspec.json.encode(request)

    def _report(self, refused: Refused, request_id: str | None) -> None:
        """An operator's problem is an error, said once per process and code; anything else a warning each time."""
        event = {"status": refused.status, "code": refused.code, "request_id": request_id, "why": str(refused)}
        if not refused.fault.operator:
            _log.warning("llm_refused", **event)
        elif (cause := refused.code or str(refused.status)) not in self._reported:
            self._reported.add(cause)
            _log.error("llm_needs_operator", **event)


async def _read_body(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise _failure(_UNREADABLE)
    return bytes(body)


async def _read_refusal(response: aiohttp.ClientResponse) -> Refused:
    if response.status < 400:  # a redirect, never followed, or a page where an answer should be
        return Refused(_ADDRESS, response.status, _Error())
    error = None
    with suppress(LLMError):  # the HTML of a gateway, or no body at all
        error = _decode(await _read_body(response)).error
    after = response.headers.get("Retry-After", "")
    return _refusal(response.status, error or _Error(), float(after) if re.fullmatch(r"[0-9]{1,6}", after) else 0.0)


async def _read_tail(response: aiohttp.ClientResponse, reply: Reply) -> None:
    """After the last word: the usage, `[DONE]` and the end of the body, which gives the connection back to the pool."""
    with anyio.move_on_after(TAIL_S), suppress(aiohttp.ClientError):
        while chunk := await response.content.readany():
            reply.feed(chunk)


def _chat_url(endpoint: str) -> URL:
    try:
        url = URL(endpoint)
        usable = (
            url.scheme in ("http", "https") and bool(url.host) and not (url.user or url.query_string or url.fragment)
        )
    except ValueError:
        usable = False
    if not usable:
        raise EngineUnavailable(
            "endpoints.llm must be a plain http or https address, such as http://127.0.0.1:11434/v1"
        )
    if url.scheme == "http" and url.host not in ("localhost", "127.0.0.1", "::1"):
        _log.warning("llm_endpoint_not_encrypted", host=url.host)
    return url.joinpath("chat", "completions")


@asynccontextmanager
async def open_llm(settings: LLMSettings) -> AsyncIterator[LLM]:
    """One session for the process; nothing is sent before the first prompt.

    Raises:
        EngineUnavailable: the endpoint, the model or the key cannot be used as they are.
    """
    url = _chat_url(settings.endpoint)
    if not settings.model:
        raise EngineUnavailable("models.llm_model is empty; name the model, or choose engines.llm: embedded")
    key = settings.secrets.get("DOUBAO_API_KEY", "").strip()
    if not re.fullmatch(r"[!-~]+", key):
        raise EngineUnavailable("DOUBAO_API_KEY is empty or holds characters that no key has; copy it again")
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_s),
        headers={
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # with auto_decompress off: no answer is larger than what came in
            "User-Agent": "ChatAnon",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield DoubaoLLM(session, url, settings)
