"""The page in a real browser, against a real server: typing, reading, choosing, keeping, and how it looks."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer
from tests.web.browser import MOUTH_OPEN, Visit, Visitor

pytestmark = pytest.mark.slow

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def test_newcomer_talks_without_a_token_and_sees_and_hears_the_answer(visitor: Visitor, demo: RunningServer) -> None:
    visit = visitor.open(demo, path="/").connected()  # a browser is led to the page
    assert visit.page.url.endswith("/app/") and not visit.page.is_visible("#token-dialog")
    visit.picture("page-empty")
    visit.say("你好")
    visit.page.wait_for_selector(".line.spoken .jp")
    visit.wait(MOUTH_OPEN)
    visit.picture("page-speaking")
    lines = visit.run(
        "() => [...document.querySelectorAll('.character .line')].map((e) => [...e.children].map((p) => p.lang))"
    )
    assert lines and all(line == ["ja", "zh-Hans"] for line in lines)
    visit.wait("() => speaker.audibleUntil > 0")
    assert visit.cut()


def test_what_is_spoken_is_shown_as_its_sound_is_heard(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    visit.run(
        """() => {
          window.shown = [];
          new MutationObserver(() => {
            const now = [...document.querySelectorAll('.character .line')].findIndex((e) => e.matches('.spoken'));
            if (now !== window.shown.at(-1)) window.shown.push(now);
          }).observe(document.querySelector('#log'), { subtree: true, childList: true, attributes: true });
        }"""
    )
    visit.say("谢谢")
    assert visit.reply()
    visit.wait("() => window.shown.length > 1 && window.shown.at(-1) === -1 && document.querySelector('#stop').hidden")
    sentences = [frame for frame in visit.frames(sent=False) if frame["type"] == "sentence"]
    spoken = [index for index in visit.run("() => window.shown") if index >= 0]
    assert len(spoken) > 1 and spoken == sorted({each["index"] for each in sentences})
    assert visit.page.get_attribute("#face svg", "data-emotion") == sentences[-1]["emotion"]


@pytest.mark.parametrize(
    ("locale", "language", "words"),
    [
        ("zh-TW", "zh-Hans", "按住说话"),
        ("ja-JP", "ja", "押して話す"),
        ("en-GB", "en", "Hold to talk"),
        ("fr-FR", "en", "Hold to talk"),
    ],
)
def test_page_speaks_the_reader_s_language(
    visitor: Visitor, host: RunningServer, mine: str, locale: str, language: str, words: str
) -> None:
    visit = visitor.open(host, mine, locale=locale, viewport={"width": 360, "height": 640}).connected()
    assert visit.run("() => document.documentElement.lang") == language
    assert visit.page.inner_text("#hold span") == words
    assert visit.cut_off() == []  # whatever the length of its words
    visit.page.click("#open-menu")
    visit.page.select_option("#language", "ja")
    assert visit.page.inner_text("#hold span") == "押して話す"


def test_every_text_is_there_in_three_languages(visitor: Visitor, host: RunningServer) -> None:
    visit = visitor.open(host)
    texts = visit.run(
        "async () => ({ ...(await import('./texts.js')).TEXTS, ...(await import('./errors.js')).ERRORS })"
    )
    assert len(texts) > 80
    for name, said in texts.items():
        assert len(said) == 3 and all(said), name
        assert len({tuple(sorted(set(word.split("}")[0] for word in each.split("{")[1:]))) for each in said}) == 1, name
    used = visit.run(
        """() => [...document.querySelectorAll('[data-text], [data-label], [data-hint]')]
          .flatMap((e) => Object.values(e.dataset))"""
    )
    assert set(used) & set(texts) and all(name in texts for name in used if name.isalpha())


def test_either_language_is_hidden_and_never_both(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    visit.say("谢谢")
    visit.page.wait_for_selector(".line:nth-child(2).spoken")  # of the first one nothing is cut
    visit.cut()
    page = visit.page
    for button, hidden, kept in (("#show-jp", ".jp", ".cn"), ("#show-cn", ".cn", ".jp")):
        page.click(button)
        assert page.is_visible(f".line {kept}") and not page.is_visible(f".line {hidden}")
        assert page.get_attribute(button, "aria-pressed") == "false"
    page.reload()
    visit.connected()
    page.wait_for_selector(".line .jp")
    assert not page.is_visible(".line .cn")


def test_talk_is_there_again_and_older_lines_come_by_scrolling(
    visitor: Visitor, host: RunningServer, mine: str
) -> None:
    said = [f"第{number}句" for number in range(40)]
    before = ProtocolClient(host.url)
    before.connect(api_token=mine, extensions=["turns", "barge_in"])
    for text in said:
        before.send("message", content=text)
        before.until("turn_started")
        before.send("interrupt", played_ms=0)  # of the answer nothing is heard, nor kept
        before.until("turn_end")
    before.close()
    visit = visitor.open(host, mine, viewport={"width": 900, "height": 500}).connected()
    visit.wait("() => document.querySelectorAll('.bubble').length === 30")
    seen = visit.run(
        """() => {
          const log = document.querySelector('#log');
          log.scrollTop = 0;
          return log.querySelector('.bubble').textContent;
        }"""
    )
    visit.wait("() => document.querySelectorAll('.bubble').length === 40")
    assert visit.run("() => [...document.querySelectorAll('.said')].map((e) => e.textContent)") == said
    top = visit.run(
        """(text) => [...document.querySelectorAll('.bubble')]
          .find((e) => e.textContent === text).getBoundingClientRect().top""",
        seen,
    )
    assert 0 < top < 500  # what one was reading stays in sight
    visit.page.reload()
    visit.connected()
    visit.wait("() => document.querySelectorAll('.bubble').length === 30")
    saved = json.loads(exported(visit, "json")[1])  # all of it, not only what is on the screen
    assert [message["content_cn"] for message in saved["messages"]] == said


def exported(visit: Visit, kind: str) -> tuple[str, str]:
    """The suffix of the file's name, and what is in it."""
    if not visit.page.is_visible("#menu"):
        visit.page.click("#open-menu")
    with visit.page.expect_download() as download:
        visit.page.click(f"#export-{kind}")
    return download.value.suggested_filename.rpartition(".")[2], Path(download.value.path()).read_text("utf-8")


