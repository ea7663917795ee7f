"""YAML text and CHATANON_* variables in, a checked tree of msgspec structs and the place of each value out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec
import yaml

from server.settings.foreign_keys import CHARACTERS, CloudVoice, ForeignKeys, is_foreign_name
from server.settings.key_words import (
    KeyPath,
    described,
    dotted,
    fit_to_show,
    is_section,
    item_of,
    keys_of,
    mend,
    no_section,
    one_is_enough,
    shown,
    takes_list,
    unknown_key,
    wants_text,
)
from server.settings.refusals import ConfigError, about_unseen
from server.settings.yaml_text import compose, scalar

PREFIX = "CHATANON_"
MAX_BYTES = 1 << 20

Places: TypeAlias = dict[KeyPath, str]
Model = TypeVar("Model", bound=msgspec.Struct)


class _Refused(Enum):
    """Stands where a value was refused."""

    REFUSED = auto()


_REFUSED = _Refused.REFUSED


@dataclass(frozen=True, slots=True)
class Read(Generic[Model]):
    """What was read. `warning`: of keys that do nothing here; may be empty."""

    config: Model
    voices: Mapping[str, CloudVoice]
    warning: str


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
    """The file's text, without a byte order mark."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
    raise ConfigError(f"{path}, line {line}: is not UTF-8 text; save the file as UTF-8")


def read_model(
    model: type[Model],
    text: str,
    where: str,
    environ: Mapping[str, str],
    check: Callable[[Model, Mapping[KeyPath, str]], Iterable[str]],
) -> Read[Model]:
    """The model with what `text` and, above it, the environment say.

    `check` is given the model and where each value that was said stands, and gives what else is wrong.

    Raises:
        ConfigError: the text is no YAML; or keys are unknown, or values not what their types ask for: all of them.
    """
    source = _Source(model, where, text.splitlines(), [], {})
    foreign = ForeignKeys()
    values: dict[str, Any] = {}
    node = compose(text, where, has_lines=True)
    if node is not None:
        foreign.take_from(node, _own_of_characters(model))
        values = source.section(node, model, ())
    _override(values, source, environ, foreign)
    used, voices, idle = foreign.honour(source.places)
    for (section, key), value in used.items():
        values.setdefault(section, {})[key] = value
    config = msgspec.convert(values, model)
    source.problems += check(config, source.places)
    if source.problems:
        raise ConfigError(*source.problems)
    return Read(config, voices, f"{where}: {idle}" if idle else "")


def _own_of_characters(model: type[msgspec.Struct]) -> Mapping[str, Any]:
    section = keys_of(model).get(CHARACTERS)
    return keys_of(section) if section is not None else {}


@dataclass(slots=True)
class _Source:
    """Nodes of one source in, values of the wanted types out; what is refused is noted, with the name and the line.

    `lines` are those of the file; None: there are none.
    """

    model: type[msgspec.Struct]
    where: str
    lines: list[str] | None
    problems: list[str]
    places: Places

    def value(self, node: yaml.Node, wanted: Any, path: KeyPath) -> Any:
        """What the node says, or _REFUSED."""
        self.places[path] = self._place(node)
        if takes_list(wanted) and isinstance(node, yaml.SequenceNode):
            values = [self.value(node, each, path) for each in dict.fromkeys(keys_of(wanted).values())]
            return _REFUSED if _REFUSED in values else dict.fromkeys(keys_of(wanted), values[0])
        if is_section(wanted):
            return self.section(node, wanted, path)
        item = item_of(wanted)
        if one_is_enough(wanted) and isinstance(node, yaml.ScalarNode) and isinstance(scalar(node), str):
            one = self.value(node, item, path)
            return one if one is _REFUSED else (one,)
        if isinstance(node, yaml.SequenceNode) and not node.value and one_is_enough(wanted):
            return self._refuse(node, f"{dotted(path)} must be {described(wanted)}, not an empty list")
        if isinstance(node, yaml.SequenceNode) and item is not None:
            name = path[-1]
            items = tuple(
                self.value(each, item, (*path[:-1], f"{name} (item {number})"))
                for number, each in enumerate(node.value, 1)
            )
            return _REFUSED if _REFUSED in items else items
        if not isinstance(node, yaml.ScalarNode):
            shape = "a list" if isinstance(node, yaml.SequenceNode) else "a section"
            return self._refuse(node, f"{dotted(path)} must be {described(wanted)}, not {shape}")
        value = scalar(node)
        try:
            return msgspec.convert(value, wanted)
        except msgspec.ValidationError:
            pass  # its words may hold the value
        return self._refuse(
            node, f"{dotted(path)} must be {described(wanted)}, not {shown(value)}{mend(value, wanted)}"
        )

    def section(self, node: yaml.Node, section: type[msgspec.Struct], path: KeyPath) -> dict[str, Any]:
        """The values of its keys, but for those that are refused."""
        if isinstance(node, yaml.ScalarNode) and scalar(node) is None:
            return {}  # the section's name with nothing below it
        values: dict[str, Any] = {}
        if not isinstance(node, yaml.MappingNode):
            self._refuse(node, no_section(dotted(path) if path else "the whole", section))
            return values
        wanted = keys_of(section)
        begun: dict[str, int] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if name not in wanted:
                self._refuse(key, unknown_key(self.model, path, name))
            elif name in begun:
                first = f" (first in line {begun[name]})" if self.lines is not None else ""
                self._refuse(key, f"{dotted((*path, name))} is given twice{first}; remove one")
            else:
                begun[name] = key.start_mark.line + 1
                values[name] = self.value(value, wanted[name], (*path, name))
        return {name: value for name, value in values.items() if value is not _REFUSED}

    def _place(self, node: yaml.Node) -> str:
        return self.where if self.lines is None else f"{self.where}, line {node.start_mark.line + 1}"

    def _refuse(self, node: yaml.Node, words: str) -> _Refused:
        unseen = about_unseen(self.lines, node.start_mark.line + 1) if self.lines is not None else ""
        self.problems.append(f"{self._place(node)}: {words}{unseen}")
        return _REFUSED


