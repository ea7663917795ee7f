"""A real Chromium with a microphone that says what a WAV file says: what the tests of the page share."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, BrowserType, ConsoleMessage, Page, Request, sync_playwright

from tests.running_server import ROOT, RunningServer
from tests.speech import say, silence, wav

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP chat.example 127.0.0.1",  # a page that is neither on https nor on localhost
)  # fmt: skip
_FAKE_MICROPHONE = "--use-fake-device-for-media-stream"
# Of a Chromium without the fake one: no sound system that it could ask for a real one.
_NO_DEVICES = {"ALSA_CONFIG_PATH": os.devnull, "PULSE_SERVER": "/nowhere", "PIPEWIRE_REMOTE": "/nowhere"}
AXE = ROOT / ".venv" / "node" / "node_modules" / "axe-core" / "axe.min.js"
# Where pictures for docs/ go, for those who want new ones: SCREENSHOTS=docs/screenshots make test
PICTURES = os.environ.get("SCREENSHOTS")
MOUTH_OPEN = "() => Number(document.querySelector('#face svg').dataset.mouth) > 0.1"
PATIENCE_MS = 45_000  # several browsers may share two cores

# Everything that leaves the page's loudspeaker, on its own clock: `audibleUntil` is when the last sound was rendered.
_EAR = """
{
  const connect = AudioNode.prototype.connect;
  window.speaker = { audibleUntil: 0, now: () => window.speaker.context?.currentTime ?? 0 };
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode && this instanceof GainNode) {
      const ear = new AnalyserNode(this.context, { fftSize: 4096 });
      const samples = new Float32Array(4096);
      connect.call(this, ear);
      window.speaker.context = this.context;
      setInterval(() => {
        ear.getFloatTimeDomainData(samples);
        const last = samples.findLastIndex((sample) => Math.abs(sample) > 0.001);
        const at = this.context.currentTime - (4095 - last) / this.context.sampleRate;
        if (last >= 0) window.speaker.audibleUntil = Math.max(window.speaker.audibleUntil, at);
      }, 20);
    }
    return connect.call(this, to, ...rest);
  };
}
"""


def chromium() -> str:
    """Its path. Without one the test is skipped, where tests may be."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        why = "needs a Chromium: on Debian, `apt-get install chromium`"
        pytest.fail(why) if os.environ.get("NOTHING_SKIPPED") else pytest.skip(why)
    return str(found)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """One for many tests. Its microphone says the same thing again and again, with pauses."""
    heard = folder / "microphone.wav"
    heard.write_bytes(wav(silence(0.9) + say("你叫什么名字", "zh") + silence(2.5)))
    with sync_playwright() as playwright:
        running = _launched(playwright.chromium, _FAKE_MICROPHONE, f"--use-file-for-fake-audio-capture={heard}")
        yield running
        running.close()


@contextmanager
def browser_beside(other: Browser, microphone: Literal["missing", "busy"]) -> Iterator[Browser]:
    """One on a machine without a microphone, or with one that cannot be opened."""
    if microphone == "busy":
        running = _launched(other.browser_type, _FAKE_MICROPHONE, "--fail-audio-stream-creation")
    else:
        running = _launched(other.browser_type, env={**os.environ, **_NO_DEVICES})
    yield running
    running.close()


def _launched(kind: BrowserType, *flags: str, env: dict[str, str | float | bool] | None = None) -> Browser:
    return kind.launch(executable_path=chromium(), args=[*FLAGS, *flags], ignore_default_args=["--headless"], env=env)


