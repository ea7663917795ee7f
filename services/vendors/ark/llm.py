"""A prompt in, the reply's text in fragments out: Volcengine Ark, or any server that speaks OpenAI's chat completions.

`endpoint` is what stands before `/chat/completions`; with that of Ollama (`http://127.0.0.1:11434/v1`), llama.cpp's
server or vLLM, and any key, those work too. Thinking is governed by `reasoning_effort` alone: beside an absent
`thinking` Ark takes every value of it, and `minimal` means none (protocol page, section 3). A server that does not take
one of our parameters is asked again without it, and never with it again: parameters.py.
"""

import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Final

import aiohttp
import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup
from yarl import URL

from services.base import LLM, LLMError, Prompt, map_errors
from services.engine_choice import EngineUnavailable
from services.engine_settings import LLMSettings
from services.vendors.ark.answer import (
    ADDRESS,
    CERTIFICATE,
    CUT,
    MAX_BODY_BYTES,
    UNREACHABLE,
    UNREADABLE,
    Error,
    Refused,
    Reply,
    error_in,
    failure,
    refusal,
)
from services.vendors.ark.parameters import Dialect, Parameters

# Replies being written at once in this process; further ones wait their turn, within their deadline.
MAX_CONNECTIONS: Final = 256
STREAMED, WHOLE = "text/event-stream", "application/json"
KEEP_ALIVE_S: Final = 120.0  # longer than the pauses of a conversation, so that a turn pays for neither TCP nor TLS
TAIL_S: Final = 0.5  # the reply is whole; what may still come is the usage, and the connection's return to the pool

_log = structlog.get_logger(__name__)


class DoubaoLLM:
    """services.base.LLM over one pooled HTTP session. It sets no deadline but that of connecting: llm_service does."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, settings: LLMSettings, tasks: TaskGroup) -> None:
        self._session = session
        self._url = url
        self._settings = settings
        self._dialect = Dialect(Parameters(settings.stream, True, settings.reasoning_effort))
        self._reported: set[str] = set()
        self._tasks = tasks
        self._preparing = False

    def prepare(self) -> None:
        """One connection for all who speak at this moment: who finds it taken makes another, as ever."""
        if not self._preparing and not self._tasks.cancel_scope.cancel_called:
            self._preparing = True
            self._tasks.start_soon(self._connect)

    async def _connect(self) -> None:
        """Have an idle connection in the pool: take the one that is there, or make one, and give it back unused.

        No request is sent for it, as a HEAD would be: no gateway has to answer, or counts, what is no prompt.
        """
        connector = self._session.connector
        assert connector is not None  # as long as the session is open
        try:
            with suppress(aiohttp.ClientError, OSError), anyio.move_on_after(self._settings.connect_s):
                connection = await connector.connect(
                    aiohttp.ClientRequest("POST", self._url), traces=[], timeout=self._session.timeout
                )
                connection.release()
        finally:
            self._preparing = False

    @property
    def streams(self) -> bool:
        """Whether an answer comes in pieces, as far as is known; some servers do what they were not asked for."""
        return self._dialect.known.stream is True

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        asked: Parameters | None = self._dialect.known
        while asked is not None:
            reply = Reply()
            begun = False
            try:
                async with aclosing(self._answer(prompt, asked, reply)) as deltas:
                    async for delta in deltas:
                        if not begun:
                            begun = True
                            self._learn(asked)
                        yield delta
                break
            except Refused as refused:
                asked = None if begun else self._dialect.without(asked, refused.objection)
                if asked is None:
                    self._report(refused, refused.request_id or reply.request_id)
                    raise
        _log.debug("llm_usage", model=self._settings.model, request_id=reply.request_id, usage=reply.usage)

    async def _answer(self, prompt: Prompt, asked: Parameters, reply: Reply) -> AsyncGenerator[str]:
        """One request and what comes of it; the vendor's answer is closed on leaving, however far it is read."""
        border = (
            (aiohttp.ClientConnectorCertificateError, lambda _: Refused(CERTIFICATE, None, Error())),
            (TimeoutError, lambda _: LLMError(UNREACHABLE.message, timed_out=True)),
            (aiohttp.ClientConnectorError, lambda _: failure(UNREACHABLE)),
            ((aiohttp.ClientError, OSError), lambda _: failure(CUT)),
        )
        with map_errors(*border):
            async with self._session.post(
                self._url,
                data=self._request(prompt, asked),
                headers={"X-Client-Request-Id": uuid.uuid4().hex},
                allow_redirects=False,
            ) as response:
                if response.status != 200 or response.content_type not in (STREAMED, WHOLE):
                    raise await _read_refusal(response)
                # Streamed or whole, whatever was asked for.
                if response.content_type == WHOLE and (text := reply.receive(await _read_body(response))):
                    yield text
                while not (reply.whole or reply.error) and (chunk := await response.content.readany()):
                    if text := reply.feed(chunk):
                        yield text
                reply.check()
                await _read_tail(response, reply)

    def _learn(self, answered: Parameters) -> None:
        if names := self._dialect.answered(answered):
            _log.warning("llm_parameters_not_taken", model=self._settings.model, parameters=names)

    def _request(self, prompt: Prompt, asked: Parameters) -> bytes:
        # No response_format: the model we ship with has none, and answers 400 (protocol page, section 5).
        common = {"model": self._settings.model, "messages": prompt.messages}
        return msgspec.json.encode(common | dict(asked.fields()))

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
            raise failure(UNREADABLE)
    return bytes(body)


async def _read_refusal(response: aiohttp.ClientResponse) -> Refused:
    if response.status < 400:  # a redirect, never followed, or a page where an answer should be
        return Refused(ADDRESS, response.status, Error())
    body = None
    with suppress(LLMError):  # it is too long to be one
        body = await _read_body(response)
    after = response.headers.get("Retry-After", "")
    not_before_s = float(after) if re.fullmatch(r"[0-9]{1,6}", after) else 0.0
    return refusal(response.status, error_in(body or b""), not_before_s, body)


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
    """One session for the process; no request is sent before the first prompt.

    Raises:
        EngineUnavailable: the endpoint, the model or the key cannot be used as they are.
    """
    url = _chat_url(settings.endpoint)
    if not settings.model:
        raise EngineUnavailable("models.llm_model is empty; name the model, or choose engines.llm: embedded")
    key = settings.secrets.get("DOUBAO_API_KEY", "").strip()
    if not re.fullmatch(r"[!-~]+", key):
        raise EngineUnavailable("DOUBAO_API_KEY is empty or holds characters that no key has; copy it again")
    async with _open_session(settings, key) as session, _open_tasks() as tasks:
        yield DoubaoLLM(session, url, settings, tasks)


def _open_session(settings: LLMSettings, key: str) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
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
    )


@asynccontextmanager
async def _open_tasks() -> AsyncIterator[TaskGroup]:
    """Tasks that never raise, and end with the block."""
    try:
        async with anyio.create_task_group() as tasks:
            try:
                yield tasks
            finally:
                tasks.cancel_scope.cancel()
    except ExceptionGroup as group:  # the block's own error leaves as itself
        error = group.exceptions[0]
        raise error from error.__cause__
