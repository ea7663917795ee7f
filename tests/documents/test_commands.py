"""Every command that the documents show in; whether it does what they say out."""

import fcntl
import hashlib
import re
import shlex
import socket
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.documents.clone import make_clone, path_of, run
from tests.documents.pages import PAGES, TWINS, blocks, lines, prose
from tests.running_server import RunningServer, free_port

Start = Callable[..., RunningServer]

CLIENT_COMMAND = "python client/test_client.py --token dev_token_001"
TEXT_TURN = f"{CLIENT_COMMAND} --message 你好"
RECOMMENDED = (
    "uvicorn server.main:app --host 0.0.0.0 --port 8765 --loop uvloop --ws websockets-sansio "
    "--ws-per-message-deflate false --ws-max-size 3145728 --ws-ping-interval 20 --ws-ping-timeout 600"
)
# A server, and the clients that talk to it.
TALKS = {
    "make run": (TEXT_TURN, f"{CLIENT_COMMAND} --character yuki --message 晚上好"),
    "python -m server.main": (
        CLIENT_COMMAND,
        rf"printf '你好\n/switch tomori\n你好\n' | {CLIENT_COMMAND} --no-audio",
        f"{CLIENT_COMMAND} --agent --wav hello.wav",
        f"{CLIENT_COMMAND} --voice --wav hello.wav",
        f"{CLIENT_COMMAND} --wav hello.wav",
    ),
    "uvicorn server.main:app --host 0.0.0.0 --port 8765": (TEXT_TURN,),
    RECOMMENDED: (TEXT_TURN,),
    "CHATANON_SERVER__PORT=8766 python -m server.main": (
        f"{CLIENT_COMMAND} --url ws://localhost:8766/ws --message 你好",
    ),
}
BACKUP = "python -m server.history backup data/backup.db"
CHECK = "python -m server.history check --file data/backup.db"
EXPORT = "python -m server.history export"
DOCTOR = "python -m server.doctor"
HELP = "python -m server.main --help"
COPY = "cp credentials.example.py credentials.py"
NEW_TOKEN = 'python -c "import secrets; print(secrets.token_urlsafe())"'
HASH_TOKEN = "python -c \"import hashlib; print('sha256:' + hashlib.sha256(input('Token: ').encode()).hexdigest())\""
INSTALL = ("pip install -r requirements.txt", "python -m pip install --require-hashes -r requirements.txt")
DRY_RUN = ("make test", "make check")
EXPORTS = {
    'export BYTEDANCE_APP_KEY="your_app_key"', 'export BYTEDANCE_ACCESS_KEY="your_access_key"',
    'export DOUBAO_API_KEY="your_llm_api_key"', 'export MINIMAX_API_KEY="your_minimax_key"',
    'export VALID_API_TOKENS="token1,token2,token3"',
}  # fmt: skip
GENERATE = (
    "curl -sO http://localhost:8765/asyncapi.json",
    "npx @asyncapi/modelina-cli generate typescript asyncapi.json --output models --tsModelType interface "
    "--tsEnumType union --tsExportType named --tsIncludeComments --tsRawPropertyNames",
)
NOT_RUN = {
    **dict.fromkeys(GENERATE, "tests/server/protocol/test_asyncapi_clients.py runs them"),
    **dict.fromkeys(
        EXPORTS, "sets a variable of the reader's shell; what it does is in tests/server/settings/test_start.py"
    ),
    "python3 -m venv .venv": "scripts/venv.sh does it for every `make`",
    ". .venv/bin/activate": "what it does to PATH is done by `run`; where it is needed, it is shown: below",
    "sudo apt-get install make python3-venv libportaudio2": "changes the system",
    "espeak-ng -v cmn-latn-pinyin -w hello.wav 你叫什么名字": "a program of the system; `clone` has such a file",
    "PYTHONPATH=. python web/app/examples/bot.py localhost:8765 dev_token_001 你好 再见": (
        "tests/chatanon_client/test_example.py runs it"
    ),
    "python -m pip install sherpa-onnx": "for one engine, which needs a model; tests/services/sherpa/test_asr.py",
    "python -m pip install '.[local]'": "the same; tests/foreign/test_whisper.py",
    f"{CLIENT_COMMAND} --agent": "needs a microphone",
    f"{CLIENT_COMMAND} --voice": "needs a microphone",
    "python client/test_client.py --list-devices": "needs a sound card",
    "python client/test_client.py --url wss://chat.example.org/ws --token YOUR_TOKEN": "test_operations.py",
    **dict.fromkeys((BACKUP, CHECK, EXPORT), "test_operations.py runs them beside a server"),
    **dict.fromkeys(
        (
            "sudo useradd --system --home-dir /opt/chatanon chatanon",
            "sudo cp -r . /opt/chatanon",
            "sudo make -C /opt/chatanon install",
            "sudo git -C /opt/chatanon pull",
            "sudo systemctl daemon-reload",
            "sudo systemctl enable --now chatanon",
            "sudo systemctl restart chatanon",
            "systemctl status chatanon",
            "journalctl -u chatanon -f -o cat",
        ),
        "is for the reader's system; what the service runs is run in test_operations.py",
    ),
}


