"""Replies whose model translated or renamed the fields of the contract, or the emotions in it."""

import pytest

from conversation.reply.names import emotion_of
from services.base import Emotion
from tests.conversation.reply.reading import Said, read

NAMES = """
情绪 日语 中文 | 情緒 日文 漢語 | 表情 日本語 中国語 | 感情 日语台词 中文翻译 | 心情 日語 翻译
语气 日本语 简体中文 | 情绪标签 日语回复 字幕
Emotion Japanese Chinese | mood text_ja text_zh | feeling jp_text cn_text | emotion_label content_jp content_cn
감정 일본어 중국어 | sentiment japaneseText chineseText | emotion text translation | mood 台词 译文
emotion セリフ 翻訳 | EMOTION JA ZH_CN
emotion reply translation | expression speech subtitle
"""


@pytest.mark.parametrize("names", [names.split() for names in NAMES.replace("\n", " | ").split(" | ") if names.strip()])
@pytest.mark.parametrize("label", ["happy", "开心", "嬉しい", "Joy", "행복", "开心（微笑）"])
def test_fields_and_emotions_are_known_by_other_names(names: list[str], label: str) -> None:
    emotion, jp, cn = names
    said = [("こんにちは！", "你好！", "happy"), ("うん。", "嗯。", "happy")]
    lines = [
        f'{{"{emotion}":"{label}","{jp}":"こんにちは！","{cn}":"你好！"}}',
        f'{{"{emotion}": "{label}", "{jp}": "うん。", "{cn}": "嗯。"}}',
    ]
    assert read(*"\n".join(lines)) == said
    assert read(*("[" + ",\n".join(lines) + "]")) == said


@pytest.mark.parametrize(
    ("label", "emotion"),
    [
        *(
            ("生气", "angry"),
            ("愤怒", "angry"),
            ("怒り", "angry"),
            ("悲しい", "sad"),
            ("难过", "sad"),
            ("寂しい", "sad"),
        ),
        *(("不开心", "sad"), ("不高兴", "sad"), ("惊讶", "surprised"), ("驚き", "surprised"), ("害怕", "fearful")),
        *(("怖い", "fearful"), ("厌恶", "disgusted"), ("平静", "calm"), ("穏やか", "calm"), ("neutral", "calm")),
        *(
            ("有点悲伤", "sad"),
            ("sad（悲しい）", "sad"),
            ("悲しい/happy", "happy"),
            ("sadness", "sad"),
            ("自动", "auto"),
        ),
        *(("happy, sad", "happy"), ("sad, happy", "sad"), ("青い", "auto"), ("", "auto"), ("happily", "auto")),
        ("これはとても長い、楽しいという言葉を含むただの文章なのです", "auto"),
    ],
)
def test_an_emotion_is_known_in_other_languages(label: str, emotion: Emotion) -> None:
    assert emotion_of(label) == emotion


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<jp>うん。</jp><cn>嗯。</cn>", [("うん。", "嗯。", "auto")]),
        ("<reply>\n<emotion>sad</emotion>\n<jp>うん。</jp>\n<cn>嗯。</cn>\n</reply>", [("うん。", "嗯。", "sad")]),
        ("<emotion>happy</emotion>うん。", [("うん。", "うん。", "happy")]),
        ('{"emotion": "sad", "jp": "<jp>うん。</jp>", "cn": "嗯。"}', [("うん。", "嗯。", "sad")]),
        ("日语：こんにちは！\n中文：你好！", [("こんにちは！", "你好！", "auto")]),
        ("情绪：开心\n日语：こんにちは！\n中文：你好！", [("こんにちは！", "你好！", "happy")]),
        ("- **表情**: happy\n- **日本語**: こんにちは！\n- **中国語**: 你好！", [("こんにちは！", "你好！", "happy")]),
        ('"情绪":"happy","日语":"こんにちは！","中文":"你好！"', [("こんにちは！", "你好！", "happy")]),
        ('{"日语":"こんにちは！"}', [("こんにちは！", "こんにちは！", "auto")]),
        (
            '{"emotion":"sad","text":"うん。"}{"emotion":"happy","text":"ね。"}',
            [("うん。",) * 2 + ("sad",), ("ね。",) * 2 + ("happy",)],
        ),
        ('{"text":"a","jp":"うん。","cn":"嗯。"}', [("うん。", "嗯。", "auto")]),
        ('{"emotion":"sad","text":["うん。","ね。"],"cn":"嗯。"}', [("うん。ね。", "嗯。", "sad")]),
        ('["happy","こんにちは！"]', [("こんにちは！", "こんにちは！", "happy")]),
        ('{"a":"开心","b":"うん。"}', [("うん。", "うん。", "happy")]),
        ('{"a":"悲しい"}', [("悲しい", "悲しい", "sad")]),  # as a word it is all there is
        ('{"a":"happy"}', []),
        ('{"情绪":"happy"}', []),
        ('{"情绪":"happy","日语":"', []),
        ('{"jp":"悲しい","cn":"难过","emotion":"sad"}', [("悲しい", "难过", "sad")]),
        ("悲しい。", [("悲しい。", "悲しい。", "auto")]),
        ("开心就好。日语很难。", [("开心就好。",) * 2 + ("auto",), ("日语很难。",) * 2 + ("auto",)]),
        ("彼の中文：すごい。", [("彼の中文：すごい。",) * 2 + ("auto",)]),
    ],
)
def test_a_name_or_an_emotion_is_never_spoken_and_a_sentence_always(text: str, said: list[Said]) -> None:
    assert read(*text) == said


def test_cut_off_anywhere_no_name_and_no_emotion_is_shown() -> None:
    text = '{"情绪":"生气","日语":"あいう。","中文":"甲乙"}\n{"情绪":"开心","日语":"かき。","中文":"丙丁"}'
    for end in range(len(text)):
        for jp, cn, _ in read(*text[:end]):
            assert set(jp) | set(cn or "") <= set("あいう。かき甲乙丙丁"), text[:end]
