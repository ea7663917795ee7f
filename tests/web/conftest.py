"""One browser and few servers for all of these tests; a device and a token of its own for each test."""

import itertools
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer, running_server
from tests.web.browser import Visitor, browser

TOKENS = [f"a-token-of-a-page-{number:03d}" for number in range(60)]


# Of the package, not of the session: while Playwright is open, a loop runs in this thread; other tests start theirs.
@pytest.fixture(scope="package")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Embedded engines, and tokens."""
    rates = {"CHATANON_LIMITS__MESSAGES_PER_SECOND": "0", "CHATANON_LIMITS__TURNS_PER_MINUTE": "0"}
    with running_server(tmp_path_factory.mktemp("host"), VALID_API_TOKENS=",".join(TOKENS), **rates) as server:
        yield server


@pytest.fixture(scope="session")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("demo"), VALID_API_TOKENS="") as server:
        yield server


@pytest.fixture
def demo(_demo: RunningServer) -> RunningServer:
    """As `make run` starts it: embedded engines, no token, and nothing was said yet."""
    client = ProtocolClient(_demo.url)
    client.connect(api_token="dev_token_001")
    client.send("clear_history")
    client.until("history_cleared")
    client.close()
    return _demo


@pytest.fixture(scope="session")
def _tokens() -> Iterator[str]:
    return itertools.chain(TOKENS)


@pytest.fixture
def mine(_tokens: Iterator[str]) -> str:
    """A token that nobody else uses."""
    return next(_tokens)


@pytest.fixture
def visitor(chrome: Browser) -> Iterator[Visitor]:
    visitor = Visitor(chrome)
    yield visitor
    visitor.leave()
