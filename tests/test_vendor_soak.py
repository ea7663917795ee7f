"""A thousand turns against vendors that fail one call in ten, in random ways: every turn ends, and nothing piles up."""

import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from tests.protocol_client import Wire, kinds
from tests.simulated_cloud import WARM_CONNECTIONS, CloudServer, Descriptors, Simulators, simulators, until
from tests.simulators import ark, minimax
from tests.simulators.ark import REFUSALS, Behaviour
from tests.simulators.minimax import Stage

pytestmark = pytest.mark.slow

SEED = 20261122
TURNS = 1000
WARM_UP = 300
CALLERS = 20
FAILING = 0.1  # of all calls: a question to the LLM, a connection to the voice, a text for it
# Where in its call the voice fails. A text is asked about `speech` before each of its ten messages.
VOICE_FAILING: dict[Stage, float] = {
    **dict.fromkeys(("handshake", "connect", "start"), FAILING / 3),
    **{"text": FAILING / 2, "speech": FAILING / 40, "final": FAILING / 4},
}
# What 700 turns may add after 300: what is kept of them in memory is nothing, what the allocator scatters is little.
GROWTH_KIB = 16 * 1024

MIND_FAULTS = [Behaviour(fault=fault) for fault in get_args(ark.Fault) if fault not in ("none", "half_open")]
MIND_FAULTS += [Behaviour(refusal=refusal) for refusal in REFUSALS.values()]
MIND_FAULTS += [Behaviour(reply=reply) for reply in ("", "{", "うん。", '{"jp": 1}', "null", "[[[[")]
MIND_FAULTS += [Behaviour(fault="stall"), Behaviour(fault="silent")] * 3  # else there are few among so many
VOICE_GARBAGE: list[str | bytes] = ["{", "[]", '{"event": 7}', b"\xff\x00", "null"]
VOICE_STATUSES = [1000, 1001, 1002, 1004, 1008, 1026, 1033, 1039, 1041, 2013, 2054, 2061, 2201, 2203, 2205, 9999]

DEADLINES = {
    "CHATANON_TIMEOUTS__LLM_FIRST_TOKEN": "1",
    "CHATANON_TIMEOUTS__LLM_GAP": "0.5",
    "CHATANON_TIMEOUTS__TTS_FIRST_AUDIO": "1",
    "CHATANON_TIMEOUTS__TTS_GAP": "0.5",
}


class RandomMind:
    """One answer in ten fails, after a random part of it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.failed = 0

    def __call__(self) -> Behaviour:
        if self._chance.random() >= FAILING:
            return Behaviour()
        self.failed += 1
        return replace(self._chance.choice(MIND_FAULTS), after=self._chance.randrange(60))


class RandomVoice(list[minimax.Fault]):
    """One call in ten fails, be it a connection, a task or a text; a text also in the midst of its audio."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance
        self._offered: list[minimax.Fault] = []

    @property
    def failed(self) -> int:
        return sum(fault.times == 0 for fault in self._offered)

    def __iter__(self) -> Iterator[minimax.Fault]:
        """Asked at each step of every call; a fault of another stage than the one that is due is passed over."""
        for stage, share in VOICE_FAILING.items():
            if self._chance.random() < share:
                self._offered.append(self._make(stage))
                yield self._offered[-1]

    def _make(self, stage: Stage) -> minimax.Fault:
        if stage == "handshake":
            return minimax.Fault(stage, status=self._chance.choice([401, 403, 404, 429, 500, 502, 503]))
        what = self._chance.randrange(4)
        if what == 0:
            return minimax.Fault(stage, status=self._chance.choice(VOICE_STATUSES))
        if what == 1:
            return minimax.Fault(stage, raw=self._chance.choice(VOICE_GARBAGE))
        return minimax.Fault(stage, stall=what == 2, drop=what == 3)


class Callers:
    """People who talk at the same time, and what came of it."""

    def __init__(self, server: CloudServer) -> None:
        self.server = server
        self.ended: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._left = 0

    def talk(self, turns: int) -> None:
        """So many turns among all of them, each over a connection that lives through all its faults."""
        self._left = turns
        with ThreadPoolExecutor(CALLERS) as pool:
            for done in [pool.submit(self._one) for _ in range(CALLERS)]:
                done.result()

    def _one(self) -> None:
        client = self.server.client()
        while self._take():
            client.said.clear()
            outcome = judge(client.turn("你好"))
            with self._lock:
                self.ended[outcome] += 1
        client.ping()
        client.close()

    def _take(self) -> bool:
        with self._lock:
            self._left -= 1
            return self._left >= 0


def judge(messages: list[Wire]) -> str:
    """How a turn ended, which is one of the ways in which it may."""
    last = messages[-1]
    if last["type"] == "error":
        assert kinds(messages) == ["thinking", "error"], kinds(messages)
        assert last["code"] in ("llm_failed", "llm_timeout"), last
        return str(last["code"])
    assert [kind for kind in kinds(messages) if kind != "audio_chunk"] == ["thinking", "audio_end", "response"]
    assert last["content_jp"] and last["content_cn"]
    if "incomplete" in last:
        assert last["reason"] in ("llm_failed", "llm_timeout")
        return "incomplete"
    if "audio_error" in last:
        assert last["audio_error"]["code"] in ("tts_failed", "tts_timeout")
        return "audio_error"
    return "whole"


def quiet(server: CloudServer) -> Descriptors:
    """The descriptors, once all users have gone and no call to a vendor is under way."""
    vendors = server.vendors
    vendors.portal.call(vendors.ark.wait_idle)

    def settled() -> bool:
        now = server.descriptors
        gone = len(server.process.events("gone")) == len(server.process.events("connected"))
        return gone and now.all_whole and len(now.minimax) == len(vendors.minimax.open_calls) <= WARM_CONNECTIONS

    until(settled, "all callers and all their calls have gone")
    return server.descriptors


@pytest.fixture
def vendors() -> Iterator[Simulators]:
    with simulators() as running:
        yield running


def test_a_thousand_turns_with_one_call_in_ten_failing_all_end_and_leave_nothing(
    vendors: Simulators, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    mind, voice = RandomMind(chance), RandomVoice(chance)
    vendors.ark.choose, vendors.minimax.faults = mind, voice
    server = CloudServer(vendors, tmp_path, CHATANON_LOG__LEVEL="info", **DEADLINES)
    try:
        users = Callers(server)
        users.talk(WARM_UP)
        warm, warm_kib = quiet(server), server.rss_kib()
        users.talk(TURNS - WARM_UP)
        end, end_kib = quiet(server), server.rss_kib()
        print(dict(users.ended), "failed calls:", mind.failed, voice.failed, "RSS:", warm_kib, end_kib, "KiB", end)
    finally:
        server.process.kill()
    assert users.ended.total() == TURNS
    assert all(users.ended[how] for how in ("whole", "audio_error", "incomplete", "llm_failed", "llm_timeout"))
    assert mind.failed > TURNS * FAILING / 2 and voice.failed > TURNS * FAILING
    assert end.others == warm.others
    assert end_kib - warm_kib < GROWTH_KIB
    assert {error["event"] for error in server.errors()} <= {"llm_needs_operator", "voice_refused"}
