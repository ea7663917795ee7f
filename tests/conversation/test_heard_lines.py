"""What of a reply was heard by a moment: whole sentences, and of the one that was playing its clauses."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.interruption.heard_lines import lines_heard, up_to
from services.base import Line


@dataclass
class Sentence:
    line: Line
    start_ms: int
    made_ms: int
    made_whole: bool = True
    begun: bool = True


def sentence(jp: str, cn: str, start_ms: int, made_ms: int, **rest: bool) -> Sentence:
    return Sentence(Line(jp, cn, "happy"), start_ms, made_ms, **rest)


LONG = ("今日はね、練習が終わったら、カフェに行くの。", "今天呢，练习结束之后，要去咖啡店。")
REPLY = [sentence("うん！", "嗯！", 0, 500), sentence(*LONG, 500, 3000), sentence("来る？", "来吗？", 3500, 600)]


@pytest.mark.parametrize(
    ("heard_ms", "jp", "cn"),
    [
        (0, "", ""),
        (100, "", ""),
        (400, "うん！", "嗯！"),
        (500, "うん！", "嗯！"),
        (900, "うん！今日はね、", "嗯！今天呢，"),
        (2000, "うん！今日はね、練習が終わったら、", "嗯！今天呢，练习结束之后，"),
        (3499, "うん！" + LONG[0], "嗯！" + LONG[1]),
        (3600, "うん！" + LONG[0], "嗯！" + LONG[1]),
        (3900, "うん！" + LONG[0] + "来る？", "嗯！" + LONG[1] + "来吗？"),
        (99_999, "うん！" + LONG[0] + "来る？", "嗯！" + LONG[1] + "来吗？"),
    ],
)
def test_a_reply_is_cut_at_the_clause_that_was_playing(heard_ms: int, jp: str, cn: str) -> None:
    lines = lines_heard(REPLY, heard_ms)
    assert ("".join(line.jp for line in lines), "".join(line.cn for line in lines)) == (jp, cn)


@pytest.mark.parametrize(
    ("reply", "heard_ms", "jp"),
    [
        ([sentence("あ。", "啊。", 0, 0)], 0, "あ。"),  # without a voice it was shown
        (
            [sentence("あ。", "啊。", 0, 300), sentence("…", "…", 300, 0), sentence("い。", "咦。", 300, 300)],
            310,
            "あ。…",
        ),
        ([sentence("あ。", "啊。", 0, 0, begun=False)], 9999, ""),
        ([sentence(*LONG, 0, 500, made_whole=False)], 400, ""),  # there is more of it than was made
        ([sentence(*LONG, 0, 500, made_whole=False)], 2500, LONG[0][:14]),
        ([sentence("そうだね、", "是啊", 0, 1000)], 900, "そうだね、"),
        ([sentence("Hello world, こんにちは。", "你好", 0, 2000)], 900, "Hello world,"),
        ([sentence("", "", 0, 0), sentence("あ。", "啊。", 0, 300)], 300, ""),
    ],
)
def test_what_is_not_as_usual(reply: list[Sentence], heard_ms: int, jp: str) -> None:
    assert "".join(line.jp for line in lines_heard(reply, heard_ms)) == jp


def test_no_line_that_was_heard_lacks_its_translation() -> None:
    for heard_ms in range(0, 4500, 20):
        assert all(line.cn for line in lines_heard(REPLY, heard_ms))


@given(st.text("あ、。い！？ 」今…a,."), st.floats(0, 1), st.floats(0, 1))
def test_a_part_is_a_beginning_and_grows_with_the_share(text: str, some: float, more: float) -> None:
    some, more = sorted((some, more))
    assert text.startswith(up_to(text, some)) and up_to(text, more).startswith(up_to(text, some))
    assert up_to(text, 1.0) == text.rstrip()
