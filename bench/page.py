"""From opening the page to the first sound of a typed 你好, and from the end of speech to the first sound in the page.

`python -m bench.page --visits 10`, with a Chromium and the libraries of the tests: the page of a server of its own on
the embedded engines, opened anew for each visit. Times are the browser's own; sound counts when it is rendered.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from tests.running_server import RunningServer, running_server
from tests.web.browser import Visit, Visitor, browser

_FIRST_SOUND = """(asked) => new Promise((done) => {
  const since = setInterval(() => {
    if (!(speaker.audibleUntil > 0)) return;
    clearInterval(since);
    done(performance.now());
  }, 2);
})"""


def _typed(visitor: Visitor, server: RunningServer) -> tuple[float, float]:
    """Milliseconds from the request of the page, and from Enter, to the first sound."""
    visit = visitor.open(server).connected()
    visit.page.fill("#text", "你好")
    visit.run("() => addEventListener('keydown', () => (window.pressed = performance.now()), true)")
    visit.page.press("#text", "Enter")
    heard = float(visit.run(_FIRST_SOUND))
    pressed = float(visit.run("() => window.pressed"))
    visit.page.close()
    return heard, heard - pressed


def _spoken(visitor: Visitor, server: RunningServer) -> tuple[float, float]:
    """Milliseconds to the first sound: from letting the button go, and from the last of the speech, agent mode."""
    visit = visitor.open(server).connected()
    visit.page.hover("#hold")
    visit.page.mouse.down()
    visit.wait("() => frames.filter((f) => f.sent && f.note).reduce((sum, f) => sum + f.bytes, 0) > 2 * 16000 * 2.7")
    visit.page.mouse.up()
    held = _heard(visit, 1)
    visit.page.click("#agent")
    free = _heard(visit, 2)
    visit.page.close()
    return held, free


def _heard(visit: Visit, turns: int) -> float:
    """What the page's own panel says of its so-manieth turn with a sound, once it is over."""
    visit.wait("(turns) => chatanon.talk.timings.turns.filter((turn) => turn.heard).length >= turns", turns)
    return float(visit.run("(turns) => chatanon.talk.timings.turns[turns - 1].heard", turns))


def _row(name: str, values: list[float]) -> str:
    return f"| {name} | {statistics.median(values):.0f} | {min(values):.0f} to {max(values):.0f} | {len(values)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visits", type=int, default=10)
    visits = parser.parse_args().visits
    with tempfile.TemporaryDirectory() as name, browser(Path(name)) as chromium:
        with running_server(Path(name), VALID_API_TOKENS="", CHATANON_LIMITS__CONNECTS_PER_MINUTE="0") as server:
            visitor = Visitor(chromium)
            typed = [_typed(visitor, server) for _ in range(visits)]
            spoken = [_spoken(visitor, server) for _ in range(max(1, visits // 3))]
            visitor.leave()
    print("| | p50 | from, to | times |\n|---|---|---|---|")
    print(_row("opening the page to the first sound of a typed 你好", [each[0] for each in typed]))
    print(_row("of it, Enter to the first sound", [each[1] for each in typed]))
    print(_row("button let go to the first sound", [each[0] for each in spoken]))
    print(_row("agent mode, last of the speech to the first sound", [each[1] for each in spoken]))


if __name__ == "__main__":
    main()
