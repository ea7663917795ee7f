"""Pure: an utterance and what is known of it in, a multipart request for its transcript out.

Servers differ in what they take beside the file and the model: a table says what is left out when a request is refused.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from services.base import RECOGNITION_RATE_HZ, RecognitionHints

BOUNDARY: Final = "chatanon-0f3b6a7c9d2e"  # pcm cannot hold it by chance: it is longer than chance goes
CONTENT_TYPE: Final = f"multipart/form-data; boundary={BOUNDARY}"
DEFAULT_MODEL: Final = "whisper-1"  # OpenAI's own name, which its likes know as well
PROMPT_CHARACTERS: Final = 200  # Whisper reads 224 tokens of it
_WAV: Final = struct.Struct("<4sI4s4sIHHIIHH4sI")


@dataclass(frozen=True, slots=True)
class Parameters:
    """Which optional fields a server is sent."""

    verbose: bool = True  # response_format: verbose_json, which tells how sure the model is; else json
    auto: bool = True  # language: auto where nobody said which. whisper.cpp's server takes English for granted
    language: bool = True
    prompt: bool = True
    temperature: bool = True

    def without(self, objection: str) -> "Parameters | None":
        """Less of it after a refusal in these words; None where nothing is left that it could be about."""
        for field, words in _OBJECTIONS:
            if getattr(self, field) and any(word in objection for word in words):
                return replace(self, **{field: False})
        return LEAN if self != LEAN else None


# Field of Parameters -> what a server says (in lower case) that does not take it; the first that fits is left out.
_OBJECTIONS: Final = (
    ("verbose", ("response_format", "response format", "verbose_json", "timestamp")),
    ("temperature", ("temperature",)),
    ("prompt", ("prompt",)),
    ("auto", ("language", "'auto'", '"auto"')),
    ("language", ("language",)),
)
LEAN: Final = Parameters(False, False, False, False, False)


def fields(asked: Parameters, model: str, hints: RecognitionHints) -> Iterator[tuple[str, str]]:
    """The text fields, name and value."""
    yield "model", model or DEFAULT_MODEL
    yield "response_format", "verbose_json" if asked.verbose else "json"
    if asked.temperature:
        yield "temperature", "0"
    if hints.language and asked.language:
        yield "language", hints.language
    elif not hints.language and asked.auto:
        yield "language", "auto"
    if asked.prompt and (words := prompt(hints)):
        yield "prompt", words


def prompt(hints: RecognitionHints) -> str:
    """Names that may be said, as they are written; "" where none are known."""
    words: list[str] = []
    for word in dict.fromkeys(" ".join(re.sub(r"[\r\n]", " ", each).split()) for each in hints.hotwords):
        if word and sum(map(len, words)) + len(words) + len(word) <= PROMPT_CHARACTERS:
            words.append(word)
    return "、".join(words)


def frame(text_fields: Iterator[tuple[str, str]], pcm_bytes: int) -> tuple[bytes, bytes]:
    """What comes before the pcm, and after it. The file is last: what a server must know first comes first."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in text_fields
    ]
    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="utterance.wav"\r\n'
    head = f"{''.join(parts)}{file}Content-Type: audio/wav\r\n\r\n"
    return head.encode() + wav_header(pcm_bytes), f"\r\n--{BOUNDARY}--\r\n".encode()


def wav_header(pcm_bytes: int) -> bytes:
    """Of s16le mono."""
    rate = RECOGNITION_RATE_HZ
    riff = (b"RIFF", pcm_bytes + _WAV.size - 8, b"WAVE")
    return _WAV.pack(*riff, b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", pcm_bytes)
