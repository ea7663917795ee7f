"""Pure: a sentence of plain text in; the language a voice must know to say it, where that is not Japanese, out."""

import re
from typing import Final

UNSPOKEN: Final = ""  # in place of a language: for the eye alone
_KANA = re.compile("[ぁ-ゖァ-ヺｦ-ﾝ]")
_HAN = re.compile("[㐀-䶿一-鿿豈-﫿]")
_HANGUL = re.compile("[가-힣]")
_ASIDE = re.compile(r"[(（\[［【][^()（）\[\]［］【】]*[)）\]］】]|\*[^*\n]+\*")  # no voice says it
_MAX_BARE_KANJI = 8  # 了解！ 全然大丈夫。


def has_kana(text: str) -> bool:
    return _KANA.search(text) is not None


def is_short_kanji(text: str) -> bool:
    """Whether it may be Japanese without kana: few signs, all of them in use in Japan."""
    signs = _HAN.findall(text)
    try:
        "".join(signs).encode("shift_jis")
    except UnicodeEncodeError:
        return False
    return 0 < len(signs) <= _MAX_BARE_KANJI


def foreign_language(text: str, *, japanese_around: bool) -> str | None:
    """`zh` or `ko`; None for Japanese, and where nothing tells (Latin letters, numbers, emoji)."""
    if has_kana(text):
        return None
    text = _ASIDE.sub("", text)
    if _HANGUL.search(text):
        return "ko"
    if _HAN.search(text) and not (japanese_around and is_short_kanji(text)):
        return "zh"
    return None
