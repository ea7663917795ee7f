"""What a newcomer types first, and what the server then shows at a terminal."""

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.observability.command_line import typed
from server.settings.credentials_file import KEY_NAMES
from tests.running_server import ROOT, RunningServer

pytestmark = pytest.mark.slow

PATIENCE_S = 60  # only reached where something hangs


def surroundings(**variables: str) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHATANON_", "VALID_", "DOUBAO_", "MINIMAX_", "BYTEDANCE_"))
    }
    own = {"CHATANON_CREDENTIALS": "", "CHATANON_SERVER__PORT": "0", "CHATANON_HISTORY__URL": "memory:"}
    return {**inherited, **own, "CHATANON_SERVER__HOST": "127.0.0.1", **variables}


@contextmanager
def at_a_terminal(*command: str, **variables: str) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[str]]]:
    """A process whose standard error is a terminal, and the lines on it."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, env=surroundings(**variables), stderr=slave)
    os.close(slave)

    def lines() -> Iterator[str]:
        rest = b""
        while True:
            try:
                piece = os.read(master, 65_536)
            except OSError:  # how a terminal whose other end was closed says that this was all
                return
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line.decode().rstrip("\r") for line in whole)

    try:
        yield process, lines()
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        os.close(master)


TERMINALS = [
    ("zh_CN.UTF-8", "就绪：", "演示模式", "xterm", ""),
    ("ja_JP.UTF-8", "準備完了：", "デモモード", "xterm", "1"),
    ("en_US.UTF-8", "ready: ", "demo mode", "dumb", ""),
]


@pytest.mark.parametrize(("language", "ready", "demo", "kind", "no_color"), TERMINALS)
def test_terminal_shows_lines_for_people_and_a_command_that_works(
    tmp_path: Path, language: str, ready: str, demo: str, kind: str, no_color: str
) -> None:
    start = (sys.executable, "-m", "server.main")
    spoken = {"LANGUAGE": "", "LC_ALL": "", "LANG": language, "TERM": kind, "NO_COLOR": no_color}
    with at_a_terminal(*start, **spoken, VALID_API_TOKENS="") as (server, lines):
        shown = []
        for line in lines:
            shown.append(line)
            if "ws://" in line:
                break
        coloured = any("\x1b" in line for line in shown)
        assert coloured == (kind != "dumb" and not no_color)
        plain = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in shown]
        assert ready in plain[-1] and any(demo in line for line in plain)
        assert not any(line.startswith("{") for line in plain)
        command = plain[-1][plain[-1].index(sys.executable) :]
        talked = subprocess.run(
            ["sh", "-c", f"{command} --message 你好 --no-audio --save {tmp_path}"],
            cwd=tmp_path, env=surroundings(), capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert talked.returncode == 0 and "日 " in talked.stdout, talked.stderr
        server.send_signal(signal.SIGINT)
        assert server.wait(PATIENCE_S) == 0


def test_refusal_at_a_terminal_is_in_the_reader_s_language() -> None:
    start = (sys.executable, "-m", "server.main")
    with at_a_terminal(*start, LANGUAGE="ja", CHATANON_ENGINES__LLM="doubao") as (server, lines):
        (sentence,) = lines
        assert sentence.startswith("起動できません：engines.llm") and "DOUBAO_API_KEY" in sentence
        assert server.wait(PATIENCE_S) == 2


def test_log_of_a_pipe_says_the_command_too_and_no_token(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, {"VALID_API_TOKENS": "a-token-that-is-long-enough"})
    try:
        server.wait_until_ready()
        (event,) = [line for line in server.log if "ready:" in line]
        assert "YOUR_TOKEN" in event and "a-token" not in event
        assert shlex.join([sys.executable, str(ROOT / "client" / "test_client.py")]) in event
    finally:
        server.kill()


def run(*command: str, folder: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=surroundings(**variables), capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("language", ["zh", "en", "ja"])
def test_help_says_where_everything_is_and_what_to_type_next(option: str, language: str) -> None:
    done = run(sys.executable, "-m", "server.main", option, LANGUAGE=language)
    assert (done.returncode, done.stderr) == (0, "")
    named = ("CHATANON_SERVER__PORT", "VALID_API_TOKENS", "LANG", "NO_COLOR", "FORWARDED_ALLOW_IPS", "2")
    for word in ("config.yaml", "credentials.py", "http://localhost:8765/app/", *named, *KEY_NAMES):
        assert word in done.stdout
    command = done.stdout.strip().splitlines()[-1].strip()
    python, client, *_ = shlex.split(command)
    assert python == sys.executable and Path(client).is_file()
    pages = re.findall(r"docs/[\w.]+\.md", done.stdout)
    assert pages and all((ROOT / page).is_file() for page in pages)


@pytest.mark.parametrize(
    ("command", "windows", "line"),
    [
        (["/opt/my chat/python", "a.py", "你好"], False, "'/opt/my chat/python' a.py '你好'"),
        ([r"C:\chat\python.exe", "a.py", "--message", "你好"], True, r"C:\chat\python.exe a.py --message 你好"),
        ([r"C:\my chat\python.exe", r"C:\my chat\a.py"], True, r'& "C:\my chat\python.exe" "C:\my chat\a.py"'),
    ],
)
def test_command_can_be_typed_in_this_system_s_shell(command: list[str], windows: bool, line: str) -> None:
    assert typed(command, windows) == line


def test_help_can_be_shown_where_letters_are_missing() -> None:
    done = run(sys.executable, "-m", "server.main", "--help", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and "config.yaml" in done.stdout


@pytest.mark.parametrize("arguments", [("--port", "9000"), ("serve",), ("--reload",)])
def test_unknown_arguments_are_one_sentence_and_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = run(sys.executable, "-m", "server.main", *arguments, LANGUAGE="en")
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.splitlines()
    assert " ".join(arguments) in sentence and "--help" in sentence
