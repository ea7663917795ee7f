"""Pure: a word or a text of an LLM's reply in; which field of the reply contract it names, or how it is shown, out."""

import re
import unicodedata

from conversation.reply import labels
from conversation.reply.labels import Opening
from conversation.reply.marks import are_calls
from conversation.reply.names import WHOLE_NAMES, begins_emotion, field_name, is_emotion
from conversation.reply.reply_filter import only_without_marks, without_marks
from services.base import EMOTIONS

_MAX_KEY = 40
_CONTRACT_WORDS = ("jp", "ja", "japanese", "cn", "zh", "chinese", "emotion", "emotions")
_TRANSLATED_NAMES = tuple(name for names in WHOLE_NAMES.values() for name in names)
_COLUMN = "responses"
_NAMES_TO_CUT = (*_CONTRACT_WORDS, *_TRANSLATED_NAMES, _COLUMN, *EMOTIONS)
_CONTRACT_KEY = re.compile(r"(?:jp|cn|emotion|responses_[a-z_]{1,20})")
_LAST_NAME = re.compile(r"[A-Za-z_]{1,40}\Z")
_FIELD = re.compile(r"(?<![A-Za-z0-9.-])(?:jp|cn|emotion|responses_[a-z_]{1,20})[\"'“”]?\s{0,8}[:：]")
_BEFORE_NAME = r"(?:[-*+]\s{0,4})?[\"'“*]{0,2}"
_AFTER_NAME = r"[\"'”*]{0,2}[^\S\n]{0,8}[:：]"
_LINE_FIELD = re.compile(rf"(?:\A|\n)[^\S\n]{{0,8}}{_BEFORE_NAME}(?:{'|'.join(WHOLE_NAMES['jp'])}){_AFTER_NAME}")
_FIRST_FIELD = re.compile(rf"\A\s*{_BEFORE_NAME}(?:{'|'.join(WHOLE_NAMES['emotion'])}){_AFTER_NAME}")
_OPENS = re.compile(r"\[\s{0,8}[\[\"'“]|[\"'“]\s{0,4}[\[\\]")
_MAY_OPEN = re.compile(r"(?:`{1,2}|\[\s{0,8}|[\"'“]\s{0,4})?\Z")
_FENCED = re.compile(r"```[\w+#-]{0,20}\s*")
_LIST = re.compile(r"\[\s{0,8}[\"'“]")
_QUOTED_FIELD = re.compile(r"[\"'“]?" + _FIELD.pattern)
_JSON = re.compile(r"\{|\A\s*[\"'“]|\[\s{0,8}[\"'“]|" + _FIELD.pattern)
# Nothing that `clean` may take away together with what follows; a stop that may still be doubled ends no clause.
_WHOLE_CLAUSES = re.compile(r"[^{}\[\]“”\",:：<◁]*(?:[、。]|[！？!?…](?=[^{}\[\]“”\",:：<◁！？!?…]))")
_SPACES = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
# What no encoding can carry, and what turns text around: as in `conversation/user_text.py`.
_UNSHOWABLE = re.compile(r"[\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+")
_FENCE = re.compile(r"```[\w+#-]*")
_SENTENCE = re.compile(r"(?:(?:https?://|www\.)[!-~]+|[^。！？!?…\n])*[。！？!?…]*[」』”’）)\]】\"']*")
_BETWEEN_STRINGS = re.compile(r"(?<=[\"'”])\s{0,8},\s{0,8}(?=[\"'“])")
_SYNTAX = str.maketrans("", "", '{}[]"`“”\\')
_LEADING_MARKS = re.compile(r"\A(?:[,:]+(?:\s+|\Z))+")
_ANY_KEY = re.compile(rf"[\"'“]?(?:[A-Za-z_]{{1,40}}|{'|'.join(_TRANSLATED_NAMES)})[\"'”]?\s{{0,8}}[:：]")
_STRING = re.compile(r"[\"'“]([^\"'“”]{1,24})[\"'”]")
_CUT_STRING = re.compile(r"[\"'“]([^\"'“”:：,，]{1,12})[\"'”]?\Z")
_NAME = re.compile(r"[A-Za-z_]+")
_TOOL_CALL = tuple(map(re.compile, (r"\{", r"[\"']name[\"']\s{0,8}:", r"[\"'](?:arguments|parameters)[\"']\s{0,8}:")))
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STRAY = " \t\r\n{}[]\"'“”‘’,，:：\\`"


