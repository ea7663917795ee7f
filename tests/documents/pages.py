"""The documents in; their lines and blocks out. Each page has a twin in the other language."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.running_server import ROOT

READMES = (ROOT / "README.md", ROOT / "README.en.md")
# Chinese and English, side by side.
TWINS = {
    path.with_suffix("").stem: (path.with_name(f"{path.name.removesuffix('.en.md')}.md"), path)
    for path in (ROOT / "README.en.md", *sorted((ROOT / "docs").glob("*.en.md")))
}
PAGES = tuple(path for pair in TWINS.values() for path in pair)  # what people read who use this
DOCUMENTS = (*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the last line before it that is not blank."""

    language: str
    text: str
    before: str


@cache
def parts(path: Path) -> tuple[tuple[str, ...], tuple[Block, ...]]:
    """The lines outside all fenced blocks, and the blocks."""
    prose: list[str] = []
    found: list[Block] = []
    language: str | None = None
    inside: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if language is None:
                language, inside = line[3:], []
            else:
                found.append(Block(language, "\n".join(inside), next((said for said in reversed(prose) if said), "")))
                language = None
        elif language is None:
            prose.append(line)
        else:
            inside.append(line)
    assert language is None, f"{path}: a block is not closed"
    return tuple(prose), tuple(found)


def prose(path: Path) -> str:
    return "\n".join(parts(path)[0])


def blocks(path: Path, language: str) -> list[Block]:
    return [block for block in parts(path)[1] if block.language == language]


def headings(path: Path) -> list[str]:
    return [line for line in parts(path)[0] if line.startswith("#")]


def without_comments(text: str) -> str:
    return re.sub(r"[ \t]{2,}# .*$", "", text, flags=re.MULTILINE)


def lines(path: Path, language: str) -> list[str]:
    """Every command of the blocks in this language."""
    return [line for block in blocks(path, language) for line in without_comments(block.text).splitlines() if line]


def shown_file(path: Path, name: str) -> str:
    """The block below the line that ends with this file's name."""
    return next(block.text for block in parts(path)[1] if re.search(rf"`{re.escape(name)}`\s*[:：]", block.before))


def write_character(page: Path, prompts: Path) -> None:
    """The files of the character that the page shows."""
    for block in parts(page)[1]:
        if found := re.search(r"`prompts/(yuki/[a-z_.]+)`", block.before):
            (prompts / found[1]).parent.mkdir(exist_ok=True)
            (prompts / found[1]).write_text(block.text, encoding="utf-8")
