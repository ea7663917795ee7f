"""What goes over the WebSocket in, events out, and the other way round.

Nothing that a server sends is trusted: a field that is missing or of another type has its default, a message that is
not known, or cannot be read at all, is `Unknown`.
"""

import base64
import binascii
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from chatanon_client.errors import ChatAnonError
from chatanon_client.events import MESSAGES, Audio, AudioError, Event, History, HistoryMessage, Unknown

Frame = dict[str, Any]  # a JSON object

_HEADER = struct.Struct(">BBHI")  # version, codec, index of the sentence, number of the turn
_VERSION, _PCM = 1, 0
_SAMPLE_BYTES = 2
_SAMPLE_RATES = range(1, 192_001)
_FIELDS_OF_ERROR = {"code", "message", "retryable", "retry_after_ms", "ref", "turn_id"}


# ---------------------------------------------------------------- to the server


def text_frame(kind: str, **values: Any) -> str:
    """Lone surrogates, which a command line may hold, become question marks."""
    return json.dumps({"type": kind, **values}, ensure_ascii=False).encode("utf-8", "replace").decode()


def audio_field(sound: bytes) -> dict[str, str]:
    return {"audio_base64": base64.b64encode(sound).decode()}


def binary_frame(pcm: bytes) -> bytes:
    return _HEADER.pack(_VERSION, _PCM, 0, 0) + pcm


# ---------------------------------------------------------------- from the server


def read(received: str | bytes, sample_rate: int = 16_000) -> Event:
    """`sample_rate`: of binary frames, which do not tell it."""
    if isinstance(received, bytes):
        return _read_binary(received, sample_rate)
    try:
        frame = json.loads(received)
    except (ValueError, RecursionError):
        frame = None
    return read_frame(frame) if isinstance(frame, dict) else Unknown("", {})


def read_frame(frame: Frame) -> Event:
    kind = frame.get("type")
    if not isinstance(kind, str):
        return Unknown("", frame)
    if kind == "audio_chunk":
        return _read_chunk(frame)
    if kind == "history":
        messages = frame.get("messages")
        lines = messages if isinstance(messages, list) else []
        read = tuple(_fill(HistoryMessage, line) for line in lines if isinstance(line, dict))
        return History(read, frame.get("more") is True)
    if kind == "error":
        return ChatAnonError(**_values(ChatAnonError, {name: frame[name] for name in _FIELDS_OF_ERROR & frame.keys()}))
    event: Event = _fill(MESSAGES[kind], frame) if kind in MESSAGES else Unknown(kind, frame)
    return event


def _read_binary(received: bytes, sample_rate: int) -> Event:
    pcm = received[_HEADER.size :]
    if len(received) <= _HEADER.size or len(pcm) % _SAMPLE_BYTES:
        return Unknown("binary")
    version, codec, sentence, turn = _HEADER.unpack_from(received)
    if (version, codec) != (_VERSION, _PCM):
        return Unknown("binary")
    return Audio(pcm, sample_rate, turn, sentence)


def _read_chunk(frame: Frame) -> Event:
    encoded, rate = frame.get("audio_base64"), frame.get("audio_sample_rate", Audio().sample_rate)
    try:
        pcm = base64.b64decode(encoded if isinstance(encoded, str) else "", validate=True)
    except (binascii.Error, ValueError):  # ValueError: letters that are not ASCII
        pcm = b""
    whole = pcm and len(pcm) % _SAMPLE_BYTES == 0 and frame.get("audio_format", "pcm") == "pcm"
    if not whole or type(rate) is not int or rate not in _SAMPLE_RATES:
        return Unknown("audio_chunk", frame)
    return Audio(pcm, rate, turn_id=_text(frame.get("turn_id")) or "")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _texts(value: object) -> tuple[str, ...] | None:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else None


def _numbers(value: object) -> dict[str, float] | None:
    if not isinstance(value, dict):
        return None
    return {name: each for name, each in value.items() if _number(each) is not None}


def _audio_error(value: object) -> AudioError | None:
    return _fill(AudioError, value) if isinstance(value, dict) else None


# By the type of a field, as it is written in events.py; None stands for "not that".
_READERS: Mapping[str, Callable[[object], object]] = {
    "str": _text,
    "int": _whole,
    "float": _number,
    "bool": _flag,
    "tuple[str, ...]": _texts,
    "Mapping[str, float]": _numbers,
    "AudioError | None": _audio_error,
}


def _fill(kind: type[Any], frame: Frame) -> Any:
    return kind(**_values(kind, frame))


def _values(kind: type[Any], frame: Frame) -> dict[str, Any]:
    values = {}
    for field in fields(kind):
        if field.name in frame:
            value = _READERS[str(field.type)](frame[field.name])
            if value is not None:
                values[field.name] = value
    return values
