"""Partial transcripts and silence in: when the LLM is worth being asked before the end of an utterance."""

import pytest

from conversation.early_asking import EarlyAsking

# What is understood (text), the silence behind it at 32 ms of audio later (int), or the end of the utterance (None).
Heard = str | int | None
CASES: dict[str, tuple[list[Heard], list[str]]] = {
    "nothing was understood": ([100, 300, 500, None], ["", "", "", ""]),
    "a pause behind a text that stands": (["我在学校", *range(64, 320, 32)], [*[""] * 5, *["我在学校"] * 3]),
    "a question needs less": (["你好吗？", 64, 96, 128, 160, 192], ["", "", "", "你好吗？", "你好吗？"]),
    "a sentence that stands, though noise hides the silence": (["你好吗？", *[64] * 14], [*[""] * 13, "你好吗？"]),
    "a conjunction waits for more": (["我想去因为", *range(64, 1000, 32)], [""] * 30),
    "but not when it is all there is": (["我想去因为", 600, None], ["", "我想去因为"]),
    "the text changes": (["我在", *[300] * 6, "我在学校", *[500] * 6], [*[""] * 5, "我在", *[""] * 5, "我在学校"]),
    "the user goes on": (["我在学校", *[300] * 6, 64, 64], [*[""] * 5, "我在学校", "", ""]),
    "no third time": (["一", None, "二", None, "三", None], ["一", "二", ""]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_asked(name: str) -> None:
    heard, wanted = CASES[name]
    asking, now_ms, silence_ms = EarlyAsking(), 0, 64
    found = []
    for each in heard:
        if isinstance(each, str):
            asking.understood(each)
            continue
        now_ms, silence_ms = now_ms + 32, silence_ms if each is None else each
        found.append(asking.wanted(silence_ms, now_ms, ended=each is None))
    assert found == wanted
