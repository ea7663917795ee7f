"""Speaking to the page, and hearing it: a WAV file is the microphone, and what the page renders is measured."""

from pathlib import Path

import pytest

from tests.running_server import RunningServer, running_server
from tests.web.browser import Visit, Visitor

pytestmark = pytest.mark.slow

PHRASE = "你叫什么名字"  # what the microphone says, again and again


def hold(visit: Visit) -> None:
    """Press, and let go once enough is said."""
    visit.page.wait_for_selector("#hold[aria-pressed=true]")
    visit.wait("() => frames.filter((f) => f.sent && f.note).reduce((sum, f) => sum + f.bytes, 0) > 2 * 16000 * 2.7")


@pytest.mark.parametrize("how", ["pointer", "keyboard"])
def test_what_is_said_while_the_button_is_held_is_answered(
    visitor: Visitor, host: RunningServer, mine: str, how: str
) -> None:
    visit = visitor.open(host, mine).connected()
    if how == "pointer":
        visit.page.hover("#hold")
        visit.page.mouse.down()
        hold(visit)
        visit.page.mouse.up()
    else:
        visit.page.focus("#hold")
        visit.page.keyboard.down(" ")
        hold(visit)
        visit.page.keyboard.up(" ")
    visit.page.wait_for_selector(".line.spoken")
    assert visit.page.inner_text(".bubble.user .said") == PHRASE
    kinds = [frame["type"] for frame in visit.frames(sent=True)]
    assert kinds[-2:] == ["audio_stream_start", "audio_stream_end"]
    assert visit.page.inner_text("#hold span") == "按住说话"


def test_microphone_that_cannot_be_resampled_tells_the_server_its_rate(
    visitor: Visitor, host: RunningServer, mine: str
) -> None:
    device = visitor.device(mine)
    device.add_init_script(
        """const make = AudioContext.prototype.createMediaStreamSource;
        AudioContext.prototype.createMediaStreamSource = function (stream) {
          if (this.sampleRate === 16000) throw new DOMException("as Firefox does", "NotSupportedError");
          return make.call(this, stream);
        };"""
    )
    visit = visitor.open(host, device=device).connected()
    visit.page.click("#agent")
    visit.page.wait_for_selector(".line.spoken")
    assert PHRASE in visit.page.inner_text("#log")
    rates = [frame["audio_sample_rate"] for frame in visit.frames(sent=True) if frame["type"] == "connect"]
    assert rates[0] == 16000 and rates[1] in (44100, 48000)


_LISTEN = """() => {
  chatanon.client.on("frame", ({ message }) => {
    if (message?.type !== "interrupt" && message?.type !== "interrupted") return;
    window.cutAt ??= speaker.now();
    const later = setInterval(() => {
      if (speaker.now() < cutAt + 0.3) return;
      clearInterval(later);
      window.audibleAfter ??= speaker.audibleUntil - cutAt;
    }, 5);
  });
}"""


def test_speech_interrupts_and_the_loudspeaker_is_silent(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    visit.run(_LISTEN)
    visit.page.click("#agent")
    visit.page.wait_for_selector("#agent[aria-pressed=true]")
    assert visit.page.is_disabled("#hold")
    visit.page.wait_for_selector(".line.spoken")
    visit.picture("page-hands-free")
    visit.wait("() => window.audibleAfter !== undefined")
    # What was rendered already is beyond anybody's reach, and so is a busy machine; unstopped it were 400 ms.
    assert visit.run("() => window.audibleAfter") < 0.1
    visit.wait("() => [...document.querySelectorAll('.bubble.user .said')].length > 1")
    assert "被打断" in visit.page.inner_text(".bubble.character .notes")
    visit.page.click("#agent")
    assert visit.page.get_attribute("#agent", "aria-pressed") == "false"


@pytest.mark.parametrize("how", ["button", "escape"])
def test_who_stops_a_reply_tells_the_server_how_much_was_heard(
    visitor: Visitor, host: RunningServer, mine: str, how: str
) -> None:
    visit = visitor.open(host, mine).connected()
    visit.say("自我介绍")
    visit.page.wait_for_selector(".line.spoken")
    visit.wait("() => chatanon.talk.player.playedMs > 400")
    visit.run(_LISTEN)
    if how == "button":
        visit.page.click("#stop")
    else:
        visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector(".bubble.character.done")
    (asked,) = [frame for frame in visit.frames(sent=True) if frame["type"] == "interrupt"]
    (told,) = [frame for frame in visit.frames(sent=False) if frame["type"] == "interrupted"]
    assert asked["played_ms"] >= 300 and told["heard_ms"] == asked["played_ms"] and told["reason"] == "client"
    assert visit.page.is_hidden("#stop")
    visit.wait("() => window.audibleAfter !== undefined")
    assert visit.run("() => window.audibleAfter") < 0.1  # of 400 ms that waited


def test_microphone_that_is_refused_says_what_to_do_and_typing_works(
    visitor: Visitor, host: RunningServer, mine: str
) -> None:
    visit = visitor.open(host, mine, microphone=False).connected()
    visit.page.click("#agent")
    assert "允许麦克风" in visit.fault("microphone_refused")
    assert visit.page.get_attribute("#agent", "aria-pressed") == "false"
    visit.say("你好")
    visit.page.wait_for_selector(".line.spoken")


def test_page_without_https_says_why_there_is_no_microphone(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine, host="chat.example").connected()
    visit.page.click("#agent")
    assert "https" in visit.fault("insecure_page")


SHOWS = {
    "talk.html": "() => /[ぁ-ん]/.test(document.querySelector('#said').textContent)",
    "live2d.html": "() => /^f0[1-6]/.test(document.querySelector('#state').textContent)",
}


def test_examples_run_as_shown(visitor: Visitor, tmp_path: Path) -> None:
    with running_server(tmp_path, VALID_API_TOKENS="") as server:
        for path, shows in SHOWS.items():
            visit = visitor.open(server, path=f"/app/examples/{path}")
            visit.page.click("form button")
            visit.wait(shows)
            visit.wait("() => speaker.audibleUntil > 0")
            visit.page.close()
