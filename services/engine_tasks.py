"""What an engine does beside its turns: tasks that fail by nothing of theirs, and end with what they are for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def ending(tasks: TaskGroup) -> AsyncIterator[None]:
    """A group of tasks that never raise, entered here and ended with the block."""
    error: Exception | None = None
    try:
        async with tasks:
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()
    except ExceptionGroup as group:  # the block's own error leaves as itself
        error = group.exceptions[0]
    if error is not None:
        raise error


@asynccontextmanager
async def open_tasks() -> AsyncIterator[TaskGroup]:
    """Tasks that never raise, and end with the block."""
    tasks = anyio.create_task_group()
    async with ending(tasks):
        yield tasks
