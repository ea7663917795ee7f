"""What is said aloud of a sentence, and the kana that the synthesiser makes of it."""

import re
from pathlib import Path

import pyopenjtalk
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conversation.pronunciation import speakable, speakable_ahead

PROMPTS = Path(__file__).parents[2] / "prompts"


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("こんにちは。", "こんにちは。"),
        ("（笑）うん", "うん"),
        ("(手を振る)うん", "うん"),
        ("（笑)うん", "うん"),
        ("(笑(大)))うん", ")うん"),
        ("うん[微笑む]ね", "うん ね"),
        ("［泣］うん【怒】ね", "うん ね"),
        ("*うなずく*うん", "うん"),
        ("「うん」と『ね』", "「うん」と『ね』"),
        ("うん😀👍🏽ね❤️", "うんね"),
        ("🏴\U000e0067\U000e0062\U000e007fうん", "うん"),
        ("👨‍👩‍👧うん♪☆", "うん"),
        ("1️⃣番", "1番"),
        ("25℃と30°と№5", "25℃と30°と№5"),
        ("**すごい**ね", "すごいね"),
        ("***すごい***ね", "すごいね"),
        ("**すごい~！**", "すごい ！"),
        ("__すごい__ね", "すごいね"),
        ("~~うそ~~ね", "うそね"),
        ("# 題\n- うん\n+ そう\n> ね\n1. はい\n  2) いいえ", "題 うん そう ね はい いいえ"),
        ("-5度です", "-5度です"),
        ("`コード`と```python\nうん```", "コード と うん"),
        ("[リンク](https://example.org/a)だよ", "リンクだよ"),
        ("![絵](a.png)だよ", "絵だよ"),
        ("  うん \n\n ね  ", "うん ね"),
    ],
)
def test_stage_directions_emoji_and_markdown_are_not_spoken_but_words_are(shown: str, said: str) -> None:
    assert speakable(shown, {}) == said


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        *(
            ("それなｗｗｗ", "それな"),
            ("それなwww", "それな"),
            ("草w", "草"),
            ("うん w", "うん"),
            ("ラーメン！wwだよ", "ラーメン！ だよ"),
        ),
        *(
            ("うんlol", "うん"),
            ("www それな", "それな"),
            ("うんｗだよね", "うん だよね"),
            ("うん:D", "うん"),
            ("え xD", "え"),
        ),
        *(
            ("やったー！ヽ(´▽`)ノ", "やったー！"),
            ("(*´ω`*)うん", "うん"),
            ("٩(ˊᗜˋ*)و やった", "やった"),
            ("わーい＼(^o^)／", "わーい"),
        ),
        *(
            ("ごめんm(_ _)m", "ごめん"),
            ("ごめんm(__)mね", "ごめん ね"),
            ("ᕙ(⇀‸↼‶)ᕗ", ""),
            ("うん(^^)v", "うん"),
            ("うん(^_^)/", "うん"),
        ),
        *(
            ("いいね(^_^)bすごい", "いいね すごい"),
            ("え(；´Д`)え", "え え"),
            ("(｀・ω・´)ゞ了解", "了解"),
            ("ヾ(≧▽≦*)o", ""),
        ),
        *(
            ("(╯°□°)╯︵ ┻━┻", ""),
            ("うん(^^)ノート", "うん ノート"),
            ("o(^o^)o", ""),
            ("ヽ(；▽；)ノえ", "え"),
            ("d(^_^o)", ""),
        ),
        *(
            ("うん^_^ね", "うん ね"),
            ("もう>_<", "もう"),
            ("うう T_T", "うう"),
            ("うう;;", "うう"),
            ("(;_;)", ""),
            ("無理orz", "無理"),
        ),
        *(("-_-え", "え"), ("QAQ", ""), ("^^うん", "うん"), ("；；え", "え")),
        ("詳しくはhttps://example.com/a?b=1を見てね。", "詳しくは を見てね。"),
        ("http://a.b/c_d、うん", "、うん"),
        ("www.example.com/を見て", "を見て"),
        ("a.b@c.jpへ", "へ"),
        ("うん<br>ね<br/>え", "うん ね え"),
        ('<b>すごい</b>ね<a href="x">ここ</a>', "すごいねここ"),
        ("＊うなずく＊うん", "うん"),
        ("| 名前 | 年齢 |", "名前 年齢"),
        ("|---|:-:|", ""),
    ],
)
def test_what_only_the_eye_can_read_is_not_spoken(shown: str, said: str) -> None:
    assert speakable(shown, {}) == said


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("<speak>うん</speak>", "うん"),
        ('うん<break time="1s"/>ね', "うんね"),
        ('<prosody rate="slow" pitch="+5%">うん</prosody>', "うん"),
        ('うん<say-as interpret-as="digits">12</say-as>', "うん12"),
        ('<mstts:express-as style="cheerful">うん</mstts:express-as>', "うん"),
        ('<?xml version="1.0"?><speak>うん', "うん"),
        ("<!-- 秘密 -->うん", "うん"),
        ("うん<#0.5#>ね", "うん ね"),
        ("うん<# 99 #>ね", "うん ね"),
        ("うん＜#0.5#＞ね", "うん ね"),
        ("うん(laughs)ね", "うん ね"),
        ("うん（chuckle）(breath)ね", "うん ね"),
        # put together by what is taken out
        ('<b<b>reak time="1s"/>うん', "うん"),
        ("<b<b<b<b<b<b>reak>reak>reak>reak>reak/>うん", "うん"),
        ("<~~break~~/>うん", "うん"),
        ("<😀break/>うん", "うん"),
        ("<\u200bbreak/>うん", "うん"),
        ("<#\u200b0.5#>うん", "うん"),
        ("**(**laughs**)**うん", "うん"),
        ("(la(laughs)ughs)うん", "うん"),
        ("(laughs(b(c(d(e)))))うん", "laughs b ))うん"),
        # written to be shown
        ("うん&lt;break time=&quot;1s&quot;/&gt;ね", "うんね"),
        ("うん&#60;#0.5#&#x3e;ね", "うん ね"),
        ("うん<ｂｒｅａｋ/>ね", "うんね"),
        # which the sentence after it would close
        ("うん(", "うん"),
        ("うん（ ", "うん"),
        ("うん(      laughs", "うん laughs"),
        ("うん<", "うん"),
        ('うん<break time="1s"', 'うん break time="1s"'),
        ("うん<#0.5", "うん< 0.5"),
    ],
)
def test_a_voice_is_given_nothing_to_obey(shown: str, said: str) -> None:
    assert speakable(shown, {}) == said


