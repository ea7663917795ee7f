"""How long a server needs from its start until it takes connections, and which imports are the dearest of that.

    python -m bench.startup

*Cold* is without compiled files, as right after an installation; what the kernel has of the files stays.
"""

import argparse
import re
from collections import Counter
from collections.abc import Mapping
from tempfile import TemporaryDirectory

from bench.loads.machine import real_time, serving, settings_of_run, vendors
from bench.loads.table import quantile, table

EMBEDDED = {f"CHATANON_ENGINES__{kind}": "embedded" for kind in ("LLM", "TTS", "ASR")}
_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)")


def row_of(engines: str, environment: Mapping[str, str], times: int, core: int | None) -> dict[str, object]:
    ready_s, cpu_s, cold_s, rss_mib = list[float](), list[float](), list[float](), 0.0
    for _ in range(times):
        with serving(1, environment, core=core) as server:
            ready_s.append(server.ready_s)
            cpu_s.append(server.cpu_s())
            rss_mib = server.rss_mib()
    with TemporaryDirectory() as compiled:
        with serving(1, {**environment, "PYTHONPYCACHEPREFIX": compiled}, core=core) as server:
            cold_s.append(server.ready_s)
    return {
        "engines": engines,
        "ready p50 s": quantile(ready_s, 50),
        "max s": max(ready_s),
        "CPU p50 s": quantile(cpu_s, 50),
        "cold s": cold_s[0],
        "RSS MiB": rss_mib,
    }


def imports_of(environment: Mapping[str, str], core: int | None) -> list[dict[str, object]]:
    """The dearest packages that are imported until it is ready, by what their own modules take."""
    with serving(1, {**environment, "PYTHONPROFILEIMPORTTIME": "1"}, core=core) as server:
        found = [match for match in map(_IMPORT.match, server.log_lines()) if match]
    own_ms = Counter[str]()
    for match in found:
        own_ms[match[2].partition(".")[0]] += int(match[1])
    dearest = [("all", own_ms.total()), *own_ms.most_common(15)]
    return [{"package": package, "ms": own_us / 1000} for package, own_us in dearest]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--engines", nargs="+", choices=["cloud", "embedded"], default=["cloud", "embedded"])
    parser.add_argument("--quick", action="store_true", help="twice")
    parser.add_argument("--core", type=int, help="the server's (default: the first)")
    parser.add_argument("--real-time", action="store_true", help="go before all others (root)")
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    times = 2 if arguments.quick else arguments.times
    print(settings_of_run(starts=times), flush=True)
    with vendors(arguments.core) as simulated:
        settings = {"cloud": simulated.environment, "embedded": EMBEDDED}
        rows = [row_of(engines, settings[engines], times, arguments.core) for engines in arguments.engines]
        print(table(rows) + "\n", flush=True)
        print(table(imports_of(settings[arguments.engines[0]], arguments.core)))


if __name__ == "__main__":
    main()
