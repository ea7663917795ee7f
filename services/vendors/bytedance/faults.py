"""Pure: ByteDance's error codes and HTTP statuses in, what they mean for the person and for the operator out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from services.base import ASRError

EMPTY_AUDIO = 45000002  # nothing was said; no fault where everything has been sent


class Remedy(Enum):
    """What may be done about a fault."""

    GIVE_UP = auto()  # nothing, until the operator has acted
    LATER = auto()  # the person may try again; this utterance is lost
    AGAIN = auto()  # a new session for the same utterance, once


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an utterance is not heard. `message` is for the person; the rest is for the log.

    `advice`: what only the operator can do about it, "" where there is nothing.
    """

    remedy: Remedy
    message: str
    advice: str = ""
    code: int | str = ""
    timed_out: bool = False


class Failed(ASRError):
    """A fault on its way out."""

    def __init__(self, fault: Fault, log_id: str = "") -> None:
        super().__init__(fault.message, retryable=fault.remedy is not Remedy.GIVE_UP, timed_out=fault.timed_out)
        self.fault = fault
        self.log_id = log_id  # the vendor's support asks for it


_OPERATOR = "; its operator should check it."
_SETTINGS = "Speech recognition refused how it was asked; this server's operator should check the log."
_KEY = (
    f"Speech recognition refused the key of this server{_OPERATOR}",
    "check BYTEDANCE_API_KEY, or BYTEDANCE_APP_KEY and BYTEDANCE_ACCESS_KEY",
)
_GRANT = (
    "Speech recognition is not granted to this server; its operator should check the account.",
    "check models.asr_resource_id: this resource must be granted to the key",
)
_DENIED = (_GRANT[0], "check the key, and that models.asr_resource_id is granted to it")
_ADDRESS = (
    f"Speech recognition is not at the address this server has for it{_OPERATOR}",
    "check endpoints.asr and endpoints.asr_batch",
)
_REQUEST = (_SETTINGS, "check models.asr_resource_id, agent.end_of_speech_ms and the versions of server and vendor")
_DEFECT = (_SETTINGS, "a defect of this server: report it with the log id")
_BUSY = "Speech recognition is too busy at the moment; please say it again."
_FAILED = "Speech recognition failed on its own side; please say it again."
_UNREACHABLE = "Speech recognition cannot be reached at the moment; please say it again."

STALLED = Fault(
    Remedy.AGAIN, "Speech recognition did not answer in time; please say it again.", code="stalled", timed_out=True
)
BROKEN_OFF = Fault(Remedy.AGAIN, "The connection to speech recognition broke; please say it again.", code="broken off")
UNREACHABLE = Fault(Remedy.AGAIN, _UNREACHABLE, code="unreachable")
UNREADABLE = Fault(
    Remedy.LATER, "Speech recognition sent an answer that cannot be read; please say it again.", code="unreadable"
)
BAD_CERTIFICATE = Fault(
    Remedy.GIVE_UP,
    f"The certificate of speech recognition is not valid{_OPERATOR}",
    "check endpoints.asr, and the certificates and the clock of this machine",
    code="certificate",
)
NOT_A_WEBSOCKET = Fault(Remedy.GIVE_UP, *_ADDRESS, code="handshake")

# Page, section 6.
_REFUSALS: Mapping[int, tuple[str, str]] = {
    45000000: _DEFECT,
    45000001: _REQUEST,
    45000010: _KEY,
    45000030: _GRANT,
    45000151: _DEFECT,
}
_QUOTA = 45000292
_IDLE = 45000081
_OVERLOADED = 55000031
_STATUSES: Mapping[int, tuple[str, str]] = {401: _KEY, 403: _DENIED, 404: _ADDRESS, 405: _ADDRESS}

_CODE_IN_TEXT = re.compile(rb"(?<![\w.-])(45000\d{3}|550\d{5})(?![\w.-])")


def code_fault(code: int) -> Fault:
    """What an error frame means. A code that is not on the page is taken for a failure of the moment."""
    if code in _REFUSALS:
        return Fault(Remedy.GIVE_UP, *_REFUSALS[code], code=code)
    if code == _QUOTA:  # it may be a limit of the moment (concurrency) or of the account (lifetime): the log tells
        advice = "the account's quota is used up: check its concurrency and its volume"
        return Fault(Remedy.LATER, _BUSY, advice, code=code)
    if code == _IDLE:
        return Fault(Remedy.AGAIN, STALLED.message, code=code, timed_out=True)
    return Fault(Remedy.AGAIN, _BUSY if code == _OVERLOADED else _FAILED, code=code)


def http_fault(status: int, body: bytes = b"") -> Fault:
    """What an answer other than 101 means: its code says more than its status, its wording says nothing (section 8).

    A redirect counts as a wrong address.
    """
    found = _CODE_IN_TEXT.search(body)
    if found and status >= 400:
        return code_fault(int(found[1]))
    code = f"HTTP {status}"
    if status == 429:
        return Fault(Remedy.LATER, _BUSY, code=code)
    if status >= 500:
        return Fault(Remedy.AGAIN, _FAILED, code=code)
    return Fault(Remedy.GIVE_UP, *_STATUSES.get(status, _REQUEST if status >= 400 else _ADDRESS), code=code)
