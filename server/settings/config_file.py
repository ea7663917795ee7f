"""YAML text and CHATANON_* variables in, a checked tree of msgspec structs and the place of each value out."""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar, get_args, get_origin

import msgspec
import yaml

PREFIX = "CHATANON_"
MAX_BYTES = 1 << 20
MAX_DEPTH = 20  # of nested YAML; ours needs three

KeyPath: TypeAlias = tuple[str, ...]
Places: TypeAlias = dict[KeyPath, str]
Model = TypeVar("Model", bound=msgspec.Struct)

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
WHOLE = re.compile(r"[-+]?(0|[1-9][0-9_]{0,17})")
NUMBER = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
YAML_WORDS = re.compile(r"""[^'"]*('([^'"]{1,4}|<[a-z ]+>)'[^'"]*)*""")  # quotes marks and names of its own only
KEY_FIT_TO_SHOW = re.compile(r"[^\W\d][\w-]{0,59}")


class ConfigError(Exception):
    """The configuration cannot be used. str(error) is one sentence on one line: the place, what is wrong, the mend."""

    def __init__(self, sentence: str) -> None:
        super().__init__("".join(character if character.isprintable() else "?" for character in sentence))


def read_bytes(path: Path, named_by: str | None) -> bytes | None:
    """The whole file; None where it is missing and nobody named it. `named_by`: the variable that names it."""
    hint = f"; correct {named_by} or unset it" if named_by else ""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if named_by is None:
            return None
        raise ConfigError(f"{path}: there is no such file{hint}") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory, where a file is wanted{hint}") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"{path}: cannot be read ({reason}){hint or '; check its permissions'}") from None
    except ValueError:  # a NUL in the name
        raise ConfigError(f"{path}: is no file name{hint}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES} bytes, which no configuration is{hint}")
    return data


