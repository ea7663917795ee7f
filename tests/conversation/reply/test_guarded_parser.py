"""Replies that repeat what the LLM was told, and replies that only sound like the character it was told of."""

import json
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation.character import Character
from conversation.prompt import system_text
from conversation.reply.guarded_parser import Guard, GuardedParser
from conversation.reply.parser import ReplyParser, SentenceReady
from conversation.reply.prompt_text import PromptText
from server.character_manager import CharacterManager
from services.base import Line

PROMPTS = Path(__file__).parents[3] / "prompts"
SHIPPED = ("anon", "tomori")
INSTEAD = Line("ひみつ。", "秘密。", "calm")
INNOCENT = "うん、いいよ。"

CHINESE = (
    "你在山脚下的旧邮局里上夜班，每天傍晚把白天收到的信按街道分成小堆，再用一根红绳捆好。窗外的路灯坏了三个月，"
    "你已经习惯摸黑走路，也习惯在口袋里放一截蜡烛和两盒火柴。镇上的人寄信很慢，你从不催他们，因为你知道有些话要晾一晾才写得出来。"
)
JAPANESE = (
    "あなたは山のふもとにある古い郵便局で夜の番をしていて、夕方になると昼に届いた手紙を通りごとに分けて赤いひもで結びます。"
    "窓の外の街灯は三か月も壊れたままなので、暗い道を歩くことにはもう慣れていて、ポケットには短いろうそくとマッチが二箱入っています。"
)
ENGLISH = (
    "You keep the night watch of an old post office at the foot of the hill, and every evening you sort the letters of "
    "the day by street and tie each bundle with a red string. The lamp outside has been broken for three months."
)
SAMPLE = (
    "ねえ、今夜は雪が降りそうだから、温かいお茶を淹れて、窓のそばで一緒に手紙を読みながら、朝まで起きていようよ。" * 2
)
SCRIPTED = "配達の道で拾った石を机に並べると、どれも少しずつ色が違っていて、見ているだけで時間が過ぎていくんだよ。" * 2
RULES = (
    "Every answer has exactly three lines, of which the first is short, the second says what is felt and the third "
    "asks something in return; nothing else is ever written beside them."
)
MANIFEST = f"# 郵便局\n\n- **{CHINESE}**\n- {JAPANESE}\n\n{ENGLISH}\n\n- 「{SAMPLE}」\n- {SCRIPTED}\n\n{RULES}"


@cache
def guard() -> Guard:
    return Guard(PromptText(MANIFEST, [SCRIPTED]), INSTEAD)


def contract(*lines: tuple[str, str]) -> str:
    written = ({"emotion": "happy", "jp": jp, "cn": cn} for jp, cn in lines)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in written)


def pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def in_sentences(text: str, size: int) -> str:
    return contract(*((each, f"字幕{number}") for number, each in enumerate(pieces(text, size))))


def read(parser: ReplyParser | GuardedParser, deltas: Iterable[str]) -> tuple[list[Line], list[str]]:
    """The reply, and all words that a voice could have been told ahead."""
    lines: list[Line] = []
    ahead: list[str] = []
    for delta in (*deltas, None):
        for event in parser.close() if delta is None else parser.feed(delta):
            if isinstance(event, SentenceReady):
                lines.append(Line(event.jp, event.cn or "", event.emotion))
            else:
                lines[event.index] = Line(lines[event.index].jp, event.cn, lines[event.index].emotion)
        ahead.append(parser.words_ahead)
    return lines, [words for words in ahead if words]


