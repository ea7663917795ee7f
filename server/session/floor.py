"""Every event of turn-taking in one session in; what the table says of it is done, in the mode that is open.

The table (conversation/turn_taking.py) knows no object; this is its hand. Both sides tell it what happened: what is
heard (the modes) and what is said (the turns).
"""

from typing import Protocol

from conversation.turn_taking import AGENT_MODE, WITHOUT_MODE, Attention, Effect, Event, Heard, Said, TurnTaking


class VoiceMode(Protocol):
    """A stream or agent mode: modes/stream.py, modes/agent.py."""

    expected: str  # what to send while it is open, for who sends something else

    async def receive(self, chunk: bytes) -> None:
        """The next audio. Waits while the ASR is behind.

        Raises:
            BadAudio, AudioTooLong: it is not taken.
        """
        ...

    async def discard(self) -> None:
        """Forget what is being said; nothing is answered."""
        ...

    async def do(self, effect: Effect) -> None:
        """What the table says of it."""
        ...

    async def hear(self, *, waits: bool) -> None:
        """To audio that was held, if it is to be heard now. `waits`: for room in the utterance's buffer."""
        ...


class RunningTurn(Protocol):
    """What the character is saying, if it is: turns.py."""

    def cut(self) -> None:
        """It ends here."""
        ...

    def hold(self) -> None:
        """It waits."""
        ...

    def release(self) -> None:
        """It goes on."""
        ...


class Floor:
    """Who may speak now, in one session. `turn` is set once there is what may be cut."""

    turn: RunningTurn

    def __init__(self, *, full_duplex: bool = False) -> None:
        """`full_duplex`: replies are listened over."""
        self.full_duplex = full_duplex
        self._taking = TurnTaking(full_duplex=full_duplex)
        self._mode: VoiceMode | None = None  # the one that is open, or was open last

    @property
    def heard(self) -> Heard:
        """What becomes of the user's audio."""
        return self._taking.heard

    @property
    def attention(self) -> Attention:
        """What becomes of audio that arrives now, in agent mode."""
        return self._taking.attention

    @property
    def open(self) -> VoiceMode | None:
        """The mode that takes chunks now."""
        return None if self.heard in WITHOUT_MODE else self._mode

    def allows(self, asked: Event) -> bool:
        """Whether the user may ask for this now."""
        return self._taking.allows(asked)

    async def give(self, mode: VoiceMode, start: Event) -> None:
        """A mode begins. One that begins while a turn runs is told so."""
        self._mode = mode
        await self.happened(start)
        if self._taking.said is Said.SPEAKING:
            await self.happened(Event.TURN_STARTED)

    async def told(self, mode: VoiceMode, event: Event) -> bool:
        """An event from a mode; it is ignored where another mode was started since."""
        return mode is self._mode and await self.happened(event)

    async def happened(self, event: Event) -> bool:
        """Do what the table says. True where it says that a turn begins."""
        effects = self._taking.receive(event)
        for effect in effects:
            await self._do(effect)
        # Nothing may wait for room here: in a request's task, the one that would take the audio comes after this.
        if self.heard in AGENT_MODE and self._mode is not None:
            await self._mode.hear(waits=False)
        return Effect.START_TURN in effects

    async def _do(self, effect: Effect) -> None:
        match effect:
            case Effect.CUT_TURN:
                self.turn.cut()
            case Effect.RELEASE_TURN:
                self.turn.release()
            case _ if self._mode is not None:
                if effect is Effect.HOLD_TURN:
                    self.turn.hold()
                await self._mode.do(effect)
