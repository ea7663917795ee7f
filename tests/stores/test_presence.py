"""One token, one holder: claims that meet in every order, are cancelled, given back late, or will not go."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from stores.presence import Claim, InProcessPresence, Presence

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Goodbye:
    """An `on_lost` that says when it was called and when it was done, and ends only when it may."""

    may_end: anyio.Event = field(default_factory=anyio.Event)
    began: anyio.Event = field(default_factory=anyio.Event)
    calls: int = 0
    done: bool = False

    async def __call__(self) -> None:
        self.calls += 1
        self.began.set()
        await self.may_end.wait()
        self.done = True


def prompt_goodbye() -> Goodbye:
    goodbye = Goodbye()
    goodbye.may_end.set()
    return goodbye


async def test_a_claim_returns_when_the_earlier_holder_has_fallen_silent() -> None:
    presence: Presence = InProcessPresence()
    goodbye = prompt_goodbye()
    old = await presence.claim("t", goodbye)
    assert presence.holds(old)
    new = await presence.claim("t", prompt_goodbye())
    assert goodbye.done and goodbye.calls == 1
    assert presence.holds(new) and not presence.holds(old)
    assert new.epoch > old.epoch


async def test_the_old_one_holds_nothing_from_the_moment_it_is_evicted() -> None:
    presence = InProcessPresence()
    held_in_goodbye: list[bool] = []

    async def goodbye() -> None:
        held_in_goodbye.append(presence.holds(old))

    old = await presence.claim("t", goodbye)
    await presence.claim("t", prompt_goodbye())
    assert held_in_goodbye == [False]


async def test_a_late_release_does_not_harm_the_new_holder() -> None:
    presence = InProcessPresence()
    old = await presence.claim("t", prompt_goodbye())
    goodbye = prompt_goodbye()
    new = await presence.claim("t", goodbye)
    await presence.release(old)
    await presence.release(old)
    assert presence.holds(new)
    await presence.claim("t", prompt_goodbye())
    assert goodbye.calls == 1


async def test_who_has_released_is_not_evicted() -> None:
    presence = InProcessPresence()
    goodbye = prompt_goodbye()
    claim = await presence.claim("t", goodbye)
    await presence.release(claim)
    assert not presence.holds(claim)
    await presence.claim("t", prompt_goodbye())
    assert goodbye.calls == 0


async def test_a_release_during_the_eviction_is_harmless() -> None:
    presence = InProcessPresence()
    goodbye = Goodbye()
    old = await presence.claim("t", goodbye)
    granted: list[Claim] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, presence, "t", granted)
        await goodbye.began.wait()
        await presence.release(old)
        assert granted == []
        goodbye.may_end.set()
    assert goodbye.calls == 1
    assert presence.holds(granted[0])


async def take(presence: Presence, token: str, granted: list[Claim], goodbye: Goodbye | None = None) -> None:
    granted.append(await presence.claim(token, goodbye or prompt_goodbye()))


async def test_claims_are_granted_in_order_of_arrival_and_each_evicts_the_one_before() -> None:
    presence = InProcessPresence()
    first = Goodbye()
    await presence.claim("t", first)
    order: list[int] = []
    goodbyes = [prompt_goodbye() for _ in range(5)]

    async def arrive(number: int) -> None:
        await presence.claim("t", goodbyes[number])
        order.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(arrive, number)
        await first.began.wait()
        first.may_end.set()
    assert order == [0, 1, 2, 3, 4]
    assert [goodbye.calls for goodbye in goodbyes] == [1, 1, 1, 1, 0]


async def test_tokens_do_not_wait_for_each_other() -> None:
    presence = InProcessPresence()
    stuck = Goodbye()
    await presence.claim("a", stuck)
    granted: list[Claim] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, presence, "a", granted)
        await stuck.began.wait()
        other = await presence.claim("b", prompt_goodbye())
        other = await presence.claim("b", prompt_goodbye())
        assert presence.holds(other) and granted == []
        stuck.may_end.set()


async def test_a_claimer_cancelled_while_it_evicts_leaves_nobody_and_the_next_claim_works() -> None:
    presence = InProcessPresence()
    goodbye = Goodbye()
    old = await presence.claim("t", goodbye)
    granted: list[Claim] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, presence, "t", granted)
        await goodbye.began.wait()
        tasks.cancel_scope.cancel()
        goodbye.may_end.set()
    assert goodbye.done, "the eviction is finished, though nobody wants the token any more"
    assert granted == [] and not presence.holds(old)
    assert presence._seats == {}
    await presence.release(old)
    assert presence.holds(await presence.claim("t", prompt_goodbye()))
    assert goodbye.calls == 1


async def test_a_claimer_cancelled_in_the_queue_does_not_hold_up_the_others() -> None:
    presence = InProcessPresence()
    goodbye = Goodbye()
    await presence.claim("t", goodbye)
    granted: list[Claim] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take, presence, "t", granted)
        await goodbye.began.wait()
        async with anyio.create_task_group() as impatient:
            impatient.start_soon(take, presence, "t", granted)
            await anyio.wait_all_tasks_blocked()
            impatient.cancel_scope.cancel()
        tasks.start_soon(take, presence, "t", granted)
        goodbye.may_end.set()
    assert len(granted) == 2
    assert presence.holds(granted[1])


async def test_a_broken_goodbye_is_logged_and_the_claim_passes_on() -> None:
    presence = InProcessPresence()

    async def broken() -> None:
        raise RuntimeError("the socket is gone")

    await presence.claim("0123456789abcdef", broken)
    with capture_logs() as logs:
        claim = await presence.claim("0123456789abcdef", prompt_goodbye())
    assert presence.holds(claim)
    assert [entry["event"] for entry in logs] == ["eviction_failed"]
    assert logs[0]["token"] == "01234567", "a token is logged as a short hash only"


async def test_a_goodbye_that_hangs_is_given_up() -> None:
    presence = InProcessPresence(eviction_seconds=0.01)
    stuck = Goodbye()
    await presence.claim("t", stuck)
    with capture_logs() as logs:
        claim = await presence.claim("t", prompt_goodbye())
    assert presence.holds(claim) and not stuck.done
    assert [entry["event"] for entry in logs] == ["eviction_timed_out"]


async def test_a_goodbye_that_claims_the_same_token_cannot_block_it() -> None:
    presence = InProcessPresence(eviction_seconds=0.01)

    async def greedy() -> None:
        await presence.claim("t", prompt_goodbye())

    await presence.claim("t", greedy)
    with capture_logs():
        claim = await presence.claim("t", prompt_goodbye())
    assert presence.holds(claim)


async def test_a_token_nobody_holds_or_wants_costs_no_memory() -> None:
    presence = InProcessPresence()
    claims = [await presence.claim(str(number), prompt_goodbye()) for number in range(100)]
    assert len(presence._seats) == 100
    for claim in claims:
        await presence.release(claim)
    assert presence._seats == {}


def test_a_claim_does_not_show_the_hash() -> None:
    assert "secret" not in repr(Claim("secret", 1))


# --- every order: visitors with random timing, and a journal that is checked at each step ---------------------------


@dataclass(frozen=True)
class Visit:
    """One user's stay; all times are in scheduler steps."""

    token: str
    arrives: int
    stays: int
    ending: Literal["stay", "release", "release_twice"]
    gives_up: int | None  # cancelled after so many steps, wherever it is then
    goodbye_steps: int
    goodbye_breaks: bool


