"""docs/configuration.md, and whatever shows a config.yaml, in; whether they are as the types say out."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import configuration_document as generated
from server.config import Config, load
from server.settings.key_words import key_paths
from tests.documents.pages import PAGES, TWINS, blocks, prose
from tests.running_server import ROOT


def values() -> Iterator[tuple[str, Any]]:
    for keys in key_paths(Config):
        value: Any = Config()
        for key in keys:
            value = getattr(value, key)
        yield ".".join(keys), list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("language", generated.PAGES)
def test_table_is_the_one_that_is_made_of_the_types(language: str) -> None:
    """Else: `make configuration`."""
    text = generated.PAGES[language].read_text(encoding="utf-8")
    assert text == generated.page(language, generated.words())


def test_every_key_has_a_sentence_in_each_language() -> None:
    assert generated.missing_and_unknown(generated.words()) == (set(), set())


@pytest.mark.parametrize(
    ("spoil", "missing", "unknown"),
    [
        (lambda table: table["keys"].pop("server.port"), {"server.port"}, set()),
        (lambda table: table["keys"]["server.port"].pop("zh"), {"server.port"}, set()),
        (lambda table: table["sections"]["server"].update(en=""), {"server"}, set()),
        (lambda table: table["keys"].update({"server.prot": {"en": "a", "zh": "b"}}), set(), {"server.prot"}),
    ],
)
def test_row_that_lacks_is_named(spoil: Any, missing: set[str], unknown: set[str]) -> None:
    table = yaml.safe_load(generated.TABLE.read_text(encoding="utf-8"))
    spoil(table)
    assert generated.missing_and_unknown(table) == (missing, unknown)


@pytest.mark.slow
def test_pages_are_made_by_the_command(tmp_path: Path) -> None:
    """In a copy, whose tables are gone."""
    for name in ("server", "services"):
        (tmp_path / name).symlink_to(ROOT / name, target_is_directory=True)
    (tmp_path / "docs").mkdir()
    (tmp_path / "scripts").mkdir()
    for path in (ROOT / "scripts").glob("configuration*"):
        shutil.copy(path, tmp_path / "scripts")
    for path in generated.PAGES.values():
        before, _, rest = path.read_text(encoding="utf-8").partition(generated.BEGINS)
        (tmp_path / "docs" / path.name).write_text(
            f"{before}{generated.BEGINS}\n{generated.ENDS}{rest.partition(generated.ENDS)[2]}", encoding="utf-8"
        )
    subprocess.run([sys.executable, "-m", "scripts.configuration_document"], cwd=tmp_path, check=True, timeout=60)
    for path in generated.PAGES.values():
        assert (tmp_path / "docs" / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", TWINS["configuration"], ids=lambda path: path.name)
def test_every_key_is_told_with_its_variable_and_default(path: Path) -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z0-9_.]+)`<br>`([A-Z0-9_]+)` \| `([^`]+)` \|", prose(path), re.MULTILINE)
    assert {key: yaml.safe_load(default) for key, _, default in rows} == dict(values())
    for key, variable, default in rows:
        environment = {variable: "" if default == '""' else default, "CHATANON_CREDENTIALS": ""}
        assert load(environment).config == Config(), key


SHOWN = [(path, block.text) for path in PAGES for block in blocks(path, "yaml") if "`prompts/" not in block.before]
SHOWN = [(path, text) for path, text in SHOWN if "voices" not in yaml.safe_load(text)]


@pytest.mark.parametrize(("path", "text"), SHOWN)
def test_configuration_shown_is_accepted(path: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    settings = load({"CHATANON_CONFIG": str(tmp_path / "config.yaml"), "CHATANON_CREDENTIALS": ""})
    assert settings.config != Config()


def test_configuration_of_the_specification_is_shown() -> None:
    told = [text for path, text in SHOWN if path in TWINS["specification"]]
    assert len(told) == 2 and all("websocket_receive: 0.01" in text for text in told)
