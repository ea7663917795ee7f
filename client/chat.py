"""Requests of the modes in; what the server says on the terminal and from the speaker out, over a connection kept up.

The modes (other files) only hand in requests; a Companion is what a mode adds to every connection.
"""

import random
from contextlib import suppress
from dataclasses import dataclass

import anyio
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from client.connection import (
    LONGEST_DELAY_S,
    CannotConnect,
    Frame,
    decode,
    encode,
    explain_close,
    may_reconnect,
    open_connection,
    reconnect_delay_s,
    text_of,
)
from client.language import tell
from client.ledger import Ledger, Request
from client.options import DEFAULT_TOKEN, REFUSED, TOKEN_VARIABLE, UNREACHABLE, Options
from client.terminal import Replies, Terminal, explain

TOKEN_REFUSED = 4500
TRIES = 5  # where no person waits who can decide to give up
HANDSHAKE_S = 15.0  # from the open socket to `connected`
START_S = 15.0  # from a start to the server's leave to send sound
TIMED_OUT = 4004  # the wire's close code for who does not answer
LONGEST_HOLD_MS = 3_600_000
QUEUED_REQUESTS = 8  # what may be typed ahead while there is no connection
HANG_UP_S = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """One open connection, to be sent over."""

    connection: ClientConnection
    ledger: Ledger

    async def send(self, frame: Frame) -> None:
        await self.connection.send(encode(frame))

    async def send_request(self, request: Request) -> None:
        """The whole of a request that is in the ledger already."""
        await self.send(request.message)
        if request.has_rest:
            with anyio.move_on_after(START_S):
                await request.started.wait()
            if not request.started.is_set():
                await self.give_up(request)
                return
        await request.send_rest(self.send)
        request.on_sent()

    async def give_up(self, request: Request) -> None:
        await self.connection.close(TIMED_OUT, f"no answer to {request.kind}")

    async def accompany(self, companion: "Companion") -> None:
        with suppress(ConnectionClosed):  # the receive loop learns of it as well
            await companion.run(self)


class Companion:
    """What a mode adds to the talk; a mode of text nothing."""

    extensions: tuple[str, ...] = ("sentences",)
    farewell = ""  # the type of a message that is sent before the client hangs up

    def receive(self, frame: Frame) -> None:
        """A message of the server, after the chat has dealt with it."""

    def lose(self) -> None:
        """The connection is gone."""

    async def run(self, line: Line) -> None:
        """From `connected` to the end of the connection."""

    def close(self) -> None:
        """The talk is over."""


