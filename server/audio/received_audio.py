"""The audio of one mode in, in pieces of any size; where speech begins and ends in it, and that speech, out."""

from collections import deque
from collections.abc import Callable

import anyio

from conversation.endpointing import (
    BYTES_PER_SAMPLE,
    STILL_VOICED,
    Endpointer,
    EndpointingSettings,
    Event,
    SpeechStarted,
    UtteranceAudio,
)
from conversation.interruption.echo_guard import EchoGuard
from conversation.interruption.end_of_turn import silence_ms
from server.config import AgentConfig, Config
from services.base import RECOGNITION_RATE_HZ, VAD, SpeechDetector

# Nobody speaks faster than in real time. Who sends so is read at this multiple of it, once the buffer is full.
_FASTEST = 1.5
_PAUSE_MS = 224


class ReceivedAudio:
    """Its clock is the audio that was received, listened to or not."""

    def __init__(self, config: Config, vad: VAD, echo: EchoGuard | None = None) -> None:
        """`echo`: what a loudspeaker beside the microphone plays, where that is heard too."""
        self._agent = config.agent
        self._speech_in = _without_echo(vad.open_detector(), echo)
        self._endpointer = Endpointer(_endpointing_settings(config.agent), vad.frame_samples)
        self._frames: deque[tuple[float, bytes]] = deque()  # not listened to yet: when each came
        self._buffered_s = config.limits.buffered_audio_seconds
        self._frame_ms = 1000 * vad.frame_samples / RECOGNITION_RATE_HZ
        self._due = 0.0  # when what was received so far would have been spoken at the fastest
        self._speaking = False
        self._silent_frames = 0
        self.heard_at = 0.0  # when the last audio that was listened to came, on the loop's clock

    @property
    def received_ms(self) -> int:
        """How much has come in all."""
        return milliseconds(self._endpointer.received_samples)

    @property
    def heard_samples(self) -> int:
        """How much of it was listened to or skipped."""
        return self._endpointer.clock

    @property
    def pauses(self) -> bool:
        """Whether a pause in the speech has just become one."""
        return self._silent_frames == _PAUSE_MS // self._frame_ms

    async def receive(self, pcm: bytes) -> None:
        """More audio. Waits for who sends faster than one can speak; of what nobody listens to, the oldest is forgotten
        in the end."""
        now = anyio.current_time()
        self._due = max(self._due, now - self._buffered_s) + len(pcm) / (
            _FASTEST * RECOGNITION_RATE_HZ * BYTES_PER_SAMPLE
        )
        self._frames.extend((now, frame) for frame in self._endpointer.frames(pcm))
        while len(self._frames) > 1000 * self._buffered_s // self._frame_ms:
            self._endpointer.skip(self._frames.popleft()[1])
        await anyio.sleep(max(0.0, self._due - now))  # at least lets the others have their turn

    def next_events(self) -> list[Event] | None:
        """What the next frame of it brings; None where all was listened to."""
        if not self._frames:
            return None
        self.heard_at, frame = self._frames.popleft()
        probability = self._speech_in(frame, self.heard_at)
        self._silent_frames = 0 if probability >= STILL_VOICED else self._silent_frames + 1
        events = self._endpointer.receive(frame, probability)
        for event in events:
            if not isinstance(event, UtteranceAudio):
                self._speaking = isinstance(event, SpeechStarted)
        return events

    def understood(self, text: str) -> None:
        """So much was recognised of the utterance in progress: by that, it may end sooner or later than usual."""
        if self._agent.end_of_turn == "words" and self._endpointer.utterance is not None:
            self._endpointer.utterance.silence_ms = silence_ms(text, self._agent.end_of_speech_ms)

    def part(self) -> bool:
        """What comes next is none of the utterance in progress. Whether that was in the middle of speech."""
        self._endpointer.reset()
        speaking, self._speaking = self._speaking, False
        return speaking

    def forget(self) -> bool:
        """Listen to nothing of what has come so far. Whether that was in the middle of speech."""
        for _, frame in self._frames:
            self._endpointer.skip(frame)
        self._frames.clear()
        self._endpointer.forget_rest()
        speaking, self._speaking = self._speaking, False
        return speaking


def milliseconds(samples: int) -> int:
    """On the clock of the received audio."""
    return samples * 1000 // RECOGNITION_RATE_HZ


def _without_echo(detector: SpeechDetector, echo: EchoGuard | None) -> Callable[[bytes, float], float]:
    """How likely somebody speaks in a frame that came then, and not only our own loudspeaker."""
    if echo is None:
        return lambda frame, at: detector.probability(frame)
    return lambda frame, at: echo.heard(frame, at * 1000, detector.probability(frame))


def _endpointing_settings(agent: AgentConfig) -> EndpointingSettings:
    """As the operator has chosen."""
    return EndpointingSettings(
        end_of_speech_ms=agent.end_of_speech_ms,
        pre_roll_ms=agent.pre_roll_ms,
        shortest_utterance_ms=agent.shortest_utterance_ms,
        longest_utterance_ms=int(agent.longest_utterance_seconds * 1000),
    )
