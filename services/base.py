"""What a turn may ask of an LLM, a TTS or an ASR: Protocols, the values they exchange, and the errors they raise."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

Emotion = Literal["happy", "sad", "angry", "fearful", "disgusted", "surprised", "calm", "auto"]
EMOTIONS: frozenset[Emotion] = frozenset(get_args(Emotion))

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat prompt."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything an LLM is told for one reply. `character` is the folder name under `prompts/`."""

    character: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of a reply: what is spoken (Japanese), what is shown (Chinese), and how it feels."""

    jp: str
    cn: str
    emotion: Emotion = "auto"


@dataclass(frozen=True, slots=True)
class ScriptTopic:
    """What a person may say about one thing (language -> phrases) and the answers to it, each of some lines."""

    name: str
    phrases: Mapping[str, tuple[str, ...]]
    answers: tuple[tuple[Line, ...], ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A scripted persona, read from `offline_lines.yaml`: topics, and answers for when none of them fits."""

    topics: tuple[ScriptTopic, ...]
    fallback: tuple[tuple[Line, ...], ...]


class LLM(Protocol):
    """An LLM. One object per process serves all users."""

    def prepare(self) -> None:
        """A hint that somebody is speaking and a prompt will follow: connections can be made. Never waits or fails."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """The reply, in fragments of any size. Closing the generator ends the vendor's stream.

        Raises:
            LLMError: the vendor refused, broke or did not answer in time.
        """
        ...


@dataclass(frozen=True, slots=True)
class Voice:
    """How one character sounds on one engine; None leaves the choice to the engine."""

    voice_id: str | None = None
    model: str | None = None
    speed: float = 1.0  # 1 = as the voice speaks by itself
    pitch: float = 0.0  # semitones
    options: object = None  # instead of these, where the engine's row has a kind of voice of its own: a value of it


@dataclass(frozen=True, slots=True)
class Mora:
    """A beat of Japanese speech, as lips move to it; times are from the beginning of the piece of pcm it is in."""

    start_ms: int
    vowel_ms: int  # when its vowel begins
    end_ms: int
    consonant: str  # "" where there is none
    vowel: str  # a i u e o, in capitals where it is whispered; N, cl (a stop) or pau (a pause)


class SpokenPcm(bytes):
    """A piece of pcm whose morae the engine knows. Who does not ask for them has bytes like any others."""

    morae: tuple[Mora, ...] = ()


class Synthesis(Protocol):
    """The voice of one turn."""

    def expect(self, emotion: Emotion, words: str = "") -> None:
        """A hint that a sentence with this emotion is being written: what it needs can be prepared. Never waits.

        `words`: it begins with these, and they will not change; given only when all sentences before it were asked for.
        """
        ...

    def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        """One sentence as pcm (s16le mono at the engine's `sample_rate_hz`), in pieces as they become ready; SpokenPcm
        where the engine knows its morae.

        Calls may overlap: the next sentence may be asked for while the last is still being received.

        Raises:
            TTSError: the vendor refused, broke or did not answer in time.
        """
        ...


class TTS(Protocol):
    """A voice engine, as a vendor has it. One object per process serves all users."""

    sample_rate_hz: int
    languages: frozenset[str]  # that it can say, by their ISO 639-1 codes

    @property
    def credits(self) -> tuple[str, ...]:
        """What the licences of its voices ask us to say, beside its vendor's own; known perhaps only after a while."""
        ...

    def prepare(self, voice: Voice) -> None:
        """A hint that this voice will soon be wanted: connections can be made. Never waits or fails."""
        ...

    def open_synthesis(self, voice: Voice) -> AbstractAsyncContextManager[Synthesis]:
        """Enter before the first sentence is known, so that connections can be made while the LLM thinks."""
        ...


Voices = Mapping[str, Voice]  # of one character, by the engine's name; one that is not there is Voice()


class TurnSynthesis(Protocol):
    """The voice of one turn, whichever engine it comes from."""

    @property
    def languages(self) -> frozenset[str]:
        """That it can say, by their ISO 639-1 codes; another engine that takes over may have others."""
        ...

    def expect(self, emotion: Emotion, words: str = "") -> None:
        """As of Synthesis."""
        ...

    def synthesize(self, text: str, emotion: Emotion, language: str | None = None) -> AsyncGenerator[bytes]:
        """As of Synthesis. `language`: of the sentence, as far as that is known; no engine is asked that has it not."""
        ...


class TurnTTS(Protocol):
    """What a turn speaks with: an engine, or several of which each stands in for those before it."""

    sample_rate_hz: int

    @property
    def credits(self) -> tuple[str, ...]:
        """As of TTS."""
        ...

    def prepare(self, voices: Voices) -> None:
        """As of TTS."""
        ...

    def open_synthesis(self, voices: Voices) -> AbstractAsyncContextManager[TurnSynthesis]:
        """As of TTS."""
        ...


RECOGNITION_RATE_HZ = 16000  # of all pcm (s16le mono) that an ASR or a speech detector is given


@dataclass(frozen=True, slots=True)
class RecognitionHints:
    """What helps an ASR: whom the person talks to, names that may be said, what was said (newest first).

    `language`: that which is spoken, as an ISO 639-1 code; "" where nobody said which.
    """

    character: str
    hotwords: tuple[str, ...] = ()
    dialogue: tuple[str, ...] = ()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was heard of one utterance so far; "" where that is nothing.

    `is_final`: the last one. `is_definite`: the ASR itself takes the utterance for ended before it was told so;
    the text will not change unless the person goes on. `until_ms`: of the utterance's audio, what a definite text is
    of; None: all that was sent.
    """

    text: str
    is_final: bool = False
    is_definite: bool = False
    until_ms: float | None = None


class Recognition(Protocol):
    """One utterance on its way to text. A failure comes out of `transcripts` alone."""

    async def send(self, pcm: bytes) -> None:
        """The next piece of the utterance, of any length in whole samples. Waits while no more can be taken."""
        ...

    async def finish(self) -> None:
        """The utterance is whole; on return, and not before, the final transcript is due."""
        ...

    def transcripts(self) -> AsyncGenerator[Transcript]:
        """One for every change, and the final one last, some time after `finish`.

        Raises:
            ASRError: the vendor refused, broke or did not answer in time.
        """
        ...


class ASR(Protocol):
    """An ASR. One object per process serves all users."""

    @property
    def phrases_only(self) -> bool:
        """It knows the phrases of the scripted personas and nothing else."""
        ...

    @property
    def tells_partials(self) -> bool:
        """It says what it has understood before the utterance is whole."""
        ...

    def open_recognition(
        self, hints: RecognitionHints, *, whole: bool = False
    ) -> AbstractAsyncContextManager[Recognition]:
        """Recognise one utterance; leaving closes whatever is open at the vendor's. `whole`: it exists already in full,
        so that no partial transcripts are wanted and it need not be taken for real-time speech."""
        ...


class SpeechDetector(Protocol):
    """One microphone's speech detector; it remembers what it heard before."""

    def probability(self, frame: bytes) -> float:
        """That there is speech in the next `frame_samples` of the VAD, 0 to 1. Takes microseconds, never waits."""
        ...


class VAD(Protocol):
    """Voice activity detection. One object per process makes the detectors of all users."""

    frame_samples: int  # at RECOGNITION_RATE_HZ

    def open_detector(self) -> SpeechDetector:
        """A detector for one microphone, freed when it is dropped."""
        ...


class ServiceError(Exception):
    """An LLM, a TTS or an ASR failed.

    str(error) is one sentence fit for the person at the other end: no key, no path, no word of the vendor's.

        ServiceError
        |-- LLMError    no reply, or not the whole of it
        |-- TTSError    no voice; `one_sentence` when the next sentence may still be spoken
        |-- ASRError    no transcript
    """

    not_before_s: float = 0.0  # asking again sooner is of no use
    of_request: bool = False  # the fault lies in what was asked: no vendor is to blame, and none is asked instead

    def __init__(self, message: str, *, retryable: bool = True, timed_out: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.timed_out = timed_out


class LLMError(ServiceError):
    """The LLM failed. `too_long`: it ended its answer at a greatest length of its own; what it said last is torn."""

    def __init__(
        self, message: str, *, retryable: bool = True, timed_out: bool = False, too_long: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable, timed_out=timed_out)
        self.too_long = too_long


class ASRError(ServiceError):
    """The ASR failed."""


class TTSError(ServiceError):
    """The voice failed. `one_sentence`: the fault lies in this text, the next one may go well."""

    def __init__(
        self, message: str, *, retryable: bool = True, timed_out: bool = False, one_sentence: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable, timed_out=timed_out)
        self.one_sentence = self.of_request = one_sentence


@contextmanager
def map_errors(
    *mapping: tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Exception], ServiceError]],
) -> Iterator[None]:
    """Turn a library's exceptions into ours at a vendor's border; the first matching row decides."""
    try:
        yield
    except ServiceError:
        raise
    except Exception as error:
        for kinds, make in mapping:
            if isinstance(error, kinds):
                raise make(error) from error
        raise
