"""Pure: a sentence that is to be spoken in; its language out, by its signs."""

import re
from typing import Final, Literal

SpokenLanguage = Literal["ja", "zh", "ko"]

_HIRAGANA = re.compile("[ぁ-ゖ]")
_KATAKANA = re.compile("[ァ-ヺｦ-ﾝ]")
_HANGUL = re.compile("[가-힣]")
_HAN = re.compile("[㐀-䶿一-鿿豈-﫿]")
_CHINESE_ONLY: Final = frozenset("你妳您她嗎吗呢吧們们哪很怎麼么什啦")  # some of them are in Japan's tables, too
_MOST_KANJI: Final = 8


def language_of(text: str) -> SpokenLanguage:
    """Kanji alone are Japanese in a reply that keeps to its form, unless there are many of them, or one that Japan does
    not use. Katakana may be a name in any language."""
    if _HIRAGANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    signs = "".join(_HAN.findall(text))
    in_use = signs.encode("shift_jis", "ignore").decode("shift_jis") == signs
    many = len(signs) > _MOST_KANJI and not _KATAKANA.search(text)
    foreign = many or not in_use or not _CHINESE_ONLY.isdisjoint(signs)
    return "zh" if foreign else "ja"
