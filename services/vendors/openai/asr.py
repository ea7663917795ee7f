"""An utterance (pcm) in, its transcript out: any server with OpenAI's `/audio/transcriptions`, asked when it is whole.

`endpoint` is what stands before `/audio/transcriptions`. The connection is made while the person still speaks. A field
that a server refuses is left out from then on (asr_request.py); what Whisper invents where nobody spoke is left out of
the transcript (services/transcripts/).
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiohttp
import anyio
import structlog
from yarl import URL

from services.base import ASR, RECOGNITION_RATE_HZ, Recognition, RecognitionHints, Transcript, map_errors
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.transcripts.cleaning import said
from services.vendors.openai import asr_answer, asr_request
from services.vendors.openai.asr_answer import Answer, Failed
from services.vendors.openai.asr_request import Parameters

MAX_CONNECTIONS: Final = 256  # at once; further utterances wait their turn, within their deadline
KEEP_ALIVE_S: Final = 60.0  # servers keep them open for as long
SHORTEST_BYTES: Final = 2 * RECOGNITION_RATE_HZ // 10  # OpenAI refuses what is shorter than 0.1 s
LONGEST_BYTES: Final = 2 * RECOGNITION_RATE_HZ * 600  # 19 MB of the 25 that servers take; no user may say as much
_PIECE_BYTES: Final = 65536

_log = structlog.get_logger(__name__)


class _Engine:
    """The ASR of this process."""

    phrases_only = False
    tells_partials = False

    def __init__(self, session: aiohttp.ClientSession, url: URL, settings: ASRSettings) -> None:
        self._session = session
        self._url = url
        self._settings = settings
        self._known = Parameters()  # what the server takes, as far as is known
        self._answered = False
        self._preparing = False
        self._reported: set[str] = set()

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        recognition = _Recognition(self, hints)
        error: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                if not whole:
                    tasks.start_soon(self._connect)
                try:
                    yield recognition
                finally:
                    tasks.cancel_scope.cancel()
        except ExceptionGroup as group:  # the block's own error
            error = group.exceptions[0]
        if error is not None:
            raise error

    async def _connect(self) -> None:
        """Have an idle connection in the pool, without a request; one for all who speak at this moment."""
        connector = self._session.connector
        if self._preparing or connector is None:
            return
        self._preparing = True
        try:
            with suppress(aiohttp.ClientError, OSError), anyio.move_on_after(self._settings.connect_s):
                request = aiohttp.ClientRequest("POST", self._url)
                (await connector.connect(request, traces=[], timeout=self._session.timeout)).release()
        finally:
            self._preparing = False

    async def hear(self, pcm: bytearray, hints: RecognitionHints) -> str:
        """The transcript of a whole utterance.

        Raises:
            ASRError: the server refused or broke. Nothing here is late: `asr_service` has the deadline.
        """
        asked, again = self._known, True
        while True:
            try:
                answer = await self._ask(pcm, asked, hints)
                break
            except Failed as failed:
                if again and failed.fault.again:
                    again = False
                    continue
                fewer = self._fewer(asked, failed)
                if fewer is None:
                    self._report(failed)
                    raise
                asked = fewer
        self._learn(asked)
        words = asr_request.prompt(hints) if asked.prompt else ""
        told = hints.language or answer.language
        return said(answer.segments, len(pcm) / (2 * RECOGNITION_RATE_HZ), language=told, asked=words)

    def _fewer(self, asked: Parameters, failed: Failed) -> Parameters | None:
        """With what to ask again; some servers fail by themselves over a field, but not once they have answered."""
        if failed.objection is None or (failed.fault.again and self._answered):
            return None
        return asked.without(failed.objection)

    async def _ask(self, pcm: bytearray, asked: Parameters, hints: RecognitionHints) -> Answer:
        head, tail = asr_request.frame(asr_request.fields(asked, self._settings.model, hints), len(pcm))
        border = (
            (aiohttp.ClientConnectorCertificateError, lambda _: Failed(asr_answer.CERTIFICATE, "certificate")),
            (aiohttp.ClientConnectorError, lambda _: Failed(asr_answer.UNREACHABLE, "unreachable")),
            (TimeoutError, lambda _: Failed(asr_answer.UNREACHABLE, "not connected in time")),
            ((aiohttp.ClientError, OSError), lambda _: Failed(asr_answer.BROKEN, "broken off")),
        )
        with map_errors(*border):
            async with self._session.post(
                self._url,
                data=_pieces(head, pcm, tail),
                headers={
                    "Content-Type": asr_request.CONTENT_TYPE,
                    "Content-Length": str(len(head) + len(pcm) + len(tail)),
                },
                allow_redirects=False,
            ) as response:
                body = await _body_of(response)
                if response.status == 200:
                    return asr_answer.read_answer(body, response.content_type)
                if asr_answer.is_nothing(response.status, body):
                    return Answer([])
                raise asr_answer.refusal(response.status, body, response.headers.get("Retry-After", ""))

    def _learn(self, answered: Parameters) -> None:
        """What was left out is never sent again: this server works without it, and did not with it."""
        self._answered = True
        if answered != self._known:
            self._known = answered
            _log.warning("hearing_parameters_not_taken", taken=str(answered))

    def _report(self, failed: Failed) -> None:
        """What only the operator can mend is an error, said once; anything else a warning each time."""
        if not failed.fault.advice:
            _log.warning("hearing_failed", code=failed.code, why=failed.fault.message)
        elif (cause := f"{failed.code} {failed.fault.advice}") not in self._reported:
            self._reported.add(cause)
            _log.error("hearing_refused", code=failed.code, advice=failed.fault.advice)


class _Recognition:
    """One utterance, kept until it is whole."""

    def __init__(self, engine: _Engine, hints: RecognitionHints) -> None:
        self._engine = engine
        self._hints = hints
        self._pcm = bytearray()
        self._whole = anyio.Event()

    async def send(self, pcm: bytes) -> None:
        self._pcm += pcm[: LONGEST_BYTES - len(self._pcm)]

    async def finish(self) -> None:
        self._whole.set()

    async def transcripts(self) -> AsyncGenerator[Transcript]:
        await self._whole.wait()
        text = ""
        if len(self._pcm) >= SHORTEST_BYTES:
            text = await self._engine.hear(self._pcm, self._hints)
        yield Transcript(text, is_final=True)


async def _pieces(head: bytes, pcm: bytearray, tail: bytes) -> AsyncGenerator[bytes]:
    """The body of a request; the audio is not copied as a whole."""
    yield head
    for at in range(0, len(pcm), _PIECE_BYTES):
        yield bytes(pcm[at : at + _PIECE_BYTES])
    yield tail


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > asr_answer.MAX_BODY_BYTES:
            raise Failed(asr_answer.UNREADABLE, "too long an answer")
    return bytes(body)


def _url_of(endpoint: str) -> URL:
    try:
        url = URL(endpoint)
        usable = url.scheme in ("http", "https") and bool(url.host) and not (url.query_string or url.fragment)
    except ValueError:
        usable = False
    if not usable:
        raise EngineUnavailable(
            "endpoints.openai_asr must be a plain http or https address, such as http://127.0.0.1:8000/v1"
        )
    return url.joinpath("audio", "transcriptions")


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """One session for the process; nothing is sent before the first utterance.

    Raises:
        EngineUnavailable: the endpoint or the key cannot be used as they are.
    """
    url = _url_of(settings.endpoint)
    key = settings.secrets.get("OPENAI_API_KEY", "").strip()
    if key and not re.fullmatch(r"[!-~]+", key):
        raise EngineUnavailable("OPENAI_API_KEY holds characters that no key has; copy it again")
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_s),
        headers={"Accept-Encoding": "identity", "User-Agent": "ChatAnon"}
        | ({"Authorization": f"Bearer {key}"} if key else {}),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        yield _Engine(session, url, settings)
