"""What a loop went through in, tick by tick; whether that is too much for it, and how many may run in it, out."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from server.config import LimitsConfig
from server.overload import Overload

TICK_S = 0.25
LIMITS = LimitsConfig(busy_cpu_percent=80, busy_lag_ms=100, busy_turns=4)
TEN_SECONDS = 40  # in ticks

Tick = tuple[float, float]  # how much of it computed, how late in ms
IDLE: Tick = (0.05, 0)
ENOUGH: Tick = (0.95, 60)
FLOOD: Tick = (1.0, 6)
CROWDED_OUT: Tick = (0.2, 250)


@contextmanager
def serving(overload: Overload, count: int) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(overload.serving())
        yield


def pass_through(overload: Overload, *ticks: Tick) -> None:
    for share, late_ms in ticks:
        passed_s = TICK_S + late_ms / 1000
        overload.tick(passed_s, share * passed_s, late_ms / 1000)


NO_OVERLOAD: dict[str, tuple[LimitsConfig, int, list[Tick]]] = {
    "nothing to do": (LIMITS, 50, [IDLE] * TEN_SECONDS),
    "a flood, which the loop keeps apart": (LIMITS, 50, [FLOOD] * TEN_SECONDS),
    "few users and a machine that others use": (LIMITS, 3, [CROWDED_OUT] * TEN_SECONDS),
    "few users and much to compute": (LIMITS, 3, [ENOUGH] * TEN_SECONDS),
    "a machine that slept": (LIMITS, 50, [IDLE, (0.0, 3_600_000), *[IDLE] * TEN_SECONDS]),
    "one long callback now and then": (LIMITS, 50, [(0.5, 400), IDLE, IDLE] * TEN_SECONDS),
    "switched off": (LimitsConfig(busy_cpu_percent=0), 50, [(1.0, 5_000)] * TEN_SECONDS),
}


@pytest.mark.parametrize("case", NO_OVERLOAD)
def test_what_is_no_overload_refuses_nobody(case: str) -> None:
    limits, running, ticks = NO_OVERLOAD[case]
    overload = Overload(limits)
    with serving(overload, running):
        for tick in ticks:
            pass_through(overload, tick)
            assert not overload.is_busy and overload.has_room


OVERLOADS: dict[str, Tick] = {"much to compute": ENOUGH, "a machine that others use": CROWDED_OUT}


@pytest.mark.parametrize("case", OVERLOADS)
def test_what_stays_too_much_is_refused_until_it_is_over(case: str) -> None:
    overload = Overload(LIMITS)
    with serving(overload, 50):
        pass_through(overload, *[OVERLOADS[case]] * TEN_SECONDS)
        assert overload.is_busy and not overload.has_room
    assert overload.has_room
    pass_through(overload, IDLE)
    assert overload.is_busy, "one quiet moment is no end"
    pass_through(overload, *[IDLE] * TEN_SECONDS)
    assert not overload.is_busy


def test_beside_a_limit_it_does_not_flap() -> None:
    overload, said = Overload(LIMITS), []
    with serving(overload, 50):
        for _ in range(TEN_SECONDS):
            for tick in [ENOUGH] * 6 + [IDLE] * 3:
                pass_through(overload, tick)
                said.append(overload.is_busy)
    assert said == sorted(said)


def test_as_few_as_always_may_run_never_find_it_full() -> None:
    overload = Overload(LIMITS)
    for running in (50, 25, 12, 6, LIMITS.busy_turns):
        with serving(overload, running):
            pass_through(overload, *[ENOUGH] * 2 * TEN_SECONDS)
            assert not overload.has_room
    with serving(overload, LIMITS.busy_turns - 1):
        assert overload.has_room


def test_what_was_too_much_once_is_tried_again_later() -> None:
    overload = Overload(LIMITS)
    with serving(overload, 50):
        pass_through(overload, *[ENOUGH] * TEN_SECONDS)
        assert not overload.has_room
        pass_through(overload, *[IDLE] * 20 * TEN_SECONDS)
        assert overload.has_room


def test_who_is_refused_is_counted_and_told_to_come_at_another_time_than_the_next() -> None:
    overload = Overload(LIMITS)
    waits = {overload.retry_after_ms() for _ in range(20)}
    assert len(waits) > 1 and min(waits) > 0 and overload.refused == 20
