"""MiniMax T2A v2 over WebSocket, sans-IO: requests in, JSON text out; JSON text in, events and faults out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final

import msgspec

from services.base import Emotion, Voice
from services.engine_language import language_of as language_code_of

DEFAULT_VOICE_ID = "Japanese_DecisivePrincess"
SAMPLE_RATES_HZ = frozenset({8000, 16000, 22050, 24000, 32000, 44100})
TASK_FINISH = b'{"event":"task_finish"}'


class Remedy(Enum):
    """What may be done about a fault."""

    GIVE_UP = auto()  # nothing, until the operator has acted
    OTHER_TEXT = auto()  # this text is refused, another may be spoken
    WAIT = auto()  # the same text again after a while
    AGAIN = auto()  # the same text once more, on another connection
    AT_ONCE = auto()  # likewise, and not counted: neither this text nor the vendor's voice is to blame


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a text is not spoken. `message` is for the person at the other end; `code` and `trace_id` are for the log."""

    remedy: Remedy
    message: str
    code: int | str = ""
    trace_id: str = ""
    timed_out: bool = False
    one_sentence: bool = False


_KEY = "The voice service refused our key: MINIMAX_API_KEY and its region (endpoints.tts) should be checked"
_BALANCE = "The voice service's account has no balance left: it should be topped up"
_VOICE = "The voice service does not have this voice: the character's voice_id should be checked"
_MODEL = "The voice service's plan lacks this model: models.tts_model should be checked"
_USED_UP = "The voice service's plan is used up for now: its usage limit should be checked"
_SETTINGS = "The voice service refused how this voice is set: its voice_id, model, speed and pitch should be checked"
_ADDRESS = "The voice service is not at this address: endpoints.tts should be checked"
_DEFECT = "The voice service did not understand this server: its version should be checked"
_REFUSED = "The voice service refused to speak this sentence"
_BUSY = "The voice service is busy"
_FAILED = "The voice service failed"

STALLED = Fault(Remedy.AGAIN, "The voice did not answer in time", timed_out=True)  # as whoever waits for it says
BROKEN_OFF = Fault(Remedy.AGAIN, "The voice service broke off")
BAD_CERTIFICATE = Fault(
    Remedy.GIVE_UP, "The voice service's certificate is not valid: endpoints.tts should be checked", code="certificate"
)
UNCLEAR = Fault(Remedy.AT_ONCE, _REFUSED, one_sentence=True)  # one of several texts was refused; nothing says which

# Page, section 6. A code that is not here is taken for a failure of the moment.
_CODES: Mapping[int, tuple[Remedy, str]] = {
    1002: (Remedy.WAIT, _BUSY),
    1004: (Remedy.GIVE_UP, _KEY),
    1008: (Remedy.GIVE_UP, _BALANCE),
    1026: (Remedy.OTHER_TEXT, _REFUSED),
    1027: (Remedy.OTHER_TEXT, _REFUSED),
    1039: (Remedy.WAIT, _BUSY),
    1041: (Remedy.WAIT, _BUSY),
    1042: (Remedy.OTHER_TEXT, _REFUSED),
    2013: (Remedy.GIVE_UP, _SETTINGS),
    2042: (Remedy.GIVE_UP, _VOICE),
    2045: (Remedy.WAIT, _BUSY),
    2049: (Remedy.GIVE_UP, _KEY),
    2054: (Remedy.GIVE_UP, _VOICE),
    2056: (Remedy.GIVE_UP, _USED_UP),
    2061: (Remedy.GIVE_UP, _MODEL),
    2201: (Remedy.AT_ONCE, _FAILED),
    2202: (Remedy.GIVE_UP, _DEFECT),
    2203: (Remedy.OTHER_TEXT, _REFUSED),
    2204: (Remedy.OTHER_TEXT, _REFUSED),
    2205: (Remedy.WAIT, _BUSY),
    2206: (Remedy.GIVE_UP, _DEFECT),
    20132: (Remedy.GIVE_UP, _VOICE),
}

# Page, 8.3: in whatever event they come, these skip one text and leave the connection open.
SKIPPING_CODES = frozenset({2203, 2204, 2205})

# 2013 may be about the emotion of this sentence alone (page, 8.5).
_OF_ONE_SENTENCE = frozenset({2013})


def status_fault(code: int, trace_id: str = "") -> Fault:
    """What a `base_resp.status_code` other than 0 means."""
    remedy, message = _CODES.get(code, (Remedy.AGAIN, _FAILED))
    one_sentence = remedy is Remedy.OTHER_TEXT or code in _OF_ONE_SENTENCE
    return Fault(remedy, message, code=code, trace_id=trace_id, one_sentence=one_sentence)


