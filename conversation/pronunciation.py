"""Pure: a sentence as it is shown in, the text the synthesiser is given out.

Stage directions, emoji, Markdown, laughter in letters, faces, addresses and tags are shown but not spoken; names become
kana, the longest first. Nothing that a voice would obey instead of reading it is left: tags, marks of pauses,
interjections in brackets are ours to use, never a model's or a user's.
"""

import html
import re
import unicodedata
from collections.abc import Mapping

# Each pattern excludes its own opening sign from its body, and none runs on over line ends from a line's beginning, so
# that no input makes it read a stretch twice.
_LINK = re.compile(r"!?\[([^\[\]\n]{0,200})\]\([^()\s]{0,2000}\)")
_JAPANESE = "ぁ-ゖァ-ヺー一-鿿々！？!?。、…」』〜～"
_FACE_SIGNS = r"´｀`ω∀▽△Д□д^＾・･•°ﾟ゜＞＜><≧≦;；*＊_＿￣=ˊˋᗜ⌒◕◡ㅂㅅ益⊙◎╥๑ಠ╹ᴗ"
_FACE = rf"[(（](?=[^()（）\n]{{0,12}}[{_FACE_SIGNS}])(?:(?![ぁ-ゖァ-ヺ一-鿿A-Za-z0-9]{{2}})[^()（）\n]){{1,14}}[)）]"
_LEFT_ARM = r"(?:[ヽヾ＼\\∩٩ᕙᕦΣლ╰ง┐┌└ʅ⊂୧〃ｍｏ/／<＜]|(?<![A-Za-z0-9])[mdboOqpc])"
_RIGHT_ARM = r"(?:[و۶ᕗᕤ／/∩งヾゞლ╯⊃୨彡┐┘ｂｖｍ]|[ノﾉシツ](?![ァ-ヺー])|[vVbdmoOpq](?![A-Za-z0-9]))"
# What only the eye can read, and what is said in its place. The next one is a line more; each has a bounded length or
# excludes its own first sign, and none may reach over the end of a clause but from a sign that `_NO_MARKUP` excludes.
_EYE_ONLY = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (r"(?:https?|ftp)://[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]{0,2000}[A-Za-z0-9/=&#%_~+\-]", " "),
        (r"(?<![A-Za-z0-9])www\.[A-Za-z0-9\-._~:/?#@!$&'()*+,;=%]{0,2000}[A-Za-z0-9/]", " "),
        (r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}){1,5}", " "),
        (r"</?(?:br|p|div|li|ul|ol|hr|tr|td|h[1-6])(?:\s[^<>\n]{0,200})?/?>", " "),
        (r"[<＜]#[^<>＜＞\n]{0,40}#[>＞]", " "),
        (rf"{_LEFT_ARM}?{_FACE}{_RIGHT_ARM}?", " "),
        (r"[ᕙᕗᕦᕤლ୧୨٩۶]", " "),
        (r"\^[_.oωо▽\-]?\^[;*]?|>[_.﹏]<|[;；][_;；][;；]?|(?<![A-Za-z0-9])[-=][_.][-=](?![A-Za-z0-9])", " "),
        (r"(?<![A-Za-z0-9])(?:[Tt][_.][Tt]|[oO0][_.][oO0]|[xX]_[xX]|Q[Aw_]Q|[uUoO][wω][uUoO])(?![A-Za-z0-9])", " "),
        (r"(?<![A-Za-z0-9])(?:[:;]['^\-]?[DPpOo3)(|/\\]|[xX]D|orz|OTL|OTZ)(?![A-Za-z0-9])", " "),
        (r"(?<![A-Za-zＡ-Ｚａ-ｚ])ｗ+(?![A-Za-zＡ-Ｚａ-ｚ])", " "),
        (rf"(?<=[{_JAPANESE}])[ 　]?w+(?![A-Za-z0-9.])|\A\s*w{{2,}}(?![A-Za-z0-9.])", " "),
        (r"(?<![A-Za-z])(?:lol|lmao|rofl)(?![A-Za-z])", " "),
    )
)
_ENTITY = re.compile(
    r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});"
)  # as a tag is written to be shown
_TAG = re.compile(
    r"[<＜](?:/?[A-Za-zＡ-Ｚａ-ｚ][\w:.\-]{0,31}(?:[\s/][^<>＜＞\n]{0,400})?|[!?][^<>＜＞\n]{0,400})[>＞]"
)
# What is left of one that was nested deeper, put together by what was taken out, or is to be closed by the sentence
# after this one, which may follow on the same connection: its first sign.
_TAG_SIGN = re.compile(r"[<＜](?=[A-Za-zＡ-Ｚａ-ｚ/!?#]|\s*\Z)")
_BRACKET = re.compile(r"[(（](?=\s*(?:[A-Za-z]|\Z))")
_NO_BRACKETS = str.maketrans("(（", "  ")
_EMPHASIS = re.compile(r"\*{2,3}([^*\n]+)\*{2,3}|_{2,3}([^_\n]+)_{2,3}|~~([^~\n]+)~~")
_STAGE_DIRECTIONS = re.compile(r"[(（][^()（）]*[)）]|[\[［【][^\[\]［］【】]*[\]］】]|\*[^*\n]+\*|＊[^＊\n]+＊")
_MAX_NESTING = 3
_MARKDOWN = re.compile(r"```[A-Za-z]*|[`*＊_#~|]+|^[^\S\n]*(?:[-+>]|\d{1,3}[.)])\s+", re.MULTILINE)
_NO_MARKUP = re.compile(
    r"(?:[^()（）\[\]［］【】*＊_~`#|<>＜＞^:;；@wWｗＷ\n!]|!(?=[^\[]))*"
)  # nothing that reaches beyond a clause
_CLAUSE_END = re.compile(r"[、。！？!?…]+")
_SPACES = re.compile(r"\s+")
_VARIATIONS = frozenset("\ufe0e\ufe0f\u20e3")


