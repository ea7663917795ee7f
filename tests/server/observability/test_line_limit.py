"""What strangers cause to be logged: few lines, all JSON, and the count of the rest."""

import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.observability.line_limit import KIND, NOT_WRITTEN, STRANGERS_EVENTS, LineLimit
from tests.protocol_client import ProtocolClient
from tests.running_server import RunningServer, free_port
from tests.server.transport.test_strangers import Stranger

Start = Callable[..., RunningServer]
A_MINUTE = 60  # lines, of all strangers


class Log:
    """Events as a LineLimit lets them through, on a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.limit = LineLimit(lambda: self.now)
        self.lines: list[tuple[float, dict[str, Any]]] = []

    def say(self, event: str, **fields: Any) -> None:
        try:
            self.lines.append((self.now, dict(self.limit(None, "info", {"event": event, **fields}))))
        except structlog.DropEvent:
            pass

    def tell(self) -> None:
        with structlog.testing.capture_logs() as told:
            self.limit.tell()
        self.lines += [(self.now, dict(line)) for line in told]

    def count(self) -> Counter[str]:
        """Of each kind, those that were written and those that were not."""
        total: Counter[str] = Counter()
        for _, line in self.lines:
            total[line["like"] if line["event"] == NOT_WRITTEN else line["event"]] += line.get("count", 1)
        return total


@pytest.mark.parametrize("seed", range(5))
def test_any_minute_has_few_lines_and_nothing_goes_uncounted(seed: int) -> None:
    choose, log, said = random.Random(seed), Log(), Counter[str]()
    kinds = [*STRANGERS_EVENTS, *(f"kind {number}" for number in range(choose.choice([1, 8, 100])))]
    next_tell = 60.0
    for _ in range(5000):
        log.now += choose.expovariate(20)
        if log.now >= next_tell:
            next_tell += 60
            log.tell()
        kind = choose.choice(kinds)
        log.say(kind, **{KIND: kind})
        said[kind] += 1
    log.tell()
    times = [time for time, _ in log.lines]
    assert max(sum(begin <= time < begin + 60 for time in times) for begin in times) <= A_MINUTE
    assert log.count().total() == said.total()
    if len(kinds) < 10:
        assert log.count() == said
    assert not any(KIND in line for _, line in log.lines)


def test_lines_about_users_and_defects_of_ours_are_never_dropped() -> None:
    log = Log()
    for number in range(1000):
        for event in ("connected", "gone", "turn", "incident", "history_unavailable"):
            log.say(event, number=number)
        log.say("unauthorized")
    assert [log.count()[event] for event in ("connected", "gone", "turn", "incident")] == [1000] * 4


def test_a_flood_of_some_kinds_hides_no_other() -> None:
    log = Log()
    for number in range(1000):
        log.say("a flood", **{KIND: f"kind {number % 10}"})
    log.say("a defect", **{KIND: "asyncio: Task exception was never retrieved"})
    assert log.count()["a defect"] == 1


# ---------------------------------------------------------------- a real server

REQUESTS = {  # what is sent, and the line that it causes; a head that is none is answered without any
    "Unsupported upgrade request.": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tea\r\n\r\n",
}


def ask(server: RunningServer, request: bytes) -> None:
    with Stranger(server.port, request, upgrade=False).socket as sock:
        assert sock.recv(1)  # it is answered, so it was logged


def guess(server: RunningServer, number: int) -> None:
    client = ProtocolClient(server.url, {"X-Forwarded-For": f"203.0.{number % 250}.9"})
    client.send("connect", api_token="wrong")
    client.closed()


@pytest.mark.slow
def test_flood_of_everything_is_few_lines_of_json_and_the_counts_add_up(start_server: Start) -> None:
    server = start_server(VALID_API_TOKENS="a-token-that-is-long-enough")
    before = len(server.log)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(partial(guess, server), range(150)))
        list(threads.map(partial(ask, server), [request for request in REQUESTS.values() for _ in range(60)]))
    server.signal()
    assert server.wait() == 0
    caused = [json.loads(line) for line in server.log[before:]]
    assert len(caused) <= A_MINUTE
    written = Counter(line["event"] for line in caused)
    for line in caused:
        if line["event"] == NOT_WRITTEN:
            written[line["like"].split(": ")[-1]] += line["count"]
    del written[NOT_WRITTEN]
    assert written == {"unauthorized": 150, **dict.fromkeys(REQUESTS, 60)}


@pytest.mark.slow
def test_plain_uvicorn_too(tmp_path: Path) -> None:
    command = ("-m", "uvicorn", "server.main:app", "--ws", "websockets-sansio", "--port", str(free_port()))
    server = RunningServer(tmp_path, {}, sys.executable, *command)
    try:
        server.wait_until_ready()
        before = len(server.log)
        with ThreadPoolExecutor(16) as threads:
            list(threads.map(partial(guess, server), range(60)))
            list(threads.map(partial(ask, server), [request for request in REQUESTS.values() for _ in range(30)]))
        server.signal()
        server.wait()
    finally:
        server.kill()
    caused = [json.loads(line) for line in server.log[before:]]
    assert len(caused) <= A_MINUTE
