"""Every message on /ws, as two tagged unions: a frame in, a client message out; a server message in, a frame out.

The one place where a string of the wire is written. `docs/wire.md` and `GET /asyncapi.json` describe the same.
Longer than the house likes, because the protocol is: all of it can be read here from top to bottom.
"""

import re
import struct
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Struct, UnsetType

from services.base import Emotion

Extension = Literal["turns", "sentences", "barge_in", "speech_events", "binary_audio", "stages", "history", "resume"]
# What this version grants; the others are left out of the answer until they are built.
GRANTED_EXTENSIONS: frozenset[Extension] = frozenset(
    {"turns", "sentences", "stages", "history", "speech_events", "binary_audio"}
)

ErrorCode = Literal[
    "bad_json", "bad_message", "unknown_type", "not_connected", "unauthorized", "unknown_character",
    "handshake_timeout", "empty_message", "message_too_long", "bad_audio", "audio_too_long", "no_speech",
    "wrong_state", "stream_timeout", "busy", "rate_limited", "server_busy", "history_unavailable",
    "llm_failed", "llm_timeout", "asr_failed", "asr_timeout", "too_slow", "message_too_big", "idle",
    "origin_not_allowed", "internal",
]  # fmt: skip
AudioErrorCode = Literal["tts_failed", "tts_timeout"]
IncompleteReason = Literal["llm_failed", "llm_timeout", "too_long"]
TurnInput = Literal["text", "audio", "stream", "agent"]
TurnStatus = Literal["completed", "interrupted", "failed"]
DisconnectReason = Literal["new_connection", "server_shutdown", "token_revoked"]

# Close codes. 4000-4499: the client may reconnect; 4500-4999: it must not without a change.
CLOSE_SHUTDOWN = 4001
CLOSE_TOO_SLOW = 4002
CLOSE_RATE_LIMITED = 4003
CLOSE_HANDSHAKE_TIMEOUT = 4004
CLOSE_IDLE = 4005
CLOSE_SERVER_BUSY = 4010
CLOSE_UNAUTHORIZED = 4500
CLOSE_REPLACED = 4501
CLOSE_BAD_HANDSHAKE = 4502
CLOSE_ORIGIN = 4503
CLOSE_UNKNOWN_CHARACTER = 4505
CLOSE_TOO_BIG = 1009
CLOSE_INTERNAL = 1011


# ---------------------------------------------------------------- from the client


class ClientMessage(Struct, frozen=True, tag_field="type"):
    """Anything a client says. Unknown fields are ignored."""


class Connect(ClientMessage, frozen=True, tag="connect"):
    """First message of every connection."""

    api_token: Any = None  # any type is taken here, so that every wrong token gets the same answer
    character_name: str | None = None
    extensions: tuple[str, ...] | None = None


class TextMessage(ClientMessage, frozen=True, tag="message"):
    """A typed message to the character."""

    content: str


class AudioMessage(ClientMessage, frozen=True, tag="audio_message"):
    """A whole utterance."""

    audio: bytes = msgspec.field(name="audio_base64")


class AudioStreamStart(ClientMessage, frozen=True, tag="audio_stream_start"):
    """An utterance follows in chunks."""


class AudioStreamChunk(ClientMessage, frozen=True, tag="audio_stream_chunk"):
    """A piece of the streamed utterance."""

    audio: bytes = msgspec.field(name="audio_base64")


class AudioStreamEnd(ClientMessage, frozen=True, tag="audio_stream_end"):
    """The streamed utterance is whole."""


class AgentModeStart(ClientMessage, frozen=True, tag="agent_mode_start"):
    """Hands-free talk begins."""


class AgentModeStop(ClientMessage, frozen=True, tag="agent_mode_stop"):
    """Hands-free talk ends."""


class AgentAudioChunk(ClientMessage, frozen=True, tag="agent_audio_chunk"):
    """A piece of the open microphone."""

    audio: bytes = msgspec.field(name="audio_base64")