def decode(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8")


def read_model(
    model: type[Model], text: str, where: str, environ: Mapping[str, str]
) -> tuple[Model, Mapping[KeyPath, str]]:
    """The model with what `text` and, above it, the environment say; and where each value that was said stands.

    Raises:
        ConfigError: the text is no YAML, or a key is unknown, or a value is not what its type asks for.
    """
    places: Places = {}
    values: dict[str, Any] = {}
    node = _compose(text, where, has_lines=True)
    if node is not None:
        values = _Checker(model, where, places, has_lines=True).section(node, model, ())
    _override(values, model, environ, places)
    return msgspec.convert(values, model), places


class _Composer(yaml.SafeLoader):
    """Refuses what a configuration has no use for and a hostile one lives on: anchors, aliases, tags, deep nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            raise yaml.MarkedYAMLError("while scanning an alias", None, "", event.start_mark)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(None, None, "tags (!) are not used here", event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(None, None, "it is nested too deeply", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(text: str, where: str, *, has_lines: bool) -> yaml.Node | None:
    line: int | None
    column: int | None
    try:
        return yaml.compose(text, Loader=_Composer)
    except yaml.reader.ReaderError as error:
        line, column = text.count("\n", 0, error.position) + 1, None
        problem = "a control character; remove it"
    except (ValueError, OverflowError):  # an escape beyond Unicode
        line, column, problem = None, None, "an escape or a number in it is too large; correct it"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = _yaml_problem(error)
    place = where
    if has_lines and line:
        place += f", line {line}" + (f", column {column}" if column else "")
    raise ConfigError(f"{place}: this is not valid YAML: {problem}")


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    """What is wrong and the mend, without any text of the file's own: it may be a key put in the wrong place."""
    if error.context in ("while scanning an alias", "while scanning an anchor"):
        return (
            'anchors and aliases (& and *) are not used here; write the value out, and put a text such as "*" in quotes'
        )
    problem = error.problem or "it cannot be read"
    if not YAML_WORDS.fullmatch(problem):
        problem = re.split("['\"]", problem, maxsplit=1)[0].strip()
    return f"{problem}; check the indentation, the space after each colon, and the quotes"


def _scalar(node: yaml.ScalarNode) -> str | int | float | bool | None:
    """YAML 1.2's plain values and 1.1's yes, no, on, off; so 0100 is no octal number and 1:30 not ninety."""
    text = str(node.value)
    if node.style is not None:
        return text
    if text in NULLS:
        return None
    if text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    if WHOLE.fullmatch(text):
        return int(text.replace("_", ""))
    if NUMBER.fullmatch(text) and not re.match(r"[-+]?0[0-9_]", text):
        return float(text.replace("_", ""))
    return text


class _Checker:
    """Nodes of one source in, values of the wanted types out; refuses with the source's name and the line."""

    def __init__(self, model: type[msgspec.Struct], where: str, places: Places, *, has_lines: bool) -> None:
        self.model = model
        self.where = where
        self.places = places
        self.has_lines = has_lines

    def value(self, node: yaml.Node, wanted: Any, path: KeyPath) -> Any:
        self.places[path] = self._place(node)
        if _is_section(wanted):
            return self.section(node, wanted, path)
        if isinstance(node, yaml.SequenceNode) and get_origin(wanted) is tuple:
            item, name = get_args(wanted)[0], path[-1]
            return tuple(
                self.value(each, item, (*path[:-1], f"{name} (item {number})"))
                for number, each in enumerate(node.value, 1)
            )
        if not isinstance(node, yaml.ScalarNode):
            shape = "a list" if isinstance(node, yaml.SequenceNode) else "a section"
            self._refuse(node, f"{_dotted(path)} must be {_described(wanted)}, not {shape}")
        value = _scalar(node)
        try:
            return msgspec.convert(value, wanted)
        except msgspec.ValidationError:
            pass  # its words may hold the value
        self._refuse(node, f"{_dotted(path)} must be {_described(wanted)}, not {_shown(value)}{_mend(value, wanted)}")

    def section(self, node: yaml.Node, section: type[msgspec.Struct], path: KeyPath) -> dict[str, Any]:
        if isinstance(node, yaml.ScalarNode) and _scalar(node) is None:
            return {}  # the section's name with nothing below it
        if not isinstance(node, yaml.MappingNode):
            name = _dotted(path) if path else "the whole"
            self._refuse(node, f"{name} must be a section: lines of the form `key: value`, indented alike")
        wanted = _keys(section)
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name not in wanted:
                self._refuse(key, unknown_key(self.model, path, str(name)))
            if name in lines:
                first = f" (first in line {lines[name]})" if self.has_lines else ""
                self._refuse(key, f"{_dotted((*path, name))} is given twice{first}; remove one")
            lines[name] = key.start_mark.line + 1
            values[name] = self.value(value, wanted[name], (*path, name))
        return values

    def _place(self, node: yaml.Node) -> str:
        return f"{self.where}, line {node.start_mark.line + 1}" if self.has_lines else self.where

    def _refuse(self, node: yaml.Node, words: str) -> NoReturn:
        raise ConfigError(f"{self._place(node)}: {words}")


def _override(values: dict[str, Any], model: type[msgspec.Struct], environ: Mapping[str, str], places: Places) -> None:
    """Lay each CHATANON_<SECTION>__<KEY> over `values`; one that is set but blank counts as not set."""
    chosen: dict[KeyPath, tuple[str, Any]] = {}
    for name in sorted(environ):
        if not name.startswith(PREFIX) or "__" not in name[len(PREFIX) :]:
            continue
        path = tuple(name[len(PREFIX) :].lower().split("__"))
        wanted = _wanted_at(model, path, name)
        if not environ[name].strip():
            continue
        if path in chosen:
            raise ConfigError(f"environment: {chosen[path][0]} and {name} both set {_dotted(path)}; keep one of them")
        chosen[path] = (name, wanted)
    for path in sorted(chosen, key=len):  # a whole section first, a key of it above that
        name, wanted = chosen[path]
        where = f"environment variable {name}"
        checker = _Checker(model, where, places, has_lines=False)
        _lay_over(values, path, checker.value(_node_of(environ[name].strip(), wanted, where), wanted, path))


def _wanted_at(model: type[msgspec.Struct], path: KeyPath, variable: str) -> Any:
    wanted: Any = model
    for depth, name in enumerate(path):
        keys = _keys(wanted) if _is_section(wanted) else {}
        if name not in keys:
            place = f"environment variable {variable if KEY_FIT_TO_SHOW.fullmatch(variable) else f'{PREFIX}...'}"
            raise ConfigError(f"{place}: {unknown_key(model, path[:depth], name)}")
        wanted = keys[name]
    return wanted


def _node_of(text: str, wanted: Any, where: str) -> yaml.Node:
    """The text as YAML; but whole where a text is wanted, and at each comma where a list is and no `[` begins one."""
    if get_origin(wanted) is tuple and not text.startswith("["):
        return yaml.SequenceNode("", [yaml.ScalarNode("", part.strip(), style='"') for part in text.split(",")])
    if _wants_text(wanted):
        return yaml.ScalarNode("", text, style='"')
    return _compose(text, where, has_lines=False) or yaml.ScalarNode("", "")


def _lay_over(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    if isinstance(value, dict):
        section = values.setdefault(path[-1], {})
        for name, each in value.items():
            _lay_over(section, (name,), each)
    else:
        values[path[-1]] = value


def unknown_key(model: type[msgspec.Struct], path: KeyPath, name: str) -> str:
    """Words for a key that is not in the section at `path`: what it is, and the known one that was meant."""
    section: Any = model
    for part in path:
        section = _keys(section)[part] if _is_section(section) else None
    known = list(_keys(section)) if _is_section(section) else []
    shown = _dotted((*path, name)) if KEY_FIT_TO_SHOW.fullmatch(name) else f"this key of {_dotted(path) or 'the file'}"
    near = difflib.get_close_matches(name.lower().replace("-", "_"), known, 1)
    elsewhere = [_dotted(each) for each in key_paths(model) if each[-1] == name.lower()]
    if near:
        mend = f"did you mean {_dotted((*path, near[0]))}?"
    elif elsewhere:
        mend = f"did you mean {' or '.join(elsewhere)}?"
    elif name.isupper():
        mend = "keys and tokens belong in the environment or in credentials.py"
    elif known:
        mend = f"known here: {', '.join(known)}"
    else:
        mend = f"{_dotted(path)} is one value, no section"
    return f"{shown} is unknown; {mend}"


def key_paths(model: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of the model that holds a value, as ("server", "port")."""
    for name, wanted in _keys(model).items():
        if _is_section(wanted):
            yield from key_paths(wanted, (*path, name))
        else:
            yield (*path, name)


def _keys(section: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(section)}


def _is_section(wanted: Any) -> bool:
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)


def _dotted(path: KeyPath) -> str:
    return ".".join(path)


def _shown(value: str | int | float | bool | None) -> str:
    """Numbers as they are; never a text, which may be a key in the wrong place."""
    if value is None:
        return "empty"
    if isinstance(value, str):
        return "this text" if value.strip() else "blank"
    return f"{value!r}".lower()[:24]


def _mend(value: str | int | float | bool | None, wanted: Any) -> str:
    info = _info(wanted)
    if value is None:
        return "; give it a value or leave the key out"
    if not isinstance(value, str):
        return "; put it in quotes" if _wants_text(wanted) else ""
    if isinstance(info, msgspec.inspect.LiteralType):
        near = difflib.get_close_matches(value.lower(), [str(each) for each in info.values], 1)
        return f"; did you mean {near[0]}?" if near else ""
    if get_origin(wanted) is tuple:
        return "; put it in [ and ]"
    if isinstance(info, msgspec.inspect.StrType):
        return ""
    try:
        msgspec.convert(_scalar(yaml.ScalarNode("", value)), wanted)
    except msgspec.ValidationError:
        return ""
    return "; write it without quotes"


def _wants_text(wanted: Any) -> bool:
    info = _info(wanted)
    if isinstance(info, msgspec.inspect.LiteralType):
        return all(isinstance(each, str) for each in info.values)
    return isinstance(info, msgspec.inspect.StrType)


def _info(wanted: Any) -> msgspec.inspect.Type:
    info = msgspec.inspect.type_info(wanted)
    return info.type if isinstance(info, msgspec.inspect.Metadata) else info


def _described(wanted: Any) -> str:
    """What a value of this type is, in words; a description in its `Meta` says it better than the type."""
    full, info = msgspec.inspect.type_info(wanted), _info(wanted)
    if isinstance(full, msgspec.inspect.Metadata) and full.extra_json_schema:
        return str(full.extra_json_schema["description"])
    match info:
        case msgspec.inspect.LiteralType():
            choices = ", ".join(str(each) for each in get_args(wanted))  # in our order, not msgspec's
            return f"one of {choices}" if len(get_args(wanted)) > 1 else choices
        case msgspec.inspect.IntType(ge=low, le=high):
            return f"a whole number from {low} to {high}"
        case msgspec.inspect.FloatType(gt=None, ge=low, le=high):
            return f"a number from {low} to {high}"
        case msgspec.inspect.FloatType(gt=low, le=high):
            return f"a number above {low} and at most {high}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.VarTupleType():
            return f"a list, each {_described(get_args(wanted)[0])}"
        case _:
            return "a text"
