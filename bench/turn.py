"""Users who write in; the server's CPU for each turn, by room, and how late the first sound comes, out.

    python -m bench.turn                             10 and 50 users, and where the time goes
    python -m bench.turn --users 10 --quick

The floor is what a user of the simulated vendors alone waits in the same run. The shares by room are of another run.
"""

import argparse
import asyncio
import json
import os
import signal
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench.loads.floor import Direct
from bench.loads.machine import ROOT, Server, Vendors, real_time, serving, settings_of_run, vendors
from bench.loads.table import quantile, table
from bench.loads.writers import Written, write

WARM_USERS, WARM_TURNS = 5, 1  # before anything counts


async def measure(server: Server, simulated: Vendors, users: int, turns: int) -> dict[str, object]:
    direct = Direct(simulated.addresses["llm"], simulated.addresses["tts"])
    reference = asyncio.create_task(direct.run())
    await write(server.url, WARM_USERS, WARM_TURNS, first=users)
    before_s, vendors_s, own_s = server.cpu_s(), simulated.ask()["cpu_s"], os.times()
    began = asyncio.get_running_loop().time()
    written = await write(server.url, users, turns)
    lasted_s = asyncio.get_running_loop().time() - began
    after = os.times()
    reference.cancel()
    load_s = after.user + after.system - own_s.user - own_s.system
    vendors_s = simulated.ask()["cpu_s"] - vendors_s
    return row_of(written, users, server.cpu_s() - before_s, direct.took_s) | {
        "users core %": load_s * 100 / lasted_s,
        "vendors core %": vendors_s * 100 / lasted_s,
        "server RSS MiB": server.rss_mib(),
    }


def row_of(written: Written, users: int, cpu_s: float, direct_s: list[float]) -> dict[str, object]:
    added = [waited - quantile(direct_s, 50) * 1000 for waited in written.first_audio_ms]
    return {
        "users": users,
        "turns": written.finished,
        "failed": written.failed,
        "CPU ms per turn": cpu_s * 1000 / max(1, written.finished),
        "first sound over the floor p50 ms": quantile(added, 50),
        "p95 ms": quantile(added, 95),
        "max ms": max(added, default=0.0),
        "floor p50 ms": quantile(direct_s, 50) * 1000,
    }


def room_of(path: str) -> str:
    """Our own folder, or the library."""
    _, found, below = path.partition("site-packages/")
    if found:
        return below.split("/")[0]
    if path.startswith(f"{ROOT}/"):
        return f"{Path(path).relative_to(ROOT).parent}/"
    return "Python and the loop"


def by_room(seen: list[tuple[str, str, int]]) -> list[dict[str, object]]:
    """The dearest rooms of what bench/loads/profiled.py has seen."""
    itself, for_it = Counter[str](), Counter[str]()
    for running, ours, count in seen:
        itself[room_of(running)] += count
        for_it[room_of(ours)] += count
    whole = max(1, itself.total()) / 100
    rooms = sorted(itself | for_it, key=lambda room: -max(itself[room], for_it[room]))
    return [
        {"room": room, "itself %": itself[room] / whole, "with libraries it calls %": for_it[room] / whole}
        for room in rooms[:20]
    ]


def profile(users: int, turns: int, core: int | None) -> list[dict[str, object]]:
    with TemporaryDirectory() as folder, vendors(core) as simulated:
        found = Path(folder) / "profile"
        environment = {**simulated.environment, "BENCH_PROFILE": str(found)}
        with serving(users + WARM_USERS, environment, "bench.loads.profiled", core) as server:
            uvloop.run(write(server.url, WARM_USERS, WARM_TURNS, first=users))
            os.kill(server.pid, signal.SIGUSR2)
            uvloop.run(write(server.url, users, turns))
        return by_room(json.loads(found.read_text()))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--turns", type=int, default=8, help="of each user")
    parser.add_argument("--quick", action="store_true", help="one turn of each")
    parser.add_argument("--core", type=int, help="the server's (default: the first)")
    parser.add_argument("--real-time", action="store_true", help="go before all others (root)")
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    turns = 1 if arguments.quick else arguments.turns
    print(settings_of_run(turns_each=turns), flush=True)
    rows = []
    for users in arguments.users:
        with vendors(arguments.core) as simulated:
            with serving(users + WARM_USERS, simulated.environment, core=arguments.core) as server:
                rows.append(uvloop.run(measure(server, simulated, users, turns)))
    print(table(rows), flush=True)
    print("\n" + table(profile(arguments.users[0], turns, arguments.core)))


if __name__ == "__main__":
    main()
