"""Pure: what a request asks for beside model and messages, and which of it a server's refusal is about.

Servers that speak OpenAI's chat completions differ most in the parameters they know, and say so each in its own way:
in a field (`param`, `loc`), in words, in a list, in HTML. The tables below are all that is known of it: a new way of
saying it is a word in one of them, and a row in tests/services/ark/test_parameters.py.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec

_LONGEST_READ: Final = 16_384  # of a refusal; what it is about stands at its beginning

# What a server calls each parameter that may be left out. These names mean nothing else.
_NAMES: Mapping[str, re.Pattern[str]] = {
    "reasoning_effort": re.compile(r"reasoning[_. ]?effort", re.I),
    "stream_options": re.compile(r"stream[_ ]?options?\b|include_usage", re.I),
    "stream": re.compile(r"(?<![\w./-])stream(?![\w/-])|non-?stream", re.I),
}
# What it calls them by what they do: ordinary words, that count only where a word of _NO stands beside them.
_DEEDS: Mapping[str, re.Pattern[str]] = {
    "reasoning_effort": re.compile(r"(?<![\w./-])(reasoning|thinking)(?![\w/-])|思考|推理", re.I),
    "stream": re.compile(r"(?<![\w./-])(streaming|streamed)(?![\w/-])|流式", re.I),
}
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
# Two words for not thinking; older servers know the one, newer ones the other.
_OTHER_WORD: Mapping[str, str] = {"minimal": "none", "none": "minimal"}
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
    pointed = frozenset(name for name, names in _NAMES.items() if any(names.match(at) for at in said.pointers))
    elsewhere = not pointed and _OTHER_REASON.search(" ".join((words, *said.labels))) is not None
    names = pointed or frozenset() if elsewhere else pointed or _named_in(complaint) or _named_in(words)
    if not elsewhere and not names and not said.pointers and (status is None or status < 500 or status == 501):
        labels = " ".join(label for label in said.labels if "request" not in label.lower()).replace("_", " ")
        names = frozenset(
            name
            for name, deeds in _DEEDS.items()
            if _denied(deeds, complaint) or (deeds.search(complaint) and _NO.search(labels))
        )
    efforts = frozenset(re.findall(r"(?<![\w-])(?:none|minimal)(?![\w-])", " ".join(instead)))
    if not instead and not _NO.search(" ".join((*said.words, *said.labels))):
        efforts = frozenset(_OTHER_WORD)  # it may be the name or the value
    silent = silent and not names and not said.pointers
    return Objection(names, efforts, silent and not _SAYS_NOTHING.sub("", _bare(words)).strip())


def _without_quotes(text: str) -> str:
    """Names of parameters stay: they are one word."""
    return _QUOTED.sub(lambda found: found[0] if found["said"] or not _SEVERAL_WORDS.search(found[0]) else " ", text)


def _named_in(text: str) -> frozenset[str]:
    """The parameters in a text. `stream` is also the condition for its options, and then not what is meant."""
    named = frozenset(name for name, names in _NAMES.items() if names.search(text))
    if not _STREAM_MEANT.search(text):
        named -= {"stream"}
    return named - {"stream"} if len(named) > 1 else named


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


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of one request that may be left out, or be others."""

    stream: bool | None  # None: left out
    usage: bool
    effort: str  # of thinking; "": left out
    guessed: frozenset[str] = frozenset()  # which of these are so only because a refusal gave no reason

    def fields(self) -> Iterator[tuple[str, object]]:
        if self.stream is not None:
            yield "stream", self.stream
        if self.stream and self.usage:
            yield "stream_options", {"include_usage": True}
        if self.effort:
            yield "reasoning_effort", self.effort


_OWN_NAMES: Mapping[str, str] = {"stream": "stream", "usage": "stream_options", "effort": "reasoning_effort"}
_GUESS_HOLDS: Final = 20  # turns


class Dialect:
    """The parameters that a server was found to take, for the life of the process and for all who talk to it.

    Something is found when it was answered, and by whoever was answered first: a refusal alone teaches nothing, because
    the next one may say that the reason is another. What a refusal without a reason made us leave out is left out for
    some turns and then asked for again: it may have been a bad moment of a gateway's.
    """

    def __init__(self, wanted: Parameters) -> None:
        self._wanted = wanted
        self._found = wanted
        self._guess: dict[str, Any] = {}
        self._turns_left = 0  # for which the guess holds
        self._told: set[str] = set()
        self._in_vain: set[str] = set()  # left out, and refused with the same words

    def answered(self, asked: Parameters) -> tuple[str, ...]:
        """A request with these parameters was answered. The names of those found just now not to be taken."""
        changes = {
            name: getattr(asked, name)
            for name in _OWN_NAMES
            if getattr(asked, name) not in (getattr(self._wanted, name), getattr(self._found, name))
        }
        self._found = replace(self._found, **{name: to for name, to in changes.items() if name not in asked.guessed})
        guess = {name: to for name, to in changes.items() if name in asked.guessed}
        if guess and guess != self._guess:
            self._guess, self._turns_left = guess, _GUESS_HOLDS
        elif guess:
            self._turns_left -= 1
            self._guess = guess if self._turns_left else {}
        new = [_OWN_NAMES[name] for name in changes if _OWN_NAMES[name] not in self._told]
        self._told.update(new)
        return tuple(new)

    @property
    def known(self) -> Parameters:
        """With which to ask first."""
        return replace(self._found, **self._guess, guessed=frozenset(self._guess))

    def without(self, asked: Parameters, objection: Objection) -> Parameters | None:
        """What to ask for instead; None where nothing is left to try, or the refusal is about something else."""
        instead = asked
        for name in sorted(objection.names - self._in_vain):
            instead = self._leave_out(instead, name, objection.efforts)
        if objection.unexplained and "" not in self._in_vain:
            instead = self._leave_out_next(asked)
        if instead != asked:
            return instead
        if asked != self.known:
            self._in_vain |= objection.names or ({""} if objection.unexplained else set())
        return None

    def _leave_out(self, asked: Parameters, name: str, efforts: frozenset[str]) -> Parameters:
        if name == "reasoning_effort":
            other = _OTHER_WORD.get(asked.effort, "")
            return replace(asked, effort=other if other in efforts and asked.effort == self._wanted.effort else "")
        if name == "stream_options":
            return replace(asked, usage=False)
        # Some cannot stream and some can do nothing else; and what does not know the word answers as it always does.
        return replace(asked, stream=not asked.stream if asked.stream is self._wanted.stream else None)

    def _leave_out_next(self, asked: Parameters) -> Parameters:
        """One more, beginning with the least needed; never `stream`, which would make everybody wait."""
        if asked.stream and asked.usage:
            return replace(asked, usage=False, guessed=asked.guessed | {"usage"})
        if asked.effort:
            return replace(asked, effort="", guessed=asked.guessed | {"effort"})
        return asked


def _without_blocks(text: str) -> str:
    """Behind the last end of a block none is looked for: each beginning there would be searched for to the end."""
    for block, end in _BLOCKS:
        last = text.lower().rfind(end) + len(end)
        if last >= len(end):
            text = block.sub(" ", text[:last]) + text[last:]
    return text
