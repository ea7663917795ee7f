"""The scripted LLM: that it finds what is meant, takes turns, and streams the reply format."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.base import LLM, Line, LLMError, Message, Prompt, Role, Script, ScriptTopic
from services.engine_settings import LLMSettings
from services.vendors.embedded.llm import DELTA_CHARS, open_llm

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]


def answer(*jp: str) -> tuple[Line, ...]:
    return tuple(Line(line, f"{line}的中文", "happy") for line in jp)


SCRIPT = Script(
    topics=(
        ScriptTopic(
            "greeting",
            {"zh": ("你好",), "ja": ("こんにちは",), "en": ("hello", "hi", "how are you doing today")},
            (
                answer("やっほー！", "元気？"),
                answer("来た来た！"),
                answer("やっほー！", "何する？"),
                answer("おはよう。"),
            ),
        ),
        ScriptTopic(
            "name",
            {"zh": ("你是谁", "你叫什么名字"), "ja": ("お名前を教えてくれますか",), "en": ("what's your name",)},
            (answer("アノンだよ。"), answer("私？", "アノン。")),
        ),
        ScriptTopic(
            "guitar",
            {"zh": ("吉他", "会弹吉他"), "ja": ("ギター",), "en": ("guitar", "electric guitar")},
            (answer("ギター、好き。"), answer("練習中！"), answer("弾けるよ。")),
        ),
        ScriptTopic("strings", {"zh": ("琴弦",), "ja": ("弦",), "en": ("guitar",)}, (answer("弦、切れた。"),)),
        ScriptTopic("cut", {"zh": ("断句",)}, (answer("これは長い一行目です。", "二行目。"), answer("次の答え。"))),
    ),
    fallback=(answer("うーん。", "デモだから。"), answer("えっと。"), answer("それは知らないなあ。")),
)

FIRST_LINES = {topic.name: {lines[0].jp for lines in topic.answers} for topic in SCRIPT.topics}
FIRST_LINES["fallback"] = {lines[0].jp for lines in SCRIPT.fallback}


def prompt(*contents: str, character: str = "anon") -> Prompt:
    """What the user and the character said, in turn; the user began."""
    roles: tuple[Role, Role] = ("user", "assistant")
    talk = (Message(roles[at % 2], content) for at, content in enumerate(contents))
    return Prompt(character, (Message("system", "You are Anon."), *talk))


async def reply(*contents: str) -> str:
    async with open_llm(LLMSettings(scripts={"anon": SCRIPT})) as llm:
        return "".join(await deltas(llm, prompt(*contents)))


async def deltas(llm: LLM, asked: Prompt) -> list[str]:
    async with aclosing(llm.stream(asked)) as stream:
        return [delta async for delta in stream]


def lines(text: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in text.splitlines()]


async def topic_of(said: str) -> str:
    first = lines(await reply(said))[0]["jp"]
    return next(name for name, firsts in FIRST_LINES.items() if first in firsts)


async def talk(said: Sequence[str]) -> list[str]:
    """The first lines of the replies of one talk."""
    contents: list[str] = []
    for text in said:
        contents += [text, await reply(*contents, text)]
    return [lines(content)[0]["jp"] for content in contents[1::2]]


# The stream


async def test_a_reply_is_one_json_line_per_sentence_in_the_order_emotion_jp_cn() -> None:
    text = await reply("断句")
    assert text.endswith("}\n")
    found = lines(text)
    assert [list(line) for line in found] == [["emotion", "jp", "cn"]] * len(found)
    assert found[0] in [
        {"emotion": "happy", "jp": "これは長い一行目です。", "cn": "これは長い一行目です。的中文"},
        {"emotion": "happy", "jp": "次の答え。", "cn": "次の答え。的中文"},
    ]


async def test_a_reply_comes_in_deltas_of_a_few_characters() -> None:
    async with open_llm(LLMSettings(scripts={"anon": SCRIPT})) as llm:
        found = await deltas(llm, prompt("你好"))
    assert len(found) > 10
    assert all(0 < len(delta) <= DELTA_CHARS for delta in found)


async def test_others_run_between_two_deltas() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with open_llm(LLMSettings(scripts={"anon": SCRIPT})) as llm, anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        found = await deltas(llm, prompt("你好"))
        tasks.cancel_scope.cancel()
    assert turns >= len(found)


async def test_a_cancelled_stream_gives_nothing_more() -> None:
    found = []
    async with open_llm(LLMSettings(scripts={"anon": SCRIPT})) as llm:
        with anyio.CancelScope() as scope:
            async with aclosing(llm.stream(prompt("你好"))) as stream:
                async for delta in stream:
                    found.append(delta)
                    scope.cancel()
    assert len(found) == 1


async def test_a_closed_stream_has_ended() -> None:
    async with open_llm(LLMSettings(scripts={"anon": SCRIPT})) as llm:
        stream = llm.stream(prompt("你好"))
        await anext(stream)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_character_without_a_script_is_an_error_that_trying_again_does_not_mend() -> None:
    async with open_llm(LLMSettings(scripts={"anon": SCRIPT})) as llm:
        with pytest.raises(LLMError) as raised:
            await deltas(llm, prompt("你好", character="nobody"))
    assert not raised.value.retryable
    assert str(raised.value).endswith(".")


async def test_a_script_without_an_answer_is_an_error() -> None:
    async with open_llm(LLMSettings(scripts={"anon": Script((), ())})) as llm:
        with pytest.raises(LLMError):
            await deltas(llm, prompt("你好"))


# The topic


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("你好，爱音！", "greeting"),
        ("ねえ、こんにちは。", "greeting"),
        ("Oh, hello there!", "greeting"),
        ("你 好", "greeting"),
        ("ＨＥＬＬＯ", "greeting"),
        ("你到底叫什么名字？不对，你是谁？", "name"),
        ("whats your name", "name"),
        ("What’s your name?", "name"),
        ("ぎたーを弾いて", "guitar"),
        ("ｷﾞﾀｰ", "guitar"),
        ("I like吉他very much", "guitar"),
    ],
)
async def test_a_phrase_is_found_in_any_language_whatever_its_case_width_signs_and_kana(said: str, topic: str) -> None:
    assert await topic_of(said) == topic


async def test_an_english_phrase_is_found_as_whole_words_only() -> None:
    assert await topic_of("this is white") == "fallback"
    assert await topic_of("oh hi mark") == "greeting"


@pytest.mark.parametrize("said", ["你好，你会弹吉他吗", "hello，吉他", "琴弦？guitar, electric guitar"])
async def test_the_longest_phrase_wins(said: str) -> None:
    assert await topic_of(said) == "guitar"


async def test_of_equal_phrases_the_earlier_topic_wins() -> None:
    assert await topic_of("guitar") == "guitar"


@pytest.mark.parametrize(
    ("said", "topic"),
    [
        ("how are yuo doing today?", "greeting"),
        ("お名前、教えてくれますか？", "name"),
        ("你叫什么名儿字", "name"),
        ("今天好热，你叫什么名", "name"),
    ],
)
async def test_nearly_the_same_words_find_the_topic_too(said: str, topic: str) -> None:
    assert await topic_of(said) == topic


@pytest.mark.parametrize("said", ["灯是谁", "where are you from", "什么", "what"])
async def test_words_that_say_little_do_not_make_a_topic(said: str) -> None:
    assert await topic_of(said) == "fallback"


@pytest.mark.parametrize("said", ["1+1等于几", "😀", "……", "안녕하세요", "", " ", "\ud800", "ﷺ" * 4000, "，你" * 2000])
async def test_what_no_phrase_fits_gets_the_fallback(said: str) -> None:
    assert await topic_of(said) == "fallback"


async def test_a_prompt_without_a_user_is_answered_too() -> None:
    assert lines(await reply())[0]["jp"] in FIRST_LINES["fallback"]


async def test_a_phrase_is_found_in_a_very_long_text() -> None:
    assert await topic_of("今天天气不错。" * 570 + "吉他") == "guitar"


# The answer


async def test_all_answers_of_a_topic_come_in_turn_before_one_comes_again() -> None:
    said = await talk(["吉他"] * 7)
    assert sorted(said[:3]) == sorted(FIRST_LINES["guitar"])
    assert said[:3] == said[3:6]
    assert said[6] == said[0]


async def test_a_topic_goes_on_where_it_was_left() -> None:
    said = await talk(["吉他", "你好", "吉他", "1+1", "吉他"])
    assert sorted(said[::2]) == sorted(FIRST_LINES["guitar"])


async def test_a_topic_with_nothing_new_to_say_gives_the_fallback_a_turn() -> None:
    assert await talk(["琴弦", "琴弦", "琴弦"]) == ["弦、切れた。", *(await talk(["琴弦", "琴弦"]))[1:], "弦、切れた。"]
    assert (await talk(["琴弦", "琴弦"]))[1] in FIRST_LINES["fallback"]


SAID = st.lists(
    st.sampled_from(["你好", "你是谁", "吉他", "琴弦", "断句", "?", "hello", "1+1"]), min_size=2, max_size=12
)


@settings(max_examples=50, deadline=None)
@given(said=SAID)
async def test_never_the_same_answer_twice_in_a_row(said: list[str]) -> None:
    """Nor one that begins with the same line, as two of the greetings do."""
    firsts = await talk(said)
    assert all(one != other for one, other in itertools.pairwise(firsts))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
async def test_a_reply_cut_short_is_recognised(data: st.DataObject) -> None:
    first = await reply("断句")
    heard = first[: data.draw(st.integers(first.index('"jp": "') + 11, len(first)))]
    again = lines(await reply("断句", heard, "断句"))[0]["jp"]
    assert again != lines(first)[0]["jp"]
    assert again in FIRST_LINES["cut"]


@settings(max_examples=100, deadline=None)
@given(earlier=st.lists(st.text() | st.text(alphabet='{}":,jp\\ux\n あ'), max_size=5), said=st.text())
async def test_any_talk_is_answered(earlier: list[str], said: str) -> None:
    assert lines(await reply(*(earlier[: len(earlier) // 2 * 2]), said))


async def test_other_words_lead_to_another_first_answer() -> None:
    firsts = {(await talk([f"吉他{'啊' * count}"]))[0] for count in range(12)}
    assert firsts == FIRST_LINES["guitar"]


def in_a_process_of_its_own(code: str, hash_seed: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_same_prompt_same_reply_in_any_process() -> None:
    code = """
import anyio, sys
from tests.services.embedded.test_llm import reply
sys.stdout.reconfigure(encoding="utf-8")
for said in ("你好", "吉他", "お名前教えてくれますか", "how are yuo doing", "?"):
    print(anyio.run(reply, said))
"""
    assert len({in_a_process_of_its_own(code, seed) for seed in ("1", "2")}) == 1


def test_it_needs_no_network_and_no_other_vendor() -> None:
    code = "import sys, services.vendors.embedded.llm; print(*sys.modules)"
    loaded = set(in_a_process_of_its_own(code, "0").split())
    assert not loaded & {"aiohttp", "ssl", "numpy", "pyopenjtalk"}
    assert {name for name in loaded if name.startswith("services.")} <= {
        "services.base",
        "services.engine_settings",
        "services.vendors",
        "services.vendors.embedded",
        "services.vendors.embedded.llm",
    }
