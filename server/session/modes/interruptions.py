"""What is said into a reply in: the reply held, cut or let go on, by the table of turn-taking, out.

conversation/interruption/ judges; what is here tells it what is heard, and the table what it found.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import anyio

from conversation.endpointing import Event as EndpointingEvent
from conversation.endpointing import SpeechStarted, SpeechStopped
from conversation.interruption.judge import HELD_S, Judge, Rules, Verdict
from conversation.turn_taking import OVER_REPLY, Event, Heard
from server.audio.received_audio import milliseconds
from server.session.requests import Requests

Tell: TypeAlias = Callable[[Event], Awaitable[object]]

_EVENTS = {
    Verdict.HARMLESS: Event.NOTHING_INTELLIGIBLE,
    Verdict.INTERRUPTS: Event.USER_INTERRUPTED,
    Verdict.NO_INTERRUPTION: Event.NOT_INTERRUPTED,
}


class Interruptions:
    """Of one agent mode; at most one at a time."""

    def __init__(self, requests: Requests, heard: Callable[[], Heard], tell: Tell, rules: Rules) -> None:
        self._requests = requests
        self._heard = heard
        self._tell = tell
        self._rules = rules
        self._judge = Judge(rules)  # of what is being said, or was said last
        self._began_at = 0  # sample
        self._holds = 0

    @property
    def pending(self) -> bool:
        """Whether somebody speaks into a reply, and it is not known what that is."""
        return self._heard() in OVER_REPLY

    def begin(self) -> None:
        """The reply is held for what is said now."""
        self._holds += 1
        self._requests.beside(partial(self._hold, self._holds))

    def note(self, event: EndpointingEvent, heard_samples: int) -> Verdict:
        """What endpointing found, before the table is told. `heard_samples`: on its clock, by now."""
        if isinstance(event, SpeechStarted):
            self._judge = Judge(self._rules)
            self._began_at = event.at_sample
        if isinstance(event, SpeechStopped):
            return self._judge.stopped(milliseconds(event.at_sample - self._began_at))
        return self._judge.spoken(milliseconds(heard_samples - self._began_at))

    async def recognises(self, text: str, *, final: bool) -> bool:
        """Whether a transcript is one of speech to the character, and not only while it speaks."""
        await self.found(self._judge.recognised(text, final=final))
        return self._heard() in (Heard.USER_SPEAKING, Heard.TRANSCRIBING)

    async def found(self, verdict: Verdict) -> None:
        """The table is told, where somebody speaks into a reply."""
        if self.pending and verdict in _EVENTS:
            await self._tell(_EVENTS[verdict])

    async def _hold(self, number: int) -> None:
        """It is held no longer than that, and not at all for who has said enough before it began."""
        if self._judge.verdict is Verdict.INTERRUPTS:
            await self.found(Verdict.INTERRUPTS)
        await anyio.sleep(HELD_S)
        if number == self._holds:
            await self._tell(Event.NOTHING_INTELLIGIBLE)
