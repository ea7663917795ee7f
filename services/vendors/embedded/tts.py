"""A Japanese sentence and an emotion in, speech out (pcm, s16le mono): in process, no key, no network, deterministic.

The synthesiser (pyopenjtalk's HTS engine with the voice "Mei") makes a whole utterance at once. So that the first sound
need not wait for the last, a sentence is cut into clauses and each clause is one job for a small pool of engines, which
serve the talk with the least audio first: twenty at once all get their first clause before any gets its second. A job
runs in a worker thread (the engine lets go of the GIL); the event loop only waits.
"""

import os
import queue
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from anyio import from_thread, to_thread

from services.base import TTS, Emotion, Synthesis, TTSError, Voice, map_errors
from services.engine_choice import EngineUnavailable
from services.engine_settings import TTSSettings
from services.vendors.embedded import open_jtalk
from services.vendors.embedded.queue import EngineQueue
from services.vendors.embedded.signs import in_words

if TYPE_CHECKING:  # imported when the engine is opened, in a worker thread: together they take 300 ms
    import numpy as np
    from numpy.typing import NDArray
    from pyopenjtalk.htsengine import HTSEngine

    Wave = NDArray[np.float64]

MAX_ENGINES = 4
VOICE_RATE_HZ = 48_000  # what the voice "Mei" speaks at; its samples are floats in the range of int16

# Prosody -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prosody:
    """How to speak: `speed` as a factor (1 = as the voice speaks by itself), `pitch` in semitones."""

    speed: float
    pitch: float


EMOTION_PROSODY: Mapping[Emotion, Prosody] = {
    "happy": Prosody(1.08, +1.0),
    "sad": Prosody(0.86, -1.2),
    "angry": Prosody(1.14, +0.5),
    "fearful": Prosody(1.06, +1.4),
    "disgusted": Prosody(0.92, -1.6),
    "surprised": Prosody(1.10, +2.0),
    "calm": Prosody(0.94, -0.4),
    "auto": Prosody(1.00, 0.0),
}


def shape(voice: Voice, emotion: Emotion) -> Prosody:
    """The prosody of a voice in an emotion, within what stays intelligible (and bounded in length)."""
    by = EMOTION_PROSODY[emotion]
    # The constant comes first in each call, so that not-a-number is bounded, too: at speed 0 the engine never ends.
    return Prosody(min(2.0, max(0.5, voice.speed * by.speed)), min(12.0, max(-12.0, voice.pitch + by.pitch)))


# Clauses -------------------------------------------------------------------------------------------------------

COMMA_PAUSE_MS = 120
SENTENCE_PAUSE_MS = 250
TAIL_MS = 150  # after the last clause, so that two sentences do not run together

# In morae, of which the voice speaks seven to eight a second.
MERGED_MORAE = 36  # clauses after the first are joined up to this length: longer ones have the better melody
MAX_MORAE = 75  # and cut at this one, so that one job stays short

_KANA = "ぁ-ゖァ-ヺ"
_KANJI = "々〆〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

# What has a sound of its own; a small tsu alone is only a click.
_SPEAKABLE = re.compile(f"(?![っッ])[{_KANA}{_KANJI}0-9A-Za-z]")
_FOREIGN = re.compile(f"[^{_KANA}ー・{_KANJI}0-9A-Za-z、。!?.,:/%&+'-]+")  # brackets, too: the engine would pause there
_STRETCHED = re.compile(f"(?<=[{_KANA}ー])[~〜]+")  # ね～ is ねー
_REPEATED = re.compile(f"([{_KANA}ーA-Za-z])\\1{{5,}}")  # a vowel held for seconds drives the voice's filter unstable
_CLAUSE = re.compile(r"([^、。!?]*)([、。!?]*)")
_PAUSES = (  # as NFKC writes them
    (re.compile(r"[\n\r\v\f\x85\u2028\u2029]+|\.{2,}|\.(?![0-9A-Za-z])"), "。"),
    (re.compile(r",(?![0-9])|[;—―─]"), "、"),
)


@dataclass(frozen=True, slots=True)
class Clause:
    """A piece of a sentence that is spoken in one go, and the silence after it."""

    text: str
    pause_ms: int


