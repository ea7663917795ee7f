"""A session for a server of one engine, its key, and a connection that is there before it is needed."""

import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import aiohttp
import anyio
from anyio.abc import TaskGroup
from yarl import URL

from services.engine_choice import EngineUnavailable

KEEP_ALIVE_S: Final = 120.0  # longer than the pauses of a conversation, so that a turn pays for neither TCP nor TLS


def read_key(given: str, setting: str, *, needed: bool = False) -> str:
    """A key without the blanks around it; "" where there is none, and none is needed.

    Raises:
        EngineUnavailable: it cannot be one.
    """
    key = given.strip()
    if needed and not re.fullmatch(r"[!-~]+", key):
        raise EngineUnavailable(f"{setting} is empty or holds characters that no key has; copy it again")
    if not re.fullmatch(r"[!-~]*", key):
        raise EngineUnavailable(f"{setting} holds characters that no key has; copy it again")
    return key


def open_session(
    key: str,
    connect_s: float,
    *,
    places: int = 0,
    keep_alive_s: float = KEEP_ALIVE_S,
    verify_tls: bool = True,
    headers: Mapping[str, str] | None = None,
) -> aiohttp.ClientSession:
    """No deadline but that of connecting, no cookie, no proxy of the environment.

    `key`: "" for a server that wants none. `places`: requests at once, 0 for any number; further ones wait their turn.
    No request may follow a redirect, because the key would go where it leads: `allow_redirects=False` in each.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=places, keepalive_timeout=keep_alive_s, ssl=verify_tls or unverified_tls()
        ),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_s),
        headers={
            **({"Authorization": f"Bearer {key}"} if key else {}),
            "Accept-Encoding": "identity",  # with auto_decompress off: no answer is larger than what came in
            "User-Agent": "ChatAnon",
            **(headers or {}),
        },
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    )


def unverified_tls() -> ssl.SSLContext:
    """For a certificate that vouches for nobody."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class ReadyConnection:
    """A connection for whoever asks next. One is enough for all who speak at this moment: who finds it taken makes
    another, as ever."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, connect_s: float, tasks: TaskGroup) -> None:
        self._session = session
        self._url = url
        self._connect_s = connect_s
        self._tasks = tasks
        self._preparing = False

    def prepare(self) -> None:
        """Never waits or fails."""
        if not self._preparing and not self._tasks.cancel_scope.cancel_called:
            self._preparing = True
            self._tasks.start_soon(self._connect)

    async def _connect(self) -> None:
        """Have an idle connection in the pool: take the one that is there, or make one, and give it back unused.

        No request is sent for it, as a HEAD would be: no gateway has to answer, or counts, what asks for nothing.
        """
        connector = self._session.connector
        assert connector is not None  # as long as the session is open
        try:
            with suppress(aiohttp.ClientError, OSError), anyio.move_on_after(self._connect_s):
                request = aiohttp.ClientRequest("POST", self._url)
                (await connector.connect(request, traces=[], timeout=self._session.timeout)).release()
        finally:
            self._preparing = False
