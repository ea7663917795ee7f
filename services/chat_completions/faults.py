"""Pure: what can be wrong with an answer, as the person is told it, and who must do what.

`{model}`, `{endpoint}` and `{key}` become the names of the settings that the engine was opened with.
"""

from dataclasses import dataclass
from typing import Final

from services.base import LLMError


@dataclass(frozen=True, slots=True)
class Fault:
    """What a refusal means: the sentence for the person, and who must do what."""

    message: str
    retryable: bool = False
    operator: bool = False  # nobody but the operator can mend it: logged as an error, once
    not_before_s: float = 0.0  # trying again sooner is of no use


KEY: Final = Fault("The language model refused the key of this server; its operator should check {key}.", operator=True)
DENIED: Final = Fault(
    "The language model denied access; this server's operator should check the account.", operator=True
)
MODEL: Final = Fault(
    "The language model was not found; this server's operator should check its name, {model}.", operator=True
)
NO_MODEL: Final = Fault(
    "The language model's server has no model to talk with; this server's operator should load one, or name it in "
    "{model}.",
    operator=True,
)
NOT_FOUND: Final = Fault(
    "The language model was not found; this server's operator should check its name, {model}, and the endpoint, "
    "{endpoint}, /v1 for example.",
    operator=True,
)
CLOSED: Final = Fault(
    "The language model is switched off at its vendor; its operator should check it.", True, True, 60.0
)
QUOTA: Final = Fault("The language model's quota is used up; this server's operator should check it.", operator=True)
SENSITIVE: Final = Fault("The language model declined because of sensitive content; please put it in other words.")
REQUEST: Final = Fault(
    "The language model refused the request; its operator should check the settings {model}, llm.reasoning_effort and "
    "llm.stream.",
    operator=True,
)
CONTEXT: Final = Fault(
    "The conversation is longer than the language model can take; its operator should set a lower llm.context_tokens.",
    operator=True,
)
ADDRESS: Final = Fault(
    "The language model is not at its address; the operator should check the endpoint, {endpoint}.", operator=True
)
BUSY: Final = Fault("The language model is too busy at the moment; please try again.", retryable=True)
LOADING: Final = Fault("The language model is still being loaded; please try again in a moment.", retryable=True)
BROKEN: Final = Fault("The language model failed on its own side; please try again.", retryable=True)
UNREADABLE: Final = Fault("The language model sent an answer that cannot be read; please try again.", retryable=True)
TOO_LONG: Final = Fault(
    "The language model's answer was cut at its greatest length; its operator should allow more tokens."
)
CUT: Final = Fault("The connection to the language model broke before its answer was whole.", retryable=True)
UNREACHABLE: Final = Fault("The language model cannot be reached at the moment; please try again.", retryable=True)
CERTIFICATE: Final = Fault(
    "The language model's certificate is not valid; its operator should check it.", operator=True
)


def failure(fault: Fault) -> LLMError:
    return LLMError(fault.message, retryable=fault.retryable, too_long=fault is TOO_LONG)
