"""Pure: the reply contract as a JSON schema, for servers that can be held to one (`llm.json_schema`).

A schema describes one value, so the lines of a reply stand in a list; conversation/reply reads each as soon as it is
whole. The keys stand in the order in which they are wanted.
"""

from typing import Any

from services.base import EMOTIONS


def reply_schema() -> dict[str, Any]:
    """The value of `response_format`."""
    line = {
        "type": "object",
        "properties": {
            "emotion": {"type": "string", "enum": sorted(EMOTIONS)},
            "jp": {"type": "string"},
            "cn": {"type": "string"},
        },
        "required": ["emotion", "jp", "cn"],
        "additionalProperties": False,
    }
    reply = {
        "type": "object",
        "properties": {"lines": {"type": "array", "items": line, "minItems": 1}},
        "required": ["lines"],
        "additionalProperties": False,
    }
    return {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": reply}}
