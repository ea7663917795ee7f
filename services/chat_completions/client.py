"""A prompt in, the reply's text in fragments out: any server that speaks OpenAI's chat completions.

A server that does not take one of our parameters is asked again without it, and never with it again: parameters.py.
What it wants to hear instead, and all else that servers differ in: servers.py.
"""

import uuid
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import aiohttp
import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from services.base import LLM, LLMError, Prompt
from services.chat_completions import faults
from services.chat_completions.address import Address, read_address
from services.chat_completions.answer import Reply
from services.chat_completions.exchange import MAX_CONNECTIONS, http_border, read_body, read_refusal
from services.chat_completions.models import Models
from services.chat_completions.parameters import Dialect, Parameters, wanted_of
from services.chat_completions.refusals import Refused
from services.chat_completions.reply_schema import reply_schema
from services.chat_completions.servers import Server, server_at
from services.engine_choice import EngineUnavailable
from services.engine_http.session import ReadyConnection, open_session, read_key
from services.engine_settings import LLMSettings
from services.engine_tasks import open_tasks

STREAMED, WHOLE = "text/event-stream", "application/json"
TAIL_S: Final = 0.5  # the reply is whole; what may still come is the usage, and the connection's return to the pool
LIST_S: Final = 5.0  # for the names of models, for the log alone
MOST_LISTED: Final = 20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Row:
    """What a vendor adds: what its settings are called, and what it takes for granted."""

    endpoint: str  # the names of the settings, for sentences that an operator reads
    model: str
    key: str
    key_needed: bool = False
    model_needed: bool = False
    lists: bool = True  # it can be asked which models it has
    root: str = ""  # the path of an address that was given without any
    server: Server | None = None  # what kind it is, wherever it stands; None: by its address


class ChatLLM:
    """services.base.LLM over one pooled HTTP session. It sets no deadline but that of connecting: llm_service does."""

    def __init__(
        self, session: aiohttp.ClientSession, address: Address, settings: LLMSettings, row: Row, tasks: TaskGroup
    ) -> None:
        self._session = session
        self._address = address
        self._row = row
        self._models = Models(session, address.models, settings.model)
        self._dialect = Dialect(_wanted(settings, row.server or server_at(address.host)))
        self._ready = ReadyConnection(session, address.chat, settings.connect_s, tasks)
        self._reported: set[str] = set()
        self._tasks = tasks

    def prepare(self) -> None:
        self._ready.prepare()

    @property
    def streams(self) -> bool:
        """Whether an answer comes in pieces, as far as is known; some servers do what they were not asked for."""
        return self._dialect.known.values.get("stream") is True

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
                    refused.name_settings(model=self._row.model, endpoint=self._row.endpoint, key=self._row.key)
                    self._report(refused, refused.request_id or reply.request_id)
                    raise
        _log.debug("llm_usage", model=self._models.known, request_id=reply.request_id, usage=reply.usage)

    async def _answer(self, prompt: Prompt, asked: Parameters, reply: Reply) -> AsyncGenerator[str]:
        """One request and what comes of it; the vendor's answer is closed on leaving, however far it is read."""
        request = {"model": await self._models.choose(), "messages": asked.messages(prompt), **asked.fields()}
        with http_border():
            async with self._session.post(
                self._address.chat,
                data=msgspec.json.encode(request),
                headers={"X-Client-Request-Id": uuid.uuid4().hex},
                allow_redirects=False,
            ) as response:
                if response.status != 200 or response.content_type not in (STREAMED, WHOLE):
                    raise await read_refusal(response)
                # Streamed or whole, whatever was asked for.
                if response.content_type == WHOLE and (text := reply.receive(await read_body(response))):
                    yield text
                while not (reply.whole or reply.error) and (chunk := await response.content.readany()):
                    if text := reply.feed(chunk):
                        yield text
                reply.check()
                await _read_tail(response, reply)

    def _learn(self, answered: Parameters) -> None:
        if names := self._dialect.answered(answered):
            _log.warning("llm_parameters_not_taken", model=self._models.known, parameters=names)

    def _report(self, refused: Refused, request_id: object) -> None:
        """An operator's problem is an error, said once per process and code; anything else a warning each time."""
        event = {"status": refused.status, "code": refused.code, "request_id": request_id, "why": str(refused)}
        asked, no_model = self._models.known, refused.fault in (faults.MODEL, faults.NOT_FOUND)
        if no_model:
            self._models.forget()
        if not refused.fault.operator:
            _log.warning("llm_refused", **event)
        elif (cause := refused.code or str(refused.status)) not in self._reported:
            self._reported.add(cause)
            _log.error("llm_needs_operator", **event)
            if no_model and self._row.lists and not self._tasks.cancel_scope.cancel_called:
                self._tasks.start_soon(self._tell_offered, asked)

    async def _tell_offered(self, asked: str) -> None:
        """Which names would have been right, for the log; whoever talks does not wait for it."""
        with anyio.move_on_after(LIST_S), suppress(LLMError):
            offered = await self._models.offered()
            told = {"model": asked, "offered": offered[:MOST_LISTED], "number": len(offered)}
            _log.error("llm_model_not_offered", setting=self._row.model, **told)


def _wanted(settings: LLMSettings, server: Server) -> Parameters:
    return wanted_of(
        server,
        stream=settings.stream,
        effort=settings.reasoning_effort,
        max_tokens=settings.max_tokens,
        schema=reply_schema() if settings.json_schema else None,
    )


async def _read_tail(response: aiohttp.ClientResponse, reply: Reply) -> None:
    """After the last word: the usage, `[DONE]` and the end of the body, which gives the connection back to the pool."""
    with anyio.move_on_after(TAIL_S), suppress(aiohttp.ClientError):
        while chunk := await response.content.readany():
            reply.feed(chunk)


@asynccontextmanager
async def open_chat(settings: LLMSettings, row: Row) -> AsyncIterator[LLM]:
    """One session for the process; no request is sent before the first prompt.

    Raises:
        EngineUnavailable: the endpoint, the model or the key cannot be used as they are.
    """
    address = read_address(settings.endpoint, row.endpoint, root=row.root)
    if address.mended:
        _log.info("llm_endpoint_mended", why=address.mended)
    if address.exposed:
        _log.warning("llm_endpoint_not_encrypted", host=address.host)
    if row.model_needed and not settings.model:
        raise EngineUnavailable(f"{row.model} is empty; name the model, or choose engines.llm: embedded")
    key = read_key(settings.secrets.get(row.key, ""), row.key, needed=row.key_needed)
    session = open_session(
        key, settings.connect_s, places=MAX_CONNECTIONS, headers={"Content-Type": "application/json"}
    )
    async with session, open_tasks() as tasks:
        yield ChatLLM(session, address, settings, row, tasks)