def _override(values: dict[str, Any], source: _Source, environ: Mapping[str, str], foreign: ForeignKeys) -> None:
    """Lay each CHATANON_<SECTION>__<KEY> over `values`; one that is set but blank counts as not set."""
    chosen: dict[KeyPath, tuple[str, Any]] = {}
    own = _own_of_characters(source.model)
    for name in sorted(environ):
        if not name.startswith(PREFIX) or "__" not in name[len(PREFIX) :]:
            continue
        path, text = tuple(name[len(PREFIX) :].lower().split("__")), environ[name].strip()
        if is_foreign_name(path, text, own):
            _take_foreign(foreign, name, path, text, source)
            continue
        wanted = _wanted_at(source, path, name)
        if not text or wanted is None:
            continue
        if path in chosen:
            other = chosen[path][0]
            source.problems.append(f"environment: {other} and {name} both set {dotted(path)}; keep one of them")
        else:
            chosen[path] = (name, wanted)
    for path in sorted(chosen, key=len):  # a whole section first, a key of it above that
        name, wanted = chosen[path]
        where = f"environment variable {name}"
        checker = _Source(source.model, where, None, source.problems, source.places)
        try:
            value = checker.value(_node_of(environ[name].strip(), wanted, where), wanted, path)
        except ConfigError as no_yaml:
            source.problems.append(str(no_yaml))
        else:
            if value is not _REFUSED:
                _lay_over(values, path, value)


def _take_foreign(foreign: ForeignKeys, name: str, path: KeyPath, text: str, source: _Source) -> None:
    where = f"environment variable {name}"
    if not text:
        return
    try:
        node = compose(text, where, has_lines=False) if text.startswith("{") else yaml.ScalarNode("", text)
    except ConfigError as no_yaml:
        source.problems.append(str(no_yaml))
    else:
        assert node is not None
        foreign.add(path, node, name if fit_to_show(name) else f"{PREFIX}...")


def _wanted_at(source: _Source, path: KeyPath, variable: str) -> Any:
    """The type of the key; None where there is none, which is noted."""
    wanted: Any = source.model
    for depth, name in enumerate(path):
        keys = keys_of(wanted) if is_section(wanted) else {}
        if name not in keys:
            place = f"environment variable {variable if fit_to_show(variable) else f'{PREFIX}...'}"
            source.problems.append(f"{place}: {unknown_key(source.model, path[:depth], name)}")
            return None
        wanted = keys[name]
    return wanted


def _node_of(text: str, wanted: Any, where: str) -> yaml.Node:
    """The text as YAML; but whole where a text is wanted, and at each comma where a list is and no `[` begins one."""
    if (item_of(wanted) is not None or takes_list(wanted)) and not text.startswith(("[", "{")):
        return yaml.SequenceNode("", [yaml.ScalarNode("", part.strip(), style='"') for part in text.split(",")])
    if wants_text(wanted):
        return yaml.ScalarNode("", text, style='"')
    return compose(text, where, has_lines=False) or yaml.ScalarNode("", "")


def _lay_over(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    for name in path[:-1]:
        values = values.setdefault(name, {})
    if isinstance(value, dict):
        section = values.setdefault(path[-1], {})
        for name, each in value.items():
            _lay_over(section, (name,), each)
    else:
        values[path[-1]] = value
