"""What Whisper is opened with where its library is a stand-in: where that lies, and a model as it reads one."""

import json
from pathlib import Path
from typing import Any

import pytest

LIBRARY = Path(__file__).parent / "library"


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any other of the name, for this process and for those that it starts."""
    monkeypatch.syspath_prepend(str(LIBRARY))
    monkeypatch.setenv("PYTHONPATH", str(LIBRARY))


def write_model(folder: Path, **told: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name in ("model.bin", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes(b"weights")
    (folder / "config.json").write_text(json.dumps(told), "utf-8")
    return folder