def is_contract_key(text: str) -> bool:
    """Whether a word is one of the contract's field names and nothing else, be it among stray syntax."""
    return field_name(text) is not None and _CONTRACT_KEY.fullmatch(text.strip(_STRAY)) is not None


def is_cut_word(text: str) -> bool:
    """Whether a word may be the beginning of a field's name or of an emotion."""
    word = text.strip(_STRAY).lower()
    return word.startswith(_COLUMN) or any(name.startswith(word) for name in _NAMES_TO_CUT)


def is_contract_word(text: str) -> bool:
    """Whether a word that stands alone is a field's name, an emotion or null: these are never shown."""
    word = text.strip(_STRAY).lower()
    named = word in _CONTRACT_WORDS or word in _TRANSLATED_NAMES or word.startswith(f"{_COLUMN}_")
    return named or word == "null" or word in EMOTIONS


def is_column(key: str) -> bool:
    """Whether a key is that of a column: the older form of the contract."""
    return _COLUMN in key.lower()


def split_key(text: str) -> tuple[str, str | None]:
    """A contract key at the end of a text, apart from what stands before it."""
    stripped = text.rstrip(_STRAY)
    name = _LAST_NAME.search(stripped[-_MAX_KEY:])
    if name is None or _CONTRACT_KEY.fullmatch(name[0]) is None:
        return text, None
    return stripped[: -len(name[0])], name[0]


def looks_like_fields(text: str) -> bool:
    """Names of the contract anywhere; of their translations, that of `jp` before any line, or an emotion's first."""
    return any((_FIELD.search(text), _LINE_FIELD.search(text), _FIRST_FIELD.search(text)))


def opening(text: str, *, first: bool) -> Opening:
    """What begins with this: a list, a fence or a string of JSON, or fields without a brace; `first`: it is the first
    of all."""
    if fenced := _FENCED.match(text):
        rest = text[fenced.end() :]
        inside = labels.opening(rest, first=first) if rest else Opening.UNKNOWN
        return Opening.JSON if inside is Opening.NOTHING else inside
    if _OPENS.match(text):
        return Opening.JSON
    return Opening.UNKNOWN if _MAY_OPEN.match(text) else labels.opening(text, first=first)


def holds_syntax(text: str) -> bool:
    """Whether a list or fields begin within a sentence."""
    return looks_like_fields(text) or _LIST.search(text) is not None


def translation(text: str) -> str | None:
    """What follows a name of `cn` at the beginning of a line, else None."""
    label = labels.label_at(text)
    return text[label.end :] if label and label.field == "cn" and not label.quoted else None


def looks_like_json(text: str) -> bool:
    return _JSON.search(text) is not None


def is_tool_call(text: str) -> bool:
    """Whether a text is JSON, or Python, that calls a function: some models write it without any mark."""
    return are_calls(text) or all(sign.search(text) for sign in _TOOL_CALL)


def clean(text: str) -> str:
    """A text as it is shown: on one line, without field names, and brackets and quotes only where they pair."""
    text = _UNSHOWABLE.sub("", text)
    told = without_marks(text)
    text = _SPACES.sub(" ", told if has_word(told) else only_without_marks(text))
    text = _QUOTED_FIELD.sub(" ", text)
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
    cut = _CUT_STRING.search(text)
    text = text[: cut.start()] if cut and (is_cut_word(cut[1]) or begins_emotion(cut[1])) else text
    text = _STRING.sub(lambda string: "" if is_emotion(string[1]) else string[0], text)
    text = _ANY_KEY.sub(" ", without_fences(text)).translate(_SYNTAX)
    return _NAME.sub(lambda name: "" if is_cut_word(name[0]) or is_contract_word(name[0]) else name[0], text)


def without_syntax(text: str) -> str:
    """The words of strings and lists."""
    return _BETWEEN_STRINGS.sub("\n", without_fences(text)).translate(_SYNTAX)


def plain_sentences(text: str, *, like_json: bool) -> list[str]:
    """Plain text, split at the end of each sentence; `like_json`: what is left of an object, without its syntax."""
    text = without_syntax(text) if like_json else without_fences(text)
    pieces = (clean(piece).strip("' " if like_json else None) for piece in _SENTENCE.findall(text))
    return [piece for piece in pieces if has_word(piece)]


def has_word(text: str) -> bool:
    """Whether anything is left to show: a letter, a digit, an emoji, or a silence that is meant."""
    return any(char.isalnum() or char == "…" or unicodedata.category(char) == "So" for char in text)
