"""Requests as they are sent and the server's events in; each request's answer out, sans-IO: it waits for nothing.

The protocol numbers nothing. What makes it work: one request at a time is under way, so that an answer, a refusal and
a lost connection can only be its. `ping` and `get_history` are answered at once, beside it. What the server says
unasked (the turns of agent mode, an error about a late chunk) can be told from an answer.
"""

from collections import deque
from typing import Any

from chatanon_client.errors import ChatAnonError
from chatanon_client.events import (
    AgentListening,
    AudioStreamStarted,
    Event,
    History,
    HistoryCleared,
    Response,
    SpeechStarted,
    SpeechStopped,
    Transcription,
    TurnEnd,
    TurnEvent,
    TurnStarted,
)
from chatanon_client.turns import Request, Turn

BESIDE_AN_ANSWER = "history_unavailable"
# About sound. Typed requests never fail with these.
VOICE_ERRORS = frozenset(
    {"asr_failed", "asr_timeout", "audio_too_long", "bad_audio", "no_speech", "stream_timeout", "wrong_state"}
)
# One chunk was refused, and the stream goes on.
CHUNK_ERRORS = frozenset({"bad_audio", "bad_message", "rate_limited"})
_ABOUT_SOUND = Transcription | SpeechStarted | SpeechStopped


class Ledger:
    """What was asked over one connection and is not answered yet."""

    def __init__(self) -> None:
        self.ends_itself = False  # `stages` was granted: every turn has its `turn_end`
        self.was_useful = False  # there was an answer, or an unasked turn
        self.in_agent_mode = False
        self._asked: Request[Any] | None = None
        self._beside: deque[Request[Any]] = deque()
        self._unasked: Turn | None = None  # a turn of agent mode
        self._stray_expected = False

    @property
    def is_waiting(self) -> bool:
        return self._asked is not None

    def ask(self, request: Request[Any]) -> None:
        self._asked = request

    def ask_beside(self, request: Request[Any]) -> None:
        self._beside.append(request)

    def lose(self, error: ChatAnonError) -> int:
        """The connection is gone, and with it what was under way. How many turns had no answer.

        Once there is the extension `resume`, this is where a turn that goes on would be kept for the next connection.
        """
        lost = isinstance(self._asked, Turn) and not self._asked.is_done
        for request in (self._asked, *self._beside):
            if request is not None:
                request.fail(error)
        self._asked, self._unasked = None, None
        self._beside.clear()
        return int(lost)

    def receive(self, event: Event) -> bool:
        """False: it only says that sound arrived late for a stream whose end was told before."""
        if isinstance(event, ChatAnonError):
            return self._receive_error(event)
        self._answer(event)
        match event:
            case AudioStreamStarted() if isinstance(self._asked, Turn) and self._asked.kind == "stream":
                self._stray_expected = False
                self._asked.started.set()
            case AgentListening():
                self.in_agent_mode, self._unasked = True, None
            case Transcription(is_partial=False) if self.in_agent_mode and not self._is_in_turn:
                self._unasked = self._unasked or Turn("", "agent")
            case TurnStarted(input="agent"):
                self._unasked = self._unasked or Turn("", "agent")
            case TurnStarted():
                self._unasked = None
        if isinstance(event, TurnEvent):
            self._add(event)
        return True

    @property
    def _is_in_turn(self) -> bool:
        """The request that is under way is a turn and has begun."""
        return isinstance(self._asked, Turn) and self._asked.begun

    def _answer(self, event: Event) -> None:
        """What is answered by one event."""
        if self._asked is not None and isinstance(event, self._asked.answer):
            self._asked.finish(event)
            self._asked, self.was_useful = None, True
            return
        for request in self._beside:
            if isinstance(event, request.answer):
                request.finish(event)
                self._beside.remove(request)
                return

    def _add(self, event: TurnEvent) -> None:
        if self._unasked is not None:
            over = self._unasked.add(event, ends_itself=self.ends_itself)
            self._unasked = None if over else self._unasked
        elif isinstance(self._asked, Turn):
            if self.in_agent_mode and isinstance(event, _ABOUT_SOUND) and not self._asked.begun:
                return
            over = self._asked.add(event, ends_itself=self.ends_itself)
            self._asked = None if over else self._asked
        else:
            over = isinstance(event, Response | TurnEnd)
        self.was_useful = self.was_useful or over

    # ---------------------------------------------------------------- errors

    def _receive_error(self, error: ChatAnonError) -> bool:
        asked = self._asked
        turn = asked if isinstance(asked, Turn) else None
        if error.code == "wrong_state" and self._stray_expected:
            self._stray_expected = False
            return False
        if error.code == BESIDE_AN_ANSWER:
            self._fail_history(error)
        elif turn is not None and turn.turn_id and turn.turn_id == error.turn_id:
            turn.error = error
        elif self._unasked is not None:
            self._unasked, self.was_useful = None, True
        elif turn is not None and turn.turn_id:
            pass  # said while it goes on
        elif self.in_agent_mode and error.code in VOICE_ERRORS and not (turn and (turn.begun or turn.kind == "audio")):
            pass
        elif turn is not None and turn.has_rest and turn.started.is_set() and error.code in CHUNK_ERRORS:
            pass
        else:
            # Its chunks, or its end, may be on their way: the server says one `wrong_state` to all that comes late.
            if turn is not None and turn.kind == "stream":
                self._stray_expected = turn.started.is_set()
            self._fail(error)
        return True

    def _fail(self, error: ChatAnonError) -> None:
        if self._asked is not None:
            self._asked.fail(error)
            self._asked, self.was_useful = None, True

    def _fail_history(self, error: ChatAnonError) -> None:
        """Asked for, else said beside a turn that goes on."""
        waiting = next((each for each in self._beside if each.answer is History), None)
        if waiting is not None:
            waiting.fail(error)
            self._beside.remove(waiting)
        elif self._asked is not None and self._asked.answer is HistoryCleared:
            self._fail(error)
