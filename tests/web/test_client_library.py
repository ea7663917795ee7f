"""web/: types that hold, files that stay small, and the library without the page around it."""

import os
import re
import subprocess

import pytest

from tests.running_server import ROOT, RunningServer
from tests.web.browser import Visitor

WEB = ROOT / "web"
TSC = ROOT / ".venv" / "node" / "node_modules" / ".bin" / "tsc"
SCRIPTS = sorted(WEB.rglob("*.js"))


@pytest.mark.slow
def test_types_hold() -> None:
    if not TSC.exists():
        why = "needs Node.js 18 or newer with npm, and then `make node`"
        pytest.fail(why) if os.environ.get("NOTHING_SKIPPED") else pytest.skip(why)
    done = subprocess.run([TSC, "-p", WEB], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(WEB).as_posix())
def test_file_is_small_says_what_it_is_for_and_asks_nobody_else(script: object) -> None:
    text = script.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert text.count("\n") <= 400 and text.startswith("/**")
    assert not re.search(r"https?://(?!localhost|your\.server|www\.w3\.org/2000/svg)\w", text)


@pytest.mark.parametrize("document", ["clients.md", "clients.en.md"])
def test_page_shown_is_the_one_that_is_served(document: str) -> None:
    shown = re.findall(r"```html\n(.*?)```", (ROOT / "docs" / document).read_text(encoding="utf-8"), re.DOTALL)
    assert shown == [(WEB / "app" / "examples" / "talk.html").read_text(encoding="utf-8")]


_TALK = """async ([token, extensions, options]) => {
  const { ChatAnonClient } = await import("./chatanon-client.js");
  const client = new ChatAnonClient({ url: "/ws", token, extensions, ...options });
  const said = [], audio = [];
  client.on("frame", (frame) => frame.sent || said.push(frame.message?.type ?? "binary"));
  client.on("audio", (piece) => audio.push([piece.turn, piece.sentence, piece.pcm.length, piece.sampleRate]));
  const greeting = await client.connect();
  const over = new Promise((done) => client.on("response", done));
  client.say("你好");
  const response = await over;
  client.close();
  return { greeting, said, audio, response, state: client.state, unanswered: client.unanswered };
}"""


@pytest.mark.slow
@pytest.mark.parametrize("extensions", [[], ["binary_audio"], ["turns", "sentences", "stages", "history"]])
def test_library_speaks_the_protocol_with_and_without_extensions(
    visitor: Visitor, host: RunningServer, mine: str, extensions: list[str]
) -> None:
    visit = visitor.open(host)
    talk = visit.run(_TALK, [mine, extensions, {}])
    assert talk["greeting"].get("extensions", []) == sorted(extensions)
    assert ("binary" in talk["said"]) == ("binary_audio" in extensions)
    assert ("audio_chunk" in talk["said"]) == ("binary_audio" not in extensions)
    assert talk["response"]["content_jp"] and talk["unanswered"] == []
    assert talk["state"]["code"] == "left"
    turns = {turn for turn, *_ in talk["audio"]}
    rates = {piece[3] for piece in talk["audio"]}
    assert turns == {1} and rates == {16000} and all(piece[2] for piece in talk["audio"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hello", "code", "close_code"),
    [({"token": "a-token-that-is-wrong"}, "unauthorized", 4500), ({"character": "nobody"}, "unknown_character", 4505)],
)
def test_refusal_that_is_final_rejects_with_its_code(
    visitor: Visitor, host: RunningServer, mine: str, hello: dict[str, str], code: str, close_code: int
) -> None:
    visit = visitor.open(host)
    found = visit.run(
        """async (hello) => {
          const { ChatAnonClient } = await import("./chatanon-client.js");
          const error = await new ChatAnonClient({ url: "/ws", ...hello }).connect().catch((error) => error);
          return [error.name, error.code, error.closeCode];
        }""",
        {"token": mine, **hello},
    )
    assert found == ["Error", code, close_code]
