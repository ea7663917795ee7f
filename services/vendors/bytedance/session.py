"""A session with ByteDance's ASR: the line, its headers, the vendor's id of it, and what faults on it mean."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from uuid import uuid4

import aiohttp

from services.socket_recognition.line import Handshake, Line, LineFaults, connect
from services.socket_recognition.line import open_line as open_any
from services.vendors.bytedance import faults, frames
from services.vendors.bytedance.faults import Failed

_FAULTS: Final = LineFaults(
    stalled=lambda: Failed(faults.STALLED),
    broken_off=lambda: Failed(faults.BROKEN_OFF),
    unreadable=lambda: Failed(faults.UNREADABLE),
    refused=lambda status, body: Failed(faults.http_fault(status, body)),
    no_websocket=lambda: Failed(faults.NOT_A_WEBSOCKET),
    certificate=lambda: Failed(faults.BAD_CERTIFICATE),
    unreachable=lambda _: Failed(faults.UNREACHABLE),
)


def _session_headers() -> dict[str, str]:
    """Sending all three covers every version of the vendor's page (section 1)."""
    return {"X-Api-Request-Id": str(uuid4()), "X-Api-Connect-Id": str(uuid4()), "X-Api-Sequence": "-1"}


def log_id_of(answer: Mapping[str, str]) -> str:
    """The vendor's id of a session, by the headers of its answer to the upgrade; as much of it as a log may hold."""
    found = re.match(r"[\w.:-]{1,100}", answer.get("X-Tt-Logid", ""), re.ASCII)
    return found[0] if found else ""


@asynccontextmanager
async def open_line(
    connector: aiohttp.BaseConnector, endpoint: str, headers: Mapping[str, str], limit_s: float
) -> AsyncIterator[Line]:
    """A session in which nothing was sent yet; `limit_s` is for opening it.

    Raises:
        Failed: on entering, the handshake failed. What fails inside gets the vendor's id of the session.
    """
    handshake = Handshake(_FAULTS)

    async def upgrade() -> Line:
        named = {**headers, **_session_headers()}
        return await connect(
            connector, endpoint, handshake, _FAULTS, largest_bytes=frames.MAX_FRAME_BYTES, headers=named
        )

    try:
        async with open_any(upgrade, limit_s, _FAULTS) as line:
            yield line
    except Failed as failed:
        failed.log_id = log_id_of(handshake.headers)
        raise
