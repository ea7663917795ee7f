"""N users talk at once with a server of their own; how long they wait for the first sound, and a ping for its pong.

    python -m bench.load --users 20 --turns 3

Speaks the wire only. The server runs on a core of its own on the embedded engines (or on whatever the environment
says), so that the figures are what a client sees. Figures of one run on one machine: compare them within that run.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
from websockets.asyncio.client import ClientConnection, connect

from bench.loads.machine import ROOT, serving, token_of


class Figures:
    """What was measured, in milliseconds."""

    def __init__(self) -> None:
        self.first_audio: list[float] = []
        self.whole_turn: list[float] = []
        self.pong: list[float] = []
        self.failed = 0

    def report(self) -> dict[str, object]:
        """Each figure's quantiles."""
        return {
            "first_audio_ms": quantiles(self.first_audio),
            "whole_turn_ms": quantiles(self.whole_turn),
            "pong_ms": quantiles(self.pong),
            "failed_turns": self.failed,
        }


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Median, 95th, 99th percentile and maximum."""
    if len(values) < 2:
        return {"n": len(values)}
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    named = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(values)}
    return {"n": len(values), **{name: round(value, 1) for name, value in named.items()}}


async def user(url: str, number: int, turns: int, figures: Figures) -> None:
    """Connect, then say something and hear the answer, as often as asked."""
    async with connect(url, compression=None, proxy=None) as socket:
        await socket.send(json.dumps({"type": "connect", "api_token": token_of(number)}))
        await socket.recv()
        for turn in range(turns):
            await one_turn(socket, ("你好", "讲讲你的乐队", "你喜欢吃什么")[turn % 3], figures)


async def one_turn(socket: ClientConnection, content: str, figures: Figures) -> None:
    """Say it, and time the answer."""
    began = time.monotonic()
    await socket.send(json.dumps({"type": "message", "content": content}))
    heard = False
    while True:
        kind = json.loads(await socket.recv())["type"]
        if kind == "audio_chunk" and not heard:
            heard = True
            figures.first_audio.append((time.monotonic() - began) * 1000)
        if kind == "response":
            figures.whole_turn.append((time.monotonic() - began) * 1000)
            return
        if kind == "error":
            figures.failed += 1
            return


@contextmanager
def pinging(url: str, number: int, figures: Figures) -> Iterator[None]:
    """One more connection that only pings meanwhile, in a process of its own: what it waits for is the server alone."""
    ping = subprocess.Popen(
        [sys.executable, "-m", "bench.ping", url, token_of(number)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield
    finally:
        ping.terminate()
        output, _ = ping.communicate()
        figures.pong += json.loads(output)


async def measure(url: str, users: int, turns: int, figures: Figures) -> None:
    """All users at once."""
    async with anyio.create_task_group() as talks:
        for number in range(users):
            talks.start_soon(user, url, number, turns, figures)


def main() -> None:
    """Print one line of JSON per number of users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    for users in arguments.users:
        with serving(users + 1, {}) as server:
            figures = Figures()
            with pinging(server.url, users, figures):
                anyio.run(measure, server.url, users, arguments.turns, figures)
        print(json.dumps({"users": users, "start_to_ready_s": round(server.ready_s, 2), **figures.report()}))


if __name__ == "__main__":
    main()
