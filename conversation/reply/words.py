"""Pure: a word or a text of an LLM's reply in; which field of the reply contract it names, or how it is shown, out."""

import re
import unicodedata

from conversation.reply.reply_filter import without_marks
from services.base import EMOTIONS, Emotion

_MAX_KEY = 40
_FIELD_OF_WORD = {
    "jp": "jp", "ja": "jp", "japanese": "jp", "cn": "cn", "zh": "cn", "chinese": "cn",
    "emotion": "emotion", "emotions": "emotion",
}  # fmt: skip
_COLUMN = "responses"
_NOT_LETTERS = re.compile(r"[^a-z]+")
_CONTRACT_KEY = re.compile(r"(?:jp|cn|emotion|responses_[a-z_]{1,20})")
_LAST_NAME = re.compile(r"[A-Za-z_]{1,40}\Z")
_FIELD = re.compile(r"(?<![A-Za-z0-9.-])(?:jp|cn|emotion|responses_[a-z_]{1,20})[\"'“”]?\s{0,8}[:：]")
_QUOTED_FIELD = re.compile(r"[\"'“]?" + _FIELD.pattern)
_JSON = re.compile(r"\{|\A\s*[\"'“]|\[\s{0,8}[\"'“]|" + _FIELD.pattern)
# Nothing that `clean` may take away together with what follows; a stop that may still be doubled ends no clause.
_WHOLE_CLAUSES = re.compile(r"[^{}\[\]“”\",:：<◁]*(?:[、。]|[！？!?…](?=[^{}\[\]“”\",:：<◁！？!?…]))")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# What no encoding can carry, and what turns text around: as in `conversation/user_text.py`.
_UNSHOWABLE = re.compile(r"[\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_FENCE = re.compile(r"```[A-Za-z]*")
_SENTENCE = re.compile(r"[^。！？!?…\n]*[。！？!?…]*[」』”’）)\]】\"']*")
_SYNTAX = str.maketrans("", "", '{}[]"`“”\\')
_LEADING_MARKS = re.compile(r"\A(?:[,:]+(?:\s+|\Z))+")
_ANY_KEY = re.compile(r"[\"'“]?[A-Za-z_]{1,40}[\"'”]?\s{0,8}[:：]")
_NAME = re.compile(r"[A-Za-z_]+")
_TOOL_CALL = tuple(
    map(re.compile, (r"\A[\s\[`a-z]{0,16}\{", r"[\"']name[\"']\s{0,8}:", r"[\"'](?:arguments|parameters)[\"']\s{0,8}:"))
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STRAY = " \t\r\n{}[]\"'“”‘’,，:：\\`"


def is_contract_key(text: str) -> bool:
    """Whether a word is one of the contract's field names and nothing else, be it among stray syntax."""
    return field_name(text) is not None and _CONTRACT_KEY.fullmatch(text.strip(_STRAY)) is not None


def is_cut_word(text: str) -> bool:
    """Whether a word may be the beginning of a field's name or of an emotion."""
    word = text.strip(_STRAY).lower()
    return word.startswith(_COLUMN) or any(name.startswith(word) for name in (*_FIELD_OF_WORD, _COLUMN, *EMOTIONS))


def is_contract_word(text: str) -> bool:
    """Whether a word that stands alone is a field's name, an emotion or null: these are never shown."""
    word = text.strip(_STRAY).lower()
    return word in EMOTIONS or word in _FIELD_OF_WORD or word == "null" or word.startswith(f"{_COLUMN}_")


def is_column(key: str) -> bool:
    """Whether a key is that of a column: the older form of the contract."""
    return _COLUMN in key.lower()


def field_name(key: str) -> str | None:
    """Which of our fields a key means: jp, cn or emotion, also within a longer name such as responses_jp."""
    if len(key) > _MAX_KEY:
        return None
    words = _NOT_LETTERS.split(key.strip().lower())
    return next((_FIELD_OF_WORD[word] for word in words if word in _FIELD_OF_WORD), None)


def split_key(text: str) -> tuple[str, str | None]:
    """A contract key at the end of a text, apart from what stands before it."""
    stripped = text.rstrip(_STRAY)
    name = _LAST_NAME.search(stripped[-_MAX_KEY:])
    if name is None or _CONTRACT_KEY.fullmatch(name[0]) is None:
        return text, None
    return stripped[: -len(name[0])], name[0]


def looks_like_fields(text: str) -> bool:
    return _FIELD.search(text) is not None


def looks_like_json(text: str) -> bool:
    return _JSON.search(text) is not None


def is_tool_call(text: str) -> bool:
    """Whether a text is JSON that calls a function: some models write it without any mark."""
    return all(sign.search(text) for sign in _TOOL_CALL)


def emotion_of(label: str) -> Emotion:
    """The first that is named; auto where none is."""
    words = _NOT_LETTERS.split(label.lower())
    return next((emotion for emotion in EMOTIONS if emotion in words), "auto")


def clean(text: str) -> str:
    """A text as it is shown: on one line, without field names, and brackets and quotes only where they pair."""
    text = _QUOTED_FIELD.sub(" ", without_marks(_UNSHOWABLE.sub("", text)))
    for opening, closing in ("{}", "[]", "“”"):
        if not _pairs(text, opening, closing):
            text = text.replace(opening, "").replace(closing, "")
    if text.count('"') % 2:
        text = text.replace('"', "")
    text = _SPACES.sub(" ", text.replace("[]", "").replace("{}", "")).strip()
    return _LEADING_MARKS.sub("", text).rstrip(" ,")


def settled(text: str) -> str:
    """The beginning of what is shown of any text that begins like this: up to the end of a clause, else empty."""
    whole_clauses = _WHOLE_CLAUSES.match(text)
    return clean(whole_clauses[0]) if whole_clauses else ""


def _pairs(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for char in text:
        depth += (char == opening) - (char == closing)
        if depth < 0:
            return False
    return not depth


def unescaped(text: str) -> str:
    """JSON that was quoted in a string."""
    return _ESCAPED.sub(lambda escape: {"n": "\n", "u": "\\u"}.get(escape[1], escape[1]), text)


def without_fences(text: str) -> str:
    return _FENCE.sub(" ", text)


def without_names(text: str) -> str:
    """What is left of an object that has no text in any field: its words, but no key, no emotion and no null."""
    text = _ANY_KEY.sub(" ", without_fences(text)).translate(_SYNTAX)
    return _NAME.sub(lambda name: "" if is_cut_word(name[0]) or is_contract_word(name[0]) else name[0], text)


def plain_sentences(text: str, *, like_json: bool) -> list[str]:
    """Plain text, split at the end of each sentence; `like_json`: what is left of an object, without its syntax."""
    text = without_fences(text)
    if like_json:
        text = text.translate(_SYNTAX)
    pieces = (clean(piece).strip("'" if like_json else None) for piece in _SENTENCE.findall(text))
    return [piece for piece in pieces if has_word(piece)]


def has_word(text: str) -> bool:
    """Whether anything is left to show: a letter, a digit, an emoji, or a silence that is meant."""
    return any(char.isalnum() or char == "…" or unicodedata.category(char) == "So" for char in text)
