"""Whatever can go wrong, as one exception: what the server refuses, how a connection ended, why there is none."""

from __future__ import annotations  # wire.py reads the types of fields as they are written

from dataclasses import dataclass

# Codes of this library's own. All others are the server's: docs/protocol.en.md, 8, and the reasons of `disconnected`.
URL_CODES = ("url_unreadable", "url_scheme", "url_brackets", "url_no_host")
UNREACHABLE_CODES = (
    "no_server", "no_such_host", "no_answer", "cut_at_once", "network_down", "no_websocket", "http_status", "http_404",
    "bad_proxy", "socks_proxy", "tls_failed", "address_impossible",
)  # fmt: skip
LOST, LEFT, NOT_GRANTED, FELL_BEHIND, SERVER_SILENT = "lost", "left", "not_granted", "fell_behind", "server_silent"
OWN_CODES = (*URL_CODES, *UNREACHABLE_CODES, LOST, LEFT, NOT_GRANTED, FELL_BEHIND, SERVER_SILENT)


@dataclass(eq=False)
class ChatAnonError(Exception):
    """`code` is for programs and does not change; `message` is a sentence for people. `fatal`: the talk is over, and
    another connection would end the same way until something is changed (the token, the address, another device).
    """

    code: str = ""
    message: str = ""
    fatal: bool = False
    retryable: bool = False  # the same again may work
    retry_after_ms: int = 0  # the server asks for so much silence
    ref: str = ""  # of an incident, in the server's log too
    turn_id: str = ""
    close_code: int = 0  # of the WebSocket, where the connection ended
    detail: str = ""  # what `message` says beyond `code`: an HTTP status, the system's own words

    def __str__(self) -> str:
        return f"{self.message} ({self.code})" if self.message else self.code
