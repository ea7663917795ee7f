"""docs/protocol.md and its twin in; whether messages, codes, frames and HTTP answers are as they say out."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from server.protocol import close_codes, codec, wire
from server.protocol.asyncapi import asyncapi_document
from server.session.modes.utterances import AGENT_PATIENCE_S, STREAM_PATIENCE_S
from services.base import Emotion
from tests.documents.pages import TWINS, blocks
from tests.running_server import RunningServer

PAGES = TWINS["protocol"]
CLIENT: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(wire.AnyClientMessage)}
SERVER: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(wire.AnyServerMessage)}

Start = Callable[..., RunningServer]


def message_examples(path: Path) -> list[dict[str, Any]]:
    """Every example of a message; what stands there for audio is audio."""
    texts = [re.sub(r'"<base64\w*>"', '"AQD//w=="', block.text) for block in blocks(path, "json")]
    return [example for example in map(json.loads, texts) if "type" in example]


def shown(path: Path) -> list[str]:
    """Every example, once and in one spelling, but for what the specification shows of `error`."""
    return sorted({json.dumps(example, sort_keys=True) for example in message_examples(path) if example != AT_LEAST})


EXAMPLES = [(path, example) for path in PAGES for example in message_examples(path)]
# The specification shows what a client may rely on; the server always says more.
AT_LEAST = {"type": "error", "message": "Error description"}


@pytest.mark.parametrize(("path", "example"), EXAMPLES)
def test_example_of_a_message_is_one_of_the_wire(path: Path, example: dict[str, Any]) -> None:
    text = json.dumps(example, ensure_ascii=False)
    if example["type"] in CLIENT:
        message = codec.decode(text)
        assert isinstance(message, CLIENT[example["type"]])
        assert set(example) <= {"type", *CLIENT[example["type"]].__struct_encode_fields__}
    elif example == AT_LEAST:
        sent = json.loads(codec.encode(wire.Error("Error description", "internal", retryable=True)))
        assert example.items() <= sent.items()
    else:
        built = msgspec.json.decode(text, type=SERVER[example["type"]])
        sent = json.loads(codec.encode(built))
        assert (sent, list(sent)) == (example, list(example))


@pytest.mark.parametrize("path", PAGES)
def test_no_message_is_without_an_example(path: Path) -> None:
    assert {example["type"] for example in message_examples(path)} == {*CLIENT, *SERVER}


def test_examples_of_the_asyncapi_document_are_those_shown() -> None:
    messages = asyncapi_document("1.0.0")["components"]["messages"].values()
    told = {json.dumps(item["payload"], sort_keys=True) for message in messages for item in message.get("examples", ())}
    chinese, english = map(shown, PAGES)
    assert chinese == english and told == set(chinese)


@pytest.mark.parametrize("path", PAGES)
def test_every_code_is_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    vocabularies = (
        wire.ErrorCode, wire.AudioErrorCode, wire.IncompleteReason, wire.Extension, wire.DisconnectReason,
        wire.TurnInput, wire.TurnStatus, Emotion,
    )  # fmt: skip
    words = {word for vocabulary in vocabularies for word in get_args(vocabulary)}
    assert not {word for word in words if f"`{word}`" not in text}
    closes = {value for name, value in vars(close_codes).items() if name.isupper() and isinstance(value, int)}
    assert closes
    assert not {code for code in closes if not re.search(rf"^\| {code} \|", text, re.MULTILINE)}


@pytest.mark.parametrize("path", PAGES)
def test_binary_frame_shown_is_what_the_server_sends(path: Path) -> None:
    (shown,) = (bytes.fromhex(block.text) for block in blocks(path, "hex"))
    pcm = np.array([1, -1], "<i2").tobytes()
    assert shown == codec.encode_audio(wire.AudioFrame(pcm, index=1, turn_number=3))
    assert codec.decode_audio(shown).pcm == pcm


@pytest.mark.parametrize("path", PAGES)
def test_waits_of_the_voice_modes_are_as_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(rf"\b{STREAM_PATIENCE_S:g} (s|seconds|秒)", text)
    assert re.search(rf"(no audio at all for |说到一半 ){AGENT_PATIENCE_S:g} (s|秒)", text)


@pytest.mark.slow
def test_http_answers_are_as_shown(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="")
    for path in PAGES:
        assert_http_answers_are_as_shown(server, path)


def assert_http_answers_are_as_shown(server: RunningServer, path: Path) -> None:
    routes = ((re.match(r"`GET (/\w*)`", block.before), block.text) for block in blocks(path, "json"))
    shown = {route[1]: json.loads(text) for route, text in routes if route}
    assert set(shown) == {"/", "/health", "/ready", "/characters"}
    characters = shown.pop("/characters")["characters"]
    assert all(item in server.get("/characters")[1]["characters"] for item in characters) and characters
    for address, example in shown.items():
        assert server.get(address)[:2] == (200, example)
