"""Pages without a microphone: none there, a busy one, one that goes away or is forbidden, a page without https."""

import os
import signal
from typing import Literal

import pytest
from playwright.sync_api import Browser

from tests.running_server import RunningServer
from tests.web.browser import Visit, Visitor, browser_beside

pytestmark = pytest.mark.slow


def told_in_every_language(visit: Visit, code: str, words: dict[str, str]) -> None:
    """Each way to speak is met with the sentence of this code; `words`: what it must say."""
    for button in ("#hold", "#agent"):
        visit.page.focus(button)
        visit.page.keyboard.press("Enter")
        visit.fault(code)
        visit.page.wait_for_selector(f"{button}[aria-pressed=false]")
        visit.page.click("#fault-close")
    visit.page.click("#agent")
    for language, word in words.items():
        visit.page.select_option("#language", language, force=True)
        assert word in visit.fault(code)
        assert visit.page.inner_text("#fault span") == visit.sentence(code)


def lives_on(visit: Visit) -> None:
    """What is typed is answered, and the connection is the same one."""
    visit.say("谢谢")
    visit.page.wait_for_selector(".bubble.character .jp")
    assert [frame["type"] for frame in visit.frames(sent=True)].count("connect") == 1
    assert {frame["code"] for frame in visit.frames(sent=False) if frame["type"] == "error"} <= {"no_speech"}


# Chromium's own word for what these tests do to it: its loudspeaker fails with its microphone.
NO_SOUND = ("console: The AudioContext encountered an error from the audio device",)
PLUG_IN = {"zh": "插上", "ja": "接続してから", "en": "Plug one in"}
CLOSE_THE_OTHER = {"zh": "关掉那个程序", "ja": "終了してから", "en": "Close it"}


@pytest.mark.parametrize(
    ("microphone", "code", "words"),
    [("missing", "microphone_missing", PLUG_IN), ("busy", "microphone_busy", CLOSE_THE_OTHER)],
)
def test_machine_without_a_microphone_to_use(
    chrome: Browser,
    host: RunningServer,
    mine: str,
    microphone: Literal["missing", "busy"],
    code: str,
    words: dict[str, str],
) -> None:
    with browser_beside(chrome, microphone) as other:
        visitor = Visitor(other)
        visit = visitor.open(host, mine).connected()
        visit.allowed = NO_SOUND
        told_in_every_language(visit, code, words)
        lives_on(visit)
        visitor.leave()


def test_microphone_that_is_refused(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine, microphone=False).connected()
    words = {"zh": "允许麦克风", "ja": "許可してください", "en": "Allow it"}
    told_in_every_language(visit, "microphone_refused", words)
    lives_on(visit)


def test_page_without_https_is_heard_and_says_why_it_has_no_microphone(
    visitor: Visitor, host: RunningServer, mine: str
) -> None:
    visit = visitor.open(host, mine, host="chat.example").connected()
    words = {"zh": "请用 https 打开", "ja": "https で開いてください", "en": "Open it with https"}
    told_in_every_language(visit, "insecure_page", words)
    lives_on(visit)
    visit.page.wait_for_selector(".line.spoken")
    assert visit.run("() => speaker.audibleUntil") > 0
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector("#stop", state="hidden")
    visit.page.click("#open-developer")
    visit.page.click("#protocol summary")
    visit.page.click("#copy")
    visit.page.wait_for_selector("#copy:text('Copied')")
    visit.page.fill("#text", "")
    visit.page.press("#text", "Control+V")
    assert '"type":"connect"' in visit.page.input_value("#text")  # though there is no clipboard to be written to


def unplug(visit: Visit) -> None:
    """The process that has the sound devices dies: of a track that ends there is no other real cause to be had here."""
    talk = visit.page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]
    (sound,) = [
        process["id"]
        for process in talk.send("SystemInfo.getProcessInfo")["processInfo"]
        if process["type"] == "audio.mojom.AudioService"
    ]
    os.kill(sound, signal.SIGKILL)
    talk.detach()


@pytest.mark.parametrize(
    ("button", "ends"), [("#hold", "audio_stream_end"), ("#agent", "agent_mode_stop")], ids=["stream", "agent"]
)
def test_microphone_that_is_unplugged_while_one_speaks(
    visitor: Visitor, host: RunningServer, mine: str, button: str, ends: str
) -> None:
    visit = visitor.open(host, mine).connected()
    visit.allowed = NO_SOUND
    speaks = "(n) => frames.filter((frame) => frame.sent && frame.note).length > n"
    visit.page.focus(button)
    visit.page.keyboard.down("Enter")
    visit.page.wait_for_selector(f"{button}[aria-pressed=true]")
    visit.wait(speaks, 3)
    unplug(visit)
    assert visit.fault("microphone_lost") == "麦克风断开了。接好再试。"
    visit.page.keyboard.up("Enter")
    visit.page.wait_for_selector(f"{button}[aria-pressed=false]")
    assert [frame["type"] for frame in visit.frames(sent=True)][-1] == ends  # the server waits for nothing more
    sent = visit.run("() => frames.filter((frame) => frame.sent && frame.note).length")
    visit.page.click("#agent")  # plugged in again
    visit.wait(speaks, sent + 3)
    visit.page.click("#agent")
    lives_on(visit)
    visit.page.wait_for_selector(".line.spoken")


@pytest.mark.parametrize(("state", "code"), [("denied", "microphone_refused"), ("prompt", "microphone_lost")])
def test_permission_that_is_taken_back_while_one_speaks(
    visitor: Visitor, host: RunningServer, mine: str, state: str, code: str
) -> None:
    """Chromium ends the track; what it then says of the permission, which no test can set, is given here."""
    device = visitor.device(mine)
    device.add_init_script(f"navigator.permissions.query = async () => ({{ state: '{state}' }})")
    visit = visitor.open(host, device=device).connected()
    visit.page.click("#agent")
    visit.page.wait_for_selector("#agent[aria-pressed=true]")
    device.clear_permissions()
    assert visit.fault(code) == visit.sentence(code)
    assert visit.page.get_attribute("#agent", "aria-pressed") == "false"
    lives_on(visit)
