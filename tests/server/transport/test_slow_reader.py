"""A client that does not read: it holds its own turn back, is told so in the end, and is in nobody's way."""

from collections.abc import Callable

import pytest

from tests.protocol_client import ProtocolClient, audio, kinds
from tests.running_server import RunningServer

pytestmark = pytest.mark.slow

Start = Callable[..., RunningServer]

SMALL = 4096


def start(start_server: Start, **environment: str) -> RunningServer:
    return start_server(VALID_API_TOKENS="", CHATANON_LIMITS__SEND_BUFFER_BYTES=str(SMALL), **environment)


def talk_without_reading(server: RunningServer) -> ProtocolClient:
    client = ProtocolClient(server.url, receive_buffer=SMALL)
    client.connect(api_token="dev_token_001")
    for _ in range(4):
        client.send("message", content="讲个笑话吧")
    return client


def test_client_that_does_not_read_is_too_slow(start_server: Start) -> None:
    server = start(start_server, CHATANON_LIMITS__SEND_TIMEOUT_SECONDS="0.3")
    slow = talk_without_reading(server)
    server.wait_for("gone")
    code, messages = slow.closed()  # it reads on: all that waited is there, and the reason at its end
    assert kinds(messages)[:2] == ["thinking", "audio_chunk"]
    assert (code, messages[-1]["code"], messages[-1]["retryable"]) == (4002, "too_slow", True)
    assert slow.socket.close_reason == "too slow"


def test_client_that_reads_late_loses_nothing(start_server: Start) -> None:
    server = start(start_server)
    late = talk_without_reading(server)
    quick = ProtocolClient(server.url)
    quick.send("connect", api_token="nobody")
    assert quick.closed()[0] == 4500  # the others are served meanwhile
    for _ in range(4):
        messages = late.until("response")
        assert kinds(messages) == ["thinking", "audio_chunk", "audio_end", "response"]
        assert len(audio(messages)) > 16_000
    late.close()


def test_taking_over_from_a_client_that_does_not_read_does_not_wait_for_it(start_server: Start) -> None:
    server = start(start_server)
    stuck = talk_without_reading(server)
    stuck.until("audio_chunk")
    newcomer = ProtocolClient(server.url)
    newcomer.connect(api_token="dev_token_001")
    newcomer.ping()
    code, messages = stuck.closed()
    assert "response" not in kinds(messages)
    assert code in (4501, 1006)  # 1006: it took nothing more, so it was cut off without a word
    newcomer.ping()
    newcomer.close()
