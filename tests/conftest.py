"""Fixtures of all tests: the event loop, a running server, and tokens that nobody else uses."""

import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer, running_server

# The tests start Python more than three hundred times: what each would compile anew is compiled once and kept.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What people read is read here in Chinese, whatever language the machine speaks.
os.environ["LANGUAGE"] = "zh"

# How long an example takes is the machine's affair: it may be busy with other tests.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

TOKENS = [f"a-token-that-is-long-enough-{number:03d}" for number in range(800)]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: most tests wait half of their time for sockets and clocks, the fast ones less."""
    processors = os.cpu_count() or 1
    return processors + 1 if config.getoption("markexpr") == "not slow" else 2 * processors


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as the server does."""
    return "asyncio"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server of its own process on the embedded engines, shared by all tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("server")
    # Many tests send wrong tokens, and all of them from here.
    with running_server(
        folder, VALID_API_TOKENS=",".join(TOKENS), CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE="0"
    ) as running:
        yield running


@pytest.fixture(scope="session")
def _tokens() -> Iterator[str]:
    return itertools.chain(TOKENS)


@pytest.fixture
def token(_tokens: Iterator[str]) -> str:
    """A token with no history and no connection."""
    return next(_tokens)


@pytest.fixture
def talk(server: RunningServer, token: str) -> Iterator[Callable[..., ProtocolClient]]:
    """Connect to the shared server; `talk()` gives a connected ProtocolClient, closed at the end of the test."""
    opened: list[ProtocolClient] = []

    def connect(**hello: object) -> ProtocolClient:
        client = ProtocolClient(server.url)
        opened.append(client)
        client.connect(**{"api_token": token, **hello})
        return client

    yield connect
    for client in opened:
        client.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Start a server with an environment of its own; ended at the end of the test."""
    running: list[RunningServer] = []

    def start(**environment: str) -> RunningServer:
        server = RunningServer(tmp_path, environment)
        running.append(server)
        server.wait_until_ready()
        return server

    yield start
    for server in running:
        server.kill()
