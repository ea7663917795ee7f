"""The audio of one microphone in, in pieces of any size; where speech begins and ends in it, and that speech, out."""

from collections import deque

from conversation.endpointing import Endpointer, EndpointingSettings, SpeechStarted, SpeechStopped, UtteranceAudio
from server.backend import Backend
from server.config import AgentConfig
from services.base import HEARING_RATE_HZ

HearingEvent = SpeechStarted | UtteranceAudio | SpeechStopped

_BYTES_PER_SAMPLE = 2


class Microphone:
    """Its clock is the audio that was received, listened to or not."""

    def __init__(self, backend: Backend) -> None:
        settings = _endpointing_settings(backend.config.agent)
        self._detector = backend.vad.open_detector()
        self._endpointer = Endpointer(settings, backend.vad.frame_samples)
        self._frames: deque[bytes] = deque()  # not listened to yet
        self._frame_bytes = backend.vad.frame_samples * _BYTES_PER_SAMPLE
        self._speaking = False
        self._limit_bytes = backend.config.limits.buffered_audio_seconds * HEARING_RATE_HZ * _BYTES_PER_SAMPLE

    @property
    def received_ms(self) -> int:
        """How much has come in all."""
        return milliseconds(self._endpointer.received_samples)

    def receive(self, pcm: bytes) -> None:
        """More audio. Of what nobody listens to, the oldest is forgotten in the end."""
        self._frames.extend(self._endpointer.frames(pcm))
        while len(self._frames) * self._frame_bytes > self._limit_bytes:
            self._endpointer.skip(self._frames.popleft())

    def listen(self) -> list[HearingEvent] | None:
        """What the next frame of it brings; None where all was listened to."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        events = self._endpointer.receive(frame, self._detector.probability(frame))
        for event in events:
            if not isinstance(event, UtteranceAudio):
                self._speaking = isinstance(event, SpeechStarted)
        return events

    def forget(self) -> bool:
        """Listen to nothing of what has come so far. Whether that was in the middle of speech."""
        for frame in self._frames:
            self._endpointer.skip(frame)
        self._frames.clear()
        self._endpointer.reset()
        speaking, self._speaking = self._speaking, False
        return speaking


def milliseconds(samples: int) -> int:
    """On the clock of the received audio."""
    return samples * 1000 // HEARING_RATE_HZ


def _endpointing_settings(agent: AgentConfig) -> EndpointingSettings:
    """As the operator has chosen."""
    return EndpointingSettings(
        end_of_speech_ms=agent.end_of_speech_ms,
        pre_roll_ms=agent.pre_roll_ms,
        shortest_utterance_ms=agent.shortest_utterance_ms,
        longest_utterance_ms=int(agent.longest_utterance_seconds * 1000),
    )
