"""What a client of ByteDance's ASR may send: bytes in, a frame or the refusal it deserves out; and our frames.

Sections 2 and 4 of the vendor's protocol page, for tests.simulators.bytedance alone.
"""

import json
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from gzip import compress
from typing import Any, Literal

RATE_HZ = 16_000
UNDECODABLE, INVALID, EMPTY, NO_GRANT, NO_RESOURCE = 45000000, 45000001, 45000002, 45000010, 45000030
IDLE, FORMAT, QUOTA = 45000081, 45000151, 45000292

SWITCHES = """enable_nonstream enable_itn enable_punc enable_ddc show_utterances enable_accelerate_text show_speech_rate
show_volume enable_lid enable_emotion_detection enable_gender_detection enable_age_detection enable_speaker_info
enable_channel_split enable_poi_fc enable_music_fc""".split()
NUMBERS = {
    **{"end_window_size": (300, 5000), "force_to_speech_time": (1, math.inf), "vad_segment_duration": (1, math.inf)},
    "accelerate_score": (0, 20),
}
CHOICES = {
    **{"result_type": ("full", "single"), "output_zh_variant": ("traditional", "tw", "hk")},
    "ssd_version": ("200", "300"),
}


class Refused(Exception):
    """An error frame that the user deserves; `status` where it is told at the handshake."""

    def __init__(self, code: int, text: str, status: int = 0) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status


# ---------------------------------------------------------------- frames


@dataclass(frozen=True, slots=True)
class Frame:
    """A client's message. `sequence` is None where the flags announce none."""

    kind: Literal["request", "audio"]
    last: bool
    sequence: int | None
    payload: bytes  # after decompression


def read_frame(message: str | bytes) -> Frame:
    """Raises Refused for whatever is not exactly as section 2 of the page has it."""
    if isinstance(message, str):
        raise undecodable("a text message")
    if len(message) < 8 or message[0] != 0x11 or message[3] != 0:
        raise undecodable(f"header {message[:4].hex(' ')}")
    kind, flags, form, compression = message[1] >> 4, message[1] & 15, message[2] >> 4, message[2] & 15
    if kind not in (1, 2) or flags > 3 or compression > 1 or form > 1 or (kind == 1 and form != 1):
        raise undecodable(f"header {message[:4].hex(' ')}")
    start = 8 if flags & 1 else 4
    if len(message) < start + 4:
        raise undecodable("it ends before its payload size")
    (size,) = struct.unpack_from(">I", message, start)
    payload = message[start + 4 :]
    if size != len(payload):
        raise undecodable(f"declared body size {size} does not match actual body size {len(payload)}")
    sequence = struct.unpack_from(">i", message, 4)[0] if flags & 1 else None
    plain = _gunzip(payload) if compression else payload
    return Frame("request" if kind == 1 else "audio", bool(flags & 2), sequence, plain)


