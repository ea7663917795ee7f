"""Requests of the modes in; what the server says on the terminal and from the speaker out.

The modes (other files) only hand in requests; a Companion is what a mode adds to every connection.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import anyio.abc

from chatanon_client import (
    Audio,
    AudioEnd,
    CharacterSwitched,
    ChatAnon,
    ChatAnonError,
    Connected,
    Disconnected,
    Event,
    HistoryCleared,
    Interrupted,
    Reconnecting,
    Request,
    Response,
    Sentence,
    Thinking,
    Unknown,
)
from client.explain import explain, explain_end, printable
from client.language import tell
from client.options import DEFAULT_TOKEN, REFUSED, TOKEN_VARIABLE, UNREACHABLE, WELL, Options
from client.terminal import Replies, Terminal

TOKEN_REFUSED = 4500
TRIES = 5  # where no person waits who can decide to give up
QUEUED_REQUESTS = 8  # what may be typed ahead
UNREADABLE_SOUND = ("audio_chunk", "binary")


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
                self._receive(event)
                self._companion.receive(event)
                self._settle()
                if isinstance(event, Reconnecting) and event.lost and self._options.is_one_shot:
                    return REFUSED
        except ChatAnonError as error:
            self._lose()
            reason = self._explain_end(error)
            unanswered = len(self._asked) if error.close_code else 0  # they are never done: this is the end of all
            self._terminal.warn(tell("lost", reason=reason, count=unanswered) if unanswered else reason)
            return REFUSED if error.close_code and not error.retryable else UNREACHABLE
        return WELL

    def _settle(self) -> None:
        """What has its answer is done."""
        for asked in self._asked:
            if asked.request is None or asked.request.is_done:
                asked.done.set()
        self._asked = [asked for asked in self._asked if not asked.done.is_set()]

    def _receive(self, event: Event) -> None:
        replies = self._replies
        match event:
            case Connected() | CharacterSwitched():
                self._enter(event)
            case Reconnecting():
                self._lose()
                self._report_loss(event)
            case Thinking():
                replies.begin()
            case Sentence():
                replies.add_sentence(event)
            case Audio():
                replies.add_audio(event)
            case Unknown(type=kind) if kind in UNREADABLE_SOUND:
                replies.warn_of_sound()
            case Interrupted():
                replies.cut()
            case AudioEnd():
                replies.end_audio()
            case Response():
                replies.finish(event)
            case HistoryCleared():
                self._terminal.show(tell("history_cleared"))
            case Disconnected():
                self._terminal.warn(tell("disconnected", why=explain("disconnected", event.reason, event.message)))
            case ChatAnonError():
                self._report_error(event)

    def _enter(self, event: Connected | CharacterSwitched) -> None:
        self._replies.character = printable(event.character_display_name or event.character)
        if isinstance(event, Connected):
            self._terminal.show(tell("connected", character=self._replies.character))
            self._connection = anyio.CancelScope()
            self.start(self._accompany, self._connection)
        else:
            self._terminal.show(tell("switched", character=self._replies.character))

    async def _accompany(self, connection: anyio.CancelScope) -> None:
        with connection:
            await self._companion.run(self.server)

    def _lose(self) -> None:
        self._connection.cancel()
        self._replies.end_audio()
        self._replies.discard()
        self._companion.lose()

    def _report_loss(self, event: Reconnecting) -> None:
        reason = self._explain_end(event.error)
        if event.lost:
            again = "lost" if self._options.is_one_shot else "lost_say_again"
            reason = tell(again, reason=reason, count=event.lost)
        if event.lost and self._options.is_one_shot:
            self._terminal.warn(reason)
        elif event.attempt < TRIES:
            self._terminal.warn(tell("try_again_in", reason=reason, seconds=f"{event.delay_s:.1f}"))
        elif event.attempt == TRIES:
            self._terminal.warn(tell("try_for_ever", reason=reason))

    def _explain_end(self, error: ChatAnonError) -> str:
        reason = explain_end(error, self.server.url)
        if error.close_code != TOKEN_REFUSED:
            return reason
        source = self._options.token_source
        return tell("token_came_from", reason=reason, source=source, variable=TOKEN_VARIABLE, default=DEFAULT_TOKEN)

    def _report_error(self, event: ChatAnonError) -> None:
        error = tell("error", what=explain("error", event.code, event.message))
        seconds = f"{event.retry_after_ms / 1000:.0f}"
        self._terminal.warn(tell("error_wait", error=error, seconds=seconds) if event.retry_after_ms > 0 else error)

    async def hang_up(self) -> None:
        self._companion.close()
        if self.server.is_connected:
            await self._companion.take_leave(self.server)
        await self.server.close()
