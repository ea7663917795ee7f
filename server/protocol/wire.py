"""Every message on /ws, as two tagged unions: what a client may say, and what the server says.

The one place where a string of the wire is written, hence longer than the house likes. `docs/protocol.en.md` and
`GET /asyncapi.json` describe the same.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

import msgspec
from msgspec import UNSET, Struct, UnsetType

from services.base import Emotion

Extension = Literal[
    "turns", "sentences", "barge_in", "speech_events", "binary_audio", "stages", "sentence_responses",
    "history", "resume",
]  # fmt: skip

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
InterruptionReason = Literal["speech", "client"]
HistoryRole = Literal["user", "assistant"]
DisconnectReason = Literal["new_connection", "server_shutdown", "token_revoked"]


# ---------------------------------------------------------------- from the client


class ClientMessage(Struct, frozen=True, tag_field="type"):
    """Anything a client says. Unknown fields are ignored."""


class Connect(ClientMessage, frozen=True, tag="connect"):
    """First message of every connection."""

    api_token: Any = None  # any type is taken here, so that every wrong token gets the same answer
    character_name: str | None = None
    extensions: tuple[str, ...] | None = None
    audio_sample_rate: Annotated[int, msgspec.Meta(ge=8000, le=48000)] | None = None  # of all audio it will send


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
    """Agent mode begins."""


class AgentModeStop(ClientMessage, frozen=True, tag="agent_mode_stop"):
    """Agent mode ends."""


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


class Interrupt(ClientMessage, frozen=True, tag="interrupt"):
    """Extension `barge_in`: the character shall stop speaking. `played_ms`: of this turn's audio, if it is counted."""

    played_ms: Annotated[int, msgspec.Meta(ge=0, le=2**53)] | None = None


AnyClientMessage = (
    Connect | TextMessage | AudioMessage | AudioStreamStart | AudioStreamChunk | AudioStreamEnd
    | AgentModeStart | AgentModeStop | AgentAudioChunk | VoiceCallStart | VoiceCallStop | VoiceCallAudioChunk
    | SwitchCharacter | ClearHistory | Ping | GetHistory | Interrupt
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


class Shortcomings(TypedDict, total=False):
    """What a reply lacks: fields of its last message that tells of the whole of it."""

    audio_error: AudioError
    incomplete: bool
    reason: IncompleteReason


class Response(ServerMessage, frozen=True, tag="response"):
    """The whole reply: all sentences joined in order, the emotion of the first that has one.

    Extension `sentence_responses`: one sentence of it, before its audio.
    """

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


class Interrupted(ServerMessage, frozen=True, tag="interrupted"):
    """Extension `barge_in`: the turn ends here; stop playing. `audio_end` and a `response` of what was heard follow.

    `heard_ms`: how much of its audio had been played by then.
    """

    turn_id: str
    reason: InterruptionReason
    heard_ms: int


class TurnEnd(ServerMessage, frozen=True, tag="turn_end"):
    """Extensions `turns` and `stages`: the last message of a turn.

    `timings_ms`: from the message's receipt to each mark, absent where it did not happen; without `turns` no field
    but the type. What the reply lacks stands here where `sentence_responses` leaves no `response` of the whole.
    """

    turn_id: str | UnsetType = UNSET
    status: TurnStatus | UnsetType = UNSET
    timings_ms: Mapping[str, int] | UnsetType = UNSET
    audio_error: AudioError | UnsetType = UNSET
    incomplete: bool | UnsetType = UNSET
    reason: IncompleteReason | UnsetType = UNSET


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
    """Extension `stages`: the ASR listens."""

    turn_id: str | UnsetType = UNSET


class AsrEnd(ServerMessage, frozen=True, tag="asr_end"):
    """Extension `stages`: what it heard."""

    text: str
    turn_id: str | UnsetType = UNSET


class LlmStart(ServerMessage, frozen=True, tag="llm_start"):
    """Extension `stages`: the LLM was asked."""

    turn_id: str | UnsetType = UNSET


class LlmEnd(ServerMessage, frozen=True, tag="llm_end"):
    """Extension `stages`: the LLM has answered; `elapsed_time` in seconds."""

    elapsed_time: float
    turn_id: str | UnsetType = UNSET


class TtsStart(ServerMessage, frozen=True, tag="tts_start"):
    """Extension `stages`: a sentence goes to the voice."""

    text: str
    emotion: Emotion
    turn_id: str | UnsetType = UNSET


class HistoryEntry(Struct, frozen=True):
    """One remembered message; `at` is ISO 8601 in UTC with milliseconds. A user's text stands in `content_cn`.

    `cut`, where it is true: the reply was broken off, and this is what was heard of it.
    """

    id: int
    role: HistoryRole
    content_cn: str
    content_jp: str | None
    emotion: str | None
    at: str
    cut: bool | UnsetType = UNSET


class HistoryMessage(ServerMessage, frozen=True, tag="history"):
    """Extension `history`: the answer to `get_history`, newest last; `more`: there are older ones."""

    messages: tuple[HistoryEntry, ...]
    more: bool


AnyServerMessage = (
    Connected | Thinking | Transcription | AudioChunk | AudioEnd | Response | AudioStreamStarted | AgentListening
    | VoiceCallListening | CharacterSwitched | HistoryCleared | Pong | Disconnected | Error
    | TurnStarted | Interrupted | TurnEnd | SentenceMessage | SpeechStarted | SpeechStopped
    | AsrStart | AsrEnd | LlmStart | LlmEnd | TtsStart | HistoryMessage
)  # fmt: skip
AnyServerFrame = AnyServerMessage | AudioFrame
