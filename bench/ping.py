"""A connection that only pings, in a process of its own: how long each pong takes, as JSON, when told to stop.

python -m bench.ping ws://127.0.0.1:8765/ws TOKEN [EVERY_S]
"""

import json
import signal
import sys
import threading
import time

from websockets.sync.client import connect

EVERY_S = 0.06  # more often than 20 times a second is a flood: limits.messages_per_second


def main() -> None:
    """Ping until SIGTERM."""
    url, token, *others = sys.argv[1:]
    every_s = float(others[0]) if others else EVERY_S
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    took_ms: list[float] = []
    with connect(url, compression=None, proxy=None) as socket:
        socket.send(json.dumps({"type": "connect", "api_token": token}))
        socket.recv()
        while not stop.wait(every_s):
            began = time.monotonic()
            socket.send('{"type": "ping"}')
            socket.recv()
            took_ms.append((time.monotonic() - began) * 1000)
    print(json.dumps(took_ms))


if __name__ == "__main__":
    main()
