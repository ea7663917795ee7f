"""Streams and agent mode of one user: their messages and audio in, calls on the one that is open out."""

from typing import TypeAlias

import anyio
import anyio.lowlevel

from conversation.agent_mode import Happened
from server.audio.conversion import AudioTooLong, BadAudio
from server.backend import Backend
from server.protocol import close_codes, wire
from server.session.agent_session import AgentSession
from server.session.hearing import Ears
from server.session.stream_session import StreamSession
from server.session.talk import Talk
from server.transport.connection import Connection, HangUp
from server.transport.rate_limits import TokenBucket

VoiceSession: TypeAlias = StreamSession | AgentSession

_EXPECTED = {
    StreamSession: "A stream is open: send audio_stream_chunk or audio_stream_end",
    AgentSession: "Hands-free talk is on: send agent_audio_chunk or agent_mode_stop",
}


class VoiceModes:
    """At most one is open."""

    def __init__(self, backend: Backend, connection: Connection, talk: Talk, ears: Ears) -> None:
        self._backend = backend
        self._connection = connection
        self._talk = talk
        self._ears = ears
        self._rate = _ChunkRate(backend)
        self._last: VoiceSession | None = None  # the one that is open, or was open last
        self._ended = False  # by the user
        self._asked = False  # for any at all
        self._told_late = False  # that it is over, or was refused: once, whatever comes late for it
        self._turn_runs = False
        talk.watcher = self

    @property
    def _open(self) -> VoiceSession | None:
        return self._last if self._last is not None and not self._ended and self._last.open else None

    async def start_stream(self) -> None:
        """An utterance follows in chunks."""
        if self._open is not None:
            await self._connection.refuse("wrong_state", _EXPECTED[type(self._open)])
            return
        self._asked, self._told_late = True, False
        if await self._talk.allows_turn():
            await self._start(StreamSession(self._backend, self._talk, self._ears, self._connection.send))

    async def end_stream(self) -> None:
        """The streamed utterance is whole."""
        session = self._open
        if isinstance(session, StreamSession):
            await session.end()
        elif isinstance(self._last, StreamSession) and not self._ended:  # closed by us, who said why
            await self._refuse_late()
        else:
            expected = _EXPECTED[AgentSession] if session else "There is no stream: send audio_stream_start first"
            await self._connection.refuse("wrong_state", expected)
            return
        self._ended = True

    async def start_agent(self, listening: wire.Listening) -> None:
        """Agent mode begins, after what waits; `listening` announces it."""
        if self._open is not None:
            await self._connection.refuse("wrong_state", _EXPECTED[type(self._open)])
            return
        self._asked, self._told_late = True, False
        agent = AgentSession(self._backend, self._talk, self._ears, self._connection.send, listening)
        if self._turn_runs:
            await agent.happened(Happened.TURN_STARTED)
        await self._start(agent)

    async def stop_agent(self) -> None:
        """Agent mode ends at once."""
        session = self._open
        if isinstance(session, AgentSession):
            self._ended = True
            await session.stop()
        else:
            expected = _EXPECTED[StreamSession] if session else "Hands-free talk is not on: send agent_mode_start first"
            await self._connection.refuse("wrong_state", expected)

    async def hear(self, chunk: bytes, kind: type[VoiceSession] | None = None) -> None:
        """The next audio of a mode; None: of whichever is open. Waits while the ASR is behind."""
        session = self._open
        fits = session is not None and (kind is None or isinstance(session, kind))
        if (refusal := self._rate.refusal(len(chunk) if fits else 0)) is not None:
            await self._connection.send(refusal)
        elif session is None:
            await self._refuse_late()
        elif not fits:
            await self._connection.refuse("wrong_state", _EXPECTED[type(session)])
        else:
            began = anyio.current_time()
            try:
                await session.hear(chunk)
            except BadAudio as error:
                await self._connection.refuse("bad_audio", str(error))
            except AudioTooLong as error:
                await session.stop()
                await self._connection.refuse("audio_too_long", str(error))
            self._rate.waited_s = anyio.current_time() - began

    async def allow(self, message: str) -> bool:
        """Whether a message may come now: in the middle of a stream few may, and the user is told."""
        if isinstance(self._open, StreamSession):
            await self._connection.refuse("wrong_state", f"{_EXPECTED[StreamSession]} before {message}")
            return False
        return True

    async def hang_up(self) -> None:
        """Hear no more; a turn that runs goes to its end."""
        if self._open is not None:
            await self._open.stop()

    async def turn_runs(self, runs: bool) -> None:
        """The character begins to speak, or has spoken."""
        self._turn_runs = runs
        if isinstance(self._open, AgentSession):
            await self._open.happened(Happened.TURN_STARTED if runs else Happened.TURN_FINISHED)

    async def _start(self, session: VoiceSession) -> None:
        if await session.start():
            self._last, self._ended = session, False

    async def _refuse_late(self) -> None:
        await anyio.lowlevel.checkpoint()  # a flood of what is not even answered lets the others have their turn
        if not self._told_late:
            self._told_late = self._asked
            await self._connection.refuse(
                "wrong_state", "No voice mode is open: send audio_stream_start or agent_mode_start first"
            )


class _ChunkRate:
    """So many chunks a second; who goes on sending more is hung up on.

    Only what a chunk falls short of its share of a second counts: a recording sent faster than it was spoken is held by
    the buffer of its mode and not refused, but nobody keeps us busy with crumbs.
    """

    def __init__(self, backend: Backend) -> None:
        limits, now = backend.config.limits, anyio.current_time()
        self._taken = TokenBucket(limits.audio_chunks_per_second, limits.audio_chunks_burst, now)
        self._refused = TokenBucket(limits.audio_chunks_per_second, limits.audio_chunks_burst, now)
        self._bytes_of_one = backend.config.audio.asr_sample_rate * 2 / max(limits.audio_chunks_per_second, 1)
        self.waited_s = 0.0  # how long the last one was held: what came meanwhile may come at once

    def refusal(self, size: int) -> wire.Error | None:
        """Count one more of so many bytes; the answer where it is too many.

        Raises:
            HangUp: it goes on.
        """
        now = anyio.current_time()
        wait_ms = self._taken.retry_after_ms(now, 1 - size / self._bytes_of_one, self.waited_s)
        if wait_ms is None:
            return None
        refusal = wire.Error("Too many audio chunks; slow down", "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._refused.retry_after_ms(now) is not None:
            raise HangUp(refusal, close_codes.RATE_LIMITED)
        return refusal
