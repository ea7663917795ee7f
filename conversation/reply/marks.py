"""Pure: what a model's machinery leaves in its text: tags of thoughts, marks of chat templates, calls of tools.

The tables are what to extend when another model writes its own: one name, one line. How each kind is treated is said
at `Kind`; names are found whatever their case, spaces and attributes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Kind(Enum):
    """What a mark means for the text around it."""

    SIGN = auto()  # nothing: only the mark itself is no text
    THOUGHT = auto()  # a pair: what stands between is thought; all that stands before an end alone was
    CALL = auto()  # a pair: what stands between is for a tool, to the end of the turn if it is not closed
    TURN_END = auto()
    ROLE = auto()  # whose text follows is the next word
    HEADER = auto()  # whose text follows is told up to BODY
    BODY = auto()
    OURS = auto()  # the character's text follows
    THEIRS = auto()  # somebody else's text follows
    ASKED = auto()  # a pair: what was asked stands between
    FIELD = auto()  # a pair: a field of the reply, in XML


# <name>, </name>, <name attribute="…">, ◁name▷, <|name|>
NAMES: Final[Mapping[str, Kind]] = {
    name: kind
    for kind, names in (
        (Kind.THOUGHT, "think thinking thought thoughts reasoning reasoning_content reflection analysis scratchpad"),
        (Kind.THOUGHT, "seed:think seed:cot_budget_reflect antthinking inner_thoughts inner_monologue monologue"),
        (Kind.THOUGHT, "thinking_process thought_process chain_of_thought cot"),
        (Kind.CALL, "tool_call tool_calls function_call function_calls function tool_code tool_use invoke toolcall"),
        (Kind.CALL, "tool_response tool_result tool_results function_results minimax:tool_call seed:tool_call"),
        (Kind.SIGN, "s bos eos pad unk mask sep cls answer final_answer response reply output solution assistant"),
        (Kind.TURN_END, "end_of_turn end_of_utterance eot eod eom"),
        (Kind.ROLE, "start_of_turn"),
        (Kind.FIELD, "jp ja japanese cn zh chinese emotion"),
    )
    for name in names.split()
}

# <|name|> and <｜name｜>, without the signs between its words; any name that is not here is a SIGN.
_LABELS: Final[Mapping[str, Kind]] = {
    label: kind
    for kind, labels in (
        (Kind.TURN_END, "imend eotid eomid eot eom end return call endoftext endofsentence endofturn endofturntoken"),
        (Kind.TURN_END, "endofmessage endofutterance endofresponse imsep"),
        (Kind.ROLE, "imstart"),
        (Kind.HEADER, "start channel startheaderid startofrole imassistant imuser imsystem"),
        (Kind.BODY, "message endheaderid endofrole immiddle"),
        (Kind.OURS, "assistant bot model chatbot chatbottoken ai gpt startresponse"),
        (Kind.THEIRS, "user human system tool observation environment usertoken systemtoken"),
        (Kind.CALL, "pythontag plugin interpreter"),
    )
    for label in labels.split()
}
_LABEL_PAIRS: Final = (
    (Kind.THOUGHT, "startthinking", "endthinking"),
    (Kind.THOUGHT, "beginofthought", "endofthought"),
    (Kind.THOUGHT, "thinkbegin", "thinkend"),
    (Kind.THOUGHT, "thinkstart", "thinkend"),
    (Kind.THOUGHT, "thinkingstart", "thinkingend"),
    (Kind.CALL, "functioncallbegin", "functioncallend"),
    (Kind.CALL, "toolcallssectionbegin", "toolcallssectionend"),
    (Kind.CALL, "toolcallsbegin", "toolcallsend"),
    (Kind.CALL, "toolcallbegin", "toolcallend"),
    (Kind.CALL, "toolcallstart", "toolcallend"),
    (Kind.CALL, "tooloutputsbegin", "tooloutputsend"),
    (Kind.CALL, "tooloutputbegin", "tooloutputend"),
    (Kind.CALL, "actionstart", "actionend"),
    (Kind.CALL, "startaction", "endaction"),
)
_LABEL_OF_PAIR: Final[Mapping[str, tuple[Kind, bool]]] = {
    **{opening: (kind, False) for kind, opening, _ in _LABEL_PAIRS},
    **{closing: (kind, True) for kind, _, closing in _LABEL_PAIRS},
}

# [WORD], [/WORD]: capitals only, because small ones are stage directions.
_WORDS: Final[Mapping[str, Kind]] = {
    word: kind
    for kind, words in (
        (Kind.THOUGHT, "THINK"),
        (Kind.CALL, "TOOL_CALLS TOOL_RESULTS AVAILABLE_TOOLS TOOL_CONTENT"),
        (Kind.ASKED, "INST SYSTEM_PROMPT"),
    )
    for word in words.split()
}

# Of the word after ROLE, or those between HEADER and BODY.
_OURS: Final = frozenset("assistant model bot ai chatbot gpt final".split())
_THEIRS: Final = frozenset("user human system developer tool ipython environment observation".split())
_THOUGHT: Final = frozenset("analysis commentary to".split())
# Before a colon, in plain text.
_SPEAKERS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys((*_OURS, "final answer", "助手", "角色", "アシスタント"), Kind.OURS),
    **dict.fromkeys((*_THEIRS, "you", "player", "customer"), Kind.THEIRS),
    **dict.fromkeys("用户 用戶 使用者 玩家 客户 对方 對方 你 系统 系統 工具".split(), Kind.THEIRS),
    **dict.fromkeys("ユーザー ユーザ あなた 人間 相手 プレイヤー システム 사용자 당신".split(), Kind.THEIRS),
    # How models write that call tools by text alone
    **dict.fromkeys(("thought", "action", "action input", "observation"), Kind.THEIRS),
}

_WITH_ATTRIBUTES: Final = frozenset((Kind.THOUGHT, Kind.CALL))
# Calls as Python writes them. Words in brackets alone are an aside: OK(lol).
_CALLED = r"[`\[*\s]{0,4}(?:[a-z_]\w{0,40}\s?=\s?)?(?:await\s|return\s)?"
_ARGUMENTS = (
    r"[A-Za-z_][\w.]{0,80}\(\s{0,8}(?:[\"'\[{]|\)|[A-Za-z_]\w{0,40}\s?=|[A-Za-z_][\w.]{0,80}\()",
    r"[A-Za-z_][\w.]{0,80}\(\s{0,8}\Z",
    r"(?:print|[A-Za-z_]\w{0,40}[_.][\w.]{1,40})\(\s{0,8}[\w-]",
)
_CALL_BEGUN = re.compile(rf"{_CALLED}(?:{'|'.join(_ARGUMENTS)})", re.ASCII)
_CALL_ENDED = re.compile(r"\)[\s`\]*;,]{0,8}\Z")
_CALL_OPEN = re.compile(r"\(\s{0,8}\Z")  # an object follows
_FENCE_LINE = re.compile(r"```[\w+#-]*\s*")
LEADS: Final = re.compile(r"[<\[◁]")
LONGEST: Final = 160  # characters of a mark; what is longer is text

_TAG_NAME = r"[<◁]\s{0,3}(/?)\s{0,3}(?:([A-Za-z][\w:.-]{0,31})"
_ATTRIBUTES = r"([\s=/][^<>◁▷]{0,100})?)"
_TAG = re.compile(_TAG_NAME + _ATTRIBUTES + "[>▷]", re.ASCII)
_TAG_BEGUN = re.compile(_TAG_NAME + _ATTRIBUTES + r"?\Z", re.ASCII)
_LABEL = re.compile(r"<[|｜]\s{0,2}(/?[A-Za-z][\w▁ /.:-]{0,47})[|｜]>", re.ASCII)
_LABEL_BEGUN = re.compile(r"<[|｜]\s{0,2}(?:/|/?[A-Za-z][\w▁ /.:-]{0,47}[|｜]?)?\Z", re.ASCII)
_WORD = re.compile(r"\[(/?)([A-Z_]{3,16})\]")
_WORD_BEGUN = re.compile(r"\[/?([A-Z_]{0,16})\Z")
_SYSTEM = re.compile(r"<<(/?)SYS>>", re.IGNORECASE)
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_OTHERS_BEGUN = re.compile(r"<(?:<(?:/?(?:S(?:Y(?:S>?)?)?)?)?|0(?:x[0-9A-F]{0,2})?)\Z", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"[_▁ .:-]")


def _beginnings(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name[:length] for name in names for length in range(len(name) + 1))


_NAMES_BEGUN = _beginnings(NAMES)
_WORDS_BEGUN = _beginnings(_WORDS)


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in a text; `end` is where it ends there, `name` what stands in a tag."""

    kind: Kind
    closes: bool
    end: int
    name: str = ""


