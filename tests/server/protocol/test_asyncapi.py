"""The document of /ws: whole, valid, and true of what is really sent and taken."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import jsonschema
import msgspec
import pytest
from jsonschema.protocols import Validator

from server.protocol import codec, wire
from server.protocol.asyncapi import asyncapi_document
from server.protocol.extensions import GRANTED_EXTENSIONS
from server.protocol.field_descriptions import FIELDS
from server.protocol.wire import ClientMessage, ServerMessage
from services.base import Emotion

CLIENT: tuple[type[ClientMessage], ...] = get_args(wire.AnyClientMessage)
SERVER: tuple[type[ServerMessage], ...] = get_args(wire.AnyServerMessage)

BINARY = "audio_frame"

# Payloads of the specification's examples. What stands there for audio is no base64, but for a schema it is a text.
EXAMPLES: list[dict[str, Any]] = [
    {"type": "connect", "api_token": "your_token", "character_name": "anon"},
    {"type": "message", "content": "你好，爱音！"},
    {"type": "audio_message", "audio_base64": "<base64_encoded_pcm_audio>"},
    {"type": "audio_stream_start"},
    {"type": "audio_stream_chunk", "audio_base64": "<base64_encoded_chunk>"},
    {"type": "audio_stream_end"},
    {"type": "agent_mode_start"},
    {"type": "agent_mode_stop"},
    {"type": "agent_audio_chunk", "audio_base64": "<base64_encoded_chunk>"},
    {"type": "switch_character", "character_name": "anon"},
    {"type": "clear_history"},
    {"type": "ping"},
    {
        "type": "connected",
        "character": "anon",
        "character_display_name": "千早爱音 (Chihaya Anon)",
        "message": "Connection established successfully",
    },
    {"type": "thinking", "message": "Processing..."},
    {"type": "transcription", "text": "识别的文本", "is_partial": True},
    {
        "type": "audio_chunk",
        "audio_base64": "<base64_encoded_pcm>",
        "audio_format": "pcm",
        "audio_sample_rate": 16000,
    },
    {"type": "audio_end"},
    {
        "type": "response",
        "content_cn": "哈喽～",
        "content_jp": "ハロー～",
        "emotion": "happy",
        "audio_format": "pcm",
        "audio_sample_rate": 16000,
    },
    {"type": "audio_stream_started", "message": "Streaming ASR session started"},
    {"type": "agent_listening", "message": "Ready to listen"},
    {
        "type": "character_switched",
        "character": "anon",
        "character_display_name": "千早爱音 (Chihaya Anon)",
        "message": "Switched to character: anon",
    },
    {"type": "history_cleared", "message": "Conversation history cleared"},
    {"type": "pong"},
    {"type": "disconnected", "reason": "new_connection", "message": "Another client connected with the same token"},
]

# What must be in an AsyncAPI 3 document and of which shape, as far as this one goes:
# https://www.asyncapi.com/docs/reference/specification/v3.0.0
REFERENCE: dict[str, Any] = {
    "type": "object",
    "properties": {"$ref": {"type": "string", "pattern": "^#/"}},
    "required": ["$ref"],
    "additionalProperties": False,
}
STRUCTURE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["asyncapi", "info", "servers", "channels", "operations", "components"],
    "properties": {
        "asyncapi": {"const": "3.0.0"},
        "info": {
            "type": "object",
            "required": ["title", "version"],
            "properties": {
                "title": {"type": "string"},
                "version": {"type": "string", "minLength": 1},
                "description": {"type": "string"},
                "license": {"type": "object", "required": ["name"]},
            },
            "additionalProperties": False,
        },
        "defaultContentType": {"const": "application/json"},
        "servers": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {
                "type": "object",
                "required": ["host", "protocol"],
                "properties": {
                    "host": {"type": "string", "pattern": "^[^/]+$"},
                    "protocol": {"enum": ["ws", "wss"]},
                    "pathname": {"type": "string", "pattern": "^/"},
                    "description": {"type": "string"},
                },
                "additionalProperties": False,
            },
        },
        "channels": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9_.-]+$"},
            "additionalProperties": {
                "type": "object",
                "required": ["address", "messages"],
                "properties": {
                    "address": {"type": "string", "pattern": "^/"},
                    "summary": {"type": "string", "minLength": 3},
                    "messages": {"type": "object", "additionalProperties": REFERENCE, "minProperties": 1},
                },
                "additionalProperties": False,
            },
        },
        "operations": {
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "required": ["action", "channel", "messages"],
                "properties": {
                    "action": {"enum": ["send", "receive"]},
                    "channel": REFERENCE,
                    "messages": {"type": "array", "items": REFERENCE, "minItems": 1, "uniqueItems": True},
                    "reply": {
                        "type": "object",
                        "required": ["channel", "messages"],
                        "properties": {
                            "channel": REFERENCE,
                            "messages": {"type": "array", "items": REFERENCE, "minItems": 1, "uniqueItems": True},
                        },
                        "additionalProperties": False,
                    },
                },
                "additionalProperties": False,
            },
        },
        "components": {
            "type": "object",
            "required": ["messages", "schemas"],
            "properties": {
                "messages": {
                    "type": "object",
                    "propertyNames": {"pattern": "^[A-Za-z0-9_.-]+$"},
                    "additionalProperties": {
                        "type": "object",
                        "required": ["name", "summary", "payload"],
                        "properties": {
                            "name": {"type": "string"},
                            "title": {"type": "string"},
                            "summary": {"type": "string", "minLength": 3},
                            "contentType": {"const": "application/octet-stream"},  # the default where it is absent
                            "payload": REFERENCE,
                            "examples": {"type": "array", "items": {"type": "object", "required": ["payload"]}},
                        },
                        "patternProperties": {"^x-": {}},
                        "additionalProperties": False,
                    },
                },
                "schemas": {"type": "object", "propertyNames": {"pattern": "^[A-Za-z0-9_.-]+$"}},
            },
            "additionalProperties": False,
        },
    },
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi_document("1.2.3")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def found(document: dict[str, Any], reference: str) -> Any:
    value: Any = document
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def tag_of(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)


def schema_of(document: dict[str, Any], tag: str) -> Any:
    return found(document, document["components"]["messages"][tag]["payload"]["$ref"])


def validator(document: dict[str, Any], tag: str) -> Validator:
    """For the payload of one message, with the whole document to look references up in."""
    payload = document["components"]["messages"][tag]["payload"]
    return jsonschema.Draft202012Validator({**payload, "components": document["components"]})


def test_document_has_the_structure_of_asyncapi_3(document: dict[str, Any]) -> None:
    jsonschema.validate(document, STRUCTURE)
    assert document["info"]["version"] == "1.2.3"
    assert json.loads(json.dumps(document)) == document


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    everything = set(references(document))
    assert len(everything) > 100
    for reference in everything:
        assert found(document, reference), reference


def test_every_message_of_both_unions_is_there_with_its_schema(document: dict[str, Any]) -> None:
    assert set(document["components"]["messages"]) == {*(tag_of(kind) for kind in (*CLIENT, *SERVER)), BINARY}
    for kind in (*CLIENT, *SERVER):
        schema = schema_of(document, tag_of(kind))
        assert schema["properties"]["type"]["const"] == tag_of(kind) and "type" in schema["required"]
        assert set(schema["properties"]) == {"type", *(field.encode_name for field in msgspec.structs.fields(kind))}


def test_every_field_is_typed_and_told(document: dict[str, Any]) -> None:
    fields = [
        (f"{name}.{field}", schema)
        for name, message in document["components"]["schemas"].items()
        for field, schema in message.get("properties", {}).items()
    ]
    assert {name.partition(".")[2] for name, _ in fields} >= set(FIELDS)
    for name, schema in fields:
        told = found(document, schema["$ref"]) if "$ref" in schema else schema
        assert told["description"] and ("type" in told or "anyOf" in told), name
        assert "enum" not in schema, f"{name}: a generator has no name for this type"


@pytest.mark.parametrize(("action", "kinds"), [("receive", CLIENT), ("send", SERVER)])
def test_server_receives_what_clients_say_and_sends_the_rest(
    document: dict[str, Any], action: str, kinds: tuple[type[msgspec.Struct], ...]
) -> None:
    operation, audio = document["operations"][action], document["operations"][f"{action}_audio"]
    assert operation["action"] == audio["action"] == action
    channel = operation["channel"]["$ref"]
    assert audio["channel"]["$ref"] == channel
    # An operation's messages are references into its channel, never past it into the components.
    expected = {f"{channel}/messages/{name}" for name in (*map(tag_of, kinds), BINARY)}
    assert {message["$ref"] for message in (*operation["messages"], *audio["messages"])} == expected
    assert set(found(document, channel)["messages"]) == {name.rpartition("/")[2] for name in expected}


def test_binary_frames_are_described_with_their_layout(document: dict[str, Any]) -> None:
    message = document["components"]["messages"][BINARY]
    payload = found(document, message["payload"]["$ref"])
    assert message["contentType"] == "application/octet-stream" and payload["format"] == "binary"
    assert "8 bytes" in message["summary"] and "big-endian" in payload["description"]


def test_messages_of_an_extension_say_of_which(document: dict[str, Any]) -> None:
    granted = GRANTED_EXTENSIONS
    for message in document["components"]["messages"].values():
        named = set(re.findall(r"`(\w+)`", re.split("[:,]", message["summary"])[0]))
        told = named if message["summary"].startswith("Extension") else set()
        assert set(message.get("x-extension", ())) == told <= granted, message["name"]
    told = {name for message in document["components"]["messages"].values() for name in message.get("x-extension", ())}
    assert told == {"turns", "sentences", "stages", "history", "speech_events", "binary_audio", "barge_in"}


def test_schemas_are_valid_json_schema_and_readable(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.Draft7Validator.check_schema(schema)  # what AsyncAPI's own schema object extends
        assert schema["description"], name
        assert "\n    " not in schema["description"], name


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["type"] for example in EXAMPLES])
def test_example_of_the_specification_is_valid(document: dict[str, Any], example: dict[str, Any]) -> None:
    check = validator(document, example["type"])
    check.validate(example)
    check.validate({**example, "a_field_of_tomorrow": [1, 2]})
    audio = {"audio_base64": "AQD//w=="} if "audio_base64" in example else {}
    assert {"payload": {**example, **audio}} in document["components"]["messages"][example["type"]]["examples"]


def test_own_examples_are_messages_and_valid(document: dict[str, Any]) -> None:
    """Those of the documents, says tests/documents/test_messages.py."""
    types = {tag_of(kind): kind for kind in (*CLIENT, *SERVER)}
    for tag, kind in types.items():
        examples = document["components"]["messages"][tag]["examples"]
        assert examples, tag
        for example in (item["payload"] for item in examples):
            validator(document, tag).validate(example)
            msgspec.convert(example, kind, strict=True)


@pytest.mark.parametrize("kind", SERVER, ids=tag_of)
def test_what_is_sent_is_valid_and_what_is_always_sent_is_required(
    document: dict[str, Any], kind: type[ServerMessage]
) -> None:
    values: dict[str, Any] = {
        "emotion": "happy", "code": "internal", "reason": "new_connection", "input": "text", "is_partial": True,
        "retryable": True, "more": False, "messages": (wire.HistoryEntry(1, "user", "你好", None, None, "2026-01-01"),),
        "audio": b"\x00\x01", "turn_number": 1, "index": 0, "start_ms": 0, "elapsed_time": 0.5,
        "at_ms": 480,
    }  # fmt: skip
    if kind is wire.Interrupted:
        values |= {"reason": "client", "heard_ms": 480}
    required = {field.name for field in msgspec.structs.fields(kind) if field.required}
    message: Any = kind(**{name: values.get(name, "text") for name in required})
    sent = json.loads(codec.encode(message))
    check = validator(document, tag_of(kind))
    check.validate(sent)
    for name in sent:
        without = {key: value for key, value in sent.items() if key != name}
        assert not check.is_valid(without), f"{name} is always sent, and not said to be required"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "message"},
        {"type": "message", "content": 7},
        {"type": "pong"},
        {"type": "audio_message", "audio_base64": None},
        {"type": "get_history", "limit": 201},
        {"type": "get_history", "before": -1},
        {"type": "switch_character"},
        {"type": "connect", "extensions": "turns"},
    ],
)
def test_what_the_server_refuses_is_invalid_too(document: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(codec.WireError):
        codec.decode(json.dumps(wrong))
    receive = [message["$ref"].rpartition("/")[2] for message in document["operations"]["receive"]["messages"]]
    assert not any(validator(document, tag).is_valid(wrong) for tag in receive)


def test_vocabularies_have_a_name_and_are_whole(document: dict[str, Any]) -> None:
    whole = {"error.code": wire.ErrorCode, "disconnected.reason": wire.DisconnectReason, "response.emotion": Emotion}
    for place, words in whole.items():
        tag, _, field = place.partition(".")
        vocabulary = found(document, schema_of(document, tag)["properties"][field]["$ref"])
        assert set(vocabulary["enum"]) == set(get_args(words)) and vocabulary["type"] == "string"
