"""Callers in agent mode in; how much later than it must each hears the first sound, and what that costs, out.

    python -m bench.capacity --find                   rises until p95 is late or a turn is missed
    python -m bench.capacity --callers 50 100 --quick
    python -m bench.capacity --callers 50 --noise loud --binary

An open loop: every caller speaks for 2.1 s of every 10, its microphone always open (100 ms chunks with noise between),
whatever comes back. The server has one core to itself; callers and simulated vendors, a process each, share another.
The *floor* is the same work with nothing in between: the chunk in which the silence after the speech is long enough,
the ASR's own 60 ms, and from there to the first sound what a user of the vendors alone waits, measured in the same run.
Audio is compared to the last byte. A turn is missed if its reply was not whole before its caller spoke again, unless it
was refused in words: `busy` with `retry_after_ms`, or `server_busy` at the door, after which its caller stays away.
"""

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.loads import microphone, talk
from bench.loads.callers import CYCLE_S, Notes, Plan, Turn, call
from bench.loads.floor import Direct
from bench.loads.machine import Server, Vendors, real_time, serving, settings_of_run, vendors
from bench.loads.table import quantile, table
from bench.loads.wheel import Wheel

WINDOW_MS = 600  # agent.end_of_speech_ms as shipped
FRAME_MS = 26  # speech is judged in frames of so much
LATE_MS = 100.0
STEPS = (10, 25, 50, 75, 100, 125, 150, 175, 200, 250, 300, 350, 400, 450, 500, 600)


@dataclass(frozen=True, slots=True)
class Cost:
    """What all processes have taken, at a moment."""

    at: float
    server_s: float
    callers_s: float
    vendors_s: float

    @classmethod
    def now(cls, server: Server, simulated: Vendors) -> "Cost":
        return cls(time.monotonic(), server.cpu_s(), time.process_time(), simulated.ask()["cpu_s"])


