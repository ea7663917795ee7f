"""The client of one session, as what is said sees it: messages, and the sound in them, in; the socket out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

import anyio

from conversation.interruption.echo_guard import EchoGuard
from conversation.playback import Playback
from server.protocol import wire
from server.protocol.extensions import Extensions

Send: TypeAlias = Callable[[wire.AnyServerFrame], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Client:
    """Where messages go, what it understands and sends, and what it may still be playing."""

    send: Send
    extensions: Extensions
    audio_rate_hz: int  # of the audio it sends
    playback: Playback = field(default_factory=Playback)
    echo: EchoGuard | None = None  # where its microphone is heard while it plays

    @property
    def can_interrupt(self) -> bool:
        """Whether its user may cut a reply short."""
        return "barge_in" in self.extensions

    @property
    def plays_for_s(self) -> float:
        """How long what comes next has to wait for the end of what was sent; 0 where nothing waits for that."""
        return self.playback.left_s(monotonic()) if self.extensions.waits_for_playback else 0.0

    async def played_out(self) -> None:
        """Wait for that; also for what is sent meanwhile."""
        while (left_s := self.plays_for_s) > 0:  # noqa: ASYNC110 - until a time, which may move
            await anyio.sleep(left_s)