PARTS = st.lists(
    st.sampled_from(
        ["<", ">", "/", "#", "(", ")", "（", "*", "**", "~~", "`", " ", "😀", "&lt;", "&#40;", "0.5", "break", "うん"]
    )
)


@given(PARTS, PARTS)
def test_whatever_is_put_together_is_no_mark_for_a_voice(parts: list[str], next_parts: list[str]) -> None:
    """Nor are two sentences, one right behind the other."""
    said = speakable("".join(parts), {}) + speakable("".join(next_parts), {})
    assert re.search(r"<#|#>|</?[a-z][^<>]*>|[(（] ?[a-z]", said) is None


@pytest.mark.parametrize(
    "shown",
    [
        *(
            "草が生える",
            "哈哈哈",
            "ははは",
            "笑える",
            "GitHubのWWW",
            "5wの電球",
            "wifi",
            "それはwhatだ",
            "ＷＷＷ",
            "ｗｉｆｉ",
            "LoLやろう",
        ),
        *(
            "ノート",
            "いすゞ",
            "10:30に",
            "A:B",
            "x=3",
            "1 < 2",
            "a > b < c",
            "I <3 you",
            "show",
            "World Wide Web",
            "3:00pm",
        ),
        *("25℃、¥500", "OK", "ヽ", "Tシャツ", "PD", "example.jp", "シーツ", "v1.2", "Lollipop", "たくさん見た〜"),
    ],
)
def test_words_like_them_are_still_spoken(shown: str) -> None:
    assert speakable(shown, {}) == shown


@pytest.mark.parametrize(
    "shown", ["", " ", "…", "！？", "（笑）", "*うなずく*", "😀", "***", "```", "「」", "（笑）♪", "[](a)"]
)
def test_nothing_to_say_is_empty(shown: str) -> None:
    assert speakable(shown, {"笑": "ワラ"}) == ""


def test_the_longest_name_is_taken_first() -> None:
    names = {"愛音": "アノン", "千早愛音": "チハヤアノン", "愛音楽": "アイオンガク"}
    assert speakable("千早愛音と愛音と愛音楽", names) == "チハヤアノンとアノンとアイオンガク"


def test_signs_in_names_are_taken_as_they_are() -> None:
    assert (
        speakable("MyGO!!!!!とA.Bとa+b", {"MyGO!!!!!": "マイゴ", "A.B": "エービー", "a+b": "タス"})
        == "マイゴとエービーとタス"
    )


def test_what_became_kana_is_not_read_as_a_name_again() -> None:
    assert speakable("灯", {"灯": "トモリ", "トモリ": "灯"}) == "トモリ"


@given(st.text(max_size=60))
def test_whatever_comes_is_on_one_line_and_says_something_or_nothing(shown: str) -> None:
    said = speakable(shown, {"愛音": "アノン"})
    assert said == " ".join(said.split())
    assert not said or any(char.isalnum() for char in said)


SIGNS = "([（［【*_~`#!-+>.…\"'1\n\t 🎉"


