"""docs/operations.md in; whether a talk goes through the proxies, the service and the backup that it shows out."""

import os
import re
import shlex
import shutil
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_connection
from typing import Any

import pytest

from server.config import Config, ConfigError, load
from server.observability.refusal_texts import REFUSALS
from server.observability.texts import SENTENCES
from tests.documents.clone import make_clone, path_of, run
from tests.documents.pages import TWINS, blocks, prose, shown_file
from tests.documents.test_commands import BACKUP, CHECK, EXPORT
from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer, free_port

CHINESE, ENGLISH = PAGES = TWINS["operations"]
TOKEN = "a-token-of-22-characters-or-more"  # of the environment that the page shows
HOST = "chat.example.org"
PATIENCE_S = 60

Start = Callable[..., RunningServer]


def program(name: str) -> str:
    """Where it is; in CI it has to be somewhere."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        why = f"{name} is not installed; on Debian: apt-get install {name}"
        (pytest.fail if os.environ.get("NOTHING_SKIPPED") else pytest.skip)(why)
    return found


@contextmanager
def running(port: int, *command: str, ready: Callable[[], object] = lambda: None) -> Iterator[None]:
    """A program that listens at this port, ended on the way out. `ready` raises an OSError until it is."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
            with suppress(OSError), create_connection(("127.0.0.1", port), 1):
                ready()
                break
            time.sleep(0.02)  # there is nothing to wait for: it does not say when it listens
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def server(start_server: Start) -> RunningServer:
    return start_server(VALID_API_TOKENS=TOKEN)


def assert_talk(url: str, **secured: Any) -> None:
    client = ProtocolClient(url, **secured)
    client.connect(api_token=TOKEN, extensions=["turns"])
    said = client.turn("你好")
    assert said[-1]["type"] == "response" and any(each["type"] == "audio_chunk" for each in said)
    client.close()


# ---------------------------------------------------------------- nginx, Caddy


def nginx_configuration(folder: Path, server_port: int) -> tuple[Path, int, int]:
    """What the page shows, with ports, certificate and folders of this test; and its ports for HTTP and HTTPS."""
    http, https = free_port(), free_port()
    shown = shown_file(CHINESE, "/etc/nginx/conf.d/chatanon.conf")
    for port, instead in ((80, http), (443, https)):
        assert f"listen {port}" in shown
        shown = re.sub(rf"listen (\[::\]:)?{port}\b", rf"listen \g<1>{instead}", shown)
    shown = re.sub(r"/etc/letsencrypt/live/\S+/(\w+\.pem)", rf"{folder}/\1", shown)
    shown = shown.replace("127.0.0.1:8765", f"127.0.0.1:{server_port}")
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    path = folder / "nginx.conf"
    own = f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}"
    path.write_text(f"{own}\nhttp {{ access_log off; {paths}\n{shown}\n}}\n")
    return path, http, https


def make_certificate(folder: Path) -> None:
    subject = ("-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}")
    files = ("-keyout", f"{folder}/privkey.pem", "-out", f"{folder}/fullchain.pem")
    made = (program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files)
    subprocess.run(made, check=True, capture_output=True, timeout=PATIENCE_S)


