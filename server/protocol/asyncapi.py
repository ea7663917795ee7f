"""The message types of server/protocol/wire.py in, an AsyncAPI 3 document of /ws out."""

import inspect
from typing import Any, get_args

import msgspec

from server.protocol import wire

_REF = "#/components/schemas/{name}"
_BINARY = "audio_frame"  # the one message that is no JSON; its name is this document's, on the wire it has none


def asyncapi_document(version: str) -> dict[str, Any]:
    """https://www.asyncapi.com/docs/reference/specification/v3.0.0, seen from the server: it receives and sends."""
    received, sent = get_args(wire.AnyClientMessage), get_args(wire.AnyServerMessage)
    _, schemas = msgspec.json.schema_components((*received, *sent), ref_template=_REF)
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    for kind in sent:
        schemas[kind.__name__]["required"] = ["type", *_always_sent(kind)]
    channel = "#/channels/talk"
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ChatAnon",
            "version": version,
            "description": "Talking with role-play characters. JSON text frames, the first of which is `connect`; "
            "and binary ones for those who want them.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "talk": {
                "address": "/ws",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"}
                    for name in (*map(_tag, (*received, *sent)), _BINARY)
                },
            }
        },
        "operations": {
            "receive": _operation("receive", channel, received),
            "send": _operation("send", channel, sent),
        },
        "components": {
            "messages": {**{_tag(kind): _message(kind) for kind in (*received, *sent)}, _BINARY: _binary_message()},
            "schemas": schemas,
        },
    }


def _always_sent(kind: Any) -> list[str]:
    """A default of ours is a text we always send, not a field that a reader may miss, as msgspec takes it to be."""
    return [field.encode_name for field in msgspec.structs.fields(kind) if field.default is not msgspec.UNSET]


def _operation(action: str, channel: str, kinds: tuple[Any, ...]) -> dict[str, Any]:
    messages = [{"$ref": f"{channel}/messages/{name}"} for name in (*map(_tag, kinds), _BINARY)]
    return {"action": action, "channel": {"$ref": channel}, "messages": messages}


def _message(kind: Any) -> dict[str, Any]:
    summary = (inspect.getdoc(kind) or "").partition("\n")[0]
    return {"name": _tag(kind), "summary": summary, "payload": {"$ref": _REF.format(name=kind.__name__)}}


def _binary_message() -> dict[str, Any]:
    summary, _, layout = (inspect.getdoc(wire.AudioFrame) or "").partition("\n\n")
    return {
        "name": _BINARY,
        "summary": summary,
        "description": layout,
        "contentType": "application/octet-stream",
        "payload": {"type": "string", "format": "binary"},
    }


def _tag(kind: Any) -> str:
    tag: str = kind.__struct_config__.tag
    return tag
