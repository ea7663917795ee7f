"""Everything that can go wrong around the page: each a sentence in the reader's language that says what to do."""

import signal
from pathlib import Path
from typing import get_args

import pytest

from server.protocol import wire
from tests.running_server import RunningServer, free_port, running_server
from tests.simulated_cloud import CloudServer, simulators
from tests.simulators.ark import REFUSALS, Behaviour
from tests.web.browser import Visitor

pytestmark = pytest.mark.slow


def test_every_code_has_a_sentence(visitor: Visitor, host: RunningServer) -> None:
    visit = visitor.open(host)
    told = set(visit.run("async () => Object.keys((await import('./errors.js')).ERRORS)"))
    codes = {*get_args(wire.ErrorCode), *get_args(wire.AudioErrorCode), *get_args(wire.DisconnectReason)}
    assert not codes - told
    assert not {f"incomplete_{reason}" for reason in get_args(wire.IncompleteReason)} - told


def test_server_that_goes_and_comes_back_loses_nothing_typed(visitor: Visitor, tmp_path: Path) -> None:
    where = {"CHATANON_SERVER__PORT": str(free_port()), "VALID_API_TOKENS": ""}
    with running_server(tmp_path, **where) as server:
        visit = visitor.open(server).connected()
        visit.allowed = ("console: WebSocket connection to", "console: Failed to load")
        server.signal(signal.SIGTERM)
        assert "重启" in visit.fault("server_shutdown")
        server.wait()
        visit.say("你好")
        assert "等待发送" in visit.page.inner_text(".bubble.user .notes")
        visit.page.fill("#text", "还没写完")
    with running_server(tmp_path, **where):
        visit.run("() => dispatchEvent(new Event('online'))")  # the network is back: the pause is over
        visit.connected()
        visit.page.wait_for_selector(".line.spoken")
        assert visit.page.input_value("#text") == "还没写完"
        assert visit.page.is_hidden("#fault")
    assert visit.fault("lost") == visit.sentence("lost")  # it was killed, without a word
    visit.page.wait_for_selector("#connection.waiting")


def test_second_window_takes_the_talk_over_and_gives_it_back(visitor: Visitor, host: RunningServer, mine: str) -> None:
    device = visitor.device(mine)
    first = visitor.open(host, device=device).connected()
    visitor.open(host, device=device).connected()
    assert "别的窗口" in first.fault("new_connection")
    first.page.click("#fault-do")
    first.connected()
    assert first.page.is_hidden("#fault")


def test_token_is_asked_for_and_remembered_only_where_it_is_wanted(
    visitor: Visitor, host: RunningServer, mine: str
) -> None:
    visit = visitor.open(host)
    page = visit.page
    page.wait_for_selector("#token-dialog[open]")
    visit.picture("page-token")
    page.fill("#token", "a-token-that-is-wrong")
    page.press("#token", "Enter")
    page.wait_for_selector("#token-why.broken")
    assert page.inner_text("#token-why") == visit.sentence("unauthorized")
    for remember in (False, True):
        page.fill("#token", mine)
        page.set_checked("#remember", remember)
        page.press("#token", "Enter")
        visit.connected()
        assert (mine in visit.run("() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")) == remember
        page.reload()
        if not remember:
            page.wait_for_selector("#token-dialog[open]")
    visit.connected()
    assert page.is_hidden("#token-dialog")


def test_demo_mode_from_elsewhere_says_what_to_do(visitor: Visitor, tmp_path: Path) -> None:
    with running_server(tmp_path, VALID_API_TOKENS="") as server:
        visit = visitor.open(server, host="chat.example")
        sentence = visit.fault("demo_elsewhere")
    assert "http://localhost" in sentence and "VALID_API_TOKENS" in sentence


def test_engine_that_fails_is_told_in_the_bubble_and_said_again(visitor: Visitor, tmp_path: Path) -> None:
    with simulators() as vendors:
        vendors.reset()
        cloud = CloudServer(vendors, tmp_path)
        try:
            visit = visitor.open(cloud.process, "token-of-the-simulated-cloud-000").connected()
            vendors.answer(then=Behaviour(refusal=REFUSALS["InternalServiceError"]))
            visit.say("你好")
            visit.page.wait_for_selector(".bubble.failed .broken")
            assert visit.page.inner_text(".bubble.failed .broken") == visit.sentence("llm_failed")
            vendors.answer()
            visit.page.click(".bubble.failed button")
            visit.page.wait_for_selector(".bubble.character.done")
            said = visit.run("() => [...document.querySelectorAll('.said')].map((e) => e.textContent)")
            assert said == ["你好", "你好"]
            rejected = "x" * 4001
            visit.run("(text) => chatanon.talk.say(text)", rejected)
            assert visit.fault("message_too_long") == visit.sentence("message_too_long")
            assert visit.page.input_value("#text") == rejected  # what was refused is there to be mended
        finally:
            cloud.process.kill()
