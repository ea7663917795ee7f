"""Jobs of one session: one at a time, in order, so many waiting; and how they end with it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversation.single_error import single_error
from server.session.request_queue import Job, RequestQueue

pytestmark = pytest.mark.anyio


class Desk:
    """Jobs that write down when they begin and end, and end when they may."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.gates: defaultdict[str, anyio.Event] = defaultdict(anyio.Event)

    def job(self, name: str) -> Job:
        return partial(self.run, name)

    async def run(self, name: str) -> None:
        self.done.append(f"{name} begins")
        try:
            await self.gates[name].wait()
            self.done.append(f"{name} ends")
        except anyio.get_cancelled_exc_class():
            self.done.append(f"{name} cancelled")
            raise

    def let_go(self, *names: str) -> None:
        for name in names:
            self.gates[name].set()

    async def until(self, line: str) -> None:
        with anyio.fail_after(60):
            while line not in self.done:
                await anyio.lowlevel.checkpoint()


async def settle() -> None:
    """Whatever can run has run."""
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


async def test_jobs_run_one_at_a_time_in_order_of_arrival() -> None:
    desk, queue = Desk(), RequestQueue(8)
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            assert queue.submit(desk.job(name), tasks)
        desk.let_go("c", "b", "a")
    assert desk.done == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


async def test_job_submitted_while_another_runs_waits_for_it() -> None:
    desk, queue = Desk(), RequestQueue(8)
    async with anyio.create_task_group() as tasks:
        queue.submit(desk.job("a"), tasks)
        await desk.until("a begins")
        queue.submit(desk.job("b"), tasks)
        desk.let_go("b")
        await settle()
        assert desk.done == ["a begins"]
        desk.let_go("a")
    assert desk.done == ["a begins", "a ends", "b begins", "b ends"]


async def test_queue_that_was_empty_for_a_while_works_again() -> None:
    desk, queue = Desk(), RequestQueue(0)
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            assert queue.submit(desk.job(name), tasks)
            desk.let_go(name)
            await desk.until(f"{name} ends")
            await settle()


async def test_job_may_submit_the_next_one() -> None:
    desk, queue = Desk(), RequestQueue(1)
    async with anyio.create_task_group() as tasks:

        async def first() -> None:
            desk.done.append("first")
            assert queue.submit(desk.job("second"), tasks)
            desk.let_go("second")

        assert queue.submit(first, tasks)
    assert desk.done == ["first", "second begins", "second ends"]


@pytest.mark.parametrize("limit", [0, 1, 8])
async def test_so_many_wait_behind_the_one_that_runs_and_the_next_is_not_taken(limit: int) -> None:
    desk, queue = Desk(), RequestQueue(limit)
    names = [str(number) for number in range(limit + 1)]
    async with anyio.create_task_group() as tasks:
        assert all(queue.submit(desk.job(name), tasks) for name in names)
        assert not queue.submit(desk.job("too many"), tasks)
        await desk.until("0 begins")
        assert not queue.submit(desk.job("too many"), tasks)
        desk.let_go("0")
        await desk.until("0 ends")
        await settle()
        assert queue.submit(desk.job("late"), tasks)
        assert not queue.submit(desk.job("too many"), tasks) or limit == 0
        desk.let_go(*names, "late", "too many")
    assert "late ends" in desk.done


async def test_finish_lets_the_running_job_end_and_drops_what_waits() -> None:
    desk, queue = Desk(), RequestQueue(8)
    async with anyio.create_task_group() as tasks:
        for name in "abc":
            queue.submit(desk.job(name), tasks)
        await desk.until("a begins")
        finished = anyio.Event()

        async def finish() -> None:
            await queue.finish()
            finished.set()

        tasks.start_soon(finish)
        await settle()
        assert not finished.is_set()
        desk.let_go("a", "b", "c")
        await finished.wait()
        assert desk.done == ["a begins", "a ends"]
    assert desk.done == ["a begins", "a ends"]


async def test_finish_with_nothing_to_do_returns_and_nothing_is_taken_after_it() -> None:
    desk, queue = Desk(), RequestQueue(8)
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(60):
            await queue.finish()
            await queue.finish()
        assert not queue.submit(desk.job("late"), tasks)
    assert desk.done == []


