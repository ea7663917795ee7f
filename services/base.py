"""What a turn may ask of a mind or a voice: Protocols, the values they exchange, and the errors they raise."""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
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
    """Everything a mind is told for one reply. `character` is the folder name under `prompts/`."""

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
    """A mind. One object per process serves all callers."""

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


class Speech(Protocol):
    """The voice of one turn."""

    def expect(self, emotion: Emotion) -> None:
        """A hint that a sentence with this emotion is being written: what it needs can be prepared. Never waits."""
        ...

    def synthesize(self, text: str, emotion: Emotion) -> AsyncGenerator[bytes]:
        """One sentence as pcm (s16le mono at the engine's `sample_rate_hz`), in pieces as they become ready.

        Calls may overlap: the next sentence may be asked for while the last is still being received.

        Raises:
            TTSError: the vendor refused, broke or did not answer in time.
        """
        ...


class TTS(Protocol):
    """A voice engine. One object per process serves all callers."""

    sample_rate_hz: int

    def open_speech(self, voice: Voice) -> AbstractAsyncContextManager[Speech]:
        """Enter before the first sentence is known, so that connections can be made while the mind thinks."""
        ...


class ServiceError(Exception):
    """A mind or a voice failed.

    str(error) is one sentence fit for the person at the other end: no key, no path, no word of the vendor's.

        ServiceError
        |-- LLMError    no reply, or not the whole of it
        |-- TTSError    no voice; `one_sentence` when the next sentence may still be spoken
    """

    not_before_s: float = 0.0  # asking again sooner is of no use

    def __init__(self, message: str, *, retryable: bool = True, timed_out: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.timed_out = timed_out


class LLMError(ServiceError):
    """The mind failed."""


class TTSError(ServiceError):
    """The voice failed. `one_sentence`: the fault lies in this text, the next one may go well."""

    def __init__(
        self, message: str, *, retryable: bool = True, timed_out: bool = False, one_sentence: bool = False
    ) -> None:
        super().__init__(message, retryable=retryable, timed_out=timed_out)
        self.one_sentence = one_sentence


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


class EngineUnavailable(Exception):
    """A wanted engine cannot be opened; str(error) says why and what to do, in one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A row of a vendor table: the module under `services.vendors` and the secrets it cannot do without."""

    module: str
    secrets: tuple[str, ...] = ()  # names as in the environment, e.g. DOUBAO_API_KEY
    credit: str | None = None  # what its licence asks us to say


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which vendor serves, and why, in words for the start-up line and `GET /`."""

    name: str
    vendor: Vendor
    reason: str


def choose_engine(kind: str, wanted: str, vendors: Mapping[str, Vendor], secrets: Mapping[str, str]) -> EngineChoice:
    """Which engine of a kind ("llm", "tts", ...) serves. `vendors` is in order of preference, the last needs no secret.

    Raises:
        EngineUnavailable: `wanted` is unknown, or a vendor named explicitly lacks its secrets.
    """
    if wanted == "auto" and not vendors:
        return EngineChoice("none", Vendor(""), "not part of this version")
    if wanted == "auto":
        lacking: list[str] = []
        for name, vendor in vendors.items():
            missing = [secret for secret in vendor.secrets if not secrets.get(secret)]
            if not missing:
                found = f"{' and '.join(vendor.secrets)} set" if vendor.secrets else f"{', '.join(lacking)} not set"
                return EngineChoice(name, vendor, found if vendor.secrets or lacking else "the only one")
            lacking += missing
        raise EngineUnavailable(f"engines.{kind}: no engine can be opened; set {' or '.join(lacking)}")
    if wanted not in vendors:
        raise EngineUnavailable(f"engines.{kind}: there is no engine {wanted!r}; use {' or '.join(('auto', *vendors))}")
    missing = [secret for secret in vendors[wanted].secrets if not secrets.get(secret)]
    if missing:
        raise EngineUnavailable(
            f"engines.{kind}: {wanted} needs {' and '.join(missing)}, which is not set; "
            "set it in the environment or in credentials.py, or choose auto"
        )
    return EngineChoice(wanted, vendors[wanted], "named in the configuration")


@dataclass(frozen=True, slots=True)
class LLMSettings:
    """What any mind may need to open; a vendor takes what concerns it."""

    endpoint: str = ""
    model: str = ""
    stream: bool = True
    reasoning_effort: str = "minimal"
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    scripts: Mapping[str, Script] = field(default_factory=dict, repr=False)  # by character, for the embedded one
    connect_s: float = 5.0
    first_token_s: float = 15.0
    gap_s: float = 10.0
    total_s: float = 60.0


@dataclass(frozen=True, slots=True)
class TTSSettings:
    """What any voice may need to open; a vendor takes what concerns it."""

    endpoint: str = ""
    model: str = ""
    sample_rate_hz: int = 16000
    verify_tls: bool = True
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_s: float = 5.0
    first_audio_s: float = 5.0
    gap_s: float = 5.0
