"""ByteDance's streaming ASR: an utterance's pcm in, its transcripts out; one session each, mended once.

While an utterance is still being spoken it goes to `bigmodel_async`, 200 ms at a time; one that exists already in full
goes to `bigmodel_nostream`, as fast as the line takes it. Where a session breaks, a new one hears again what the old
one had not confirmed, and the text that it had confirmed stays in front.
"""

import math
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Final

import aiohttp
import anyio
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random

from services.base import ASR, Recognition, RecognitionHints, Transcript
from services.engine_choice import EngineUnavailable
from services.engine_settings import ASRSettings
from services.engine_tasks import open_tasks
from services.socket_recognition.line import Line, is_socket_address, open_connector
from services.socket_recognition.utterance import Outcome, Reports, send_and_hear
from services.vendors.bytedance import faults, frames
from services.vendors.bytedance.audio import UtteranceAudio
from services.vendors.bytedance.faults import Failed, Remedy
from services.vendors.bytedance.request import full_request
from services.vendors.bytedance.session import log_id_of, open_line

PACE_S: Final = 0.1  # between packets that have to catch up (page, section 3)
SILENCE_S: Final = 5.0  # without audio; after 8 the vendor ends a session
MEND_S: Final = 3.0  # from a break to a new session
MEND_WAIT_S: Final = (0.2, 0.5)
_EXAMPLE: Final = "wss://openspeech.bytedance.com/api/v3/sauc/bigmodel_async"


class _Recognition:
    """One utterance."""

    def __init__(self, engine: "_Engine", hints: RecognitionHints, *, whole: bool) -> None:
        self._engine = engine
        self._hints = hints
        self._whole = whole
        self._audio = UtteranceAudio()
        self._heard = frames.Heard()  # in the present session
        self._confirmed = ("", 0.0)  # by the sessions before: the text, and the ms of audio that it is of
        self._limit_s = engine.settings.connect_s
        self._all_sent = False  # in the present session
        self._asking = anyio.CancelScope()
        self._outcome = Outcome()

    async def send(self, pcm: bytes) -> None:
        await self._audio.append(pcm)

    async def finish(self) -> None:
        if self._audio.heard_anything:
            self._audio.finish()
        else:
            self._asking.cancel()  # the vendor's answer to nothing is an error

    def transcripts(self) -> AsyncGenerator[Transcript]:
        return self._outcome.transcripts()

    async def run(self) -> None:
        """Never fails: whoever waits for transcripts is told."""
        retrying = AsyncRetrying(
            retry=retry_if_exception(self._can_be_mended),
            stop=stop_after_attempt(2),
            wait=wait_random(*MEND_WAIT_S),
            before_sleep=self._prepare_again,
            sleep=anyio.sleep,
            reraise=True,
        )
        text = ""
        try:
            with self._asking:
                text = await retrying(self._ask)
        except Failed as failed:
            self._engine.report(failed)
            self._outcome.fail(failed)
        else:
            self._outcome.tell(Transcript(text, is_final=True))
        finally:
            self._audio.close()

    async def _ask(self) -> str:
        """One session, from its handshake to the final text."""
        async with self._engine.open_line(self._whole, self._limit_s) as line:
            self._engine.log.info("hearing_opened", log_id=log_id_of(line.headers))
            text = await send_and_hear(partial(self._send_all, line), partial(self._receive_all, line))
            if text is None:
                raise Failed(faults.STALLED)
            return text

    async def _send_all(self, line: Line, waiting: anyio.CancelScope) -> None:
        try:
            await line.write(self._engine.request(self._hints, self._whole), self._engine.stall_s(self._whole))
            packet_at, silence_at, is_last = 0.0, anyio.current_time() + SILENCE_S, False
            while not is_last:
                caught_up = not self._audio.backlogged
                # What waits since before a break goes at once: at 100 ms a packet, ten seconds of speech would come
                # five seconds late. The page asks for the spacing of live audio, and knows of clients that send two
                # seconds in one burst.
                if self._audio.backlogged and not (self._whole or self._audio.overdue):
                    await anyio.sleep_until(packet_at)
                pcm, is_last = await self._audio.next_packet(math.inf if self._whole else silence_at)
                self._all_sent = is_last
                packet_at = anyio.current_time() + PACE_S
                silence_at = anyio.current_time() + SILENCE_S
                await line.write(frames.audio_frame(pcm, is_last=is_last), self._engine.stall_s(self._whole))
                if caught_up and not is_last:
                    self._tell()  # since the packet before, the vendor has had time to say that the person goes on
            waiting.deadline = anyio.current_time() + self._engine.stall_s(self._whole)
        except Failed as failed:
            if failed.timed_out:
                waiting.cancel()
            # Else the reader is about to find out, maybe from an error frame, which says more.

    async def _receive_all(self, line: Line, waiting: anyio.CancelScope) -> str:
        """The final text."""
        while True:
            answer = frames.receive(await line.read_bytes())
            if isinstance(answer, frames.Refusal):
                if answer.code == faults.EMPTY_AUDIO and self._all_sent:
                    return self._text
                raise Failed(faults.code_fault(answer.code))
            self._heard.receive(answer)
            self._audio.confirm(self._heard.confirmed[1])
            if answer.is_last and self._all_sent:
                return self._text
            if answer.is_last:
                raise Failed(faults.BROKEN_OFF)
            if waiting.deadline < math.inf:
                waiting.deadline = anyio.current_time() + self._engine.stall_s(self._whole)
            self._tell()

    def _tell(self) -> None:
        """What was heard so far. With audio still on its way, nobody can say yet that this was all."""
        if self._heard.text and not self._whole:
            definite = self._heard.is_definite and not (self._audio.finished or self._audio.backlogged)
            until_ms = self._heard.definite_until_ms if definite else None
            if until_ms is not None:
                until_ms += self._confirmed[1]
            self._outcome.tell(Transcript(self._text, is_definite=definite, until_ms=until_ms))

    def _can_be_mended(self, error: BaseException) -> bool:
        if not isinstance(error, Failed) or error.fault.remedy is not Remedy.AGAIN:
            return False
        # A whole recording takes the longer to be recognised the longer it is, and would take as long once more.
        too_slow = self._whole and self._all_sent and error.fault == faults.STALLED
        return self._audio.repeatable and not too_slow

    async def _prepare_again(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, Failed):
            self._engine.log.warning("hearing_asked_again", code=error.fault.code, log_id=error.log_id)
        text, end_ms = self._heard.confirmed
        self._confirmed = frames.join(self._confirmed[0], text), self._confirmed[1] + end_ms
        self._heard = frames.Heard()
        self._audio.confirm(end_ms)
        self._audio.rewind()
        self._all_sent = False
        self._limit_s = min(self._limit_s, MEND_S - state.upcoming_sleep)

    @property
    def _text(self) -> str:
        return frames.join(self._confirmed[0], self._heard.text)