class Chat:
    """The talk with the server: one receive loop, one queue of requests."""

    def __init__(self, options: Options, terminal: Terminal, replies: Replies, companion: Companion) -> None:
        self._options = options
        self._terminal = terminal
        self._replies = replies
        self._companion = companion
        self._character = options.character
        self._requests = anyio.create_memory_object_stream[Request](QUEUED_REQUESTS)
        self._ledger = Ledger()
        self._connection: ClientConnection | None = None
        self._connected = anyio.Event()
        self._hold_until = 0.0  # the server asked for silence until this moment of the loop's clock

    @property
    def is_ready(self) -> bool:
        """Connected, and nothing asked that is not answered."""
        unsent = self._requests[1].statistics().current_buffer_used
        return self._connected.is_set() and not self._ledger and not unsent

    def ask(self, request: Request) -> Request:
        try:
            self._requests[0].send_nowait(request)
            if self._terminal.interactive and not self._connected.is_set():
                self._terminal.warn(tell("sent_later"))
        except anyio.WouldBlock:
            self._terminal.warn(tell("not_sent"))
            request.finish(failed=True)
        return request

    async def stay_connected(self) -> int:
        """Returns the exit code once another try would be of no use."""
        failures = 0
        while True:
            useful = False
            try:
                self._connection = await open_connection(self._options.url)
            except CannotConnect as error:
                reason, transient, exit_code = str(error), error.transient, UNREACHABLE
            else:
                opened = anyio.current_time()
                reason, transient = await self._talk(self._connection)
                useful = self._ledger.was_useful or anyio.current_time() - opened > LONGEST_DELAY_S
                exit_code = REFUSED if useful or not transient else UNREACHABLE
            failures = 1 if useful else failures + 1
            if not transient or (failures >= TRIES and not self._terminal.interactive):
                self._terminal.warn(reason)
                return exit_code
            await self._pause(reason, failures)

    async def _pause(self, reason: str, failures: int) -> None:
        delay_s = max(reconnect_delay_s(failures, random.random()), self._hold_until - anyio.current_time())
        if failures < TRIES:
            self._terminal.warn(tell("try_again_in", reason=reason, seconds=f"{delay_s:.1f}"))
        elif failures == TRIES:
            self._terminal.warn(tell("try_for_ever", reason=reason))
        await anyio.sleep(delay_s)

    async def _talk(self, connection: ClientConnection) -> tuple[str, bool]:
        """One connection to its end. Why it ended, and whether another may be tried."""
        self._ledger = Ledger()
        extensions = list(self._companion.extensions)
        greeting: Frame = {"type": "connect", "api_token": self._options.token, "extensions": extensions}
        if self._character is not None:
            greeting["character_name"] = self._character
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._send_all, Line(connection, self._ledger))
            with suppress(ConnectionClosed):
                await connection.send(encode(greeting))
                async for received in connection:
                    self._receive(decode(received))
            tasks.cancel_scope.cancel()
        self._connected = anyio.Event()
        self._replies.end_audio()
        self._replies.discard()
        self._companion.lose()
        code = connection.close_code or 1006
        reason = explain_close(code, connection.close_reason or "")
        if code == TOKEN_REFUSED:
            source = self._options.token_source
            reason = tell(
                "token_came_from", reason=reason, source=source, variable=TOKEN_VARIABLE, default=DEFAULT_TOKEN
            )
        lost = self._ledger.lose()
        transient = may_reconnect(code) and not (lost and self._options.is_one_shot)
        if lost:
            reason = tell("lost_say_again" if transient else "lost", reason=reason, count=lost)
        return reason, transient

    async def _send_all(self, line: Line) -> None:
        with anyio.move_on_after(HANDSHAKE_S):
            await self._connected.wait()
        if not self._connected.is_set():
            await line.connection.close(TIMED_OUT, "no answer to connect")
            return
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(line.accompany, self._companion)
            with suppress(ConnectionClosed):  # the receive loop learns of it as well
                while True:
                    request = await self._requests[1].receive()
                    line.ledger.add(request)
                    await anyio.sleep_until(self._hold_until)
                    await line.send_request(request)

    def _receive(self, frame: Frame) -> None:
        match frame.get("type"):
            case "connected" | "character_switched" as kind:
                self._enter(frame, kind)
            case "thinking":
                self._replies.begin()
            case "sentence":
                self._replies.add_sentence(frame)
            case "audio_chunk":
                self._replies.add_audio(frame)
            case "interrupted":
                self._replies.cut()
            case "audio_end":
                self._replies.end_audio()
            case "response":
                self._replies.finish(frame)
            case "history_cleared":
                self._terminal.show(tell("history_cleared"))
            case "disconnected":
                self._hold(frame)
                why = explain("disconnected", text_of(frame, "reason"), text_of(frame, "message"))
                self._terminal.warn(tell("disconnected", why=why))
            case "error":
                self._report_error(frame)
            case _:
                pass  # pong, and what a newer server may add
        self._ledger.receive(frame)
        self._companion.receive(frame)

    def _enter(self, frame: Frame, kind: object) -> None:
        self._character = text_of(frame, "character") or self._character
        self._replies.character = text_of(frame, "character_display_name") or self._character or ""
        if kind == "connected":
            self._terminal.show(tell("connected", character=self._replies.character))
            self._connected.set()
        else:
            self._terminal.show(tell("switched", character=self._replies.character))

    def _report_error(self, frame: Frame) -> None:
        self._hold(frame)
        if self._connected.is_set() and not self._ledger.receive_error(frame):
            return
        error = tell("error", what=explain("error", text_of(frame, "code"), text_of(frame, "message")))
        wait_s = self._hold_until - anyio.current_time()
        self._terminal.warn(tell("error_wait", error=error, seconds=f"{wait_s:.0f}") if wait_s > 0 else error)

    def _hold(self, frame: Frame) -> None:
        wait_ms = frame.get("retry_after_ms")
        if isinstance(wait_ms, int | float) and 0 < wait_ms:
            self._hold_until = anyio.current_time() + min(wait_ms, LONGEST_HOLD_MS) / 1000

    async def hang_up(self) -> None:
        self._companion.close()
        if self._connection is not None:
            with anyio.move_on_after(HANG_UP_S, shield=True), suppress(ConnectionClosed):
                if self._companion.farewell and self._connected.is_set():
                    await self._connection.send(encode({"type": self._companion.farewell}))
                await self._connection.close()
