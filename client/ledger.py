"""Requests as they are sent and the server's messages in; each request's answer out, sans-IO: it waits for nothing.

The protocol numbers nothing. What makes it work: the server answers in the order it was asked, and of what it says
unasked (the turns of agent mode, an error about a late chunk) all can be told from an answer.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio

from client.connection import Frame, text_of

Send = Callable[[Frame], Awaitable[None]]

BESIDE_AN_ANSWER = "history_unavailable"
# About sound. Typed requests never fail with these.
VOICE_ERRORS = frozenset(
    {"asr_failed", "asr_timeout", "audio_too_long", "bad_audio", "no_speech", "stream_timeout", "wrong_state"}
)
# One chunk was refused, and the stream goes on.
CHUNK_ERRORS = frozenset({"bad_audio", "bad_message", "rate_limited"})


class Request:
    """A message that the server answers. `on_sent` is called when the last of it is on its way."""

    def __init__(self, message: Frame, on_sent: Callable[[], object] | None = None) -> None:
        self.message = message
        self.done = anyio.Event()
        self.failed = False
        self.on_sent = on_sent or (lambda: None)
        self.started = anyio.Event()  # the server wants the rest, or never will
        self.has_rest = False  # more of it is still to be sent

    @property
    def kind(self) -> object:
        return self.message.get("type")

    def finish(self, *, failed: bool) -> None:
        self.failed = failed
        self.done.set()
        self.started.set()

    async def send_rest(self, send: Send) -> None:
        """What follows the message, if anything does."""


class Ledger:
    """What was asked over one connection and is not answered yet."""

    def __init__(self) -> None:
        self.was_useful = False  # there was an answer, or an unasked turn
        self._unanswered: deque[Request] = deque()
        self._in_agent_mode = False
        self._unasked_turn = False
        self._stray_expected = False

    def __len__(self) -> int:
        return len(self._unanswered)

    def add(self, request: Request) -> None:
        self._unanswered.append(request)

    def lose(self) -> int:
        """The connection is gone. Nothing is sent again: the server may have handled it. How many had no answer."""
        lost = len(self._unanswered)
        while self._unanswered:
            self._unanswered.popleft().finish(failed=True)
        return lost

    def receive(self, frame: Frame) -> None:
        match frame.get("type"):
            case "audio_stream_started" if self._oldest_kind == "audio_stream_start":
                self._stray_expected = False
                self._unanswered[0].started.set()
            case "transcription" if self._in_agent_mode and frame.get("is_partial") is False:
                self._unasked_turn = True
            case "turn_started":
                self._unasked_turn = frame.get("input") == "agent"
            case "agent_listening":
                self._in_agent_mode, self._unasked_turn = True, False
                if self._oldest_kind == "agent_mode_start":
                    self._answer()
            case "response":
                self._end_turn()
            case "history_cleared" | "character_switched":
                self._answer()

    def receive_error(self, frame: Frame) -> bool:
        """False: it only says that sound arrived late for a stream whose end was shown before."""
        code = text_of(frame, "code")
        oldest = self._unanswered[0] if self._unanswered else None
        if code == "wrong_state" and self._stray_expected:
            self._stray_expected = False
            return False
        if code == BESIDE_AN_ANSWER:
            pass
        elif self._unasked_turn:
            self._end_turn()
        elif self._in_agent_mode and code in VOICE_ERRORS:
            pass
        elif oldest is not None and oldest.has_rest and oldest.started.is_set() and code in CHUNK_ERRORS:
            pass
        else:
            # Its chunks, or its end, may be on their way: the server says one `wrong_state` to all that comes late.
            if oldest is not None and oldest.kind == "audio_stream_start":
                self._stray_expected = oldest.started.is_set()
            self._answer(failed=True)
        return True

    @property
    def _oldest_kind(self) -> object:
        return self._unanswered[0].kind if self._unanswered else None

    def _end_turn(self) -> None:
        if self._unasked_turn:
            self._unasked_turn, self.was_useful = False, True
        else:
            self._answer()

    def _answer(self, *, failed: bool = False) -> None:
        self.was_useful = True
        if self._unanswered:
            self._unanswered.popleft().finish(failed=failed)
