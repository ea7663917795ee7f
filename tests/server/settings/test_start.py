"""Starting and refusing to start, under our own command and under uvicorn's."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.protocol_client import ProtocolClient, kinds
from tests.running_server import ROOT, RunningServer, free_port

pytestmark = pytest.mark.slow

OWN = (sys.executable, "-m", "server.main")
UVICORN = (sys.executable, "-m", "uvicorn", "server.main:app", "--host", "127.0.0.1", "--port")


@pytest.mark.parametrize("command", [OWN, (*UVICORN, "0")], ids=["own", "uvicorn"])
@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("CHATANON_SERVER__PRT", "8765", "server.port"),
        ("CHATANON_SERVER__PORT", "many", "server.port"),
        ("CHATANON_AUDIO__CHANNELS", "2", "audio.channels"),
        ("CHATANON_CONFIG", "/nowhere/config.yaml", "CHATANON_CONFIG"),
        ("CHATANON_ENGINES__LLM", "doubao", "DOUBAO_API_KEY"),
        ("CHATANON_ENGINES__TTS", "minimax", "MINIMAX_API_KEY"),
        ("CHATANON_ENGINES__ASR", "bytedance", "engines.asr"),
        ("CHATANON_ENGINES__TTS", "festival", "engines.tts"),
        ("CHATANON_CHARACTERS__DEFAULT", "nobody", "characters.default"),
        ("CHATANON_CHARACTERS__FOLDER", "/nowhere", "characters.folder"),
        ("CHATANON_HISTORY__URL", "mysql://localhost/x", "history.url"),
        ("VALID_API_TOKENS", "sha256:abc", "VALID_API_TOKENS"),
    ],
)
def test_refusal_is_one_sentence_without_a_traceback(
    tmp_path: Path, command: tuple[str, ...], variable: str, value: str, words: str
) -> None:
    server = RunningServer(tmp_path, {variable: value}, *command)
    assert server.wait() != 0
    said = [line for line in server.log if not line.startswith("INFO:")]
    server.kill()
    sentences = [line for line in said if words in line]
    assert len(sentences) == 1, said
    assert not any("Traceback" in line or line.startswith("  File") for line in said)
    assert [line for line in said if line != sentences[0] and '"level": "info"' not in line] == []


def test_host_that_is_no_name_is_refused_in_one_sentence(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, {"CHATANON_SERVER__HOST": "a..b"})
    assert server.wait() == 2
    server.kill()
    (sentence,) = server.log
    assert "server.host" in sentence and "a..b" in sentence


def test_refusals_of_every_kind_exit_with_2(tmp_path: Path) -> None:
    for variable in ("CHATANON_SERVER__PRT", "CHATANON_HISTORY__URL", "CHATANON_ENGINES__LLM"):
        server = RunningServer(tmp_path, {variable: "mysql://x/y"})
        assert server.wait() == 2
        server.kill()


def test_server_whose_log_nobody_reads_goes_on(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "server.main"]
    environment = {"CHATANON_SERVER__PORT": "0", "CHATANON_CREDENTIALS": "", "VALID_API_TOKENS": ""}
    environment |= {"CHATANON_SERVER__HOST": "127.0.0.1", "CHATANON_HISTORY__URL": "memory:"}
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        url = next(found[0] for line in server.stderr if (found := re.search(r"ws://\S+/ws", line)))
        server.stderr.close()  # as `| head` does
        for _ in range(3):
            client = ProtocolClient(url)
            client.connect(api_token="dev_token_001")
            assert client.turn("你好")[-1]["type"] == "response"
            client.close()
    finally:
        server.terminate()
        assert server.wait() == 0


@pytest.mark.parametrize("head", [b"", b"GET /ws HTTP/1.1\r\nHost: x\r\n"])
def test_socket_that_sends_no_request_is_closed(server: RunningServer, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(head)
        answer = silent.makefile("rb").read()  # closed from the other side, after limits of its own
        assert answer.startswith(b"HTTP/1.1 408") if head else answer == b""


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[RunningServer]:
    server = RunningServer(tmp_path, {"VALID_API_TOKENS": ""}, *UVICORN, str(free_port()))
    server.wait_until_ready()
    yield server
    server.kill()


def test_plain_uvicorn_serves_a_turn_and_keeps_our_limits(plain: RunningServer) -> None:
    client = ProtocolClient(plain.url)
    client.connect(api_token="dev_token_001")
    assert kinds(client.turn("你好")) == ["thinking", "audio_chunk", "audio_end", "response"]
    client.send_raw("x" * 3_200_000)
    code, messages = client.closed()
    assert (code, messages[-1]["code"]) == (1009, "message_too_big")


def test_plain_uvicorn_closes_with_its_own_code_and_keeps_the_cut_turn(plain: RunningServer) -> None:
    client = ProtocolClient(plain.url)
    client.connect(api_token="dev_token_001")
    client.send("message", content="你好")
    client.until("audio_chunk")
    plain.signal()
    assert client.closed()[0] == 1012
    plain.wait()
    assert not any("Traceback" in line for line in plain.log)


def test_broken_character_is_reported_with_file_and_line_and_the_others_work(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    shipped = Path(__file__).parents[3] / "prompts"
    (folder / "broken").mkdir(parents=True)
    shutil.copytree(shipped / "anon", folder / "anon")
    shutil.copy(shipped / "reply_format.md", folder)
    (folder / "broken" / "character_manifest.md").write_text("someone")
    (folder / "broken" / "character.yaml").write_text("display_name: B\nvoices:\n  embedded: {sped: 1}\n")
    server = RunningServer(tmp_path, {"CHATANON_CHARACTERS__FOLDER": str(folder), "VALID_API_TOKENS": ""})
    try:
        server.wait_until_ready()
        client = ProtocolClient(server.url)
        client.connect(api_token="dev_token_001")
        client.close()
    finally:
        server.kill()
    assert any("character.yaml, line 3" in line and "sped" in line for line in server.log)


def test_what_characters_tell_clients_and_what_another_servers_configuration_says(tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    shutil.copytree(Path(__file__).parents[3] / "prompts", folder)
    models, client = {"anon": {"path": "a.model3.json", "scale": None}}, {"colour": "#f8c", "order": [1, 2.5, True]}
    (folder / "anon" / "character.yaml").write_text(
        f"live2d_model_set: {json.dumps(models)}\nclient: {json.dumps(client)}\n", "utf-8"
    )
    (tmp_path / "config.yaml").write_text(
        f"characters:\n  folder: {folder}\n  nobody: {{voice_id: x}}\n  anon: {{voice_id: x}}\n"
        "logging: {level: DEBUG, format: x}\naudio: {tts_sentence_gap_seconds: 0.5}\n"
    )
    server = RunningServer(tmp_path, {"CHATANON_CONFIG": str(tmp_path / "config.yaml"), "VALID_API_TOKENS": ""})
    try:
        server.wait_until_ready()
        items = {item["name"]: item for item in server.get("/characters")[1]["characters"]}
        assert server.get("/health")[0] == 200
    finally:
        server.kill()
    assert items["anon"]["live2d_model_set"] == models
    assert items["anon"]["client"] == {**client, "live2d_model_set": models}
    assert items["tomori"]["client"] == {} and "live2d_model_set" not in items["tomori"]
    told = [line for line in server.log if "without effect" in line]
    assert len(told) == 1 and "logging.format" in told[0] and "audio.tts_sentence_gap_seconds" in told[0]
    assert sum("characters.nobody" in line for line in server.log) == 1


@pytest.mark.parametrize("command", [OWN, (*UVICORN, "0")], ids=["own", "uvicorn"])
def test_several_mistakes_are_all_told_at_once(tmp_path: Path, command: tuple[str, ...]) -> None:
    mistakes = {"CHATANON_SERVER__PRT": "1", "CHATANON_LLM__STREAM": "maybe", "CHATANON_ENDPOINTS__LLM": "nowhere"}
    server = RunningServer(tmp_path, mistakes, *command)
    assert server.wait() != 0
    server.kill()
    for words in ("did you mean server.port?", "llm.stream must be true or false", "endpoints.llm must be"):
        assert sum(words in line for line in server.log) == 1, server.log
    assert not any("Traceback" in line for line in server.log)


def test_unverified_tls_is_warned_of_once(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, {"CHATANON_SSL__VERIFY_TTS": "false", "VALID_API_TOKENS": "token1,token2,token3"})
    server.wait_until_ready()
    server.kill()
    assert sum("ssl.verify_tts" in line for line in server.log) == 1
    short = [line for line in server.log if "3" in line and "token" in line.lower() and "warning" in line]
    assert len(short) == 1 and "token1" not in "\n".join(server.log)


ELSEWHERE = {
    "CHATANON_ENDPOINTS__LLM": "http://127.0.0.1:11434/v1",
    "CHATANON_ENDPOINTS__TTS": "ws://127.0.0.1:9/voice",
    "CHATANON_ENDPOINTS__ASR": "ws://127.0.0.1:9/ears",
    "CHATANON_ENDPOINTS__ASR_BATCH": "ws://127.0.0.1:9/batch",
}
LACKING = {
    "endpoints.llm": "DOUBAO_API_KEY",
    "endpoints.tts": "MINIMAX_API_KEY",
    "endpoints.asr and endpoints.asr_batch": "BYTEDANCE_API_KEY",
}


@pytest.mark.parametrize(
    ("more", "warned_of"),
    [
        ({}, list(LACKING)),
        ({"DOUBAO_API_KEY": "k", "MINIMAX_API_KEY": "k"}, ["endpoints.asr and endpoints.asr_batch"]),
        ({"CHATANON_ENGINES__LLM": "embedded", "BYTEDANCE_API_KEY": "k"}, ["endpoints.tts"]),
        ({"CHATANON_ENGINES__LLM": "auto, embedded", "CHATANON_ENGINES__TTS": "embedded, auto"}, list(LACKING)),
    ],
    ids=["no key", "some keys", "named", "lists"],
)
def test_an_endpoint_that_is_changed_and_not_used_is_warned_of_once(
    tmp_path: Path, more: dict[str, str], warned_of: list[str]
) -> None:
    server = RunningServer(tmp_path, ELSEWHERE | more)
    server.wait_until_ready()
    server.kill()
    said = [line for line in server.log if "not used" in line and "warning" in line]
    assert len(said) == len(warned_of)
    for line, name in zip(said, warned_of, strict=True):
        assert f"{name}: not used" in line and LACKING[name] in line and "embedded" in line


def test_endpoints_as_shipped_are_warned_of_by_nobody(tmp_path: Path) -> None:
    server = RunningServer(tmp_path, {})
    server.wait_until_ready()
    server.kill()
    assert not [line for line in server.log if "not used" in line]
