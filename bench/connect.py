"""Handshakes in; how many a second, the CPU of each, and how long a takeover of a token takes, out.

    python -m bench.connect

A connection is counted when it has said `connected`; then it is dropped. In a takeover the user is still connected, and
connects once more with the same token: milliseconds from the new connection's first byte to its `connected`.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import uvloop

from bench.loads.client import Client, Said
from bench.loads.machine import Server, real_time, serving, settings_of_run, vendors
from bench.loads.table import quantile, table

UNLIMITED = {"CHATANON_LIMITS__CONNECTS_PER_MINUTE": "0"}


class Arrival(Client):
    """Of one token; `greeted` once the server has said that it is in."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__(url, number)
        self.greeted: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def receive(self, said: Said) -> None:
        if said.type in ("connected", "error") and not self.greeted.done():
            self.greeted.set_result(said.type == "connected")

    def lost(self) -> None:
        if not self.greeted.done():
            self.greeted.set_result(False)

    async def arrive(self) -> float:
        """How many seconds it took; a failure takes none."""
        began = time.monotonic()
        await self.open()
        return time.monotonic() - began if await self.greeted else 0.0


async def row_of(
    what: str, server: Server, count: int, at_once: int, one: Callable[[int], Awaitable[float]]
) -> dict[str, object]:
    """So many, a few at once, each as soon as another is done."""
    numbers, took_s = iter(range(count)), list[float]()

    async def some() -> None:
        for number in numbers:
            took_s.append(await one(number))

    cpu_s, own_s, began = server.cpu_s(), time.process_time(), time.monotonic()
    await asyncio.gather(*(some() for _ in range(at_once)))
    lasted_s = time.monotonic() - began
    done = [each * 1000 for each in took_s if each]
    return {
        "what": what,
        "done": len(done),
        "failed": count - len(done),
        "a second": len(done) / lasted_s,
        "CPU ms each": (server.cpu_s() - cpu_s) * 1000 / count,
        "p50 ms": quantile(done, 50),
        "p95 ms": quantile(done, 95),
        "users core %": (time.process_time() - own_s) * 100 / lasted_s,
    }


async def measure(server: Server, count: int, at_once: int, tokens: int) -> list[dict[str, object]]:
    kept: dict[int, Arrival] = {}

    async def come_and_go(number: int) -> float:
        arrival = Arrival(server.url, number % tokens)
        took_s = await arrival.arrive()
        arrival.hang_up()
        return took_s

    async def take_over(number: int) -> float:
        token = number % tokens
        before, kept[token] = kept.get(token), Arrival(server.url, token)
        took_s = await kept[token].arrive()
        if before is not None:
            before.hang_up()
        return took_s

    await row_of("warm", server, tokens, at_once, come_and_go)
    rows = [await row_of("connect and authenticate", server, count, at_once, come_and_go)]
    await row_of("connected", server, tokens, 1, take_over)
    rows.append(await row_of("takeover, one at a time", server, min(count, 5 * tokens), 1, take_over))
    rows.append(await row_of("takeovers, as many as there can be", server, count, at_once, take_over))
    return rows


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--quick", action="store_true", help="200 of each")
    parser.add_argument("--core", type=int, help="the server's (default: the first)")
    parser.add_argument("--real-time", action="store_true", help="go before all others (root)")
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    count, tokens = (200, 50) if arguments.quick else (arguments.count, 200)
    print(settings_of_run(at_once=arguments.at_once), flush=True)
    with vendors(arguments.core) as simulated:
        with serving(tokens, {**simulated.environment, **UNLIMITED}, core=arguments.core) as server:
            print(table(uvloop.run(measure(server, count, arguments.at_once, tokens))))


if __name__ == "__main__":
    main()
