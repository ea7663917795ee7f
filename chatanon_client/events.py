"""Everything a server says, as types: a dataclass for each message of docs/protocol.en.md, and the connection's own.

Optional fields of the wire have a value here that says nothing: "", 0, False, None.
"""

from __future__ import annotations  # wire.py reads the types of fields as they are written

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chatanon_client.errors import ChatAnonError

# ---------------------------------------------------------------- the connection


@dataclass(frozen=True, slots=True)
class Connected:
    """There is a connection. `extensions`: what the server granted of what was asked for."""

    character: str = ""
    character_display_name: str = ""
    extensions: tuple[str, ...] = ()
    session_id: str = ""
    audio_sample_rate: int = 16_000  # of binary frames
    message: str = ""


@dataclass(frozen=True, slots=True)
class Reconnected(Connected):
    """The same again, after a connection was lost. Streams and agent mode have ended with the old one."""


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """There is no connection, because of `error`; the next try is in `delay_s`. `lost`: turns without an answer.

    What had been sent is not sent again, since the server may have it; what had not been is, once it can be.
    """

    error: ChatAnonError
    attempt: int
    delay_s: float
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The server is about to hang up: `new_connection`, `server_shutdown` or `token_revoked`."""

    reason: str = ""
    message: str = ""
    retry_after_ms: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message of a newer server, or one that cannot be read."""

    type: str = ""
    frame: Mapping[str, Any] = field(default_factory=dict)


# ---------------------------------------------------------------- a turn, in the order in which it goes


@dataclass(frozen=True, slots=True)
class Transcription:
    """All that was understood of an utterance so far; `is_partial`: it may still change."""

    text: str = ""
    is_partial: bool = False
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class TurnStarted:
    """`input` is text, audio, stream or agent."""

    turn_id: str = ""
    input: str = ""
    turn_number: int = 0


@dataclass(frozen=True, slots=True)
class Thinking:
    """The turn has begun."""

    message: str = ""
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class Sentence:
    """The audio that follows says this. Comes again, with the same `index`, where the translation was not ready."""

    index: int = 0
    content_jp: str = ""
    content_cn: str = ""
    emotion: str = "auto"
    start_ms: int = 0
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class Audio:
    """A piece of the voice: signed 16-bit little-endian, mono. It came as a binary frame or as base64."""

    pcm: bytes = b""
    sample_rate: int = 16_000
    turn_number: int = 0  # both only with `binary_audio`
    sentence: int = 0
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class AudioEnd:
    """No more audio in this turn."""

    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """Stop playing: the turn ends here, because of `speech` or of the `client`."""

    reason: str = ""
    heard_ms: int = 0
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class AudioError:
    """Why a reply has no voice, or not all of it."""

    code: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Response:
    """The reply as text. `incomplete`: it broke off, for the `reason`."""

    content_cn: str = ""
    content_jp: str = ""
    emotion: str = "auto"
    audio_format: str = "pcm"
    audio_sample_rate: int = 16_000
    audio_error: AudioError | None = None
    incomplete: bool = False
    reason: str = ""
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """`status` is completed, interrupted or failed; `timings_ms` the timeline of the turn."""

    status: str = ""
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    audio_error: AudioError | None = None
    incomplete: bool = False
    reason: str = ""
    turn_id: str = ""


# ---------------------------------------------------------------- what is heard


@dataclass(frozen=True, slots=True)
class AudioStreamStarted:
    """A stream is open."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class AgentListening:
    """Agent mode hears; `voice_call_listening` is the same."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak, so far into the audio of this stream or talk."""

    at_ms: int = 0


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """And has stopped."""

    at_ms: int = 0


# ---------------------------------------------------------------- extension `stages`


@dataclass(frozen=True, slots=True)
class AsrStart:
    """An utterance goes to the ASR."""

    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class AsrEnd:
    """It is understood."""

    text: str = ""
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class LlmStart:
    """The LLM is asked."""

    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class LlmEnd:
    """It has written all; `elapsed_time` is in seconds."""

    elapsed_time: float = 0.0
    turn_id: str = ""


@dataclass(frozen=True, slots=True)
class TtsStart:
    """A sentence goes to the TTS."""

    text: str = ""
    emotion: str = "auto"
    turn_id: str = ""


# ---------------------------------------------------------------- answers to other requests


@dataclass(frozen=True, slots=True)
class CharacterSwitched:
    """Another character listens now."""

    character: str = ""
    character_display_name: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class HistoryCleared:
    """The talk with this character is forgotten."""

    message: str = ""


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """One line of a talk; `role` is user or assistant. `cut`: of a reply that was broken off, what was heard."""

    id: int = 0
    role: str = ""
    content_cn: str = ""
    content_jp: str = ""
    emotion: str = ""
    at: str = ""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """The newest last. `more`: there are older ones, before the first `id`."""

    messages: tuple[HistoryMessage, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Pong:
    """The server is there."""


TurnEvent = (
    Transcription | TurnStarted | Thinking | Sentence | Audio | AudioEnd | Interrupted | Response | TurnEnd
    | AudioStreamStarted | SpeechStarted | SpeechStopped | AsrStart | AsrEnd | LlmStart | LlmEnd | TtsStart
)  # fmt: skip
Event = (
    Connected | Reconnecting | Disconnected | Unknown | TurnEvent | AgentListening | CharacterSwitched | HistoryCleared
    | History | Pong | ChatAnonError
)  # fmt: skip

# By the `type` of a message. `audio_chunk`, `history` and `error` are read by wire.py itself.
MESSAGES: dict[str, type[Any]] = {
    "connected": Connected,
    "disconnected": Disconnected,
    "transcription": Transcription,
    "turn_started": TurnStarted,
    "thinking": Thinking,
    "sentence": Sentence,
    "audio_end": AudioEnd,
    "interrupted": Interrupted,
    "response": Response,
    "turn_end": TurnEnd,
    "audio_stream_started": AudioStreamStarted,
    "agent_listening": AgentListening,
    "voice_call_listening": AgentListening,
    "speech_started": SpeechStarted,
    "speech_stopped": SpeechStopped,
    "asr_start": AsrStart,
    "asr_end": AsrEnd,
    "llm_start": LlmStart,
    "llm_end": LlmEnd,
    "tts_start": TtsStart,
    "character_switched": CharacterSwitched,
    "history_cleared": HistoryCleared,
    "pong": Pong,
}
