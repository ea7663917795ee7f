"""The real server in a process of its own."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_PATIENCE_S = 60.0
# Below those that the system hands out, and other ones for each worker of pytest-xdist.
_ports = itertools.count(20_000 + 500 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))


def free_port() -> int:
    """A port that nobody has, nor is given before it is used: for what cannot choose one by itself."""
    while True:
        with suppress(OSError), socket.create_server(("", next(_ports))) as probe:
            found: int = probe.getsockname()[1]
            return found


class RunningServer:
    """`python -m server.main` on a free port, with its files under `folder`."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *command: str) -> None:
        """`command`: instead of `python -m server.main`."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CHATANON_", "BYTEDANCE_", "DOUBAO_", "MINIMAX_", "OPENAI_", "VALID_"))
        }
        self._ready = threading.Event()
        self._logged = threading.Condition()
        self.log: list[str] = []
        self.port = 0
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "server.main"],
            cwd=ROOT,
            env={
                **inherited,
                "CHATANON_CREDENTIALS": "",
                "CHATANON_SERVER__HOST": "127.0.0.1",
                "CHATANON_SERVER__PORT": "0",
                "CHATANON_HISTORY__URL": f"sqlite:///{folder}/history.db",
                "CHATANON_LIMITS__BUSY_CPU_PERCENT": "0",  # how much other tests compute is no matter of most of them
                **environment,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                self.log.append(line.rstrip("\n"))
                self._logged.notify_all()
            found = re.search(r"ws://.*?:(\d+)/ws|running on http://[^:/]+:(\d+)", line)
            if found and not self.port:
                self.port = int(found[1] or found[2])
                self._ready.set()
        self._ready.set()

    def wait_until_ready(self) -> None:
        """Until it says where to talk to it."""
        self._ready.wait(_PATIENCE_S)
        assert self.port, "the server did not become ready:\n" + "\n".join(self.log)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    def get(self, path: str, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers (by lower-case name) of an HTTP answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=_PATIENCE_S)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, json.loads(answer.read()), names

    def events(self, name: str) -> list[dict[str, Any]]:
        """What it has logged under a name."""
        parsed = [json.loads(line) for line in self.log if line.startswith("{")]
        return [event for event in parsed if event["event"] == name]

    def wait_for(self, name: str, times: int = 1) -> None:
        """Until it has logged an event of this name so many times."""
        with self._logged:
            assert self._logged.wait_for(lambda: len(self.events(name)) >= times, _PATIENCE_S), self.log

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status, once it has ended."""
        status = self.process.wait(_PATIENCE_S)
        self._reader.join(_PATIENCE_S)
        return status

    def kill(self) -> None:
        """End it now, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@contextmanager
def running_server(folder: Path, **environment: str) -> Iterator[RunningServer]:
    """A server that is ready, ended on the way out."""
    server = RunningServer(folder, environment)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.kill()
