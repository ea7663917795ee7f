"""HTTP with a chat server: the border where faults become ours, a body or a refusal read to its end."""

from contextlib import AbstractContextManager, suppress
from typing import Final

import aiohttp

from services.base import LLMError
from services.chat_completions.answer import MAX_BODY_BYTES
from services.chat_completions.faults import ADDRESS, CERTIFICATE, CUT, UNREACHABLE, UNREADABLE, failure
from services.chat_completions.refusals import Error, Refused, error_in, refusal
from services.engine_http import answers

# Replies being written at once in this process; further ones wait their turn, within their deadline.
MAX_CONNECTIONS: Final = 256


def http_border() -> AbstractContextManager[None]:
    """What may go wrong on the way, as an LLMError."""
    return answers.http_border(
        certificate=lambda: Refused(CERTIFICATE, None, Error()),
        timed_out=lambda: LLMError(UNREACHABLE.message, timed_out=True),
        unreachable=lambda: failure(UNREACHABLE),
        broken_off=lambda: failure(CUT),
    )


async def read_body(response: aiohttp.ClientResponse, most: int = MAX_BODY_BYTES) -> bytes:
    return await answers.read_body(response, most, lambda: failure(UNREADABLE))


async def read_refusal(response: aiohttp.ClientResponse) -> Refused:
    if response.status < 400:  # a redirect, never followed, or a page where an answer should be
        return Refused(ADDRESS, response.status, Error())
    body = None
    with suppress(LLMError):  # it is too long to be one
        body = await read_body(response)
    return refusal(response.status, error_in(body or b""), answers.not_before_s(response), body)
