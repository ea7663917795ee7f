"""What ears of the Whisper and SenseVoice families write is what was said: no inventions, no tags, our script."""

from typing import Any

import pytest

from services.transcripts.cleaning import Segment, in_our_script, language_code, said

SURE: dict[str, Any] = {"no_speech_prob": 0.05, "avg_logprob": -0.3}
UNSURE: dict[str, Any] = {"no_speech_prob": 0.5, "avg_logprob": -0.6}


def heard(*texts: str, seconds: float = 2.0, language: str = "", asked: str = "", **judged: Any) -> str:
    return said([Segment(text, **judged) for text in texts], seconds, language=language, asked=asked)


@pytest.mark.parametrize(
    "invented",
    [
        "ご視聴ありがとうございました",
        " ご視聴ありがとうございました。",
        "ご視聴ありがとうございました。ご視聴ありがとうございました。",
        "最後までご視聴いただきありがとうございました。",
        "チャンネル登録をお願いいたします",
        "次の動画でお会いしましょう!",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
        "字幕by索兰娅",
        "字幕由Amara.org社区提供",
        "中文字幕志愿者 李宗盛",
        "感謝觀看",
        "多謝您的觀看!",
        "作詞・作曲 李宗盛",
        "Thanks for watching!",
        "Thank you for watching.",
        "Thanks for watching! Thanks for watching! Thanks for watching!",
        "Don't forget to subscribe!",
        "Subtitles by the Amara.org community",
        "Please subscribe to my channel.",
    ],
)
def test_what_subtitles_end_with_is_nothing_in_a_short_clip_of_an_ear_that_was_not_sure(invented: str) -> None:
    assert heard(invented) == ""
    assert heard(invented, **UNSURE) == ""
    kept = heard(invented, **SURE)
    assert kept  # the ear is sure, and was there
    assert heard(invented, seconds=8.0).startswith(kept[:6])  # so much silence is no utterance


@pytest.mark.parametrize(
    "ordinary", ["ありがとうございました", "おやすみなさい。", "谢谢", "謝謝。", "Thank you.", " You", "Bye."]
)
def test_what_people_say_is_nothing_only_where_the_ear_says_that_it_was_not_sure(ordinary: str) -> None:
    assert heard(ordinary, **UNSURE) == ""
    assert heard(ordinary) and heard(ordinary, **SURE)


@pytest.mark.parametrize(
    "real",
    ["ご視聴ありがとうございましたって言ってみて", "你知道请不吝点赞是什么意思吗", "She said thanks", "字幕怎么打开"],
)
def test_a_sentence_with_more_in_it_than_an_invention_is_kept(real: str) -> None:
    assert heard(real) == real and heard(real, **UNSURE) == real


@pytest.mark.parametrize(
    ("text", "judged"),
    [
        (" You", {"no_speech_prob": 0.77, "avg_logprob": -0.97}),
        ("チョコレート", {"no_speech_prob": 0.77, "avg_logprob": -1.2}),
        ("最终的暂时", {"no_speech_prob": 0.77, "avg_logprob": -1.51, "compression_ratio": 2.11}),
        ("副作词", {"no_speech_prob": None, "avg_logprob": -2.2}),
        ("そうそうそうそう", {"no_speech_prob": 0.4, "avg_logprob": -0.2, "compression_ratio": 2.6}),
    ],
)
def test_segments_out_of_silence_are_known_by_what_the_ear_thinks_of_them(text: str, judged: dict[str, Any]) -> None:
    assert heard(text, **judged) == ""
    assert said([Segment("你好", **SURE), Segment(text, **judged)], 4.0) == "你好"


def test_a_rule_does_not_hold_where_the_ear_does_not_tell() -> None:
    assert heard("早上好", no_speech_prob=0.9) == "早上好"
    assert heard("早上好", avg_logprob=-1.5) == "早上好"


@pytest.mark.parametrize(
    ("text", "seconds", "left"),
    [
        ("チョコレート" * 30, 2.0, ""),
        ("我想说的是好的" + "好的" * 40, 2.0, "我想说的是好的"),
        ("Okay. " * 40, 2.0, ""),
        ("哈哈哈哈哈哈", 2.0, "哈哈哈哈哈哈"),
        ("不要不要不要不要不要", 2.0, "不要不要不要不要不要"),
        ("这是一个很长但是没有重复的句子甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥" * 2, 2.0, None),
    ],
)
def test_what_goes_round_faster_than_anybody_speaks_is_cut(text: str, seconds: float, left: str | None) -> None:
    assert heard(text, seconds=seconds) == (text if left is None else left)


def test_a_very_long_answer_is_judged_in_no_time() -> None:
    text = "ab" * 20_000 + "c" * 50
    assert heard(text) == text[:40_001]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("[BLANK_AUDIO]", ""),
        (" [BLANK AUDIO] ", ""),
        ("(音楽)", ""),
        ("（拍手）你好", "你好"),
        ("[Music] Hello", "Hello"),
        ("♪ 音楽 ♪", ""),
        ("*laughs* そうだね", "そうだね"),
        ("[3] 号选手", "[3] 号选手"),
        ("（笑）", ""),
        (".", ""),
        ("…", ""),
        ("<|zh|><|NEUTRAL|><|Speech|><|withitn|>今天天气不错。", "今天天气不错。"),
        ("<|ja|><|HAPPY|><|Speech|><|woitn|>東京に行こう", "東京に行こう"),
        ("<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|>", ""),
        ("😊太好了！🎼", "太好了！"),
    ],
)
def test_tags_and_written_sounds_are_not_words(text: str, left: str) -> None:
    assert heard(text) == left


def test_the_words_it_was_given_are_no_words_of_a_person() -> None:
    assert heard("爱音、灯、立希。", asked="爱音、灯、立希") == ""
    assert heard("爱音", asked="爱音") == "爱音"  # a person may call a name
    assert heard("爱音、灯", asked="爱音、灯、立希") == "爱音、灯"


@pytest.mark.parametrize(
    ("text", "language", "ours"),
    [
        ("今天天氣怎麼樣", "", "今天天气怎么样"),
        ("後面的頭髮", "zh", "后面的头发"),
        ("看著我", "chinese", "看着我"),
        ("著名的皇后", "Mandarin", "著名的皇后"),
        ("軟體", "zh-TW", "软体"),
        ("東京駅に行く", "", "東京駅に行く"),
        ("東京大学", "ja", "東京大学"),
        ("東京大学", "japanese", "東京大学"),
        ("學校", "ko", "學校"),
        ("hello", "", "hello"),
        ("我哋食飯", "yue", "我哋食饭"),
    ],
)
def test_mandarin_is_simplified_and_japanese_is_not(text: str, language: str, ours: str) -> None:
    assert in_our_script(text, language) == ours
    assert heard(text, language=language) == ours


def test_the_ears_own_word_on_the_language_comes_before_what_was_asked_for() -> None:
    assert heard("<|ja|>東京大学", language="zh") == "東京大学"


def test_languages_are_known_by_any_of_their_names() -> None:
    names = ("zh", "Chinese", "ja-JP", "japanese", "日本語", "EN", "klingon", "")
    assert [language_code(name) for name in names] == ["zh", "zh", "ja", "ja", "ja", "en", "", ""]
