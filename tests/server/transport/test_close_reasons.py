"""What stands beside the number when a connection ends: a developer's browser shows it, and nothing else."""

from collections.abc import Callable, Iterator

import pytest

from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer, running_server

pytestmark = pytest.mark.slow

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One that sends everybody away soon."""
    with running_server(
        tmp_path_factory.mktemp("strict"),
        VALID_API_TOKENS=",".join(f"{TOKEN}-{number}" for number in range(5)),
        CHATANON_TIMEOUTS__WEBSOCKET_CONNECT="0.3",
        CHATANON_LIMITS__IDLE_MINUTES="0.005",
        CHATANON_LIMITS__CONNECTS_PER_MINUTE="2",
        CHATANON_LIMITS__UNAUTHENTICATED="1",
        CHATANON_SERVER__ALLOWED_ORIGINS="https://other.example",
    ) as server:
        yield server


def connected(server: RunningServer, token: str) -> ProtocolClient:
    client = ProtocolClient(server.url)
    client.connect(api_token=token)
    return client


def beside_another(server: RunningServer) -> ProtocolClient:
    first = ProtocolClient(server.url)
    client = ProtocolClient(server.url)
    first.closed()
    return client


def too_often(server: RunningServer) -> ProtocolClient:
    for _ in range(2):
        connected(server, f"{TOKEN}-1").close()
    client = ProtocolClient(server.url)
    client.send("connect", api_token=f"{TOKEN}-1")
    return client


def replaced(server: RunningServer) -> ProtocolClient:
    client = connected(server, f"{TOKEN}-2")
    connected(server, f"{TOKEN}-2")
    return client


def told(**hello: object) -> Callable[[RunningServer], ProtocolClient]:
    def end(server: RunningServer) -> ProtocolClient:
        client = ProtocolClient(server.url)
        client.send(**{"kind": "connect", **hello})  # type: ignore[arg-type]
        return client

    return end


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [
        (lambda server: ProtocolClient(server.url), 4004, "handshake timeout"),
        (beside_another, 4010, "busy"),
        (too_often, 4003, "rate"),
        (lambda server: connected(server, f"{TOKEN}-0"), 4005, "idle"),
        (lambda server: ProtocolClient(server.url, {"Origin": "https://page.example"}), 4503, "origin"),
        (told(api_token="nobody"), 4500, "unauthorized"),
        (told(api_token=f"{TOKEN}-3", character_name="nobody"), 4505, "character"),
        (told(kind="ping"), 4502, "handshake"),
        (told(api_token="x" * 5000), 1009, "too big"),
        (replaced, 4501, "new connection"),
    ],
)
def test_reason_says_the_code_in_words(
    strict: RunningServer, end: Callable[[RunningServer], ProtocolClient], code: int, words: str
) -> None:
    client = end(strict)
    assert client.closed()[0] == code
    reason = client.socket.close_reason
    assert reason is not None and words in reason
