"""The vendors' simulators on loopback, and a server in a process of its own that takes them for the cloud.

The simulators' loop is a thread's of its own. A test sets what they shall do between turns, when nothing of theirs
runs, and looks at what came of it afterwards.
"""

import json
import os
import re
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from anyio.from_thread import BlockingPortal, start_blocking_portal

from tests.protocol_client import ProtocolClient, Wire
from tests.running_server import RunningServer
from tests.simulators import bytedance
from tests.simulators.ark import ArkSimulator, Behaviour, serve_ark
from tests.simulators.bytedance import BytedanceSimulator, simulate_bytedance
from tests.simulators.minimax import Fault, Manner, MinimaxSimulator, simulate_minimax, speech

ARK_KEY = "sk-of-the-simulated-mind-0123456789"
MINIMAX_KEY = "sk-of-the-simulated-voice-0123456789"
# What a vendor says beside its codes: for nobody but its own support.
VENDORS_OWN_WORDS = ("Something the vendor says", "vendor text that must not be shown", "Request id", "No luck.")
TOKENS = [f"token-of-the-simulated-cloud-{number:03d}" for number in range(200)]
WARM_CONNECTIONS = 8  # at most, and kept for later turns
_PATIENCE_S = 30.0
_ESTABLISHED = "01"  # of /proc/net/tcp


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something another process brings about, without end only in appearance."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"this did not come true: {what}"
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Simulators:
    """The three vendors. `portal` runs a function in their loop."""

    portal: BlockingPortal
    ark: ArkSimulator
    minimax: MinimaxSimulator
    bytedance: BytedanceSimulator

    def reset(self) -> None:
        """As new, and every connection to the voice gone, for each keeps the manner it was opened under."""
        self.ark.key, self.ark.choose, self.ark.default = ARK_KEY, None, Behaviour()
        self.ark.requests.clear()
        self.minimax.key, self.minimax.manner, self.minimax.faults = MINIMAX_KEY, Manner(), []
        asr = self.bytedance
        asr.manner, asr.faults, asr.hear = bytedance.Manner(), [], bytedance.hear_length
        asr.app_key, asr.access_key = bytedance.APP_KEY, bytedance.ACCESS_KEY
        self.portal.call(self._hang_up)
        until(lambda: not self.minimax.open_calls, "the voice has no connection")
        self.minimax.calls.clear()
        until(lambda: not self.bytedance.open_calls, "the recogniser has no connection")
        self.bytedance.calls.clear()

    def _hang_up(self) -> None:
        self.ark.restore()
        for socket in (*self.minimax.sockets, *self.bytedance.sockets):
            socket.transport.abort()

    def answer(self, *behaviours: Behaviour, then: Behaviour | None = None) -> None:
        """What the LLM does with the next requests, one after the other, and with all after them."""
        waiting = deque(behaviours)
        self.ark.choose = lambda: waiting.popleft() if waiting else then or Behaviour()

    def fail_voice(self, *faults: Fault) -> None:
        self.minimax.faults = list(faults)

    def pcm(self, text: str, emotion: str) -> bytes:
        """What a sentence sounds like, as asked for last."""
        for call in reversed(self.minimax.calls):
            if call.emotion == emotion and text in call.texts and call.start is not None:
                return speech(text, call.start)
        raise AssertionError(f"nobody asked for {text} as {emotion}")


@contextmanager
def simulators() -> Iterator[Simulators]:
    """All of them, running."""
    with (
        start_blocking_portal("asyncio") as portal,
        portal.wrap_async_context_manager(serve_ark(key=ARK_KEY)) as ark,
        portal.wrap_async_context_manager(simulate_minimax(key=MINIMAX_KEY)) as minimax,
        portal.wrap_async_context_manager(simulate_bytedance()) as asr,
    ):
        yield Simulators(portal, ark, minimax, asr)