def speakable(text: str, pronunciation: Mapping[str, str]) -> str:
    """What is said aloud of a sentence; empty where there is nothing to say."""
    text = _SPACES.sub(" ", _in_kana(_without_markup(text), pronunciation)).strip()
    return text if any(char.isalnum() for char in text) else ""


def _without_markup(text: str) -> str:
    text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    text = _LINK.sub(r"\1", text)
    for pattern, said in _EYE_ONLY:
        text = pattern.sub(said, text)
    text = _without_tags(text)
    text = _EMPHASIS.sub(lambda bold: bold[1] or bold[2] or bold[3], text)
    for _ in range(_MAX_NESTING):
        text = _STAGE_DIRECTIONS.sub(" ", text)
    text = _MARKDOWN.sub(" ", text)
    text = _without_tags("".join(char for char in text if not _is_pictogram(char)))
    text = _TAG_SIGN.sub(" ", text)
    return text.translate(_NO_BRACKETS) if _BRACKET.search(text) else text


def _without_tags(text: str) -> str:
    for _ in range(_MAX_NESTING):
        text = _TAG.sub("", text)
    return text


def speakable_ahead(text: str, pronunciation: Mapping[str, str]) -> str:
    """The beginning of what is said aloud of any sentence that begins with these whole clauses; maybe empty."""
    no_markup = _NO_MARKUP.match(text)
    assert no_markup is not None  # the pattern matches the empty string
    for clause in reversed(list(_CLAUSE_END.finditer(no_markup[0]))):
        beginning = text[: clause.end()]
        spoken = speakable(beginning, pronunciation)
        if _CLAUSE_END.fullmatch(spoken[-1:]) and not _ends_within(_without_markup(beginning), pronunciation):
            return spoken
    return ""


def _ends_within(text: str, names: Mapping[str, str]) -> bool:
    """Whether the last letters may be the first ones of a name."""
    return any(text.endswith(name[:length]) for name in names for length in range(1, len(name)))


def _in_kana(text: str, pronunciation: Mapping[str, str]) -> str:
    if not pronunciation:
        return text
    longest_first = sorted(pronunciation, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda name: pronunciation[name[0]], text)


def _is_pictogram(char: str) -> bool:
    """Also what joins and colours them; but not signs that stand for words: ℃, ㎏, №."""
    category = unicodedata.category(char)
    if category == "So":
        return char != "°" and not unicodedata.decomposition(char)
    return category in ("Sk", "Cf", "Cs", "Co", "Cn") or char in _VARIATIONS
