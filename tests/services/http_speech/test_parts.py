"""Parts of a sentence: nothing is lost, none is too long, the first is soon over, and each ends where one breathes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.http_speech.parts import grouped, morae, parts_of


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("うん、わかった。", ["うん、わかった。"]),
        ("今日はとても良い天気だから、散歩に行こう。", ["今日はとても良い天気だから、", "散歩に行こう。"]),
        ("ねえ、今日はとても良い天気だよ、散歩に行こう。", ["ねえ、今日はとても良い天気だよ、", "散歩に行こう。"]),
        ("今日はとても良い天気だけど、うん。", ["今日はとても良い天気だけど、うん。"]),  # too little is left
        ("お金は1,000円とあと3.5円くらいかな、たぶん。", ["お金は1,000円とあと3.5円くらいかな、たぶん。"]),
        ("「そうなんだよね、本当に。」と言ったのは、誰だったかな。", None),
        ("", []),
        ("、。", ["、。"]),
    ],
)
def test_a_sentence_is_divided_where_one_breathes(text: str, parts: list[str] | None) -> None:
    found = [part for part, _ in parts_of(text, 100)]
    assert "".join(found) == text
    assert parts is None or found == parts


def test_parts_grow_so_that_each_is_made_while_the_one_before_is_heard() -> None:
    clause = "あいうえおかきくけ、"  # nine morae
    lengths = [morae(part) for part, _ in parts_of(clause * 12, 300)]
    assert lengths == [9, 18, 36, 45]


@given(text=st.text("あ漢a1、。！「」 \n…", max_size=300), longest=st.integers(1, 100))
def test_any_text_is_kept_and_no_part_is_too_long(text: str, longest: int) -> None:
    parts = parts_of(text, longest)
    assert all(0 < len(part) <= longest and pause_s >= 0 for part, pause_s in parts)
    assert "".join("".join(part.split()) for part, _ in parts) == "".join(text.split())


@given(units=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40))
def test_groups_are_all_units_in_order(units: list[tuple[int, bool]]) -> None:
    groups = list(grouped(units))
    assert [at for group in groups for at in group] == list(range(len(units)))
    assert all(units[group[-1]][1] for group in groups[:-1])
