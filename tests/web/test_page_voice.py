"""Speaking to the page, and hearing it: a WAV file is the microphone, and what the page renders is measured."""

import re

import pytest

from tests.running_server import RunningServer
from tests.simulated_cloud import CloudServer
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
    device = visitor.device(mine)
    device.add_init_script(
        """const ask = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
        if (ask) navigator.mediaDevices.getUserMedia = async (wish) => (window.microphone = await ask(wish));"""
    )
    visit = visitor.open(host, device=device).connected()
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
    visit.page.keyboard.press("Escape")
    visit.run("() => void (microphone.getAudioTracks()[0].enabled = false)")  # one that is switched off
    press(visit)
    assert visit.fault("no_speech_phrases") == visit.sentence("no_speech_phrases")


def press(visit: Visit) -> None:
    """The button, for a moment."""
    visit.page.focus("#hold")
    visit.page.keyboard.down(" ")
    visit.page.wait_for_selector("#hold[aria-pressed=true]")
    visit.page.keyboard.up(" ")


def test_words_are_shown_while_they_are_said(visitor: Visitor, cloud: CloudServer, mine: str) -> None:
    visit = visitor.open(cloud.process, mine, locale="ja-JP").connected()
    cloud.vendors.bytedance.hear = lambda pcm: ""
    press(visit)
    told = visit.fault("no_speech")
    assert told == visit.sentence("no_speech") and not re.search("[A-Za-z]", told)  # the server's own words are English
    whole = "今天的天气真不错"
    cloud.vendors.bytedance.hear = lambda pcm: whole
    visit.page.keyboard.down(" ")
    begun = visit.wait(
        """() => {
          const said = document.querySelector(".bubble.user.hearing .said")?.textContent;
          return said && said !== "聞き取り中…" && said;
        }"""
    )
    assert whole.startswith(begun) and begun != whole
    visit.page.keyboard.up(" ")
    visit.page.wait_for_selector(".bubble.character .jp")
    assert visit.page.locator(".bubble.user").all_inner_texts() == [whole]


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


# What leaves the page's loudspeaker, sample by sample. From the mark on it counts how many are not silent.
_TAP = """
class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.before = 0;
    this.rendered = -1;
    this.port.onmessage = () => (this.rendered = this.audible = 0);
  }
  process([[heard = []]]) {
    const last = heard.findLastIndex((sample) => Math.abs(sample) > 0.0005);
    if (this.rendered < 0) return (this.before += last + 1), true;
    if (last >= 0) this.audible = this.rendered + last + 1;
    this.rendered += 128;
    if (this.rendered < 0.3 * sampleRate) return true; // and no longer: the next reply would be counted
    this.port.postMessage([this.before, (1000 * this.audible) / sampleRate]);
    return false;
  }
}
registerProcessor("tap", Tap);
"""

# The first `event`, of the page or of the connection, is the mark. What still waits is looked at before the page itself
# hears of it; the mark is set right after, so that the page's order to be silent, given at once, stands before the mark
# however long the machine pauses between the two.
_LISTEN = """([event, tap]) => {
  let turn = 0, received = 0;
  chatanon.client.on("audio", (audio) => {
    if (audio.turn !== turn) [turn, received] = [audio.turn, 0];
    received += (1000 * audio.pcm.length) / audio.sampleRate;
  });
  const look = () => (window.waited ??= received - chatanon.talk.player.playedMs);
  const mark = () => (window.marked ??= (window.tap?.port.postMessage("mark"), true));
  if (event === "interrupted") {
    chatanon.client.on("frame", ({ message }) => message?.type === event && chatanon.talk.player.playedMs && look());
    chatanon.client.on(event, () => chatanon.talk.player.playedMs && mark()); // of a reply that was heard
  } else {
    addEventListener(event, look, { capture: true, once: true });
    addEventListener(event, mark, { once: true });
  }
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode && this instanceof GainNode) {
      const address = URL.createObjectURL(new Blob([tap], { type: "text/javascript" }));
      void this.context.audioWorklet.addModule(address).then(() => {
        window.tap = new AudioWorkletNode(this.context, "tap");
        window.tap.port.onmessage = ({ data }) => (window.tapped ??= data);
        connect.call(this, window.tap);
        connect.call(window.tap, this.context.destination);
      });
    }
    return connect.call(this, to, ...rest);
  };
}"""


def listen(visit: Visit, event: str) -> None:
    visit.run(_LISTEN, [event, _TAP])


def assert_silent_within_30_ms(visit: Visit) -> None:
    """Counted in samples that were rendered, whatever the machine did meanwhile; and far more was still to be said."""
    samples_before, audible_ms = visit.wait("() => window.tapped")
    assert samples_before > 0 and visit.run("() => window.waited") > 100
    assert audible_ms <= 30


def test_speech_interrupts_and_the_loudspeaker_is_silent(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine, bypass_csp=True).connected()  # the tap is no script of the page
    listen(visit, "interrupted")
    visit.page.click("#agent")
    visit.page.wait_for_selector("#agent[aria-pressed=true]")
    assert visit.page.is_disabled("#hold")
    visit.page.wait_for_selector(".line.spoken")
    visit.picture("page-hands-free")
    assert_silent_within_30_ms(visit)
    visit.wait("() => [...document.querySelectorAll('.bubble.user .said')].length > 1")
    assert "被打断" in visit.page.inner_text(".bubble.character .notes")
    visit.page.click("#agent")
    assert visit.page.get_attribute("#agent", "aria-pressed") == "false"


@pytest.mark.parametrize(("how", "event"), [("button", "click"), ("escape", "keydown")])
def test_who_stops_a_reply_tells_the_server_how_much_was_heard(
    visitor: Visitor, host: RunningServer, mine: str, how: str, event: str
) -> None:
    visit = visitor.open(host, mine, bypass_csp=True).connected()  # the tap is no script of the page
    listen(visit, event)
    visit.run("() => chatanon.talk.say('你在干嘛')")  # by no key, which is waited for; begins without a pause
    visit.page.wait_for_selector(".line.spoken")
    visit.wait("() => chatanon.talk.player.playedMs > 400")
    if how == "button":
        visit.page.click("#stop")
    else:
        visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector(".bubble.character.done")
    (asked,) = [frame for frame in visit.frames(sent=True) if frame["type"] == "interrupt"]
    (told,) = [frame for frame in visit.frames(sent=False) if frame["type"] == "interrupted"]
    assert asked["played_ms"] >= 300 and told["heard_ms"] == asked["played_ms"] and told["reason"] == "client"
    assert_silent_within_30_ms(visit)
    assert visit.page.is_hidden("#stop")


SHOWS = {
    "talk.html": "() => /[ぁ-ん]/.test(document.querySelector('#said').textContent)",
    "live2d.html": "() => /^f0[1-6]/.test(document.querySelector('#state').textContent)",
}


def test_examples_run_as_shown(visitor: Visitor, demo: RunningServer) -> None:
    for path, shows in SHOWS.items():
        visit = visitor.open(demo, path=f"/app/examples/{path}")
        visit.page.click("form button")
        visit.wait(shows)
        visit.wait("() => speaker.audibleUntil > 0")
        visit.page.close()
