"""A server with few descriptors, of which strangers take all they are given: who talks, goes on talking."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.protocol_client import ProtocolClient, Wire, kinds
from tests.simulated_cloud import CloudServer, Simulators, simulators, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc"),
]

DESCRIPTORS = 200
PROGRAM = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))
from server.main import main
sys.exit(main())
"""
ANSWERED = ["thinking", "audio_chunk", "audio_end", "response"]


@pytest.fixture(scope="module")
def vendors() -> Iterator[Simulators]:
    with simulators() as vendors:
        yield vendors


@pytest.fixture
def server(vendors: Simulators, tmp_path: Path) -> Iterator[CloudServer]:
    vendors.reset()
    server = CloudServer(vendors, tmp_path, sys.executable, "-c", PROGRAM)
    try:
        yield server
    finally:
        server.process.kill()


def stranger(server: CloudServer) -> socket.socket:
    """Who has asked for something that is not there yet: the head of a request, without its end."""
    sock = socket.create_connection(("127.0.0.1", server.process.port), timeout=60)
    sock.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n")
    return sock


def fill(server: CloudServer, strangers: ExitStack) -> int:
    """Strangers until one is refused; how many came in."""
    for number in range(DESCRIPTORS):
        before = server.descriptors.others
        sock = strangers.enter_context(stranger(server))
        until(lambda before=before: server.descriptors.others != before, "it was accepted")  # type: ignore[misc]
        sock.setblocking(False)
        try:
            answer = sock.recv(12)
        except BlockingIOError:
            continue
        assert answer == b"HTTP/1.1 503"
        return number
    raise AssertionError("nobody was refused")


def turn(client: ProtocolClient, content: str) -> list[Wire]:
    client.send("message", content=content)
    return client.until("response", "error")


def test_who_talks_is_answered_and_remembered_when_strangers_have_all_descriptors(
    server: CloudServer, vendors: Simulators
) -> None:
    client = server.client()
    assert kinds(turn(client, "你好")) == ANSWERED
    with ExitStack() as strangers:
        assert fill(server, strangers) > 0
        assert kinds(turn(client, "谢谢")) == ANSWERED
        vendors.reset()  # every connection to a vendor is gone: the next turn needs new ones
        assert kinds(turn(client, "再见")) == ANSWERED
        assert vendors.minimax.calls
        assert [text for role, text, cut in server.rows() if role == "user" and not cut] == ["你好", "谢谢", "再见"]
    until(lambda: server.process.get("/health")[0] == 200, "strangers have left and others come in")
    newcomer = server.client()
    assert kinds(turn(newcomer, "你好")) == ANSWERED
    assert server.errors() == []
    newcomer.close()
    client.close()
