"""HTTP with a chat server: the session, the border where faults become ours, a body or a refusal read to its end."""

import re
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from typing import Final

import aiohttp
import anyio
from anyio.abc import TaskGroup

from services.base import LLMError, map_errors
from services.chat_completions.answer import MAX_BODY_BYTES
from services.chat_completions.faults import ADDRESS, CERTIFICATE, CUT, UNREACHABLE, UNREADABLE, failure
from services.chat_completions.refusals import Error, Refused, error_in, refusal
from services.engine_choice import EngineUnavailable

# Replies being written at once in this process; further ones wait their turn, within their deadline.
MAX_CONNECTIONS: Final = 256
KEEP_ALIVE_S: Final = 120.0  # longer than the pauses of a conversation, so that a turn pays for neither TCP nor TLS


def http_border() -> AbstractContextManager[None]:
    """What may go wrong on the way, as an LLMError."""
    return map_errors(
        (aiohttp.ClientConnectorCertificateError, lambda _: Refused(CERTIFICATE, None, Error())),
        (TimeoutError, lambda _: LLMError(UNREACHABLE.message, timed_out=True)),
        (aiohttp.ClientConnectorError, lambda _: failure(UNREACHABLE)),
        ((aiohttp.ClientError, OSError), lambda _: failure(CUT)),
    )


async def read_body(response: aiohttp.ClientResponse, most: int = MAX_BODY_BYTES) -> bytes:
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > most:
            raise failure(UNREADABLE)
    return bytes(body)


async def read_refusal(response: aiohttp.ClientResponse) -> Refused:
    if response.status < 400:  # a redirect, never followed, or a page where an answer should be
        return Refused(ADDRESS, response.status, Error())
    body = None
    with suppress(LLMError):  # it is too long to be one
        body = await read_body(response)
    after = response.headers.get("Retry-After", "")
    not_before_s = float(after) if re.fullmatch(r"[0-9]{1,6}", after) else 0.0
    return refusal(response.status, error_in(body or b""), not_before_s, body)


def read_key(given: str, setting: str, *, needed: bool) -> str:
    """A key without the blanks around it; "" where there is none, and none is needed.

    Raises:
        EngineUnavailable: it cannot be one.
    """
    key = given.strip()
    if not key and not needed:
        return ""
    if not re.fullmatch(r"[!-~]+", key):
        raise EngineUnavailable(f"{setting} is empty or holds characters that no key has; copy it again")
    return key


def open_session(key: str, connect_s: float) -> aiohttp.ClientSession:
    """`key`: "" for a server that wants none."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
        headers={
            **({"Authorization": f"Bearer {key}"} if key else {}),
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # with auto_decompress off: no answer is larger than what came in
            "User-Agent": "ChatAnon",
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


@asynccontextmanager
async def open_tasks() -> AsyncIterator[TaskGroup]:
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
