"""Inputs that nobody thought of, for some minutes: inside the readers of strangers' bytes, then by sockets.

    python -m tests.fuzz --minutes 8
    python -m tests.fuzz --minutes 1 --targets reply --inputs 0

Inside, Atheris breeds inputs (`make fuzz` installs it); where there is no Atheris, Hypothesis draws them, which knows
nothing of the lines it reaches. Prints how many there were, and for each fault the shortest input that showed it; exit
status 1 where there was one. What a small share of the same finds is in tests/fuzz/test_*.py.
"""

import argparse
import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, Phase, given, settings

from tests.fuzz.fuzzed_server import TOKENS, fuzzed_server
from tests.fuzz.sockets import fuzz
from tests.fuzz.targets import TARGETS
from tests.fuzz.test_targets import inputs

_ROOT = Path(__file__).parents[2]
_AT_ONCE = 50_000  # inputs by sockets between two looks at what the server has
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


def breed(name: str, seconds: float, folder: Path) -> tuple[int, list[str]]:
    """Atheris, in a process of its own: how many inputs, and what was found."""
    command = [sys.executable, "-m", "tests.fuzz.coverage_guided", name, str(round(seconds)), str(folder)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, errors="replace")
    runs = _RUNS.search(done.stderr)
    found = folder / "findings.jsonl"
    faults = found.read_text("utf-8").splitlines() if found.exists() else []
    if done.returncode:
        faults.append(json.dumps({"kind": f"exit status {done.returncode}", "said": done.stderr[-2000:]}))
    return int(runs[1]) if runs else 0, faults


def draw(name: str, seconds: float) -> tuple[int, list[str]]:
    """Hypothesis, in this process."""
    end, count, faults = time.monotonic() + seconds, 0, list[str]()

    @settings(
        max_examples=2000, database=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate, Phase.shrink]
    )
    @given(inputs(TARGETS[name]))
    def nothing_breaks(data: bytes) -> None:
        nonlocal count
        count += 1
        TARGETS[name].check(data)

    while time.monotonic() < end and not faults:
        try:
            nothing_breaks()
        except AssertionError as error:
            faults.append(json.dumps({"kind": repr(error), "said": "".join(getattr(error, "__notes__", []))}))
    return count, faults


def inside(names: list[str], seconds: float, folder: Path) -> Iterator[tuple[str, int, list[str]]]:
    """All targets, as many at once as there are processors, for so long in all."""
    if importlib.util.find_spec("atheris") is None:
        for name in names:
            yield name, *draw(name, seconds / len(names))
        return
    workers = os.cpu_count() or 1
    each_s = seconds * min(workers, len(names)) / len(names)
    with ThreadPoolExecutor(workers) as pool:
        bred = {name: pool.submit(breed, name, each_s, folder / name) for name in names}
        for name, future in bred.items():
            yield name, *future.result()


def by_sockets(most: int, seconds: float, folder: Path) -> tuple[int, list[str]]:
    """A server, and inputs until there were enough or the time is over."""
    end, total, outcomes, faults = time.monotonic() + seconds, 0, Counter[str](), list[str]()
    with fuzzed_server(folder) as server:
        asyncio.run(fuzz(server.process.port, TOKENS, 500))  # whatever is made at first use
        before = server.count()
        while total < most and time.monotonic() < end:
            found = asyncio.run(fuzz(server.process.port, TOKENS, min(_AT_ONCE, most - total), seed=total + 1))
            total, outcomes = total + found.inputs.total(), outcomes + found.outcomes
            faults += [json.dumps({"kind": what, "input": sent}) for what, sent in found.wrong.items()]
            server.wait_until_no_more_than(before)
        faults += [json.dumps(incident) for incident in server.process.events("incident")]
        no_json = [line for line in server.process.log if not line.startswith("{")]
        if no_json:
            faults.append(json.dumps({"kind": f"{len(no_json)} lines of the log are no JSON", "said": no_json[-1]}))
    print(json.dumps({"answers": dict(outcomes.most_common())}))
    return total, faults


def main() -> int:
    """Print a line for each target, one for the sockets, and all faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=8.0, help="two thirds of it inside")
    parser.add_argument("--targets", nargs="*", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--inputs", type=int, default=1_000_000, help="by sockets, at most; 0: none")
    arguments = parser.parse_args()
    seconds, total, all_faults = arguments.minutes * 60, 0, []
    share = 2 / 3 if arguments.inputs and arguments.targets else 1
    with TemporaryDirectory() as folder:
        for name, count, faults in inside(arguments.targets, seconds * share, Path(folder)):
            print(f"{name}: {count:,} inputs", flush=True)
            total += count
            all_faults += [f"{name}: {fault}" for fault in faults]
        print(f"inside: {total:,} inputs, {len(all_faults)} faults", flush=True)
        if arguments.inputs:
            count, faults = by_sockets(
                arguments.inputs, seconds * (1 - share if arguments.targets else 1), Path(folder)
            )
            print(f"by sockets: {count:,} inputs, {len(faults)} faults")
            all_faults += [f"sockets: {fault}" for fault in faults]
    print("\n".join(all_faults))
    return 1 if all_faults else 0


if __name__ == "__main__":
    sys.exit(main())