class VoiceCallStart(ClientMessage, frozen=True, tag="voice_call_start"):
    """Another name of `agent_mode_start`, which is answered with `voice_call_listening`."""


class VoiceCallStop(ClientMessage, frozen=True, tag="voice_call_stop"):
    """Another name of `agent_mode_stop`."""


class VoiceCallAudioChunk(ClientMessage, frozen=True, tag="voice_call_audio_chunk"):
    """Another name of `agent_audio_chunk`."""

    audio: bytes = msgspec.field(name="audio_base64")


class SwitchCharacter(ClientMessage, frozen=True, tag="switch_character"):
    """Talk to another character from now on."""

    character_name: str


class ClearHistory(ClientMessage, frozen=True, tag="clear_history"):
    """Forget the talk with the current character."""


class Ping(ClientMessage, frozen=True, tag="ping"):
    """Are you there?"""


class GetHistory(ClientMessage, frozen=True, tag="get_history"):
    """Extension `history`: messages of the current character, the newest `limit` older than the id `before`."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] | None = None  # what a database can hold


AnyClientMessage = (
    Connect | TextMessage | AudioMessage | AudioStreamStart | AudioStreamChunk | AudioStreamEnd
    | AgentModeStart | AgentModeStop | AgentAudioChunk | VoiceCallStart | VoiceCallStop | VoiceCallAudioChunk
    | SwitchCharacter | ClearHistory | Ping | GetHistory
)  # fmt: skip


class AudioFrame(Struct, frozen=True):
    """Extension `binary_audio`, both ways: a binary frame of 8 bytes and the samples (pcm, s16le, mono).

    Byte 0 is the version, byte 1 the codec, then the sentence's index and the turn's number, big-endian. From the
    client, where both are zeros, it stands for the chunk of the mode it is in.
    """

    pcm: bytes
    index: int = 0
    turn_number: int = 0


AnyClientFrame = AnyClientMessage | AudioFrame


# ---------------------------------------------------------------- from the server


class ServerMessage(Struct, frozen=True, tag_field="type"):
    """Anything the server says. Fields may be added, never removed or renamed."""


class Connected(ServerMessage, frozen=True, tag="connected"):
    """The handshake is done. `extensions` and `session_id` only where the client asked for extensions.

    `audio_sample_rate` with `binary_audio`, whose frames do not tell it.
    """

    character: str
    character_display_name: str
    message: str = "Connection established successfully"
    extensions: tuple[Extension, ...] | UnsetType = UNSET
    session_id: str | UnsetType = UNSET
    audio_sample_rate: int | UnsetType = UNSET


class Thinking(ServerMessage, frozen=True, tag="thinking"):
    """The turn has begun."""

    message: str = "Processing..."
    turn_id: str | UnsetType = UNSET


class Transcription(ServerMessage, frozen=True, tag="transcription"):
    """What was heard, so far or finally."""

    text: str
    is_partial: bool
    turn_id: str | UnsetType = UNSET


class AudioChunk(ServerMessage, frozen=True, tag="audio_chunk"):
    """A piece of the character's voice: pcm, s16le, mono."""

    audio: bytes = msgspec.field(name="audio_base64")
    audio_format: Literal["pcm"] = "pcm"
    audio_sample_rate: int = 16000
    turn_id: str | UnsetType = UNSET


class AudioEnd(ServerMessage, frozen=True, tag="audio_end"):
    """No more audio in this turn."""

    turn_id: str | UnsetType = UNSET


class AudioError(Struct, frozen=True):
    """Why a reply has no voice, or not all of it."""

    code: AudioErrorCode
    message: str


class Response(ServerMessage, frozen=True, tag="response"):
    """The whole reply: all sentences joined in order, the emotion of the first that has one."""

    content_cn: str
    content_jp: str
    emotion: Emotion
    audio_format: Literal["pcm"] = "pcm"
    audio_sample_rate: int = 16000
    audio_error: AudioError | UnsetType = UNSET
    incomplete: bool | UnsetType = UNSET
    reason: IncompleteReason | UnsetType = UNSET
    turn_id: str | UnsetType = UNSET


