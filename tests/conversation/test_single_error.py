"""Of the errors of a task group, the one that is the story."""

import anyio
import pytest

from conversation.single_error import single_error

pytestmark = pytest.mark.anyio


class Story(Exception):
    """What really happened."""


async def fail(error: BaseException) -> None:
    raise error


async def test_an_error_of_a_task_leaves_as_itself() -> None:
    story = Story()
    with pytest.raises(Story) as raised, single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, story)
    assert raised.value is story


async def test_a_stream_that_broke_because_of_it_says_nothing() -> None:
    story = Story()
    with pytest.raises(Story) as raised, single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, anyio.BrokenResourceError())
            tasks.start_soon(fail, story)
    assert raised.value is story


async def test_groups_within_groups_are_looked_into() -> None:
    story = Story()

    async def inner() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, anyio.BrokenResourceError())
            tasks.start_soon(fail, story)

    with pytest.raises(Story) as raised, single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(inner)
    assert raised.value is story


async def test_a_broken_stream_alone_is_the_story() -> None:
    broken = anyio.BrokenResourceError()
    with pytest.raises(anyio.BrokenResourceError) as raised, single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail, broken)
    assert raised.value is broken


async def test_the_first_of_several_leaves() -> None:
    first, second = Story(), ValueError()
    with pytest.raises(Story) as raised, single_error():
        raise BaseExceptionGroup("", [first, second])
    assert raised.value is first


async def test_an_error_outside_any_group_passes() -> None:
    with pytest.raises(Story), single_error():
        raise Story


async def test_without_error_nothing_happens() -> None:
    with single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.lowlevel.checkpoint)


async def test_cancellation_from_outside_passes_in_silence() -> None:
    with anyio.CancelScope() as scope, single_error():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            scope.cancel()
    assert scope.cancelled_caught
