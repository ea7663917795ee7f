"""Every bench as its command, as small as it gets: it runs, and says under which circumstances it found what."""

import subprocess
import sys

import pytest

from bench.loads.machine import ROOT

pytestmark = pytest.mark.slow

SMALL = {
    "capacity": "--callers 1 --cycles 1",
    "codec": "--quick",
    "connect": "--count 20 --quick",
    "idle": "--connections 20 --seconds 0.5 --callers 0",
    "startup": "--times 1 --engines cloud",
    "turn": "--users 1 --quick",
}
FOUND = {
    "capacity": ["| 1 |", "p95 ms", "missed"],
    "codec": ["in: a ping"],
    "connect": ["takeover"],
    "idle": ["idle connections"],
    "startup": ["cloud", "package"],
    "turn": ["CPU ms per turn", "server/transport/"],
}


@pytest.mark.parametrize("bench", SMALL)
def test_a_bench_runs_and_prints_its_table(bench: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{bench}", *SMALL[bench].split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, header, *_ = done.stdout.splitlines()
    assert first.startswith("commit ")
    assert header.startswith("| ")
    assert all(each in done.stdout for each in FOUND[bench]), done.stdout
