"""The client library of ChatAnon in Python: asyncio, typed, on `websockets` alone. Import it, or copy this folder.

    async with ChatAnon("localhost:8765", "dev_token_001") as chat:
        reply = await chat.say("你好")
        print(reply.content_jp, reply.content_cn, len(reply.audio))

It imports nothing of the project, and knows docs/protocol.en.md alone.
"""

from chatanon_client.client import ChatAnon, Stream
from chatanon_client.connection import mend_url
from chatanon_client.errors import ChatAnonError
from chatanon_client.events import (
    AgentListening,
    AsrEnd,
    AsrStart,
    Audio,
    AudioEnd,
    AudioError,
    AudioStreamStarted,
    CharacterSwitched,
    Connected,
    Disconnected,
    Event,
    History,
    HistoryCleared,
    HistoryMessage,
    Interrupted,
    LlmEnd,
    LlmStart,
    Pong,
    Reconnected,
    Reconnecting,
    Response,
    Sentence,
    SpeechStarted,
    SpeechStopped,
    Thinking,
    Transcription,
    TtsStart,
    TurnEnd,
    TurnEvent,
    TurnStarted,
    Unknown,
)
from chatanon_client.link import EXTENSIONS
from chatanon_client.listeners import Events
from chatanon_client.turns import Reply, Request, Turn

__all__ = [
    "EXTENSIONS",
    "AgentListening",
    "AsrEnd",
    "AsrStart",
    "Audio",
    "AudioEnd",
    "AudioError",
    "AudioStreamStarted",
    "CharacterSwitched",
    "ChatAnon",
    "ChatAnonError",
    "Connected",
    "Disconnected",
    "Event",
    "Events",
    "History",
    "HistoryCleared",
    "HistoryMessage",
    "Interrupted",
    "LlmEnd",
    "LlmStart",
    "Pong",
    "Reconnected",
    "Reconnecting",
    "Reply",
    "Request",
    "Response",
    "Sentence",
    "SpeechStarted",
    "SpeechStopped",
    "Stream",
    "Thinking",
    "Transcription",
    "TtsStart",
    "Turn",
    "TurnEnd",
    "TurnEvent",
    "TurnStarted",
    "Unknown",
    "mend_url",
]