def split_clauses(text: str) -> list[Clause]:
    """What of `text` can be spoken, cut where a speaker would breathe; the last clause is followed by the tail."""
    clauses: list[Clause] = []
    for body, marks in _CLAUSE.findall(_plain(text)):
        pieces = [piece for piece in _cut(body.strip() + marks[:1]) if _SPEAKABLE.search(piece)]
        if not pieces:
            continue
        pause_ms = SENTENCE_PAUSE_MS if marks.strip("、") else COMMA_PAUSE_MS
        last = clauses[-1] if len(clauses) > 1 else None  # the first is never joined: it is what the listener awaits
        if last and last.pause_ms == COMMA_PAUSE_MS and _morae(last.text + pieces[0]) <= MERGED_MORAE:
            pieces[0] = clauses.pop().text + pieces[0]
        clauses += [Clause(piece, 0) for piece in pieces[:-1]]
        clauses.append(Clause(pieces[-1], pause_ms))
    if clauses:
        clauses[-1] = Clause(clauses[-1].text, TAIL_MS)
    return clauses


def _plain(text: str) -> str:
    """`text` with one sign for each kind of pause, and a space for all that has no sound."""
    text = in_words(text)
    for pattern, mark in _PAUSES:
        text = pattern.sub(mark, text)
    text = _FOREIGN.sub(" ", _STRETCHED.sub("ー", text))
    return _REPEATED.sub(r"\1\1\1\1\1", text)


def _morae(text: str) -> int:
    """How long it takes to say `text`, roughly: a kanji is two morae, a letter or digit read by its name three."""
    return sum(3 if char.isascii() and char.isalnum() else 2 if char >= "\u3400" else 1 for char in text)


def _cut(text: str) -> list[str]:
    """Cut into pieces of at most MAX_MORAE, at a space where there is one in the second half."""
    if _morae(text) <= MAX_MORAE:
        return [text]
    pieces: list[str] = []
    start = space = morae = 0
    for at, char in enumerate(text):
        morae += _morae(char)
        if morae > MAX_MORAE:
            end = space if space > (start + at) // 2 else at
            pieces.append(text[start:end])
            start, morae = end, _morae(text[end : at + 1])
        if char == " ":
            space = at
    return [*pieces, text[start:]]


# Engines -------------------------------------------------------------------------------------------------------

AUDIBLE = 60.0  # of 32767: the voice's own noise floor lies below
KEEP_BEFORE_MS = 20
KEEP_AFTER_MS = 40
CLOSURE_MS = 250.0  # at speed 1: the silence in っ lasts 110, the engine's own pause 450 to 540
LEVEL = 3_300.0  # loudness to reach, as root mean square: the voice's own vary by a factor of two with the vowels
KNEE = 20_000.0  # louder than this is bent, smoothly, ...
CEILING = 32_000.0  # ... to stay below this: the voice peaks at up to twice the range of int16
UNSTABLE = 4.0 * 32_768.0


class Engines:
    """A pool of synthesisers, each used by one thread at a time. Its methods block: call them in worker threads."""

    def __init__(self, sample_rate_hz: int, count: int) -> None:
        voice = open_jtalk.load().DEFAULT_HTS_VOICE
        from pyopenjtalk.htsengine import HTSEngine

        self._sample_rate_hz = sample_rate_hz
        self._idle: queue.SimpleQueue[HTSEngine] = queue.SimpleQueue()
        for _ in range(count):
            engine = HTSEngine(voice)
            # The first words of an engine, of the dictionary and of the resampler take several times as long.
            _encode(_synthesize(engine, "はい。", EMOTION_PROSODY["auto"]), sample_rate_hz)
            self._idle.put(engine)

    @contextmanager
    def borrow(self) -> Iterator["HTSEngine"]:
        """Blocks only while abandoned jobs are still at work; the engine goes back when this thread is done with it."""
        engine = self._idle.get()
        try:
            yield engine
        finally:
            self._idle.put(engine)

    def speak(self, text: str, prosody: Prosody) -> bytes:
        """One clause as pcm without silence around it; b"" where there is nothing to say.

        Raises:
            TTSError: the synthesiser cannot speak this text.
        """
        with self.borrow() as engine:
            from_thread.check_cancelled()  # nobody waits for it any more: the engine is free for the next
            with map_errors((Exception, _unspoken)):  # a large library in Python and C, given any text at all
                wave = _synthesize(engine, text, prosody)
        return _encode(_squeeze(wave, prosody.speed), self._sample_rate_hz)


def _unspoken(_: Exception) -> TTSError:
    return TTSError("This sentence could not be spoken.", retryable=False, one_sentence=True)


