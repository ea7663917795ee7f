"""What a user said in; the character's turn, from `thinking` to its last message, out.

The side of what is said. A turn has a scope of its own: it can be cut short from outside, at any await before all of
its audio has left.
"""

from collections.abc import Callable, Coroutine
from functools import partial

import anyio

from conversation.character import Character
from conversation.timeline import Timeline
from conversation.turn_taking import Event
from server.backend import Backend
from server.protocol import wire
from server.session.client import Client
from server.session.early_llm import EarlyLLM
from server.session.floor import Floor
from server.session.turn_delivery import Transcribe, TurnDelivery, prompt_of
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
        llm: EarlyLLM,
    ) -> None:
        self.llm = llm
        self.character = character
        self.history = history
        self._floor = floor
        self._backend = backend
        self._client = client
        self._count = 0
        self._last: TurnDelivery | None = None
        self._running: tuple[TurnDelivery, anyio.CancelScope] | None = None  # as long as it can be cut

    async def answer(self, said: str | Transcribe, kind: wire.TurnInput, timeline: Timeline) -> None:
        """One turn, from within its place in the order of requests. `timeline` begins where its timings do."""
        self._count += 1
        turn = self._last = TurnDelivery(
            self._backend, self.llm, self._client, self.history, self.character, self._count, timeline
        )
        scope = anyio.CancelScope()
        self._running = turn, scope
        try:
            with scope:
                await self._floor.happened(Event.TURN_STARTED)
                await turn.run(said, kind)
        finally:
            self._running = None
        if scope.cancelled_caught:
            await turn.end_interrupted()
        else:
            await turn.finish()
        await self._floor.happened(Event.TURN_FINISHED)

    def guess(self, said: str) -> Callable[[], Coroutine[None, None, None]]:
        """They may have said this: what is returned asks the LLM, and a turn that turns out to answer just this has it
        already."""
        return self.llm.guess(partial(prompt_of, said, self.character, self._backend, self.history, tells=False))

    async def interrupt(self, played_ms: int | None) -> None:
        """By the client; nothing where no turn runs. `played_ms`: of the turn's audio, as the client counts it."""
        if self._running is not None:
            self._running[0].interrupt("client", played_ms)
        await self._floor.happened(Event.INTERRUPT)

    def cut(self) -> None:
        """End the running turn, if there is one and its audio is not all sent. It goes away by itself, as soon as its
        task is next on: it keeps what was heard, and then says `interrupted`, behind which nothing of it comes."""
        if self._running is not None:
            turn, scope = self._running
            turn.interrupt("speech")
            scope.cancel()

    def hold(self) -> None:
        """No more audio of the running turn leaves."""
        if self._running is not None:
            self._running[0].gate.hold()

    def release(self) -> None:
        """It goes on where it was."""
        if self._running is not None:
            self._running[0].gate.release()

    @property
    def speech(self) -> str:
        """What the character is saying, or said last."""
        return "".join(line.jp for line in self._last.reply.lines_begun()) if self._last is not None else ""

    def left_open(self) -> tuple[wire.AnyServerMessage, ...]:
        """What the client of a turn that was broken off still waits for, before it is told that we hang up."""
        turn = self._last
        return (turn.messages.audio_ended(),) if turn is not None and turn.audio_open else ()
