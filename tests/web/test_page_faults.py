"""Everything that can go wrong around the page: each a sentence in the reader's language that says what to do."""

import signal
from pathlib import Path
from typing import get_args

import pytest

from server.protocol import wire
from tests.running_server import RunningServer, free_port, running_server
from tests.simulated_cloud import CloudServer
from tests.simulators.ark import REFUSALS, Behaviour
from tests.simulators.minimax import Fault
from tests.web.browser import MOUTH_OPEN, Visitor

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
        visit = visitor.open(server, viewport={"width": 360, "height": 640}).connected()
        visit.allowed = ("console: WebSocket connection to", "console: Failed to load")
        server.signal(signal.SIGTERM)
        assert "重启" in visit.fault("server_shutdown")
        assert visit.cut_off() == []
        assert visit.page.inner_text("#connection .unseen") == "稍后重新连接"  # who listens is not told of every second
        server.wait()
        visit.say("你好")
        assert "等待发送" in visit.page.inner_text(".bubble.user .notes")
        visit.page.fill("#text", "还没写完")
    with running_server(tmp_path, **where):
        visit.run("() => dispatchEvent(new Event('online'))")  # the network is back: the pause is over
        visit.connected()
        visit.page.wait_for_selector(".line.spoken")
        visit.page.keyboard.press("Escape")
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


def test_demo_mode_from_elsewhere_says_what_to_do(visitor: Visitor, demo: RunningServer) -> None:
    sentence = visitor.open(demo, host="chat.example").fault("demo_elsewhere")
    assert "http://localhost" in sentence and "VALID_API_TOKENS" in sentence


def test_engine_that_fails_is_told_in_the_bubble_and_said_again(
    visitor: Visitor, cloud: CloudServer, mine: str
) -> None:
    visit = visitor.open(cloud.process, mine).connected()
    cloud.vendors.answer(then=Behaviour(refusal=REFUSALS["InternalServiceError"]))
    visit.say("你好")
    visit.page.wait_for_selector(".bubble.failed .broken")
    assert visit.page.inner_text(".bubble.failed .broken") == visit.sentence("llm_failed")
    cloud.vendors.answer()
    visit.page.click(".bubble.failed button")
    visit.page.wait_for_selector(".bubble.character .jp")
    said = visit.run("() => [...document.querySelectorAll('.said')].map((e) => e.textContent)")
    assert said == ["你好", "你好"]
    rejected = "x" * 4001
    visit.run("(text) => chatanon.talk.say(text)", rejected)
    assert visit.fault("message_too_long") == visit.sentence("message_too_long")
    assert visit.page.input_value("#text") == rejected  # what was refused is there to be mended


def test_engine_that_takes_over_is_told_of_when_the_panel_is_opened(
    visitor: Visitor, cloud: CloudServer, mine: str
) -> None:
    visit = visitor.open(cloud.process, mine, locale="en-GB").connected()
    visit.page.click("#open-developer")
    assert "minimax" in visit.page.inner_text("#engines") and not visit.page.is_visible("#engines .broken")
    visit.page.click("#open-developer")
    cloud.vendors.fail_voice(Fault("text", drop=True, times=1e9))
    visit.say("你好")
    visit.wait("() => speaker.audibleUntil > 0")
    visit.page.click("#open-developer")
    visit.page.wait_for_selector("#engines .broken")
    assert "minimax is out" in visit.page.inner_text("#engines .broken")


def test_character_s_own_picture_and_the_drawn_one_where_it_is_missing(
    visitor: Visitor, cloud: CloudServer, mine: str
) -> None:
    visit = visitor.open(cloud.process, mine).connected()
    visit.allowed = ("console: Failed to load resource",)
    assert visit.run("async () => (await document.querySelector('#face img').decode(), true)")
    visit.page.click("#choose")
    visit.page.wait_for_selector(".character:has([value=anon]) img")
    visit.page.wait_for_selector(".character:has([value=tomori]) svg")
    visit.page.check("input[value=tomori]", force=True)
    visit.page.click("#switch-do")
    visit.page.wait_for_selector("#face svg[data-emotion=auto]")
    visit.say("你好")
    visit.wait(MOUTH_OPEN)
    spoken = next(frame for frame in visit.frames(sent=False) if frame["type"] == "sentence")
    visit.page.wait_for_selector(f"#face svg[data-emotion={spoken['emotion']}]")