def mark_at(text: str, at: int) -> Mark | None:
    """The mark that begins at this place, if one does."""
    if tag := _TAG.match(text, at):
        kind = _kind_of_tag(tag)
        return kind and Mark(kind, bool(tag[1]), tag.end(), tag[2].lower())
    if label := _LABEL.match(text, at):
        return Mark(*_kind_of_label(label[1].lower()), label.end())
    if word := _WORD.match(text, at):
        return Mark(_WORDS[word[2]], bool(word[1]), word.end()) if word[2] in _WORDS else None
    if system := _SYSTEM.match(text, at):
        return Mark(Kind.ASKED, bool(system[1]), system.end())
    if byte := _BYTE.match(text, at):
        return Mark(Kind.SIGN, False, byte.end())
    return None


def may_begin_mark(text: str, at: int) -> bool:
    """Whether more text could make a mark of all that stands from this place on."""
    if len(text) - at > LONGEST:
        return False
    if tag := _TAG_BEGUN.match(text, at):
        return (tag[2] or "").lower() in _NAMES_BEGUN if tag[3] is None else _kind_of_tag(tag) is not None
    if word := _WORD_BEGUN.match(text, at):
        return word[1] in _WORDS_BEGUN
    return (_LABEL_BEGUN.match(text, at) or _OTHERS_BEGUN.match(text, at)) is not None


