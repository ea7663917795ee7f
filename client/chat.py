"""Requests of the modes in; what the server says on the terminal and from the speaker out.

The modes (other files) only hand in requests; a Companion is what a mode adds to every connection.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc

from chatanon_client import ChatAnon, ChatAnonError, Connected, Event, Reconnecting, Request
from client.display import Display
from client.language import tell
from client.options import REFUSED, TRIES, UNREACHABLE, WELL, Options
from client.terminal import Replies, Terminal

QUEUED_REQUESTS = 8  # what may be typed ahead


class Companion:
    """What a mode adds to the talk; a mode of text nothing."""

    extensions: tuple[str, ...] = ("sentences",)

    def receive(self, event: Event) -> None:
        """What the server says, after the chat has dealt with it."""

    def lose(self) -> None:
        """The connection is gone."""

    async def run(self, server: ChatAnon) -> None:
        """From `connected` to the end of the connection."""

    async def take_leave(self, server: ChatAnon) -> None:
        """Before the client hangs up."""

    def close(self) -> None:
        """The talk is over."""


class Asked:
    """A request; `done` once its answer was shown, or that there is none."""

    def __init__(self, request: Request[Any] | None) -> None:
        self.request = request
        self.done = anyio.Event()

    @property
    def was_sent(self) -> bool:
        return self.request is not None and self.request.was_sent

    @property
    def failed(self) -> bool:
        return self.request is None or self.request.has_failed


class Chat:
    """The talk with the server, as a person sees it."""

    def __init__(self, options: Options, terminal: Terminal, replies: Replies, companion: Companion) -> None:
        tries = None if terminal.interactive else TRIES
        self.server = ChatAnon(options.url, options.token, options.character, companion.extensions, tries=tries)
        self._options = options
        self._terminal = terminal
        self._replies = replies
        self._companion = companion
        self._events = self.server.events()
        self._display = Display(self.server.url, options, terminal, replies)
        self._asked: list[Asked] = []
        self._tasks: anyio.abc.TaskGroup | None = None  # while there may be a connection
        self._connection = anyio.CancelScope()  # of what lasts as long as one does

    @property
    def is_ready(self) -> bool:
        """Connected, and nothing asked that is not answered."""
        return self.server.is_connected and not self.server.unanswered

    def ask(self, request: Callable[[ChatAnon], Request[Any]], on_sent: Callable[[], object] | None = None) -> Asked:
        if self.server.unanswered >= QUEUED_REQUESTS:
            self._terminal.warn(tell("not_sent"))
            asked = Asked(None)
            asked.done.set()
            return asked
        if self._terminal.interactive and not self.server.is_connected:
            self._terminal.warn(tell("sent_later"))
        asked = Asked(request(self.server))
        if asked.request is not None and on_sent is not None:
            asked.request.on_sent = on_sent
        self._asked.append(asked)
        return asked

    def start(self, part: Callable[..., Coroutine[Any, Any, object]], *arguments: Any) -> None:
        """To run beside the talk, as long as that lasts."""
        if self._tasks is not None:
            self._tasks.start_soon(part, *arguments)

    async def stay_connected(self) -> int:
        """Returns the exit code once another try would be of no use."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            tasks.start_soon(self._connect)
            exit_code = await self._show_events()
            tasks.cancel_scope.cancel()
        return exit_code

    async def _connect(self) -> None:
        with suppress(ChatAnonError):  # the events end with the same
            await self.server.connect()

    async def _show_events(self) -> int:
        try:
            async for event in self._events:
                self._follow(event)
                self._display.receive(event)
                self._companion.receive(event)
                self._settle()
                if isinstance(event, Reconnecting) and event.lost and self._options.is_one_shot:
                    return REFUSED
        except ChatAnonError as error:
            self._lose()
            reason = self._display.explain_end(error)
            unanswered = sum(asked.was_sent for asked in self._asked)  # they are never done: this is the end of all
            self._terminal.warn(tell("lost", reason=reason, count=unanswered) if unanswered else reason)
            return REFUSED if error.close_code and not error.retryable else UNREACHABLE
        return WELL

    def _settle(self) -> None:
        """What has its answer is done."""
        for asked in self._asked:
            if asked.request is None or asked.request.is_done:
                asked.done.set()
        self._asked = [asked for asked in self._asked if not asked.done.is_set()]

    def _follow(self, event: Event) -> None:
        """What lasts as long as a connection does."""
        match event:
            case Connected():
                self._connection = anyio.CancelScope()
                self.start(self._accompany, self._connection)
            case Reconnecting():
                self._lose()

    async def _accompany(self, connection: anyio.CancelScope) -> None:
        with connection:
            await self._companion.run(self.server)

    def _lose(self) -> None:
        self._connection.cancel()
        self._replies.end_audio()
        self._replies.discard()
        self._companion.lose()

    async def hang_up(self) -> None:
        self._companion.close()
        if self.server.is_connected:
            await self._companion.take_leave(self.server)
        await self.server.close()