@pytest.mark.parametrize(
    "sign",
    [
        *SIGNS,
        "\n ",
        "**a",
        "__a",
        "~~a",
        "![",
        "[](",
        "[a](b",
        "(a",
        "*a ",
        "\n- ",
        "\n1",
        "a*",
        "https://",
        "www.",
        "a@",
        "a.",
        "<a ",
        "(^",
        "ヽ(",
        "m(´",
        ";",
        "＊a",
        "あw",
        "w",
        "^_",
        ":-",
        "ｗ",
        "|",
    ],
)
def test_a_hundred_thousand_opening_signs_come_to_an_end(sign: str) -> None:
    """It would take minutes if a pattern read any stretch again for each of them."""
    speakable(sign * (100_000 // len(sign)), {"愛音": "アノン"})


# The kana that is really spoken

Table = dict[str, str]


@pytest.fixture(params=["anon", "tomori"])
def table(request: pytest.FixtureRequest) -> Table:
    loaded: Table = yaml.safe_load((PROMPTS / request.param / "pronunciation.yaml").read_text("utf-8"))
    return loaded


def kana(text: str, table: Table) -> str:
    """Read with the settings of services/vendors/embedded/tts.py."""
    spoken = pyopenjtalk.g2p(speakable(text, table), kana=True, use_sudachi_kanji_yomi=False, predict_nani=False)
    assert isinstance(spoken, str)
    return spoken


@pytest.mark.parametrize("name", ["愛音", "爱音", "千早愛音", "千早爱音"])
@pytest.mark.parametrize("line", ["{}だよ、よろしくね！", "ねえ、{}ちゃん。", "今日は{}の誕生日。", "燈と{}"])
def test_anon_is_spoken_as_anon(name: str, line: str, table: Table) -> None:
    assert "アノン" in kana(line.format(name), table)


@pytest.mark.parametrize("name", ["燈", "灯", "高松燈", "高松灯"])
@pytest.mark.parametrize("line", ["{}です。", "ねえ、{}ちゃん。", "{}の歌が好き。", "愛音と{}"])
def test_tomori_is_spoken_as_tomori(name: str, line: str, table: Table) -> None:
    assert "トモリ" in kana(line.format(name), table)


def test_the_names_need_their_table() -> None:
    """The day the synthesiser reads them by itself, the table can go."""
    assert "アノン" not in kana("愛音です", {})
    assert "トモリ" not in kana("燈です", {})


@pytest.mark.parametrize(
    ("line", "spoken"),
    [
        ("電灯をつけるね。", "デントー"),
        ("灯りをつけるね。", "アカリ"),
        ("街の灯りがきれい。", "アカリ"),
        ("懐中電灯を持ってきた。", "カイチューデントー"),
        ("灯台まで歩こう。", "トーダイ"),
        ("街灯の下で。", "ガイトー"),
        ("火を灯す。", "トモス"),
        ("消灯の時間。", "ショートー"),
    ],
)
def test_ordinary_words_with_the_same_sign_stay_right(line: str, spoken: str, table: Table) -> None:
    assert spoken in kana(line, table)
    assert "トモリ" not in kana(line, table)


# The beginning of a sentence that is still being written

NAMES = {"愛音": "アノン", "千早愛音": "チハヤアノン", "モ。娘": "モームスメ", "、": "", "い！": " イ "}


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("ええと、", "ええと、"),
        ("ええと、うん。愛音は、", "ええと、うん。アノンは、"),
        ("え！？ うん、", "え！？ うん、"),
        ("うん♪、", "うん、"),
        ("え!うん、", "え!うん、"),
        ("うん", ""),
        ("ええと、うん", "ええと、"),
        ("ええと、（笑）うん、", "ええと、"),
        ("（笑）うん、", ""),
        ("ええと、*うなずく*うん、", "ええと、"),
        ("え、すごい![", "え、"),
        ("…、", ""),
        ("1. うん、", "うん、"),
    ],
)
def test_of_a_beginning_is_said_what_nothing_that_follows_can_change(shown: str, said: str) -> None:
    assert speakable_ahead(shown, {"愛音": "アノン"}) == said


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ("ええと！モ。", "ええと！"),  # the name may go on
        ("ええと！モ。娘、", "ええと！"),  # its comma is said in no way
        ("ええと！モ。娘。", "ええと！モームスメ。"),
        ("ええと！モ♪。", "ええと！"),
        ("ええと！い！", "ええと！"),
    ],
)
def test_a_name_with_a_stop_in_it_is_said_as_one(shown: str, said: str) -> None:
    assert speakable_ahead(shown, NAMES) == said


SAID_OR_NOT = [*"愛音千早モ娘あい1a 、。！？!?…（）()[]【】*_~`#.-♪", "**", "[x](y)", "😀", "モ。娘"]
SAID_OR_NOT += [
    *"wｗW＊<>^;:@/|ヽノm=Dox",
    "https://a",
    "www.",
    "?b",
    "a@b.c",
    "<br",
    "(´▽`",
    "(^",
    "^)",
    "_^",
    "lol",
    "orz",
    "！w",
]
SHOWN = st.lists(st.sampled_from(SAID_OR_NOT), max_size=12).map("".join) | st.text(max_size=12)


@given(SHOWN, SHOWN, st.sampled_from([{}, NAMES]))
def test_whatever_follows_what_was_said_ahead_is_its_beginning(first: str, rest: str, names: Table) -> None:
    assert speakable(first + rest, names).startswith(speakable_ahead(first, names))