def of_any_shell(line: str) -> str:
    """A program of .venv counts as one that was found by its name."""
    return re.sub(r"\.venv/bin/(?!activate)", "", line)


def test_every_command_shown_is_run_here_or_excused() -> None:
    talks = {*TALKS, *(client for clients in TALKS.values() for client in clients)}
    run = {*talks, COPY, NEW_TOKEN, HASH_TOKEN, HELP, DOCTOR, "make demo", *INSTALL}
    assert {of_any_shell(line) for path in PAGES for line in lines(path, "bash")} == {*run, *NOT_RUN}


# How PowerShell says what bash says.
POWERSHELL = (
    (r"^py -3 ", "python3 "),
    (r"^Copy-Item ", "cp "),
    (r'^\$env:(CHATANON_\w+) = "(.*)"$', r"\1=\2 python -m server.main"),
    (r'^\$env:(\w+) = "(.*)"$', r'export \1="\2"'),
    (r"^\.venv\\Scripts\\python ", "python "),
    (r" client\\test_client\.py", " client/test_client.py"),
)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_powershell_says_what_bash_says(path: Path) -> None:
    in_bash = {of_any_shell(each) for page in PAGES for each in lines(page, "bash")}
    for line in lines(path, "powershell"):
        said = line
        for pattern, instead in POWERSHELL:
            said = re.sub(pattern, instead, said)
        assert said in in_bash, line
        assert "\\" not in said and "&&" not in said and "`" not in said


# What a shell has that was opened just now, on Debian with the packages that the documents name.
FRESH_SHELL = {
    "make", "cp", "export", "printf", "sudo", "espeak-ng", "python3", "curl", "npx", ".", "systemctl", "journalctl",
}  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_command_shown_works_in_a_fresh_shell(path: Path) -> None:
    """A program of the virtual environment is shown with its path, or below the line that enters it."""
    language, section, entered_in = None, "", None
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            language = line[3:] if language is None else None
        elif language is None and line.startswith("## "):
            section = line
        elif language == "bash" and line:
            for part in line.split(" | "):
                program = next(word for word in shlex.split(part, comments=True) if "=" not in word)
                known = program in FRESH_SHELL or program.startswith(".venv/bin/") or section == entered_in
                assert known, f"{section}: {line}"
            entered_in = section if line == ". .venv/bin/activate" else entered_in


@contextmanager
def port_for(wanted: int, folder: Path) -> Iterator[int]:
    """The port a command names, unless somebody has it; the other workers, who have `folder` in common, wait."""
    with (folder / f"port-{wanted}").open("w") as taken:
        fcntl.flock(taken, fcntl.LOCK_EX)
        try:
            socket.create_server(("", wanted)).close()
        except OSError:
            wanted = free_port()
        yield wanted