def _synthesize(engine: "HTSEngine", text: str, prosody: Prosody) -> "Wave":
    labels = open_jtalk.labels(text)  # names are turned into kana before they come here
    engine.set_speed(prosody.speed)  # both are forgotten after each utterance
    engine.add_half_tone(prosody.pitch)
    return cast("Wave", engine.synthesize(labels))


def _squeeze(wave: "Wave", speed: float) -> "Wave":
    """Cut the silence at both ends (it lasts up to 370 ms) and shorten the engine's pauses within to a comma's."""
    import numpy as np

    loud = np.flatnonzero(np.abs(wave) > AUDIBLE)
    if not loud.size:
        return wave[:0]
    pauses = np.flatnonzero(np.diff(loud) > CLOSURE_MS / speed * VOICE_RATE_HZ / 1000)
    pieces: list[Wave] = []
    for sound in np.split(loud, pauses + 1):
        if pieces:
            pieces.append(np.zeros(COMMA_PAUSE_MS * VOICE_RATE_HZ // 1000))
        start = max(0, int(sound[0]) - KEEP_BEFORE_MS * VOICE_RATE_HZ // 1000)
        pieces.append(wave[start : int(sound[-1]) + KEEP_AFTER_MS * VOICE_RATE_HZ // 1000])
    return np.concatenate(pieces)


def _encode(wave: "Wave", sample_rate_hz: int) -> bytes:
    """Resample and level; what is too loud is bent, where a cast alone would wrap it round."""
    import numpy as np
    import soxr

    if not wave.size:
        return b""
    bounded = np.nan_to_num(wave).clip(-UNSTABLE, UNSTABLE).astype(np.float32)
    samples: NDArray[np.float32] = soxr.resample(bounded, VOICE_RATE_HZ, sample_rate_hz)
    level = float(np.sqrt(np.mean(np.square(bounded[np.abs(bounded) > AUDIBLE]))))
    samples = samples * np.float32(min(0.8, LEVEL / level))
    excess = np.abs(samples) - KNEE
    room = CEILING - KNEE
    bent = np.copysign(KNEE + room * np.tanh(excess / room), samples)
    return np.rint(np.where(excess > 0, bent, samples)).astype("<i2").tobytes()


# The voice -----------------------------------------------------------------------------------------------------


class EmbeddedSynthesis:
    """The voice of one turn."""

    def __init__(self, engines: Engines, places: EngineQueue, sample_rate_hz: int, voice: Voice) -> None:
        self._engines = engines
        self._places = places
        self._sample_rate_hz = sample_rate_hz
        self._voice = voice
        self._asked_for = 0  # characters, so far in this turn

    def expect(self, emotion: Emotion, words: str = "") -> None:
        """Nothing to prepare."""

    async def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        prosody = shape(self._voice, emotion)
        clauses = split_clauses(text)
        before = self._asked_for
        self._asked_for += sum(len(clause.text) for clause in clauses)
        for clause in clauses:
            async with self._places.place(before):
                pcm = await to_thread.run_sync(
                    self._engines.speak, clause.text, prosody, abandon_on_cancel=True, limiter=self._places.threads
                )
            before += len(clause.text)
            if pcm:
                yield pcm + bytes(2 * (self._sample_rate_hz * clause.pause_ms // 1000))


class EmbeddedTTS:
    """The voice engine of the process; there is one place per synthesiser."""

    def __init__(self, engines: Engines, places: EngineQueue, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        self.languages = frozenset(("ja",))
        self._engines = engines
        self._places = places

    def prepare(self, voice: Voice) -> None:
        """Nothing to prepare."""

    @asynccontextmanager
    async def open_synthesis(self, voice: Voice) -> AsyncGenerator[Synthesis]:
        yield EmbeddedSynthesis(self._engines, self._places, self.sample_rate_hz, voice)


@asynccontextmanager
async def open_tts(settings: TTSSettings) -> AsyncGenerator[TTS]:
    """Ready when each synthesiser has spoken once.

    Raises:
        EngineUnavailable: the synthesiser or its voice is not installed, or broken.
    """
    count = min(os.cpu_count() or 1, MAX_ENGINES)
    try:
        engines = await to_thread.run_sync(Engines, settings.sample_rate_hz, count)
    except (ImportError, OSError, RuntimeError) as error:
        raise EngineUnavailable(
            f"engines.tts: the embedded voice cannot be loaded ({error}); install requirements.txt again"
        ) from error
    yield EmbeddedTTS(engines, EngineQueue(count), settings.sample_rate_hz)
