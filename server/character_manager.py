"""`prompts/<name>/` in, characters out: read once at start, found by name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import structlog
import yaml

from conversation.character import Character
from server.config import ConfigError
from services.base import Line, Script, ScriptTopic, Voice

log = structlog.get_logger()

NAME = re.compile(r"[a-z0-9_-]{1,32}")
MANIFEST = "character_manifest.md"
REPLY_FORMAT = "reply_format.md"
SHARED_SCRIPT = "offline_lines.yaml"
_MAX_MANIFEST_BYTES = 65_536

_Answers = tuple[tuple[Line, ...], ...]


class BrokenCharacter(Exception):
    """A folder that is no character; str(error) names the file, the line where it can be had, and the mend."""


class _VoiceFile(msgspec.Struct, forbid_unknown_fields=True):
    voice_id: str | None = None
    model: str | None = None
    speed: Annotated[float, msgspec.Meta(ge=0.5, le=2.0)] = 1.0
    pitch: Annotated[float, msgspec.Meta(ge=-12, le=12)] = 0.0


class _CharacterFile(msgspec.Struct, forbid_unknown_fields=True):
    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    greeting: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    voices: dict[str, _VoiceFile] = {}


class _TopicFile(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    phrases: dict[str, tuple[str, ...]]
    answers: Annotated[_Answers, msgspec.Meta(min_length=2)]  # two, so that none comes twice in a row


class _ScriptFile(msgspec.Struct, forbid_unknown_fields=True):
    topics: tuple[_TopicFile, ...]
    fallback: Annotated[_Answers, msgspec.Meta(min_length=2)]


class CharacterManager:
    """The characters of this server."""

    def __init__(self, characters: Mapping[str, Character], default: Character, reply_format: str) -> None:
        self._characters = dict(characters)
        self.default = default
        self.reply_format = reply_format

    @classmethod
    def load(cls, folder: Path, default: str) -> "CharacterManager":
        """Read every folder. A broken one is logged, with file and line, and left out.

        Raises:
            ConfigError: the default character is not among those that can be read, or there is no reply format.
        """
        reply_format = folder / REPLY_FORMAT
        if not reply_format.is_file():
            raise ConfigError(f"characters.folder: {reply_format} is missing; it tells every character how to reply")
        shared_script = _read_script(folder / SHARED_SCRIPT)
        characters: dict[str, Character] = {}
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith((".", "_")):
                try:
                    character = _read_character(path, shared_script)
                except BrokenCharacter as error:
                    log.error(f"character left out: {error}")
                else:
                    characters[character.name] = character
        found = characters.get(default.lower())
        if found is None:
            known = ", ".join(characters) or "none"
            raise ConfigError(
                f"characters.default: there is no character {default!r} that can be read in {folder} (found: {known}); "
                "mend its folder or name another"
            )
        return cls(characters, found, reply_format.read_text(encoding="utf-8"))

    def all(self) -> list[Character]:
        """Every character, by name."""
        return list(self._characters.values())

    def find(self, name: str) -> Character | None:
        """The character of that name in any case. A name is only ever looked up here, never made into a path."""
        return self._characters.get(name.strip().lower())

    def unknown(self) -> str:
        """The sentence for a name that is nobody's."""
        return f"There is no such character; there are: {', '.join(self._characters)}"


def _read_character(folder: Path, shared_script: Script | None) -> Character:
    name = folder.name.lower()
    if not NAME.fullmatch(name):
        raise BrokenCharacter(f"{folder}: a character's folder is named with a-z, 0-9, _ and -, at most 32 of them")
    manifest = _read_text(folder / MANIFEST)
    if manifest is None:
        raise BrokenCharacter(f"{folder / MANIFEST} is missing; it says who the character is")
    if not manifest.strip():
        raise BrokenCharacter(f"{folder / MANIFEST} is empty; write who the character is")
    if len(manifest.encode()) > _MAX_MANIFEST_BYTES:
        raise BrokenCharacter(f"{folder / MANIFEST} is longer than {_MAX_MANIFEST_BYTES} bytes; shorten it")
    about = _read_yaml(folder / "character.yaml", _CharacterFile) or _CharacterFile()
    return Character(
        name=name,
        display_name=about.display_name or name,
        description=about.description,
        manifest=manifest,
        greeting=about.greeting,
        voices={
            engine: Voice(voice.voice_id, voice.model, voice.speed, voice.pitch)
            for engine, voice in about.voices.items()
        },
        pronunciation=_read_yaml(folder / "pronunciation.yaml", dict[str, str]) or {},
        script=_read_script(folder / SHARED_SCRIPT) or shared_script,
    )


def _read_script(path: Path) -> Script | None:
    script = _read_yaml(path, _ScriptFile)
    if script is None:
        return None
    topics = tuple(ScriptTopic(topic.name, topic.phrases, topic.answers) for topic in script.topics)
    return Script(topics, script.fallback)


def _read_text(path: Path) -> str | None:
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


def _read_yaml(path: Path, kind: Any) -> Any:
    """The file as a value of a kind; None where there is no file or nothing in it."""
    text = _read_text(path)
    if text is None:
        return None
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        data = yaml.safe_load(text)
        return None if data is None else msgspec.convert(data, kind)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BrokenCharacter(f"{path}, line {line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise BrokenCharacter(f"{path}: not YAML: {error}") from error
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        line = _line_of(node, where.strip("`"))
        raise BrokenCharacter(f"{path}, line {line}: {what[:1].lower()}{what[1:]}") from error


def _line_of(node: Any, where: str) -> int:
    """The line of msgspec's `$.topics[2].name` in a composed document; a field that is missing gives its parent's."""
    line: int = node.start_mark.line + 1
    for key, index in re.findall(r"\.([^.\[\]]+)|\[(\d+)\]", where):
        if isinstance(node, yaml.MappingNode):
            found = [(name, value) for name, value in node.value if name.value == key]
            if not found:
                break
            name, node = found[0]
            line = name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and index and int(index) < len(node.value):
            node = node.value[int(index)]
            line = node.start_mark.line + 1
        else:
            break
    return line
