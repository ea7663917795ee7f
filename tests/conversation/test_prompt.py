"""The prompt: what of a long talk an LLM is told, and its own words shown back to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.character import Character
from conversation.prompt import CUT, Remembered, as_reply, build_prompt, estimate_tokens
from conversation.reply.parser import ReplyParser, SentenceReady, TranslationReady
from services.base import EMOTIONS, Line, Message, Role

ANON = Character("anon", "千早爱音", "", "\nYou are Anon.\n\n", "", {}, {}, None)


def user(text: str) -> Message:
    return Message("user", text)


def assistant(text: str) -> Message:
    return Message("assistant", text)


TALK = [user("一"), assistant("い"), user("二"), assistant("に"), user("三"), assistant("さ")]
EACH = estimate_tokens("一")


def build(past: list[Message], context_tokens: int) -> tuple[Message, ...]:
    remembered = [Remembered(message) for message in past]
    return build_prompt(ANON, "\nOne line each.\n", remembered, "四", context_tokens).messages


def test_the_fixed_part_is_first_and_what_is_said_now_is_last() -> None:
    prompt = build_prompt(ANON, "\nOne line each.\n", [Remembered(message) for message in TALK], "四", 8000)
    assert prompt.character == "anon"
    assert prompt.messages == (Message("system", "You are Anon.\n\nOne line each."), *TALK, user("四"))


def test_the_newest_messages_are_kept() -> None:
    assert build(TALK, 2 * EACH)[1:] == (user("三"), assistant("さ"), user("四"))
    assert build(TALK, 4 * EACH)[1:-1] == tuple(TALK[2:])


def test_half_an_exchange_is_left_out() -> None:
    assert build(TALK, 3 * EACH) == build(TALK, 2 * EACH)


@pytest.mark.parametrize("context_tokens", [0, EACH - 1, EACH])
def test_where_no_exchange_fits_only_what_is_said_now_is_left(context_tokens: int) -> None:
    assert [message.role for message in build(TALK, context_tokens)] == ["system", "user"]


def test_a_long_message_ends_the_memory_before_it() -> None:
    past = [user("一"), assistant("い"), user("長" * 1000), assistant("に"), user("三"), assistant("さ")]
    assert build(past, 500)[1:-1] == (user("三"), assistant("さ"))


@pytest.mark.parametrize(
    ("past", "told"),
    [
        ([Remembered(user("一"), cut=True), Remembered(assistant("い"), cut=True)], ["一", "い", CUT + "四"]),
        (
            [Remembered(user("一"), cut=True), Remembered(assistant("い"), cut=True), Remembered(user("二"))],
            ["一", "い", CUT + "二", "四"],
        ),
        (
            [Remembered(user("一"), cut=True), Remembered(user("二")), Remembered(assistant("に"))],
            ["一", "二", "に", "四"],
        ),
    ],
    ids=["the last reply", "one before", "before a word of it was heard"],
)
def test_what_follows_a_reply_that_was_cut_says_so(past: list[Remembered], told: list[str]) -> None:
    prompt = build_prompt(ANON, "", past, "四", 8000)
    assert [message.content for message in prompt.messages[1:]] == told


def test_several_messages_of_one_role_in_a_row_stay() -> None:
    past = [user("一"), user("二"), assistant("に"), assistant("さ")]
    assert build(past, 8000)[1:-1] == tuple(past)


roles = st.sampled_from(["user", "assistant"])


@given(st.lists(st.builds(Message, roles, st.text(max_size=30)), max_size=12), st.integers(0, 200))
def test_the_budget_is_kept_and_the_first_is_never_the_assistants(past: list[Message], context_tokens: int) -> None:
    system, *kept, said = build(past, context_tokens)
    assert (system.role, said) == ("system", user("四"))
    assert sum(estimate_tokens(message.content) for message in kept) <= context_tokens
    assert kept == past[len(past) - len(kept) :]
    first: Role = kept[0].role if kept else "user"
    assert first == "user"


@pytest.mark.parametrize(("text", "least"), [("", 0), ("あいう", 3), ("hello, world", 3), ("😀", 1), ("\ud800", 0)])
def test_the_estimate_is_not_too_low(text: str, least: int) -> None:
    assert estimate_tokens(text) >= least


LINES = [
    Line("うん、聞いてるよ。", "嗯，我在听。", "happy"),
    Line("「はい」って", '他说"好"', "auto"),
    Line("…", "……", "calm"),
]


def parsed(text: str) -> list[Line]:
    parser = ReplyParser()
    lines: list[Line] = []
    for event in parser.feed(text) + parser.close():
        match event:
            case SentenceReady(_, jp, emotion, cn):
                lines.append(Line(jp, cn or "", emotion))
            case TranslationReady(index, cn):
                lines[index] = Line(lines[index].jp, cn, lines[index].emotion)
    return lines


def test_a_reply_is_shown_as_the_contract_writes_it() -> None:
    text = as_reply(LINES)
    assert [list(json.loads(line)) for line in text.split("\n")] == [["emotion", "jp", "cn"]] * 3
    assert "うん" in text
    assert as_reply([]) == ""


def test_a_reply_is_read_back_as_it_was() -> None:
    assert parsed(as_reply(LINES)) == LINES


words = st.text(alphabet="あいうカナ愛音。、！？…「」『』（）ー嗯我在听，：；abc 1'\\/\"😀", min_size=1, max_size=30)


@given(st.lists(st.builds(Line, words, words, st.sampled_from(sorted(EMOTIONS))), min_size=1, max_size=5))
def test_whatever_was_said_is_read_back(lines: list[Line]) -> None:
    def settled(text: str) -> str:
        """As the parser shows it: it is what a second reading must leave alone."""
        said = parsed(as_reply([Line(text, text)]))
        return said[0].jp if said else ""

    once = [Line(settled(line.jp), settled(line.cn), line.emotion) for line in lines]
    whole = [line for line in once if line.jp and line.cn]
    assert parsed(as_reply(whole)) == whole
