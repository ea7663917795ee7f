"""`python -m server.doctor`, as the operator types it: findings, exit status, and no secret in them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running_server import ROOT
from tests.simulated_cloud import ARK_KEY, MINIMAX_KEY, Simulators, simulators
from tests.simulators import bytedance

pytestmark = pytest.mark.slow


def _doctor(folder: Path, *arguments: str, **environment: str) -> tuple[int, list[str]]:
    """Its exit status and its lines."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CHATANON_", "VALID_"))}
    settings = {
        "CHATANON_CREDENTIALS": "",
        "CHATANON_SERVER__PORT": "0",
        "CHATANON_HISTORY__URL": f"sqlite:///{folder}/history.db",
        "LANGUAGE": "en",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "server.doctor", *arguments],
        cwd=ROOT,
        env={**inherited, **settings, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert ended.stderr == ""
    assert not list(folder.iterdir()), "it made nothing"
    return ended.returncode, ended.stdout.splitlines()


def test_as_shipped_all_is_well(tmp_path: Path) -> None:
    status, lines = _doctor(tmp_path)
    assert status == 0
    assert [line for line in lines if line.startswith("✗")] == []
    assert "✓ llm: embedded opens (DOUBAO_API_KEY not set)" in lines
    assert lines[-1] == "✓ no key was tried; --call does"


def _cloud(vendors: Simulators, **other: str) -> dict[str, str]:
    return {
        "CHATANON_ENDPOINTS__LLM": vendors.ark.endpoint,
        "CHATANON_ENDPOINTS__TTS": vendors.minimax.url,
        "CHATANON_ENDPOINTS__ASR": vendors.bytedance.url,
        "DOUBAO_API_KEY": ARK_KEY,
        "MINIMAX_API_KEY": MINIMAX_KEY,
        "BYTEDANCE_APP_KEY": bytedance.APP_KEY,
        "BYTEDANCE_ACCESS_KEY": bytedance.ACCESS_KEY,
        "VALID_API_TOKENS": "short",
        **other,
    }


def test_each_vendor_is_asked_where_the_operator_says_so(tmp_path: Path) -> None:
    with simulators() as vendors:
        status, lines = _doctor(tmp_path, "--call", **_cloud(vendors))
        assert status == 0, lines
        for kind, name in (("llm", "doubao"), ("tts", "minimax"), ("asr", "bytedance")):
            assert any(line.startswith(f"✓ {kind}: {name} answered after ") for line in lines), lines
        assert any(line.startswith("! ") and "easy to guess" in line for line in lines), lines
        asked = len(vendors.ark.requests)
        assert asked == 1
        _doctor(tmp_path, **_cloud(vendors))
        assert len(vendors.ark.requests) == asked, "without --call nobody is asked"


def test_wrong_keys_are_named_by_what_to_do_and_never_shown(tmp_path: Path) -> None:
    wrong = "sk-that-nobody-knows-0123456789"
    with simulators() as vendors:
        settings = _cloud(vendors, DOUBAO_API_KEY=wrong, MINIMAX_API_KEY=wrong, BYTEDANCE_ACCESS_KEY=wrong)
        status, lines = _doctor(tmp_path, "--call", **settings)
    assert status == 1
    bad = [line for line in lines if line.startswith("✗")]
    assert [line.split(" ")[1:3] for line in bad] == [["llm:", "doubao"], ["tts:", "minimax"], ["asr:", "bytedance"]]
    assert all(line.endswith("check the key, the model's name, the address and the balance") for line in bad), bad
    assert not any(wrong in line for line in lines)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"CHATANON_AUDIO__CHANNELS": "2"}, "audio.channels"),
        ({"CHATANON_ENGINES__LLM": "doubao", "DOUBAO_API_KEY": ""}, "DOUBAO_API_KEY"),
        ({"CHATANON_HISTORY__URL": "mysql://there/history"}, "mysql is not supported"),
    ],
)
def test_what_the_server_would_refuse_is_bad(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    status, lines = _doctor(tmp_path, **settings)
    assert status == 1
    assert any(said.startswith("✗") and line in said for said in lines), lines
