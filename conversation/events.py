"""What a turn tells whoever runs it, as frozen values."""

from dataclasses import dataclass

from services.base import Emotion


@dataclass(frozen=True, slots=True)
class ThinkingStarted:
    """The LLM was asked."""


@dataclass(frozen=True, slots=True)
class ThinkingEnded:
    """The LLM has said all it will."""

    elapsed_s: float


@dataclass(frozen=True, slots=True)
class SynthesisStarted:
    """A sentence went to the voice."""

    text: str
    emotion: Emotion


@dataclass(frozen=True, slots=True)
class SentenceBegun:
    """A sentence's turn to be heard has come; its audio follows. `start_ms` of audio were sent before it.

    `cn` is None where the translation is not written yet; a SentenceTranslated with the same index follows. Where it is
    not `voiced`, no audio does: there is nothing to be spoken in it, or its voice has failed.
    """

    index: int
    jp: str
    cn: str | None
    emotion: Emotion
    start_ms: int
    voiced: bool = True


@dataclass(frozen=True, slots=True)
class SentenceTranslated:
    """The translation of a sentence that had begun without it."""

    index: int
    jp: str
    cn: str
    emotion: Emotion
    start_ms: int


@dataclass(frozen=True, slots=True)
class ReplyAudio:
    """Audio of a sentence: pcm s16le mono, at most `chunk_ms` of it, never empty, whole samples."""

    index: int
    pcm: bytes


TurnEvent = ThinkingStarted | ThinkingEnded | SynthesisStarted | SentenceBegun | SentenceTranslated | ReplyAudio