class AudioStreamStarted(ServerMessage, frozen=True, tag="audio_stream_started"):
    """Chunks may come."""

    message: str = "Streaming ASR session started"


class AgentListening(ServerMessage, frozen=True, tag="agent_listening"):
    """The microphone is heard."""

    message: str = "Ready to listen"


class VoiceCallListening(ServerMessage, frozen=True, tag="voice_call_listening"):
    """`agent_listening` for those who began with `voice_call_start`."""

    message: str = "Ready to listen"


Listening = AgentListening | VoiceCallListening


class CharacterSwitched(ServerMessage, frozen=True, tag="character_switched"):
    """Another character listens now."""

    character: str
    character_display_name: str
    message: str


class HistoryCleared(ServerMessage, frozen=True, tag="history_cleared"):
    """The talk with the current character is forgotten."""

    message: str = "Conversation history cleared"


class Pong(ServerMessage, frozen=True, tag="pong"):
    """Here."""


class Disconnected(ServerMessage, frozen=True, tag="disconnected"):
    """The server hangs up; a close frame follows."""

    reason: DisconnectReason
    message: str
    retry_after_ms: int | UnsetType = UNSET


class Error(ServerMessage, frozen=True, tag="error"):
    """Something was refused or failed; `retryable`: the same again may work. `ref` is an incident id in the log."""

    message: str
    code: ErrorCode
    retryable: bool
    retry_after_ms: int | UnsetType = UNSET
    ref: str | UnsetType = UNSET
    turn_id: str | UnsetType = UNSET


class TurnStarted(ServerMessage, frozen=True, tag="turn_started"):
    """Extension `turns`: before `thinking`. `turn_number` counts the turns of this connection from 1."""

    turn_id: str
    input: TurnInput
    turn_number: int


class TurnEnd(ServerMessage, frozen=True, tag="turn_end"):
    """Extensions `turns` and `stages`: the last message of a turn.

    `timings_ms`: from the message's receipt to each mark, absent where it did not happen; without `turns` no field
    but the type.
    """

    turn_id: str | UnsetType = UNSET
    status: TurnStatus | UnsetType = UNSET
    timings_ms: Mapping[str, int] | UnsetType = UNSET


class SentenceMessage(ServerMessage, frozen=True, tag="sentence"):
    """Extension `sentences`: just before the first audio of a sentence.

    `content_cn` is null where the voice leaves before the translation is written; it follows in a second message with
    the same index. `start_ms`: length of all audio of this turn sent before it.
    """

    turn_id: str
    index: int
    content_jp: str
    content_cn: str | None
    emotion: Emotion
    start_ms: int


class SpeechStarted(ServerMessage, frozen=True, tag="speech_started"):
    """Extension `speech_events`: speech began `at_ms` into the audio received in this mode; told a little later."""

    at_ms: int


class SpeechStopped(ServerMessage, frozen=True, tag="speech_stopped"):
    """Extension `speech_events`: speech ended `at_ms` into the audio received in this mode; told a little later."""

    at_ms: int


class AsrStart(ServerMessage, frozen=True, tag="asr_start"):
    """Extension `stages`: the recogniser listens."""

    turn_id: str | UnsetType = UNSET


class AsrEnd(ServerMessage, frozen=True, tag="asr_end"):
    """Extension `stages`: what it heard."""

    text: str
    turn_id: str | UnsetType = UNSET


class LlmStart(ServerMessage, frozen=True, tag="llm_start"):
    """Extension `stages`: the mind was asked."""

    turn_id: str | UnsetType = UNSET


class LlmEnd(ServerMessage, frozen=True, tag="llm_end"):
    """Extension `stages`: the mind has answered; `elapsed_time` in seconds."""

    elapsed_time: float
    turn_id: str | UnsetType = UNSET


