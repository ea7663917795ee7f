"""Messages of any kind that come too fast are refused, and who goes on is hung up on; the others never notice."""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.conftest import TOKENS
from tests.protocol_client import ProtocolClient, Wire
from tests.running_server import RunningServer

pytestmark = pytest.mark.slow

Connect = Callable[..., ProtocolClient]
Start = Callable[..., RunningServer]

BURST = 40
LARGE = 400_000  # characters: more than any message but a recording may have
CHUNK = base64.b64encode(bytes(2560)).decode()


def frame(kind: str, **fields: object) -> str:
    return json.dumps({"type": kind, **fields})


FLOODS = {
    "ping": frame("ping"),
    "clear_history": frame("clear_history"),
    "get_history": frame("get_history"),
    "switch_character": frame("switch_character", character_name="tomori"),
    "unknown type": frame("dance"),
    "unknown character": frame("switch_character", character_name="nobody"),
    "empty text": frame("message", content=" "),
    "long text": frame("message", content="长" * 40_000),
    "hidden text": frame("message", content="\u200b" * 40_000),
    "start out of place": frame("agent_mode_stop"),
    "wrong base64": frame("audio_message", audio_base64="*" * 1000),
    "chunk of wrong base64": frame("audio_stream_chunk", audio_base64="*" * 1000),
    "second connect": frame("connect", api_token="x"),
}


POURED = 100_000


def flood(client: ProtocolClient, message: str, times: int) -> None:
    """So often, or until the server has hung up."""
    with suppress(ConnectionClosed):
        for _ in range(times):
            client.send_raw(message)


def codes(messages: list[Wire]) -> list[str]:
    return [str(message.get("code", message["type"])) for message in messages]


@pytest.mark.parametrize("name", FLOODS)
def test_flood_is_refused_and_then_ended(talk: Connect, name: str) -> None:
    client = talk(extensions=["history"])
    flood(client, FLOODS[name], 40 * BURST)
    code, messages = client.closed()
    if len(FLOODS[name]) > POURED:  # cut off, where it did not stop to read the farewell
        assert code in (4003, 1006)
        return
    assert (code, messages[-1]["code"]) == (4003, "rate_limited")
    refused = [message for message in messages if message.get("code") == "rate_limited"]
    assert all(message["retryable"] is True and message["retry_after_ms"] > 0 for message in refused)
    assert len(refused) > BURST
    assert len(messages) < 10 * BURST  # all the rest was not even looked at


def test_burst_that_a_client_may_send_is_answered_in_full(talk: Connect) -> None:
    client = talk()
    for _ in range(BURST):
        client.send("ping")
    assert codes([client.receive() for _ in range(BURST)]) == ["pong"] * BURST


def test_after_the_wait_that_was_told_the_next_message_is_taken(talk: Connect) -> None:
    client = talk()
    answer: Wire = {"type": "pong"}
    while answer["type"] == "pong":  # one by one: nothing of ours is on its way when the wait is told
        client.send("ping")
        answer = client.receive()
    time.sleep(answer["retry_after_ms"] / 1000)
    client.ping()


def test_audio_chunks_are_no_messages(talk: Connect) -> None:
    client = talk()
    client.send("audio_stream_start")
    assert client.receive()["type"] == "audio_stream_started"
    for _ in range(4 * BURST):
        client.send("audio_stream_chunk", audio_base64=CHUNK)
    client.ping()


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("*" * LARGE, "bad_audio"),
        ("A" * (LARGE - 1) + "*", "bad_audio"),
        ("AAAA" * (LARGE // 4) + "A", "bad_audio"),
        (7, "bad_message"),
    ],
    ids=["no base64", "wrong at its end", "of a wrong length", "no text"],
)
def test_large_wrong_audio_is_a_protocol_error(start_server: Start, content: object, fault: str) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_LIMITS__MESSAGES_PER_SECOND="0")
    client = ProtocolClient(server.url)
    client.connect(api_token="dev_token_001")
    for _ in range(11):
        client.send("audio_message", padding="x" * LARGE, audio_base64=content)
    code, messages = client.closed()
    assert (code, codes(messages)) == (4502, [fault] * 11)


def test_frame_as_large_as_several_counts_as_several(talk: Connect) -> None:
    client = talk()
    flood(client, frame("audio_message", audio_base64="A" * 3_000_000), 2 * BURST)
    code, messages = client.closed()
    assert code in (4003, 1006)  # cut off, where it did not stop to read the farewell
    assert len([message for message in messages if message["type"] == "thinking"]) < BURST // 4


def test_message_rate_of_zero_is_no_limit(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="", CHATANON_LIMITS__MESSAGES_PER_SECOND="0")
    client = ProtocolClient(server.url)
    client.connect(api_token="dev_token_001")
    for _ in range(10 * BURST):
        client.send("ping")
    assert codes([client.receive() for _ in range(10 * BURST)]) == ["pong"] * (10 * BURST)
    client.close()


def test_who_floods_is_refused_alone(talk: Connect, server: RunningServer) -> None:
    quiet = ProtocolClient(server.url)
    quiet.connect(api_token=TOKENS[-1])
    noisy = talk()
    flood(noisy, frame("ping"), 40 * BURST)
    quiet.ping()
    assert noisy.closed()[0] == 4003
    quiet.ping()
    quiet.close()