def _gunzip(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(payload)
    except zlib.error as error:
        raise undecodable(f"gzip: {error}") from error
    if not unpacker.eof or unpacker.unused_data:
        raise undecodable("gzip: unexpected EOF")
    return plain


def undecodable(what: str) -> Refused:
    return Refused(UNDECODABLE, f"decode ws request failed: unable to decode V1 protocol message: {what}")


def write_answer(message: dict[str, Any], flags: int, sequence: int | None, *, gzips: bool) -> bytes:
    """A full server response; `flags` say whether a sequence is there."""
    payload = json.dumps(message, ensure_ascii=False).encode()
    middle = b"" if sequence is None else struct.pack(">i", sequence)
    return _framed(0x90 | flags, 0x10, middle, payload, gzips)


def write_error(code: int, text: str, *, plain: bool, gzips: bool) -> bytes:
    """A server error, in JSON or as it stands."""
    payload = text.encode() if plain else json.dumps({"error": text}, ensure_ascii=False).encode()
    return _framed(0xF0, 0x00 if plain else 0x10, struct.pack(">I", code), payload, gzips)


def _framed(kind: int, form: int, middle: bytes, payload: bytes, gzips: bool) -> bytes:
    payload = compress(payload) if gzips else payload
    return bytes([0x11, kind, form | gzips, 0]) + middle + struct.pack(">I", len(payload)) + payload


# ---------------------------------------------------------------- what may be asked for


def check_request(request: object, service: str) -> None:
    """Raises Refused where a full client request is not as section 4 of the page has it."""
    for problem in _problems(request, service):
        raise Refused(INVALID, f"[Invalid Params] {problem}")
    assert isinstance(request, dict)
    audio = request["audio"]
    if audio["format"] != "pcm" or audio.get("codec", "raw") not in ("raw", "pcm"):  # the only one simulated
        raise Refused(FORMAT, "audio format not supported")


def _problems(request: object, service: str) -> Iterator[str]:
    if not isinstance(request, dict) or not isinstance(request.get("user", {}), dict):
        yield "the request and its user must be objects"
        return
    audio, wanted = request.get("audio"), request.get("request")
    if not isinstance(audio, dict) or not isinstance(wanted, dict):
        yield "audio and request are required"
        return
    for name in ("uid", "did", "platform", "sdk_version", "app_version"):
        if not isinstance(request.get("user", {}).get(name, ""), str):
            yield f"user.{name}"
    if not isinstance(audio.get("format"), str) or not isinstance(audio.get("language", ""), str):
        yield "audio.format, audio.language"
    for name, values in (("rate", (RATE_HZ,)), ("bits", (16,)), ("channel", (1, 2))):
        if type(audio.get(name, values[0])) is not int or audio.get(name, values[0]) not in values:
            yield f"audio.{name}"
    yield from (f"request.{problem}" for problem in _problems_of_wishes(wanted, service))


def _problems_of_wishes(wanted: dict[str, Any], service: str) -> Iterator[str]:
    if wanted.get("model_name") != "bigmodel":
        yield "model_name"
    yield from (name for name in SWITCHES if name in wanted and type(wanted[name]) is not bool)
    yield from (name for name, values in CHOICES.items() if name in wanted and wanted[name] not in values)
    for name, (least, most) in NUMBERS.items():
        if name in wanted and not (type(wanted[name]) is int and least <= wanted[name] <= most):
            yield f"{name}: {least} to {most}"
    if "force_to_speech_time" in wanted and "end_window_size" not in wanted:
        yield "force_to_speech_time needs end_window_size"
    if wanted.get("enable_nonstream") and service != "bigmodel_async":
        yield "enable_nonstream is for bigmodel_async"
    if (wanted.get("enable_poi_fc") or wanted.get("enable_music_fc")) and not wanted.get("enable_nonstream"):
        yield "enable_poi_fc and enable_music_fc need enable_nonstream"
    if "sensitive_words_filter" in wanted and _object_in(wanted["sensitive_words_filter"]) is None:
        yield "sensitive_words_filter"
    corpus = wanted.get("corpus", {})
    if not isinstance(corpus, dict) or not all(
        isinstance(corpus.get(f"{table}_table_{by}", ""), str)
        for table in ("boosting", "correct", "regex_correct")
        for by in ("name", "id")
    ):
        yield "corpus"
    elif "context" in corpus:
        yield from (f"corpus.context: {problem}" for problem in _problems_of_context(corpus["context"], service))


def _problems_of_context(text: object, service: str) -> Iterator[str]:
    context = _object_in(text)
    if context is None:
        yield "not a string that holds a JSON object"
        return
    words = _texts_in(context.get("hotwords", []), "word")
    if words is None:
        yield "hotwords"
    elif len(words) > 5000 if service == "bigmodel_nostream" else sum(map(_tokens, words)) > 100:
        yield "too many hotwords"
    turns = _texts_in(context.get("context_data", []), "text")
    if turns is None or (turns and context.get("context_type") != "dialog_ctx"):
        yield "context_data"
    elif len(turns) > 20 or sum(map(_tokens, turns)) > 800:
        yield "context too long"


def _object_in(text: object) -> dict[str, Any] | None:
    with suppress(ValueError):
        found = json.loads(text) if isinstance(text, str) else None
        return found if isinstance(found, dict) else None
    return None


def _texts_in(items: object, key: str) -> list[str] | None:
    """The texts of a list of objects; None if it is anything else, or one of them is empty."""
    if not isinstance(items, list):
        return None
    texts = [item.get(key) if isinstance(item, dict) else None for item in items]
    found = [text for text in texts if isinstance(text, str) and text]
    return found if len(found) == len(texts) else None


def words_of(text: str) -> list[str]:
    """Latin words, and single characters of all other writing."""
    return re.findall(r"[A-Za-z0-9']+|\w", text)


def _tokens(text: str) -> int:
    """About as many as the vendor counts."""
    return len(words_of(text))
