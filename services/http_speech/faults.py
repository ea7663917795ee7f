"""Pure: what an answer's status and body say in; what becomes of the sentence, and what its hearer is told, out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import msgspec

from services.base import TTSError

_LONGEST_READ: Final = 16_384


class Remedy(Enum):
    """What may still give the sentence its sound."""

    AGAIN = auto()  # the same once more
    WAIT = auto()  # the same, a little later
    OTHER_TEXT = auto()  # nothing; the next sentence may go well
    GIVE_UP = auto()  # nothing, until the operator does what the message says


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a sentence is not spoken. `message` is for the person at the other end, `code` for the log."""

    remedy: Remedy
    message: str
    code: str = ""
    timed_out: bool = False
    elsewhere: bool = False  # where the text is at fault: another service may well speak it
    not_before_s: float = 0.0


class Failed(TTSError):
    """A fault on its way out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(
            fault.message,
            retryable=fault.remedy in (Remedy.AGAIN, Remedy.WAIT),
            timed_out=fault.timed_out,
            one_sentence=fault.remedy is Remedy.OTHER_TEXT,
        )
        self.of_request = self.one_sentence and not fault.elsewhere
        self.fault = fault
        self.not_before_s = fault.not_before_s


@dataclass(frozen=True, slots=True)
class Names:
    """What the operator knows an engine's settings by."""

    engine: str
    endpoint: str  # endpoints.<this>
    secret: str = ""
    model: str = ""  # models.<this>

    @property
    def where(self) -> str:
        return f"endpoints.{self.endpoint}"

    @property
    def voice(self) -> str:
        return f"voices.{self.engine}"


BROKEN_OFF = Fault(Remedy.AGAIN, "The voice service broke off", code="broken off")
NO_SOUND = Fault(Remedy.OTHER_TEXT, "The voice service made no sound of this sentence", code="no sound", elsewhere=True)
TOO_LONG = Fault(
    Remedy.OTHER_TEXT, "The sentence takes too long to speak: the rest of it is not spoken", code="too long"
)
REFUSED = Fault(Remedy.OTHER_TEXT, "The voice service refused to speak this sentence", code="refused")
FAILED = Fault(Remedy.AGAIN, "The voice service failed", code="failed")
BUSY = Fault(Remedy.WAIT, "The voice service is busy", code="busy")
BALANCE = Fault(
    Remedy.GIVE_UP, "The voice service's account has no balance left: it should be topped up", code="balance"
)

_NO_BALANCE = re.compile(r"insufficient_quota|insufficient.balance|billing|余额|欠费", re.I)


def unreachable(names: Names, *, timed_out: bool = False) -> Fault:
    message = f"The voice service cannot be reached: whether it runs, and {names.where}, should be checked"
    return Fault(Remedy.AGAIN, message, code="unreachable", timed_out=timed_out)


def certificate(names: Names) -> Fault:
    message = f"The voice service's certificate is not valid: {names.where} should be checked"
    return Fault(Remedy.GIVE_UP, message, code="certificate")


def no_audio(names: Names) -> Fault:
    """Something else than audio came with a status of success."""
    message = f"The voice service answers with something that is no WAV audio: {names.where} should be checked"
    return Fault(Remedy.GIVE_UP, message, code="no audio")


def wrong_voice(names: Names, key: str = "") -> Fault:
    message = f"The voice service does not have this voice: the character's {names.voice}{key} should be checked"
    return Fault(Remedy.GIVE_UP, message, code="voice")


def refused(names: Names, status: int, body: bytes, not_before_s: float = 0.0) -> Fault:
    """What an answer without audio means, where its vendor says no more than others do. `status` may be 200: some
    refuse in the body alone."""
    fault = _by_status(names, status)
    if _NO_BALANCE.search(" ".join(words_in(body))):
        fault = BALANCE
    code = f"HTTP {status}" if fault is not BALANCE else fault.code
    return replace(fault, code=code, not_before_s=not_before_s)


def _by_status(names: Names, status: int) -> Fault:
    match status:
        case 401 | 403:
            key = f"{names.secret} and {names.where}" if names.secret else names.where
            return Fault(Remedy.GIVE_UP, f"The voice service refused our key: {key} should be checked")
        case 402:
            return BALANCE
        case 404:
            model = f" and models.{names.model}" if names.model else ""
            return Fault(
                Remedy.GIVE_UP, f"The voice service is not at this address: {names.where}{model} should be checked"
            )
        case 400 | 413 | 422:
            return REFUSED
        case 429 | 502 | 503 | 504 | 529:
            return BUSY
        case _ if status >= 500:
            return FAILED
        case _:
            return no_audio(names)


def words_in(body: bytes) -> Iterator[str]:
    """Every text in a refusal: the keys of its JSON differ from server to server."""
    text = body[:_LONGEST_READ].decode("utf-8", "replace")
    try:
        yield from _texts(msgspec.json.decode(body[:_LONGEST_READ]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield text


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < 8 and isinstance(value, dict):
        for each in value.values():
            yield from _texts(each, depth + 1)
    elif depth < 8 and isinstance(value, list):
        for each in value:
            yield from _texts(each, depth + 1)
