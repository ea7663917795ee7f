"""What servers say, ours and broken ones, as the library's events."""

import dataclasses
import json
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection, serve

from chatanon_client import Audio, ChatAnon, ChatAnonError, History, Reply, Unknown
from chatanon_client.events import MESSAGES
from chatanon_client.wire import binary_frame, read, read_frame
from server.protocol import wire
from server.protocol.codec import decode
from tests.running_server import ROOT

EXAMPLES = json.loads((ROOT / "server" / "protocol" / "examples.json").read_text(encoding="utf-8"))
SAID: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(wire.AnyServerMessage)}
FROM_CLIENTS = {kind.__struct_config__.tag for kind in get_args(wire.AnyClientMessage)}
ALSO = {"audio_chunk": Audio, "history": History, "error": ChatAnonError}
# What the library says otherwise: `pcm` and its rate.
SPARED = {"audio", "audio_base64", "audio_format", "audio_sample_rate"}


@pytest.mark.parametrize("kind", SAID)
def test_every_message_of_the_server_has_its_type_and_every_field_its_place(kind: str) -> None:
    ours = {**MESSAGES, **ALSO}[kind]
    known = {field.name for field in dataclasses.fields(ours)}
    assert {field for field in SAID[kind].__struct_fields__ if field not in SPARED or kind == "connected"} <= known


@pytest.mark.parametrize("example", [each for each in EXAMPLES if each["type"] in SAID], ids=lambda each: each["type"])
def test_examples_of_the_protocol_are_read_with_what_they_say(example: dict[str, Any]) -> None:
    event: Any = read_frame(example)
    assert type(event) is {**MESSAGES, **ALSO}[example["type"]]
    for name, value in example.items():
        if name not in ("type", *SPARED):
            assert _as_json(getattr(event, name)) == _without_null(value)


def _without_null(value: object) -> object:
    """As the library has it; `cut` is there of every line of a history."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [{"cut": False} | {name: "" if each is None else each for name, each in line.items()} for line in value]
    return "" if value is None else value


def _as_json(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return [_as_json(each) for each in value] if isinstance(value, tuple) else value


NONSENSE: list[str | bytes] = [
    "not json", "[1]", "{}", "[" * 100_000, '{"type": ["thinking"]}', '{"type": "of_a_newer_server", "x": 1}',
    b"", b"\1",    b"\1\0\0\0\0\0\0\0", b"\1\0\0\0\0\0\0\0\1", b"\2\0\0\0\0\0\0\0\1\0", b"\1\7\0\0\0\0\0\0\1\0",
    '{"type": "audio_chunk"}', '{"type": "audio_chunk", "audio_base64": "***"}',
    '{"type": "audio_chunk", "audio_base64": "AAA"}', '{"type": "audio_chunk", "audio_base64": "音"}',
    '{"type": "audio_chunk", "audio_base64": "AAA=", "audio_sample_rate": "fast"}',
    '{"type": "audio_chunk", "audio_base64": "AAA=", "audio_sample_rate": 0}',
    '{"type": "audio_chunk", "audio_base64": "AAA=", "audio_format": "mp3"}',
]  # fmt: skip


@pytest.mark.parametrize("received", NONSENSE, ids=lambda each: repr(each)[:40])
def test_what_cannot_be_read_is_handed_over_as_unknown(received: str | bytes) -> None:
    assert isinstance(read(received), Unknown)


ANYTHING = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=3)
FIELDS = [
    "text", "index", "extensions", "timings_ms", "audio_error", "messages", "is_partial", "code", "retry_after_ms",
    "fatal", "close_code", "emotion", "elapsed_time", "audio_base64",
]  # fmt: skip


@settings(max_examples=50)
@given(st.sampled_from(sorted(SAID)), st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_fields_of_any_type_break_nothing(kind: str, values: dict[str, Any]) -> None:
    event: Any = read_frame({"type": kind, **values})
    assert not isinstance(event, ChatAnonError) or (event.fatal, event.close_code) == (False, 0)
    for name in ("text", "emotion"):
        assert isinstance(getattr(event, name, ""), str)


def test_binary_frames_tell_turn_and_sentence() -> None:
    frame = bytes.fromhex("01000001000000030100ffff")
    assert read(frame, 24_000) == Audio(b"\1\0\xff\xff", 24_000, turn_number=3, sentence=1)
    assert binary_frame(b"\1\0") == bytes.fromhex("01000000000000000100")


@pytest.mark.anyio
@pytest.mark.slow
async def test_a_talk_goes_on_through_nonsense() -> None:
    async def answer(socket: ServerConnection) -> None:
        await socket.recv()
        await socket.send(json.dumps({"type": "connected", "character": 5, "extensions": "all"}))
        await socket.recv()
        for strange in NONSENSE:
            await socket.send(strange)
        await socket.send(json.dumps({"type": "response", "content_cn": "好", "emotion": None}))
        await socket.wait_closed()

    async with serve(answer, "127.0.0.1", 0) as server:
        async with ChatAnon(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "token") as chat:
            events = chat.events()
            assert await chat.say("你好") == Reply(content_cn="好")
        assert len([event async for event in events if isinstance(event, Unknown)]) == len(NONSENSE)


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.parametrize("binary", [False, True])
async def test_everything_a_client_may_say_is_said_as_the_protocol_has_it(binary: bool) -> None:
    """Decoded by the server's own reader."""
    heard: list[Any] = []
    granted = ["barge_in", "history", *(["binary_audio"] if binary else [])]
    answers = {
        "connect": {"type": "connected", "extensions": granted},
        "audio_stream_start": {"type": "audio_stream_started"},
        "agent_mode_start": {"type": "agent_listening"},
        "switch_character": {"type": "character_switched"},
        "clear_history": {"type": "history_cleared"},
        "get_history": {"type": "history"},
        "ping": {"type": "pong"},
        **{kind: {"type": "response"} for kind in ("message", "audio_message", "audio_stream_end")},
    }

    async def answer(socket: ServerConnection) -> None:
        async for frame in socket:
            heard.append(frame)
            kind = "" if isinstance(frame, bytes) else json.loads(frame)["type"]
            if kind in answers:
                await socket.send(json.dumps(answers[kind]))

    async with serve(answer, "127.0.0.1", 0) as server:
        url = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with ChatAnon(url, "token", "anon", granted, 48_000) as chat:
            await chat.say("你好")
            await chat.send_recording(b"\1\0")
            stream = chat.start_stream()
            await stream.send(b"\1\0" * 20_000)
            await stream.end()
            await stream
            await chat.switch_character("tomori")
            await chat.clear_history()
            await chat.history(2, 41)
            await chat.ping()
            await chat.start_agent()
            await chat.send_audio(b"\1\0")
            await chat.interrupt(5)
            await chat.stop_agent()
            await chat.ping()
    texts = [frame for frame in heard if isinstance(frame, str)]
    kinds = {json.loads(frame)["type"] for frame in texts}
    chunks = set() if not binary else {"audio_stream_chunk", "agent_audio_chunk"}
    assert kinds == {kind for kind in FROM_CLIENTS if not kind.startswith("voice_call")} - chunks
    for frame in texts:
        decode(frame)
    assert json.loads(heard[0]) == {
        "type": "connect", "api_token": "token", "extensions": granted, "audio_sample_rate": 48_000,
        "character_name": "anon",
    }  # fmt: skip
