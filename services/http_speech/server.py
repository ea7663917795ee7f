"""Requests to a speech server in, the samples of its answers out, over connections that are kept; faults as Failed."""

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import aiohttp
import anyio
import structlog
from anyio.abc import TaskGroup
from yarl import URL

from services.base import map_errors
from services.engine_choice import EngineUnavailable
from services.engine_http.answers import http_border, not_before_s, read_body
from services.engine_http.session import ReadyConnection, open_session, read_key
from services.engine_settings import TTSSettings
from services.engine_tasks import open_tasks
from services.http_speech import faults
from services.http_speech.faults import Failed, Fault, Names, Remedy
from services.http_speech.wav import Block, NotAudio, WavReader

PATIENCE_S: Final = 5.0  # all waiting for a busy server, for one request
FIRST_WAIT_S: Final = 0.2
_MOST_BYTES: Final = 1 << 20  # of an answer that is no audio
_LONGEST_SPEECH_S: Final = 120  # of one request; audio without end is no answer
_BARE: Final = re.compile(r"audio/(?:x-)?(?:pcm|l16|raw|basic)|application/octet-stream", re.I)
_PACKED: Final = re.compile(r"audio/(?:x-)?(?:mpeg|mp3|mp4|m4a|ogg|opus|aac|flac|webm)", re.I)
_RATE: Final = re.compile(r"rate=(\d{4,6})")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request. `bare_rate_hz`: of its samples, where they come without a header and the answer does not say."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None  # JSON
    method: str = "POST"
    bare_rate_hz: int | None = None
    again: bool = True  # once more, where it breaks off before the first sound


Reading = Callable[[int, bytes], Fault | None]  # what a refusal means at this vendor; None: what it means anywhere