JAPANESE: Final = "Japanese"
_LANGUAGES: Final[Mapping[str, str]] = {"ja": JAPANESE, "zh": "Chinese", "ko": "Korean"}


def http_fault(status: int, trace_id: str = "") -> Fault:
    """What an answer other than 101 to the handshake means; a redirect counts as a wrong address."""
    if status in (401, 403):
        return Fault(Remedy.GIVE_UP, _KEY, code=f"HTTP {status}", trace_id=trace_id)
    if status == 429:
        return Fault(Remedy.WAIT, _BUSY, code="HTTP 429", trace_id=trace_id)
    if status >= 500:
        return Fault(Remedy.AGAIN, _FAILED, code=f"HTTP {status}", trace_id=trace_id)
    return Fault(Remedy.GIVE_UP, _ADDRESS, code=f"HTTP {status}", trace_id=trace_id)


def language_of(text: str) -> str:
    """What `language_boost` calls the language of a sentence."""
    return _LANGUAGES[language_code_of(text)]


def task_start(voice: Voice, emotion: Emotion, model: str, sample_rate_hz: int, language: str = JAPANESE) -> bytes:
    """The message that opens a task: all its texts are spoken by this voice, with this emotion, in this language.

    The vendor takes the language per task, not per sentence, as it does the emotion: so each has a task of its own.
    """
    setting: dict[str, object] = {
        "voice_id": voice.voice_id or DEFAULT_VOICE_ID,
        "speed": min(max(voice.speed, 0.5), 2.0),
        "vol": 1.0,
        "pitch": min(max(round(voice.pitch), -12), 12),
    }
    if emotion != "auto":
        setting["emotion"] = emotion
    return msgspec.json.encode(
        {
            "event": "task_start",
            "model": voice.model or model,
            "voice_setting": setting,
            "audio_setting": {"sample_rate": sample_rate_hz, "format": "pcm", "channel": 1},
            "language_boost": language,
        }
    )


def task_continue(text: str) -> bytes:
    """The message that has one text spoken."""
    return msgspec.json.encode({"event": "task_continue", "text": text})


@dataclass(frozen=True, slots=True)
class Connected:
    """`connected_success`: a task may be started."""


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """Texts may be sent."""


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """The task is over; the vendor closes."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A piece of the text that is being spoken. `total_bytes`: what the vendor says the whole text has come to."""

    pcm: bytes
    is_final: bool
    total_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status other than 0, in whatever event it came."""

    fault: Fault
    skips_one_text: bool = False


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that asks nothing of us."""


class Mark(Enum):
    """What only the bidirectional variant says (page, section 7)."""

    SENTENCE_STARTED = auto()
    SENTENCE_ENDED = auto()
    FLUSHED = auto()
    CANCELED = auto()


Event = Connected | TaskStarted | TaskFinished | Audio | Refusal | Ignored | Mark


class MalformedMessage(ValueError):
    """The vendor sent something that is none of its messages."""


class _Data(msgspec.Struct):
    audio: str | None = None


class _Status(msgspec.Struct):
    status_code: int | None = None


class _ServerMessage(msgspec.Struct):
    event: str | None = None
    is_final: bool | None = None
    data: _Data | None = None
    base_resp: _Status | None = None
    trace_id: str | None = None
    extra_info: Any = None


def decode(raw: bytes | str, marks: Mapping[str, Mark] = MappingProxyType({})) -> Event:
    """One message of the vendor. `marks`: what its events mean beyond those of the plain variant.

    Raises:
        MalformedMessage: not JSON, a field of another type than the page's, or audio that is not hex.
    """
    try:
        message = msgspec.json.decode(raw, type=_ServerMessage)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedMessage("not a message of T2A v2") from error
    code = message.base_resp.status_code if message.base_resp is not None else 0
    if code:
        return Refusal(status_fault(code, message.trace_id or ""), skips_one_text=code in SKIPPING_CODES)
    match message.event:
        case "connected_success":
            return Connected()
        case "task_started":
            return TaskStarted()
        case "task_finished":
            return TaskFinished()
        case "task_failed":
            return Refusal(Fault(Remedy.AGAIN, _FAILED, code=0, trace_id=message.trace_id or ""))
        case "task_continued":
            return _audio(message)
        case None if message.data is not None or message.is_final:  # page, section 4: data and no event is audio
            return _audio(message)
        case event:
            return marks.get(event or "", Ignored())


def _audio(message: _ServerMessage) -> Audio:
    digits = message.data.audio if message.data is not None else None
    try:
        pcm = bytes.fromhex(digits or "")
    except ValueError as error:
        raise MalformedMessage("audio that is not hex") from error
    total = message.extra_info.get("audio_size") if isinstance(message.extra_info, dict) else None
    is_final = bool(message.is_final)
    return Audio(pcm, is_final, total if is_final and isinstance(total, int) else None)
