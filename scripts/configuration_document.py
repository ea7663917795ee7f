"""The types of server/config.py and scripts/configuration.yaml in, the tables of docs/configuration*.md out.

`make configuration` writes them; what stands outside the two marks of a page is written by hand.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

import msgspec
import yaml

from server.config import Config
from server.settings.key_words import item_of, key_paths, keys_of, one_is_enough

ROOT = Path(__file__).resolve().parent.parent
Words: TypeAlias = Mapping[str, Mapping[str, Mapping[str, str]]]

PAGES = {"zh": ROOT / "docs" / "configuration.md", "en": ROOT / "docs" / "configuration.en.md"}
TABLE = ROOT / "scripts" / "configuration.yaml"
BEGINS, ENDS = "<!-- made by `make configuration` from here -->", "<!-- to here -->"

HEAD = {"en": ("key, variable", "default", "what may stand there", "what it is for")}
HEAD["zh"] = ("键，环境变量", "默认值", "可以写什么", "用途")
# What a type is called: English, Chinese.
KINDS = {
    "whole": {"en": "whole number, {range}", "zh": "整数，{range}"},
    "number": {"en": "number, {range}", "zh": "数，{range}"},
    "text": {"en": "text", "zh": "文本"},
    "text or empty": {"en": "text, or empty", "zh": "文本，可以空着"},
    "language": {"en": "`auto`, or a code of two or three letters", "zh": "`auto`，或两三个字母的代码"},
    "origin": {"en": "`*`, or such as `https://example.org`", "zh": "`*`，或者 `https://example.org` 这样的来源"},
    "list": {"en": "list; of {item}", "zh": "列表，每项：{item}"},
    "one or list": {"en": "a name, or a list of names", "zh": "一个名字，或一串名字"},
}  # fmt: skip


def words() -> Words:
    """The sentences of the table, each in both languages."""
    read: Words = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return read


def missing_and_unknown(table: Words) -> tuple[set[str], set[str]]:
    """Keys and sections that lack a sentence in a language, and rows that are about neither."""
    wanted = {*(".".join(path) for path in key_paths(Config)), *keys_of(Config)}
    told = {**table["keys"], **table["sections"]}
    whole = {name for name, row in told.items() if row.keys() == PAGES.keys() and all(row.values())}
    return wanted - whole, told.keys() - wanted


def kind(wanted: Any, language: str) -> str:
    """What may stand at a key of this type, in words."""
    if one_is_enough(wanted):
        return KINDS["one or list"][language]
    item = item_of(wanted)
    if item is not None:
        return KINDS["list"][language].format(item=kind(item, language))
    bare = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    if get_origin(bare) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(bare))
    info: Any = msgspec.inspect.type_info(wanted)
    info = info.type if isinstance(info, msgspec.inspect.Metadata) else info
    match info:
        case msgspec.inspect.BoolType():
            return "`true`, `false`"
        case msgspec.inspect.IntType():
            return KINDS["whole"][language].format(range=_range(info))
        case msgspec.inspect.FloatType():
            return KINDS["number"][language].format(range=_range(info))
        case msgspec.inspect.StrType(pattern=str(pattern)):
            return KINDS[_text(pattern)][language]
    raise TypeError(f"{wanted} has no words yet: add its kind to KINDS")


def _range(info: Any) -> str:
    low = f"> {info.gt:g}" if info.gt is not None else f"{info.ge:,g}" if info.ge < 1e6 else str(info.ge)
    high = f"{int(info.le):,}"
    return f"{low}, ≤ {high}" if info.gt is not None else f"{low} – {high}"


def _text(pattern: str) -> str:
    """Which of our texts a pattern is of, told by what it lets in."""
    kinds = {r"\A(auto|": "language", r"\A(\*|": "origin", r"\A(?:(": "text or empty", r"\A(?=": "text"}
    return next(name for beginning, name in kinds.items() if pattern.startswith(beginning))


def shown(value: Any) -> str:
    """A default as it is written in config.yaml."""
    if isinstance(value, tuple):
        return json.dumps(list(value))
    if isinstance(value, bool) or value == "":
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) and value.is_integer() and value < 1e6 else str(value)


def rows(table: Words, language: str) -> Iterator[str]:
    """The sections with their tables, line by line."""
    for section, wanted in keys_of(Config).items():
        yield from ("", f"### `{section}`", "", f"{_sentence(table['sections'][section][language], language)}", "")
        yield from (f"| {' | '.join(HEAD[language])} |", "|---|---|---|---|")
        for path in key_paths(wanted):
            value, kept = getattr(Config(), section), wanted
            for name in path:
                value, kept = getattr(value, name), keys_of(kept)[name]
            key = f"{section}.{'.'.join(path)}"
            variable = "CHATANON_" + key.replace(".", "__").upper()
            said = table["keys"][key][language]
            yield f"| `{key}`<br>`{variable}` | `{shown(value)}` | {kind(kept, language)} | {said} |"


def _sentence(text: str, language: str) -> str:
    return text[0].upper() + text[1:] + ("。" if language == "zh" else ".")


def page(language: str, table: Words) -> str:
    """The whole page as it should be."""
    text = PAGES[language].read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    lines = "\n".join(rows(table, language))
    return f"{before}{BEGINS}\n{lines}\n\n{ENDS}{after}"


def main() -> int:
    """Write both pages. Exit status 1 where the table does not fit the keys."""
    table = words()
    missing, unknown = missing_and_unknown(table)
    for name in sorted(missing):
        print(f"{TABLE.name}: {name} has no sentence in each language; write it there", file=sys.stderr)
    for name in sorted(unknown):
        print(f"{TABLE.name}: there is no key {name}; remove its row", file=sys.stderr)
    if missing or unknown:
        return 1
    for language, path in PAGES.items():
        path.write_text(page(language, table), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