class Visit:
    """One page, and what may not happen on it: an error in the console, a request to anybody else."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.faults: list[str] = []
        self.allowed: tuple[str, ...] = ()
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._asked)
        self._server = re.escape(address.partition("://")[2].partition("/")[0])
        self.page.goto(address)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not re.match(rf"(https?|wss?)://{self._server}/|(data|blob):", request.url):
            self.faults.append(f"request: {request.url}")

    def connected(self) -> "Visit":
        self.page.wait_for_selector("#connection.open")
        return self

    def say(self, text: str) -> None:
        self.page.fill("#text", text)
        self.page.press("#text", "Enter")

    def wait(self, condition: str, argument: object = None) -> Any:
        """Until an expression of JavaScript is true."""
        return self.page.wait_for_function(condition, arg=argument).json_value()

    def run(self, expression: str, argument: object = None) -> Any:
        return self.page.evaluate(expression, argument)

    def sentence(self, code: str) -> str:
        """What errors.js says of a code, in the page's language."""
        return str(self.run("(code) => chatanon.tellError(code)", code))

    def fault(self, code: str) -> str:
        """Once the page tells of it: how."""
        self.page.wait_for_selector(f'#fault[data-code="{code}"]:not([hidden])')
        return self.page.inner_text("#fault span")

    def reply(self, number: int = 1) -> str:
        """The text of the so-manieth reply of this page, once it is whole."""
        place = f":nth-match(.bubble.character.done, {number})"
        self.page.wait_for_selector(place)
        return self.page.inner_text(place)

    def cut(self) -> str:
        """The text of a reply of which the first words are enough."""
        self.wait("() => chatanon.talk.player.playedMs > 500")
        self.page.keyboard.press("Escape")
        return self.reply()

    def cut_off(self) -> list[str]:
        """Of what one can press or read, whatever runs over the edge of the screen."""
        return list(
            self.run(
                """() => [document.documentElement, ...document.querySelectorAll("button, textarea, .connection, .log")]
              .filter((e) => e.checkVisibility() && !e.closest(".unseen, .hints"))
              .filter((e) => {
                const { left, right, top, bottom } = e.getBoundingClientRect();
                return left < 0 || top < 0 || right > innerWidth || bottom > innerHeight;
              })
              .concat(document.documentElement.scrollWidth > innerWidth ? [document.body] : [])
              .map((e) => e.id || e.className || e.tagName)"""
            )
        )

    def frames(self, sent: bool) -> list[dict[str, Any]]:
        """The messages of the connection so far."""
        found = self.run(
            "(sent) => frames.filter((frame) => frame.sent === sent && frame.message).map((f) => f.message)", sent
        )
        return list(found)

    def picture(self, name: str) -> None:
        """For docs/, where one is wanted."""
        if PICTURES:
            Path(PICTURES).mkdir(exist_ok=True)
            self.page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))

    def violations(self) -> list[str]:
        """What axe-core finds against the page as it is now."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.run("async () => (await axe.run()).violations")
        return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


# Kept from the first frame on: the page's own log is for readers.
_FRAMES = """
window.frames = [];
Object.defineProperty(window, "chatanon", {
  set(own) {
    own.client.on("frame", (frame) => window.frames.push(frame));
    Object.defineProperty(window, "chatanon", { value: own });
  },
  configurable: true,
});
"""


class Visitor:
    """Opens pages; on the way out each of them must have been well."""

    def __init__(self, running: Browser) -> None:
        self._browser = running
        self._contexts: list[BrowserContext] = []
        self._visits: list[Visit] = []

    def device(self, token: str | None = None, *, microphone: bool = True, **options: Any) -> BrowserContext:
        """A browser of its own to the server; it remembers a token, where one is given, and nothing else."""
        context = self._browser.new_context(
            **{"locale": "zh-CN", "viewport": {"width": 1280, "height": 800}, **options}
        )
        if microphone:
            context.grant_permissions(["microphone", "clipboard-read", "clipboard-write"])
        context.add_init_script(_EAR)
        context.add_init_script(_FRAMES)
        if token is not None:
            kept = json.dumps({"token": token, "remember": True})
            context.add_init_script(f"localStorage.chatanon ??= {json.dumps(kept)}")
        self._contexts.append(context)
        return context

    def open(
        self,
        server: RunningServer,
        token: str | None = None,
        path: str = "/app/",
        *,
        host: str = "localhost",
        device: BrowserContext | None = None,
        **options: Any,
    ) -> Visit:
        """`options`: of the device, where it is a new one."""
        visit = Visit(device or self.device(token, **options), f"http://{host}:{server.port}{path}")
        self._visits.append(visit)
        return visit

    def leave(self) -> None:
        for context in self._contexts:
            context.close()
        for visit in self._visits:
            faults = [fault for fault in visit.faults if not fault.startswith(visit.allowed)]
            assert not faults, faults
