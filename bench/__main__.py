"""All benches of speed, one after another, over an hour; what each prints is for bench/RESULTS.md.

make bench
python -m bench codec connect            these alone
python -m bench --quick                  all, in about ten minutes: whether they run, not what they find
"""

import argparse
import subprocess
import sys
import time

from bench.loads.machine import ROOT

COMMANDS = {  # and about how many minutes each takes
    "codec": (["bench.codec"], 0.2),
    "startup": (["bench.startup"], 0.7),
    "connect": (["bench.connect"], 0.5),
    "idle": (["bench.idle"], 1.5),
    "turn": (["bench.turn"], 3),
    "first_sound": (["bench.first_sound"], 7),
    "capacity": (["bench.capacity", "--find"], 10),
    "loud": (["bench.capacity", "--callers", "50", "--noise", "loud"], 1),
    "compare": (["bench.compare"], 45),
}
QUICK = {"first_sound": ["--users", "1", "--emotions", "one", "--turns", "2"], "compare": ["--callers", "10"]}
QUICK["capacity"] = ["--callers", "10"]


def command_of(name: str, *, quick: bool) -> list[str]:
    words, _ = COMMANDS[name]
    if not quick:
        return words
    shorter = [] if name == "first_sound" else ["--quick"]
    return [word for word in words if word != "--find"] + QUICK.get(name, []) + shorter


def main() -> int:
    """Run them; 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=", ".join(COMMANDS))
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    names = arguments.names or list(COMMANDS)
    failed = []
    if unknown := set(names) - set(COMMANDS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if not arguments.quick:
        print(f"about {sum(COMMANDS[name][1] for name in names):.0f} minutes", flush=True)
    for name in names:
        command = command_of(name, quick=arguments.quick)
        print(f"\n## python -m {' '.join(command)}\n", flush=True)
        began = time.monotonic()
        if subprocess.run([sys.executable, "-m", *command], cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"\n({(time.monotonic() - began) / 60:.1f} minutes)", flush=True)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
