"""A file of a character's in, a value of the wanted kind out; or the file, the line and the key, and what is wrong."""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml

from server.settings.misfits import misfit
from server.settings.refusals import about_unseen

_MAX_DEPTH = 20  # of nested YAML; ours needs six
_MAX_PASSED_ON_BYTES = 16_384
_CHECK = "check the indentation, the space after each colon, and the quotes"

# libyaml where the wheel has it: eighteen times as fast, half a second of every start.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_TEXT = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")


class BrokenCharacter(Exception):
    """A folder that is no character; str(error) names the file, the line where it can be had, and the mend."""


def read_text(path: Path) -> str | None:
    """The file's text; None where there is no file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise BrokenCharacter(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise BrokenCharacter(f"{path} cannot be read: {error.strerror}") from error


def read_yaml(path: Path, kind: Any, passed_on: Sequence[str] = ()) -> Any:
    """The file as a value of a kind; None where there is no file or nothing in it.

    `passed_on`: keys whose values go to clients as they are, whatever they are, if only JSON has it.
    """
    text = read_text(path)
    if text is None:
        return None
    node: Any = None
    try:
        _check_shape(text)
        node = yaml.compose(text, _LOADER)
        data = None if node is None else _plain(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        # What the parser says of itself is not enough to mend it by.
        mend = "" if type(error) is yaml.MarkedYAMLError else f"; {_CHECK}"
        raise BrokenCharacter(
            f"{path}, line {line}: not YAML: {error.problem}{mend}{about_unseen(text.splitlines(), line)}"
        ) from error
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise BrokenCharacter(f"{path}, line {line}: not YAML: a control character; take it out") from error
    except (ValueError, OverflowError) as error:
        raise BrokenCharacter(f"{path}: not YAML: an escape or a number in it is too large") from error
    try:
        value = None if data is None else msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        what, steps = str(error).partition(" - at ")[0], _steps(str(error), data, kind)
        line = _line_of(node, steps)
        raise BrokenCharacter(
            f"{path}, line {line}: {misfit(what, steps, kind)}{about_unseen(text.splitlines(), line)}"
        ) from error
    if node is not None:
        _check_passed_on(path, node, data, passed_on)
    return value


def _check_passed_on(path: Path, node: yaml.Node, data: Any, keys: Sequence[str]) -> None:
    if not isinstance(data, dict):
        return
    for key, value in node.value:
        if key.value in keys:
            for where, problem in _no_json(value, str(key.value)):
                raise BrokenCharacter(f"{path}, line {where.start_mark.line + 1}: {problem}")
            if len(msgspec.json.encode(data[key.value])) > _MAX_PASSED_ON_BYTES:
                raise BrokenCharacter(
                    f"{path}, line {key.start_mark.line + 1}: {key.value} is longer than {_MAX_PASSED_ON_BYTES} bytes "
                    "as JSON, and every client gets it; shorten it"
                )


def _no_json(node: yaml.Node, name: str) -> Iterator[tuple[yaml.Node, str]]:
    """What JSON has not, with the path of its key."""
    if isinstance(node, yaml.SequenceNode):
        for number, inner in enumerate(node.value, 1):
            yield from _no_json(inner, f"{name} (item {number})")
    elif isinstance(node, yaml.MappingNode):
        for key, inner in node.value:
            yield from _no_json(inner, f"{name}.{key.value}")
    elif node.tag == "tag:yaml.org,2002:timestamp":
        yield node, f"{name} is a date, which JSON does not have; put it in quotes"
    elif node.tag == "tag:yaml.org,2002:float" and not math.isfinite(_plain(node)):
        yield node, f"{name} is no number that JSON has; write another one or put it in quotes"
    elif any(0xD800 <= ord(each) <= 0xDFFF for each in node.value):
        yield node, f"{name} holds half a character (\\ud800 to \\udfff); write it whole"


def _check_shape(text: str) -> None:
    """Refuse what a character has no use for, and what can eat a reader up: aliases, tags, deep nesting."""
    depth = 0
    event: Any
    for event in yaml.parse(text, _LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = "nested too deeply" if depth > _MAX_DEPTH else None
        if getattr(event, "anchor", None) is not None:
            problem = "anchors and aliases (& and *) are not used here; put a text that begins so in quotes"
        elif getattr(event, "tag", None) is not None:
            problem = "tags (!) are not used here; put a text that begins so in quotes"
        if problem:
            raise yaml.MarkedYAMLError(None, None, problem, event.start_mark)


def _plain(node: yaml.Node) -> Any:
    """A document as dicts, lists and scalars. A key is a text, whatever it looks like, and there only once."""
    if isinstance(node, yaml.SequenceNode):
        return [_plain(inner) for inner in node.value]
    if isinstance(node, yaml.ScalarNode):
        if node.tag not in _NO_TEXT:
            return node.value
        return yaml.constructor.SafeConstructor().construct_object(node)
    values: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in values:
            problem = "this key is there twice" if isinstance(key, yaml.ScalarNode) else "a key must be one text"
            raise yaml.MarkedYAMLError(None, None, problem, key.start_mark)
        values[key.value] = _plain(value)
    return values


def _steps(problem: str, data: Any, kind: Any) -> list[str | int]:
    """The keys and indices that lead to a problem; msgspec tells them as `$.topics[2].phrases[...][0]`."""
    what, found, path = problem.rpartition(" - at `$")
    steps: list[str | int] = []
    value = data
    for name, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path if found else ""):
        step = name or (_culprit(value, problem, data, kind) if index == "..." else int(index))
        steps.append(step)
        value = value[step]
    unknown = re.match("Object contains unknown field `(.*)`", what or problem)
    return [*steps, unknown[1]] if unknown else steps


def _culprit(entries: dict[str, Any], problem: str, data: Any, kind: Any) -> str:
    """The key at fault in a dict of the data, which msgspec does not tell: each is tried without the others."""
    for key, value in list(entries.items()):
        entries.clear()
        entries[key] = value
        try:
            msgspec.convert(data, kind)
        except msgspec.ValidationError as error:
            if str(error) == problem:
                return key
    raise AssertionError("one of the entries has the problem of all of them")


def _line_of(node: yaml.Node, steps: list[str | int]) -> int:
    """The line on which the last of the steps stands."""
    line: int = node.start_mark.line
    for step in steps:
        if isinstance(step, int):
            node = node.value[step]
            line = node.start_mark.line
        else:
            key, node = next(pair for pair in node.value if pair[0].value == step)
            line = key.start_mark.line
    return line + 1