@dataclass
class Journal:
    """What happened to the claims of one token."""

    live: Claim | None = None
    last_arrival: int = -1
    granted: list[Claim] = field(default_factory=list)
    evicted: list[Claim] = field(default_factory=list)
    released: list[Claim] = field(default_factory=list)
    held_while_evicted: bool = False

    def grant(self, claim: Claim, arrival: int) -> None:
        assert self.live is None, "two claims of one token are live"
        assert arrival > self.last_arrival, "a later claimer was served first"
        assert not self.granted or claim.epoch > self.granted[-1].epoch
        self.live, self.last_arrival = claim, arrival
        self.granted.append(claim)

    def silence(self, claim: Claim) -> None:
        if self.live == claim:
            self.live = None


async def steps(count: int) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


@dataclass
class Stage:
    """A presence, its visitors and their journals."""

    presence: InProcessPresence
    journals: dict[str, Journal]
    arrivals: "itertools.count[int]"

    async def visit(self, visit: Visit) -> None:
        await steps(visit.arrives)
        async with anyio.create_task_group() as tasks:
            if visit.gives_up is not None:
                tasks.start_soon(self.give_up, visit.gives_up, tasks.cancel_scope.cancel)
            await self.stay(visit)
            tasks.cancel_scope.cancel()

    async def give_up(self, after: int, cancel: Callable[[], None]) -> None:
        await steps(after)
        cancel()

    async def stay(self, visit: Visit) -> None:
        journal = self.journals[visit.token]
        mine: list[Claim] = []
        arrival = next(self.arrivals)
        claim = await self.presence.claim(visit.token, self.goodbye(visit, mine))
        mine.append(claim)
        journal.grant(claim, arrival)
        assert self.presence.holds(claim)
        try:
            await steps(visit.stays)
        finally:
            if visit.ending != "stay":
                journal.silence(claim)
                journal.released.append(claim)
                await self.presence.release(claim)
            if visit.ending == "release_twice":
                with anyio.CancelScope(shield=True):
                    await steps(visit.stays)
                    await self.presence.release(claim)

    def goodbye(self, visit: Visit, mine: list[Claim]) -> Callable[[], Awaitable[None]]:
        async def say() -> None:
            claim = mine[0]
            journal = self.journals[visit.token]
            journal.evicted.append(claim)
            journal.held_while_evicted |= self.presence.holds(
                claim
            )  # not an assert: presence survives a broken goodbye
            await steps(visit.goodbye_steps)
            journal.silence(claim)
            if visit.goodbye_breaks:
                raise RuntimeError("broken on the way out")

        return say


