"""One browser and few servers for all of these tests; a device and a token of its own for each test."""

import itertools
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.protocol_client import ProtocolClient
from tests.running_server import ROOT, RunningServer, running_server
from tests.simulated_cloud import CloudServer, simulators
from tests.web.browser import Visitor, browser

TOKENS = [f"a-token-of-a-page-{number:03d}" for number in range(60)]


# Of the package, not of the session: while Playwright is open, a loop runs in this thread; other tests start theirs.
@pytest.fixture(scope="package")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Embedded engines, and tokens. More sound is on its way than is played while speech holds a reply back: what the
    page itself does about an interruption is heard."""
    rates = {"CHATANON_LIMITS__MESSAGES_PER_SECOND": "0", "CHATANON_LIMITS__TURNS_PER_MINUTE": "0"}
    rates["CHATANON_AUDIO__LEAD_MS"] = "1500"
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
def _cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudServer]:
    """On simulated vendors, an embedded voice behind theirs. One character has a picture; that of another is gone."""
    folder = tmp_path_factory.mktemp("cloud")
    shutil.copytree(ROOT / "prompts", folder / "prompts")
    for name, portrait in (("anon", "icon.svg"), ("tomori", "nowhere.png")):
        with (folder / "prompts" / name / "character.yaml").open("a", encoding="utf-8") as card:
            card.write(f"\nclient: {{portrait: {portrait}}}\n")
    settings = {
        "CHATANON_CHARACTERS__FOLDER": str(folder / "prompts"),
        "CHATANON_ENGINES__TTS": "minimax, embedded",
        "VALID_API_TOKENS": ",".join(TOKENS),
    }
    with simulators() as vendors:
        server = CloudServer(vendors, folder, **settings)
        yield server
        server.process.kill()


@pytest.fixture
def cloud(_cloud: CloudServer) -> CloudServer:
    """As new, but for what it knows of a voice that failed."""
    _cloud.vendors.reset()
    return _cloud


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
