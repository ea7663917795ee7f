"""One text and one emotion for all the sentences of a reply."""

import pytest

from conversation.reply.joining import join_sentences, reply_emotion
from services.base import Line


@pytest.mark.parametrize(
    ("sentences", "joined"),
    [
        ([], ""),
        (["うん。"], "うん。"),
        (["うん。", "そう！", "ね…"], "うん。そう！ね…"),
        (["嗯，", "好的。"], "嗯，好的。"),
        (["Hello", "you"], "Hello you"),
        (["Hello.", "You?", "Yes!", "a,", "b;", "c:", "d"], "Hello. You? Yes! a, b; c: d"),
        (["é", "あ", "１", "2", "3"], "é あ１ 2 3"),
        (["ok", "うん"], "ok うん"),
        (["", "うん", "", "ね", ""], "うんね"),
        (["Да", "あ"], "Даあ"),
        (["a\x00", "b"], "a\x00b"),
    ],
)
def test_a_space_only_after_latin_letters_digits_and_stops(sentences: list[str], joined: str) -> None:
    assert join_sentences(sentences) == joined


def test_the_emotion_is_that_of_the_first_sentence_with_one() -> None:
    assert reply_emotion([Line("a", "a", "auto"), Line("b", "b", "sad"), Line("c", "c", "happy")]) == "sad"


@pytest.mark.parametrize("lines", [[], [Line("a", "a")], [Line("a", "a", "auto"), Line("b", "b", "auto")]])
def test_without_one_it_is_auto(lines: list[Line]) -> None:
    assert reply_emotion(lines) == "auto"