class TtsStart(ServerMessage, frozen=True, tag="tts_start"):
    """Extension `stages`: a sentence goes to the voice."""

    text: str
    emotion: Emotion
    turn_id: str | UnsetType = UNSET


class HistoryEntry(Struct, frozen=True):
    """One remembered message; `at` is ISO 8601 in UTC with milliseconds. A user's text stands in `content_cn`."""

    id: int
    role: Literal["user", "assistant"]
    content_cn: str
    content_jp: str | None
    emotion: str | None
    at: str


class HistoryMessage(ServerMessage, frozen=True, tag="history"):
    """Extension `history`: the answer to `get_history`, newest last; `more`: there are older ones."""

    messages: tuple[HistoryEntry, ...]
    more: bool


AnyServerMessage = (
    Connected | Thinking | Transcription | AudioChunk | AudioEnd | Response | AudioStreamStarted | AgentListening
    | VoiceCallListening | CharacterSwitched | HistoryCleared | Pong | Disconnected | Error
    | TurnStarted | TurnEnd | SentenceMessage | SpeechStarted | SpeechStopped
    | AsrStart | AsrEnd | LlmStart | LlmEnd | TtsStart | HistoryMessage
)  # fmt: skip
AnyServerFrame = AnyServerMessage | AudioFrame

# Messages of an extension: unknown to whoever was not granted it.
EXTENSION_OF: Mapping[type[ClientMessage], Extension] = {GetHistory: "history"}


# ---------------------------------------------------------------- frames <-> messages


class WireError(Exception):
    """A frame that is no message: `code` and a sentence that names what is wrong."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: ErrorCode = code


class _Head(Struct):
    type: str


_decoder: msgspec.json.Decoder[AnyClientMessage] = msgspec.json.Decoder(AnyClientMessage)
_syntax_decoder = msgspec.json.Decoder(msgspec.Raw)
_head_decoder = msgspec.json.Decoder(_Head)
_encoder = msgspec.json.Encoder()
_TYPES = frozenset(kind.__struct_config__.tag for kind in get_args(AnyClientMessage))
_AUDIO_HEAD = struct.Struct(">BBHI")
_AUDIO_VERSION, _PCM_S16LE = 1, 0
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def decode(text: str) -> AnyClientMessage:
    """A text frame as a message.

    Raises:
        WireError: `bad_json`, `bad_message`, `unknown_type` or `bad_audio`, naming the field at fault.
    """
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        return _look_closer(text, str(error))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise _not_json(error) from None


def is_batch_audio(frame: str | bytes) -> bool:
    """Whether a frame is the one message that may be large, told without reading the rest of it."""
    try:
        return isinstance(frame, str) and _head_decoder.decode(frame).type == AudioMessage.__struct_config__.tag
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


def _look_closer(text: str, problem: str) -> Connect:
    """What is wrong with a text. msgspec stops at the first problem, `<what> - at `$.<field>``; worse may follow it."""
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
    if kind not in _TYPES:
        shown = f" {kind!r}" if _SAFE_NAME.fullmatch(kind) else ""
        raise WireError("unknown_type", f"There is no message type{shown} in this protocol") from None
    if field == "type":
        raise WireError("bad_message", f"{kind}.type: the field is there twice") from None
    if kind == "connect" and field.startswith("api_token"):
        return Connect()  # a number too large to be read is a wrong token, and answered like every other
    if what == "Invalid base64 encoded string":  # pinned by a test: msgspec has no error type of its own for it
        raise WireError("bad_audio", f"{field} is not base64 (standard alphabet, with padding)") from None
    raise WireError("bad_message", f"{kind}{'.' + field if field else ''}: {_lower_first(what or path)}") from None


def _not_json(error: Exception) -> WireError:
    detail = str(error).removeprefix("JSON is malformed: ")
    if isinstance(error, RecursionError):
        detail = "nested too deeply"
    elif isinstance(error, UnicodeEncodeError):
        detail = "half a surrogate pair stands alone"
    return WireError("bad_json", f"The frame is not JSON: {_lower_first(detail)}")


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]
