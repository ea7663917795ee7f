"""Connections that say nothing, and callers who talk, in; the memory of each, and the CPU of the idle, out.

    python -m bench.idle

Memory is what the process has grown by, after some users of the same kind have been there and gone: what is loaded once
is not theirs.
"""

import argparse
import asyncio
import time

import uvloop

from bench.capacity import environment
from bench.connect import UNLIMITED, Arrival
from bench.loads import microphone
from bench.loads.callers import CYCLE_S, Notes, Plan, call
from bench.loads.machine import Server, real_time, serving, settings_of_run, vendors
from bench.loads.table import table
from bench.loads.wheel import Wheel

WARM = 20  # connections
WARM_CALLERS = 5


async def be_idle(server: Server, connections: int, seconds: float) -> dict[str, object]:
    async def arrive(numbers: range) -> list[Arrival]:
        arrivals = [Arrival(server.url, number) for number in numbers]
        for arrival in arrivals:
            await arrival.arrive()
        return arrivals

    warm = await arrive(range(WARM))
    before_mib = server.rss_mib()
    there = await arrive(range(WARM, WARM + connections))
    grown_mib = server.rss_mib() - before_mib
    await asyncio.sleep(1)
    cpu_s, began = server.cpu_s(), time.monotonic()
    await asyncio.sleep(seconds)
    share = (server.cpu_s() - cpu_s) / (time.monotonic() - began)
    lost = sum(not (arrival.greeted.done() and arrival.greeted.result()) for arrival in there)
    for arrival in warm + there:
        arrival.hang_up()
    return {"KiB of each": grown_mib * 1024 / connections, "CPU %": share * 100, "failed": lost}


async def talk(server: Server, plan: Plan) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    wheel, notes = Wheel(loop), Notes()

    async def conversation(plan: Plan) -> float:
        began = loop.time() + 1.5
        await call(plan, began, wheel, notes)
        await asyncio.sleep(max(0.0, began + plan.cycles * CYCLE_S - loop.time() - 0.5))
        grown_mib = server.rss_mib()
        await asyncio.sleep(max(0.0, began + plan.last_begins_s + plan.cycles * CYCLE_S - loop.time() + 0.5))
        return grown_mib

    await conversation(Plan(plan.url, WARM_CALLERS, 1, plan.microphone, plan.binary))
    before_mib = server.rss_mib()
    grown_mib = await conversation(plan) - before_mib
    missed = len(notes.turns) - sum(turn.whole and turn.finished for _, turn in notes.turns)
    return {"KiB of each": grown_mib * 1024 / plan.callers, "CPU %": "", "failed": missed}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=500)
    parser.add_argument("--callers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20, help="in which the idle are watched")
    parser.add_argument("--quick", action="store_true", help="100 connections for three seconds, five callers")
    parser.add_argument("--core", type=int, help="the server's (default: the first)")
    parser.add_argument("--real-time", action="store_true", help="go before all others (root)")
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    if arguments.quick:
        arguments.connections, arguments.callers, arguments.seconds = 100, 5, 3.0
    print(settings_of_run(), flush=True)
    rows = []
    with vendors(arguments.core) as simulated:
        settings = {**environment(simulated), **UNLIMITED}
        with serving(WARM + arguments.connections, settings, core=arguments.core) as server:
            figures = uvloop.run(be_idle(server, arguments.connections, arguments.seconds))
            rows.append({"who": "idle connections", "how many": arguments.connections, **figures})
        if arguments.callers:
            with serving(max(WARM_CALLERS, arguments.callers), settings, core=arguments.core) as server:
                plan = Plan(server.url, arguments.callers, 2, microphone.frames("faint", binary=False), binary=False)
                figures = uvloop.run(talk(server, plan))
                rows.append({"who": "callers in agent mode", "how many": arguments.callers, **figures})
    print(table(rows))


if __name__ == "__main__":
    main()
