"""Which language an ASR is told: a character's comes before the configuration's, and "auto" is none."""

from pathlib import Path

import pytest

from server.character_manager import CharacterManager
from server.config import load
from server.settings.refusals import ConfigError

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("said", "hears"), [("", ""), ("hears: ja", "ja"), ("hears: auto", "auto")])
def test_a_character_says_what_is_spoken_to_it(tmp_path: Path, said: str, hears: str) -> None:
    (tmp_path / "yuki").mkdir()
    (tmp_path / "reply_format.md").write_text("JSON", "utf-8")
    (tmp_path / "yuki" / "character_manifest.md").write_text("Yuki.", "utf-8")
    (tmp_path / "yuki" / "character.yaml").write_text(said, "utf-8")
    assert CharacterManager.load(tmp_path, "yuki").default.hears == hears


@pytest.mark.parametrize("wrong", ["japanese", "JA", "zh-CN", ""])
def test_a_language_that_is_no_code_is_refused(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f'asr: {{language: "{wrong}"}}', "utf-8")
    with pytest.raises(ConfigError, match=r"asr\.language"):
        load({"CHATANON_CONFIG": str(path), "CHATANON_CREDENTIALS": ""}, ROOT)
