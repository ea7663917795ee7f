"""What a user asks for in; it is done in order of arrival, within the limits."""

from collections.abc import Callable, Coroutine
from functools import partial

import anyio
from anyio.abc import TaskGroup

from conversation.turn_taking import Event
from server.auth import User
from server.backend import Backend
from server.observability.incidents import incident
from server.protocol import close_codes, wire
from server.session.client import Client
from server.session.floor import Floor
from server.session.request_queue import Job, Place, RequestQueue, Work, in_place
from server.transport.connection import Connection, ConnectionLost, HangUp


class Requests:
    """The order of one session, and the border around each request."""

    def __init__(self, backend: Backend, connection: Connection, client: Client, user: User, floor: Floor) -> None:
        self.connection = connection
        self.client = client
        self._floor = floor
        self._rates = backend.rates
        self._overload = backend.overload
        self._user = user
        self._queue = RequestQueue(backend.config.limits.queued_messages)
        self._tasks: TaskGroup

    def begin(self, tasks: TaskGroup) -> None:
        """They are served in this task group from now on."""
        self._tasks = tasks

    async def submit(self, job: Job) -> bool:
        """Have it done after what waits; False, and the user is told, where too much waits already."""
        return await self.start(partial(in_place, job))

    async def start(self, work: Work) -> bool:
        """The same for work that begins at once and waits for its place in the order by itself."""
        if self._queue.start(partial(self._guarded, work), self._tasks):
            return True
        full = "Too many messages wait for their answer; send this one again later"
        await self.connection.refuse("busy", full, retryable=True)
        return False

    def beside(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """Done in a task of its own, without a place in the order."""
        self._tasks.start_soon(work)

    async def finish(self) -> None:
        """Let what is served come to its end; what waits is dropped."""
        await self._queue.finish()

    async def allows_turn(self, *, waits: bool = True) -> bool:
        """Whether this user may take one more turn in this minute; they are told if not.

        `waits`: it would be a request of its own. Where there is no room for that, they are told so instead.

        Raises:
            HangUp: they do not listen.
        """
        if waits and not self._queue.has_room:
            return True
        if waits and not await self.allows_more():
            return False
        wait_ms = self._wait_ms("turns")
        if wait_ms is None:
            return True
        refusal = wire.Error("Too many messages; slow down", "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._wait_ms("refused_turns") is not None:
            raise HangUp(refusal, close_codes.RATE_LIMITED)
        await self.connection.send(refusal)
        return False

    async def allows_more(self, *, begun: bool = False) -> bool:
        """Whether the server bears another utterance or turn beside all that run in it; this user is told if not.

        `begun`: of an utterance that runs already, the turn that answers it.
        """
        if not self._overload.has_too_many if begun else self._overload.has_room:
            return True
        wait_ms = self._overload.retry_after_ms()
        busy = "The server has too much to do at the moment; say this again later"
        await self.connection.send(wire.Error(busy, "busy", retryable=True, retry_after_ms=wait_ms))
        return False

    def allows_guess(self) -> bool:
        """Whether the LLM may be asked for a turn that may never be: as often in a minute as there may be turns."""
        return not self._overload.is_busy and self._wait_ms("guesses") is None

    def _wait_ms(self, limit: str) -> int | None:
        return self._rates.retry_after_ms(limit, self._user.token_hash, anyio.current_time())

    async def _guarded(self, work: Work, place: Place) -> None:
        """The border of a request: a defect of ours ends it, not the session. It is told before the place is left."""
        try:
            with self._overload.serving():
                await work(place)
        except (ConnectionLost, HangUp):
            raise
        except Exception:
            await self.connection.send(incident(user=self._user.label))
            await self._floor.happened(Event.TURN_FINISHED)  # if it was one
