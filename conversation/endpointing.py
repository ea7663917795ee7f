"""Sans-IO: probabilities of speech in; the start, the audio and the end of each utterance out. Its clock is samples.

    listening --enough voiced frames close together--> speaking
    speaking --a silence window, or too long an utterance--> listening

An utterance is announced once it is none of the sounds that end soon (a cough, a click) or stay the same (a tone), and
then with all audio since shortly before its first sound. From there on the audio is handed out as it comes, pauses and
the window at its end too: to hold them back would make every pause a delay.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from conversation.timbre import Timbre, timbre_of
from services.base import RECOGNITION_RATE_HZ

SAMPLES_PER_MS = RECOGNITION_RATE_HZ // 1000
BYTES_PER_SAMPLE = 2

# The probability from which on speech goes on after a pause, and below which it pauses.
VOICED = 0.45
STILL_VOICED = 0.35
# A start is that many sure frames, close together: a syllable may be torn.
SURE = 0.4
# In one of them a detector must be surer: of a cough with a voice in it, it is as unsure for as long.
SURER = 0.5
START_WINDOW_MS = 400
# Or a word so short that of few of its frames a detector is sure. Within its length those above SILENT count in part,
# some must be sure, and some must have a pitch: coughs and hisses leave a detector in doubt, too.
SHORT_WORD_MS = 280
SILENT = 0.1
SURE_FRAMES = 2
PITCHED_FRAMES = 2
# What was voiced before them, and alone too little, belongs to the utterance: the "hm" before a sentence.
LOOK_BACK_MS = 800
# A pause is over with so many voiced frames in a row: a cough or a click in it does not hold the end of speech up.
RESUMES_WITH = 5
# A detector is sure that speech has paused only so much later; a start it notices at once.
LAG_MS = 52


@dataclass(frozen=True, slots=True)
class EndpointingSettings:
    """Where an utterance begins and ends."""

    end_of_speech_ms: int = 600  # so much silence ends it
    pre_roll_ms: int = 300  # audio before its first sound that belongs to it
    shortest_utterance_ms: int = 100  # less voice than this begins none
    longest_utterance_ms: int = 60_000


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """`at_sample`: where in the received audio speech began."""

    at_sample: int


@dataclass(frozen=True, slots=True)
class UtteranceAudio:
    """The next audio of the utterance; all of one utterance is contiguous, and begins before its speech does."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """`at_sample`: where speech ended. `silence_samples`: audio after that by which this was decided.

    `cut`: the utterance had become too long, the person may go on speaking.
    """

    at_sample: int
    silence_samples: int
    cut: bool = False


Event = SpeechStarted | UtteranceAudio | SpeechStopped


@dataclass(slots=True)
class Speech:
    """Of an utterance in progress: where its audio begins, and speech begins and was last heard."""

    begin: int
    started: int
    silence_ms: int  # so much ends it
    voiced_until: int
    again: int = 0  # voiced frames in a row after a pause

    @property
    def speech_until(self) -> int:
        return max(self.started, self.voiced_until - LAG_MS * SAMPLES_PER_MS)

    def receive(self, probability: float, clock: int, frame_samples: int) -> None:
        if self.voiced_until == clock - frame_samples:
            self.again = RESUMES_WITH if probability >= STILL_VOICED else 0
        else:
            self.again = self.again + 1 if probability >= VOICED else 0
        if self.again >= RESUMES_WITH:
            self.voiced_until = clock


class Endpointer:
    """One microphone. What `frames` gives is received, or skipped, frame by frame and in order."""

    def __init__(
        self,
        settings: EndpointingSettings,
        frame_samples: int,
        timbre: Callable[[Sequence[bytes], Sequence[bool]], Timbre] = timbre_of,
    ) -> None:
        self._settings = settings
        self._timbre = timbre
        self._frame_samples = frame_samples
        held = self._window + _frames(LOOK_BACK_MS, frame_samples)
        self._voice: deque[float] = deque(maxlen=held)  # the probabilities of the last frames, while listening
        self._audio: deque[bytes] = deque(maxlen=held + _frames(settings.pre_roll_ms, frame_samples))
        self._floor = 0  # audio before this sample is of another utterance, or was skipped
        self._rest = b""  # received, not yet a frame
        self.received_samples = 0  # all that `frames` was given
        self.clock = 0  # samples of the frames so far, skipped ones too
        self.utterance: Speech | None = None

    def frames(self, pcm: bytes) -> list[bytes]:
        """The frames that are whole with this piece; what is left over waits for the next piece."""
        self.received_samples += len(pcm) // BYTES_PER_SAMPLE
        size = self._frame_samples * BYTES_PER_SAMPLE
        pcm = self._rest + pcm
        whole = len(pcm) - len(pcm) % size
        self._rest = pcm[whole:]
        return [pcm[start : start + size] for start in range(0, whole, size)]

    def receive(self, frame: bytes, probability: float) -> list[Event]:
        """The next frame and the probability that there is speech in it."""
        self.clock += self._frame_samples
        self._audio.append(frame)
        if self.utterance is None:
            return self._listen(probability)
        return [UtteranceAudio(frame), *self._follow(self.utterance, probability)]

    def skip(self, frame: bytes) -> None:
        """The next frame is not listened to: no utterance reaches over it, one in progress is forgotten."""
        self.clock += len(frame) // BYTES_PER_SAMPLE
        self.reset()

    def forget_rest(self) -> None:
        """What was received and is not yet a frame is not listened to either."""
        self.clock += len(self._rest) // BYTES_PER_SAMPLE
        self._rest = b""
        self.reset()

    def part(self, at: int, again_most: int) -> int:
        """The utterance in progress, or the last one, ended at this sample; nothing before it is handed out once more.
        Of the last frames, at most `again_most`, so many are received once more as are returned."""
        again = min(max(_frame_count(self.clock - at, self._frame_samples), 0), again_most)
        if self.utterance is not None or again:
            self.reset()
            self.clock -= again * self._frame_samples
            self._floor = max(at, self.clock)
        return again

    def reset(self) -> None:
        """Forget all but the clock, an utterance in progress too; nothing received so far will be handed out."""
        self.utterance = None
        self._voice.clear()
        self._audio.clear()
        self._floor = self.clock

    def _listen(self, probability: float) -> list[Event]:
        self._voice.append(probability)
        if probability <= SILENT or not self._has_begun():
            return []
        at = max(self._floor, self.clock - self._speech_frames() * self._frame_samples)
        begin = max(self._floor, at - self._settings.pre_roll_ms * SAMPLES_PER_MS)
        self.utterance = Speech(begin, at, self._settings.end_of_speech_ms, voiced_until=self.clock)
        held = b"".join(self._audio)
        return [SpeechStarted(at), UtteranceAudio(held[-(self.clock - begin) * BYTES_PER_SAMPLE :])]

    @property
    def _window(self) -> int:
        """The frames of a start lie within so many."""
        longest_ms = max(START_WINDOW_MS, 2 * self._settings.shortest_utterance_ms)
        return longest_ms * SAMPLES_PER_MS // self._frame_samples + 1

    def _has_begun(self) -> bool:
        """Whether the last frames are a start; what they sound like is asked only if the detector says so."""
        needed = _frames(self._settings.shortest_utterance_ms, self._frame_samples)
        lately = list(islice(reversed(self._voice), self._window))
        short = sum(each >= SURE for each in lately) < needed
        if short:
            lately = lately[: max(needed, _frames(SHORT_WORD_MS, self._frame_samples))]
            parts = sum(min(1.0, max(0.0, (each - SILENT) / (SURE - SILENT))) for each in lately)
            if parts < needed or sum(each >= SURE for each in lately) < SURE_FRAMES:
                return False
        if max(lately) < SURER:
            return False
        timbre = self._timbre(list(self._audio)[-len(lately) :], [each > SILENT for each in reversed(lately)])
        return not timbre.steady and (not short or timbre.pitched >= PITCHED_FRAMES)

    def _speech_frames(self) -> int:
        """How many frames ago speech began: with the first voiced one that no end of speech lies after."""
        pause = self._settings.end_of_speech_ms * SAMPLES_PER_MS // self._frame_samples
        first = 0
        for ago, probability in enumerate(reversed(self._voice)):
            if ago - first > pause:
                break
            if probability >= SURE:
                first = ago
        return first + 1

    def _follow(self, utterance: Speech, probability: float) -> list[Event]:
        utterance.receive(probability, self.clock, self._frame_samples)
        silence = self.clock - utterance.speech_until
        ended = silence >= utterance.silence_ms * SAMPLES_PER_MS and utterance.again == 0
        longest = self._settings.longest_utterance_ms * SAMPLES_PER_MS
        if not ended and self.clock + self._frame_samples - utterance.begin <= longest:
            return []
        self.utterance = None
        self._voice.clear()
        if ended:
            self._floor = utterance.voiced_until  # the next may begin with this silence, but repeats no word
            return [SpeechStopped(utterance.speech_until, silence)]
        self._floor = self.clock
        return [SpeechStopped(utterance.voiced_until, self.clock - utterance.voiced_until, cut=True)]


def _frame_count(samples: int, frame_samples: int) -> int:
    return -(-samples // frame_samples)


def _frames(ms: int, frame_samples: int) -> int:
    """So many frames hold these milliseconds."""
    return -(-ms * SAMPLES_PER_MS // frame_samples)
