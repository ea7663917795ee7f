"""The message types of server/protocol/wire.py in, a JSON schema of each out, as generators of clients want them.

Beyond what msgspec writes: a `type` that is a constant, what is always there as required, vocabularies under a name of
their own, and a sentence for each field.
"""

import inspect
from typing import Any, get_args

import msgspec

from server.protocol import wire
from server.protocol.field_descriptions import FIELDS, VOCABULARIES
from services.base import Emotion

REFERENCE = "#/components/schemas/{name}"

_VOCABULARIES: dict[str, Any] = {
    "Emotion": Emotion,
    "ErrorCode": wire.ErrorCode,
    "AudioErrorCode": wire.AudioErrorCode,
    "IncompleteReason": wire.IncompleteReason,
    "DisconnectReason": wire.DisconnectReason,
    "TurnInput": wire.TurnInput,
    "TurnStatus": wire.TurnStatus,
    "InterruptionReason": wire.InterruptionReason,
    "Extension": wire.Extension,
    "HistoryRole": wire.HistoryRole,
}
_NAME_OF = {frozenset(get_args(words)): name for name, words in _VOCABULARIES.items()}
# Nothing works without them. That they are missing or wrong is answered in words, and so our types let it pass.
_MUST_SEND: dict[type, dict[str, Any]] = {wire.Connect: {"api_token": {"type": "string"}}}


def message_schemas(received: tuple[Any, ...], sent: tuple[Any, ...]) -> dict[str, Any]:
    """By the name of the class, or of the vocabulary."""
    _, schemas = msgspec.json.schema_components((*received, *sent), ref_template=REFERENCE)
    for kind in received:
        schemas[kind.__name__]["properties"].update(_MUST_SEND.get(kind, {}))
        schemas[kind.__name__]["required"].extend(_MUST_SEND.get(kind, {}))
    for kind in sent:
        schemas[kind.__name__]["required"] = ["type", *_always_sent(kind)]
        for field in schemas[kind.__name__]["properties"].values():
            field.pop("default", None)  # it is always written out
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
        schema["properties"] = {name: _field(name, field) for name, field in schema["properties"].items()}
    return {**schemas, **{name: _vocabulary(name, words) for name, words in _VOCABULARIES.items()}}


def _always_sent(kind: Any) -> list[str]:
    """A default of ours is a text we always send, not a field that a reader may miss, as msgspec takes it to be."""
    return [field.encode_name for field in msgspec.structs.fields(kind) if field.default is not msgspec.UNSET]


def _vocabulary(name: str, words: Any) -> dict[str, Any]:
    return {"title": name, "description": VOCABULARIES[name], "type": "string", "enum": list(get_args(words))}


def _field(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A field that is only a reference is told of where it leads."""
    typed = _typed(schema)
    return typed if "$ref" in typed or name not in FIELDS else {**typed, "description": FIELDS[name]}


def _typed(schema: dict[str, Any]) -> dict[str, Any]:
    if "items" in schema:
        return {**schema, "items": _typed(schema["items"])}
    words = schema.get("enum")
    if words is None:
        return schema
    if len(words) == 1:
        return {"type": "string", "const": words[0]}
    if named := _NAME_OF.get(frozenset(words)):
        return {"$ref": REFERENCE.format(name=named)}
    return {"type": "string", **schema}
