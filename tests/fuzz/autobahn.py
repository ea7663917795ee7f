"""Autobahn's test suite against this listener, with an app behind it that sends back what it gets.

    PYTHON27=... python -m tests.fuzz.autobahn             cases 1 to 7 and 10
    PYTHON27=... python -m tests.fuzz.autobahn '5.*' '7.1.5'

PYTHON27 is a Python 2.7 in which `pip install autobahntestsuite` was done; there is none for later ones. Exit status 1
where a case failed or was closed uncleanly. What does not need it: tests/server/transport/test_conformance.py.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from server.config import Config, ServerConfig
from server.transport.uvicorn_server import run_server

CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"]
CLEAN = ("OK", "INFORMATIONAL", "NON-STRICT", "FAILED BY CLIENT")  # the last: the suite had no patience with its end
_ECHO, _ROOT = "--echo", Path(__file__).parents[2]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """The app: https://asgi.readthedocs.io/en/latest/specs/www.html."""
    while (message := await receive())["type"] not in ("websocket.disconnect", "lifespan.shutdown"):
        match message["type"]:
            case "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            case "websocket.connect":
                await send({"type": "websocket.accept"})
            case "websocket.receive":
                await send({**message, "type": "websocket.send"})
    if message["type"] == "lifespan.shutdown":
        await send({"type": "lifespan.shutdown.complete"})


def serve() -> None:
    """The listener as the server has it; says its port."""

    async def drain() -> None:
        pass

    run_server(echo, Config(ServerConfig(host="127.0.0.1", port=0)), drain, lambda port: print(port, flush=True))


def results(python27: str, cases: list[str], folder: Path) -> dict[str, dict[str, str]]:
    """What the suite says of each case."""
    listener = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.autobahn", _ECHO], cwd=_ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert listener.stdout is not None
        server = {"agent": "chatanon", "url": f"ws://127.0.0.1:{int(listener.stdout.readline())}"}
        spec = folder / "spec.json"
        spec.write_text(json.dumps({"outdir": str(folder), "servers": [server], "cases": cases, "exclude-cases": []}))
        suite = "from autobahntestsuite.wstest import run; run()"
        subprocess.run(
            [python27, "-c", suite, "--mode", "fuzzingclient", "--spec", str(spec)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    finally:
        listener.terminate()
        listener.wait()
    found: dict[str, dict[str, str]] = json.loads((folder / "index.json").read_text())["chatanon"]
    return found


def main() -> int:
    """Run the suite and say what is not clean."""
    if sys.argv[1:] == [_ECHO]:
        serve()
        return 0
    with TemporaryDirectory() as folder:
        found = results(os.environ["PYTHON27"], sys.argv[1:] or CASES, Path(folder))
    wrong = {
        case: said
        for case, said in found.items()
        if said["behavior"] not in CLEAN or said["behaviorClose"] not in CLEAN
    }
    for what in ("behavior", "behaviorClose"):
        print(f"{len(found)} cases, {what}:", dict(Counter(said[what] for said in found.values())))
    for case, said in sorted(wrong.items()):
        print(f"{case}: {said['behavior']}, its close: {said['behaviorClose']}, code {said['remoteCloseCode']}")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
