"""`prompts/<name>/` in, characters out: read once at start, found by name."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
import structlog

from conversation.character import Character, neutral_deflection
from conversation.prompt import system_text
from conversation.reply.guarded_parser import Guard
from server.config import ConfigError, Language
from server.settings.character_yaml import BrokenCharacter, read_text, read_yaml
from server.settings.foreign_keys import CloudVoice
from services.base import Emotion, Line, Script, ScriptTopic, Voice
from services.engine_voices import PlainVoice
from services.tts_service import voice_kinds

log = structlog.get_logger()

NAME = re.compile(r"[a-z0-9_-]{1,32}")
MANIFEST = "character_manifest.md"
ABOUT = "character.yaml"
PRONUNCIATION = "pronunciation.yaml"
REPLY_FORMAT = "reply_format.md"
SHARED_SCRIPT = "offline_lines.yaml"
PASSED_ON = ("client", "live2d_model_set")  # to clients, as they are
CLOUD = "minimax"  # the engine that `characters.<name>` of the configuration speaks of
_MAX_MANIFEST_BYTES = 65_536

_Text = Annotated[str, msgspec.Meta(min_length=1)]


class _LineFile(msgspec.Struct, forbid_unknown_fields=True):
    jp: _Text
    cn: _Text
    emotion: Emotion = "auto"


class _CharacterFile(msgspec.Struct, forbid_unknown_fields=True):
    display_name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    description: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    greeting: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    voices: Any = None  # a section per engine: see `_character_file`
    deflection: _LineFile | None = None
    hears: Language | None = None
    client: dict[str, Any] | None = None
    live2d_model_set: Any = None


@cache
def _character_file() -> type[_CharacterFile]:
    """With a section of its own kind for each engine there is."""
    sections = [(engine, kind | msgspec.UnsetType, msgspec.UNSET) for engine, kind in voice_kinds().items()]
    voices = msgspec.defstruct("_VoicesFile", sections, forbid_unknown_fields=True)
    field = ("voices", voices, msgspec.field(default_factory=voices))
    bases = (_CharacterFile,)
    return cast(
        type[_CharacterFile], msgspec.defstruct("_FileOfCharacter", [field], bases=bases, forbid_unknown_fields=True)
    )


def _voices(about: _CharacterFile) -> Iterator[tuple[str, Voice]]:
    """What its file says of its voice, by engine."""
    for engine, section in msgspec.structs.asdict(about.voices).items():
        if isinstance(section, PlainVoice):
            yield engine, Voice(section.voice_id, section.model, section.speed, section.pitch)
        elif section is not msgspec.UNSET:
            yield engine, Voice(options=section)


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
        names = [name for each in characters.values() for name in each.names()]
        self._guards = {each.name: each.guard(system_text(each, reply_format), names) for each in characters.values()}

    @classmethod
    def load(
        cls, folder: Path, default: str, cloud_voices: Mapping[str, CloudVoice] | None = None
    ) -> "CharacterManager":
        """Read every folder. A broken one is logged, with file and line, and left out.

        `cloud_voices`: what the configuration says of some, by name, above their own files.

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
        for name, voice in (cloud_voices or {}).items():
            if name in characters:
                characters[name] = _with_cloud_voice(characters[name], voice)
            else:
                log.warning(f"characters.{name}: there is no such character whose voice it could be")
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

    def guard(self, character: Character) -> Guard:
        """Against repeating what an LLM is told of a character of this server."""
        return self._guards[character.name]

    def unknown(self) -> str:
        """The sentence for a name that is nobody's."""
        return f"There is no such character; there are: {', '.join(self._characters)}"


def _read_shared(folder: Path) -> tuple[str, Script | None]:
    """What all characters share: the reply format, and what they say without an LLM where they have no lines."""
    try:
        reply_format = read_text(folder / REPLY_FORMAT)
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
    manifest = read_text(folder / MANIFEST)
    if manifest is None:
        raise BrokenCharacter(f"{folder / MANIFEST} is missing; it says who the character is")
    if not manifest.strip():
        raise BrokenCharacter(f"{folder / MANIFEST} is empty; write who the character is")
    if len(manifest.encode()) > _MAX_MANIFEST_BYTES:
        raise BrokenCharacter(f"{folder / MANIFEST} is longer than {_MAX_MANIFEST_BYTES} bytes; shorten it")
    about = read_yaml(folder / ABOUT, _character_file(), PASSED_ON) or _character_file()()
    return Character(
        name=name,
        display_name=about.display_name or name,
        description=about.description,
        manifest=manifest,
        greeting=about.greeting,
        voices=dict(_voices(about)),
        pronunciation=read_yaml(folder / PRONUNCIATION, dict[str, str]) or {},
        script=_read_script(folder / SHARED_SCRIPT) or shared_script,
        client=_for_clients(folder / ABOUT, about),
        deflection=_line(about.deflection) if about.deflection else neutral_deflection(),
        hears=about.hears or "",
    )


def _for_clients(path: Path, about: _CharacterFile) -> dict[str, Any]:
    """`client` with `live2d_model_set` in it, wherever that stands."""
    client, models = about.client or {}, about.live2d_model_set
    if models is None:
        return client
    if client.get("live2d_model_set", models) != models:
        raise BrokenCharacter(f"{path}: live2d_model_set stands at the top and under client, unlike; keep one of them")
    return {**client, "live2d_model_set": models}


def _with_cloud_voice(character: Character, voice: CloudVoice) -> Character:
    old = character.voice(CLOUD)
    new = Voice(voice.voice_id or old.voice_id, voice.model or old.model, old.speed, old.pitch)
    return replace(character, voices={**character.voices, CLOUD: new})


def _check_inside(folder: Path) -> None:
    """Links may point anywhere in `prompts/`, never out of it."""
    root = folder.parent.resolve()
    for path in (folder, *(folder / name for name in (MANIFEST, ABOUT, PRONUNCIATION, SHARED_SCRIPT))):
        if not path.resolve().is_relative_to(root):
            raise BrokenCharacter(f"{path} is a link that leads out of {folder.parent}; put a copy there")


def _read_script(path: Path) -> Script | None:
    script = read_yaml(path, _ScriptFile)
    if script is None:
        return None
    topics = tuple(ScriptTopic(topic.name, topic.phrases, _answers(topic.answers)) for topic in script.topics)
    return Script(topics, _answers(script.fallback))


def _answers(answers: _AnswersFile) -> tuple[tuple[Line, ...], ...]:
    return tuple(tuple(_line(line) for line in answer) for answer in answers)


def _line(line: _LineFile) -> Line:
    return Line(line.jp, line.cn, line.emotion)
