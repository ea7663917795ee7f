"""A phrase and its language in, its likely pronunciations out: phones of the acoustic model (ARPAbet), best first.

The model learnt American English. For the sounds of Mandarin and Japanese the tables name the phones it takes them for:
first what they resemble on paper, then what it answered when it was made to align speech whose words were known.
"""

import heapq
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from services.vendors.embedded import open_jtalk

Variants = tuple[str, ...]  # of one syllable or word, best first; phones parted by spaces, "" where it is not heard
Dictionary = Mapping[str, Variants]  # English words in small letters

MAX_VARIANTS = 12  # of one phrase

# The tables -------------------------------------------------------------------------------------------------------
# Alternatives are parted by spaces, phones of one by underscores; a lone underscore is silence. The first of all sounds
# together are one manner of speaking, and so are the second and the third; a sound with fewer keeps to its last.

# Pinyin, as pypinyin parts it in its strict style: `y` and `w` are no initials.
_INITIALS = {
    "b": "B P", "p": "P K_HH", "m": "M", "f": "F TH", "d": "D DH T", "t": "T", "n": "N", "l": "L L N", "g": "G G K",
    "k": "K", "h": "HH K", "j": "JH D_Z CH", "q": "CH T_S SH", "x": "SH S_Y S", "zh": "JH D_Z CH", "ch": "CH T_S SH",
    "sh": "SH SH S", "r": "R ZH", "z": "D_Z T_S", "c": "T_S", "s": "S Z", "": "_",
}  # fmt: skip
_FINALS = {
    "a": "AA", "o": "W_AO OW", "e": "AH UH OW", "ê": "EH", "er": "AA_R ER", "ai": "AY AY AA_Y", "ei": "EY EY EH",
    "ao": "AW AO AA_W", "ou": "OW", "an": "AA_N AA_N AE_N", "en": "AH_N ER_N", "ang": "AA_NG AA_N AO_NG",
    "eng": "AH_NG OW_NG UH_NG", "ong": "UH_NG AO_NG OW_N", "i": "IY", "ia": "Y_AA IY_AA", "ie": "Y_EH Y_EH EH",
    "iao": "Y_AW Y_AO", "iou": "Y_OW IY_OW", "ian": "Y_EH_N Y_EH_N IY_EH_N", "in": "IY_N IY_N IH_N",
    "iang": "Y_AA_NG Y_AA_N IY_AA_NG", "ing": "IY_NG IH_N IH_NG", "iong": "Y_UH_NG Y_AO_NG", "u": "UW UW OW",
    "ua": "W_AA", "uo": "W_AO W_AO W_OW", "uai": "W_AY", "uei": "W_EY W_IY", "uan": "W_AA_N", "uen": "W_AH_N",
    "uang": "W_AA_NG W_AA_N", "ueng": "W_AH_NG", "v": "Y_UW Y_IY IY", "ve": "Y_EH UW_EH EH", "van": "Y_EH_N Y_AA_N",
    "vn": "Y_UW_N IY_N",
}  # fmt: skip
_WHOLE = {  # initial and final: where the two together sound otherwise
    **dict.fromkeys((("zh", "i"), ("ch", "i"), ("sh", "i"), ("r", "i")), "ER UW IH"),
    **dict.fromkeys((("z", "i"), ("c", "i"), ("s", "i")), "AH UW IH"),
    ("", "u"): "W_UW UW",
    ("", "i"): "Y_IY IY",
    ("", ""): "AH_N N AH_NG M",  # 嗯
}

# Japanese, as Open JTalk names its phonemes; capital vowels are devoiced.
_VOWELS = {
    "a": "AA AA AE", "i": "IY IY IH", "u": "UW UH AH", "e": "EH IH EY", "o": "OW AO UH",
    "A": "AA", "I": "_ IY IH", "U": "_ UW UH", "E": "EH", "O": "OW",
}  # fmt: skip
_CONSONANTS = {
    "k": "K K G", "s": "S", "t": "T T D", "n": "N", "h": "HH F", "m": "M", "r": "R DH D _", "g": "G", "z": "Z D_Z",
    "d": "D", "b": "B", "p": "P", "w": "W _ W", "y": "Y", "sh": "SH S", "ch": "CH T_SH", "ts": "T_S",
    "j": "JH D_ZH Z", "f": "F HH", "v": "V B", "ky": "K_Y", "gy": "G_Y", "ny": "N_Y", "hy": "HH_Y SH", "my": "M_Y",
    "ry": "R_Y L_Y", "by": "B_Y", "py": "P_Y", "ty": "T_Y", "dy": "D_Y", "kw": "K_W", "gw": "G_W", "": "_",
}  # fmt: skip
_MORAIC_NASAL = "N N IH_N"
_NASALS = {"b": "M", "p": "M", "m": "M", "k": "NG N", "g": "NG N"}  # before these; first letters
_UNHEARD = frozenset(("cl", "pau", "sil"))  # a held consonant is a silence, which the model needs not be told of
_MANNERS = 3

_LETTERS = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_ROMAJI = re.compile(r"([kgsztdnhbpmr]y|sh|ch|ts|[kgsztdnhbpmyrwjfv]?)(aa|[aiueo])|(n)(?![aiueoy])")
_MAX_SPELT = 4  # letters of a word that is read letter by letter


# Phrases ----------------------------------------------------------------------------------------------------------


