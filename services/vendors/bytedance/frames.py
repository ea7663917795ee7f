"""Sans-IO: ByteDance's binary frames, bytes to typed frames and back; answers in, the text heard so far out."""

import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import msgspec

from services.vendors.bytedance.faults import UNREADABLE, Failed

MAX_PAYLOAD_BYTES: Final = 1 << 20  # after decompression; real ones have some KiB
MAX_FRAME_BYTES: Final = MAX_PAYLOAD_BYTES + 64  # of a message that may come
MAX_CHARACTERS: Final = 20_000  # of one utterance; two minutes of fast speech have about 1,000

_VERSION: Final = 1
_SEQUENCE, _LAST, _EVENT = 1, 2, 4  # bits of the flags


class Kind(IntEnum):
    """Message types."""

    REQUEST = 1
    AUDIO = 2
    RESPONSE = 9
    ERROR = 15


class Serialization(IntEnum):
    RAW = 0
    JSON = 1


class Compression(IntEnum):
    NONE = 0
    GZIP = 1


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `payload` is not compressed; `compression` says how it travels. `code`: of an ERROR alone."""

    kind: Kind
    payload: bytes = b""
    is_last: bool = False
    sequence: int | None = None
    event: int | None = None
    code: int | None = None
    serialization: Serialization = Serialization.RAW
    compression: Compression = Compression.NONE


def request_frame(payload: bytes) -> bytes:
    """The full client request. Without a sequence, as all we send: the server numbers by itself (page, section 2)."""
    return encode(Frame(Kind.REQUEST, payload, serialization=Serialization.JSON))


def audio_frame(pcm: bytes, *, is_last: bool = False) -> bytes:
    return encode(Frame(Kind.AUDIO, pcm, is_last))


def encode(frame: Frame) -> bytes:
    """The bytes of a frame. An error has its code in place of a sequence."""
    numbered = frame.sequence is not None and frame.kind is not Kind.ERROR
    flags = _SEQUENCE * numbered | _LAST * frame.is_last | _EVENT * (frame.event is not None)
    head = bytes((_VERSION << 4 | 1, frame.kind << 4 | flags, frame.serialization << 4 | frame.compression, 0))
    if frame.kind is Kind.ERROR:
        head += struct.pack(">I", frame.code or 0)
    elif frame.sequence is not None:
        head += struct.pack(">i", frame.sequence)
    if frame.event is not None:
        head += struct.pack(">i", frame.event)
    payload = zlib.compress(frame.payload, wbits=31) if frame.compression is Compression.GZIP else frame.payload
    return head + struct.pack(">I", len(payload)) + payload


def decode(raw: bytes) -> Frame:
    """One message. The flags decide what follows the header, and each frame's own nibble whether it is compressed.

    Raises:
        ASRError: it is no frame, or its payload is too large.
    """
    try:
        start = (raw[0] & 15) * 4
        if raw[0] >> 4 != _VERSION or start < 4:
            raise Failed(UNREADABLE)
        kind, flags = Kind(raw[1] >> 4), raw[1] & 15
        serialization, compression = Serialization(raw[2] >> 4), Compression(raw[2] & 15)
        code = sequence = event = None
        if kind is Kind.ERROR:
            code, start = _integer(raw, start, ">I")
        elif flags & _SEQUENCE:
            sequence, start = _integer(raw, start, ">i")
        if flags & _EVENT:
            event, start = _integer(raw, start, ">i")
        size, start = _integer(raw, start, ">I")
    except (IndexError, ValueError, struct.error) as error:
        raise Failed(UNREADABLE) from error
    if size != len(raw) - start or size > MAX_PAYLOAD_BYTES:
        raise Failed(UNREADABLE)
    payload = _decompress(raw[start:]) if compression is Compression.GZIP and size else raw[start:]
    return Frame(kind, payload, bool(flags & _LAST), sequence, event, code, serialization, compression)


def _integer(raw: bytes, start: int, layout: str) -> tuple[int, int]:
    """A field of four bytes, and where the next one starts."""
    return struct.unpack_from(layout, raw, start)[0], start + 4


def _decompress(payload: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(payload, MAX_PAYLOAD_BYTES + 1)
    except zlib.error as error:
        raise Failed(UNREADABLE) from error
    if len(plain) > MAX_PAYLOAD_BYTES or not unpacker.eof or unpacker.unused_data:
        raise Failed(UNREADABLE)
    return plain


# ---------------------------------------------------------------- what the vendor says


class Utterance(msgspec.Struct, frozen=True, gc=False):
    """A stretch of speech; times in ms of the session's audio, -1 or None where not known."""

    text: str | None = None
    start_time: float | None = None
    end_time: float | None = None
    definite: bool | None = None  # it will not change


