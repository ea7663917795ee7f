"""Strangers who attack in, what a healthy user beside them notices and what it costs the server out.

    python -m bench.hostile                                all floods at once, then the crowd: about four minutes
    python -m bench.hostile --floods control-frames --crowd 0
    python -m bench.hostile --floods --crowd 0.5

Every row has a server of its own, on the embedded engines, with one core to itself (`--real-time`: before all others;
root). Strangers, healthy users and this process share the others; whoever measures goes before the strangers. One
healthy user sends a JSON ping ten times a second, from a process of its own; another one talks. The loop is late when a
timer in it is (bench/loop_lag.py): no callback took longer. Printed are a table for bench/RESULTS.md, and of each flood
what it did. Log lines are counted without those of the healthy users.
"""

import argparse
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import anyio
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from bench.crowd import NOT_READING
from bench.floods import FLOODS
from bench.load import Figures, one_turn, quantiles, user
from bench.loads.machine import ROOT, Server, serving, token_of

PING_EVERY_S = 0.1  # below what any limit of messages allows
TURN_EVERY_S = 2.0
USERS = 2 + NOT_READING // 2  # who pings, who talks, and those in the crowd who have a token; one more floods
LOOK_EVERY_S = 0.2
PATIENCE_S = 60.0
BEGIN_S = 3.0  # by then all processes run and the healthy users are in
OF_THE_HEALTHY = re.compile(r'"event": ?"(connected|gone|turn)')
TOO_MUCH_MIB = 6000.0  # the machine comes first: the attack is ended


@dataclass(slots=True)
class Row:
    """What was measured while one attack went on."""

    name: str
    healthy: Figures = field(default_factory=Figures)
    idle_mib: float = 0.0
    most_mib: float = 0.0
    later_mib: float = 0.0
    lag: list[tuple[float, float]] = field(default_factory=list)  # wall and CPU, milliseconds
    log: list[str] = field(default_factory=list)
    seconds: float = 0.0
    floods: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def left_open(self) -> int:
        """Sockets that said nothing whole and were open after ten seconds."""
        return sum(counts.get("left open", 0) + counts.get("silent: left open", 0) for counts in self.floods.values())

    def cells(self) -> list[str]:
        """Its line of the table."""
        pong, sound = quantiles(self.healthy.pong), quantiles(self.healthy.first_audio)
        as_json = sum(is_json(line) for line in self.log)
        return [
            self.name,
            " / ".join(f"{pong.get(name, float('nan')):,}" for name in ("p50", "p99", "max")),
            f"{sound.get('p50', float('nan')):,} / {sound.get('max', float('nan')):,} ({self.healthy.failed} failed)",
            " / ".join(f"{max((pair[at] for pair in self.lag), default=float('nan')):,.0f}" for at in (0, 1)),
            f"{self.most_mib - self.idle_mib:+,.0f} / {self.later_mib - self.idle_mib:+,.0f}",
            str(self.left_open),
            f"{len(self.log) * 60 / self.seconds:,.0f} ({as_json}, {len(self.log) - as_json})",
        ]


def is_json(line: str) -> bool:
    """Whether a line of the log is an object."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


HEAD = [
    "attack",
    "ping p50 / p99 / max",
    "first sound p50 / max",
    "the loop late by at most / its CPU in one go",
    "MiB added: most / a minute later",
    "sockets left open after 10 s",
    "log lines a minute (counted: JSON, other)",
]


@contextmanager
def pinging(url: str, row: Row) -> Iterator[None]:
    """A healthy user in a process of their own, who pings for as long as the block lasts."""
    ping = subprocess.Popen(
        [sys.executable, "-m", "bench.ping", url, token_of(0), str(PING_EVERY_S)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield
    finally:
        ping.terminate()
        said, _ = ping.communicate()
        row.healthy.pong += json.loads(said) if said else []


@contextmanager
def attackers(commands: Sequence[tuple[str, list[str]]], row: Row) -> Iterator[list[subprocess.Popen[str]]]:
    """Each in a process of its own; what they did, at the end."""
    running = [
        subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _, command in commands
    ]
    try:
        yield running
    finally:
        for (name, _), process in zip(commands, running, strict=True):
            said, _ = process.communicate()
            row.floods[name] = json.loads(said) if said else {}


async def talk(url: str, row: Row, seconds: float) -> None:
    """A healthy user who says something every TURN_EVERY_S."""
    end = anyio.current_time() + seconds
    try:
        async with connect(url, compression=None, proxy=None, open_timeout=PATIENCE_S, ping_timeout=None) as socket:
            await socket.send(json.dumps({"type": "connect", "api_token": token_of(1)}))
            await socket.recv()
            while anyio.current_time() < end:
                with anyio.fail_after(PATIENCE_S):
                    await one_turn(socket, "你好", row.healthy)
                await anyio.sleep(TURN_EVERY_S)
    except (OSError, TimeoutError, WebSocketException) as error:
        print(f"{row.name}: the healthy user was lost: {error!r}", file=sys.stderr)
        row.healthy.failed += 1


async def watch(server: Server, row: Row, running: list[subprocess.Popen[str]]) -> None:
    """The most memory it has; an attack that would take the machine's is ended."""
    while any(process.poll() is None for process in running):
        row.most_mib = max(row.most_mib, server.rss_mib())
        if row.most_mib - row.idle_mib > TOO_MUCH_MIB:
            print(f"{row.name}: ended at {row.most_mib:.0f} MiB", file=sys.stderr)
            for process in running:
                process.send_signal(signal.SIGKILL)
        await anyio.sleep(LOOK_EVERY_S)


