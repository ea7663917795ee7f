"""An utterance (pcm) in, its transcript out: any server with OpenAI's `/audio/transcriptions`, asked when it is whole.

`endpoint` is what stands before `/audio/transcriptions`. The connection is made while the person still speaks. A field
that a server refuses is left out from then on (asr_request.py); what Whisper invents where nobody spoke is left out of
the transcript (services/transcripts/).
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import anyio
import structlog
from anyio.abc import TaskGroup
from yarl import URL

from services.base import ASR, RECOGNITION_RATE_HZ, Recognition, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_http.answers import http_border, not_before_s, read_body
from services.engine_http.session import ReadyConnection, open_session, read_key
from services.engine_settings import ASRSettings
from services.engine_tasks import open_tasks
from services.transcripts.cleaning import said
from services.vendors.openai import asr_answer, asr_request
from services.vendors.openai.asr_answer import Answer, Failed
from services.vendors.openai.asr_request import LEAN, Parameters

MAX_CONNECTIONS: Final = 256  # at once; further utterances wait their turn, within their deadline
KEEP_ALIVE_S: Final = 60.0  # servers keep them open for as long
SHORTEST_BYTES: Final = 2 * RECOGNITION_RATE_HZ // 10  # OpenAI refuses what is shorter than 0.1 s
LONGEST_BYTES: Final = 2 * RECOGNITION_RATE_HZ * 600  # 19 MB of the 25 that servers take; no user may say as much
LEAN_S: Final = 600.0  # then the language is told again: what a server failed over may have been the moment
_PIECE_BYTES: Final = 65536

_log = structlog.get_logger(__name__)


class _Engine:
    """The ASR of this process."""

    phrases_only = False
    tells_partials = False

    def __init__(self, session: aiohttp.ClientSession, url: URL, settings: ASRSettings, tasks: TaskGroup) -> None:
        self._session = session
        self._url = url
        self._settings = settings
        self._known = Parameters()  # what the server takes, as far as is known
        self._lean_until: float | None = None  # it answered only when it was asked for nothing; taken for true until
        self._answered = False
        self._ready = ReadyConnection(session, url, settings.connect_s, tasks)
        self._reported: set[str] = set()

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        if not whole:
            self._ready.prepare()
        yield _Recognition(self, hints)

    async def hear(self, pcm: bytearray, hints: RecognitionHints) -> str:
        """The transcript of a whole utterance.

        Raises:
            ASRError: the server refused or broke. Nothing here is late: `asr_service` has the deadline.
        """
        asked = named = self._to_ask()
        again = True
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
                asked, named = fewer, named if fewer == LEAN else fewer
        self._learn(asked, named)
        words = asr_request.prompt(hints) if asked.prompt else ""
        told = hints.language or answer.language
        return said(answer.segments, len(pcm) / (2 * RECOGNITION_RATE_HZ), language=told, asked=words)

    def _to_ask(self) -> Parameters:
        is_lean = self._lean_until is not None and anyio.current_time() < self._lean_until
        return LEAN if is_lean else self._known

    def _fewer(self, asked: Parameters, failed: Failed) -> Parameters | None:
        """With what to ask again; some servers fail by themselves over a field, but not once they have answered."""
        if failed.objection is None or (failed.fault.again and self._answered and self._lean_until is None):
            return None
        return asked.without(failed.objection)

    async def _ask(self, pcm: bytearray, asked: Parameters, hints: RecognitionHints) -> Answer:
        head, tail = asr_request.frame(asr_request.fields(asked, self._settings.model, hints), len(pcm))
        border = http_border(
            certificate=lambda: Failed(asr_answer.CERTIFICATE, "certificate"),
            timed_out=lambda: Failed(asr_answer.UNREACHABLE, "not connected in time"),
            unreachable=lambda: Failed(asr_answer.UNREACHABLE, "unreachable"),
            broken_off=lambda: Failed(asr_answer.BROKEN, "broken off"),
        )
        with border:
            async with self._session.post(
                self._url,
                data=_pieces(head, pcm, tail),
                headers={
                    "Content-Type": asr_request.CONTENT_TYPE,
                    "Content-Length": str(len(head) + len(pcm) + len(tail)),
                },
                allow_redirects=False,
            ) as response:
                body = await read_body(response, asr_answer.MAX_BODY_BYTES, _too_long)
                if response.status == 200:
                    return asr_answer.read_answer(body, response.content_type)
                if asr_answer.is_nothing(response.status, body):
                    return Answer([])
                raise asr_answer.refusal(response.status, body, not_before_s(response))

    def _learn(self, answered: Parameters, named: Parameters) -> None:
        """`named`: without what it refused by name, which is never sent again: this server works without it, and did
        not with it. That it wants nothing at all is no more than a guess."""
        self._answered = True
        is_lean = answered == LEAN
        if (is_lean and self._lean_until is None) or (not is_lean and answered != self._known):
            _log.warning("hearing_parameters_not_taken", taken=str(answered))
        if not is_lean:
            self._lean_until = None
        elif named != LEAN:  # it was found out now
            self._lean_until = anyio.current_time() + LEAN_S
        if named != LEAN:
            self._known = named

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


def _too_long() -> Failed:
    return Failed(asr_answer.UNREADABLE, "too long an answer")


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
    key = read_key(settings.secrets.get("OPENAI_API_KEY", ""), "OPENAI_API_KEY")
    session = open_session(key, settings.connect_s, places=MAX_CONNECTIONS, keep_alive_s=KEEP_ALIVE_S)
    async with session, open_tasks() as tasks:
        yield _Engine(session, url, settings, tasks)
