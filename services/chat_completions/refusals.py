"""Pure: the body of an error in, what it means out; whatever shape a server gives it."""

import re
from typing import Final

import msgspec

from services.base import LLMError
from services.chat_completions import faults
from services.chat_completions.faults import Fault
from services.chat_completions.objections import NONE, Objection, read_objection
from services.chat_completions.servers import BY_CODE, BY_STATUS, BY_WORDS


class Error(msgspec.Struct, frozen=True, gc=False):
    """Ark's `code` is a name; llama.cpp and vLLM put the HTTP status there, Ollama null, SiliconFlow a number."""

    code: str | int | float | None = None
    message: str | None = None


class Refused(LLMError):
    """The vendor said no. `not_before_s`: seconds before which trying again is of no use (`Retry-After`)."""

    def __init__(
        self, fault: Fault, status: int | None, error: Error, not_before_s: float = 0.0, objection: Objection = NONE
    ) -> None:
        super().__init__(fault.message, retryable=fault.retryable)
        self.fault = fault
        self.status = status
        named = isinstance(error.code, str) and re.fullmatch(r"[\w.-]{1,100}", error.code, re.ASCII)
        self.code = named[0] if named else None  # fit for a log, as is:
        traced = re.search(r"request id:? ?([\w-]{1,64})", error.message or "", re.ASCII | re.IGNORECASE)
        self.request_id = traced[1] if traced else None
        self.not_before_s = max(fault.not_before_s, not_before_s)
        self.objection = objection

    def name_settings(self, **names: str) -> None:
        """Say what the settings are called that the operator should look at."""
        self.args = (self.fault.message.format(**names),)


# Of what else a refusal may be about, no parameter is the reason, whatever words it uses.
_NOT_OF_PARAMETERS: Final = frozenset(
    (
        faults.KEY,
        faults.DENIED,
        faults.MODEL,
        faults.CLOSED,
        faults.QUOTA,
        faults.SENSITIVE,
        faults.BUSY,
        faults.LOADING,
        faults.CONTEXT,
    )
)


def refusal(status: int | None, error: Error, not_before_s: float = 0.0, body: bytes | None = None) -> Refused:
    """What an error means. `status`: None where that was 200 none the less; `body`: all that was said with it."""
    if (number := _http_status(error.code)) is not None:
        status = number
    fault, by_code = _meant(status, error)
    by_status = not by_code and status == 403  # "streaming requests are not yet allowed": the status is not the reason
    objection = NONE
    if body is not None and (by_status or fault not in _NOT_OF_PARAMETERS):
        objection = read_objection(status, body)
    return Refused(fault, status, error, not_before_s, objection)


def _meant(status: int | None, error: Error) -> tuple[Fault, bool]:
    """The fault, and whether a code names it."""
    code = error.code if isinstance(error.code, str) else ""
    while code and code not in BY_CODE:
        code = code.rpartition(".")[0]
    if code:
        fault = BY_CODE[code]
    elif status is None or status >= 500:
        fault = faults.BROKEN
    elif 300 <= status < 400:
        fault = faults.ADDRESS
    else:
        fault = BY_STATUS.get(status, faults.REQUEST)
    said = (error.message or "")[:2000]
    return next((meant for alone, words, meant in BY_WORDS if fault is alone and words.search(said)), fault), bool(code)


def _http_status(code: str | float | None) -> int | None:
    """The status, where a server repeats it as its code; some have numbers of their own there."""
    number = int(code) if isinstance(code, str) and re.fullmatch("[0-9]{3}", code) else code
    return number if isinstance(number, int) and 400 <= number < 600 else None


def error_in(body: bytes) -> Error:
    """What the body of a refusal says; nothing, where it is the HTML of a gateway."""
    try:
        return error_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Error()


def error_of(said: object) -> Error:
    """`error` is an object or a text; where there is none, the same stands around it, or in FastAPI's `detail`."""
    if isinstance(said, list) and len(said) == 1:  # Gemini's
        said = said[0]
    if isinstance(said, str):
        return Error(message=said)
    if not isinstance(said, dict):
        return Error()
    inner = said.get("error") or said.get("message") or said.get("detail")
    if isinstance(inner, dict | list) and (found := error_of(inner)) != Error():
        return found
    code = said.get("code")
    return Error(
        code if isinstance(code, str | int | float) else None, message=inner if isinstance(inner, str) else None
    )
