"""docs/characters.md, docs/talking.md and twins in; whether the character shown is one, and knows its words."""

import re
import shutil
from pathlib import Path

import pytest

from server.character_manager import CharacterManager
from tests.documents.pages import READMES, TWINS, prose, write_character
from tests.running_server import ROOT

PAGES = TWINS["characters"]


@pytest.mark.parametrize("path", PAGES)
def test_character_shown_is_a_character(path: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    write_character(path, tmp_path / "prompts")
    characters = CharacterManager.load(tmp_path / "prompts", "yuki")
    yuki, anon = characters.default, characters.find("anon")
    assert anon is not None and set(yuki.voices) == {"embedded", "minimax", "voicevox"}
    assert yuki.display_name == "小雪 (Yuki)" and yuki.description and yuki.greeting and yuki.pronunciation
    assert yuki.script is not None and yuki.script.topics[0].name == "greeting"


@pytest.mark.parametrize("path", READMES)
def test_one_file_is_a_character(path: Path, tmp_path: Path) -> None:
    shutil.copy(ROOT / "prompts" / "reply_format.md", tmp_path)
    write_character(path, tmp_path)
    assert [each.name for each in (tmp_path / "yuki").iterdir()] == ["character_manifest.md"]
    assert CharacterManager.load(tmp_path, "yuki").default.display_name == "yuki"


@pytest.mark.parametrize("path", TWINS["talking"])
def test_phrases_to_try_are_in_the_script(path: Path) -> None:
    script = CharacterManager.load(ROOT / "prompts", "anon").default.script
    assert script is not None
    for language, name in (("zh", "中文|Chinese"), ("ja", "日语|Japanese"), ("en", "英语|English")):
        known = {phrase for topic in script.topics for phrase in topic.phrases.get(language, ())}
        (phrases,) = re.findall(rf"^\| (?:{name}) \| (.+) \|$", prose(path), re.MULTILINE)
        assert set(phrases.split("、")) <= known
