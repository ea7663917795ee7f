"""Where clients of other hands cannot be had, their tests are skipped in a sentence, and CI hears of all but that."""

from pathlib import Path

import pytest

from tests.foreign import foreign

NOT_THERE = f"no-such-client==1.0 --hash=sha256:{'0' * 64}"
BROKEN = "a lock without hashes"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lock", "in_ci", "ending"),
    [
        (NOT_THERE, False, pytest.skip.Exception),
        (NOT_THERE, True, pytest.skip.Exception),
        (BROKEN, False, pytest.skip.Exception),
        (BROKEN, True, pytest.fail.Exception),
    ],
    ids=["not there", "not there, CI", "broken", "broken, CI"],
)
def test_what_cannot_be_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: str, in_ci: bool, ending: type[BaseException]
) -> None:
    monkeypatch.setattr(foreign, "HERE", tmp_path)
    monkeypatch.setattr(foreign, "_INSTALLED", tmp_path)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("NOTHING_SKIPPED", "1" if in_ci else "")
    name = tmp_path.name  # each is tried once in a run
    (tmp_path / f"requirements-{name}.txt").write_text(f"{lock}\n")
    with pytest.raises(ending, match=f"requirements-{name}.txt cannot be installed here: "):
        foreign.ask_client(name, "chat", {})
