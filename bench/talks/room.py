"""What a user's loudspeaker plays and what they say in; what their microphone sends out.

The client plays like a browser: each piece as soon as it comes and the one before it is over. One clock, in samples
since the microphone was opened.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from bench.talks.said import Said
from services.base import RECOGNITION_RATE_HZ
from tests.recordings import Samples

CHUNK_MS = 40
CHUNK = CHUNK_MS * RECOGNITION_RATE_HZ // 1000
ROOM_DB = -75.0
KEPT_S = 15
SIZE = 16384  # of a transform: a room of less than a second
BEGINNING = 320  # bytes by which audio is known
_NOISE = np.random.default_rng(11).standard_normal(20 * RECOGNITION_RATE_HZ)


class Echo:
    """The way from a loudspeaker to a microphone: late, softer, coloured, drawn out by a room."""

    def __init__(self, seed: int, voice: Samples, *, loss_db: float, delay_s: float) -> None:
        """`loss_db`: from `voice`, as it is played, to what is heard of it."""
        dice = np.random.default_rng(seed)
        seconds = np.arange(round(dice.uniform(0.2, 0.6) * RECOGNITION_RATE_HZ)) / RECOGNITION_RATE_HZ
        room = dice.standard_normal(len(seconds)) * 10 ** (-3 * seconds / seconds[-1])
        room *= 10 ** (-dice.uniform(-3, 9) / 20) / np.sqrt(np.square(room).sum())
        room[: RECOGNITION_RATE_HZ // 500] = 0.0
        room[0] = 1.0
        hz = np.fft.rfftfreq(SIZE, 1 / RECOGNITION_RATE_HZ)
        octaves = np.log2(np.maximum(hz, 60) / 60)
        colour_db = np.interp(octaves, np.linspace(0, np.log2(8000 / 60), 7), dice.uniform(-6, 6, 7))
        lows = np.sqrt(1 + (dice.uniform(80, 400) / np.maximum(hz, 1)) ** 4)
        heard = np.fft.irfft(np.fft.rfft(room, SIZE) * 10 ** (colour_db / 20) / lows)[: SIZE - 2 * CHUNK]
        after = _through(voice, heard)
        gain = 10 ** (loss_db / 20) * np.sqrt(np.mean(voice**2) / np.mean(after[: len(voice)] ** 2))
        self._spectrum = np.fft.rfft(heard * gain, SIZE)
        self._coming = np.zeros(SIZE + RECOGNITION_RATE_HZ)
        self._delay = round(delay_s * RECOGNITION_RATE_HZ)

    def hear(self, played: Samples) -> Samples:
        """What is heard while this chunk is played."""
        if played.any():
            self._coming[self._delay :][:SIZE] += np.fft.irfft(np.fft.rfft(played, SIZE) * self._spectrum)
        heard = self._coming[:CHUNK].copy()
        self._coming[:-CHUNK] = self._coming[CHUNK:]
        self._coming[-CHUNK:] = 0.0
        return heard


def _through(sound: Samples, response: Samples) -> Samples:
    size = 1 << (len(sound) + len(response) - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size)


@dataclass(slots=True)
class Loudspeaker:
    """What is to be played, from `begins` on, and the sentences in it."""

    begins: int = 0
    sound: Samples = field(default_factory=lambda: np.zeros(0))
    turn_samples: int = 0  # of the turn, so far
    announced: int = -1  # ms, where its last sentence begins
    sentences: list[tuple[int, str]] = field(default_factory=list)  # where each begins to sound
    _waiting: deque[tuple[int, str]] = field(default_factory=deque)  # where each will begin, in the turn

    @property
    def ends(self) -> int:
        return self.begins + len(self.sound)

    def begin_turn(self) -> None:
        self.turn_samples, self.announced = 0, -1
        self._waiting.clear()

    def announce(self, start_ms: int, text: str) -> None:
        """A sentence of the turn; it comes again with its translation."""
        if start_ms <= self.announced:
            return
        self.announced = start_ms
        self._waiting.append((start_ms * RECOGNITION_RATE_HZ // 1000, text))

    def add(self, sound: Samples, now: int) -> None:
        """The next piece."""
        if now > self.ends:
            self.begins, self.sound = now, np.zeros(0)
        while self._waiting and self._waiting[0][0] < self.turn_samples + len(sound):
            start, text = self._waiting.popleft()
            self.sentences.append((self.ends + start - self.turn_samples, text))
        self.sound = np.concatenate((self.sound, sound))
        self.turn_samples += len(sound)

    def stop(self, now: int) -> None:
        """Nothing after this."""
        self.sound = self.sound[: max(0, now - self.begins)]

    def play(self, first: int) -> Samples:
        """A chunk that begins there."""
        played = np.zeros(CHUNK)
        skipped = max(0, first - self.begins)
        self.sound, self.begins = self.sound[skipped:], self.begins + skipped
        offset = self.begins - first
        if offset < CHUNK and len(self.sound):
            piece = self.sound[: CHUNK - offset]
            played[offset : offset + len(piece)] = piece
        return played

    def spoken(self, first: int, last: int) -> str:
        """Of its sentences, what sounds from one sample to another: as much of each as its share of the time."""
        if not self.sentences:
            return ""
        found = ""
        ends = [begin for begin, _ in self.sentences[1:]] + [self.ends]
        for (begin, text), end in zip(self.sentences, ends, strict=True):
            low, high = ((min(max(at, begin), end) - begin) / max(1, end - begin) for at in (first, last))
            found += text[round(low * len(text)) : round(high * len(text))]
        return found


class Microphone:
    """In a room with an even noise, and perhaps a loudspeaker in it that is heard."""

    def __init__(self, seed: int, room_db: float = ROOM_DB, echo: Echo | None = None) -> None:
        self.position = 0  # of the next chunk
        self.said: list[tuple[int, Said]] = []
        self.loudspeaker = Loudspeaker()
        self._noise = np.roll(_NOISE, seed * 7919) * 10 ** (room_db / 20)
        self._echo = echo
        self._voice = np.zeros(0)  # from `position` on
        self._sent = bytearray()
        self._kept_from = 0

    def speak(self, said: Said, after: int = 0) -> int:
        """So many samples from now; the sample at which it begins."""
        missing = after + len(said.sound) - len(self._voice)
        self._voice = np.concatenate((self._voice, np.zeros(max(0, missing))))
        self._voice[after : after + len(said.sound)] += said.sound
        self.said.append((self.position + after, said))
        return self.position + after

    def next_chunk(self) -> bytes:
        """What it hears in the next 40 ms."""
        sound = self._noise[self.position % len(self._noise) :][:CHUNK].copy()
        sound[: len(self._voice)] += self._voice[:CHUNK]
        self._voice = self._voice[CHUNK:]
        played = self.loudspeaker.play(self.position)
        if self._echo is not None:
            sound += self._echo.hear(played)
        pcm = np.clip(np.round(sound * 32768), -32768, 32767).astype("<i2").tobytes()
        self._sent += pcm
        if len(self._sent) > 4 * KEPT_S * RECOGNITION_RATE_HZ:
            del self._sent[: 2 * KEPT_S * RECOGNITION_RATE_HZ]
            self._kept_from += KEPT_S * RECOGNITION_RATE_HZ
        self.position += CHUNK
        return pcm

    def find(self, beginning: bytes) -> int | None:
        """The sample at which this began, if it was sent from here lately."""
        at = self._sent.rfind(beginning)
        return None if at < 0 else self._kept_from + at // 2


class KnownWords:
    """What the simulated ASR makes of microphones: whose audio it is tells where it lies, and so the words in it.

    Words are understood some time after they were said. Where nobody speaks it understands our own voice.
    """

    def __init__(self, late_ms: int = 200) -> None:
        self.microphones: list[Microphone] = []
        self.lost = 0  # audio that is nobody's
        self._found: dict[bytes, tuple[Microphone, int]] = {}  # by its beginning
        self._late = late_ms * RECOGNITION_RATE_HZ // 1000

    def hear(self, pcm: bytes) -> str:
        """The words in this stretch of somebody's audio, as far as they are understood by now."""
        if (found := self._find(pcm[:BEGINNING])) is None:
            self.lost += 1
            return ""
        microphone, first = found
        return self._understood(microphone, first, first + len(pcm) // 2)

    def _find(self, beginning: bytes) -> tuple[Microphone, int] | None:
        if beginning not in self._found:
            for microphone in self.microphones:
                if (first := microphone.find(beginning)) is not None:
                    self._found[beginning] = microphone, first
                    break
        return self._found.get(beginning)

    def _understood(self, microphone: Microphone, first: int, last: int) -> str:
        until = min(last + RECOGNITION_RATE_HZ // 10, microphone.position - self._late)
        words = ""
        for at, said in microphone.said[-8:]:
            if at < last and first < at + len(said.sound):
                words += said.between(first - at, until - at)
        if words or any(at < last and first < at + len(said.sound) for at, said in microphone.said[-8:]):
            return words
        return microphone.loudspeaker.spoken(first, until)
