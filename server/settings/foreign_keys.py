"""Keys of the original server's config.yaml that the specification does not have: which mean something here.

Whoever moves from there keeps their file. What means something is taken over, where the key of ours is not set; the
rest does nothing and is told of, all in one line. Nothing here refuses: an unknown key that is not in the table does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from server.settings.key_words import KeyPath, dotted, fit_to_show
from server.settings.yaml_text import scalar

# A whole section, or one key; and below it, which key of ours each key becomes.
FOREIGN: tuple[KeyPath, ...] = (
    ("logging",),
    ("resources",),
    ("server", "debug"),
    ("audio", "tts_sentence_gap_seconds"),
    ("audio", "asr_segment_duration_ms"),
)
CHARACTERS = "characters"  # and of each of them, by name, a section of its own

_LEVEL, _RESOURCE = ("log", "level"), ("models", "asr_resource_id")
_LEVELS = {
    **{name: name for name in ("debug", "info", "warning", "error", "critical")},
    "warn": "warning",
    "fatal": "critical",
    "notset": "debug",
}
_OF_A_CHARACTER = ("voice_id", "tts_model")
Scalar: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class ForeignValue:
    """One of them as it was found."""

    path: KeyPath
    place: str
    value: Scalar  # None: a list


@dataclass(frozen=True, slots=True)
class CloudVoice:
    """What `characters.<name>` says of a character's voice in the cloud; None: as its own file does."""

    voice_id: str | None = None
    model: str | None = None


@dataclass(slots=True)
class ForeignKeys:
    """All that were found, in the file and, above it, in the environment."""

    values: dict[KeyPath, ForeignValue] = field(default_factory=dict)

    def take_from(self, node: yaml.Node, own: Mapping[str, Any]) -> None:
        """Take them out of the file's tree. `own`: the names of our keys below `characters`."""
        if not isinstance(node, yaml.MappingNode):
            return
        for section in list(node.value):
            name = _name(section[0])
            if (name,) in FOREIGN:
                node.value.remove(section)
                self.add((name,), section[1])
            elif isinstance(section[1], yaml.MappingNode):
                for pair in list(section[1].value):
                    path = (name, _name(pair[0]))
                    if path in FOREIGN or (_is_character(path, own) and isinstance(pair[1], yaml.MappingNode)):
                        section[1].value.remove(pair)
                        self.add(path, pair[1])

    def add(self, path: KeyPath, node: yaml.Node, variable: str | None = None) -> None:
        """All values below a node, of the file or of an environment variable."""
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self.add((*path, _name(key)), value, variable)
            return
        value = scalar(node) if isinstance(node, yaml.ScalarNode) else None
        if value is not None or not isinstance(node, yaml.ScalarNode):
            self.values[path] = ForeignValue(path, variable or f"line {node.start_mark.line + 1}", value)

    def honour(self, set_by_us: Mapping[KeyPath, str]) -> tuple[dict[KeyPath, Scalar], dict[str, CloudVoice], str]:
        """Keys of ours with the values they get; the voices by character; and a line about all the others, or ""."""
        used: dict[KeyPath, Scalar] = {}
        voices: dict[str, dict[str, str]] = {}
        idle: list[ForeignValue] = []
        for found in sorted(self.values.values(), key=lambda each: each.path == ("server", "debug")):
            key, value = _ours(found)
            name = found.path[1].lower() if found.path[0] == CHARACTERS else ""
            if name and len(found.path) == 3 and found.path[2] in _OF_A_CHARACTER and _is_name(found.value):
                voices.setdefault(name, {})[found.path[2]] = str(found.value)
            elif key is not None and key not in set_by_us:
                used[key] = value
            elif found.path != ("server", "debug") or found.value is not False:
                idle.append(found)
        clouds = {name: CloudVoice(voice.get("voice_id"), voice.get("tts_model")) for name, voice in voices.items()}
        return used, clouds, _told(idle)


def is_foreign_name(path: KeyPath, text: str, own: Mapping[str, Any]) -> bool:
    """Whether an environment variable's path is one of them."""
    if path[:1] in FOREIGN or path[:2] in FOREIGN:
        return True
    return _is_character(path[:2], own) and (len(path) == 3 or (len(path) == 2 and text.startswith("{")))


def _is_character(path: KeyPath, own: Mapping[str, Any]) -> bool:
    return len(path) == 2 and path[0] == CHARACTERS and path[1] != "" and path[1] not in own


def _name(key: yaml.Node) -> str:
    return str(key.value) if isinstance(key, yaml.ScalarNode) else ""


def _is_text(value: Scalar) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_name(value: Scalar) -> bool:
    """Whether it can be a vendor's name of something: also one of digits alone, without quotes."""
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def _ours(found: ForeignValue) -> tuple[KeyPath | None, Scalar]:
    """The key of ours that it means, and its value there."""
    match found.path, found.value:
        case ("logging", "level"), str(level) if level.lower() in _LEVELS:
            return _LEVEL, _LEVELS[level.lower()]
        case ("server", "debug"), True:
            return _LEVEL, "debug"
        case ("resources", "asr_resource_id"), value if _is_text(value):
            return _RESOURCE, value
    return None, None


def _told(idle: list[ForeignValue]) -> str:
    if not idle:
        return ""
    return f"known from another server and without effect here: {', '.join(_shown(idle))}"


def _shown(idle: list[ForeignValue]) -> Iterator[str]:
    for found in idle:
        names = [fit_to_show(name) or "..." for name in found.path]
        yield f"{dotted(tuple(names))} ({found.place})"