def assert_speech_was_saved(clone: Path) -> None:
    recordings = sorted((clone / "recordings").glob("*.wav"))
    assert recordings
    for recording in recordings:
        with wave.open(str(recording)) as wav:
            assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16000, 1, 2)
            samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(float)
        assert len(samples) > 8000 and np.sqrt(np.mean(samples**2)) > 300


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_clone(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", TALKS)
def test_server_and_clients_shown_talk_as_written(
    clone: Path, command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if "uvloop" in command and sys.platform != "linux":
        command = command.replace("--loop uvloop ", "")
    written = 8766 if "8766" in command else 8765
    with port_for(written, tmp_path_factory.getbasetemp().parent) as port:
        talk_as_written(clone, command, written, port)


def talk_as_written(clone: Path, command: str, written: int, port: int) -> None:
    moved = "" if port == written else str(port)  # blank: as configured
    defaults = {"CHATANON_SERVER__HOST": "", "CHATANON_SERVER__PORT": moved, "CHATANON_HISTORY__URL": ""}
    as_written = f"cd {shlex.quote(str(clone))} && exec env {command.replace(str(written), str(port))}"
    server = RunningServer(clone, {**defaults, "PATH": path_of(clone)}, "bash", "-c", as_written)
    try:
        server.wait_until_ready()
        assert server.port == port
        for client in TALKS[command]:
            here = client.replace(str(written), str(port))
            if moved and "--url" not in here:
                here += f" --url ws://localhost:{port}/ws"
            shown = run(clone, here, "你好\n/quit\n")
            assert "日 " in shown and "中 " in shown
            assert "--wav" not in client or "你：你叫什么名字" in shown
        if any("yuki" in client for client in TALKS[command]):
            assert_clients_are_shown_yuki(server)
        if any(word in client for client in TALKS[command] for word in ("--message", "--wav")):
            assert_speech_was_saved(clone)
        assert (clone / "data" / "chatanon.db").is_file()
        server.signal()
        assert server.wait() == 0 or not command.endswith("server.main")  # make and uvicorn tell of the signal
    finally:
        server.kill()


def assert_clients_are_shown_yuki(server: RunningServer) -> None:
    """As docs/characters.md says that they are."""
    (yuki,) = (each for each in server.get("/characters")[1]["characters"] if each["name"] == "yuki")
    assert yuki["live2d_model_set"] == "yuki_winter" and yuki["client"]["theme"] == "#88aaff"
    assert set(yuki["suggestions"]) <= {"你好", "晚上好", "こんばんは", "hello", "good evening"}


@pytest.mark.slow
def test_demo_saves_speech_and_ends_cleanly(clone: Path) -> None:
    shown = run(clone, "make demo")
    assert "日 " in shown and "the server has ended cleanly" in shown
    assert_speech_was_saved(clone)
    assert not (clone / "data").exists()


@pytest.mark.slow
def test_copied_credentials_are_demo_mode_on_the_embedded_engines(clone: Path, start_server: Start) -> None:
    run(clone, COPY)
    about = start_server(CHATANON_CREDENTIALS=str(clone / "credentials.py")).get("/")[1]
    assert about["demo"] and {about["engines"][kind]["name"] for kind in ("llm", "tts", "asr")} == {"embedded"}


def test_help_is_there(clone: Path) -> None:
    assert "config.yaml" in run(clone, HELP)


@pytest.mark.slow
def test_doctor_looks_at_every_kind_of_engine(clone: Path) -> None:
    said = run(clone, f"CHATANON_SERVER__PORT=0 {DOCTOR}")
    assert all(f"{kind}" in said for kind in ("config.yaml", "llm", "tts", "asr", "vad"))


@pytest.mark.parametrize("path", TWINS["talking"], ids=lambda path: path.name)
def test_every_option_and_command_of_the_client_is_told(path: Path, clone: Path) -> None:
    told = re.findall(r"^\| `(--[a-z-]+)", prose(path), re.MULTILINE)
    helped = run(clone, "python client/test_client.py --help")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", helped)) == {*told, "--help"}
    (typed,) = (block.text for block in blocks(path, "") if block.text.startswith("/quit"))
    assert set(re.findall(r"(?<!\w)/[a-z]+", typed)) <= set(re.findall(r"/[a-z]+", helped))


def test_tokens_are_made_as_shown(clone: Path) -> None:
    assert len(run(clone, NEW_TOKEN).strip()) >= 22
    assert run(clone, HASH_TOKEN, "小明\n").endswith(f"sha256:{hashlib.sha256('小明'.encode()).hexdigest()}\n")


@pytest.mark.slow
@pytest.mark.parametrize("command", INSTALL)
def test_requirements_are_what_is_installed(clone: Path, command: str) -> None:
    """A dry run with hashes; it needs an index only where this environment is not the locked one, and then fails."""
    run(clone, f"{command} --dry-run --no-deps --require-hashes --disable-pip-version-check")


@pytest.mark.parametrize("command", DRY_RUN)
def test_make_knows_its_targets(clone: Path, command: str) -> None:
    assert "-m pytest" in run(clone, command.replace("make", "make -n"))
