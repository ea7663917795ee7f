"""Pure: what LLMs call the fields of the reply contract and the emotions in it, in any language and style.

The tables are what to extend when another model translates them: one name, one line.
"""

import re
from collections.abc import Mapping
from typing import Final

from services.base import EMOTIONS, Emotion

_MAX_KEY = 40
_MAX_LABEL = 24

# Words within a name: text_ja, "jp text", japaneseText.
FIELD_OF_WORD: Final[Mapping[str, str]] = {
    word: field
    for field, words in (
        ("jp", "jp ja jpn japanese nihongo"),
        ("cn", "cn zh chn chinese mandarin translation translated subtitle"),
        ("emotion", "emotion emotions mood feeling feelings sentiment expression"),
    )
    for word in words.split()
}
# Anywhere in a short name: 日语台词, 中文翻译, 情绪标签. The first that is found decides.
_FIELD_OF_SIGNS: Final = tuple(
    (name, field)
    for field, names in (
        ("jp", "日语 日文 日語 日本語 日本语 일본어"),
        (
            "cn",
            "中文 汉语 漢語 中国語 中国语 中國語 简体 簡体 繁体 繁體 国语 字幕 翻译 翻譯 翻訳 译文 譯文 중국어 번역",
        ),
        ("emotion", "情绪 情緒 表情 感情 心情 情感 语气 語氣 気持ち 気分 감정 기분"),
    )
    for name in names.split()
)
WHOLE_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    field: tuple(name for name, of in _FIELD_OF_SIGNS if of == field) for field in ("jp", "cn", "emotion")
}

# Beside one of the words above, in the names of lines: "Japanese text", line_jp.
_BESIDE: Final = "text line sentence label tag translation subtitle reply dialogue".split()

# The text to be spoken, if an object has no other: in a contract of another, not ours.
UNTOLD: Final = frozenset(
    "text content reply sentence speech dialogue dialog line 台词 台詞 原文 セリフ 文本 回复".split()
)

_EMOTION_WORDS: Final[Mapping[Emotion, str]] = {
    "happy": "happiness glad joy cheerful excited delighted 开心 開心 高兴 高興 快乐 快樂 喜悦 喜悅 愉快 兴奋 興奮 欢喜"
    " 嬉しい うれしい 楽しい たのしい 喜び 嬉しさ 幸せ ハッピー 기쁨 행복 즐거움",
    "sad": "sadness sorrow sorrowful 悲伤 悲傷 难过 難過 伤心 傷心 不开心 不高兴 失落 沮丧 忧伤 悲しい かなしい 悲しみ"
    " 寂しい さびしい さみしい 切ない 슬픔 슬픈",
    "angry": "anger mad annoyed 生气 生氣 愤怒 憤怒 恼火 恼怒 怒り 怒る 怒っている いらいら イライラ 분노 화남",
    "fearful": "fear scared afraid anxious 害怕 恐惧 恐懼 惊恐 紧张 担心 不安 怖い こわい 恐怖 恐れ 怯え 두려움 공포",
    "disgusted": "disgust 厌恶 厭惡 讨厌 討厭 恶心 嫌弃 嫌悪 嫌い きらい うんざり 혐오",
    "surprised": "surprise shocked astonished amazed 惊讶 驚訝 吃惊 惊喜 震惊 意外 驚き びっくり 驚いた 놀람",
    "calm": "neutral calmness peaceful relaxed 平静 平靜 冷静 冷靜 中性 中立 普通 淡定 温柔"
    " 穏やか 落ち着き 落ち着いた 평온 중립",
    "auto": "自动 自動",
}
_EMOTION_OF_WORD: Final[Mapping[str, Emotion]] = {
    word: emotion for emotion in sorted(EMOTIONS) for word in (emotion, *_EMOTION_WORDS[emotion].split())
}
_LONGEST_FIRST: Final = sorted((word for word in _EMOTION_OF_WORD if not word.isascii()), key=len, reverse=True)

_NOT_LETTERS = re.compile(r"[^a-z]+")
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# What stands before a colon where each field has its line, in small letters and with spaces.
LINE_NAMES: Final[Mapping[str, str]] = {
    **{name: field for name, field in _FIELD_OF_SIGNS},
    **{
        name: field
        for word, field in FIELD_OF_WORD.items()
        for name in (word, *(pair for other in _BESIDE for pair in (f"{word} {other}", f"{other} {word}")))
    },
}
COLUMNS: Final = "responses_"


def field_name(key: str) -> str | None:
    """Which of our fields a key means: jp, cn or emotion, also within a longer name such as responses_jp."""
    if len(key) > _MAX_KEY:
        return None
    words = _NOT_LETTERS.split(_CAPITAL.sub(" ", key.strip()).lower())
    named = next((FIELD_OF_WORD[word] for word in words if word in FIELD_OF_WORD), None)
    if named or key.isascii() or len(key) > _MAX_LABEL:
        return named
    return next((field for name, field in _FIELD_OF_SIGNS if name in key), None)


def is_untold(key: str) -> bool:
    """Whether a key may mean the text to be spoken."""
    return key.strip().lower() in UNTOLD


def emotion_of(label: str) -> Emotion:
    """The first that is named; auto where none is."""
    words = _NOT_LETTERS.split(label.lower())
    named = next((_EMOTION_OF_WORD[word] for word in words if word in _EMOTION_OF_WORD), None)
    if named or label.isascii() or len(label) > _MAX_LABEL:
        return named or "auto"
    return next((_EMOTION_OF_WORD[word] for word in _LONGEST_FIRST if word in label), "auto")


def is_emotion(text: str) -> bool:
    """Whether a text is an emotion's name and nothing else."""
    return text.strip().lower() in _EMOTION_OF_WORD


def begins_emotion(text: str) -> bool:
    """Whether a text may be the beginning of an emotion's name."""
    begun = text.strip().lower()
    return any(word.startswith(begun) for word in _EMOTION_OF_WORD)
