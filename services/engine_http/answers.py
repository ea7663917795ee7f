"""What may go wrong on the way to an answer, as the engine's own faults; its body; when to ask again."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import aiohttp

from services.base import ServiceError, map_errors

MakeError = Callable[[], ServiceError]


def http_border(
    *, certificate: MakeError, timed_out: MakeError, unreachable: MakeError, broken_off: MakeError
) -> AbstractContextManager[None]:
    """What may go wrong on the way. Nothing here has a deadline but connecting: `timed_out` is of that."""
    return map_errors(
        (aiohttp.ClientConnectorCertificateError, lambda _: certificate()),
        (TimeoutError, lambda _: timed_out()),
        (aiohttp.ClientConnectorError, lambda _: unreachable()),
        ((aiohttp.ClientError, OSError), lambda _: broken_off()),
    )


async def read_body(response: aiohttp.ClientResponse, most: int, too_long: MakeError) -> bytes:
    """To its end; `most`: bytes."""
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > most:
            raise too_long()
    return bytes(body)


def not_before_s(response: aiohttp.ClientResponse) -> float:
    """How long the server asks not to be asked again; 0 where it says nothing that can be read."""
    after = response.headers.get("Retry-After", "")
    return float(after) if re.fullmatch(r"[0-9]{1,6}", after) else 0.0
