"""Pure: which of a request's parameters a server's refusal is about.

Servers that speak OpenAI's chat completions differ most in the parameters they know, and say so each in its own way:
in a field (`param`, `loc`), in words, in a list, in HTML. What they call the parameters stands in servers.py, how they
refuse them below: a new way of saying it is a word in one of the tables, and a row in
tests/services/chat_completions/test_parameters.py.
"""

import re
from dataclasses import dataclass, field
from typing import Final

import msgspec

from services.chat_completions.servers import DEEDS, NAMES, NO_THINKING

_LONGEST_READ: Final = 16_384  # of a refusal; what it is about stands at its beginning

_NO = re.compile(
    r"support|allow|permit|forbid|recogni[sz]|unknown|unexpected|invalid|not valid|not available|not implemented|"
    r"not enabled|cannot|can't|must|should be|disabled|incompatible|不支持|不允许|未知|无效|非法|サポート|対応",
    re.I,
)
# In words `stream` is also what an answer comes in, and breaks off.
_STREAM_MEANT = re.compile(
    rf"""["'`“‘「]stream["'`”’」]|(?<![\w./-])stream\s*[:=]|(parameter|argument|field|property|option|参数)s?\W{{0,3}}stream\b|"""
    rf"(?<![\w./-])stream\W{{0,3}}(parameter|argument|field|property|option|mode|参数)|non-?stream|"
    rf"(?:{_NO.pattern})[^.。;；\n]{{0,40}}?(?<![\w./-])stream(?![\w/-])|"
    rf"(?<![\w./-])stream(?![\w/-])[^.。;；\n]{{0,40}}?(?:{_NO.pattern})",
    re.I,
)
# Reasons that are none of the parameters', whatever else is said.
_OTHER_REASON = re.compile(
    r"balance|quota|billing|credit|content[_ ]?filter|blocked|moderation|upstream|overload|capacity|interrupted|"
    r"right now|temporar|top up|messages?\s?\[|input text|sensitive|余额|欠费|限流|敏感|稍后",
    re.I,
)
# Behind these a refusal tells what would have been right; it may name every parameter there is.
_INSTEAD = re.compile(
    r"did you mean|expected one of|one of|supported (?:values|parameters|fields)|valid (?:values|parameters|fields)|"
    r"allowed (?:values|parameters|fields)|must be|should be|expected|支持的|可选",
    re.I,
)
# All that a refusal says when it does not say what it is about.
_SAYS_NOTHING = re.compile(
    r"\b(bad ?request( error)?|invalid ?request|unprocessable( entity| content)?|(request )?validation (error|failed)|"
    r"(invalid|unsupported|unknown|unrecognized|illegal|wrong)( request)? (parameter|argument|field|param|input)s?|"
    r"extra (inputs|fields) (are )?not permitted|request failed|error|for further information visit|nginx|openresty|"
    r"the browser or proxy sent a request that this server could not understand)\b|"
    r"(api )?(调用|请求)?参数(错误|有误|无效|非法|不合法)|请求(错误|无效|不合法)|请检查(文档)?"
)
_NOT_WORDS = re.compile(r"https?://\S+|request[ _-]?id\W*[\w-]*|<[^>]*>", re.I | re.S)
_BLOCKS = [(re.compile(f"<{tag}.*?</{tag}>", re.I | re.S), f"</{tag}>") for tag in ("style", "script", "head")]
# What was sent, repeated: Pydantic's `input`, also where a list of its errors is printed into a text.
_REPEATED = re.compile(r"""(['"]?)input(_value)?\1\s*[:=]\s*(\{(?:[^{}]|\{[^{}]*\})*\}?|\[[^]]*\]?|[^,}\]]*)""")
# What is quoted, in more than one word: what a user said, unless its key says that it is the refusal of another server.
_QUOTED = re.compile(
    r"""(?P<said>[\\"']{0,3}(?:message|msg|msgs|detail|details|error|errors|reason|raw|why)[\\"']{0,4}\s{0,4}[:=]\s{0,4}\\{0,2})?"""
    r"""(?:"[^"\n]*(?:"|\Z)|“[^”\n]*”?|「[^」\n]*」?|『[^』\n]*』?|`[^`\n]*`|(?<!\w)'[^'\n]*'(?!\w))"""
)
_SEVERAL_WORDS = re.compile(r"[\w?？!！.,，。]\s+\w|[^\x00-\x7f“”「」『』]{2}")
_LABELS: Final = frozenset(("type", "code", "status", "object", "error_type", "kind"))
_POINTERS: Final = frozenset(("param", "loc", "field", "parameter", "property", "path", "argument"))
_SKIPPED: Final = frozenset(("input", "ctx", "url", "id", "request_id", "@type", "body"))


