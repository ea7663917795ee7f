"""A folder of lists in, one file for each language; their lines out, read when they are first asked for."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent


@cache
def lists(folder: str) -> tuple[tuple[str, str], ...]:
    """Section and entry of every line, of all languages. `[name]` begins a section; `#` begins a comment."""
    return tuple(entry for path in sorted((HERE / folder).glob("*.txt")) for entry in _entries(path))


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    section = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = line.partition("#")[0].strip()
        if entry.startswith("["):
            section = entry.strip("[]")
        elif entry:
            yield section, entry
