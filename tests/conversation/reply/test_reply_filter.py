"""What models leave in their text beside the reply: thoughts, marks of chat templates, calls of tools."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.reply.parser import ReplyParser, SentenceReady
from conversation.reply.reply_filter import ReplyFilter, Restart, without_marks
from tests.conversation.reply.reading import read

LINE = '{"emotion": "happy", "jp": "こんにちは！", "cn": "你好！"}'
DRAFT = '{"emotion":"sad","jp":"さようなら。","cn":"再见。"}'

# What each family of models puts around its thoughts
THOUGHTS = [
    *(("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>")),
    *(("<reasoning>", "</reasoning>"), ("<reflection>", "</reflection>"), ("<seed:think>", "</seed:think>")),
    *(("<THINK>", "</Think>"), ("< think >", "</ think >"), ('<thinking lang="zh" n=1>', "</thinking\n>")),
    *(("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"), ("<|think|>", "<|/think|>")),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|think_start|>", "<|think_end|>"),
    ("<chain_of_thought>", "</chain_of_thought>"),
    ("<think>", "</thinking>"),
]
IN_THOUGHT = ["用户说你好。", f"草稿：{DRAFT} 不好。", 'a "b\n{ c', "", "<p>a < b</p> [x]", "想" * 300]


@pytest.mark.parametrize(("begin", "end"), THOUGHTS)
@pytest.mark.parametrize("thought", IN_THOUGHT)
def test_thoughts_are_no_part_of_a_reply(begin: str, end: str, thought: str) -> None:
    thoughts, expected = begin + thought + end, [("こんにちは！", "你好！", "happy")]
    assert read(f"{thoughts}\n\n{LINE}") == expected
    assert read(f"{LINE}\n{thoughts}\n{thoughts}{LINE}") == expected * 2
    assert read(f"{LINE}\n{thoughts}") == expected
    assert read(LINE.replace("にち", f"に{thoughts}ち")) == expected
    assert read(LINE.replace(", ", f", {thoughts}")) == expected
    assert read(f"{thoughts}こんにちは！") == [("こんにちは！", "こんにちは！", "auto")]
    assert read(f"こん{thoughts}にちは！") == [("こんにちは！", "こんにちは！", "auto")]


@pytest.mark.parametrize("end", ["</think>", "</thinking>", "[/THINK]", "◁/think▷", "<|END_THINKING|>"])
@pytest.mark.parametrize("thought", ["用户", '{"jp":"さようなら。","cn":"再', 'a "b', '{"'])
def test_what_stands_before_an_end_without_a_beginning_was_thought(end: str, thought: str) -> None:
    assert read(f"{thought}{end}\n{LINE}") == [("こんにちは！", "你好！", "happy")]
    assert read(f"{thought}{end}うん。") == [("うん。", "うん。", "auto")]


def test_what_was_given_out_stays() -> None:
    assert read(f"{LINE}\n</think>{LINE}") == [("こんにちは！", "你好！", "happy")] * 2


def test_words_that_the_voice_was_told_stay_the_beginning_of_their_sentence() -> None:
    parser = ReplyParser()
    parser.feed('{"emotion": "happy", "jp": "うん、')
    assert parser.words_ahead == "うん、"
    assert parser.feed('</think>そう。"')[0] == SentenceReady(0, "うん、そう。", "happy", None)


@pytest.mark.parametrize(("begin", "end"), THOUGHTS)
def test_a_thought_without_an_end_hides_all_that_follows(begin: str, end: str) -> None:
    assert read(f"{begin}用户说你好。\n{DRAFT}") == []
    assert read(f"{LINE}{begin}{DRAFT}") == [("こんにちは！", "你好！", "happy")]


MARKS = """
<|im_end|> <|eot_id|> <|end_of_text|> <|endoftext|> </s> <s> <pad> <end_of_turn> <|end|> <|eom_id|> <|return|> <0x0A>
<｜end▁of▁sentence｜> <|assistant|> [/INST] <bos> <eos> <|END_OF_TURN_TOKEN|> <|fim_pad|> <|reserved_special_token_3|>
<answer> </answer> <|im_start|>assistant <start_of_turn>model <|start_header_id|>assistant<|end_header_id|>
<|channel|>final<|message|> <think/> <s/> <|im_assistant|>assistant<|im_middle|> </tool_call>
""".split()


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_templates_are_neither_shown_nor_spoken(mark: str) -> None:
    expected = [("こんにちは！", "你好！", "happy")]
    assert read(f"{mark}{LINE}{mark}") == expected
    assert read(LINE.replace("！", "！" + mark)) == expected
    if mark != "[/INST]":
        assert read(LINE.replace("！", "！" + mark.replace("<", "\\u003c").replace(">", "\\u003E"))) == expected
    assert read(f"{mark}\nこんにちは！") == [("こんにちは！", "こんにちは！", "auto")]


@pytest.mark.parametrize(
    "begin", [*(begin for begin, _ in THOUGHTS), "<tool_call>", "<|user|>", "[INST]", "<|im_start|>user"]
)
def test_a_mark_within_a_string_takes_no_more_than_itself(begin: str) -> None:
    expected = [("こんにちは！", "你好！", "happy")]
    marked = LINE.replace("こん", begin + "こん")
    assert read(marked + LINE) == read(*marked + LINE) == expected * 2
    assert read(LINE + LINE.replace("にち", f"に{begin}ち").replace(", ", ",")) == expected * 2
    assert read(LINE.replace("你", begin + "你")) == expected
    assert read(LINE.replace("こん", '\\"こん').replace("にち", f'{begin}\\"にち'))[0][0] == '"こん"にちは！'


@pytest.mark.parametrize("end", ["</think>", "◁/think▷", "<|END_THINKING|>", "[/INST]"])
def test_an_end_within_a_string_takes_no_more_than_itself(end: str) -> None:
    expected = [("こんにちは！", "你好！", "happy")]
    assert (
        read(LINE.replace("にち", f"に{end}ち") + LINE)
        == read(*LINE.replace("は！", f"は！{end}") + LINE)
        == expected * 2
    )
    assert read('{"jp":"こんにちは！","cn":"你好！","emotion":"happy' + end + '"}') == expected


@pytest.mark.parametrize(("begin", "end"), [("[INST]", "[/INST]"), ("<<SYS>>", "<</SYS>>"), ("[SYSTEM_PROMPT]",) * 2])
def test_what_a_mark_of_questions_encloses_is_the_reply_where_there_is_no_other(begin: str, end: str) -> None:
    end = end.replace("[S", "[/S")
    assert read(f"{begin}うん。{end}") == read(*f"{begin} うん。 {end}\n") == [("うん。", "うん。", "auto")]
    assert read(f"{begin}{LINE}{end}") == [("こんにちは！", "你好！", "happy")]
    assert read(f"{begin}ああ。{end}うん。") == read(*f"{begin}ああ。{end}うん。") == [("うん。", "うん。", "auto")]


CALLS = [
    '<|FunctionCallBegin|>[{"name":"get_weather","parameters":{"city":"Beijing"}}]<|FunctionCallEnd|>',
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Beijing"}}\n</tool_call>',
    '<function=get_weather>{"city": "Beijing"}</function>',
    '[TOOL_CALLS][{"name": "get_weather", "arguments": {"city": "Beijing"}}]</s>',
    "[TOOL_CALLS]get_weather[ARGS]{}",
    "<｜tool▁calls▁begin｜>"
    "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get\n```json\n{}\n```<｜tool▁call▁end｜>\n<｜tool▁calls▁end｜>",
    '<|python_tag|>weather.call(city="北京")<|eom_id|>',
    '<function_calls>\n<invoke name="get">\n<parameter name="city">北京</parameter>\n</invoke>\n</function_calls>',
    '<|tool_calls_section_begin|><|tool_call_begin|>functions.get:0<|tool_call_argument_begin|>{"a": 1}'
    "<|tool_call_end|><|tool_calls_section_end|>",
    '<|start|>assistant<|channel|>commentary to=functions.get <|constrain|>json<|message|>{"city":"北京"}<|call|>',
    '<|action_start|><|plugin|>{"name": "get"}<|action_end|>',
    '{"name": "get_weather", "parameters": {"city": "Beijing"}}',
    '[{"name": "get_weather", "arguments": "{}"}]',
    '```json\n{"type": "function", "name": "get_weather", "arguments": {}}\n```',
]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_a_tool_is_an_empty_reply(call: str) -> None:
    assert read(call) == read(*call) == []
    assert read(LINE + "\n" + call) == [("こんにちは！", "你好！", "happy")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("こんにちは！<|im_end|>\n<|im_start|>user\n元気？<|im_end|>\n<|im_start|>assistant\nうん。", ["こんにちは！"]),
        ("こんにちは！</s>[INST] 元気？ [/INST] うん。", ["こんにちは！"]),
        ("こんにちは！<end_of_turn>\n<start_of_turn>user\n元気？", ["こんにちは！"]),
        ("<|im_start|>user\n元気？<|im_end|>\n<|im_start|>assistant\nうん。", ["うん。"]),
        ("[INST] <<SYS>>a<</SYS>> 元気？ [/INST] うん。", ["うん。"]),
        ("<|user|>\n元気？<|assistant|>\nうん。", ["うん。"]),
        ("<｜User｜>元気？<｜Assistant｜>うん。", ["うん。"]),
        ("<|im_start|>system\na<|im_end|>うん", []),
    ],
)
def test_what_a_model_writes_in_the_name_of_others_is_not_the_reply(text: str, said: list[str]) -> None:
    assert [jp for jp, _, _ in read(text)] == said


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a < b > c",
            "<3",
            "(>_<)",
            "<(｀^´)>",
            "<b>うん</b>",
            "[笑] うん",
            "[think] うん",
            "<USER>さん",
            "A[0]",
            "<<",
        ),
        *(
            "<|°_°|>",
            "a<br>",
            "x <- y",
            "[INSTA]",
            "<thinker>",
            "◁うん▷",
            "<think",
            "<- <- <|",
            "1 <s 2",
            "<Thinkうん>",
        ),
        *("<|start|>こんにちは。", "<|im_start|>こんにちは。", "<start_of_turn>Hello"),
    ],
)
def test_other_signs_stay(text: str) -> None:
    kept = re.sub(r"<\|[a-z_]+\|>|<start_of_turn>", "", text)
    if text != "<think":
        assert without_marks(text) == kept
    assert without_marks(text + "ね") == kept + "ね"


def test_nothing_but_the_beginning_of_a_mark_is_kept_waiting() -> None:
    given_out = ""
    reply_filter = ReplyFilter()
    text = 'あ<3い<|5う[笑]<br> <think>x</think>え<b a="c">お <th>[TH]か <THINKE< <'
    for count, char in enumerate(text, 1):
        given_out += "".join(piece for piece in reply_filter.feed(char) if not isinstance(piece, Restart))
        waits = without_marks(text[:count]).removeprefix(given_out)
        assert re.fullmatch(r"(?:<[|]?|<\s?/?[a-zA-Z]{0,6}|\[[A-Z]{0,5})?", waits), waits


PIECES = [
    *(part for pair in THOUGHTS for part in pair),
    *MARKS,
    *("<|im_start|>", "user", "<|start|>", "<|message|>", "<tool_call>", "</tool_call>", "[INST]", "<", ">", "[", "|"),
    *("あ。", " ", "\n", '","cn":"', '{"emotion": "happy", "jp": "', '", "cn": "', '"}', "う、", "a", "analysis", "/"),
]
ANYTHING = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.mark.slow
@given(ANYTHING, st.data())
def test_any_split_gives_the_same_reply(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*deltas) == read(*text) == read(text)


@pytest.mark.slow
@given(ANYTHING)
def test_no_mark_is_left_in_a_reply(text: str) -> None:
    for jp, cn, _ in read(text):
        assert not re.search(r"<\|\w+\|>|</?think>|\[/?INST\]|<tool_call>", f"{jp} {cn}"), text


@pytest.mark.parametrize("sign", ["<", "< ", "<|a", "[T", "<think ", "<think>", "</think>", "<|start|>a", "◁", "<<S"])
def test_twenty_thousand_signs_one_by_one_come_to_an_end(sign: str) -> None:
    """It would take minutes if a sign meant another look at all before it."""
    parser = ReplyParser()
    for char in sign * (20_000 // len(sign)):
        parser.feed(char)
    parser.close()
