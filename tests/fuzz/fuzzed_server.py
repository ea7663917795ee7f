"""A server that is fuzzed, and what must be true of it before and after."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz.sockets import COMMAND, counts
from tests.running_server import RunningServer
from tests.simulated_cloud import until

TOKENS = [f"token-of-the-fuzzed-server-{number:03d}" for number in range(8)]
# What would end a user who is wrong often, hence the fuzzer; turns cost more than all else and say nothing here.
_ENVIRONMENT = {
    "CHATANON_LIMITS__PROTOCOL_ERRORS_PER_MINUTE": "0",
    "CHATANON_LIMITS__MESSAGES_PER_SECOND": "0",
    "CHATANON_LIMITS__CONTROL_FRAMES_PER_SECOND": "0",
    "CHATANON_LIMITS__CONNECTS_PER_MINUTE": "0",
    "CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE": "0",
    "CHATANON_LIMITS__WRONG_TOKENS_PER_MINUTE_OVERALL": "0",
    "CHATANON_LIMITS__TURNS_PER_MINUTE": "6",
    "VALID_API_TOKENS": ",".join(TOKENS),
}


class FuzzedServer:
    """The server, with its count of tasks and descriptors."""

    def __init__(self, folder: Path) -> None:
        self._counts = folder / "counts"
        self.process = RunningServer(folder, {**_ENVIRONMENT, "FUZZ_COUNTS": str(self._counts)}, *COMMAND)
        self.process.wait_until_ready()

    def count(self) -> tuple[int, ...]:
        """Tasks and descriptors now."""
        before = len(counts(self._counts))
        self.process.signal(signal.SIGUSR1)
        until(lambda: len(counts(self._counts)) > before, "the server says what it has")
        return counts(self._counts)[-1]

    def wait_until_no_more_than(self, before: tuple[int, ...]) -> None:
        """Until nothing is left of those who were here."""
        until(lambda: all(now <= then for now, then in zip(self.count(), before, strict=True)), f"again {before}")

    def defects(self) -> list[str]:
        """What it logged of defects of its own, and what is no log at all."""
        return [line for line in self.process.log if '"incident"' in line or "Traceback" in line]


@contextmanager
def fuzzed_server(folder: Path) -> Iterator[FuzzedServer]:
    """Ready, and ended on the way out."""
    server = FuzzedServer(folder)
    try:
        yield server
    finally:
        server.process.kill()
