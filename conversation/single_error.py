"""A task group's errors in, the one that is the story out."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio


@contextmanager
def single_error() -> Iterator[None]:
    """Let the first error of a task group leave as itself; a stream that broke because of it says nothing."""
    try:
        yield
    except BaseExceptionGroup as group:
        errors = list(_flat(group))
        told = [error for error in errors if not isinstance(error, anyio.BrokenResourceError)] or errors
        raise told[0] from told[0].__cause__


def _flat(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error)
        else:
            yield error
