"""Pure: the bytes of an answer to a request for a transcript in, what was heard, or why nothing was, out."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from services.base import ASRError
from services.transcripts.cleaning import Segment

MAX_BODY_BYTES: Final = 1 << 20  # an hour of words with their times


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an utterance is not heard. `message` is for the person, `advice` for the operator, "" where there is none.

    `again`: asking once more may help.
    """

    message: str
    advice: str = ""
    retryable: bool = True
    again: bool = False


class Failed(ASRError):
    """A fault on its way out. `objection`: the server's words, in lower case, for nobody but the code that learns."""

    def __init__(self, fault: Fault, code: str, objection: str | None = None, not_before_s: float = 0.0) -> None:
        super().__init__(fault.message, retryable=fault.retryable)
        self.fault = fault
        self.code = code
        self.objection = objection
        self.not_before_s = not_before_s


_OPERATOR: Final = "; its operator should check it."
BROKEN: Final = Fault("The connection to speech recognition broke; please say it again.", again=True)
UNREACHABLE: Final = Fault("Speech recognition cannot be reached at the moment; please say it again.", again=True)
UNREADABLE: Final = Fault("Speech recognition sent an answer that cannot be read; please say it again.")
CERTIFICATE: Final = Fault(
    f"The certificate of speech recognition is not valid{_OPERATOR}",
    "check endpoints.openai_asr, and the certificates and the clock of this machine",
    retryable=False,
)
_FAILED: Final = Fault("Speech recognition failed on its own side; please say it again.", again=True)
_BUSY: Final = Fault("Speech recognition is too busy at the moment; please say it again.")
_TOO_LONG: Final = Fault("This is too long for speech recognition; please say less at once.")
ADDRESS: Final = Fault(
    f"Speech recognition is not at the address this server has for it{_OPERATOR}",
    "check endpoints.openai_asr: it ends before /audio/transcriptions, mostly in /v1",
    retryable=False,
)
_KEY: Final = Fault(
    f"Speech recognition refused the key of this server{_OPERATOR}", "check OPENAI_API_KEY", retryable=False
)
_DENIED: Final = Fault(
    "Speech recognition denied access; this server's operator should check the account.",
    "check OPENAI_API_KEY and what its account may use",
    retryable=False,
)
_USED_UP: Final = Fault(
    f"Speech recognition's quota is used up{_OPERATOR}", "the account of OPENAI_API_KEY is used up", retryable=False
)
_MODEL: Final = Fault(
    "The model of speech recognition was not found; this server's operator should check its name.",
    "check models.openai_asr: the server does not have it, or has to be told to fetch it first",
    retryable=False,
)
_REQUEST: Final = Fault(
    "Speech recognition refused how it was asked; this server's operator should check the log.",
    "check models.openai_asr and the server's own log",
    retryable=False,
)

# Status -> what it means, unless the words below say more.
_STATUSES: Final = {
    401: _KEY, 402: _USED_UP, 403: _DENIED, 404: ADDRESS, 405: ADDRESS, 408: _BUSY, 413: _TOO_LONG, 429: _BUSY,
    498: _BUSY, 503: _BUSY,
}  # fmt: skip
# Statuses, words in the refusal (in lower case) -> what it means then.
_WORDS: Final = (
    ((402, 403, 429), ("insufficient_quota", "quota exceeded", "balance", "billing"), _USED_UP),
    ((400, 404, 422), ("model_not_found", "unknown model", "model not found", "not installed"), _MODEL),
    ((404,), ("model",), _MODEL),
    ((400, 422), ("too large", "too long", "maximum content size"), _TOO_LONG),
    ((200,), ("unexpected endpoint",), ADDRESS),
)
# What servers refuse that is no more than a short recording or silence: nothing was said.
_NOTHING: Final = ("audio_too_short", "too short", "likely empty", "file is empty", "no speech", "audio is empty")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was heard, as it was written; `language`: what the server takes it for, "" where it does not say."""

    segments: list[Segment]
    language: str = ""


class _Body(msgspec.Struct):
    text: str | None = None
    language: str | None = None
    segments: msgspec.Raw = msgspec.Raw()
    error: Any = None


class _Segment(msgspec.Struct):
    text: str
    no_speech_prob: float | None = None
    avg_logprob: float | None = None
    compression_ratio: float | None = None


def read_answer(body: bytes, content_type: str) -> Answer:
    """What a server said with status 200, in any of the formats there are.

    Raises:
        Failed: it is no transcript.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Failed(UNREADABLE, "not utf-8") from error
    if text.lstrip().startswith("<") and not text.lstrip().startswith("<|"):
        raise Failed(ADDRESS, "a page")
    if content_type.startswith("text/") and content_type != "text/event-stream" and not _is_json(text):
        return Answer([Segment(text)])  # where response_format is not looked at
    try:
        found = msgspec.json.decode(body, type=_Body | str)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Failed(UNREADABLE, "no transcript") from error
    if isinstance(found, str):
        return Answer([Segment(found)])
    if found.text is None:
        raise refusal(200, body) if found.error is not None else Failed(UNREADABLE, "no text")
    return Answer(_segments(found) or [Segment(found.text)], found.language or "")


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", '"')


def _segments(body: _Body) -> list[Segment]:
    """None where they are not the whole text: then their numbers say nothing about it."""
    try:
        told = msgspec.json.decode(body.segments, type=list[_Segment]) if bytes(body.segments) else []
    except msgspec.MsgspecError:
        return []
    if _squeezed("".join(each.text for each in told)) != _squeezed(body.text or ""):
        return []
    return [Segment(each.text, each.no_speech_prob, each.avg_logprob, each.compression_ratio) for each in told]


def _squeezed(text: str) -> str:
    return "".join(text.split())


def is_nothing(status: int, body: bytes) -> bool:
    """Whether a refusal only says that there was nothing to hear."""
    return status in (400, 422) and any(word in _objection(body) for word in _NOTHING)


def refusal(status: int, body: bytes, not_before_s: float = 0.0) -> Failed:
    """What an answer means that is no transcript."""
    objection = _objection(body)
    fault = next(
        (fault for statuses, words, fault in _WORDS if status in statuses and any(word in objection for word in words)),
        None,
    )
    if fault is None:
        broken = _FAILED if status >= 500 or status == 200 else _REQUEST if status >= 400 else ADDRESS
        fault = _STATUSES.get(status, broken)
    may_be_about_a_field = fault in (_REQUEST, _FAILED)
    return Failed(fault, f"HTTP {status}", objection if may_be_about_a_field else None, not_before_s)


def _objection(body: bytes) -> str:
    """Whatever its shape is: servers put the words under `error`, `message`, `detail`, or have no JSON at all."""
    return body[:4000].decode(errors="replace").lower()