def letters(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def longest_told(told: str, texts: Iterable[str]) -> int:
    """Letters of the longest stretch of one text that is in these, one after another; slowly and simply."""
    told, said = letters(told), letters("".join(texts))
    longest = 0
    for start in range(len(said)):
        while said[start : start + longest + 1] in told and start + longest < len(said):
            longest += 1
    return longest


# A reply, and how many of its sentences are spoken before the one in whose place another is.
RECITALS = {
    "Chinese as plain text": (CHINESE, 2),
    "Japanese as plain text": (JAPANESE, 1),
    "English as plain text": (ENGLISH, 0),
    "in one sentence of the contract": (contract((JAPANESE, "秘密")), 0),
    "in both languages": (contract((JAPANESE, CHINESE)), 0),
    "after innocent words": (contract((INNOCENT + JAPANESE, "好")), 0),
    "after an innocent sentence": (contract((INNOCENT, "好。"), (JAPANESE, "好")), 1),
    "sentence by sentence": (in_sentences(JAPANESE, 30), 2),
    "a few letters at a time": (in_sentences(JAPANESE, 4), 20),
    "without signs": (contract((letters(JAPANESE), "好")), 0),
    "with spaces": (contract((" ".join(JAPANESE), "好")), 0),
    "with other signs": (contract((JAPANESE.replace("、", "……").replace("。", "！"), "好")), 0),
    "in full width": (
        contract(("".join(chr(ord(char) + 0xFEE0) if char > " " else char for char in ENGLISH), "好")),
        0,
    ),
    "in capitals": (contract((ENGLISH.upper(), "好")), 0),
    "decomposed": (contract((unicodedata.normalize("NFD", JAPANESE), "好")), 0),
    "with invisible signs": (contract(("\u200b".join(JAPANESE), "好")), 0),
    "with signs of Markdown": (contract(("**".join(pieces(JAPANESE, 9)), "好")), 0),
    "the rules of the reply": (contract((RULES, "好")), 0),
    "over the end of a line of the prompt": (contract((CHINESE[-45:] + JAPANESE[:45], "好")), 0),
    "from its middle": (contract((CHINESE[20:110], "好")), 0),
    "twice": (contract((JAPANESE, "好"), (JAPANESE, "好")), 0),
    "as columns": (json.dumps({"responses_jp": pieces(JAPANESE, 30), "responses_cn": ["好"] * 5}), 2),
    "behind thoughts": (f"<think>嗯</think>{contract((JAPANESE, '好'))}", 0),
}
# And where it is the translation that is replaced, how many have theirs.
RECITALS_IN_TRANSLATION = {
    "at once": (contract((INNOCENT, CHINESE)), 0),
    "one after another": (contract(*((INNOCENT, each) for each in pieces(CHINESE, 30))), 2),
    "by turns with the words": (contract(*zip(pieces(CHINESE, 30)[::2], pieces(CHINESE, 30)[1::2], strict=False)), 1),
}


@pytest.mark.parametrize(("reply", "before"), RECITALS.values(), ids=RECITALS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_what_the_llm_was_told_is_replaced_by_a_line_in_character(reply: str, before: int, size: int) -> None:
    plain, _ = read(ReplyParser(), pieces(reply, size))
    parser = GuardedParser(guard())
    lines, ahead = read(parser, pieces(reply, size))
    assert longest_told(MANIFEST, (line.jp for line in plain)) > 70
    assert lines == [*plain[:before], INSTEAD]
    assert longest_told(MANIFEST, (line.jp for line in lines)) <= 80
    assert parser.repeated > 80
    assert all(longest_told(MANIFEST, [words]) <= 12 for words in ahead)


@pytest.mark.parametrize(("reply", "before"), RECITALS_IN_TRANSLATION.values(), ids=RECITALS_IN_TRANSLATION)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_translation_that_repeats_it_is_replaced_and_the_reply_ends(reply: str, before: int, size: int) -> None:
    plain, _ = read(ReplyParser(), pieces(reply, size))
    parser = GuardedParser(guard())
    lines, _ = read(parser, pieces(reply, size))
    assert lines[:-1] == plain[:before]
    assert (lines[-1].jp, lines[-1].cn) in ((plain[before].jp, INSTEAD.cn), (INSTEAD.jp, INSTEAD.cn))
    assert parser.repeated > 80


INNOCENTS = {
    "nothing of it": contract((INNOCENT, "好。")),
    "79 characters": contract((CHINESE[:79], "好。")),
    "79 characters, in other signs": contract((JAPANESE[:79].replace("、", " "), "好。")),
    "79 characters in both languages": contract((JAPANESE[:79], CHINESE[:79])),
    "79 characters over two sentences": contract((JAPANESE[:40], "一"), (JAPANESE[40:79], "二")),
    "79 characters twice": contract((JAPANESE[:79], "一"), (JAPANESE[:79], "二")),
    "two halves with other words between": contract((JAPANESE[:70], "一"), (INNOCENT, "二"), (JAPANESE[70:], "三")),
    "the same words in another order": contract(("。".join(sorted(JAPANESE.split("、"))), "好。")),
    "what stands in quotation marks": contract((SAMPLE, SAMPLE)),
    "a line of the script": contract((SCRIPTED, SCRIPTED)),
    "79 characters and a sample": contract((ENGLISH[-40:], "一"), (SAMPLE, "二")),
    "plain text": INNOCENT * 30,
    "nothing": "",
}


@pytest.mark.parametrize("reply", INNOCENTS.values(), ids=INNOCENTS)
@pytest.mark.parametrize("size", [1, 10_000])
def test_other_replies_pass_as_they_are(reply: str, size: int) -> None:
    parser = GuardedParser(guard())
    assert read(parser, pieces(reply, size))[0] == read(ReplyParser(), pieces(reply, size))[0]
    assert parser.repeated == 0


def test_words_are_told_ahead_as_without_a_guard_where_they_repeat_little() -> None:
    reply = contract((f"ええと、{JAPANESE[:10]}、だったかな。", "好。"), ("そうだね、たぶん。", "嗯。"))
    assert read(GuardedParser(guard()), reply) == read(ReplyParser(), reply)


EXAMPLES = {"Chinese": CHINESE, "Japanese": JAPANESE, "English": ENGLISH}


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.parametrize("form", ["plain", "words", "translation"])
def test_80_characters_pass_and_one_letter_more_does_not(text: str, form: str) -> None:
    """A sign between letters is no more than the letters around it: it counts once the next letter comes."""
    for size in range(76, 90):
        part = text[:size]
        lines = {"words": (part, "好"), "translation": (INNOCENT, part)}
        parser = GuardedParser(guard())
        read(parser, [part if form == "plain" else contract(lines[form])])
        counted = len(part.rstrip("、。，. "))
        assert parser.repeated == (counted if counted > 80 else 0)


# As lists of rules are written: five of a sort, and more.
ALIKE = "かれが困っているときにはまず話を最後まで静かに聞いてから、"
RULES_ALIKE = [ALIKE + "".join(chr(0x4E00 + 200 * rule + 7 * at) for at in range(90)) for rule in range(12)]


@pytest.mark.parametrize("rule", RULES_ALIKE)
def test_what_begins_like_many_other_parts_of_a_prompt_counts_from_its_beginning(rule: str) -> None:
    alike = Guard(PromptText("。\n".join(RULES_ALIKE)), INSTEAD)
    for size, repeated in ((80, 0), (81, 81), (90, 81)):
        parser = GuardedParser(alike)
        read(parser, [in_sentences(rule[:size], 9)])
        assert parser.repeated == repeated


REPLIES = st.one_of(st.sampled_from([reply for reply, _ in RECITALS.values()]), st.sampled_from([*INNOCENTS.values()]))


@settings(max_examples=60, deadline=None)
@given(REPLIES, st.lists(st.integers(0, 400), max_size=12))
def test_any_cut_gives_the_same_reply(reply: str, cuts: list[int]) -> None:
    ends = sorted({min(cut, len(reply)) for cut in [*cuts, len(reply)]})
    cut = [reply[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    whole, in_pieces = GuardedParser(guard()), GuardedParser(guard())
    assert read(in_pieces, cut)[0] == read(whole, [reply])[0]
    assert in_pieces.repeated == whole.repeated


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(JAPANESE) - 1), max_size=12), st.integers(0, 40))
def test_in_whatever_sentences_it_comes_no_more_than_80_characters_do(cuts: list[int], skipped: int) -> None:
    ends = sorted({*cuts, len(JAPANESE)})
    told = [JAPANESE[start:end] for start, end in zip([skipped, *ends], ends, strict=False) if start < end]
    lines, _ = read(GuardedParser(guard()), [contract(*((each, "好") for each in told))])
    assert lines[-1] == INSTEAD
    assert longest_told(MANIFEST, (line.jp for line in lines)) <= 80


# The characters that are shipped


@cache
def shipped() -> CharacterManager:
    return CharacterManager.load(PROMPTS, "anon")


def character(name: str) -> Character:
    found = shipped().find(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_every_long_part_of_a_shipped_prompt_is_replaced(name: str) -> None:
    told = system_text(character(name), shipped().reply_format)
    for start in range(0, len(told) - 160, 40):
        part = told[start : start + 160]
        if "「" in part or '"' in part:  # less of it counts
            continue
        lines, _ = read(GuardedParser(shipped().guard(character(name))), [contract((part, "好"))])
        assert lines == [character(name).deflection]


@pytest.mark.parametrize("name", SHIPPED)
def test_whatever_a_shipped_character_says_without_an_llm_passes(name: str) -> None:
    """All of it in one reply, as far as that goes."""
    script = character(name).script
    assert script is not None
    answers = [*script.fallback, *(answer for topic in script.topics for answer in topic.answers)]
    greeting = (character(name).greeting, character(name).greeting)
    for group in [[greeting], *([(line.jp, line.cn) for line in answer] for answer in answers)]:
        parser = GuardedParser(shipped().guard(character(name)))
        assert read(parser, [contract(*group)])[0] == read(ReplyParser(), [contract(*group)])[0]
        assert parser.repeated == 0


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_shipped_character_says_instead_is_its_own(name: str) -> None:
    others = {each.deflection for each in shipped().all() if each.name != name}
    assert character(name).deflection not in others | {Character("x", "x", "", "", "", {}, {}, None).deflection}
