"""One token, one connection: the newer evicts the older, and the older can never harm the newer."""

import threading
from collections.abc import Callable

import pytest

from tests.protocol_client import ProtocolClient, kinds
from tests.running_server import RunningServer

Connect = Callable[..., ProtocolClient]

REPLACED = {
    "type": "disconnected",
    "reason": "new_connection",
    "message": "Another client connected with the same token",
}


def test_second_connection_replaces_the_first(talk: Connect) -> None:
    first = talk()
    second = talk()
    code, messages = first.closed()
    assert (code, messages) == (4501, [REPLACED])
    second.ping()
    assert kinds(second.turn("你好"))[-1] == "response"


@pytest.mark.slow
def test_fifty_takeovers_in_a_row_leave_exactly_one_live_connection(talk: Connect) -> None:
    talkers = [talk() for _ in range(51)]
    for evicted in talkers[:-1]:
        assert evicted.closed() == (4501, [REPLACED])
    talkers[-1].ping()
    assert kinds(talkers[-1].turn("你好"))[-1] == "response"


def test_fifty_takeovers_at_once_leave_exactly_one_live_connection(server: RunningServer, token: str) -> None:
    talkers = [ProtocolClient(server.url) for _ in range(50)]
    barrier = threading.Barrier(len(talkers))

    def take_over(client: ProtocolClient) -> None:
        barrier.wait()
        client.send("connect", api_token=token)

    threads = [threading.Thread(target=take_over, args=(client,)) for client in talkers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    survivor = ProtocolClient(server.url)
    survivor.connect(api_token=token)
    for client in talkers:
        code, messages = client.closed()
        assert (code, messages[-1]) == (4501, REPLACED)
        assert kinds(messages) in (["connected", "disconnected"], ["disconnected"])
    survivor.ping()
    survivor.close()


def test_takeover_in_a_turn_keeps_what_was_said_before_the_newcomer_is_connected(talk: Connect) -> None:
    first = talk()
    first.send("message", content="你好")
    first.until("audio_chunk")
    second = talk(extensions=["history"])
    second.send("get_history")
    user, *reply = second.receive()["messages"]
    assert user["content_cn"] == "你好"
    assert [message["role"] for message in reply] == ["assistant"]
    _, messages = first.closed()
    assert messages[-1] == REPLACED
    assert "response" not in kinds(messages)


def test_old_connections_end_does_not_end_the_new_one(talk: Connect) -> None:
    first = talk()
    second = talk()
    first.closed()
    first.close()
    for _ in range(5):
        second.ping()
    third = talk()
    assert second.closed() == (4501, [REPLACED])
    third.ping()


def test_refused_newcomer_leaves_the_live_session_alone(server: RunningServer, talk: Connect, token: str) -> None:
    live = talk()
    stranger = ProtocolClient(server.url)
    stranger.send("connect", api_token=token, character_name="../anon")
    code, messages = stranger.closed()
    assert (code, messages[0]["code"]) == (4505, "unknown_character")
    live.ping()
