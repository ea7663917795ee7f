"""Whether the version is one number everywhere, and what scripts/release.sh does in a repository made for it."""

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from server.version import VERSION

ROOT = Path(__file__).parents[1]
TODAY = "2000-01-01"  # whatever the day, in the scratch repositories it is this one
TAG = f"v{VERSION}"
HEADING = f"## [{VERSION}] - {TODAY}"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def run(folder: Path, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Away from whatever git knows of this machine, of its user, and of a hook in which the tests may be running."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    known = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "LC_ALL": "C"}
    for who in ("AUTHOR", "COMMITTER"):
        known |= {f"GIT_{who}_NAME": "Anon", f"GIT_{who}_EMAIL": "anon@example.org"}
    return subprocess.run(
        command, cwd=folder, env={**environment, **known, **more}, capture_output=True, text=True, timeout=60
    )


def git(folder: Path, *command: str) -> str:
    done = run(folder, "git", *command)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---------------------------------------------------------------- one number


WRITTEN = r"version[\"']? *[:=] *[\"']?[0-9]+\.[0-9]+\.[0-9]+"


def test_version_is_written_in_one_place() -> None:
    """Documents show it; those are below. What git hooks, locked packages and vendors have are versions of others."""
    elsewhere = (
        ":!*.md",
        ":!requirements*.txt",
        ":!tests/node/package-lock.json",
        ":!.pre-commit-config.yaml",
        ":!tests/simulators",
    )
    found = git(ROOT, "grep", "--no-index", "--exclude-standard", "-iE", WRITTEN, "--", *elsewhere)
    assert [line.partition(":")[0] for line in found.splitlines()] == ["server/version.py"], found


def test_package_and_server_take_it_from_there() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    module, _, name = settings["tool"]["setuptools"]["dynamic"]["version"]["attr"].rpartition(".")
    assert "version" in settings["project"]["dynamic"]
    assert getattr(import_module(module), name) == VERSION


@pytest.mark.parametrize("name", ["docs/protocol.md", "docs/protocol.en.md"])
def test_documents_show_this_version(name: str) -> None:
    text = " ".join((ROOT / name).read_text(encoding="utf-8").split())
    shown = re.findall(r"\bversion(?:\": \"| )(\d+\.\d+\.\d+)|(\d+\.\d+\.\d+) 版", text)
    assert len(shown) >= 2 and {number for found in shown for number in found if number} == {VERSION}


def test_changelog_begins_with_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    released = [re.fullmatch(r"\[(\d+)\.(\d+)\.(\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:]]
    assert all(released), headings
    numbers = [tuple(map(int, each.groups())) for each in released if each]
    assert numbers == sorted(set(numbers), reverse=True)
    assert not numbers or numbers[0] <= tuple(map(int, VERSION.split(".")))


# ---------------------------------------------------------------- the script


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with the files that the script reads, ready for a release today."""
    folder = tmp_path / "project"
    for name in ("scripts/release.sh", "server/version.py", "CHANGELOG.md"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    replace(folder / "CHANGELOG.md", "## [Unreleased]\n", f"## [Unreleased]\n\n{HEADING}\n")
    git(folder, "init", "--quiet")
    commit(folder)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "date").write_text(f'#!/bin/sh\n[ "$*" = +%F ] && echo {TODAY}\n', encoding="utf-8")
    (programs / "date").chmod(0o755)
    return folder


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "A commit")


def release(project: Path) -> subprocess.CompletedProcess[str]:
    """From another folder, because a person may stand anywhere."""
    path = f"{project.parent / 'programs'}{os.pathsep}{os.environ['PATH']}"
    return run(project.parent, "bash", "project/scripts/release.sh", PATH=path)


def test_release_tags_this_commit_with_the_version(project: Path) -> None:
    done = release(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"git push origin {TAG}" in done.stdout
    assert git(project, "tag") == TAG
    assert git(project, "cat-file", "-t", TAG) == "tag"  # an annotated one
    assert git(project, "rev-parse", f"{TAG}^{{commit}}") == git(project, "rev-parse", "HEAD")
    assert VERSION in git(project, "tag", "--list", "--format=%(contents)")


def no_version(project: Path) -> None:
    replace(project / "server" / "version.py", f'"{VERSION}"', "str(1)")
    commit(project)


def changed_file(project: Path) -> None:
    replace(project / "server" / "version.py", '"""\n', '"""\n\n')


def staged_file(project: Path) -> None:
    changed_file(project)
    git(project, "add", "--all")


def file_of_nobody(project: Path) -> None:
    (project / "notes.txt").touch()


def no_section(project: Path) -> None:
    replace(project / "CHANGELOG.md", HEADING, "")
    commit(project)


def section_of_another_day(project: Path) -> None:
    replace(project / "CHANGELOG.md", HEADING, HEADING.replace(TODAY, "1999-12-31"))
    commit(project)


def section_of_another_version(project: Path) -> None:
    replace(project / "CHANGELOG.md", HEADING, HEADING.replace("[", "[1"))
    commit(project)


def tag_of_an_older_commit(project: Path) -> None:
    git(project, "tag", TAG)
    replace(project / "CHANGELOG.md", HEADING, f"{HEADING}\n")
    commit(project)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (no_version, "server/version.py has no line like"),
        (changed_file, "not committed"),
        (staged_file, "not committed"),
        (file_of_nobody, "notes.txt"),
        (no_section, f'CHANGELOG.md has no line "{HEADING}"'),
        (section_of_another_day, f'CHANGELOG.md has no line "{HEADING}"'),
        (section_of_another_version, f'CHANGELOG.md has no line "{HEADING}"'),
        (tag_of_an_older_commit, f"the tag {TAG} exists already"),
    ],
)
def test_release_is_refused_with_one_sentence(project: Path, spoil: Callable[[Path], None], reason: str) -> None:
    spoil(project)
    before = git(project, "show-ref")
    done = release(project)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no release: ") and reason in done.stderr and "; " in done.stderr
    assert git(project, "show-ref") == before
