"""Requests of one session in; leave for one after the other, in order of arrival, out. A bounded number of them waits.

A place in the order is not the work itself: who has one may work at something else until it is reached, and keeps the
order all the same. Half duplex never does; speech that interrupts a reply will.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup


class Place:
    """Where one request stands. It is left when its work has ended, whatever became of that."""

    def __init__(self, queue: "RequestQueue") -> None:
        self._queue = queue
        self.moved = anyio.Event()  # to the front, or out of the queue

    @property
    def is_reached(self) -> bool:
        """Whether all before it are done."""
        return self.moved.is_set() and not self._queue.closed

    async def reached(self) -> bool:
        """Wait until all before it are done. False where the queue was closed meanwhile: then nothing is to be done."""
        if not self.moved.is_set():
            await self.moved.wait()
        return not self._queue.closed


Job: TypeAlias = Callable[[], Awaitable[object]]
Work: TypeAlias = Callable[[Place], Awaitable[object]]


class RequestQueue:
    """Each request has a task of its own, and only while there is something to do.

    What one of them raises leaves through the task group; it is the last one then, and what waits is dropped.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: how many may wait behind the one that is served."""
        self.closed = False
        self._limit = limit
        self._places: deque[Place] = deque()
        self._empty: anyio.Event | None = None  # somebody waits for the one that is served to end

    @property
    def has_room(self) -> bool:
        """Whether another request would be taken now."""
        return not self.closed and len(self._places) <= self._limit

    def submit(self, job: Job, tasks: TaskGroup) -> bool:
        """Take a job, to be done in `tasks` in its place; False when too many wait already, or after the end."""
        return self.start(partial(in_place, job), tasks)

    def start(self, work: Work, tasks: TaskGroup) -> bool:
        """The same for work that begins at once, and waits for its place by itself."""
        if not self.has_room:
            return False
        place = Place(self)
        self._places.append(place)
        if len(self._places) == 1:
            place.moved.set()
        tasks.start_soon(self._run, work, place)
        return True

    async def finish(self) -> None:
        """Let the one that is served end; those that wait are dropped, and no other is taken."""
        self._close()
        if self._places:
            self._empty = self._empty or anyio.Event()
            await self._empty.wait()

    async def _run(self, work: Work, place: Place) -> None:
        done = False
        try:
            await work(place)
            done = True
        finally:
            if not done:
                self._close()
            self._leave(place)

    def _leave(self, place: Place) -> None:
        if place in self._places:  # else it was dropped
            self._places.remove(place)
        if self._places:
            self._places[0].moved.set()
        elif self._empty is not None:
            self._empty.set()

    def _close(self) -> None:
        self.closed = True
        while len(self._places) > 1:
            self._places.pop().moved.set()


async def in_place(job: Job, place: Place) -> None:
    """A job as work: nothing of it is done before its place is reached."""
    if await place.reached():
        await job()
