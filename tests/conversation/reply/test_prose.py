"""Plain text in place of the contract: sentences as they end, prefaces of objects not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversation.reply.labels import Speakers
from conversation.reply.language import UNSPOKEN
from conversation.reply.parser import ReplyEvent, ReplyParser, SentenceReady
from tests.conversation.reply.reading import Said, read

LINE = '{"emotion": "happy", "jp": "あいう。", "cn": "甲乙"}'


SPEAKERS = Speakers.of(["anon", "千早爱音", "爱音", "Chihaya Anon"], ["灯", "anon"])


def events_of(*deltas: str) -> list[ReplyEvent]:
    parser = ReplyParser(SPEAKERS)
    events = [event for delta in deltas for event in parser.feed(delta)]
    return events + parser.close()


def sentences(text: str) -> list[str]:
    return [event.jp for event in events_of(*text) if isinstance(event, SentenceReady)]


@pytest.mark.parametrize(
    ("written", "gone_out"),
    [
        ("こんにちは！", []),  # it may go on: ！？ or ！」
        ("こんにちは！\n", []),  # an object may follow
        ("こんにちは！今", ["こんにちは！"]),
        ("こんにちは！\nね", ["こんにちは！"]),
        ("「うん！」と", ["「うん！」"]),
        ("「うん！」と言った。そ", ["「うん！」", "と言った。"]),
        ("うん。[笑", ["うん。"]),
        ("うん。jump", ["うん。"]),
        ("うん。日本の", ["うん。"]),
        ("*微笑む* うん。そ", ["*微笑む* うん。"]),
        ('"うん。そ', ["うん。"]),
        ("- うん。\n- そ", ["- うん。"]),
        ("你好！", []),
        ("你好！我是爱音。", []),
        ("你好！我是爱音。今", ["你好！", "我是爱音。"]),
        ("你好！我是爱音。今天怎么样？那", ["你好！", "我是爱音。", "今天怎么样？"]),
        ("うん。今天怎么样？那", ["うん。", "今天怎么样？"]),
        ("了解！行くね。そ", ["了解！", "行くね。"]),
        ("Sure! Here it is\nOK", ["Sure!", "Here it is"]),
        ("<think>嗯。我</think>うん。そ", ["うん。"]),
    ],
)
def test_a_sentence_goes_out_as_soon_as_nothing_can_be_said_against_it(written: str, gone_out: list[str]) -> None:
    parser = ReplyParser()
    events = [event for char in written for event in parser.feed(char)]
    assert [event.jp for event in events if isinstance(event, SentenceReady)] == gone_out


@pytest.mark.parametrize(
    "preface",
    [
        *(
            "Sure! Here is:\n",
            "好的！以下是回复：\n",
            "はい、どうぞ。\n",
            "はい。\n\n  ",
            "回复如下：",
            "好的。```json\n",
        ),
        *(
            "Sure!\n\n[",
            "OK.\n```\n[\n",
            "好的，我是爱音。\n",
            "<think>嗯。</think>好的：\n",
            "「返事」：\n",
            "うん。",
            "JSON!\n",
        ),
    ],
)
@pytest.mark.parametrize("text", [LINE, LINE[1:-1], "emotion: happy\njp: あいう。\ncn: 甲乙"])
def test_a_preface_of_an_object_is_not_spoken(preface: str, text: str) -> None:
    if text[0] == "{" or preface.endswith("\n"):
        assert sentences(preface + text) == ["あいう。"]


@pytest.mark.parametrize("text", [LINE, f"```json\n{LINE}\n```", f"\n\n[{LINE}]"])
def test_an_object_that_comes_late_is_still_read(text: str) -> None:
    assert sentences(f"うん。そうだね。じゃあ：\n{text}") == ["うん。", "そうだね。", "あいう。"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("うん。{笑}そう。", ["うん。", "笑", "そう。"]),
        ("うん。そう。{笑", ["うん。", "そう。", "笑"]),
        ("天気を調べるね。\n" + '{"name": "get", "arguments": {"city": "北京"}}', ["天気を調べるね。"]),
        ("用户说你好。我想想。那\n</think>\nうん。", ["用户说你好。", "うん。"]),  # the first was out
        ("用户说你好。我\n</think>\n" + LINE, ["あいう。"]),
        ("happy\nうん。", ["うん。"]),
        ("悲しい\nでもいい。", ["悲しい", "でもいい。"]),
        ("うん。\n中文：嗯。", ["うん。", "嗯。"]),
        ("うん。そうだね。いいよ。\n" + LINE, ["うん。", "そうだね。", "いいよ。", "あいう。"]),
        (
            "詳しくはhttps://example.com/a?b=1を見てね。うん。",
            ["詳しくはhttps://example.com/a?b=1を見てね。", "うん。"],
        ),
        ("ねえ、https://example.com/a!b!cだよ！そう。", ["ねえ、https://example.com/a!b!cだよ！", "そう。"]),
        ("www.example.com/?q はどう？うん。", ["www.example.com/?q はどう？", "うん。"]),
        ("え?うん。", ["え?", "うん。"]),
        ("happy: こんにちは！sad：そうか。", ["こんにちは！", "そうか。"]),
        ("開心：やった！", ["やった！"]),
        ("時間：三時だよ。", ["時間：三時だよ。"]),
        ("Assistant: うん。そう。", ["うん。", "そう。"]),
        ("**AI：** うん。", ["うん。"]),
        ("うん。\nUser: 元気？元気だよ。\nAssistant: よかった。", ["うん。", "よかった。"]),
        ("Human: 你好\nAssistant: やあ！", ["やあ！"]),
        ("Twitter: 見てね。", ["Twitter: 見てね。"]),
        # the character's own name, and those of others
        ("Anon: こんにちは", ["こんにちは"]),
        ("爱音：うん。そう。\n爱音：ね。", ["うん。", "そう。", "ね。"]),
        ("千早爱音：\nうん。", ["うん。"]),
        ("**Anon (happy):** うん。", ["うん。"]),
        ("【爱音】うん。", ["うん。"]),
        ("爱音「うん。」", ["「うん。」"]),
        ("Chihaya Anon: うん。", ["うん。"]),
        ("爱音はね、うん。", ["爱音はね、うん。"]),
        ("用户：你好。\n爱音：うん。", ["うん。"]),
        ("うん。\nユーザー：元気？\n元気だよ。", ["うん。"]),
        ("灯：ああ。\n爱音：うん。", ["うん。"]),
        ('{"jp": "爱音：うん。", "cn": "爱音：嗯。"}', ["うん。"]),
        # calls of tools as Python writes them
        ('get_weather(city="Tokyo")', []),
        ("うん。\nget_weather(city='東京？今日')\nそう。", ["うん。", "そう。"]),
        ('print(get_weather("Tokyo"))\nうん。', ["うん。"]),
        ('[get_weather(city="Tokyo"), get_time()]', []),
        ('result = weather.get(\n    city="Tokyo",\n)\nうん。', ["うん。"]),
        ('get_weather({"city": "Tokyo"})', []),
        ("```tool_code\nprint(x)\n```", []),
        ("Thought: weather\nAction: get\nFinal Answer: うん。", ["うん。"]),
        ("<function_call>get()</function_call>", []),
        ("LINE(ライン)だよ。OK(笑)！うん(^^)", ["LINE(ライン)だよ。", "OK(笑)！", "うん(^^)"]),
        ("OK(lol)\nprint(1)は便利。", ["OK(lol)", "print(1)は便利。"]),
    ],
)
def test_no_word_is_lost_or_said_twice(text: str, said: list[str]) -> None:
    assert sentences(text) == said


@pytest.mark.parametrize(
    ("written", "gone_out"),
    [
        ("emotion: happy\njp: やった！", 0),  # the line may go on
        ("emotion: happy\njp: やった！\n", 1),
        ("emotion: happy\njp: やった！\ncn: 太好了！\nemotion: sad\njp: うん。\n", 2),
        ("**Emotion:** happy\n**JP:** やった！\n", 1),
        ("- emotion：happy\n- jp：やった！\n", 1),
        ("1. emotion: happy\n   jp: やった！\n", 1),
        ("情绪：开心\n日语：やった！\n", 1),
        ("Emotion: happy\nJapanese text: やった！\n", 1),
        ("```yaml\nemotion: happy\njp: やった！\n", 1),
        ("はい、どうぞ：\nemotion: happy\njp: やった！\n", 1),
        ("うん。そう。ね\nemotion: happy\njp: やった！\n", 4),
        ("emotion: happy, jp: やった！, cn: 太好了！\n", 1),
        ('"emotion": "happy", "jp": "やった！", "cn": "太好了！"\n', 1),
        ("<emotion>happy</emotion>\n<jp>やった！</jp>", 1),
        ("jp: やった！\ncn: 太好了！\n", 0),  # its emotion may follow
        ("jp: やった！\ncn: 太好了！\njp:", 1),
        ("jp: やった！\ncn: 太好了！\njp: うん。\n", 2),
        ("jp: やった！\ncn: 太好了！\nemotion: happy\n", 1),
        ("emotion: happy\nやった！う", 1),
    ],
)
def test_fields_in_lines_are_spoken_as_each_line_ends(written: str, gone_out: int) -> None:
    parser = ReplyParser()
    events = [event for char in written for event in parser.feed(char)]
    assert sum(isinstance(event, SentenceReady) for event in events) == gone_out


HAPPY = ("やった！", "太好了！", "happy")
PLAIN = ("やった！", "太好了！", "auto")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("emotion: happy\njp: やった！\ncn: 太好了！", [HAPPY]),
        (
            "jp: やった！\ncn: 太好了！\nemotion: happy\njp: うん。\ncn: 嗯。\nemotion: sad",
            [HAPPY, ("うん。", "嗯。", "sad")],
        ),
        ("cn: 太好了！\njp: やった！\ncn: 嗯。\njp: うん。", [PLAIN, ("うん。", "嗯。", "auto")]),
        (
            "emotion: happy\n\njp: やった！  \n\ncn: 太好了！\n\n---\n\njp: うん。\ncn: 嗯。",
            [HAPPY, ("うん。", "嗯。", "auto")],
        ),
        ("- **emotion**: happy\n- **jp**: やった！\n- **cn**: 太好了！", [HAPPY]),
        ("EMOTION：happy\nJP：やった！\nCN：太好了！\n", [HAPPY]),
        ("Mood: happy\nJapanese: やった！\nTranslation: 太好了！", [HAPPY]),
        ("Japanese (jp): やった！\nChinese (zh): 太好了！", [PLAIN]),
        ("emotion: happy | jp: やった！ | cn: 太好了！", [HAPPY]),
        ("jp:\nやった！\ncn:\n太好了！", [PLAIN]),
        ('emotion: happy\njp: "やった！"\ncn: "太好了！"', [HAPPY]),
        ("emotion: happy\njp: やった！\nromaji: yatta\ncn: 太好了！", [HAPPY]),
        ("emotion: happy\njp: やった！\n太好了！", [HAPPY]),
        ("emotion: happy\njp: やった！\ncn: 太好了！\nうん。", [HAPPY, ("うん。", "うん。", "auto")]),
        ("jp: 時間：三時、うん, ね。\ncn: 时间：三点。", [("時間：三時、うん, ね。", "时间：三点。", "auto")]),
        ("emotion: happy\njp: Anon: やった！\nUser: ああ。\ncn: 太好了！", [HAPPY]),
        ("emotion: happy\njp: やった！\ncn: 太好了！\nemo", [HAPPY]),
        ("emotion: happy\nやった！", [("やった！", "やった！", "happy")]),
        ("[emotion: happy] やった！", [("やった！", "やった！", "happy")]),
        ("うん。\ncn: 嗯。", [("うん。", "うん。", "auto"), ("嗯。", "嗯。", "auto")]),
    ],
)
def test_fields_in_lines_keep_their_translation_and_their_emotion(text: str, said: list[Said]) -> None:
    assert read(*text, speakers=SPEAKERS) == said


@pytest.mark.parametrize(
    ("text", "languages"),
    [
        ("うん。那什么呢？了解！", [None, "zh", None]),
        ("了解！そう。", [None, None]),
        ("了解！", ["zh"]),
        ("好的。谢谢。", ["zh", "zh"]),
        ("OK！123。😀", [None, None, None]),
        ("（笑）OK！", [None]),
        ("ｳﾝ。ウン。", [None, None]),
        ("안녕!", ["ko"]),
        ("うん。\n翻译：嗯。", [None, UNSPOKEN]),
        ("うん。\n```python\nx = 1\n```\nうん。", [None, UNSPOKEN, None]),
        ("```\nうん。\n```", [None]),
        ('{"jp": "了解！", "cn": "明白。"}', [None]),
        ('{"jp": "", "cn": "明白。"}', ["zh"]),
        ('{"responses_cn": ["明白。"], "responses_jp": []}', ["zh"]),
        ('{"x": "明白。"}', ["zh"]),
    ],
)
def test_the_language_of_what_is_no_jp(text: str, languages: list[str | None]) -> None:
    events = events_of(*text)
    assert [event.language for event in events if isinstance(event, SentenceReady)] == languages


PIECES = [
    *(
        "うん。",
        "了解！",
        "好的！",
        "你好。",
        "Sure!",
        "Here:",
        "\n",
        "\n\n",
        "中文：",
        "日语：",
        "情绪：",
        "开心",
        "happy\n",
    ),
    *(
        "```",
        "```python\n",
        "「",
        "」",
        "jp: ",
        "- ",
        "[",
        "笑",
        "]",
        '"',
        "“",
        "(",
        ")",
        "あ",
        "</think>",
        "<think>",
        "。",
    ),
    *(
        "…",
        "          ",
        LINE,
        "{",
        "}",
        "responses_",
        ":",
        "：",
        "\\",
        "<|im_end|>",
        '"cn": "甲"',
        "jp",
        "日",
        "https://a.b/",
        "www.",
        "?",
        "!",
    ),
    *("emotion: ", "happy", "jp：", "- **jp**: ", "cn: ", "**CN:** ", "Japanese: ", "1. ", ", ", "|", "```yaml\n"),
    *("Anon: ", "【爱音】", "爱音「", "用户：", "灯：", "print(", "get_weather(", 'city="', ")\n", "[INST]", "[/INST]"),
    *('{"jp": "', '", "cn": "', '"}', "<|user|>", "<tool_call>"),
]


@pytest.mark.slow
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.data())
def test_any_split_gives_the_same_sentences(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    deltas = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert events_of(*deltas) == events_of(*text) == events_of(text)


@pytest.mark.parametrize(
    "sign",
    ["あ", " ", "\n", "-\n", "。", "`", "jp", "[\n", "a b\n", "「", "日本", "!\n", "jp: ", "jp: う\n", "print(。"],
)
def test_twenty_thousand_signs_one_by_one_come_to_an_end(sign: str) -> None:
    """It would take minutes if a sign meant another look at all before it."""
    parser = ReplyParser()
    for char in sign * (20_000 // len(sign)):
        parser.feed(char)
    parser.close()
