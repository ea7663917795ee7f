"""A frame of /ws in, a client message out; a server message in, a frame out. What is no message says why not."""

import base64
import binascii
import json
import re
import struct
from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from msgspec import Struct

from server.protocol.wire import AnyClientMessage, AnyServerMessage, AudioFrame, AudioMessage, Connect, ErrorCode


class WireError(Exception):
    """A frame that is no message: `code` and a sentence that names what is wrong."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code


class _Head(Struct):
    type: str


class _AudioText(Struct):
    """Of a message with audio, that alone: objects for all else that stands in it would cost more than it does."""

    audio_base64: str


_decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)
_syntax_decoder = msgspec.json.Decoder(msgspec.Raw)
_head_decoder = msgspec.json.Decoder(_Head)
_audio_text_decoder = msgspec.json.Decoder(_AudioText)
_encoder = msgspec.json.Encoder()
_KINDS: Mapping[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(AnyClientMessage)}
_AUDIO_HEAD = struct.Struct(">BBHI")
_AUDIO_VERSION, _PCM_S16LE = 1, 0
_BYTE_ORDER_MARK = "\ufeff"  # which .NET and some editors put before a text
_AN_END = 512
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def decode(text: str) -> AnyClientMessage:
    """A text frame as a message.

    Raises:
        WireError: `bad_json`, `bad_message`, `unknown_type` or `bad_audio`, naming the field at fault.
    """
    try:
        message = _decoder.decode(text)
    except msgspec.ValidationError as error:
        return _look_closer(text, str(error))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        message = _decode_mended(text, error)
    # Whoever writes it twice writes it at an end; to search between them would cost more than to decode a chunk.
    if text.count('"type"', 0, _AN_END) + text.count('"type"', max(_AN_END, len(text) - _AN_END)) > 1:
        _check_one_type(text, message)
    return message


def _decode_mended(text: str, error: Exception) -> AnyClientMessage:
    """What was meant by a text that is not JSON for a reason that can be mended; mended once, then refused."""
    whole = _without_lone_halves(text.removeprefix(_BYTE_ORDER_MARK))
    if whole == text:
        raise _not_json(error) from None
    try:
        return _decoder.decode(whole)
    except msgspec.ValidationError as problem:
        return _look_closer(whole, str(problem))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as problem:
        raise _not_json(problem) from None


def is_batch_audio(frame: str | bytes) -> bool:
    """Whether a frame is the one message that may be large, told without reading the rest of it."""
    try:
        if isinstance(frame, bytes):
            return False
        head = _head_decoder.decode(frame.removeprefix(_BYTE_ORDER_MARK))
        return head.type == AudioMessage.__struct_config__.tag
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return False


def decode_audio(frame: bytes) -> AudioFrame:
    """A binary frame as audio.

    Raises:
        WireError: `bad_audio`; it is none of this version.
    """
    if len(frame) < _AUDIO_HEAD.size:
        raise WireError("bad_audio", f"A binary frame is {_AUDIO_HEAD.size} bytes and samples; this one is shorter")
    version, codec, _, _ = _AUDIO_HEAD.unpack_from(frame)
    if (version, codec) != (_AUDIO_VERSION, _PCM_S16LE):
        wanted = f"version {_AUDIO_VERSION}, codec {_PCM_S16LE} (pcm s16le)"
        raise WireError("bad_audio", f"A binary frame begins with {wanted}; this one with {version} and {codec}")
    return AudioFrame(frame[_AUDIO_HEAD.size :])


def encode(message: AnyServerMessage) -> str:
    """A message as a text frame."""
    return _encoder.encode(message).decode()


def encode_audio(audio: AudioFrame) -> bytes:
    """Audio as a binary frame."""
    return _AUDIO_HEAD.pack(_AUDIO_VERSION, _PCM_S16LE, audio.index, audio.turn_number) + audio.pcm


def _look_closer(text: str, problem: str) -> AnyClientMessage:
    """What is wrong with a text, or what was meant by it.

    msgspec stops at the first problem, `<what> - at `$.<field>``; worse may follow it.
    """
    try:
        _syntax_decoder.decode(text)
        kind = _head_decoder.decode(text).type
    except msgspec.ValidationError as error:
        expected = f'A message is a JSON object with a text field "type": {_lower_first(str(error))}'
        raise WireError("bad_message", expected) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise _not_json(error) from None
    what, found, path = problem.rpartition(" - at `$")
    field = path.strip(".`") if found else ""
    if kind not in _KINDS:
        shown = f" {kind!r}" if _SAFE_NAME.fullmatch(kind) else ""
        raise WireError("unknown_type", f"There is no message type{shown} in this protocol") from None
    if field == "type":
        raise WireError("bad_message", f"{kind}.type: the field is there twice") from None
    if kind == "connect" and field.startswith("api_token"):
        return Connect()  # a number too large to be read is a wrong token, and answered like every other
    if what == "Invalid base64 encoded string":  # pinned by a test: msgspec has no error type of its own for it
        audio: AnyClientMessage = _KINDS[kind](_read_base64(_audio_text_decoder.decode(text).audio_base64, field))
        return audio
    raise WireError("bad_message", f"{kind}{'.' + field if field else ''}: {_lower_first(what or path)}") from None


def _check_one_type(text: str, message: AnyClientMessage) -> None:
    """msgspec takes a type that is there twice, if it says the same. An unknown field may hold objects with types."""
    if len(text) > _LONGEST_MENDED:
        return
    outermost: list[str] = []

    def look_at(pairs: list[tuple[str, object]]) -> None:
        outermost[:] = [name for name, _ in pairs]  # the outermost object is whole last

    json.loads(text.removeprefix(_BYTE_ORDER_MARK), object_pairs_hook=look_at)
    if outermost.count("type") > 1:
        kind = message.__struct_config__.tag
        raise WireError("bad_message", f"{kind}.type: the field is there twice")


# Base64 as phones and browsers write it beside the standard (RFC 4648, section 4): with line breaks (MIME, section 3.1;
# Android's default), in the URL-safe alphabet (section 5), without padding (section 3.2), as a data URL (RFC 2397).
_DATA_URL = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="


def _read_base64(text: str, field: str) -> bytes:
    """What the strict decoder did not take.

    Raises:
        WireError: `bad_audio`; nobody can read it.
    """
    digits = text.encode("utf-8", "replace")
    if head := _DATA_URL.match(digits):
        digits = digits[head.end() :]
    digits = digits.translate(_URL_SAFE, b" \t\r\n")
    if b"=" not in digits:
        digits += b"=" * (-len(digits) % 4)
    try:
        return base64.b64decode(digits, validate=True)
    except binascii.Error:
        wrong = digits.translate(None, _BASE64)
        why = f"it holds {chr(wrong[0])!a}" if wrong else "its length or its padding is wrong"
        raise WireError("bad_audio", f"{field} is not base64: {why}") from None


# An escape of JSON: a whole surrogate pair, half of one, or any other.
_ESCAPE = re.compile(
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|(\\.)", re.DOTALL
)
_LONGEST_MENDED = 65_536
_HALF = re.compile("[\\ud800-\\udfff]")


def _without_lone_halves(text: str) -> str:
    """Without the half of an emoji that a field has at its end where it was cut at a greatest length.

    Only texts that a person could have typed are mended: the longer ones would take the loop's time.
    """
    if len(text) > _LONGEST_MENDED:
        return text
    return _ESCAPE.sub(lambda escape: "" if escape[2] else escape[0], _HALF.sub("", text))


def _not_json(error: Exception) -> WireError:
    detail = str(error).removeprefix("JSON is malformed: ")
    if isinstance(error, RecursionError):
        detail = "nested too deeply"
    elif isinstance(error, UnicodeEncodeError):
        detail = "half a surrogate pair stands alone"
    return WireError("bad_json", f"The frame is not JSON: {_lower_first(detail)}")


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
