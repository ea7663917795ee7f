"""A transcript and what was just spoken in; whether the recogniser heard our own voice out.

It may hear a language that it does not know: a Chinese one writes 阿里嘎多 for ありがとう. So sounds are compared,
not letters: kana and the pinyin of Chinese characters in a dozen classes that such mistakes do not leave. Kanji in
Japanese have readings that are not looked up: one of them agrees with itself, and nearly with anything. The transcript
is aligned with the stretch of our words that is nearest to it (edit distance, P. H. Sellers, 1980).
"""

import re
from functools import lru_cache

import numpy as np

from conversation.interruption.spelling import joined, plain

# Less than so many sounds are said by chance, or repeated by the user.
FEWEST_SOUNDS = 8
# Of so many of its sounds may be others.
DIFFERENT = 0.25
KANJI_COST = 0.4
MOST_SOUNDS = 600  # the last ones

_KANA = re.compile(r"[ぁ-ん]")
_HAN = re.compile(r"[\u3400-\u9fff]")
_SENTENCE_END = re.compile(r"[。.!?\n]+")
_ROWS = {
    "": "あいうえおぁぃぅぇぉ",
    "k": "かきくけこがぎぐげご",
    "s": "さしすせそざじずぜぞ",
    "t": "た*つてとだ*づでど",
    "n": "なにぬねの",
    "h": "はひふへほ",
    "p": "ばびぶべぼぱぴぷぺぽ",
    "m": "まみむめも",
    "r": "らりるれろ",
}
_SOUNDS = {kana: row + "aiueo"[at % 5] for row, line in _ROWS.items() for at, kana in enumerate(line)} | {
    **{"ち": "si", "ぢ": "si", "つ": "su", "づ": "su", "や": "ia", "ゆ": "iu", "よ": "io", "ゃ": "a", "ゅ": "u"},
    **{"ょ": "o", "わ": "ua", "を": "o", "ん": "n", "っ": "", "ー": "", "ゔ": "pu"},
}
_LATIN = (
    (re.compile("zh|ch|sh|[zcsjqx]"), "s"),
    (re.compile("ng"), "n"),
    (re.compile("[gk]"), "k"),
    (re.compile("[bp]"), "p"),
    (re.compile("[dt]"), "t"),
    (re.compile("[fh]"), "h"),
    (re.compile("[lr]"), "r"),
    (re.compile("y"), "i"),
    (re.compile("[wvü]"), "u"),
    (re.compile("(.)\\1+"), "\\1"),
)


def sounds_like_own(transcript: str, spoken: str) -> bool:
    """Whether all of a transcript sounds like a stretch of what was spoken, as it was given to the voice.

    Too short a transcript does not: whoever is in doubt hears the user.
    """
    heard, said = _sounds(transcript), _sounds(spoken)[-MOST_SOUNDS:]
    if len(heard) < FEWEST_SOUNDS or len(heard) > MOST_SOUNDS or not said:
        return False
    return _distance(heard, said) <= DIFFERENT * len(heard)


def load_readings() -> None:
    """Have the readings of Chinese characters ready: the first look takes a tenth of a second, and 56 MiB for good."""
    _pinyin("你好")


def _distance(heard: str, said: str) -> float:
    """Of a text to the nearest stretch of another."""
    letters = np.array([ord(sound) for sound in said])
    kanji = letters > 0x3000
    places = np.arange(len(letters) + 1)
    best = np.zeros(len(places))
    for number, sound in enumerate(heard, 1):
        near = KANJI_COST if ord(sound) > 0x3000 else np.where(kanji, KANJI_COST, 1.0)
        changed = best[:-1] + np.where(letters == ord(sound), 0.0, near)
        row = np.concatenate(([number], np.minimum(changed, best[1:] + 1.0)))
        best = np.minimum.accumulate(row - places) + places
    return float(best.min())


@lru_cache(maxsize=32)
def _sounds(text: str) -> str:
    """In classes of sounds, and in kanji."""
    # Who has kana in a sentence speaks Japanese in all of it.
    sentences = map(joined, _SENTENCE_END.split(plain(text)))
    words = "".join(each if _KANA.search(each) else _pinyin(each) for each in sentences)
    words = "".join(_SOUNDS.get(letter, letter) for letter in words.replace(" ", ""))
    for letters, sound in _LATIN:
        words = letters.sub(sound, words)
    return words


def _pinyin(text: str) -> str:
    if _HAN.search(text) is None:
        return text
    from pypinyin import Style, lazy_pinyin  # see load_readings

    return "".join(lazy_pinyin(text, style=Style.NORMAL))
