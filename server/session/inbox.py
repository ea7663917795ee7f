"""Jobs of one session in, done one after the other in order of arrival; a bounded number of them waits."""

from collections import deque
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

Job = Callable[[], Awaitable[object]]


class Inbox:
    """Runs at most one job at a time, in a task that lives only while there is something to do.

    What a job raises leaves through the task group; it is the last one then, and what waits is dropped.
    """

    def __init__(self, limit: int) -> None:
        """`limit`: how many may wait behind the one that runs."""
        self._limit = limit
        self._jobs: deque[Job] = deque()
        self._closed = False
        self._empty: anyio.Event | None = None  # somebody waits for the running job to end

    @property
    def has_room(self) -> bool:
        """Whether another job would be taken now."""
        return not self._closed and len(self._jobs) <= self._limit

    def submit(self, job: Job, tasks: TaskGroup) -> bool:
        """Take a job, to be run in `tasks`; False when too many wait already, or after the end."""
        if not self.has_room:
            return False
        self._jobs.append(job)
        if len(self._jobs) == 1:
            tasks.start_soon(self._work)
        return True

    async def finish(self) -> None:
        """Let the running job end; those that wait are dropped, and no other is taken."""
        self._closed = True
        if self._jobs:
            self._empty = self._empty or anyio.Event()
            await self._empty.wait()

    async def _work(self) -> None:
        try:
            while self._jobs and not self._closed:
                await self._jobs[0]()
                self._jobs.popleft()
        finally:
            if self._jobs:  # closed; or a job raised, or was cancelled, and the task group ends with it
                self._closed = True
                self._jobs.clear()
            if self._empty is not None:
                self._empty.set()
