"""A signal: nobody new, running turns to their end, a good-bye to all, exit status 0."""

import signal
from collections.abc import Callable

import pytest
from websockets.exceptions import WebSocketException

from tests.protocol_client import ProtocolClient, kinds
from tests.running_server import RunningServer

pytestmark = pytest.mark.slow

Start = Callable[..., RunningServer]

TOKENS = ["a-token-that-is-long-enough", "another-token-long-enough"]


def started(start_server: Start, **environment: str) -> tuple[RunningServer, list[ProtocolClient]]:
    server = start_server(VALID_API_TOKENS=",".join(TOKENS), **environment)
    talkers = [ProtocolClient(server.url) for _ in TOKENS]
    for client, token in zip(talkers, TOKENS, strict=True):
        client.connect(api_token=token, extensions=["history"])
    return server, talkers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_clients_get_a_good_bye_and_the_server_exits_with_0(start_server: Start, number: signal.Signals) -> None:
    server, talkers = started(start_server)
    server.signal(number)
    for client in talkers:
        code, messages = client.closed()
        assert code == 4001 and "stops" in (client.socket.close_reason or "")
        assert [(message["type"], message["reason"]) for message in messages] == [("disconnected", "server_shutdown")]
        assert 0 <= messages[0]["retry_after_ms"] <= 10_000
    assert server.wait() == 0


def test_running_turn_comes_to_its_end_before_the_good_bye(start_server: Start) -> None:
    server, (busy, _) = started(start_server)
    busy.send("message", content="你好")
    busy.until("thinking")
    server.signal()
    code, messages = busy.closed()
    assert code == 4001
    assert kinds(messages) == ["audio_chunk", "audio_end", "response", "disconnected"]
    assert server.wait() == 0


def test_not_ready_and_nobody_let_in_while_draining(start_server: Start) -> None:
    """A client that does not read keeps its turn, and so the drain, going until we have looked."""
    server, (busy, _) = started(start_server, CHATANON_LIMITS__SEND_BUFFER_BYTES="4096")
    assert server.get("/ready")[:2] == (200, {"status": "ready"})
    for _ in range(8):
        busy.send("message", content="讲个笑话吧")
    busy.until("thinking")
    silent = ProtocolClient(server.url)
    server.signal()
    code, messages = silent.closed()
    assert (code, messages[0]["reason"]) == (4001, "server_shutdown")
    assert server.get("/ready")[:2] == (503, {"status": "draining"})
    assert server.get("/")[1]["status"] == "draining"
    late = ProtocolClient(server.url)
    code, messages = late.closed()
    assert (code, messages[0]["reason"]) == (4001, "server_shutdown")
    busy.closed()
    assert server.wait() == 0


def test_turn_over_the_deadline_is_cut_and_kept(start_server: Start) -> None:
    server, (busy, _) = started(
        start_server, CHATANON_LIMITS__DRAIN_SECONDS="0", CHATANON_LIMITS__SEND_BUFFER_BYTES="4096"
    )
    for _ in range(8):  # one would be over before the signal comes, on a slow day
        busy.send("message", content="讲个笑话吧")
    busy.until("audio_chunk")
    server.signal()
    code, messages = busy.closed()
    answered = [message["type"] for message in messages].count("response")
    assert answered < 8 and code == 4001
    assert server.wait() == 0
    again = start_server(VALID_API_TOKENS=",".join(TOKENS))
    client = ProtocolClient(again.url)
    client.connect(api_token=TOKENS[0], extensions=["history"])
    client.send("get_history")
    roles = [entry["role"] for entry in client.receive()["messages"]]
    assert roles[: 2 * answered] == ["user", "assistant"] * answered
    assert roles[2 * answered :] in ([], ["user"], ["user", "assistant"]) and roles
    client.close()


def test_second_signal_ends_at_once(start_server: Start) -> None:
    server, (busy, _) = started(start_server, CHATANON_LIMITS__SEND_BUFFER_BYTES="4096")
    busy.send("message", content="讲个笑话吧")
    busy.until("thinking")
    server.signal()
    while server.get("/ready")[0] == 200:  # it has heard the first
        pass
    server.signal()
    assert server.wait() == 128 + signal.SIGTERM
    assert not any("Traceback" in line for line in server.log)
    with pytest.raises((WebSocketException, AssertionError)):
        while busy.receive()["type"] != "response":
            pass
        raise AssertionError("the turn came to its end")


def test_port_in_use_is_said_in_one_sentence(server: RunningServer, tmp_path: object) -> None:
    from pathlib import Path

    second = RunningServer(Path(str(tmp_path)), {"CHATANON_SERVER__PORT": str(server.port)})
    assert second.wait() == 2
    assert len(second.log) == 1 and "server.port" in second.log[0] and str(server.port) in second.log[0]
    second.kill()
