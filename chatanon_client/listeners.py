"""Events in; each of them to everybody who listens, at their own pace."""

import asyncio
from collections import deque
from weakref import WeakSet

from chatanon_client.errors import FELL_BEHIND, LEFT, ChatAnonError
from chatanon_client.events import Event

MOST_UNREAD = 20_000  # more than ten minutes of a voice


class Events:
    """What happens from now on, for `async for`. Ends when the client leaves, and raises what else ended the talk."""

    def __init__(self) -> None:
        self._unread: deque[Event] = deque()
        self._news = asyncio.Event()
        self._end: ChatAnonError | None = None

    def add(self, event: Event) -> None:
        if len(self._unread) >= MOST_UNREAD:
            self.end(ChatAnonError(FELL_BEHIND, "events were not read for too long", fatal=True))
        elif self._end is None:
            self._unread.append(event)
            self._news.set()

    def end(self, error: ChatAnonError) -> None:
        self._end = self._end or error
        self._news.set()

    def __aiter__(self) -> "Events":
        return self

    async def __anext__(self) -> Event:
        while not self._unread:
            if self._end is not None:
                raise StopAsyncIteration if self._end.code == LEFT else self._end
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()


class Listeners:
    """Who drops their Events listens no more."""

    def __init__(self) -> None:
        self._listening: WeakSet[Events] = WeakSet()
        self._end: ChatAnonError | None = None

    def open(self) -> Events:
        events = Events()
        if self._end is not None:
            events.end(self._end)
        self._listening.add(events)
        return events

    def tell(self, event: Event) -> None:
        for events in list(self._listening):
            events.add(event)

    def end(self, error: ChatAnonError) -> None:
        self._end = error
        for events in list(self._listening):
            events.end(error)
