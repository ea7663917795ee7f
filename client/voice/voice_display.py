"""What the server heard and when in; one live line (level, partial transcript), final transcripts and latency out."""

import anyio

from chatanon_client import Audio, ChatAnonError, Connected, Event, Response, Thinking, Transcription, TurnEnd
from client.chat import Companion
from client.explain import printable
from client.language import tell
from client.terminal import Style, Terminal
from client.voice.sound_source import Source, level_of

METER_STEPS = 8
SHOW_S = 2.0  # after a response, for the server's own figures to come


class Latency:
    """From the end of what the user said to the first sound of the reply, by this clock and by the server's."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._asked_at: float | None = None
        self._own_ms: float | None = None
        self._has_turns = False
        self.shown = anyio.Event()  # for the latest reply
        self.shown.set()

    def start(self, asked_at: float | None = None) -> None:
        """The user has said it all, now or at that moment of the loop's clock."""
        self._asked_at = anyio.current_time() if asked_at is None else asked_at
        self._own_ms = None

    def receive(self, event: Event) -> None:
        match event:
            case Connected(extensions=granted):
                self._has_turns = "turns" in granted
            case Thinking():
                self.shown = anyio.Event()
            case Audio() if self._own_ms is None and self._asked_at is not None:
                self._own_ms = max(0.0, (anyio.current_time() - self._asked_at) * 1000)
            case Response() if not self._has_turns:
                self._show(None)
            case TurnEnd(timings_ms=timings):
                self._show(timings.get("first_audio"))
            case ChatAnonError():
                self.forget()

    async def wait_shown(self) -> None:
        with anyio.move_on_after(SHOW_S):
            await self.shown.wait()

    def forget(self) -> None:
        self._asked_at = self._own_ms = None
        self.shown.set()

    def _show(self, server_ms: float | None) -> None:
        own = [tell("first_sound", ms=f"{self._own_ms:.0f}")] if self._own_ms is not None else []
        servers = [tell("first_sound_server", ms=f"{server_ms:.0f}")] if server_ms is not None else []
        if own or servers:
            self._terminal.show(tell("in_brackets", text=tell("comma").join(own + servers)), Style.FAINT)
        self.forget()


class VoiceDisplay(Companion):
    """The companion of every mode with sound in it; it works with any of its extensions missing."""

    extensions: tuple[str, ...] = ("sentences", "turns", "speech_events")

    def __init__(self, terminal: Terminal) -> None:
        self.latency = Latency(terminal)
        self.source: Source | None = None  # what is open, to be closed when the program ends
        self._terminal = terminal
        self._meter = ""
        self._partial = ""

    def receive(self, event: Event) -> None:
        self.latency.receive(event)
        match event:
            case Transcription():
                text, self._partial = printable(event.text), ""
                if event.is_partial:
                    self._partial = text
                elif text:
                    self._terminal.show(tell("you_said", text=text), Style.SPOKEN)
                self._refresh()
            case Thinking() | ChatAnonError():
                self._partial = ""
                self._refresh()

    def lose(self) -> None:
        self.latency.forget()
        self._partial = ""
        self.close_meter()

    def close(self) -> None:
        if self.source is not None:
            self.source.close()

    def show_level(self, pcm: bytes, *, muted: bool = False) -> None:
        """Of the latest chunk from the open microphone."""
        steps = round(level_of(pcm) * METER_STEPS)
        self._meter = tell("muted") if muted else f"● {'▮' * steps}{'▯' * (METER_STEPS - steps)}"
        self._refresh()

    def close_meter(self) -> None:
        self._meter = ""
        self._refresh()

    def _refresh(self) -> None:
        self._terminal.show_status(f"{self._meter} {self._partial}".strip())
