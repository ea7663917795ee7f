"""Pure: what msgspec says of a value that does not fit in, what a person is told of it out."""

import difflib
import re
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from server.settings.refusals import marked, meant

_SHAPES: Mapping[str, str] = {
    "object": "a section (lines of the form `key: value`)",
    "array": "a list",
    "str": "a text",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "null": "empty",
}

# Each sentence of msgspec's, and ours with its groups in it. The next one that is seen is another line.
_SENTENCES: tuple[tuple[str, str], ...] = (
    (r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>\w+)`", "must be {wanted}, not {got}{mend}"),
    (r"Expected `str` of length >= 1", "must not be empty"),
    (r"Expected `str` of length <= (?P<n>\d+)", "must have at most {n} characters"),
    (r"Expected `array` of length >= 1", "needs at least 1 entry"),
    (r"Expected `array` of length >= (?P<n>\d+)", "needs at least {n} entries"),
    (r"Expected `\w+` >= (?P<n>\S+)", "must be at least {n}"),
    (r"Expected `\w+` <= (?P<n>\S+)", "must be at most {n}"),
    (r"Object missing required field `(?P<name>.*)`", "needs the key {name}, which is missing"),
)


def misfit(problem: str, steps: list[str | int], kind: Any) -> str:
    """`problem`: msgspec's sentence; `steps` lead to the value it is about; `kind`: of the whole."""
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", problem)
    if unknown:
        return _unknown(unknown[1], steps, kind)
    invalid = re.fullmatch(r"Invalid enum value (?:'(.*)'|-?\d+)", problem)
    if invalid:
        choices = [str(each) for each in get_args(_at(kind, steps))]
        near = difflib.get_close_matches(meant(invalid[1] or ""), choices, 1)
        return f"{_place(steps)} must be one of {', '.join(choices)}" + (f"; did you mean {near[0]}?" if near else "")
    for pattern, words in _SENTENCES:
        found = re.fullmatch(pattern, problem)
        if found:
            return f"{_place(steps)} {words.format(**_in_words(found.groupdict()))}"
    return f"{_place(steps)} does not fit: {problem}"


def _in_words(groups: dict[str, str]) -> dict[str, str]:
    if "got" not in groups:
        return {name: f"{float(text):g}" if name == "n" else text for name, text in groups.items()}
    wanted = [each for each in groups["wanted"].split(" | ") if each != "null"]
    got = groups["got"]
    mend = "; give it a value or leave it out" if got == "null" else ""
    if wanted == ["str"] and got in ("int", "float", "bool"):
        mend = "; put it in quotes"
    if wanted == ["array"] and got == "str":
        mend = "; put it in [ and ]"
    return {
        "wanted": " or ".join(_SHAPES.get(each, each) for each in wanted),
        "got": _SHAPES["object"].partition(" (")[0] if got == "object" else _SHAPES.get(got, got),
        "mend": mend,
    }


def _unknown(name: str, steps: list[str | int], kind: Any) -> str:
    section = _at(kind, steps[:-1])
    known = [each.name for each in msgspec.structs.fields(section)] if _is_struct(section) else []
    shown = _place([*steps[:-1], marked(name)])
    near = difflib.get_close_matches(meant(name), known, 1)
    if near:
        return f"{shown} is unknown; did you mean {near[0]}?"
    return f"{shown} is unknown; known here: {', '.join(known)}"


def _place(steps: list[str | int]) -> str:
    """`voices.minimax.speed`, `topics (item 2, item 1).name`; the whole where there are none."""
    words = ""
    for step in steps:
        if isinstance(step, int):
            words = f"{words[:-1]}, item {step + 1})" if words.endswith(")") else f"{words} (item {step + 1})"
        else:
            words += f".{step}" if words else step
    return "".join(each if each.isprintable() else "?" for each in words[:200].strip()) or "the file"


def _at(kind: Any, steps: list[str | int]) -> Any:
    """The kind that is wanted where the steps lead."""
    for step in steps:
        kind = _section_of(kind)
        if _is_struct(kind):
            kind = next((each.type for each in msgspec.structs.fields(kind) if each.name == step), None)
        elif get_origin(kind) is dict:
            kind = get_args(kind)[1]
        elif get_origin(kind) is tuple:
            kind = get_args(kind)[0]
    return _section_of(kind)


def _is_struct(kind: Any) -> bool:
    kind = get_origin(kind) or kind
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _section_of(kind: Any) -> Any:
    """The kind itself; of one that may be several things, the section or the list of words among them."""
    kind = _without_meta(kind)
    if get_origin(kind) in (Union, UnionType):
        return next((each for each in get_args(kind) if _is_struct(each) or get_origin(each) is Literal), kind)
    return kind


def _without_meta(kind: Any) -> Any:
    return get_args(kind)[0] if hasattr(kind, "__metadata__") else kind