@dataclass(frozen=True, slots=True)
class Objection:
    """What a server has against the parameters of a request."""

    names: frozenset[str] = frozenset()  # the parameters it does not take
    perhaps: frozenset[str] = frozenset()  # others that it speaks of
    efforts: frozenset[str] = frozenset()  # of thinking, that it would take
    unexplained: bool = False  # it does not say what it is about


NONE: Final = Objection()


@dataclass(slots=True)
class _Said:
    """The parts of a refusal."""

    words: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    pointers: list[str] = field(default_factory=list)


def read_objection(status: int | None, body: bytes) -> Objection:
    """What a refusal has against the parameters. `status`: None where it came in a body that said 200."""
    said = _Said()
    text = body[:_LONGEST_READ].decode("utf-8", "replace")
    try:
        _gather(msgspec.json.decode(body), said)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        said.words = [text]
    whole = _REPEATED.sub(" ", "\n".join(said.words)[:_LONGEST_READ])
    words = _without_quotes(whole)
    silent = status in (400, 422) and words == whole
    words = _NOT_WORDS.sub(" ", _without_blocks(words))
    complaint, *instead = _INSTEAD.split(words, maxsplit=1)
    pointed = frozenset(name for name, names in NAMES.items() if any(names.match(at) for at in said.pointers))
    elsewhere = not pointed and _OTHER_REASON.search(" ".join((words, *said.labels))) is not None
    names = pointed or frozenset() if elsewhere else pointed or _named_in(complaint) or _named_in(words)
    if not elsewhere and not names and not said.pointers and (status is None or status < 500 or status == 501):
        labels = " ".join(label for label in said.labels if "request" not in label.lower()).replace("_", " ")
        names = frozenset(
            name
            for name, deeds in DEEDS.items()
            if _denied(deeds, complaint) or (deeds.search(complaint) and _NO.search(labels))
        )
    efforts = frozenset(re.findall(r"(?<![\w-])(?:none|minimal|low)(?![\w-])", " ".join(instead)))
    if not instead and not _NO.search(" ".join((*said.words, *said.labels))):
        efforts = NO_THINKING  # it may be the name or the value
    silent = silent and not names and not said.pointers
    perhaps = frozenset() if elsewhere or pointed else _named_in(words) - names
    return Objection(names, perhaps, efforts, silent and not _SAYS_NOTHING.sub("", _bare(words)).strip())


def _without_quotes(text: str) -> str:
    """Names of parameters stay: they are one word."""
    return _QUOTED.sub(lambda found: found[0] if found["said"] or not _SEVERAL_WORDS.search(found[0]) else " ", text)


def _named_in(text: str) -> frozenset[str]:
    """The parameters in a text. `stream` is also the condition for its options, and then not what is meant."""
    named = frozenset(name for name, names in NAMES.items() if names.search(text))
    return named if _STREAM_MEANT.search(text) and "stream_options" not in named else named - {"stream"}


def _denied(deeds: re.Pattern[str], text: str) -> bool:
    """Whether a word of _NO stands in the same clause as one of these."""
    return any(deeds.search(clause) and _NO.search(clause) for clause in re.split(r"[.。;；:：\n]", text))


def _bare(words: str) -> str:
    """Without numbers and signs, so that only what was said is left."""
    return re.sub(r"[\W\d_]+", " ", words).lower()


def _gather(value: object, said: _Said, key: str = "message", depth: int = 0) -> None:
    """Sort the strings of a refusal by what their keys say they are."""
    if depth > 8 or key in _SKIPPED:
        return
    match value:
        case str() if key in _POINTERS:
            said.pointers += [value] if value.strip() else []
        case str() if key in _LABELS:
            said.labels.append(value)
        case str():
            said.words.append(value)
        case list() if key == "loc":
            said.pointers += [str(part) for part in value if part != "body"][:1]
        case list():
            for part in value:
                _gather(part, said, key, depth + 1)
        case dict():
            for name, part in value.items():
                _gather(part, said, name, depth + 1)


def _without_blocks(text: str) -> str:
    """Behind the last end of a block none is looked for: each beginning there would be searched for to the end."""
    for block, end in _BLOCKS:
        last = text.lower().rfind(end) + len(end)
        if last >= len(end):
            text = block.sub(" ", text[:last]) + text[last:]
    return text
