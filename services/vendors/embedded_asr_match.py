"""Speech and a character in, the phrase of that character's script that it was out, or None: pocketsphinx.

All phrases of a character, in every language, are words of one grammar: whole, with all their pronunciations, so that
the search is between phrases and not between syllables. It always finds one. Whether it was said is judged afterwards:
the phrase's phones are aligned with the sound and compared, phone by phone, with what any phones whatever would score.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from services.base import HEARING_RATE_HZ
from services.vendors.embedded_asr_phones import pronounce, read_dictionary

Samples = NDArray[np.float32]

# High and quick voices (children's, the embedded voice's) are nearer to the model when they are played more slowly.
STRETCHES = (1.0, 1.25)
PAD_S = 0.3  # of silence on both sides; with less the first and the last phone are often lost
LEVEL = 2500.0  # root mean square of speech, of 32767
MAX_GAIN = 30.0
DITHER = 25.0  # digital silence is no silence that the model has ever heard
MAX_GRAMMARS = 16  # kept; the one unused for longest goes

_FRAME_S = 0.01
_UNIT = 1024 * math.log(1.0001)  # of the scores of an alignment, in nats
_SEARCH = {"maxhmmpf": 2000}


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as it was found in the sound: frames, and nats in all of them."""

    name: str
    start: int
    duration: int
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """The nearest phrase, and what speaks for it and against it."""

    phrase: str
    features: tuple[float, ...]

    @property
    def score(self) -> float:
        """Above 0 it was said, as far as one can tell: a logistic regression, see bench/recognition.py."""
        return BIAS + sum(weight * feature for weight, feature in zip(WEIGHTS, self.features, strict=True))


BIAS = 0.0
WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


class Phrases:
    """The recogniser of a process. Its methods block and hold the GIL; it is used by one thread.

    `scripts`: by character, by language. `left_out` are those that cannot be pronounced.
    """

    def __init__(self, scripts: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        from pocketsphinx import Config, Decoder, get_model_path

        model: dict[str, Any] = {"hmm": get_model_path("en-us/en-us"), "lm": None, "dict": None, "loglevel": "FATAL"}
        self._decoder = Decoder(Config(**model, **_SEARCH))
        self._any_phones = Decoder(Config(**model, allphone_ci=True))
        self._any_phones.add_allphone_file("any", None)
        self._any_phones.activate_search("any")
        with open(get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as lines:
            dictionary = read_dictionary(lines)
        self._random = np.random.default_rng(0)
        self._phrases: dict[str, str] = {}  # by the decoder's word for it
        self._words: dict[str, tuple[str, ...]] = {}  # of each character
        self._grammars: dict[tuple[str, ...], str] = {}  # that exist, the one used last at the end
        self.left_out: list[str] = []
        known: dict[tuple[str, ...], str] = {}
        for character, by_language in scripts.items():
            words = {}
            for language, phrases in by_language.items():
                for phrase in phrases:
                    pronunciations = pronounce(language, phrase, dictionary)
                    if not pronunciations:
                        self.left_out.append(phrase)
                        continue
                    if pronunciations not in known:
                        known[pronunciations] = self._add_word(phrase, pronunciations)
                    words[known[pronunciations]] = None
            self._words[character] = tuple(words)

    def _add_word(self, phrase: str, pronunciations: Sequence[str]) -> str:
        word = f"w{len(self._phrases)}"
        for number, phones in enumerate(pronunciations, 1):
            self._decoder.add_word(word if number == 1 else f"{word}({number})", phones, False)
        self._phrases[word] = phrase
        return word

    def recognise(self, character: str, speech: Samples) -> str | None:
        """`speech` is one utterance at HEARING_RATE_HZ, in the range of int16, with little silence around it."""
        if not self._words.get(character):
            return None
        best: Candidate | None = None
        for stretch in STRETCHES:
            found = self.nearest(character, speech, stretch)
            if found and (best is None or found.score > best.score):
                best = found
            if best and best.score > CERTAIN:
                break
        return best.phrase if best and best.score > 0 else None

    def nearest(self, character: str, speech: Samples, stretch: float) -> Candidate | None:
        """The nearest phrase however far, for a speech that is played more slowly; None where it is nothing at all."""
        pcm = self._prepare(speech, stretch)
        self._use_grammar(self._words[character])
        word = next((each.word for each in _decode(self._decoder, pcm) if each.word.startswith("w")), None)
        if word is None:
            return None
        phones = self._align(word, pcm)
        if not phones:
            return None
        return Candidate(self._phrases[word.partition("(")[0]], _features(phones, self._free_scores(pcm)))

    def _align(self, word: str, pcm: bytes) -> list[Phone]:
        """[] where it is none that could have been said: too long for the sound."""
        self._decoder.set_align_text(word)
        if not _decode(self._decoder, pcm):
            return []
        try:
            self._decoder.set_alignment()
            _hear(self._decoder, pcm)
        except RuntimeError:
            return []
        alignment = self._decoder.get_alignment()
        return [Phone(each.name, each.start, each.duration, each.score * _UNIT) for each in alignment.phones()]

    def _prepare(self, speech: Samples, stretch: float) -> bytes:
        loud = float(np.sqrt(np.mean(np.square(speech)))) or 1.0
        sound = speech * np.float32(min(MAX_GAIN, LEVEL / loud))
        if stretch != 1.0:
            sound = soxr.resample(sound, HEARING_RATE_HZ, HEARING_RATE_HZ * stretch)
        padded = np.pad(sound, int(PAD_S * HEARING_RATE_HZ))
        padded += self._random.normal(0, DITHER, len(padded)).astype(np.float32)
        return np.rint(padded.clip(-32767, 32767)).astype("<i2").tobytes()

    def _use_grammar(self, words: tuple[str, ...]) -> None:
        name = self._grammars.pop(words, None)
        if name is None:
            name = f"g{words[0]}{len(words)}.{len(self._phrases)}"
            if len(self._grammars) >= MAX_GRAMMARS:
                self._decoder.remove_search(self._grammars.pop(next(iter(self._grammars))))
            share = 1 / len(words)
            self._decoder.add_fsg(name, self._decoder.create_fsg(name, 0, 1, [(0, 1, share, word) for word in words]))
        self._grammars[words] = name
        self._decoder.activate_search(name)

    def _free_scores(self, pcm: bytes) -> NDArray[np.float64]:
        """What the best phones at any time score, in nats per frame; before frame 0 and summed up."""
        scores = [0.0]
        for segment in _decode(self._any_phones, pcm):
            count = segment.end_frame - segment.start_frame + 1
            scores += [math.log(max(segment.ascore, 1e-300)) * 1024 / count] * count
        return np.cumsum(scores)


CERTAIN = 2.0  # a score at which no other way to hear it is tried


def _hear(decoder: Any, pcm: bytes) -> None:
    """All at once, so that the mean of the whole utterance is known before its first frame is judged."""
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _decode(decoder: Any, pcm: bytes) -> list[Any]:
    _hear(decoder, pcm)
    return list(decoder.seg()) if decoder.hyp() else []


def _features(phones: Sequence[Any], free: NDArray[np.float64]) -> tuple[float, ...]:
    return ()
