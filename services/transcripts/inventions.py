"""Pure: what ASRs of the Whisper and SenseVoice families write where nobody spoke, as tables. A new report is one line.

`services/transcripts/cleaning.py` applies them. Compared without case, blanks and punctuation.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rule:
    """A segment is none where all that stands here holds of it, and all of it is known."""

    why: str
    no_speech_over: float | None = None  # the model's own probability that nobody spoke
    logprob_under: float | None = None  # mean over its tokens: how sure it is of the words
    compression_over: float | None = None  # how well the text packs: loops do


# Measured with Whisper base: silence, noise, coughs and music have 0.68 to 0.80 and -0.7 to -2.9, clear speech 0.04 to
# 0.24 and -0.3 to -0.7. OpenAI's own thresholds are 0.6 and -1.0, which let "You" out of silence pass at -0.97.
RULES: Final = (
    Rule("nobody spoke", no_speech_over=0.6, logprob_under=-0.7),
    Rule("nothing was understood", logprob_under=-2.0),
    Rule("nobody spoke, and it goes round in circles", no_speech_over=0.3, compression_over=2.4),
)

# A transcript of nothing but one of these is none, if the audio is short and the model was not sure, or did not say.
SHORT_S: Final = 6.0
UNSURE_NO_SPEECH: Final = 0.3
UNSURE_LOGPROB: Final = -0.8

# What subtitles end with, and nobody says to a character. {} stands for anything.
SUBTITLES: Final = {
    "ja": (
        "ご視聴ありがとうございました",
        "ご視聴ありがとうございます",
        "ご覧いただきありがとうございます",
        "最後までご視聴いただきありがとうございました",
        "最後までご視聴ありがとうございました",
        "チャンネル登録をお願いいたします",
        "チャンネル登録よろしくお願いします",
        "チャンネル登録と高評価{}お願いします",
        "高評価とチャンネル登録{}お願いします",
        "次の動画でお会いしましょう",
        "次回の動画でお会いしましょう",
        "また次の動画でお会いしましょう",
        "字幕視聴ありがとうございました",
        "字幕by{}",
        "字幕作成{}",
    ),
    "zh": (
        "请不吝点赞{}",
        "请不吝点赞订阅转发打赏支持明镜与点点栏目",
        "明镜与点点栏目",
        "字幕by{}",
        "字幕由{}提供",
        "中文字幕志愿者{}",
        "字幕志愿者{}",
        "字幕制作{}",
        "字幕组{}",
        "感谢观看",
        "谢谢观看",
        "谢谢大家观看",
        "谢谢收看",
        "多谢您的观看",
        "感谢您的收看",
        "感谢收看{}再见",
        "感谢您的观看{}再见",
        "请订阅我的频道",
        "欢迎订阅我的频道",
        "优优独播剧场yoyotelevisionseriesexclusive",
        "作词{}作曲{}",
        "词曲{}",
    ),
    "en": (
        "thank you for watching{}",
        "thanks for watching{}",
        "thank you so much for watching{}",
        "please subscribe to my channel",
        "please subscribe{}",
        "dont forget to subscribe{}",
        "like and subscribe{}",
        "see you in the next video",
        "ill see you in the next video",
        "subtitles by{}",
        "subtitled by{}",
        "transcribed by{}",
        "transcription by{}",
        "translated by{}",
        "captions by{}",
    ),
}

# The same, but people say it, too: only where the model itself was not sure.
ORDINARY: Final = {
    "ja": ("ありがとうございました", "おやすみなさい", "はい", "うん", "ん", "あ"),
    "zh": ("谢谢", "谢谢大家", "嗯", "啊", "好", "再见"),
    "en": ("you", "thank you", "thank you very much", "bye", "bye bye", "okay", "oh", "so", "hmm", "uh"),
}

# Sounds that are written down where no words are, in brackets of any kind or between notes.
BRACKETS: Final = ("[]", "()", "（）", "【】", "［］", "<>", "＜＞", "〈〉", "♪♪", "♫♫", "**")
SOUNDS: Final = (
    "blank_audio",
    "inaudible",
    "silence",
    "music",
    "applause",
    "laughter",
    "laughs",
    "sigh",
    "sighs",
    "cough",
    "noise",
    "background noise",
    "no speech",
    "beep",
    "bell",
    "typing",
    "clicking",
    "music playing",
    "foreign",
    "speaking in foreign language",
    "speaks foreign language",
    "音楽",
    "拍手",
    "笑",
    "笑い",
    "笑い声",
    "ため息",
    "咳",
    "無音",
    "チャイム",
    "ノイズ",
    "音乐",
    "掌声",
    "笑声",
    "咳嗽",
    "叹气",
    "沉默",
    "静音",
    "无声",
    "字幕",
)
# SenseVoice's servers put emotions and events as pictures into the text.
PICTURES: Final = "😊😔😡😰🤢😮😐🎼👏😀😭🤧😷❓🥰♪♫"

# A piece of up to so many characters, so many times, longer than anybody can say in that time: a loop.
LOOP_PIECE: Final = 40
LOOP_TIMES: Final = 4
SPOKEN_PER_S: Final = 25.0  # characters; Mandarin has up to 7, Japanese 14, English 22

# What servers call the languages that we distinguish.
LANGUAGES: Final = {
    "zh": "zh", "zho": "zh", "cmn": "zh", "chinese": "zh", "mandarin": "zh", "中文": "zh", "普通话": "zh",
    "yue": "yue", "cantonese": "yue", "粤语": "yue",
    "ja": "ja", "jpn": "ja", "japanese": "ja", "日本語": "ja", "日语": "ja",
    "en": "en", "eng": "en", "english": "en",
    "ko": "ko", "kor": "ko", "korean": "ko",
}  # fmt: skip
