"""What a user said in; the character's turn, from `thinking` to its last message, out.

The side of what is said. A turn has a scope of its own: it can be cut short from outside, at any await.
"""

import anyio

from conversation.character import Character
from conversation.timeline import Timeline
from conversation.turn_taking import Event
from server.backend import Backend
from server.protocol import wire
from server.session.client import Client
from server.session.floor import Floor
from server.session.turn_delivery import Transcribe, TurnDelivery
from server.session.user_history import UserHistory


class Turns:
    """One user and one character at a time, and at most one turn."""

    def __init__(
        self,
        backend: Backend,
        client: Client,
        history: UserHistory,
        character: Character,
        floor: Floor,
    ) -> None:
        self.character = character
        self.history = history
        self._floor = floor
        self._backend = backend
        self._client = client
        self._count = 0
        self._last: TurnDelivery | None = None
        self._running: tuple[anyio.CancelScope, anyio.Event] | None = None  # its scope, and that it is gone

    async def answer(self, said: str | Transcribe, kind: wire.TurnInput, timeline: Timeline) -> None:
        """One turn, from within its place in the order of requests. `timeline` begins where its timings do."""
        self._count += 1
        turn = self._last = TurnDelivery(
            self._backend, self._client, self.history, self.character, self._count, timeline
        )
        scope, gone = self._running = anyio.CancelScope(), anyio.Event()
        try:
            with scope:
                await self._floor.happened(Event.TURN_STARTED)
                await turn.run(said, kind)
            if scope.cancelled_caught:
                await turn.end_cut()
        finally:
            self._running = None
            gone.set()
        await self._floor.happened(Event.TURN_FINISHED)

    async def cut(self) -> None:
        """End the running turn, if there is one. On return it is gone: it sends nothing more, what was heard is kept.

        Its client gets `audio_end` where any audio may have left, and `turn_end`: rather twice than not at all, where
        the cut came while one of them was being sent.
        """
        if self._running is not None:
            scope, gone = self._running
            scope.cancel()
            await gone.wait()

    def left_open(self) -> tuple[wire.AnyServerMessage, ...]:
        """What the client of a turn that was broken off still waits for, before it is told that we hang up."""
        turn = self._last
        return (turn.messages.audio_ended(),) if turn is not None and turn.audio_open else ()
