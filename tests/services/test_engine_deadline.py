"""A deadline that is moved along: it ends what takes too long, and gives way to whoever wants more ended."""

import asyncio
import math
from typing import Any

import anyio
import pytest

from services.engine_deadline import Deadline

pytestmark = pytest.mark.anyio

STUCK_S = 30


async def test_what_takes_too_long_is_ended_and_the_next_wait_has_its_own_time() -> None:
    deadline, ended = Deadline(), []
    with anyio.fail_after(STUCK_S):
        for limit_s in (STUCK_S * 2, 0.01, math.inf, 0.02, 0.01):
            with deadline.within(limit_s):
                await (anyio.sleep_forever() if limit_s < 1 else anyio.lowlevel.checkpoint())
            ended.append(deadline.passed)
    assert ended == [False, True, False, True, True]


async def test_many_waits_one_after_the_other_take_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    set_at: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def counting(when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        set_at.append(when)
        return call_at(when, *args, **kwargs)

    monkeypatch.setattr(loop, "call_at", counting, raising=False)
    deadline = Deadline()
    for _ in range(100):
        with deadline.within(STUCK_S):
            await anyio.lowlevel.checkpoint()
    assert len(set_at) == 1


async def test_a_wait_that_was_long_ago_ends_nothing_later() -> None:
    deadline = Deadline()
    with deadline.within(0.01):
        await anyio.lowlevel.checkpoint()
    with anyio.fail_after(STUCK_S):
        await anyio.sleep(0.05)
    assert not deadline.passed


async def test_whoever_cancels_from_outside_is_obeyed_also_at_the_same_moment() -> None:
    deadline, ended = Deadline(), []
    loop = asyncio.get_running_loop()
    with anyio.fail_after(STUCK_S):
        for outer_first in (True, False):
            with anyio.CancelScope() as scope:
                task = asyncio.current_task()
                assert task is not None
                loop.call_soon(scope.cancel) if outer_first else None
                with deadline.within(0.0):
                    if not outer_first:
                        loop.call_soon(scope.cancel)
                    await anyio.sleep_forever()
                await anyio.sleep_forever()
            assert task is not None
            ended.append((scope.cancelled_caught, task.cancelling()))
    assert ended == [(True, 0), (True, 0)]


async def test_of_two_around_the_same_wait_each_ends_its_own() -> None:
    outer, inner = Deadline(), Deadline()
    with anyio.fail_after(STUCK_S):
        for outer_s, inner_s in ((0.01, math.inf), (math.inf, 0.01), (0.01, 0.01)):
            went_on = False
            with outer.within(outer_s):
                with inner.within(inner_s):
                    await anyio.sleep_forever()
                went_on = True
                if outer_s < 1:
                    await anyio.sleep_forever()
            assert outer.passed == (outer_s < 1)
            assert went_on or outer.passed


async def test_an_error_in_time_leaves_as_itself() -> None:
    deadline = Deadline()
    with pytest.raises(ZeroDivisionError):
        with deadline.within(STUCK_S):
            await anyio.lowlevel.checkpoint()
            raise ZeroDivisionError
    assert not deadline.passed
