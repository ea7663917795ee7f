"""Pure: a voice and a text in, a request for `/audio/speech` out; and what of it a server was found not to take.

Servers that speak this protocol differ in what they know beside model, input and voice. All that is known of it is the
tables below; what they do not say is learned from refusals, and kept once a request without it was answered.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from services.base import Emotion
from services.vendors.openai.voice import OpenAIStyle, OpenAIVoice

DEFAULT_VOICE: Final = "alloy"  # which the others that have names of their own take for one of theirs
PCM_RATE_HZ: Final = 24_000  # of samples without a header, where an answer does not say

# Said to a model that takes instructions, where the character has none for an emotion.
INSTRUCTIONS: Final[Mapping[Emotion, str]] = {
    "happy": "Speak in a bright, happy voice.",
    "sad": "Speak in a low, sad voice.",
    "angry": "Speak in an angry, sharp voice.",
    "fearful": "Speak in a frightened, unsteady voice.",
    "disgusted": "Speak in a disgusted voice.",
    "surprised": "Speak in a surprised voice.",
    "calm": "Speak in a calm, quiet voice.",
}

# What may be left out, the least needed first: so it is tried where a refusal names nothing.
OPTIONAL: Final = ("stream_format", "stream", "instructions", "speed", "response_format")
_NAMED: Final = {name: re.compile(rf"(?<![\w-]){name}(?![\w-])") for name in OPTIONAL}
_OTHERS: Final = re.compile(r"(?<![\w-])(voice|model|input)s?(?![\w-])", re.I)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server is asked."""

    format: str = "wav"  # its header tells the rate, which differs from model to model
    lacks: frozenset[str] = frozenset()  # of OPTIONAL


# By the end of a host's name. An unknown one is asked for everything.
SERVERS: Final = (
    ("api.openai.com", Dialect("pcm", frozenset(("stream", "stream_format")))),  # streams by itself, 24 kHz
    ("api.groq.com", Dialect(lacks=frozenset(("stream", "stream_format", "instructions")))),
    ("siliconflow.cn", Dialect(lacks=frozenset(("stream_format", "instructions")))),
    ("siliconflow.com", Dialect(lacks=frozenset(("stream_format", "instructions")))),
)


def dialect_of(host: str) -> Dialect:
    return next((dialect for end, dialect in SERVERS if host == end or host.endswith(f".{end}")), Dialect())


def body_of(voice: OpenAIVoice, model: str, text: str, emotion: Emotion, dialect: Dialect) -> dict[str, Any]:
    chosen = voice.emotions.of(emotion)
    other = OpenAIStyle(instructions=chosen) if isinstance(chosen, str) else chosen or OpenAIStyle()
    speed = voice.speed if other.speed is None else other.speed
    own = other.instructions or " ".join(filter(None, (voice.instructions, INSTRUCTIONS.get(emotion))))
    optional = {
        "response_format": dialect.format,
        "instructions": own,
        "speed": speed if speed != 1 else None,
        "stream": True,
        "stream_format": "audio",
    }
    return {
        "model": voice.model or model,
        "input": text,
        "voice": other.voice_id or voice.voice_id or DEFAULT_VOICE,
        **{name: value for name, value in optional.items() if value and name not in dialect.lacks},
    }


def without(dialect: Dialect, body: Mapping[str, Any], status: int, words: str) -> Dialect | None:
    """How to ask instead after a refusal; None where it is about something else. `words`: all that it says."""
    if status == 200:
        return _without(dialect, "stream") if words.lstrip().startswith("data:") and "stream" in body else None
    if status not in (400, 422, 501):
        return None
    for name in _named(words):
        if name == "response_format" and dialect.format == "wav":
            return replace(dialect, format="pcm")
        if name in body:
            return _without(dialect, name)
    if _OTHERS.search(words):
        return None
    least = next((each for each in OPTIONAL if each in body), None)
    return _without(dialect, least) if least else None


def _without(dialect: Dialect, name: str) -> Dialect:
    return replace(dialect, lacks=dialect.lacks | {name})


def _named(words: str) -> Iterator[str]:
    """`stream_format` before `stream`: whoever names the one may well name the other in passing."""
    return (name for name, found in _NAMED.items() if found.search(words))


def is_about(words: str, what: str) -> bool:
    """Whether a refusal is about the voice or the model."""
    found = _OTHERS.search(words)
    return found is not None and found[1].lower() == what
