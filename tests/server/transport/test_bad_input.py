"""Whatever a connected client sends, it is told what is wrong, and its next message works."""

import base64
from collections.abc import Callable

import pytest

from tests.protocol_client import ProtocolClient, kinds
from tests.running_server import RunningServer

Connect = Callable[..., ProtocolClient]
Start = Callable[..., RunningServer]

PCM = base64.b64encode(bytes(640)).decode()


@pytest.mark.parametrize(
    ("frame", "code", "names"),
    [
        ("{", "bad_json", ""),
        ('{"type": "ping"} trailing', "bad_json", ""),
        ('{"type": "message", "content": NaN}', "bad_json", ""),
        ('{"type": "message", "content": "\\ud800"}', "empty_message", ""),
        ('{"x": ' + "[" * 100_000, "bad_json", "nested"),
        ("[]", "bad_message", "object"),
        ("7", "bad_message", "object"),
        ("{}", "bad_message", "type"),
        ('{"type": 7}', "bad_message", "type"),
        ('{"type": "message"}', "bad_message", "content"),
        ('{"type": "message", "content": 7}', "bad_message", "content"),
        ('{"type": "message", "content": null}', "bad_message", "content"),
        ('{"type": "switch_character"}', "bad_message", "character_name"),
        (b"\x01\x02", "bad_message", "binary"),
        ('{"type": "dance"}', "unknown_type", "dance"),
        ('{"type": "get_history"}', "unknown_type", "history"),
        ('{"type": "interrupt"}', "unknown_type", "barge_in"),
        ('{"type": "message", "content": " \\n\\t　"}', "empty_message", "content"),
        ('{"type": "message", "content": "\\u0000\\u202e"}', "empty_message", "content"),
        ('{"type": "message", "content": "\\u200b \\u2060\\u3000"}', "empty_message", "content"),
        ('{"type": "message", "content": "' + "长" * 4001 + '"}', "message_too_long", "4001"),
        ('{"type": "message", "content": "' + "长" * 20_000 + '"}', "message_too_long", "20000"),
        ('{"type": "message", "content": "' + "\u200b" * 20_000 + '"}', "message_too_long", "20000"),
        ('{"type": "audio_message", "audio_base64": "***"}', "bad_audio", "base64"),
        ('{"type": "connect", "api_token": "x"}', "wrong_state", "connected"),
        ('{"type": "switch_character", "character_name": "nobody"}', "unknown_character", "tomori"),
    ],
)
def test_bad_message_is_named_and_the_connection_kept(talk: Connect, frame: str | bytes, code: str, names: str) -> None:
    client = talk()
    client.send_raw(frame)
    error = client.receive()
    assert (error["type"], error["code"], error["retryable"]) == ("error", code, False)
    assert names in error["message"]
    client.ping()


@pytest.mark.parametrize(
    "message",
    [
        {"type": "audio_stream_chunk", "audio_base64": PCM},
        {"type": "audio_stream_end"},
        {"type": "agent_audio_chunk", "audio_base64": PCM},
        {"type": "agent_mode_stop"},
    ],
)
def test_voice_messages_without_their_start_are_in_the_wrong_state(talk: Connect, message: dict[str, str]) -> None:
    client = talk()
    client.send(**{"kind": message["type"], **{name: value for name, value in message.items() if name != "type"}})
    error = client.receive()
    assert (error["type"], error["code"]) == ("error", "wrong_state")
    assert "_start first" in error["message"]
    client.ping()


def test_unknown_fields_are_ignored(talk: Connect) -> None:
    client = talk(client="web", version=[1, 2])
    client.send("ping", at=9_007_199_254_740_993, why={"deep": [None]})
    assert client.receive() == {"type": "pong"}


def test_invisible_characters_of_a_message_are_dropped(talk: Connect) -> None:
    client = talk(extensions=["history"])
    client.turn("\u0000你\u202e好\u0007\n爱音")
    client.send("get_history")
    assert client.receive()["messages"][0]["content_cn"] == "你好\n爱音"


def test_eleventh_protocol_error_within_a_minute_ends_the_connection(talk: Connect) -> None:
    client = talk()
    for _ in range(11):
        client.send_raw("{")
        client.send_raw('{"type": "dance"}')  # does not count
    code, messages = client.closed()
    codes = [message["code"] for message in messages]
    assert code == 4502
    assert codes.count("bad_json") == 11 and codes[-1] == "bad_json"


@pytest.mark.slow
def test_frames_over_the_limits_end_the_connection(talk: Connect) -> None:
    for frame in (
        '{"type": "message", "content": "' + "x" * 262_144 + '"}',
        '{"type": "message", "content": "' + "长" * 90_000 + '"}',
        "x" * 262_145,
        b"x" * 262_145,
    ):
        client = talk()
        client.send_raw(frame)
        code, messages = client.closed()
        assert (code, messages[-1]["code"]) == (1009, "message_too_big")
    large = talk()
    large.send("audio_message", audio_base64=base64.b64encode(bytes(1_920_000)).decode())
    assert [message["type"] for message in large.until("error")] == ["thinking", "error"]
    assert large.said[-1]["code"] == "no_speech"