class _Engine:
    """The ASR of this process."""

    phrases_only = False
    tells_partials = True

    def __init__(self, connector: aiohttp.BaseConnector, settings: ASRSettings, keys: Mapping[str, str]) -> None:
        self.settings = settings
        self.log = structlog.get_logger(__name__)
        self._connector = connector
        self._headers = {**keys, "X-Api-Resource-Id": settings.model}
        self._reports = Reports(self.log)

    @asynccontextmanager
    async def open_recognition(self, hints: RecognitionHints, *, whole: bool = False) -> AsyncIterator[Recognition]:
        recognition = _Recognition(self, hints, whole=whole)
        async with open_tasks() as tasks:  # what is heard fails in `transcripts` alone
            tasks.start_soon(recognition.run)
            yield recognition

    def open_line(self, whole: bool, limit_s: float) -> AbstractAsyncContextManager[Line]:
        endpoint = self.settings.batch_endpoint if whole else self.settings.endpoint
        return open_line(self._connector, endpoint, self._headers, limit_s)

    def request(self, hints: RecognitionHints, whole: bool) -> bytes:
        """The full client request, as a frame."""
        return frames.request_frame(full_request(hints, None if whole else self.settings.end_window_ms))

    def stall_s(self, whole: bool) -> float:
        """How long the vendor may be silent when something is due; half of it leaves time for a second session."""
        return self.settings.final_s if whole else self.settings.final_s / 2

    def report(self, failed: Failed) -> None:
        self._reports.tell(failed.fault.code, failed.fault.message, failed.fault.advice, log_id=failed.log_id)


def _keys(secrets: Mapping[str, str]) -> dict[str, str]:
    """The headers of one of the vendor's two schemes; both together it refuses (page, section 1)."""
    schemes = (
        {"X-Api-Key": "BYTEDANCE_API_KEY"},
        {"X-Api-App-Key": "BYTEDANCE_APP_KEY", "X-Api-Access-Key": "BYTEDANCE_ACCESS_KEY"},
    )
    for scheme in schemes:
        keys = {header: secrets.get(name, "").strip() for header, name in scheme.items()}
        if all(keys.values()):
            for header, key in keys.items():
                if not re.fullmatch(r"[!-~]+", key):
                    raise EngineUnavailable(f"{scheme[header]} holds characters that no key has; copy it again")
            return keys
    raise EngineUnavailable(
        "engines.asr: bytedance needs BYTEDANCE_APP_KEY and BYTEDANCE_ACCESS_KEY, or BYTEDANCE_API_KEY; "
        "set them, or choose auto"
    )


@asynccontextmanager
async def open_asr(settings: ASRSettings) -> AsyncIterator[ASR]:
    """Open the ASR for this process; nothing is sent before the first utterance.

    Raises:
        EngineUnavailable: the settings cannot be served, with what to do.
    """
    keys = _keys(settings.secrets)
    endpoints = {"endpoints.asr": settings.endpoint, "endpoints.asr_batch": settings.batch_endpoint}
    for place, endpoint in endpoints.items():
        if not is_socket_address(endpoint):
            raise EngineUnavailable(f"{place}: bytedance wants a wss:// address such as {_EXAMPLE}")
    if not re.fullmatch(r"[!-~]+", settings.model):
        raise EngineUnavailable("models.asr_resource_id: bytedance needs one, such as volc.bigasr.sauc.duration")
    encrypted = any(endpoint.startswith("wss://") for endpoint in endpoints.values())
    async with open_connector(ssl.create_default_context() if encrypted else True) as connector:
        yield _Engine(connector, settings, keys)
