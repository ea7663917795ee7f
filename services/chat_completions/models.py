"""Which model is asked: the one that was named, or the first that the server says it has."""

from collections.abc import Mapping
from typing import Final

import aiohttp
import anyio
import msgspec
import structlog
from yarl import URL

from services.chat_completions.exchange import http_border, read_body, read_refusal
from services.chat_completions.faults import NO_MODEL, UNREADABLE, failure
from services.chat_completions.refusals import Error, Refused, error_in, refusal
from services.chat_completions.servers import NO_TALKERS

MAX_LIST_BYTES: Final = 8 << 20  # OpenRouter's is the longest, with some thousands of bytes for each model

_log = structlog.get_logger(__name__)


class Models:
    """`named`: what the operator wrote; "" for the first of those there are, which is asked for once."""

    def __init__(self, session: aiohttp.ClientSession, url: URL, named: str) -> None:
        self._session = session
        self._url = url
        self._named = named
        self._found = ""
        self._asking = anyio.Lock()

    @property
    def known(self) -> str:
        return self._named or self._found

    async def choose(self) -> str:
        """The name of the model, for the next request.

        Raises:
            LLMError: the server was asked what it has, and refused, broke or has nothing to talk with.
        """
        if not self.known:
            async with self._asking:
                if not self._found:
                    offered = await self.offered()
                    if not offered:
                        raise Refused(NO_MODEL, None, Error())
                    talkers = [name for name in offered if not NO_TALKERS.search(name)]
                    self._found = (talkers or offered)[0]
                    _log.info("llm_model_chosen", model=self._found, offered=len(offered))
        return self.known

    def forget(self) -> None:
        """The server does not have it any more: it was started anew with another."""
        self._found = ""

    async def offered(self) -> list[str]:
        """What the server says it has.

        Raises:
            LLMError: it refused or broke.
        """
        with http_border():
            async with self._session.get(self._url, allow_redirects=False) as response:
                if response.status != 200:
                    raise await read_refusal(response)
                body = await read_body(response, MAX_LIST_BYTES)
        return _read_list(body)


def _read_list(body: bytes) -> list[str]:
    """Ollama's list is null where nothing is installed."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise failure(UNREADABLE) from error
    if not isinstance(said, Mapping) or ("data" not in said and (said.get("error") or said.get("message"))):
        raise refusal(None, error_in(body), body=body)
    models = said.get("data")
    entries = models if isinstance(models, list) else []
    names = [entry.get("id") for entry in entries if isinstance(entry, Mapping)]
    return [name for name in names if isinstance(name, str) and name]
