"""Pure: what can be wrong with a FunASR server, for the person and for the operator."""

from dataclasses import dataclass
from typing import Final

from services.base import ASRError


@dataclass(frozen=True, slots=True)
class Fault:
    """`message` is for the person; `advice` says what only the operator can do, "" where there is nothing.

    `again`: another connection may do better.
    """

    code: str
    message: str
    advice: str = ""
    again: bool = False
    timed_out: bool = False

    @property
    def retryable(self) -> bool:
        """Whether the person may try again with success."""
        return self.again or not self.advice


class Failed(ASRError):
    """A fault on its way out."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message, retryable=fault.retryable, timed_out=fault.timed_out)
        self.fault = fault


_OPERATOR: Final = "; its operator should check it."
STALLED: Final = Fault(
    "stalled", "Speech recognition did not answer in time; please say it again.", again=True, timed_out=True
)
BROKEN_OFF: Final = Fault("broken off", "The connection to speech recognition broke; please say it again.", again=True)
UNREACHABLE: Final = Fault(
    "unreachable", "Speech recognition cannot be reached at the moment; please say it again.", again=True
)
BUSY: Final = Fault("busy", "Speech recognition is too busy at the moment; please say it again.")
FAILED: Final = Fault("failed", "Speech recognition failed on its own side; please say it again.", again=True)
UNREADABLE: Final = Fault("unreadable", "Speech recognition sent an answer that cannot be read; please say it again.")
REFUSED: Final = Fault(
    "refused",
    "Speech recognition refused how it was asked; this server's operator should check the log.",
    "check the log of the FunASR server: it refuses pcm",
)
ADDRESS: Final = Fault(
    "address",
    f"Speech recognition is not at the address this server has for it{_OPERATOR}",
    "check endpoints.funasr: host and port of a FunASR WebSocket server",
)
KEY: Final = Fault(
    "denied",
    "Speech recognition denied access; this server's operator should check the log.",
    "endpoints.funasr wants a key or a user: what stands before the FunASR server must let this one through",
)
CERTIFICATE: Final = Fault(
    "certificate",
    f"The certificate of speech recognition is not valid{_OPERATOR}",
    "FunASR ships with a certificate that vouches for nobody: set ssl.verify_funasr to false, or give it one of yours",
)
NOT_ENCRYPTED: Final = Fault(
    "no answer to TLS",
    UNREACHABLE.message,
    "the server at endpoints.funasr hangs up: if it does not speak TLS, begin the address with ws:// instead of wss://",
    again=True,
)
ENCRYPTED: Final = Fault(
    "no answer to the upgrade",
    UNREACHABLE.message,
    "the server at endpoints.funasr hangs up: if it speaks TLS, begin the address with wss:// instead of ws://",
    again=True,
)


def http_fault(status: int) -> Fault:
    """What an answer other than 101 means."""
    if status in (429, 503):
        return BUSY
    if status >= 500:
        return FAILED
    return KEY if status in (401, 403) else ADDRESS