async def beside(server: Server, row: Row, running: list[subprocess.Popen[str]], seconds: float) -> None:
    """A healthy user, while the attack goes on."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(talk, server.url, row, seconds)
        if running:
            await watch(server, row, running)
        else:
            await anyio.sleep(seconds)
            row.most_mib = server.rss_mib()


def commands_of(floods: Sequence[str], crowd: float, where: list[str]) -> list[tuple[str, list[str]]]:
    """A process for each flood, from an address of its own; one for the crowd. `where`, and when."""
    found = [
        (name, ["bench.floods", name, *where, f"127.0.0.{10 + at}", token_of(USERS)]) for at, name in enumerate(floods)
    ]
    if crowd:
        tokens = ",".join(map(token_of, range(2, USERS)))
        found.append(("crowd", ["bench.crowd", *where, str(crowd), tokens]))
    return found


def measure(name: str, floods: Sequence[str], crowd: float, arguments: argparse.Namespace) -> Row:
    """One attack on a new server."""
    row = Row(name)
    with TemporaryDirectory() as folder:
        lag = Path(folder) / "lag"
        with serving(USERS + 1, {"BENCH_LAG_FILE": str(lag)}, "bench.loop_lag") as server:
            anyio.run(user, server.url, 1, 2, Figures())  # whatever is made at first use
            row.idle_mib, before = server.rss_mib(), len(server.log_lines())
            address = urlsplit(server.url)
            began = time.monotonic() + BEGIN_S
            seconds = arguments.seconds * (2 if crowd else 1)  # thousands of sockets take a while to come
            where = [str(address.hostname), str(address.port), str(began), str(seconds)]
            with pinging(server.url, row), attackers(commands_of(floods, crowd, where), row) as running:
                anyio.run(beside, server, row, running, seconds + BEGIN_S)
            row.seconds = time.monotonic() - began
            if running:
                time.sleep(arguments.cool)
            row.later_mib = server.rss_mib()
            row.log = [line for line in server.log_lines()[before:] if not OF_THE_HEALTHY.search(line)]
        told = [json.loads(line) for line in lag.read_text().splitlines()]
        row.lag = [(late, cpu) for at, late, cpu in told if at > began]  # the second before it counts too
    return row


def where_and_when() -> str:
    """Machine, date and commit, for the page of results."""
    found = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    today = datetime.date.today().isoformat()
    python, load = platform.python_version(), os.getloadavg()[0]
    return f"{os.cpu_count()} cores, Python {python}, {today}, commit {found.stdout.strip()}, load before {load:.1f}"


def main() -> None:
    """Print the table, a row for each attack."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--floods", nargs="*", choices=sorted(FLOODS), default=list(FLOODS), help="all at once")
    parser.add_argument("--each", action="store_true", help="each flood alone besides")
    parser.add_argument("--crowd", type=float, default=1.0, help="scale of the crowd; 0: none")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="of each attack, over 10; the crowd stays twice as long"
    )
    parser.add_argument("--cool", type=float, default=60.0, help="seconds until the memory is looked at again")
    parser.add_argument("--real-time", action="store_true", help="the server before all others (root)")
    arguments = parser.parse_args()
    with suppress(PermissionError):
        os.nice(-10)  # the server and whoever measures inherit it
    if arguments.real_time:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    print(f"{where_and_when()}\n\n| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}", flush=True)
    attacks: list[tuple[str, list[str], float]] = [("none", [], 0.0)]
    attacks += [(f"{FLOODS[name].fault} {name}", [name], 0.0) for name in arguments.floods if arguments.each]
    attacks += [(f"{len(arguments.floods)} floods at once", arguments.floods, 0.0)] if arguments.floods else []
    attacks += [(f"crowd x {arguments.crowd:g}", [], arguments.crowd)] if arguments.crowd else []
    rows = []
    for name, floods, crowd in attacks:
        rows.append(measure(name, floods, crowd, arguments))
        print(f"| {' | '.join(rows[-1].cells())} |", flush=True)
    print()
    for row in rows:
        for name, counts in row.floods.items():
            print(json.dumps({"attack": row.name, "flood": name, **counts}))


if __name__ == "__main__":
    main()
