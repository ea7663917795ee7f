"""A recording and a detector of speech in; the utterances that endpointing finds in it, and how right they are, out."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from conversation.endpointing import Endpointer, EndpointingSettings, SpeechStarted, SpeechStopped, UtteranceAudio
from services.base import RECOGNITION_RATE_HZ, VAD
from tests.labelled_speech import Recording, Span


@dataclass(slots=True)
class Found:
    """One utterance, in samples of its recording: what was said of it, when that was said, and its audio."""

    started: int
    start_told: int
    first: int  # of its audio
    audio_samples: int = 0
    stopped: int | None = None
    stop_told: int = 0

    def overlaps(self, span: Span) -> bool:
        return self.started < span.end and (self.stopped is None or span.start < self.stopped)

    def holds(self, span: Span) -> bool:
        return self.first <= span.start and span.end <= self.first + self.audio_samples


@dataclass(slots=True)
class Score:
    """What became of some recordings. Delays are milliseconds after the true start or end of speech."""

    utterances: int = 0
    missed_starts: int = 0
    cut_off: int = 0  # ended in the middle
    missed_ends: int = 0  # two utterances taken for one, or none ended
    incomplete: int = 0  # not every sample was handed out
    turns_from_noise: int = 0
    start_ms: list[float] = field(default_factory=list)
    start_told_ms: list[float] = field(default_factory=list)
    stop_ms: list[float] = field(default_factory=list)
    stop_told_ms: list[float] = field(default_factory=list)


def find_utterances(recording: Recording, vad: VAD, settings: EndpointingSettings) -> list[Found]:
    """As a server hears it."""
    endpointer = Endpointer(settings, vad.frame_samples)
    detector = vad.open_detector()
    found: list[Found] = []
    clock = 0
    for frame in endpointer.frames(recording.pcm):
        clock += vad.frame_samples
        for event in endpointer.receive(frame, detector.probability(frame)):
            match event:
                case SpeechStarted(at_sample):
                    found.append(Found(at_sample, clock, first=clock))
                case UtteranceAudio(pcm):
                    found[-1].audio_samples += len(pcm) // 2
                    found[-1].first = clock - found[-1].audio_samples
                case SpeechStopped(at_sample):
                    found[-1].stopped, found[-1].stop_told = at_sample, clock
    return found


def score(recordings: Iterable[Recording], vad: VAD, settings: EndpointingSettings) -> Score:
    """How often endpointing was wrong in them."""
    result = Score()
    for recording in recordings:
        found = find_utterances(recording, vad, settings)
        for each in found:
            spoken = [span for span in recording.utterances if each.overlaps(span)]
            result.turns_from_noise += not spoken
            result.missed_ends += max(len(spoken) - 1, each.stopped is None)
        for span in recording.utterances:
            _count(result, span, [each for each in found if each.overlaps(span)])
    return result


def _count(result: Score, span: Span, heard: list[Found]) -> None:
    result.utterances += 1
    result.missed_starts += not heard
    result.cut_off += max(0, len(heard) - 1)
    result.incomplete += len(heard) == 1 and not heard[0].holds(span)
    if len(heard) == 1 and heard[0].stopped is not None:
        result.start_ms.append(_ms(heard[0].started - span.start))
        result.start_told_ms.append(_ms(heard[0].start_told - span.start))
        result.stop_ms.append(_ms(heard[0].stopped - span.end))
        result.stop_told_ms.append(_ms(heard[0].stop_told - span.end))


def _ms(samples: int) -> float:
    return samples * 1000 / RECOGNITION_RATE_HZ