class _Result(msgspec.Struct, frozen=True):
    text: str | None = None
    utterances: tuple[Utterance, ...] | None = None


class _Body(msgspec.Struct, frozen=True):
    result: _Result | list[_Result] | None = None  # the documents draw a list, the wire has an object


class _ErrorBody(msgspec.Struct, frozen=True):
    error: str


@dataclass(frozen=True, slots=True)
class Response:
    """What was heard, as far as this frame tells. None: it does not tell."""

    text: str | None = None
    utterances: tuple[Utterance, ...] | None = None
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error frame; `text` is the vendor's, shown to nobody."""

    code: int
    text: str = ""


def receive(raw: bytes) -> Response | Refusal:
    """One message of the vendor.

    Raises:
        ASRError: it is none of the messages it may send.
    """
    frame = _decode_error(raw) if len(raw) > 1 and raw[1] >> 4 == Kind.ERROR else decode(raw)
    if frame.code is not None:
        return Refusal(frame.code, _error_text(frame.payload))
    if frame.kind is not Kind.RESPONSE:
        raise Failed(UNREADABLE)
    try:
        body = msgspec.json.decode(frame.payload or b"{}", type=_Body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Failed(UNREADABLE) from error
    results = body.result if isinstance(body.result, list) else [body.result or _Result()]
    texts = [result.text for result in results if result.text is not None]
    utterances = [result.utterances for result in results if result.utterances is not None]
    return Response(join(*texts) if texts else None, sum(utterances, ()) if utterances else None, frame.is_last)


def _decode_error(raw: bytes) -> Frame:
    """The code says everything that matters, hence a payload that cannot be decompressed is forgiven."""
    try:
        return decode(raw)
    except Failed:
        start = (raw[0] & 15) * 4
        if raw[0] >> 4 != _VERSION or not 4 <= start <= len(raw) - 4:
            raise
        return Frame(Kind.ERROR, code=_integer(raw, start, ">I")[0])


def _error_text(payload: bytes) -> str:
    try:
        return msgspec.json.decode(payload, type=_ErrorBody).error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):  # plain text comes as well
        return payload.decode(errors="replace")


# ---------------------------------------------------------------- the text so far


def join(*texts: str) -> str:
    """Texts in order, with a space between Latin ones."""
    joined = ""
    for text in filter(None, texts):
        latin = joined[-1:].isascii() and not joined[-1:].isspace() and text[0].isascii() and text[0].isalnum()
        joined += f" {text}" if joined and latin else text
    return joined


class Heard:
    """The answers of one session in, its text out: the definite utterances so far, and the open ones.

    Definite utterances come again in later frames (`result_type` full) or do not (single): what is the same in times
    and text counts once, unless one frame has it several times.
    """

    def __init__(self) -> None:
        self._definite: list[Utterance] = []
        self._known: Counter[Utterance] = Counter()
        self._open = ""

    def receive(self, response: Response) -> None:
        """Raises ASRError where the vendor goes on without end."""
        if response.utterances:
            told = [each for each in response.utterances if each.text]
            self._add([each for each in told if each.definite])
            self._open = join(*(each.text or "" for each in told if not each.definite))
        elif response.text is not None:
            # Without utterances the text is all there is; what of it is known already comes first (result_type full).
            self._open = response.text.removeprefix(self._joined)
        if len(self.text) > MAX_CHARACTERS:
            raise Failed(UNREADABLE)

    def _add(self, definite: list[Utterance]) -> None:
        in_frame: Counter[Utterance] = Counter()
        for utterance in definite:
            in_frame[utterance] += 1
            if in_frame[utterance] > self._known[utterance]:
                self._known[utterance] += 1
                self._definite.append(utterance)

    @property
    def text(self) -> str:
        return join(self._joined, self._open.strip())

    @property
    def is_definite(self) -> bool:
        """Whether something was heard, and none of it may change."""
        return bool(self._definite) and not self._open.strip()

    @property
    def definite_until_ms(self) -> float | None:
        """Where in the session's audio the last definite utterance ends, if that is told."""
        end_ms = self._definite[-1].end_time if self._definite else None
        return end_ms if end_ms is not None and end_ms > 0 else None

    @property
    def confirmed(self) -> tuple[str, float]:
        """The text that need not be heard again, and the ms of audio it takes, from the session's beginning."""
        for last in range(len(self._definite), 0, -1):
            end_ms = self._definite[last - 1].end_time
            if end_ms is not None and end_ms > 0:
                return join(*(each.text or "" for each in self._definite[:last])), end_ms
        return "", 0.0

    @property
    def _joined(self) -> str:
        return join(*(each.text or "" for each in self._definite))
