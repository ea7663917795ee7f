"""The audio of one mode in, in pieces of any size; where speech begins and ends in it, and that speech, out."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass(slots=True)
class _Frame:
    came_at: float  # on the loop's clock
    pcm: bytes
    probability: float | None = None  # of speech, once it was listened to


@dataclass(slots=True)
class _Spoken:
    frames: deque[_Frame]  # the last that were listened to, where they are of an utterance
    began: int = 0  # sample, of that utterance
    goes_on: bool = False  # no end of that speech was found yet


class ReceivedAudio:
    """Its clock is the audio that was received, listened to or not."""

    def __init__(self, config: Config, vad: VAD, echo: EchoGuard | None = None) -> None:
        """`echo`: what a loudspeaker beside the microphone plays, where that is heard too."""
        self._agent = config.agent
        self._speech_in = _without_echo(vad.open_detector(), echo)
        self._endpointer = Endpointer(_endpointing_settings(config.agent), vad.frame_samples)
        self._buffered_s = config.limits.buffered_audio_seconds
        limit = int(self._buffered_s * RECOGNITION_RATE_HZ / vad.frame_samples)
        self._frames: deque[_Frame] = deque()  # not listened to yet
        self._spoken = _Spoken(deque(maxlen=limit))
        self._frame_ms = 1000 * vad.frame_samples / RECOGNITION_RATE_HZ
        self._due = 0.0  # when what was received so far would have been spoken at the fastest
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
        self._frames.extend(_Frame(now, frame) for frame in self._endpointer.frames(pcm))
        while len(self._frames) > (self._spoken.frames.maxlen or 0):
            self._endpointer.skip(self._frames.popleft().pcm)
            self._spoken.frames.clear()
        await anyio.sleep(max(0.0, self._due - now))  # at least lets the others have their turn

    def next_events(self) -> list[Event] | None:
        """What the next frame of it brings; None where all was listened to."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.heard_at = frame.came_at
        if frame.probability is None:
            frame.probability = self._speech_in(frame.pcm, frame.came_at)
        self._silent_frames = 0 if frame.probability >= STILL_VOICED else self._silent_frames + 1
        events = self._endpointer.receive(frame.pcm, frame.probability)
        for event in events:
            if not isinstance(event, UtteranceAudio):
                self._spoken.goes_on = isinstance(event, SpeechStarted)
        self._remember(frame, events)
        return events

    def _remember(self, frame: _Frame, events: list[Event]) -> None:
        if (begun := self._endpointer.utterance) is not None and begun.begin != self._spoken.began:
            self._spoken.began = begun.begin
            self._spoken.frames.clear()
        if events:
            self._spoken.frames.append(frame)
        else:
            self._spoken.frames.clear()

    @property
    def silence_ms(self) -> int | None:
        """How much there is of it behind the last word of the utterance in progress; None: there is no such."""
        utterance = self._endpointer.utterance
        return milliseconds(self._endpointer.clock - utterance.speech_until) if utterance is not None else None

    def understood(self, text: str) -> None:
        """So much was recognised of the utterance in progress: by that, it may end sooner or later than usual."""
        if self._agent.end_of_turn == "words" and self._endpointer.utterance is not None:
            self._endpointer.utterance.silence_ms = silence_ms(text, self._agent.end_of_speech_ms)

    def part(self, samples: int) -> int | None:
        """The utterance in progress, or the last one, ended after so many of its own samples; what has come since is
        listened to as another's. At which sample that was, where endpointing has found no end of speech by now."""
        at, spoken = self._spoken.began + samples, self._spoken.frames
        again = self._endpointer.part(at, len(spoken))
        self._frames.extendleft(spoken.pop() for _ in range(again))
        if spoken:
            self.heard_at = spoken[-1].came_at
        speaking, self._spoken.goes_on = self._spoken.goes_on, False
        return at if speaking else None

    def forget(self) -> bool:
        """Listen to nothing of what has come so far. Whether that was in the middle of speech."""
        for frame in self._frames:
            self._endpointer.skip(frame.pcm)
        self._frames.clear()
        self._spoken.frames.clear()
        self._endpointer.forget_rest()
        speaking, self._spoken.goes_on = self._spoken.goes_on, False
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
