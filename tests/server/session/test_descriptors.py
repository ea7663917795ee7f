"""A server with few descriptors, of which strangers take all they are given: who talks, goes on talking."""

import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
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
    """Who asks for something, and begins to ask for more: the head of a request, without its end."""
    sock = socket.create_connection(("127.0.0.1", server.process.port), timeout=60)
    sock.sendall(b"GET /health HTTP/1.1\r\nHost: here\r\n\r\nGET /health")
    return sock


def fill(server: CloudServer, strangers: ExitStack) -> int:
    """Strangers until one is refused; how many came in."""
    for number in range(DESCRIPTORS):
        answer = b""
        with suppress(ConnectionError):
            sock = strangers.enter_context(stranger(server))
            answer = sock.recv(12)
        if answer != b"HTTP/1.1 200":
            assert answer in (b"HTTP/1.1 503", b"")
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


def test_who_talks_is_answered_when_more_strangers_come_at_once_than_there_are_descriptors(server: CloudServer) -> None:
    client = server.client()
    with ExitStack() as strangers:
        for _ in range(3 * DESCRIPTORS):
            strangers.enter_context(socket.create_connection(("127.0.0.1", server.process.port), timeout=60))
        assert kinds(turn(client, "你好")) == ANSWERED  # its connections to vendors are the first of this server
        assert server.rows()
    assert server.errors() == []
    client.close()


def test_the_process_takes_what_descriptors_it_can_have(vendors: Simulators, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    few = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {2 * DESCRIPTORS}))"
    program = f"{few}\nimport sys\nfrom server.main import main\nsys.exit(main())"
    server = CloudServer(vendors, tmp_path, sys.executable, "-c", program)
    try:
        assert resource.prlimit(server.process.process.pid, resource.RLIMIT_NOFILE) == (2 * DESCRIPTORS,) * 2
    finally:
        server.process.kill()
