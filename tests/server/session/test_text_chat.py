"""Mode 1 of the specification, as a client sees it that knows only the specification."""

import struct
from collections.abc import Callable

import pytest

from tests.protocol_client import ProtocolClient, audio, kinds
from tests.running_server import RunningServer

Connect = Callable[..., ProtocolClient]


def loudness(pcm: bytes) -> float:
    """Root mean square of s16le samples."""
    samples = struct.unpack(f"<{len(pcm) // 2}h", pcm)
    return float((sum(sample * sample for sample in samples) / len(samples)) ** 0.5)


def test_mode_1_is_exactly_as_specified(talk: Connect) -> None:
    client = talk()
    assert client.said == [
        {
            "type": "connected",
            "character": "anon",
            "character_display_name": "千早爱音 (Chihaya Anon)",
            "message": "Connection established successfully",
        }
    ]
    messages = client.turn("你好，爱音！")
    assert kinds(messages) == ["thinking", "audio_chunk", "audio_end", "response"]
    assert messages[0] == {"type": "thinking", "message": "Processing..."}
    assert messages[-2] == {"type": "audio_end"}
    assert list(messages[-1]) == [
        "type", "content_cn", "content_jp", "emotion", "audio_format", "audio_sample_rate"
    ]  # fmt: skip
    client.ping()  # nothing came after


def test_reply_is_heard_and_read(talk: Connect) -> None:
    messages = talk().turn("你好")
    response = messages[-1]
    assert response["content_cn"] and response["content_jp"]
    assert response["emotion"] in "happy sad angry fearful disgusted surprised calm auto".split()
    assert loudness(audio(messages)) > 300
    for chunk in messages[1:-2]:
        assert list(chunk) == ["type", "audio_base64", "audio_format", "audio_sample_rate"]
        assert (chunk["audio_format"], chunk["audio_sample_rate"]) == ("pcm", 16000)
        size = len(audio([chunk]))
        assert 0 < size <= 16000 * 80 // 1000 * 2 and size % 2 == 0


def test_ping_is_answered_during_a_turn(talk: Connect) -> None:
    client = talk()
    client.send("message", content="你好")
    client.send("ping")
    messages = client.until("response")
    assert "pong" in kinds(messages)


@pytest.mark.slow
def test_turns_are_answered_in_order_and_never_mixed(talk: Connect) -> None:
    client = talk()
    for content in ("你好", "谢谢", "再见"):
        client.send("message", content=content)
    for _ in range(3):
        assert kinds(client.until("response")) == ["thinking", "audio_chunk", "audio_end", "response"]


@pytest.mark.slow
def test_more_waiting_messages_than_allowed_are_busy(talk: Connect) -> None:
    client = talk()
    for _ in range(12):
        client.send("message", content="你好")
    messages = client.until("error")
    while sum(message["type"] == "response" for message in messages) < 9:
        messages += client.until("response", "error")
    errors = [message for message in messages if message["type"] == "error"]
    assert [(error["code"], error["retryable"]) for error in errors] == [("busy", True)] * 3
    client.ping()


def test_switch_and_clear_wait_for_the_turns_before_them(talk: Connect) -> None:
    client = talk()
    client.send("message", content="你好")
    client.send("switch_character", character_name="TOMORI")
    client.send("message", content="你好")
    client.send("clear_history")
    messages = client.until("history_cleared")
    turn = ["thinking", "audio_chunk", "audio_end", "response"]
    assert kinds(messages) == [*turn, "character_switched", *turn, "history_cleared"]
    switched = next(message for message in messages if message["type"] == "character_switched")
    assert switched["character"] == "tomori" and switched["message"] == "Switched to character: tomori"
    assert messages[-1] == {"type": "history_cleared", "message": "Conversation history cleared"}


def test_two_callers_do_not_hear_each_other(server: RunningServer, talk: Connect, token: str) -> None:
    from tests.conftest import TOKENS

    one, other = talk(), ProtocolClient(server.url)
    other.connect(api_token=TOKENS[-1])
    one.send("message", content="你好")
    other.ping()
    assert one.until("response")
    other.ping()
    other.close()
