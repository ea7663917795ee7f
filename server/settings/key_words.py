"""The keys of a model, and what may stand there, in words: for the sentences about what does not fit."""

import difflib
import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias, get_args, get_origin

import msgspec
import yaml

from server.settings.refusals import marked, meant
from server.settings.yaml_text import scalar

KeyPath: TypeAlias = tuple[str, ...]

KEY_FIT_TO_SHOW = re.compile(r"(<U\+[0-9A-F]+>)*[^\W\d][\w-]{0,59}(<U\+[0-9A-F]+>)*")


def key_paths(model: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of the model that holds a value, as ("server", "port")."""
    for name, wanted in keys_of(model).items():
        if is_section(wanted):
            yield from key_paths(wanted, (*path, name))
        else:
            yield (*path, name)


def keys_of(section: type[msgspec.Struct]) -> dict[str, Any]:
    """The names and types of its keys."""
    return {field.name: field.type for field in msgspec.structs.fields(section)}


def is_section(wanted: Any) -> bool:
    """Whether keys are below it."""
    return isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)


def takes_list(wanted: Any) -> bool:
    """Whether it is a section for which one list may stand, the same for each of its keys."""
    return is_section(wanted) and getattr(wanted, "one_list_for_all", False)


def item_of(wanted: Any) -> Any:
    """The type of the items where a list is wanted, else None."""
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    return get_args(bare)[0] if get_origin(bare) is tuple else None


def one_is_enough(wanted: Any) -> bool:
    """Whether one item may stand where a list is wanted: its `Meta` says so."""
    info = msgspec.inspect.type_info(wanted)
    return isinstance(info, msgspec.inspect.Metadata) and bool((info.extra or {}).get("one_is_enough"))


def wants_text(wanted: Any) -> bool:
    """Whether only texts will do."""
    info = _info(wanted)
    if isinstance(info, msgspec.inspect.LiteralType):
        return all(isinstance(each, str) for each in info.values)
    return isinstance(info, msgspec.inspect.StrType)


def dotted(path: KeyPath) -> str:
    """The path as people write it; a name that is not fit to show is left out."""
    return ".".join(path)


def fit_to_show(name: str) -> str | None:
    """The name of a key, with what cannot be seen in it made visible; None where it may be something else."""
    shown = marked(name)
    return shown if KEY_FIT_TO_SHOW.fullmatch(shown) else None


def unknown_key(model: type[msgspec.Struct], path: KeyPath, name: str) -> str:
    """Words for a key that is not in the section at `path`: what it is, and the known one that was meant."""
    section: Any = model
    for part in path:
        section = keys_of(section)[part] if is_section(section) else None
    known = list(keys_of(section)) if is_section(section) else []
    fit = fit_to_show(name)
    shown = dotted((*path, fit)) if fit else f"this key of {dotted(path) or 'the file'}"
    near = difflib.get_close_matches(meant(name), known, 1)
    elsewhere = [dotted(each) for each in key_paths(model) if each[-1] == meant(name)]
    if near:
        mend = f"did you mean {dotted((*path, near[0]))}?"
    elif elsewhere:
        mend = f"did you mean {' or '.join(elsewhere)}?"
    elif name.isupper():
        mend = "keys and tokens belong in the environment or in credentials.py"
    elif path == ("characters",):
        mend = f"known here: {', '.join(known)}, or a character's name with a section (voice_id, tts_model) below it"
    elif known:
        mend = f"known here: {', '.join(known)}"
    else:
        mend = f"{dotted(path)} is one value, no section"
    return f"{shown} is unknown; {mend}"


def no_section(name: str, wanted: Any) -> str:
    """Words for what should be a section and is none."""
    if takes_list(wanted):
        return f"{name} must be a list in [ and ], or a section with the keys {' and '.join(keys_of(wanted))}"
    return f"{name} must be a section: lines of the form `key: value`, indented alike"


def shown(value: str | int | float | bool | None) -> str:
    """Numbers as they are; never a text, which may be a key in the wrong place."""
    if value is None:
        return "empty"
    if isinstance(value, str):
        return "this text" if value.strip() else "blank"
    return f"{value!r}".lower()[:24]


def mend(value: str | int | float | bool | None, wanted: Any) -> str:
    """What to do about a value that is not of the wanted type, as the end of a sentence."""
    info = _info(wanted)
    if value is None:
        return "; give it a value or leave the key out"
    if not isinstance(value, str):
        return "; put it in quotes" if wants_text(wanted) else ""
    if isinstance(info, msgspec.inspect.LiteralType):
        near = difflib.get_close_matches(meant(value), [str(each) for each in info.values], 1)
        return f"; did you mean {near[0]}?" if near else ""
    if item_of(wanted) is not None:
        return "; put it in [ and ]"
    if isinstance(info, msgspec.inspect.StrType):
        return ""
    try:
        msgspec.convert(scalar(yaml.ScalarNode("", value)), wanted)
    except msgspec.ValidationError:
        return ""
    return "; write it without quotes"


def _info(wanted: Any) -> msgspec.inspect.Type:
    info = msgspec.inspect.type_info(wanted)
    return info.type if isinstance(info, msgspec.inspect.Metadata) else info


def described(wanted: Any) -> str:
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
            return f"a list, each {described(item_of(wanted))}"
        case _:
            return "a text"