@pytest.mark.slow
def test_frame_over_the_largest_limit_is_refused_while_it_comes_in(talk: Connect) -> None:
    client = talk()
    client.send_raw("x" * 3_145_729)
    code, (error,) = client.closed()
    assert (code, error["code"]) == (1009, "message_too_big") and "3145728" in error["message"]


@pytest.mark.slow
def test_endless_empty_fragments_end_the_connection(talk: Connect) -> None:
    client = talk()
    client.socket.send(['{"type": "ping"'] + [""] * 1024)
    assert client.closed()[0] == 1008


def test_invalid_utf8_ends_the_connection_with_1007(talk: Connect) -> None:
    client = talk()
    client.socket.send(b'{"type": "ping"}\xff', text=True)
    assert client.closed()[0] == 1007


@pytest.mark.slow
def test_too_many_turns_are_rate_limited(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_LIMITS__TURNS_PER_MINUTE="2")
    client = ProtocolClient(server.url)
    client.connect(api_token="dev_token_001")
    for _ in range(2):
        assert client.turn("你好")[-1]["type"] == "response"
    for _ in range(2):
        error = client.turn("你好")[-1]
        assert (error["code"], error["retryable"]) == ("rate_limited", True)
        assert 0 < error["retry_after_ms"] <= 60_000
    client.send("message", content="你好")
    code, messages = client.closed()
    assert (code, messages[-1]["code"]) == (4003, "rate_limited")


@pytest.mark.slow
def test_busy_messages_do_not_count_as_turns(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_LIMITS__TURNS_PER_MINUTE="10")
    client = ProtocolClient(server.url)
    client.connect(api_token="dev_token_001")
    for _ in range(20):
        client.send("message", content="你好")
    responses = [client.until("response")[-1] for _ in range(9)]
    assert len(responses) == 9
    assert client.turn("你好")[-1]["type"] == "response"
    assert client.turn("你好")[-1]["code"] == "rate_limited"
    client.close()


@pytest.mark.slow
def test_too_many_connects_of_one_token_are_rate_limited(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_LIMITS__CONNECTS_PER_MINUTE="3")
    live = [ProtocolClient(server.url) for _ in range(3)]
    for client in live:
        client.connect(api_token="dev_token_001")
    late = ProtocolClient(server.url)
    late.send("connect", api_token="dev_token_001")
    code, messages = late.closed()
    assert (code, messages[-1]["code"]) == (4003, "rate_limited") and messages[-1]["retry_after_ms"] > 0
    live[-1].ping()  # the newcomer is refused, not the one who is here
    live[-1].close()


@pytest.mark.slow
def test_wrong_tokens_from_one_address_are_rate_limited_and_right_ones_are_not(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="a-token-that-is-long-enough", CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE="2")
    codes = []
    for _ in range(4):
        stranger = ProtocolClient(server.url, {"X-Forwarded-For": "203.0.113.9"})
        stranger.send("connect", api_token="wrong")
        codes.append(stranger.closed()[0])
    assert codes == [4500, 4500, 4003, 4003]
    friend = ProtocolClient(server.url, {"X-Forwarded-For": "203.0.113.9"})
    friend.connect(api_token="a-token-that-is-long-enough")
    friend.close()


@pytest.mark.slow
def test_full_server_says_busy(start_server: Start) -> None:
    server = start_server(
        VALID_API_TOKENS="a-token-that-is-long-enough,another-token-long-enough,a-third-token-long-enough",
        CHATANON_LIMITS__CONNECTIONS="3",
        CHATANON_LIMITS__UNAUTHENTICATED="2",
    )
    strangers = [ProtocolClient(server.url) for _ in range(3)]
    code, messages = strangers[-1].closed()
    assert (code, messages[0]["code"]) == (4010, "server_busy") and messages[0]["retry_after_ms"] > 0
    for client, token in zip(strangers, ("a-token-that-is-long-enough", "another-token-long-enough"), strict=False):
        client.connect(api_token=token)
    third = ProtocolClient(server.url)
    third.connect(api_token="a-third-token-long-enough")
    late = ProtocolClient(server.url)
    assert late.closed()[0] == 4010
    assert server.get("/health")[0] == 200
    third.ping()
    for client in (*strangers, third):
        client.close()


@pytest.mark.slow
@pytest.mark.parametrize(("minutes", "words"), [("0.005", "for 0.005 minutes")])
def test_silent_caller_is_sent_away_after_the_idle_time(start_server: Start, minutes: str, words: str) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_LIMITS__IDLE_MINUTES=minutes)
    client = ProtocolClient(server.url)
    client.connect(api_token="dev_token_001")
    code, messages = client.closed()
    assert (code, messages[-1]["code"]) == (4005, "idle")
    assert words in messages[-1]["message"]


def test_every_error_has_a_code_and_says_whether_to_try_again(talk: Connect) -> None:
    client = talk()
    client.send_raw("{")
    client.send_raw('{"type": "dance"}')
    for error in (client.receive(), client.receive()):
        assert list(error) == ["type", "message", "code", "retryable"]
    assert kinds(client.said) == ["connected", "error"]