async def test_everybody_who_waits_for_the_end_is_told_of_it() -> None:
    desk, queue = Desk(), RequestQueue(8)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            queue.submit(desk.job("a"), tasks)
            await desk.until("a begins")
            for _ in range(3):
                tasks.start_soon(queue.finish)
            await settle()
            desk.let_go("a")
    assert desk.done == ["a begins", "a ends"]


class Broken(Exception):
    pass


async def test_what_a_job_raises_ends_the_task_group_and_drops_what_waits() -> None:
    desk, queue = Desk(), RequestQueue(8)

    async def broken() -> None:
        raise Broken

    with pytest.raises(Broken):
        with single_error():
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(desk.run, "bystander")
                await desk.until("bystander begins")
                queue.submit(broken, tasks)
                queue.submit(desk.job("waits"), tasks)
                await anyio.sleep_forever()
    assert desk.done == ["bystander begins", "bystander cancelled"]


@pytest.mark.parametrize("waiting", [False, True], ids=["finish comes after", "finish waits already"])
async def test_finish_returns_where_the_running_job_raised(waiting: bool) -> None:
    """A shutdown waits for every session; one whose turn broke in that moment must not hold it up."""
    desk, queue = Desk(), RequestQueue(8)

    async def broken() -> None:
        await desk.job("a")()
        raise Broken

    async def one_session() -> None:
        with pytest.raises(Broken):
            with single_error():
                async with anyio.create_task_group() as tasks:
                    queue.submit(broken, tasks)
                    queue.submit(desk.job("waits"), tasks)
                    await anyio.sleep_forever()

    with anyio.fail_after(60):
        async with anyio.create_task_group() as outside:
            outside.start_soon(one_session)
            await desk.until("a begins")
            if waiting:
                outside.start_soon(queue.finish)
                await settle()
            desk.let_go("a")
            await desk.until("a ends")
            await settle()
            await queue.finish()
    assert desk.done == ["a begins", "a ends"]


@pytest.mark.parametrize("waiting", [False, True], ids=["finish comes after", "finish waits already"])
async def test_finish_returns_where_the_session_was_ended_from_outside(waiting: bool) -> None:
    desk, queue = Desk(), RequestQueue(8)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as outside:
            async with anyio.create_task_group() as tasks:
                queue.submit(desk.job("a"), tasks)
                queue.submit(desk.job("waits"), tasks)
                await desk.until("a begins")
                if waiting:
                    outside.start_soon(queue.finish)
                    await settle()
                tasks.cancel_scope.cancel()
            await queue.finish()
            assert not queue.submit(desk.job("late"), outside)
    assert desk.done == ["a begins", "a cancelled"]


async def test_finish_returns_where_the_session_ended_before_its_job_began() -> None:
    desk, queue = Desk(), RequestQueue(8)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as tasks:
            queue.submit(desk.job("a"), tasks)
            tasks.cancel_scope.cancel()
        await queue.finish()
    assert "a ends" not in desk.done


async def test_nothing_of_the_queue_runs_while_there_is_nothing_to_do() -> None:
    queue, desk = RequestQueue(8), Desk()
    before = len(anyio.get_running_tasks())
    async with anyio.create_task_group() as tasks:
        queue.submit(desk.job("a"), tasks)
        await desk.until("a begins")
        assert len(anyio.get_running_tasks()) == before + 1
        desk.let_go("a")
        await desk.until("a ends")
        await settle()
        assert len(anyio.get_running_tasks()) == before


@given(limit=st.integers(0, 3), arrivals=st.lists(st.integers(0, 3), max_size=8))
@settings(max_examples=50, deadline=None)
def test_whatever_is_taken_is_done_once_and_in_order(limit: int, arrivals: list[int]) -> None:
    """`arrivals`: after how many rounds of the loop the next job comes; every job takes one round."""

    async def run() -> None:
        queue = RequestQueue(limit)
        taken: list[int] = []
        done: list[int] = []

        def job(number: int) -> Callable[[], Awaitable[None]]:
            async def run_one() -> None:
                await anyio.lowlevel.checkpoint()
                done.append(number)

            return run_one

        async with anyio.create_task_group() as tasks:
            for number, rounds in enumerate(arrivals):
                for _ in range(rounds):
                    await anyio.lowlevel.checkpoint()
                if queue.submit(job(number), tasks):
                    taken.append(number)
        assert done == taken
        assert len(taken) >= min(len(arrivals), limit + 1)

    anyio.run(run)
