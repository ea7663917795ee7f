"""What newcomers are told in, whether it is so out: CONTRIBUTING, the forms on GitHub, the hooks, the editor."""

import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from server.config import EnginesConfig
from server.protocol import wire
from tests.test_architecture import (
    CLASS_ATTRIBUTES,
    CLASS_METHODS,
    CONSTRUCTOR_PARAMETERS,
    FILE_LINES,
    FUNCTION_LINES,
)

ROOT = Path(__file__).parents[1]
CHINESE, ENGLISH = GUIDES = (ROOT / "CONTRIBUTING.md", ROOT / "CONTRIBUTING.en.md")
TEMPLATES = ROOT / ".github"
FORMS = sorted(path for path in (TEMPLATES / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

NOT_OF_GIT = {"credentials.py", ".venv/"}  # they come to be on the reader's machine
SUFFIXES = (".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".sh")


@cache
def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(path), flags=re.MULTILINE | re.DOTALL)


def spans(path: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(path))


def commands(path: Path) -> list[str]:
    """The lines of the bash blocks, and what in the text is a line for a shell."""
    shown = re.findall(r"^```bash\n(.*?)^```$", text_of(path), re.MULTILINE | re.DOTALL)
    lines = [line for block in shown for line in block.splitlines() if line]
    return lines + [span for span in spans(path) if re.match(r"(make|git|bash|\.venv/bin/\w+) ", span)]


def paths(path: Path) -> list[str]:
    found = [span for span in spans(path) if " " not in span and "://" not in span and not span.startswith("/")]
    return [span for span in found if "/" in span or span.endswith(SUFFIXES)]


def links(path: Path) -> list[str]:
    return [target for target in re.findall(r"\]\(([^()\s]+)\)", prose(path)) if "://" not in target]


def headings(path: Path) -> list[str]:
    return re.findall(r"^#+ .*$", prose(path), re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """As GitHub makes them."""
    titles = (heading.lstrip("#").strip().lower() for heading in headings(path))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


# ---------------------------------------------------------------- the guides


@pytest.mark.parametrize("path", (*GUIDES, ROOT / "docs" / "releasing.md", TEMPLATES / "PULL_REQUEST_TEMPLATE.md"))
def test_every_path_named_exists(path: Path) -> None:
    """In a pattern of decisions NNNN stands for any number; a file of a character may be named without its folder."""
    named = paths(path)
    assert named
    for name in named:
        pattern = name.replace("NNNN-title", "[0-9][0-9][0-9][0-9]-*").rstrip("/")
        found = [*ROOT.glob(pattern), *(ROOT / "prompts" / "anon").glob(pattern)]
        assert found or name in NOT_OF_GIT, name
        assert not name.endswith("/") or name in NOT_OF_GIT or all(each.is_dir() for each in found), name


def test_what_is_not_of_git_is_ignored_by_it() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert set(ignored) >= {name.rstrip("/") for name in NOT_OF_GIT}  # a link of that name as well as a folder


@pytest.mark.parametrize("path", GUIDES)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in links(path):
        name, _, anchor = target.partition("#")
        assert (ROOT / name).is_file(), target
        assert not anchor or anchor in anchors(ROOT / name), target


@pytest.mark.parametrize("path", (*GUIDES, ROOT / "docs" / "releasing.md", TEMPLATES / "PULL_REQUEST_TEMPLATE.md"))
def test_every_command_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", text_of(ROOT / "Makefile"), re.MULTILINE))
    shown = commands(path)
    installed = {shlex.split(line)[-1] for line in shown if " -m pip install " in line}
    assert shown
    for line in shown:
        program, *arguments = shlex.split(line)
        if program == "make":
            assert set(arguments) <= targets, line
        elif program == "bash":
            assert (ROOT / arguments[0]).is_file(), line
        elif program.startswith(".venv/"):
            assert Path(program).name in {"python", *tools(), *installed}, line
        else:
            assert program == "git", line


def tools() -> set[str]:
    """The programs that the development group installs and that have its names."""
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0] for line in PROJECT["dependency-groups"]["dev"]}


@pytest.mark.parametrize("path", GUIDES)
def test_every_name_of_the_code_is_there(path: Path) -> None:
    sources = [*(ROOT / "server").rglob("*.py"), *(ROOT / "services").rglob("*.py")]
    named = {span for span in spans(path) if re.fullmatch(r"[a-z]+_[a-z_]+|([A-Z][a-z]+){2,}", span)}
    assert named
    assert {
        name for name in named if not any(re.search(rf"\b{name}\b", text_of(source)) for source in sources)
    } == set()


def test_twins_say_the_same() -> None:
    assert [line.partition(" ")[0] for line in headings(CHINESE)] == [
        line.partition(" ")[0] for line in headings(ENGLISH)
    ]
    assert Counter(spans(CHINESE)) == Counter(spans(ENGLISH))
    assert commands(CHINESE) == commands(ENGLISH)
    assert [_untranslated(target) for target in links(CHINESE)] == [_untranslated(target) for target in links(ENGLISH)]
    numbered = [re.findall(r"^(\d+)\. ", prose(path), re.MULTILINE) for path in GUIDES]
    assert numbered[0] == numbered[1]


def _untranslated(target: str) -> str:
    name, hash_sign, _ = target.partition("#")
    return name.replace(".en.md", ".md") + hash_sign


@pytest.mark.parametrize("path", GUIDES)
def test_budgets_told_are_those_that_are_held(path: Path) -> None:
    held = [FILE_LINES, FUNCTION_LINES, CLASS_METHODS, CLASS_ATTRIBUTES, CONSTRUCTOR_PARAMETERS]
    told = [list(map(int, re.findall(r"\d+", line)))[1:] for line in prose(path).splitlines() if "400" in line]
    assert told == [held]


# ---------------------------------------------------------------- the forms

_TEXT = {"type": "string", "minLength": 1}
# https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema
_FORM = {
    "type": "object",
    "required": ["name", "description", "body"],
    "additionalProperties": False,
    "properties": {
        "name": _TEXT,
        "description": _TEXT,
        "labels": {"type": "array", "items": _TEXT},
        "body": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["type", "attributes"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["markdown", "input", "textarea", "dropdown", "checkboxes"]},
                    "id": {"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"},
                    "attributes": {"type": "object"},
                    "validations": {"type": "object", "properties": {"required": {"type": "boolean"}}},
                },
                "if": {"properties": {"type": {"const": "markdown"}}},
                "then": {"properties": {"attributes": {"required": ["value"]}}},
                "else": {"required": ["id"], "properties": {"attributes": {"required": ["label"]}}},
                "allOf": [
                    {
                        "if": {"properties": {"type": {"enum": ["dropdown", "checkboxes"]}}},
                        "then": {"properties": {"attributes": {"required": ["options"]}}},
                    }
                ],
            },
        },
    },
}


