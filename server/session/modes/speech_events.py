"""Where speech begins and ends in what was received, in; the messages of the extension `speech_events` out."""

from typing import assert_never

from conversation.endpointing import Event, SpeechStarted, SpeechStopped, UtteranceAudio
from server.audio.received_audio import ReceivedAudio, milliseconds
from server.protocol import wire
from server.protocol.extensions import Extensions
from server.session.client import Send


class SpeechEvents:
    """Says nothing to a user who did not ask for them."""

    def __init__(self, send: Send, extensions: Extensions) -> None:
        self.wanted = "speech_events" in extensions
        self._send = send

    async def tell(self, event: Event) -> None:
        """One that endpointing has found."""
        match event:
            case SpeechStarted(at_sample) if self.wanted:
                await self._send(wire.SpeechStarted(milliseconds(at_sample)))
            case SpeechStopped(at_sample) if self.wanted:
                await self._send(wire.SpeechStopped(milliseconds(at_sample)))
            case SpeechStarted() | SpeechStopped() | UtteranceAudio():
                pass
            case _:
                assert_never(event)

    async def cut(self, received: ReceivedAudio | None) -> None:
        """Nothing of what was received is listened to any more; where that cuts speech short, so it is told."""
        if received is not None and received.forget() and self.wanted:
            await self._send(wire.SpeechStopped(received.received_ms))

    async def part(self, received: ReceivedAudio, samples: int) -> None:
        """After so many samples of its utterance, what follows is other speech, though there was no pause."""
        if (at := received.part(samples)) is not None and self.wanted:
            await self._send(wire.SpeechStopped(milliseconds(at)))
