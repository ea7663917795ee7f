"""`python -m server.history`, as the operator types it, beside a server that talks."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.protocol_client import ProtocolClient, Wire
from tests.running_server import ROOT, running_server

pytestmark = pytest.mark.slow

_TOKEN = "a-token-that-is-long-enough-for-this"
_DISK_BYTES = 8192


def _make_small() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (_DISK_BYTES, _DISK_BYTES))


def _history(folder: Path, *arguments: str, on_a_small_disk: bool = False) -> "subprocess.CompletedProcess[str]":
    environment = {"CHATANON_CREDENTIALS": "", "CHATANON_HISTORY__URL": f"sqlite:///{folder}/history.db"}
    return subprocess.run(
        [sys.executable, "-m", "server.history", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment, "LANGUAGE": "en"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        preexec_fn=_make_small if on_a_small_disk else None,
    )


@contextmanager
def _talk(folder: Path) -> Iterator[tuple[ProtocolClient, Wire]]:
    """A server that goes on, and the first reply of it."""
    with running_server(folder, VALID_API_TOKENS=_TOKEN) as server, closing(ProtocolClient(server.url)) as client:
        client.connect(api_token=_TOKEN)
        yield client, client.turn("你好")[-1]


def test_copied_checked_and_written_out_while_the_server_runs(tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with _talk(tmp_path) as (client, reply):
        copied = _history(tmp_path, "backup", str(copy))
        assert (copied.stdout, copied.stderr) == (f"{copy}: 2 messages of 1 conversations\n", "")
        checked = _history(tmp_path, "check")
        assert (checked.stdout, checked.returncode) == (
            f"{tmp_path}/history.db: sound, 2 messages of 1 conversations\n", 0,
        )  # fmt: skip
        assert client.turn("你好")[-1]["type"] == "response"
    written = _history(tmp_path, "export", "--file", str(copy))
    user, answer = map(json.loads, written.stdout.splitlines())
    assert user["content_cn"] == "你好"
    assert user["token_hash"] == hashlib.sha256(_TOKEN.encode()).hexdigest()
    assert answer["content_jp"] == reply["content_jp"]
    assert _TOKEN not in written.stdout
    before = sorted(tmp_path.iterdir())
    failed = _history(tmp_path, "backup", str(tmp_path / "another.db"), "--file", str(copy), on_a_small_disk=True)
    assert failed.returncode == 2
    assert failed.stderr.endswith("make room, or name another place\n")
    assert sorted(tmp_path.iterdir()) == before
    command = f"{sys.executable} -m server.history export --file {copy} | head -c 1"
    read = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True)
    assert (read.stdout, read.stderr) == ("{", ""), "who has read enough may go"


def test_what_cannot_be_done_is_one_sentence(tmp_path: Path) -> None:
    missing = _history(tmp_path, "check")
    assert missing.returncode == 2
    assert missing.stderr == (
        f"{tmp_path}/history.db: there is no history; history.url of the configuration says where it is\n"
    )
