"""The page in a real browser, against a real server: typing, reading, keeping, and everything that can go wrong."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from playwright.sync_api import Browser

from server.protocol import wire
from tests.running_server import RunningServer, free_port, running_server
from tests.web.browser import Visit, Visitor, browser

pytestmark = pytest.mark.slow

TOKENS = ("a-token-of-a-page-0001", "a-token-of-a-page-0002")
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Embedded engines, no token: as it is after `make run`."""
    with running_server(tmp_path_factory.mktemp("demo"), VALID_API_TOKENS="", CHATANON_HISTORY__URL="") as server:
        yield server


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("strict"), VALID_API_TOKENS=",".join(TOKENS)) as server:
        yield server


@pytest.fixture
def visitor(chrome: Browser) -> Iterator[Visitor]:
    visitor = Visitor(chrome)
    yield visitor
    visitor.leave()


Open = Callable[..., Visit]
