"""Speech and a character in, the phrase of that character's script that it was out, or None: pocketsphinx.

A character's phrases in one language are the words of one grammar: whole, with all their likely pronunciations, so that
the search is between phrases and not between syllables. It always finds one in each language. Whether any was said is
judged afterwards: its phones are aligned with the sound and compared with what any phones whatever would score.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from services.base import RECOGNITION_RATE_HZ
from services.vendors.embedded.asr_phones import Dictionary, pronounce, read_dictionary

Samples = NDArray[np.float32]
Scripts = Mapping[str, Mapping[str, Sequence[Sequence[str]]]]  # by character, by language, for each topic its phrases
Words = Mapping[str, float]  # of a grammar: what speaks for each beforehand

# High and quick voices (children's, the embedded voice's) are nearer to the model when they are played more slowly.
STRETCHES = (1.0, 1.25)
PAD_S = 0.15  # of silence on both sides, besides what is there: with less the first and last phone are often lost
LEVEL = 2500.0  # root mean square of speech, of 32767
MAX_GAIN = 30.0
DITHER = 25.0  # digital silence is no silence that the model has ever heard
MAX_GRAMMARS = 24  # kept; the one unused for longest goes

_NO_SPEECH = frozenset(("SIL", "+NSN+", "+SPN+"))
_OUTSIDE = (-1.5, 0.0)  # nats per frame: how well silence fits is no merit of the phrase, but of the room
_SHORTEST = 3  # frames: a phone has as many states
_UNIT = 1024 * math.log(1.0001)  # of the scores of an alignment, in nats
_SEARCH = {"maxhmmpf": 2000, "cmn": "batch"}  # each utterance by itself, whatever was said before it
_ANY_PHONES = {"allphone_ci": True, "cmn": "batch"}


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
    prior: float

    @property
    def score(self) -> float:
        """Above 0 it was said, as far as one can tell: a logistic regression, see bench/recognition.py."""
        return BIAS + self.prior + sum(weight * feature for weight, feature in zip(WEIGHTS, self.features, strict=True))


# With these a tenth of other sentences are taken for a phrase. A bias of -3.7 halves that and costs 2 % of the phrases.
BIAS = -3.2
PRIORS = (0.8, 0.6, 0.5, 0.3)  # of the first phrases of each topic: they are what most people say, and often short
WEIGHTS = (0.78, 1.18, 2.45, 3.48, -0.13, -3.04, -2.42)
CERTAIN, HOPELESS = 1.0, -3.0  # beyond these scores no other way to hear it is tried


class Phrases:
    """The ASR of a process. Its methods block and hold the GIL; it is used by one thread.

    `left_out` are the phrases that cannot be pronounced.
    """

    def __init__(self, scripts: Scripts) -> None:
        from pocketsphinx import Config, Decoder, get_model_path

        model: dict[str, Any] = {"hmm": get_model_path("en-us/en-us"), "lm": None, "dict": None, "loglevel": "FATAL"}
        self._decoder = Decoder(Config(**model, **_SEARCH))
        self._any_phones = Decoder(Config(**model, **_ANY_PHONES))
        self._any_phones.add_allphone_file("any", None)
        self._any_phones.activate_search("any")
        with open(get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as lines:
            dictionary = read_dictionary(lines)  # 60 MB, not kept
        self._phrases: dict[str, str] = {}  # by the decoder's word for it
        self._known: dict[tuple[str, ...], str] = {}  # the decoder's words, by their pronunciations
        self._grammars: dict[tuple[str, ...], str] = {}  # that exist, the one used last at the end
        self._numbers = itertools.count()
        self.left_out: list[str] = []
        self._words = {
            character: [words for each in by_language.items() if (words := self._add_words(*each, dictionary))]
            for character, by_language in scripts.items()
        }
        for words in [each for several in self._words.values() for each in several][:MAX_GRAMMARS]:
            self._use_grammar(words)  # ready before the first who speaks

    def _add_words(self, language: str, topics: Sequence[Sequence[str]], dictionary: Dictionary) -> Words:
        words: dict[str, float] = {}
        for phrase, prior in ((phrase, prior) for topic in topics for phrase, prior in _with_priors(topic)):
            pronunciations = pronounce(language, phrase, dictionary)
            if pronunciations:
                word = self._known.get(pronunciations) or self._add_word(phrase, pronunciations)
                words[word] = max(prior, words.get(word, 0.0))
            elif phrase not in self.left_out:
                self.left_out.append(phrase)
        return words

    def _add_word(self, phrase: str, pronunciations: tuple[str, ...]) -> str:
        word = f"w{len(self._phrases)}"
        for number, phones in enumerate(pronunciations, 1):
            self._decoder.add_word(word if number == 1 else f"{word}({number})", phones, False)
        self._phrases[word], self._known[pronunciations] = phrase, word
        return word

    def recognise(self, character: str, speech: Samples) -> str | None:
        """`speech` is one utterance at RECOGNITION_RATE_HZ, in the range of int16, with little silence around it."""
        best: Candidate | None = None
        for stretch in STRETCHES:
            heard = [*self.nearest(character, speech, stretch), *([best] if best else [])]
            best = max(heard, key=lambda each: each.score, default=None)
            if best is None or not HOPELESS < best.score < CERTAIN:
                break
        return best.phrase if best and best.score > 0 else None

    def nearest(self, character: str, speech: Samples, stretch: float) -> Iterator[Candidate]:
        """The nearest phrase of each language, however far, for a speech that is played more slowly."""
        pcm = self._prepare(speech, stretch)
        free = self._free_scores(pcm)
        for words in self._words.get(character, ()):
            self._use_grammar(words)
            found = next((each.word for each in _decode(self._decoder, pcm) if each.word.startswith("w")), None)
            features = _features(self._align(found, pcm), free) if found else ()
            if found and features:
                word = found.partition("(")[0]  # without the number of its pronunciation
                yield Candidate(self._phrases[word], features, words[word])

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
            sound = soxr.resample(sound, RECOGNITION_RATE_HZ, RECOGNITION_RATE_HZ * stretch)
        padded = np.pad(sound, int(PAD_S * RECOGNITION_RATE_HZ))
        padded += np.random.default_rng(0).normal(0, DITHER, len(padded)).astype(np.float32)  # always the same
        return bytes(np.rint(padded.clip(-32767, 32767)).astype("<i2"))

    def _use_grammar(self, words: Words) -> None:
        key = tuple(words)
        name = self._grammars.pop(key, None)
        if name is None:
            name = f"grammar {next(self._numbers)}"
            if len(self._grammars) >= MAX_GRAMMARS:
                self._decoder.remove_search(self._grammars.pop(next(iter(self._grammars))))
            share = 1 / len(key)
            self._decoder.add_fsg(name, self._decoder.create_fsg(name, 0, 1, [(0, 1, share, word) for word in key]))
        self._grammars[key] = name
        self._decoder.activate_search(name)

    def _free_scores(self, pcm: bytes) -> NDArray[np.float64]:
        """What the best phones at any time score, in nats per frame; before frame 0 and summed up."""
        scores = [0.0]
        for segment in _decode(self._any_phones, pcm):
            count = segment.end_frame - segment.start_frame + 1
            scores += [math.log(max(segment.ascore, 1e-300)) * 1024 / count] * count
        return np.cumsum(scores)


def _hear(decoder: Any, pcm: bytes) -> None:
    """All at once, so that the mean of the whole utterance is known before its first frame is judged."""
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()


def _decode(decoder: Any, pcm: bytes) -> list[Any]:
    _hear(decoder, pcm)
    return list(decoder.seg()) if decoder.hyp() else []


def _with_priors(topic: Sequence[str]) -> Iterator[tuple[str, float]]:
    return zip(topic, itertools.chain(PRIORS, itertools.repeat(0.0)), strict=False)


def _features(phones: Sequence[Phone], free: NDArray[np.float64]) -> tuple[float, ...]:
    """What tells a phrase that was said from one that was merely nearest; () where there is no phone.

    Above all by how much its phones fit the sound worse than the best phones would, and how alike in length they are:
    where a phrase is forced on other sounds, some phones are as short as they can be, and others much too long.
    """
    spoken = [phone for phone in phones if phone.name not in _NO_SPEECH]
    if not spoken:
        return ()
    frames = np.array([phone.duration for phone in spoken], dtype=np.float64)
    excess = np.array([_excess(phone, free) for phone in spoken])
    outside = sum(_excess(phone, free) for phone in phones if phone.name in _NO_SPEECH)
    length = frames.mean()
    return (
        float((excess / frames).mean()),
        float(excess.sum() / frames.sum()),
        min(max(float(outside / frames.sum()), _OUTSIDE[0]), _OUTSIDE[1]),
        math.log(len(spoken)),
        math.log(length),
        float(frames.std() / length),
        float((frames <= _SHORTEST).mean()),
    )


def _excess(phone: Phone, free: NDArray[np.float64]) -> float:
    last = len(free) - 1
    end = min(phone.start + phone.duration, last)
    return phone.score - float(free[end] - free[min(phone.start, last)])