@pytest.mark.slow
def test_talk_goes_through_nginx_with_tls(server: RunningServer, tmp_path: Path) -> None:
    nginx = program("nginx")
    make_certificate(tmp_path)
    path, http, https = nginx_configuration(tmp_path, server.port)
    checked = subprocess.run((nginx, "-t", "-q", "-c", str(path)), capture_output=True, text=True, timeout=PATIENCE_S)
    assert checked.returncode == 0 and "[warn]" not in checked.stderr, checked.stderr
    trusted = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
    with running(https, nginx, "-c", str(path)):
        assert_talk(f"wss://127.0.0.1:{https}/ws", ssl=trusted, server_hostname=HOST)
        assert_who_is_counted(f"wss://127.0.0.1:{https}/ws", server, ssl=trusted, server_hostname=HOST)
        with create_connection(("127.0.0.1", http), PATIENCE_S) as plain:
            plain.sendall(f"GET /app/ HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            answer = plain.makefile().read()
        assert " 301 " in answer and f"Location: https://{HOST}/app/" in answer


@pytest.mark.slow
def test_talk_goes_through_caddy(server: RunningServer, tmp_path: Path) -> None:
    """But for the certificate, which it would get from outside."""
    caddy, port = program("caddy"), free_port()
    shown = shown_file(CHINESE, "/etc/caddy/Caddyfile").replace("127.0.0.1:8765", f"127.0.0.1:{server.port}")
    path = tmp_path / "Caddyfile"
    path.write_text(f"{shown}\n")
    subprocess.run((caddy, "validate", "--config", str(path)), check=True, capture_output=True, timeout=PATIENCE_S)
    path.write_text("{\n\tadmin off\n}\n" + shown.replace(HOST, f"http://127.0.0.1:{port}") + "\n")
    with running(port, caddy, "run", "--config", str(path), "--adapter", "caddyfile"):
        assert_talk(f"ws://127.0.0.1:{port}/ws")
        assert_who_is_counted(f"ws://127.0.0.1:{port}/ws", server)


@pytest.mark.slow
def test_phone_at_home_talks_through_a_certificate_of_caddy_s_own(
    server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caddy, port = program("caddy"), free_port()
    _, shown = (block.text for block in blocks(CHINESE, "caddy"))
    assert "https://192.168.1.5 {" in shown
    shown = shown.replace("192.168.1.5", f"127.0.0.1:{port}").replace(":8765", f":{server.port}")
    own = "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n}\n"
    (tmp_path / "Caddyfile").write_text(f"{own}{shown}\n")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    root = tmp_path / "caddy" / "pki" / "authorities" / "local" / "root.crt"

    def has_its_certificate() -> None:
        """It listens a moment before."""
        trusted = ssl.create_default_context(cafile=str(root))
        with create_connection(("127.0.0.1", port), PATIENCE_S) as plain:
            trusted.wrap_socket(plain, server_hostname="127.0.0.1").close()

    command = (caddy, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile")
    with running(port, *command, ready=has_its_certificate):
        assert_talk(f"wss://127.0.0.1:{port}/ws", ssl=ssl.create_default_context(cafile=str(root)))


def assert_who_is_counted(url: str, server: RunningServer, **secured: Any) -> None:
    """What a stranger writes into the header that names who calls is not what the server goes by."""
    stranger = ProtocolClient(url, {"X-Forwarded-For": "203.0.113.9"}, **secured)
    stranger.send("connect", api_token="not-a-token-of-anybody")
    assert stranger.closed()[0] == 4500
    server.wait_for("unauthorized")
    assert server.events("unauthorized")[-1]["address"] == "127.0.0.1"


# ---------------------------------------------------------------- systemd


def service(page: Path) -> dict[str, str]:
    text = shown_file(page, "/etc/systemd/system/chatanon.service")
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def environment(page: Path) -> dict[str, str]:
    (text,) = (block.text for block in blocks(page, "ini") if "VALID_API_TOKENS" in block.text)
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


@pytest.mark.slow
def test_service_is_understood_by_systemd(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    clone = make_clone(tmp_path)
    unit = tmp_path / "chatanon.service"
    unit.write_text(
        shown_file(CHINESE, "/etc/systemd/system/chatanon.service").replace("/opt/chatanon", str(clone)) + "\n"
    )
    done = subprocess.run(
        (analyze, "verify", "--man=no", str(unit)), capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert "chatanon" not in done.stderr, done.stderr


@pytest.mark.slow
def test_service_serves_and_stops_as_told(tmp_path: Path) -> None:
    told, variables = service(CHINESE), environment(CHINESE)
    clone = make_clone(tmp_path)
    history = tmp_path / "state" / "chatanon.db"
    variables["CHATANON_HISTORY__URL"] = variables["CHATANON_HISTORY__URL"].replace(
        "/var/lib/chatanon/chatanon.db", str(history)
    )
    command = told["ExecStart"].replace(told["WorkingDirectory"], str(clone))
    started = f"cd {shlex.quote(str(clone))} && exec {command}"
    server = RunningServer(
        clone, {**variables, "CHATANON_SERVER__PORT": "0", "PATH": path_of(clone)}, "bash", "-c", started
    )
    try:
        server.wait_until_ready()
        assert_talk(server.url)
        assert history.is_file()
        server.signal()
        assert server.wait() == 0
    finally:
        server.kill()


def test_service_waits_longer_than_the_server_and_leaves_a_refusal_alone() -> None:
    told = service(ENGLISH)
    assert float(told["TimeoutStopSec"]) > Config().limits.drain_seconds + 10
    assert told["RestartPreventExitStatus"] == "2" and told["EnvironmentFile"] == "/etc/chatanon.env"


# ---------------------------------------------------------------- the history


@pytest.mark.slow
def test_backup_is_made_beside_a_running_server_and_can_be_gone_back_to(tmp_path: Path, start_server: Start) -> None:
    clone = make_clone(tmp_path)
    where = clone / "data" / "chatanon.db"
    running = start_server(VALID_API_TOKENS=TOKEN, CHATANON_HISTORY__URL=f"sqlite:///{where}")
    client = ProtocolClient(running.url)
    client.connect(api_token=TOKEN)
    client.turn("你好")
    run(clone, BACKUP)
    run(clone, CHECK)
    assert "你好" in run(clone, EXPORT)
    client.turn("再见")
    client.close()
    running.kill()
    backup = clone / "data" / "backup.db"
    where.unlink()
    for beside in ("-wal", "-shm"):
        where.with_name(where.name + beside).unlink(missing_ok=True)
    shutil.copy(backup, where)
    again = start_server(VALID_API_TOKENS=TOKEN, CHATANON_HISTORY__URL=f"sqlite:///{where}")
    client = ProtocolClient(again.url)
    client.connect(api_token=TOKEN, extensions=["history"])
    client.send("get_history")
    said = [each["content_cn"] for each in client.receive()["messages"] if each["role"] == "user"]
    assert said == ["你好"]
    client.close()
    assert sqlite3.connect(backup).execute("PRAGMA integrity_check").fetchone() == ("ok",)


# ---------------------------------------------------------------- refusals


# Sentences that are made of several templates.
WRONG = ({"CHATANON_SERVER__PROT": "1"}, {"CHATANON_SERVER__PORT": "many"}, {"CHATANON_DOUBAO__API_KEY": "a"})


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as refused:
        load({**environment, "CHATANON_CREDENTIALS": ""})
    return str(refused.value)


@pytest.mark.parametrize("path", PAGES)
def test_refusals_told_are_what_the_server_says(path: Path) -> None:
    sentences = "\n".join((*REFUSALS, *SENTENCES, *map(refusal, WRONG)))
    table = prose(path).partition("`cannot listen on`")
    told = [row.split("`")[1] for row in (table[1] + table[2]).split("\n\n")[0].replace("| `", "`").splitlines()]
    assert len(told) == 10
    assert not [words for words in told if words not in sentences]
