"""What ASRs write down and people type, from outside, in; what of it is a word, or can be seen."""

import pytest

from conversation.user_text import spoken_text, visible_text

# What was recognised out of noise, breath and silence: issue threads of chat front ends and ASR servers.
NOISE = (
    ".", "。", "．", "｡", ",", "，", "、", "、、", "!", "！", "?", "？", "？！", "…", "...", "……", "‥", "・",
    "・・・", "·", "—", "——", "-", "－", "~", "～", "〜", "♪", "♪♪", "♫～", "「」", "（）", "()", "[]", "【】",
    "《》", '""', "“”", "''", "*", "**", "_", "/", "|", "。 。", " 。", "\u200b。", "。\ufeff", "😀", "🎵",
    "👏👏", "❤️", "%", "$", "€", "+", "=", "<>", "#",
)  # fmt: skip
WORDS = (
    "嗯", "嗯。", "好", "啊？", "はい", "うん…", "え", "ー", "っ", "ok", "OK!", "a", "A.", "1", "１", "3.", "②",
    "Ⅳ", "№1", "да", "네", "ă", "é", "x。", "。好", "[laughter]", "(笑)", "♪ラララ♪", "50%", "$5",
)  # fmt: skip


@pytest.mark.parametrize("transcript", NOISE)
def test_a_transcript_without_a_word_is_nothing_that_was_said(transcript: str) -> None:
    assert spoken_text(transcript) == ""


@pytest.mark.parametrize("transcript", WORDS)
def test_the_shortest_word_is_said_and_keeps_its_signs(transcript: str) -> None:
    assert spoken_text(transcript) == visible_text(transcript) == transcript


@pytest.mark.parametrize("typed", ["。", "…", "?", "😀", "♪"])
def test_what_is_typed_need_not_be_a_word(typed: str) -> None:
    assert visible_text(typed) == typed