class SpeechServer:
    """A server, as all turns of this process share it. It sets no deadline but that of connecting: tts_service does."""

    def __init__(
        self, session: aiohttp.ClientSession, names: Names, settings: TTSSettings, places: int, tasks: TaskGroup
    ) -> None:
        """`places`: requests for sound at once; the next ones wait here, where they can still be called off."""
        self.names = names
        self.tasks = tasks
        self._session = session
        self._url = URL(settings.endpoint)
        self._settings = settings
        self._places = anyio.Semaphore(places)
        self._reported: set[str] = set()
        self._ready = ReadyConnection(session, self._url, settings.connect_s, tasks)

    def prepare(self) -> None:
        """A connection for all who speak at this moment. Never waits or fails."""
        self._ready.prepare()

    async def blocks(self, ask: Ask, reading: Reading) -> AsyncGenerator[Block]:
        """The sound of an answer, as it comes. Closing closes the request.

        Raises:
            Failed: the server refused, broke off or gave no sound.
        """
        async with self._places:
            wait_s, left_s = FIRST_WAIT_S, min(PATIENCE_S, self._settings.first_audio_s)
            again = True
            while True:
                begun = False
                try:
                    async with aclosing(self._try(ask, reading)) as blocks:
                        async for block in blocks:
                            begun = True
                            yield block
                    return
                except Failed as failed:
                    fault = failed.fault
                    if begun or not self._helps(ask, fault, again, max(wait_s, fault.not_before_s) < left_s):
                        self.report(fault)
                        raise
                    again = again and fault.remedy is not Remedy.AGAIN
                pause_s = max(wait_s, fault.not_before_s) if fault.remedy is Remedy.WAIT else 0.0
                await anyio.sleep(pause_s)
                wait_s, left_s = wait_s * 2, left_s - pause_s

    def _helps(self, ask: Ask, fault: Fault, again: bool, in_time: bool) -> bool:
        """Whether to ask the same once more."""
        if fault.remedy is Remedy.AGAIN:
            return again and not fault.timed_out and (ask.again or fault != faults.BROKEN_OFF)
        return fault.remedy is Remedy.WAIT and in_time

    async def json(self, ask: Ask, reading: Reading) -> bytes:
        """The body of an answer that is JSON, whole.

        Raises:
            Failed: as with `blocks`.
        """
        for again in (True, False):
            try:
                async with self._answer(ask, reading) as response:
                    if response.status == 200 and response.content_type != "application/json":
                        raise Failed(faults.no_audio(self.names))
                    return await _body(response)
            except Failed as failed:
                if not (again and failed.fault.remedy is Remedy.AGAIN and not failed.fault.timed_out):
                    self.report(failed.fault)
                    raise
        raise AssertionError("the second attempt returns or raises")

    async def tell(self, ask: Ask, reading: Reading) -> None:
        """A request whose answer says nothing but that it was heard."""
        async with self._answer(ask, reading):
            pass

    async def _try(self, ask: Ask, reading: Reading) -> AsyncGenerator[Block]:
        async with self._answer(ask, reading) as response:
            kind = response.content_type if "Content-Type" in response.headers else "application/octet-stream"
            if not (kind.startswith("audio/") or _BARE.fullmatch(kind)):
                body = await _body(response)
                raise Failed(reading(response.status, body) or faults.refused(self.names, response.status, body))
            reader = WavReader(_bare_rate(ask, response, kind))
            seconds = 0.0
            with map_errors((NotAudio, lambda _: Failed(faults.no_audio(self.names)))):
                while data := await response.content.readany():
                    for block in reader.feed(data):
                        seconds += len(block.samples) / block.rate_hz
                        if seconds > _LONGEST_SPEECH_S:
                            raise Failed(faults.TOO_LONG)
                        if len(block.samples):
                            yield block
                reader.end()
            if not seconds:
                raise Failed(faults.NO_SOUND)

    @asynccontextmanager
    async def _answer(self, ask: Ask, reading: Reading) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer with a status of success."""
        border = http_border(
            certificate=lambda: Failed(faults.certificate(self.names)),
            timed_out=lambda: Failed(faults.unreachable(self.names, timed_out=True)),
            unreachable=lambda: Failed(faults.unreachable(self.names)),
            broken_off=lambda: Failed(faults.BROKEN_OFF),
        )
        headers = {"Content-Type": "application/json"} if ask.body is not None else {}
        with border:
            async with self._session.request(
                ask.method,
                self._url.joinpath(*ask.path.split("/")),
                params=ask.params,
                data=ask.body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                if not 200 <= response.status < 300:
                    body = await _body(response)
                    fault = reading(response.status, body)
                    raise Failed(fault or faults.refused(self.names, response.status, body, not_before_s(response)))
                self._reported.discard("unreachable")
                yield response

    def report(self, fault: Fault) -> None:
        """Tell the operator what only the operator can mend, once."""
        needed = fault.remedy is Remedy.GIVE_UP or fault.code == "unreachable"
        if needed and fault.code not in self._reported:
            self._reported.add(fault.code)
            _log.error("voice_refused", engine=self.names.engine, code=fault.code, advice=fault.message)


async def _body(response: aiohttp.ClientResponse) -> bytes:
    return await read_body(response, _MOST_BYTES, lambda: Failed(replace(faults.BROKEN_OFF, code="too much")))


def _bare_rate(ask: Ask, response: aiohttp.ClientResponse, kind: str) -> int | None:
    """Of samples without a header; None where the answer must have one."""
    if _PACKED.fullmatch(kind) or not (_BARE.fullmatch(kind) or ask.bare_rate_hz):
        return None
    said = _RATE.search(response.headers.get("Content-Type", ""))
    return int(said[1]) if said and 4_000 <= int(said[1]) <= 192_000 else ask.bare_rate_hz


@asynccontextmanager
async def open_server(settings: TTSSettings, names: Names, places: int) -> AsyncIterator[SpeechServer]:
    """One server and its connections, for this process. No request is sent by this.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    url = URL(settings.endpoint)
    if url.scheme not in ("http", "https") or not url.host:
        raise EngineUnavailable(f"{names.where}: {names.engine} wants an http:// or https:// address")
    key = read_key(settings.secrets.get(names.secret, ""), names.secret) if names.secret else ""
    session = open_session(key, settings.connect_s, verify_tls=settings.verify_tls)
    async with session, open_tasks() as tasks:
        yield SpeechServer(session, names, settings, places, tasks)
