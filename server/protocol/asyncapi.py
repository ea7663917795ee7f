"""The message types of server/protocol/wire.py in, an AsyncAPI 3 document of /ws out."""

import inspect
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from server.protocol import wire
from server.protocol.extensions import EXTENSION_OF
from server.protocol.message_schemas import REFERENCE, message_schemas

_EXAMPLES = Path(__file__).with_name("examples.json")  # those of docs/protocol.md; a test compares
_BINARY = "audio_frame"  # the one message that is no JSON; its name is this document's, on the wire it has none

# One socket, but a channel each way: generators make one union type of all messages of a channel, and call it as here.
_FROM_CLIENT, _FROM_SERVER = "client_message", "server_message"

_TURN = (
    wire.TurnStarted, wire.Thinking, wire.LlmStart, wire.TtsStart, wire.SentenceMessage, wire.AudioChunk, wire.LlmEnd,
    wire.AudioEnd, wire.Response, wire.TurnEnd,
)  # fmt: skip
_HEARD = (wire.AsrStart, wire.Transcription, wire.AsrEnd)

# What is an answer to what. All else from a client has none of its own; everything may be answered with an error.
_ANSWERS: dict[type[wire.ClientMessage], tuple[type[wire.ServerMessage], ...]] = {
    wire.Connect: (wire.Connected,),
    wire.TextMessage: _TURN,
    wire.AudioMessage: (*_HEARD, *_TURN),
    wire.AudioStreamStart: (wire.AudioStreamStarted,),
    wire.AudioStreamEnd: (*_HEARD, *_TURN),
    wire.AgentModeStart: (wire.AgentListening,),
    wire.VoiceCallStart: (wire.VoiceCallListening,),
    wire.SwitchCharacter: (wire.CharacterSwitched,),
    wire.ClearHistory: (wire.HistoryCleared,),
    wire.Ping: (wire.Pong,),
    wire.GetHistory: (wire.HistoryMessage,),
    wire.Interrupt: (wire.Interrupted, wire.AudioEnd, wire.Response, wire.TurnEnd),
}

# Messages that only those get who were granted one of these extensions.
_EXTENSIONS: dict[type[wire.ServerMessage], tuple[wire.Extension, ...]] = {
    wire.TurnStarted: ("turns",),
    wire.TurnEnd: ("turns", "stages"),
    wire.Interrupted: ("barge_in",),
    wire.SentenceMessage: ("sentences",),
    wire.SpeechStarted: ("speech_events",),
    wire.SpeechStopped: ("speech_events",),
    wire.AsrStart: ("stages",),
    wire.AsrEnd: ("stages",),
    wire.LlmStart: ("stages",),
    wire.LlmEnd: ("stages",),
    wire.TtsStart: ("stages",),
    wire.HistoryMessage: ("history",),
}


def asyncapi_document(version: str) -> dict[str, Any]:
    """https://www.asyncapi.com/docs/reference/specification/v3.0.0, seen from the server: it receives and sends."""
    received, sent = get_args(wire.AnyClientMessage), get_args(wire.AnyServerMessage)
    examples = json.loads(_EXAMPLES.read_text(encoding="utf-8"))
    messages = {_tag(kind): _message(kind, examples) for kind in (*received, *sent)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ChatAnon",
            "version": version,
            "description": "Talking with role-play characters. JSON text frames, the first of which is `connect`; "
            "and binary ones for those who want them. Fields, messages of an extension and error codes may be added "
            "in later versions: ignore what you do not know.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": servers("localhost:8765", secure=False),
        "channels": {
            _FROM_CLIENT: _channel("What clients send.", received),
            _FROM_SERVER: _channel("What the server sends.", sent),
        },
        "operations": _operations(received, sent),
        "components": {
            "messages": {**messages, _BINARY: _binary_message()},
            "schemas": {**message_schemas(received, sent), wire.AudioFrame.__name__: _audio_frame()},
        },
    }


def servers(host: str, *, secure: bool) -> dict[str, Any]:
    """The part of the document that depends on where its reader has reached us, and whether by TLS."""
    protocol = "wss" if secure else "ws"
    return {"this": {"host": host, "pathname": "/ws", "protocol": protocol, "description": "Where this came from."}}


def _channel(summary: str, kinds: tuple[Any, ...]) -> dict[str, Any]:
    """Its address adds nothing to the path of the server, which is all that some generators look at."""
    names = (*map(_tag, kinds), _BINARY)
    return {
        "address": "/",
        "summary": summary,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }


def _operations(received: tuple[Any, ...], sent: tuple[Any, ...]) -> dict[str, Any]:
    """Each request with its answers; last, all that goes either way: a generator keeps the last union of a channel."""
    return {
        **{
            f"answer_{_tag(kind)}": {
                **_operation("receive", _FROM_CLIENT, [_tag(kind)]),
                "reply": _messages(_FROM_SERVER, [*map(_tag, answers), _tag(wire.Error)]),
            }
            for kind, answers in _ANSWERS.items()
        },
        "receive_audio": _operation("receive", _FROM_CLIENT, [_BINARY]),
        "send_audio": _operation("send", _FROM_SERVER, [_BINARY]),
        "receive": _operation("receive", _FROM_CLIENT, map(_tag, received)),
        "send": _operation("send", _FROM_SERVER, map(_tag, sent)),
    }


def _operation(action: str, channel: str, names: Iterable[str]) -> dict[str, Any]:
    return {"action": action, **_messages(channel, names)}


def _messages(channel: str, names: Iterable[str]) -> dict[str, Any]:
    place = f"#/channels/{channel}"
    return {"channel": {"$ref": place}, "messages": [{"$ref": f"{place}/messages/{name}"} for name in names]}


def _message(kind: Any, examples: list[dict[str, Any]]) -> dict[str, Any]:
    extensions = _EXTENSIONS.get(kind, (EXTENSION_OF[kind],) if kind in EXTENSION_OF else ())
    return {
        "name": _tag(kind),
        "title": kind.__name__,
        "summary": (inspect.getdoc(kind) or "").partition("\n")[0],
        "payload": {"$ref": REFERENCE.format(name=kind.__name__)},
        "examples": [{"payload": example} for example in examples if example["type"] == _tag(kind)],
        **({"x-extension": list(extensions)} if extensions else {}),
    }


def _binary_message() -> dict[str, Any]:
    return {
        "name": _BINARY,
        "title": wire.AudioFrame.__name__,
        "summary": (inspect.getdoc(wire.AudioFrame) or "").partition("\n")[0],
        "contentType": "application/octet-stream",
        "payload": {"$ref": REFERENCE.format(name=wire.AudioFrame.__name__)},
        "x-extension": ["binary_audio"],
    }


def _audio_frame() -> dict[str, Any]:
    """Bytes, which JSON schema has no word for."""
    name = wire.AudioFrame.__name__
    return {"title": name, "description": inspect.getdoc(wire.AudioFrame), "type": "string", "format": "binary"}


def _tag(kind: Any) -> str:
    tag: str = kind.__struct_config__.tag
    return tag