def earliest_s(plan: Plan, turn: Turn, floor_s: float) -> float:
    """From the beginning of a cycle to its first sound, were there nothing in between.

    Nobody can know that an utterance is over before the chunk leaves in which the silence after it is long enough.
    """
    stopped_ms = turn.stopped_ms or talk.SPEECH_AT_MS + talk.SPEECH_MS
    silent_ms = stopped_ms + -(-WINDOW_MS // FRAME_MS) * FRAME_MS
    silent_ms = plan.over_ms or silent_ms
    return -(-silent_ms // talk.CHUNK_MS) * talk.CHUNK_MS / 1000 + talk.ASR_FINAL_S + floor_s


def added_ms(plan: Plan, notes: Notes, floor_s: float, first_cycle: int = 0) -> list[float]:
    """Of every turn that sounded, from that cycle of its caller on."""
    return [
        (turn.first_audio - began - earliest_s(plan, turn, floor_s)) * 1000
        for place, (began, turn) in enumerate(notes.turns)
        if turn.first_audio is not None and place % plan.cycles >= first_cycle
    ]


def row_of(plan: Plan, notes: Notes, direct_s: list[float], before: Cost, after: Cost) -> dict[str, object]:
    floor_s = quantile(direct_s, 50) or talk.FLOOR_S
    added = added_ms(plan, notes, floor_s)
    lasted_s = after.at - before.at
    sounded = [turn for _, turn in notes.turns if turn.first_audio]
    answered = sum(turn.finished and turn.size > 0 for _, turn in notes.turns)
    refused = sum(turn.refused and not turn.finished and not turn.first_audio for _, turn in notes.turns)
    return {
        "callers": plan.callers,
        "added p50 ms": quantile(added, 50),
        "p95 ms": quantile(added, 95),
        "after the first cycle": quantile(added_ms(plan, notes, floor_s, 1), 95),
        "max ms": max(added, default=0.0),
        "turns": plan.callers * plan.cycles,
        "refused": refused,
        "missed": plan.callers * plan.cycles - answered - refused,
        "audio not whole": sum(not turn.whole for turn in sounded) if plan.response else "",
        "errors": ", ".join(f"{count} {name}" for name, count in notes.errors.items()) or 0,
        "CPU ms per caller-second": (after.server_s - before.server_s) * 1000 / (plan.callers * lasted_s),
        "server core %": (after.server_s - before.server_s) * 100 / lasted_s,
        "callers core %": (after.callers_s - before.callers_s) * 100 / lasted_s,
        "vendors core %": (after.vendors_s - before.vendors_s) * 100 / lasted_s,
        "floor p50 ms": floor_s * 1000,
        "floor p95 ms": quantile(direct_s, 95) * 1000,
    }


async def measure(plan: Plan, server: Server, simulated: Vendors) -> dict[str, object]:
    """One number of callers; figures of cost are of the time in which all of them talk."""
    loop = asyncio.get_running_loop()
    wheel, notes = Wheel(loop), Notes()
    direct = Direct(simulated.addresses["llm"], simulated.addresses["tts"])
    reference = asyncio.create_task(direct.run())
    began = loop.time() + 1.5
    await call(plan, began, wheel, notes)
    all_in = began + plan.last_begins_s
    await asyncio.sleep(max(0.0, all_in - loop.time()))
    simulated.ask()
    wheel.late_ms.clear()
    before = Cost.now(server, simulated)
    await asyncio.sleep(max(0.0, began + plan.cycles * CYCLE_S - loop.time() - 0.2))
    after, rss_mib = Cost.now(server, simulated), server.rss_mib()
    late_ms = {
        "callers late p95 ms": quantile(wheel.late_ms, 95),
        "vendors late p95 ms": simulated.ask()["late_p95_ms"],
    }
    await asyncio.sleep(max(0.0, all_in + plan.cycles * CYCLE_S - loop.time()))
    reference.cancel()
    return {**row_of(plan, notes, direct.took_s, before, after), "server RSS MiB": rss_mib, **late_ms}


def run(callers: int, arguments: argparse.Namespace) -> dict[str, object]:
    """A server and vendors of its own for each number of callers."""
    sound = microphone.frames(arguments.noise, binary=arguments.binary)
    with vendors(arguments.core) as simulated, serving(callers, environment(simulated), core=arguments.core) as server:
        plan = Plan(server.url, callers, 2 if arguments.quick else arguments.cycles, sound, arguments.binary)
        return uvloop.run(measure(plan, server, simulated))


def environment(simulated: Vendors) -> dict[str, str]:
    return {**simulated.environment, "CHATANON_AGENT__END_OF_SPEECH_MS": str(WINDOW_MS)}


def carried(row: dict[str, object]) -> bool:
    """Whether so many were served as they should."""
    late = row["p95 ms"]
    assert isinstance(late, float)
    return late <= LATE_MS and not any(row[name] for name in ("refused", "missed", "errors", "audio not whole"))


def main() -> None:
    """Print a table with a row for each number of callers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, nargs="+", default=[10, 50, 100])
    parser.add_argument("--find", action="store_true", help="rise until p95 is over 100 ms or a turn is missed")
    parser.add_argument("--cycles", type=int, default=4, help="of ten seconds, and of each caller")
    parser.add_argument("--quick", action="store_true", help="two cycles: about half a minute for each number")
    parser.add_argument("--noise", choices=list(microphone.NOISE_DB), default="faint")
    parser.add_argument("--binary", action="store_true", help="audio as binary frames (extension binary_audio)")
    parser.add_argument("--keep", type=Path, help="append each row to this file, for bench/loads/plot.py")
    parser.add_argument("--core", type=int, help="the server's (default: the first)")
    parser.add_argument("--real-time", action="store_true", help="go before all others (root)")
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    print(settings_of_run(noise=arguments.noise, audio="binary" if arguments.binary else "base64"), flush=True)
    rows: list[dict[str, object]] = []
    for callers in STEPS if arguments.find else arguments.callers:
        rows.append(run(callers, arguments))
        if arguments.keep:
            with arguments.keep.open("a") as kept:
                kept.write(json.dumps(rows[-1]) + "\n")
        print(table(rows[-1:]) if len(rows) == 1 else table(rows[-1:]).splitlines()[-1], flush=True)
        if arguments.find and not carried(rows[-1]):
            break
    if arguments.find:
        print(f"carried: {[0, *(row['callers'] for row in rows if carried(row))][-1]} callers")


if __name__ == "__main__":
    main()