VISITS = st.builds(
    Visit,
    token=st.sampled_from("ab"),
    arrives=st.integers(0, 12),
    stays=st.integers(0, 8),
    ending=st.sampled_from(("stay", "release", "release_twice")),
    gives_up=st.none() | st.integers(0, 15),
    goodbye_steps=st.integers(0, 6),
    goodbye_breaks=st.booleans(),
)


async def check_visits(visits: list[Visit]) -> None:
    tasks_before = len(asyncio.all_tasks())
    stage = Stage(InProcessPresence(eviction_seconds=60), {"a": Journal(), "b": Journal()}, itertools.count())
    with capture_logs():
        async with anyio.create_task_group() as tasks:
            for visit in visits:
                tasks.start_soon(stage.visit, visit)
    assert len(asyncio.all_tasks()) == tasks_before
    for token, journal in stage.journals.items():
        assert not journal.held_while_evicted
        assert len(journal.evicted) == len(set(journal.evicted)), "evicted twice"
        gone = set(journal.evicted) | set(journal.released)
        for claim in journal.granted:
            assert stage.presence.holds(claim) == (claim not in gone)
        assert set(journal.granted[:-1]) <= gone, "only the last claimer may be at rest"
        assert (token in stage.presence._seats) == bool(set(journal.granted) - gone)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(VISITS, min_size=2, max_size=12))
async def test_at_rest_the_last_claimer_holds_and_never_two(visits: list[Visit]) -> None:
    await check_visits(visits)


@pytest.mark.slow
@settings(max_examples=5_000, deadline=None)
@given(st.lists(VISITS, min_size=2, max_size=12))
async def test_at_rest_the_last_claimer_holds_and_never_two_in_many_orders(visits: list[Visit]) -> None:
    await check_visits(visits)
