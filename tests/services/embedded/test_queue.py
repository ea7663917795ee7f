"""Places at the synthesisers: the least ahead first, each given back exactly once."""

import random

import anyio
import pytest

from services.vendors.embedded.queue import EngineQueue

pytestmark = pytest.mark.anyio


async def test_who_has_the_least_audio_goes_first_then_who_came_first() -> None:
    queue, order = EngineQueue(1), list[str]()

    async def work(name: str, ahead: int) -> None:
        async with queue.place(ahead):
            order.append(name)
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        async with queue.place(0):
            for name, ahead in (("third", 300), ("first", 0), ("fourth", 300), ("second", 10)):
                tasks.start_soon(work, name, ahead)
                await anyio.wait_all_tasks_blocked()
    assert order == ["first", "second", "third", "fourth"]


async def test_a_place_is_never_lost_whoever_is_cancelled_and_when() -> None:
    chance, queue = random.Random(7), EngineQueue(2)
    working = 0

    async def work(patience: int) -> None:
        nonlocal working
        with anyio.CancelScope() as scope:

            async def give_up() -> None:
                for _ in range(patience):
                    await anyio.lowlevel.checkpoint()
                scope.cancel()

            async with anyio.create_task_group() as inner:
                inner.start_soon(give_up)
                async with queue.place(chance.randrange(3)):
                    working += 1
                    assert working <= 2
                    try:
                        await anyio.lowlevel.checkpoint()
                    finally:
                        working -= 1
                inner.cancel_scope.cancel()

    for _ in range(100):
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(work, chance.randrange(12))
    async with queue.place(0), queue.place(0):  # both are there
        pass
