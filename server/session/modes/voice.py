"""Starts, stops and chunks of the voice modes in; the open mode gets them, or a sentence says what is expected."""

from functools import partial
from time import monotonic

import anyio
import anyio.lowlevel
import anyio.to_thread

from conversation.interruption.own_words import load_readings
from conversation.turn_taking import AGENT_MODE, STREAM_MODE, Event, Heard
from server.audio.conversion import AudioTooLong, BadAudio
from server.backend import Backend
from server.protocol import wire
from server.session.floor import Floor
from server.session.modes.agent import AgentMode
from server.session.modes.chunk_rate import ChunkRate
from server.session.modes.speech_events import SpeechEvents
from server.session.modes.stream import StreamMode
from server.session.modes.utterances import Utterances
from server.session.requests import Requests


class VoiceModes:
    """At most one is open."""

    def __init__(
        self,
        backend: Backend,
        requests: Requests,
        utterances: Utterances,
        events: SpeechEvents,
        floor: Floor,
    ) -> None:
        self._backend = backend
        self._requests = requests
        self._utterances = utterances
        self._events = events
        self._floor = floor
        self._late = _Late(requests)
        self._rate = ChunkRate(backend.config.limits, requests.client.audio_rate_hz)

    async def start_stream(self) -> None:
        """An utterance follows in chunks."""
        if not await self._may(Event.STREAM_START):
            return
        stream = StreamMode(self._backend, self._utterances, self._events, self._requests.client, self._floor)
        work = partial(self._utterances.serve, stream.utterance, stream)
        if await self._requests.allows_turn() and await self._requests.start(work):
            await self._floor.give(stream, Event.STREAM_START)
        else:
            await self._floor.happened(Event.STREAM_REFUSED)

    async def end_stream(self) -> None:
        """The streamed utterance is whole."""
        if not self._floor.allows(Event.STREAM_END):
            await self._refuse(self._expected(AGENT_MODE) or "There is no stream: send audio_stream_start first")
            return
        if isinstance(self._floor.open, StreamMode):
            await self._floor.open.finish()
        await self._floor.happened(Event.STREAM_END)

    async def start_agent(self, listening: wire.Listening) -> None:
        """Agent mode begins, after what waits; `listening` announces it."""
        if not await self._may(Event.AGENT_START):
            return
        agent = AgentMode(self._backend, self._requests, self._utterances, self._events, self._floor, listening)
        if await self._requests.submit(partial(self._floor.told, agent, Event.AGENT_BEGUN)):
            if isinstance(listening, wire.VoiceCallListening):
                self._requests.client.extensions.begin_voice_call()
            if self._floor.full_duplex:
                self._requests.beside(partial(anyio.to_thread.run_sync, load_readings))
            await self._floor.give(agent, Event.AGENT_START)

    async def stop_agent(self) -> None:
        """Agent mode ends at once."""
        if self._floor.allows(Event.AGENT_STOP):
            await self._floor.happened(Event.AGENT_STOP)
        else:
            off = "Hands-free talk is not on: send agent_mode_start first"
            await self._refuse(self._expected(STREAM_MODE) or off)

    async def receive(self, chunk: bytes, kind: type[StreamMode | AgentMode] | None = None) -> None:
        """The next audio of a mode; None: of whichever is open. Waits while the ASR is behind."""
        mode = self._floor.open
        fits = mode is not None and (kind is None or isinstance(mode, kind))
        broken = self._floor.heard is Heard.STREAM_BROKEN
        if (refusal := self._rate.refusal(len(chunk) if fits or broken else 0)) is not None:
            await self._requests.connection.send(refusal)
        elif broken:
            await anyio.lowlevel.checkpoint()  # a flood that is not even answered lets the others have their turn
        elif mode is None:
            await self._late.refuse()
        elif not fits:
            await self._refuse(mode.expected)
        else:
            began = monotonic()
            try:
                await mode.receive(chunk)
            except BadAudio as error:
                await self._requests.connection.refuse("bad_audio", str(error))
            except AudioTooLong as error:
                await mode.discard()
                await self._requests.connection.refuse("audio_too_long", str(error))
            self._rate.waited(monotonic() - began)

    async def allow(self, message: str) -> bool:
        """Whether another request may come now; the user is told if not."""
        if self._floor.allows(Event.REQUEST):
            return True
        await self._refuse(f"{StreamMode.expected} before {message}")
        return False

    async def hang_up(self) -> None:
        """Hear no more; a turn that runs goes to its end."""
        if isinstance(self._floor.open, StreamMode):
            await self._floor.open.discard()
        await self._floor.happened(Event.AGENT_STOP)

    async def _may(self, start: Event) -> bool:
        if not self._floor.allows(start):
            await self._refuse(self._expected())
            return False
        self._late.expect()
        return True

    def _expected(self, modes: frozenset[Heard] | None = None) -> str:
        """What to send instead, in one of these modes, or any; "" in others."""
        fits = modes is None or self._floor.heard in modes
        return self._floor.open.expected if self._floor.open is not None and fits else ""

    async def _refuse(self, sentence: str) -> None:
        await self._requests.connection.refuse("wrong_state", sentence)


class _Late:
    """Chunks for which no mode is open: that is said once for each start, and each time where none was ever asked."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._asked = False
        self._told = False

    def expect(self) -> None:
        """A mode was asked for; whatever becomes of it, chunks of it may come."""
        self._asked, self._told = True, False

    async def refuse(self) -> None:
        """One more came too late, or for a mode that was refused."""
        await anyio.lowlevel.checkpoint()  # a flood of what is not even answered lets the others have their turn
        if not self._told:
            self._told = self._asked
            nothing_open = "No voice mode is open: send audio_stream_start or agent_mode_start first"
            await self._requests.connection.refuse("wrong_state", nothing_open)