def _kind_of_tag(tag: re.Match[str]) -> Kind | None:
    name, attributes = tag[2].lower(), (tag[3] or "").strip()
    if attributes == "/":  # a pair of which nothing stands between
        return Kind.SIGN if name in NAMES else None
    kind = NAMES.get(name)
    return kind if not attributes or kind in _WITH_ATTRIBUTES else None


def _kind_of_label(label: str) -> tuple[Kind, bool]:
    closes, name = label.startswith("/"), label.strip("/ ")
    words = _BETWEEN_WORDS.sub("", name)
    if words in _LABEL_OF_PAIR:
        return _LABEL_OF_PAIR[words]
    return _LABELS.get(words) or NAMES.get(name, Kind.SIGN), closes


def kind_of_header(header: str) -> Kind:
    """Whose text follows: OURS, THEIRS or THOUGHT."""
    words = set(re.split(r"[^a-z]+", header.lower()))
    for kind, names in ((Kind.THOUGHT, _THOUGHT), (Kind.THEIRS, _THEIRS)):
        if words & names:
            return kind
    return Kind.OURS


def is_role(word: str) -> bool:
    return word.lower() in _OURS | _THEIRS


def kind_of_speaker(name: str) -> Kind | None:
    """Whose words follow a name and a colon, OURS or THEIRS; None where it is no role's name."""
    return _SPEAKERS.get(name.lower())


def begins_call(text: str) -> bool:
    """Whether a line that begins with this calls a function."""
    return _CALL_BEGUN.match(text) is not None


def is_call(text: str) -> bool:
    """Whether a line is a call of a function and nothing else."""
    return begins_call(text) and (_CALL_ENDED.search(text[-16:]) or _CALL_OPEN.search(text[-16:])) is not None


def are_calls(text: str) -> bool:
    """Whether all lines are such calls, or all of it is one."""
    lines = [line for line in text.splitlines() if line.strip() and not _FENCE_LINE.fullmatch(line)]
    return bool(lines) and (all(map(is_call, lines)) or (is_call(" ".join(lines)) and not is_call(lines[0])))
