"""Processes on cores of their own, what they cost, and on which machine that was."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent


def token_of(user: int) -> str:
    return f"bench-token-{user:06d}-abcdefgh"


def cpu_s_of(pid: int) -> float:
    """What a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib_of(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def settings_of_run(**settings: object) -> str:
    """Machine, date, commit and settings: what every result is printed with."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    commit = (git("rev-parse", "--short", "HEAD") or "unknown") + ("*" if git("status", "--porcelain") else "")
    load = f"{os.getloadavg()[0]:.1f}"
    machine = f"{os.cpu_count()} cores ({platform.machine()}, load {load}), Python {platform.python_version()}"
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
    return f"commit {commit}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine}" + (f"; {told}" if told else "")


def real_time() -> None:
    """Go before all others on a machine that is not ours alone (root); what is started from here inherits it."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


class Server:
    """A server process and what it costs."""

    def __init__(self, pid: int, url: str, log: Path, ready_s: float = 0.0) -> None:
        self.url = url
        self.pid = pid
        self.ready_s = ready_s  # from its start
        self._proc = Path(f"/proc/{pid}")
        self._log = log

    def cpu_s(self) -> float:
        return cpu_s_of(self.pid)

    def waited_s(self) -> float:
        """How long its event loop was ready to run while others had its core."""
        return int((self._proc / "schedstat").read_text().split()[1]) / 1e9

    def rss_mib(self) -> float:
        return rss_mib_of(self.pid)

    def log_lines(self) -> list[str]:
        """All it has said so far."""
        return self._log.read_text(errors="replace").splitlines()


def cores_of(server: int | None = None) -> tuple[set[int], set[int]]:
    """The server's core and those of the load; the same one where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    own = cores[0] if server is None else server
    return {own}, {core for core in cores if core != own} or {own}


@contextmanager
def serving(
    users: int,
    environment: Mapping[str, str],
    module: str = "server.main",
    core: int | None = None,
    command: Sequence[str] = (),
) -> Iterator[Server]:
    """A server on a core of its own, and this process on the others; `command`: another one than ours."""
    own, others = cores_of(core)
    with TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:  # a pipe would fill and block it
        settings = {
            "CHATANON_CREDENTIALS": "",
            "CHATANON_SERVER__HOST": "127.0.0.1",
            "CHATANON_SERVER__PORT": "0",
            "CHATANON_HISTORY__URL": f"sqlite:///{folder}/history.db",
            "CHATANON_LIMITS__TURNS_PER_MINUTE": "0",
            "VALID_API_TOKENS": ",".join(map(token_of, range(users))),
        }
        os.sched_setaffinity(0, own)  # inherited
        began = monotonic()
        process = subprocess.Popen(
            command or [sys.executable, "-m", module],
            cwd=ROOT,
            env={**os.environ, **settings, **environment},
            stderr=log,
        )
        os.sched_setaffinity(0, others)
        try:
            while not (found := re.search(r'ws://[^ "]+/ws', Path(log.name).read_text())):
                if process.poll() is not None:
                    raise SystemExit(Path(log.name).read_text())
                sleep(0.01)
            yield Server(process.pid, found[0], Path(log.name), monotonic() - began)
        finally:
            process.terminate()
            process.wait()
            os.sched_setaffinity(0, own | others)


class Vendors:
    """The process of bench/loads/vendors.py."""

    def __init__(self, process: "subprocess.Popen[bytes]", addresses: Mapping[str, str]) -> None:
        self._process = process
        self.addresses = addresses

    @property
    def environment(self) -> dict[str, str]:
        """Points a server at them."""
        return {
            **{f"CHATANON_ENDPOINTS__{kind.upper()}": url for kind, url in self.addresses.items()},
            **{f"{vendor}_API_KEY": "simulated-key" for vendor in ("DOUBAO", "MINIMAX", "BYTEDANCE")},
        }

    def ask(self) -> dict[str, Any]:
        """What they have cost and served so far."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the simulated vendors did not start")
        told: dict[str, Any] = json.loads(line)
        return told


@contextmanager
def vendors(core: int | None = None) -> Iterator[Vendors]:
    """All three, on the load's core."""
    own, others = cores_of(core)
    os.sched_setaffinity(0, others)
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.loads.vendors"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    os.sched_setaffinity(0, own | others)
    try:
        running = Vendors(process, {})
        running.addresses = running._read()
        yield running
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
