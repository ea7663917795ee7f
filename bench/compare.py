"""The same callers, vendors and core for this server and for Pipecat, one after the other; figures and ratios out.

    python -m bench.compare                          rises for each until it is late or misses a turn, about 20 minutes
    python -m bench.compare --callers 10 --quick

Pipecat comes from its package into a venv of its own, .venv/pipecat, which this makes. The bot on it
(bench/loads/pipecat_bot.py) is ours and follows its documents; once with its defaults (Silero and smart turn judge
every caller here), once without any local model (the ASR's endpointing ends a turn). It paces its replies by itself;
they count as finished when nearly all of their audio has come.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence

import uvloop

from bench.capacity import LATE_MS, environment, measure
from bench.loads import microphone
from bench.loads.callers import Plan
from bench.loads.machine import ROOT, Vendors, real_time, serving, settings_of_run, vendors
from bench.loads.table import table

VENV = ROOT / ".venv" / "pipecat"
PACKAGES = ("pipecat-ai[websocket]", "uvicorn", "uvloop")  # its wheel brings the weights of Silero and smart turn
OURS, DEFAULTS, NO_MODEL = "ours", "Pipecat, its defaults", "Pipecat, no local model"
STEPS = {
    OURS: (10, 30, 60, 80, 100, 125, 150, 200, 250, 300, 350, 400, 500, 600),
    DEFAULTS: (10, 20, 25, 30, 35, 40, 50, 60),
    NO_MODEL: (10, 30, 40, 50, 60, 70, 80, 90, 100, 120),
}
COLUMNS = (
    *("added p50 ms", "p95 ms", "turns", "refused", "missed", "errors", "CPU ms per caller-second"),
    *("server core %", "callers core %", "vendors core %", "server RSS MiB"),
)


def version_of_pipecat() -> str:
    """Installs it where it is not."""
    python = VENV / "bin" / "python"
    if not (VENV / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        (VENV / "installed").touch()
    said = "import importlib.metadata; print(importlib.metadata.version('pipecat-ai'))"
    return subprocess.run([python, "-c", said], check=True, capture_output=True, text=True).stdout.strip()


def command_of(who: str, simulated: Vendors) -> Sequence[str]:
    if who == OURS:
        return ()
    addresses = (simulated.addresses[kind] for kind in ("llm", "tts", "asr"))
    mode = "defaults" if who == DEFAULTS else "no-model"
    return (str(VENV / "bin" / "python"), "-m", "bench.loads.pipecat_bot", mode, *addresses)


def run(who: str, callers: int, cycles: int, core: int | None) -> dict[str, object]:
    sound = microphone.frames("faint", binary=False)
    over_ms = 0 if who == OURS else microphone.over_ms(microphone.cycle("faint"))
    with vendors(core) as simulated:
        command = command_of(who, simulated)
        with serving(callers, environment(simulated), core=core, command=command) as server:
            plan = Plan(server.url, callers, cycles, sound, binary=False, over_ms=over_ms, response=who == OURS)
            row = uvloop.run(measure(plan, server, simulated))
    return {"who": who, "callers": callers, **{name: row[name] for name in COLUMNS}}


def carried(row: dict[str, object]) -> bool:
    late = row["p95 ms"]
    assert isinstance(late, float)
    return late <= LATE_MS and not row["refused"] and not row["missed"] and not row["errors"]


def ratios(rows: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """Of callers carried, and of CPU where both served the same number."""
    most = {
        who: max((int(str(row["callers"])) for row in rows if row["who"] == who and carried(row)), default=0)
        for who in STEPS
    }
    cost = {(row["who"], row["callers"]): float(str(row["CPU ms per caller-second"])) for row in rows}
    least = min(int(str(row["callers"])) for row in rows)
    return [
        {
            "against": who,
            "callers carried": f"{most[OURS]} : {most[who]}",
            "ratio": most[OURS] / most[who] if most[who] else 0.0,
            f"its CPU over ours at {least} callers": cost[who, least] / cost[OURS, least],
        }
        for who in (DEFAULTS, NO_MODEL)
    ]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, nargs="+", help="these numbers (default: rise for each)")
    parser.add_argument("--cycles", type=int, default=3, help="of ten seconds, and of each caller")
    parser.add_argument("--quick", action="store_true", help="two cycles")
    parser.add_argument("--core", type=int, help="the servers' (default: the first)")
    parser.add_argument("--real-time", action="store_true", help="go before all others (root)")
    arguments = parser.parse_args()
    version = version_of_pipecat()
    if arguments.real_time:
        real_time()
    print(settings_of_run(pipecat=version), flush=True)
    rows: list[dict[str, object]] = []
    for who, steps in STEPS.items():
        for callers in arguments.callers or steps:
            rows.append(run(who, callers, 2 if arguments.quick else arguments.cycles, arguments.core))
            print(table(rows[-1:]) if len(rows) == 1 else table(rows[-1:]).splitlines()[-1], flush=True)
            if not arguments.callers and not carried(rows[-1]):
                break
    print("\n" + table(ratios(rows)))


if __name__ == "__main__":
    main()