class CloudServer:
    """A server pointed at the simulators."""

    def __init__(self, vendors: Simulators, folder: Path, *command: str, **environment: str) -> None:
        """`command`: instead of `python -m server.main`."""
        self.vendors = vendors
        self.folder = folder
        self._tokens = iter(TOKENS)
        self._ports = {
            "ark": urlsplit(environment.get("CHATANON_ENDPOINTS__LLM", vendors.ark.endpoint)).port,
            "minimax": urlsplit(vendors.minimax.url).port,
            "bytedance": urlsplit(vendors.bytedance.url).port,
        }
        settings = {
            "CHATANON_ENDPOINTS__LLM": vendors.ark.endpoint,
            "CHATANON_ENDPOINTS__TTS": vendors.minimax.url,
            "CHATANON_ENDPOINTS__ASR": vendors.bytedance.url,
            "CHATANON_LIMITS__TURNS_PER_MINUTE": "0",
            "CHATANON_LIMITS__CONNECTS_PER_MINUTE": "0",
            "CHATANON_LOG__LEVEL": "debug",
            "DOUBAO_API_KEY": ARK_KEY,
            "MINIMAX_API_KEY": MINIMAX_KEY,
            "BYTEDANCE_APP_KEY": bytedance.APP_KEY,
            "BYTEDANCE_ACCESS_KEY": bytedance.ACCESS_KEY,
            "VALID_API_TOKENS": ",".join(TOKENS),
        }
        self.process = RunningServer(folder, settings | environment, *command)
        self.process.wait_until_ready()

    def client(self, *extensions: str, **hello: object) -> ProtocolClient:
        """A connected user with a token of their own. `hello`: what else is in `connect`."""
        client = ProtocolClient(self.process.url)
        asked = {"extensions": list(extensions)} if extensions else {}
        client.connect(api_token=next(self._tokens), **asked, **hello)
        return client

    def goodbye(self, client: ProtocolClient) -> None:
        """Hang up; on return the server has noticed, and all it had to say is in its log."""
        before = len(self.process.events("gone"))
        client.close()
        until(lambda: len(self.process.events("gone")) > before, "the server has noticed that its caller left")

    def rows(self) -> list[tuple[str, str, bool]]:
        """Role, Chinese text and the mark of a cut turn, of all that was ever kept."""
        with closing(sqlite3.connect(f"file:{self.folder}/history.db?mode=ro", uri=True)) as database:
            found = database.execute("select role, content_cn, cut from messages order by id").fetchall()
        return [(role, text, bool(cut)) for role, text, cut in found]

    def errors(self, since: int = 0) -> list[Wire]:
        """What it logged of failures for the operator; each has a code."""
        parsed = [json.loads(line) for line in self.process.log[since:] if line.startswith("{")]
        return [event for event in parsed if event["level"] in ("error", "critical") and "code" in event]

    @property
    def descriptors(self) -> "Descriptors":
        return Descriptors.of(self.process.process.pid, self._ports)

    def rss_kib(self) -> int:
        """Memory of the server process."""
        status = Path(f"/proc/{self.process.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1])


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The open file descriptors of a process: TCP states of those to each vendor, and the number of all others."""

    ark: tuple[str, ...]
    minimax: tuple[str, ...]
    bytedance: tuple[str, ...]
    others: int

    @classmethod
    def of(cls, pid: int, ports: Mapping[str, int | None]) -> "Descriptors":
        """`ports`: of each vendor."""
        states = _tcp_states(pid)
        vendors = {port: name for name, port in ports.items()}
        to: dict[str, list[str]] = {name: [] for name in ports}
        others = 0
        for entry in os.scandir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(entry.path)
            except FileNotFoundError:  # closed meanwhile
                continue
            port, state = states.get(target, (0, ""))
            if port in vendors:
                to[vendors[port]].append(state)
            else:
                others += 1
        return cls(**{name: tuple(found) for name, found in to.items()}, others=others)

    @property
    def all_whole(self) -> bool:
        """Whether each connection to a vendor is whole: one that only one side has closed is a leak."""
        return set(self.ark + self.minimax + self.bytedance) <= {_ESTABLISHED}


def _tcp_states(pid: int) -> dict[str, tuple[int, str]]:
    """Per socket, as its descriptor names it: the other end's port, and the state."""
    lines = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{line[9]}]": (int(line[2].rpartition(":")[2], 16), line[3]) for line in lines}