def form(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(text_of(path))
    return loaded


def told(node: Any) -> Iterator[str]:
    """Every text that a person reads in a form, but for the example in a field."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, dict | list):
            yield from told(value)
        elif key in ("name", "label", "description", "value") or (isinstance(key, int) and " / " in value):
            yield value


def test_there_are_forms() -> None:
    assert len(FORMS) >= 2


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_form_is_one_of_github(path: Path) -> None:
    jsonschema.validate(form(path), _FORM)
    names = [part["id"] for part in form(path)["body"] if "id" in part]
    assert len(names) == len(set(names))
    assert any(part.get("validations", {}).get("required") for part in form(path)["body"])


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_form_speaks_both_languages_and_warns_of_secrets(path: Path) -> None:
    texts = list(told({key: value for key, value in form(path).items() if key != "labels"}))
    for text in texts:
        assert re.search(r"[\u4e00-\u9fff]", text) and re.search(r"[A-Za-z]{2,} [a-z]{2,}|/ [A-Z]", text), text
    assert any("密钥" in text and "Token" in text and "no key" in text and "token" in text for text in texts)


def test_bug_report_asks_for_what_the_server_says() -> None:
    parts = {
        part["id"]: part["attributes"] for part in form(TEMPLATES / "ISSUE_TEMPLATE" / "bug_report.yml")["body"][1:]
    }
    kinds = set(re.findall(r"`(\w+):`", parts["engines"]["description"]))
    assert kinds == set(EnginesConfig.__struct_fields__)
    fields = set(re.findall(r"`(\w+)`", parts["received"]["description"] + parts["log"]["description"]))
    assert fields and fields <= set(wire.Error.__struct_fields__)


def test_configuration_of_the_forms_can_be_read() -> None:
    assert isinstance(form(TEMPLATES / "ISSUE_TEMPLATE" / "config.yml")["blank_issues_enabled"], bool)


def test_checklist_has_boxes_to_tick() -> None:
    boxes = re.findall(r"^- \[ \] (.+)$", text_of(TEMPLATES / "PULL_REQUEST_TEMPLATE.md"), re.MULTILINE)
    assert boxes and all(" / " in box for box in boxes)


# ---------------------------------------------------------------- hooks and editors


def hooks() -> list[dict[str, Any]]:
    loaded = yaml.safe_load(text_of(ROOT / ".pre-commit-config.yaml"))
    assert [repository["repo"] for repository in loaded["repos"]] == ["local"]  # nothing is downloaded
    found: list[dict[str, Any]] = loaded["repos"][0]["hooks"]
    return found


def test_push_is_checked_as_by_hand() -> None:
    (at_push,) = (hook for hook in hooks() if hook["stages"] == ["pre-push"])
    assert at_push["entry"] == "make check" and at_push["pass_filenames"] is False and at_push["always_run"]


def test_commit_is_checked_by_tools_that_make_check_runs() -> None:
    recipe = text_of(ROOT / "Makefile").partition("\ncheck:")[2].partition("\n\n")[0].replace("$(VENV)", ".venv")
    at_commit = [hook for hook in hooks() if hook["stages"] == ["pre-commit"]]
    assert at_commit
    for hook in at_commit:
        program, action, *_ = shlex.split(hook["entry"])
        assert f"{program} {action} " in recipe, hook["entry"]


def test_installing_the_hooks_installs_all_of_them() -> None:
    loaded = yaml.safe_load(text_of(ROOT / ".pre-commit-config.yaml"))
    assert {stage for hook in hooks() for stage in hook["stages"]} == set(loaded["default_install_hook_types"])
    assert all(hook["language"] == "system" for hook in hooks())


def test_editors_do_as_the_linter_wants() -> None:
    settings = ConfigParser()
    settings.read_string("[top]\n" + text_of(ROOT / ".editorconfig"))
    (python,) = (name for name in settings if re.search(r"\bpy\b", name))
    assert settings.getint(python, "max_line_length") == PROJECT["tool"]["ruff"]["line-length"]
    tabs = settings["Makefile"]["indent_style"] == "tab"
    assert tabs == bool(re.search(r"^\t", text_of(ROOT / "Makefile"), re.MULTILINE))