def pronounce(language: str, phrase: str, dictionary: Dictionary) -> Variants:
    """() where some of it cannot be pronounced: then the whole could never be heard as it is written."""
    parts = {"zh": _mandarin, "ja": _japanese, "en": _english}.get(language, _english)(phrase, dictionary)
    return tuple(_best(parts)) if parts else ()


def _mandarin(phrase: str, dictionary: Dictionary) -> list[Variants]:
    """Latin words within are taken for English."""
    from pypinyin import Style, pinyin  # only where a phrase needs it: its tables take 50 ms

    parts: list[Variants] = []
    for solid, latin in re.findall("([\u3400-\u9fff]+)|([A-Za-z]+)|(?:[^\\W]|[^\\w\\s，。！？、,.!?…~～·])", phrase):
        if solid:
            initials = pinyin(solid, style=Style.INITIALS, strict=True)
            finals = pinyin(solid, style=Style.FINALS, strict=True)
            for (initial,), (final,) in zip(initials, finals, strict=True):
                parts += _syllable(initial, final)
        elif latin:
            parts += _english(latin, dictionary) or [()]
        else:
            return []
    return parts if all(parts) else []


def _syllable(initial: str, final: str) -> list[Variants]:
    vowels = _WHOLE.get((initial, final)) or _FINALS.get(final)
    return [_alternatives(_INITIALS[initial]), _alternatives(vowels)] if vowels and initial in _INITIALS else [()]


def _japanese(phrase: str, _: Dictionary) -> list[Variants]:
    if re.search(r"[^\w\s、。！？!?,.・ー~～]", phrase):
        return []
    try:
        phonemes = open_jtalk.phonemes(phrase)
    except RuntimeError:  # it cannot make anything of it
        return []
    return _morae([phoneme for phoneme in phonemes if phoneme not in _UNHEARD])


def _morae(phonemes: Sequence[str]) -> list[Variants]:
    parts = []
    for phoneme, after in itertools.pairwise([*phonemes, ""]):
        written = _NASALS.get(after[:1], _MORAIC_NASAL) if phoneme == "N" else _VOWELS.get(phoneme)
        written = written or _CONSONANTS.get(phoneme)
        parts.append(_alternatives(written) if written else ())
    return parts if all(parts) else []


def _english(phrase: str, dictionary: Dictionary) -> list[Variants]:
    words = re.findall(r"[A-Za-z']+|[^\s,.!?-]", phrase)
    parts = [each for word in words for each in _word(word, dictionary)]
    return parts if all(parts) else []


def _word(word: str, dictionary: Dictionary) -> list[Variants]:
    """Of the dictionary, or a compound of two words in it, or a Japanese name in Latin letters, or letter by letter."""
    small = word.lower()
    if word.isupper() and 1 < len(word) <= _MAX_SPELT:  # AI
        return [(_LETTERS[letter],) for letter in small]
    if small in dictionary:
        return [dictionary[small]]
    romaji = _romaji(small)
    if romaji:
        return romaji
    for cut in range(len(small) - 2, 1, -1):
        tail = small[cut:]
        if small[:cut] in dictionary and (tail in dictionary or not re.search("[aeiou]", tail)):
            return [dictionary[small[:cut]], *_word(tail, dictionary)]
    if len(small) <= _MAX_SPELT and small.isalpha() and small.isascii():
        return [(_LETTERS[letter],) for letter in small]
    return [()]


def _romaji(word: str) -> list[Variants]:
    phonemes: list[str] = []
    at = 0
    while at < len(word):
        found = _ROMAJI.match(word, at)
        if found is None:
            return []
        consonant, vowel, nasal = found.groups()
        phonemes += ["N"] if nasal else [consonant, vowel[0]] if consonant else [vowel[0]]
        at = found.end()
    return _morae(phonemes)


# Variants ---------------------------------------------------------------------------------------------------------


@cache
def _alternatives(written: str) -> Variants:
    return tuple(each.replace("_", " ").strip() for each in written.split())


def _best(parts: Sequence[Variants]) -> Iterator[str]:
    """The pronunciations of a whole phrase: each manner throughout, then with one part in another, with two ..."""
    manners = [tuple(min(manner, len(part) - 1) for part in parts) for manner in range(_MANNERS)]
    waiting = [(0, number, chosen) for number, chosen in enumerate(manners)]
    seen = set(manners)
    found: set[str] = set()
    while waiting and len(found) < MAX_VARIANTS:
        changes, _, chosen = heapq.heappop(waiting)
        phones = " ".join(part[at] for part, at in zip(parts, chosen, strict=True) if part[at])
        if phones and phones not in found:
            found.add(phones)
            yield phones
        for at, part in enumerate(parts):
            for other in range(len(part)):
                changed = (*chosen[:at], other, *chosen[at + 1 :])
                if changed not in seen:
                    seen.add(changed)
                    heapq.heappush(waiting, (changes + 1, len(seen), changed))


def read_dictionary(lines: Iterable[str]) -> dict[str, Variants]:
    """The acoustic model's own: a word and its phones on each line, `word(2)` for its second pronunciation."""
    words: dict[str, Variants] = {}
    for line in lines:
        written, _, phones = line.partition(" ")
        word = written.partition("(")[0]
        words[word] = (*words.get(word, ()), phones.strip())
    return words
