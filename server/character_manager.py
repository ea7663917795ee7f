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
from services.base import Emotion, Line, Script, ScriptTopic, Voice

log = structlog.get_logger()

NAME = re.compile(r"[a-z0-9_-]{1,32}")
MANIFEST = "character_manifest.md"
ABOUT = "character.yaml"
PRONUNCIATION = "pronunciation.yaml"
REPLY_FORMAT = "reply_format.md"
SHARED_SCRIPT = "offline_lines.yaml"
_MAX_MANIFEST_BYTES = 65_536
_MAX_DEPTH = 20  # of nested YAML; ours needs six

# libyaml where the wheel has it: eighteen times as fast, half a second of every start.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NO_TEXT = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")

_Text = Annotated[str, msgspec.Meta(min_length=1)]


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


class _LineFile(msgspec.Struct, forbid_unknown_fields=True):
    jp: _Text
    cn: _Text
    emotion: Emotion = "auto"


_AnswerFile = Annotated[tuple[_LineFile, ...], msgspec.Meta(min_length=1)]
_AnswersFile = Annotated[tuple[_AnswerFile, ...], msgspec.Meta(min_length=2)]  # two, so that none comes twice in a row


class _TopicFile(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    phrases: dict[str, tuple[str, ...]]
    answers: _AnswersFile


class _ScriptFile(msgspec.Struct, forbid_unknown_fields=True):
    topics: tuple[_TopicFile, ...]
    fallback: _AnswersFile


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
        reply_format, shared_script = _read_shared(folder)
        characters: dict[str, Character] = {}
        for path in sorted(folder.iterdir(), key=lambda path: (path.name.lower(), path.name)):
            if path.is_dir() and not path.name.startswith((".", "_")):
                try:
                    character = _read_character(path, shared_script)
                    if characters.setdefault(character.name, character) is not character:
                        raise BrokenCharacter(f"{path}: another folder has this name in other case; rename one")
                except BrokenCharacter as error:
                    log.error(f"character left out: {error}")
        found = characters.get(default.lower())
        if found is None:
            known = ", ".join(characters) or "none"
            raise ConfigError(
                f"characters.default: there is no character {default!r} that can be read in {folder} (found: {known}); "
                "mend its folder or name another"
            )
        return cls(characters, found, reply_format)

    def all(self) -> list[Character]:
        """Every character, by name."""
        return list(self._characters.values())

    def find(self, name: str) -> Character | None:
        """The character of that name in any case. A name is only ever looked up here, never made into a path."""
        return self._characters.get(name.strip().lower())

    def unknown(self) -> str:
        """The sentence for a name that is nobody's."""
        return f"There is no such character; there are: {', '.join(self._characters)}"


def _read_shared(folder: Path) -> tuple[str, Script | None]:
    """What all characters share: the reply format, and what they say without an LLM where they have no lines."""
    try:
        reply_format = _read_text(folder / REPLY_FORMAT)
        script = _read_script(folder / SHARED_SCRIPT)
    except BrokenCharacter as error:
        raise ConfigError(f"characters.folder: {error}") from error
    if not reply_format or not reply_format.strip():
        state = "is missing" if reply_format is None else "is empty"
        raise ConfigError(f"characters.folder: {folder / REPLY_FORMAT} {state}; it tells every character how to reply")
    return reply_format, script


def _read_character(folder: Path, shared_script: Script | None) -> Character:
    name = folder.name.lower()
    if not NAME.fullmatch(name):
        raise BrokenCharacter(f"{folder}: a character's folder is named with a-z, 0-9, _ and -, at most 32 of them")
    _check_inside(folder)
    manifest = _read_text(folder / MANIFEST)
    if manifest is None:
        raise BrokenCharacter(f"{folder / MANIFEST} is missing; it says who the character is")
    if not manifest.strip():
        raise BrokenCharacter(f"{folder / MANIFEST} is empty; write who the character is")
    if len(manifest.encode()) > _MAX_MANIFEST_BYTES:
        raise BrokenCharacter(f"{folder / MANIFEST} is longer than {_MAX_MANIFEST_BYTES} bytes; shorten it")
    about = _read_yaml(folder / ABOUT, _CharacterFile) or _CharacterFile()
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
        pronunciation=_read_yaml(folder / PRONUNCIATION, dict[str, str]) or {},
        script=_read_script(folder / SHARED_SCRIPT) or shared_script,
    )


def _check_inside(folder: Path) -> None:
    """Links may point anywhere in `prompts/`, never out of it."""
    root = folder.parent.resolve()
    for path in (folder, *(folder / name for name in (MANIFEST, ABOUT, PRONUNCIATION, SHARED_SCRIPT))):
        if not path.resolve().is_relative_to(root):
            raise BrokenCharacter(f"{path} is a link that leads out of {folder.parent}; put a copy there")


def _read_script(path: Path) -> Script | None:
    script = _read_yaml(path, _ScriptFile)
    if script is None:
        return None
    topics = tuple(ScriptTopic(topic.name, topic.phrases, _answers(topic.answers)) for topic in script.topics)
    return Script(topics, _answers(script.fallback))


def _answers(answers: _AnswersFile) -> tuple[tuple[Line, ...], ...]:
    return tuple(tuple(Line(line.jp, line.cn, line.emotion) for line in answer) for answer in answers)


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
    node: Any = None
    try:
        _check_shape(text)
        node = yaml.compose(text, _LOADER)
        data = None if node is None else _plain(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise BrokenCharacter(f"{path}, line {line}: not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.encode().count(b"\n", 0, error.position) + 1
        raise BrokenCharacter(f"{path}, line {line}: not YAML: a control character; take it out") from error
    except (ValueError, OverflowError) as error:
        raise BrokenCharacter(f"{path}: not YAML: an escape or a number in it is too large") from error
    try:
        return None if data is None else msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        what = str(error).partition(" - at ")[0]
        line = _line_of(node, _steps(str(error), data, kind))
        raise BrokenCharacter(f"{path}, line {line}: {what[:1].lower()}{what[1:]}") from error


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
