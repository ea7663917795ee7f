"""A connection that comes back by itself: nothing is sent twice, and what was not sent yet is, once it can be."""

import asyncio
import logging
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from types import TracebackType
from typing import Any, Self, TypeVar

from chatanon_client.connection import LONGEST_DELAY_S, mend_url, open_socket, reconnect_delay_s
from chatanon_client.errors import LEFT, LOST, ChatAnonError
from chatanon_client.events import CharacterSwitched, Connected, Event, Reconnected, Reconnecting
from chatanon_client.line import Line, Outbox
from chatanon_client.listeners import Events, Listeners
from chatanon_client.turns import Request
from chatanon_client.wire import text_frame

log = logging.getLogger("chatanon_client")

HANG_UP_S = 2.0
# What costs a client no time and no care. The others: `barge_in` (audio then comes no faster than it is played),
# `stages`, `sentence_responses`.
EXTENSIONS = ("turns", "sentences", "speech_events", "binary_audio", "history")

SomeRequest = TypeVar("SomeRequest", bound=Request[Any])


class Link:
    """One user's talk, over as many connections as it takes."""

    def __init__(
        self,
        url: str,
        token: str,
        character: str | None = None,
        extensions: Sequence[str] = EXTENSIONS,
        audio_sample_rate: int | None = None,
        tries: int | None = None,
    ) -> None:
        """`audio_sample_rate`: of the sound that this client will send; 16000 where it says nothing.
        `tries`: so many connections may fail one after the other before that is the end; None: it goes on for ever.

        Raises:
            ChatAnonError: no address can be made of `url`.
        """
        self.url = mend_url(url)
        self.character = character
        self.connected: Connected | None = None  # what the server said last of itself
        self._greeting: dict[str, Any] = {"api_token": token, "extensions": list(extensions)}
        if audio_sample_rate is not None:
            self._greeting["audio_sample_rate"] = audio_sample_rate
        self._tries = tries
        self._outbox = Outbox()
        self._listeners = Listeners()
        self._line: Line | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._end: ChatAnonError | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def connect(self) -> None:
        """What `async with` does: until there is a connection.

        Raises:
            ChatAnonError: the server does not want this client, or `tries` are used up.
        """
        events = self.events()
        self._keeper = asyncio.create_task(self._stay_connected(), name="chatanon_client")
        try:
            async for event in events:
                if isinstance(event, Connected):
                    break
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Hang up, and stay away."""
        self._end = self._end or ChatAnonError(LEFT, "this client has left", fatal=True)
        try:
            if self._line is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(HANG_UP_S):
                        await self._line.close()
        finally:
            if self._keeper is not None:
                self._keeper.cancel()
                await asyncio.wait([self._keeper])

    def events(self) -> Events:
        """Everything that happens from now on; may be asked for several times, and before the connection."""
        return self._listeners.open()

    @property
    def is_connected(self) -> bool:
        return self._line is not None and self._line.is_ready

    @property
    def unanswered(self) -> int:
        """How many requests have no answer yet, sent or not."""
        return len(self._outbox) + (self._line is not None and self._line.ledger.is_waiting)

    def _ask(self, request: SomeRequest) -> SomeRequest:
        if self._end is not None:
            request.fail(self._end)
        else:
            self._outbox.put(request)
        return request

    # ---------------------------------------------------------------- the connections

    async def _stay_connected(self) -> None:
        failures = 0
        try:
            while self._end is None:
                error, useful, lost = await self._talk()
                failures = 1 if useful else failures + 1
                if error.fatal or failures == self._tries:
                    self._end = self._end or replace(error, fatal=True)
                    return
                delay_s = max(reconnect_delay_s(failures, random.random()), self._outbox.held_s)
                log.warning("%s; next try in %.1f s", error, delay_s)
                self._listeners.tell(Reconnecting(error, failures, delay_s, lost))
                await asyncio.sleep(delay_s)
        finally:
            self._end = self._end or ChatAnonError(LOST, "the client broke", fatal=True)
            while self._outbox:
                self._outbox.take().fail(self._end)
            self._listeners.end(self._end)

    async def _talk(self) -> tuple[ChatAnonError, bool, int]:
        """One connection to its end: why it ended, whether it was of any use, how many turns were lost with it."""
        try:
            socket = await open_socket(self.url)
        except ChatAnonError as error:
            return error, False, 0
        line = self._line = Line(socket, self._outbox, self._note)
        opened = asyncio.get_running_loop().time()
        named = {} if self.character is None else {"character_name": self.character}
        end = ChatAnonError(LEFT, "this client has left", fatal=True)
        try:
            end = await line.talk(text_frame("connect", **self._greeting, **named))
        finally:
            lost = line.ledger.lose(self._end or end)
            self._line = None
        lasted = asyncio.get_running_loop().time() - opened > LONGEST_DELAY_S
        return end, line.ledger.was_useful or lasted, lost

    def _note(self, event: Event) -> None:
        match event:
            case Connected():
                if self.connected is not None:
                    event = Reconnected(**asdict(event))
                self.connected = event
                self.character = event.character or self.character
            case CharacterSwitched(character=character):
                self.character = character or self.character
        self._listeners.tell(event)