def test_forgetting_and_changing_are_asked_for_first(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    page = visit.page
    visit.say("你好呀")
    visit.cut()
    page.click("#choose")
    assert page.is_disabled("#switch-do")
    visit.picture("page-choose")
    page.click("#characters button[value='']")
    page.click("#choose")
    page.check("input[value=tomori]", force=True)
    page.click("#switch-do")
    page.wait_for_selector("#name:text('高松灯')")
    page.wait_for_selector(".empty .greeting")
    assert page.inner_text(".empty .greeting") and page.query_selector(".bubble") is None
    page.reload()
    visit.connected()
    page.wait_for_selector("#name:text('高松灯')")  # the device remembers whom one talked with
    page.click("#choose")
    page.check("input[value=anon]", force=True)
    page.click("#switch-do")
    page.wait_for_selector(".bubble.user")
    for answer, left in (("#sure button[value='']", True), ("#sure-do", False)):
        page.click("#open-menu")
        page.click("#clear")
        page.click(answer)
        page.wait_for_selector(".bubble.user" if left else ".empty")
    page.reload()
    visit.connected()
    page.wait_for_selector(".empty .greeting")


def test_talk_is_saved_to_read_and_for_programs(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    visit.say("你好 *star* <b>")
    visit.cut()
    saved = dict(exported(visit, kind) for kind in ("markdown", "json"))
    assert "# 千早爱音" in saved["md"] and r"你好 \*star\* \<b\>" in saved["md"]
    talk = json.loads(saved["json"])
    assert [message["role"] for message in talk["messages"]] == ["user", "assistant"]
    response = next(frame for frame in visit.frames(sent=False) if frame["type"] == "response")
    assert talk["messages"][1]["content_jp"] == response["content_jp"]
    assert talk["messages"][1]["content_cn"] == response["content_cn"]


def test_developer_sees_times_engines_and_frames_and_no_token(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    page = visit.page
    page.click("#open-developer")
    page.click("#protocol summary")
    visit.say("谢谢")
    visit.page.wait_for_selector(".line.spoken")
    visit.cut()
    visit.wait("() => document.querySelectorAll('#latency table tr').length > 4")
    visit.picture("page-developer")
    rows = page.inner_text("#latency table")
    assert all(step in rows for step in ("第一句", "声音发出", "听到声音"))
    assert "毫秒" in page.inner_text("#latency .median b")
    assert "embedded" in page.inner_text("#engines")
    page.click("#copy")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert '"type":"connect"' in copied and '"type":"turn_end"' in copied and mine not in copied
    assert mine not in page.inner_text("#frames")


def test_hands_on_the_keyboard_reach_everything(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit = visitor.open(host, mine).connected()
    reached = []
    for _ in range(24):
        visit.page.keyboard.press("Tab")
        reached.append(visit.run("() => document.activeElement.id || document.activeElement.className"))
    assert {
        "show-jp",
        "show-cn",
        "open-developer",
        "open-menu",
        "choose",
        "log",
        "hint",
        "text",
        "send",
        "hold",
        "agent",
    } <= set(reached)
    visit.page.focus("#open-menu")
    visit.page.keyboard.press("Enter")
    assert visit.run("() => document.querySelector('#menu').open")
    visit.page.keyboard.press("Escape")
    assert visit.run("() => document.activeElement.id") == "open-menu"


STATES = [("light", {}), ("dark", {}), ("dark", PHONE), ("light", PHONE)]


@pytest.mark.parametrize(("scheme", "size"), STATES)
def test_nobody_is_shut_out_and_nothing_runs_over_the_edge(
    visitor: Visitor, host: RunningServer, mine: str, scheme: str, size: dict[str, Any]
) -> None:
    visit = visitor.open(host, mine, color_scheme=scheme, locale="ja-JP", reduced_motion="reduce", **size).connected()
    page = visit.page
    assert visit.violations() == []
    visit.say("こんにちは")
    page.wait_for_selector(".line.spoken")
    visit.picture(f"page-{'phone-' if size else ''}{scheme}")
    assert visit.violations() == []
    assert page.is_visible("#text") and page.is_visible("#hold") and page.is_visible("#face svg")
    assert visit.cut_off() == []
    ground = visit.run("() => getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")
    assert (sum(ground) > 384) == (scheme == "light")
    visit.run("() => chatanon.talk.interrupt()")
    for button, opened in (("#open-developer", "#developer"), ("#open-menu", "#menu"), ("#choose", "#characters")):
        page.click(button)
        page.wait_for_selector(opened)
        assert visit.violations() == []
        page.keyboard.press("Escape")
        if opened == "#developer":
            page.click(button)


def test_page_tells_what_it_found_to_who_listens(visitor: Visitor, host: RunningServer, mine: str) -> None:
    visit: Visit = visitor.open(host, mine, locale="en-US").connected()
    visit.say("hello")
    visit.page.wait_for_selector(".line.spoken")
    sentences = [frame["content_jp"] for frame in visit.frames(sent=False) if frame["type"] == "sentence"]
    told = visit.page.get_by_role(
        "article", name="Chihaya Anon"
    ).inner_text()  # who reads the log is told by whom it is
    assert all(sentence in told for sentence in sentences)
    assert visit.page.get_by_role("article", name="You", exact=True).inner_text() == "hello"
    visit.cut()
    reply = next(frame for frame in visit.frames(sent=False) if frame["type"] == "response")
    assert visit.page.inner_text("#announce").endswith(f"(Chihaya Anon) says: {reply['content_cn']}")
    assert visit.page.get_attribute("#face", "role") == "img"
    assert "Chihaya Anon" in (visit.page.get_attribute("#face", "aria-label") or "")
