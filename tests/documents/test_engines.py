"""docs/engines.md and its twin in; whether what they show can be used as it stands out."""

import re
from pathlib import Path

import pytest
import yaml

from server.character_manager import CharacterManager
from server.config import load
from services.asr_service import ASR_VENDORS
from services.base import Message, Prompt
from services.engine_choice import choose_engines
from services.engine_settings import LLMSettings
from services.llm_service import LLM_VENDORS
from services.tts_service import TTS_VENDORS
from tests.running_server import ROOT

DOCUMENTS = (ROOT / "docs" / "engines.md", ROOT / "docs" / "engines.en.md")
VENDORS = {"llm": LLM_VENDORS, "tts": TTS_VENDORS, "asr": ASR_VENDORS}
KEYS = {name: "key" for vendors in VENDORS.values() for vendor in vendors.values() for name in vendor.secrets}


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def shown(path: Path) -> list[tuple[str, str, list[str]]]:
    """Kind, name and addresses of each row of the table."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| ([^|]+) \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    return [(kind, name, re.findall(r"`(\w+)`", endpoints)) for kind, name, endpoints in rows]


@pytest.mark.parametrize("path", DOCUMENTS)
def test_table_has_every_engine_with_its_address(path: Path) -> None:
    assert {(kind, name) for kind, name, _ in shown(path)} == {
        (kind, name) for kind, vendors in VENDORS.items() for name in vendors
    }
    for kind, name, endpoints in shown(path):
        assert (endpoints or [""])[0] == VENDORS[kind][name].endpoint


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_configuration_can_be_used_as_it_is_shown(path: Path, tmp_path: Path) -> None:
    configurations = [block for block in blocks(path, "yaml") if "voices" not in yaml.safe_load(block)]
    for text in configurations:
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        settings = load({}, tmp_path)
        endpoints = {
            name: getattr(settings.config.endpoints, name) for name in settings.config.endpoints.__struct_fields__
        }
        endpoints |= {
            "voicevox": endpoints["voicevox"] or "http://own",
            "openai_llm": endpoints["openai_llm"] or "http://own",
        }
        for kind, vendors in VENDORS.items():
            assert choose_engines(kind, getattr(settings.config.engines, kind), vendors, KEYS, endpoints)
    assert len(configurations) >= 7


@pytest.mark.parametrize("path", DOCUMENTS)
def test_each_voice_can_be_a_character_s(path: Path, tmp_path: Path) -> None:
    voices = [block for block in blocks(path, "yaml") if "voices" in yaml.safe_load(block)]
    (tmp_path / "reply_format.md").write_text("one line", encoding="utf-8")
    for number, text in enumerate(voices):
        folder = tmp_path / f"character{number}"
        folder.mkdir()
        (folder / "character_manifest.md").write_text("somebody", encoding="utf-8")
        (folder / "character.yaml").write_text(text, encoding="utf-8")
    characters = CharacterManager.load(tmp_path, "character0")
    assert len(characters.all()) == len(voices) >= 4
    assert all(set(each.voices) <= set(TTS_VENDORS) and each.voices for each in characters.all())


@pytest.mark.anyio
@pytest.mark.parametrize("path", DOCUMENTS)
async def test_the_smallest_engine_answers(path: Path) -> None:
    (code,) = blocks(path, "python")
    module: dict[str, object] = {}
    exec(code, module)
    open_llm = module["open_llm"]
    assert callable(open_llm)
    async with open_llm(LLMSettings()) as llm:
        llm.prepare()
        assert [text async for text in llm.stream(Prompt("anon", (Message("user", "你好"),)))] == ["你好"]


def test_both_languages_show_the_same() -> None:
    chinese, english = DOCUMENTS
    assert blocks(chinese, "yaml") == blocks(english, "yaml") and blocks(chinese, "python") == blocks(english, "python")
    assert shown(chinese) == shown(english)
