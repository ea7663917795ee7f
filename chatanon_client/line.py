"""One connection from its handshake to its end: requests out, one at a time; what the server says in, as events."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from chatanon_client.connection import how_it_ended
from chatanon_client.errors import SERVER_SILENT, ChatAnonError
from chatanon_client.events import AgentListening, Connected, Disconnected, Event
from chatanon_client.ledger import Ledger
from chatanon_client.turns import Answer, Request, Turn
from chatanon_client.wire import audio_field, binary_frame, read, text_frame

HANDSHAKE_S = 15.0  # from the open socket to `connected`
START_S = 60.0  # from a start to the server's leave to send sound: it may let a reply be heard to its end before
TIMED_OUT = 4004  # the wire's close code for who does not answer
LONGEST_HOLD_MS = 3_600_000
CHUNK_BYTES = 32_000  # a second at 16 kHz; the server takes twice as much


class Outbox:
    """Requests that were not sent yet; they outlive a connection. Held while the server asks for silence."""

    def __init__(self) -> None:
        self._requests: deque[Request[Any]] = deque()
        self._news = asyncio.Event()
        self._hold_until = 0.0  # of the loop's clock

    def __len__(self) -> int:
        return len(self._requests)

    def put(self, request: Request[Any]) -> None:
        self._requests.append(request)
        self._news.set()

    def take(self) -> Request[Any]:
        return self._requests.popleft()

    def hold(self, wait_ms: float) -> None:
        if wait_ms > 0:
            self._hold_until = asyncio.get_running_loop().time() + min(wait_ms, LONGEST_HOLD_MS) / 1000

    @property
    def held_s(self) -> float:
        return max(0.0, self._hold_until - asyncio.get_running_loop().time())

    async def wait(self) -> None:
        """Until there is one that may be sent."""
        while not self._requests:
            self._news.clear()
            await self._news.wait()
        await asyncio.sleep(self.held_s)


class Line:
    """An open connection. `ledger`: what was asked over it."""

    def __init__(self, socket: ClientConnection, outbox: Outbox, tell: Callable[[Event], object]) -> None:
        self.ledger = Ledger()
        self.extensions: tuple[str, ...] = ()
        self._socket = socket
        self._outbox = outbox
        self._tell = tell
        self._connected = asyncio.Event()
        self._sample_rate = Connected().audio_sample_rate
        self._farewell: ChatAnonError | None = None

    @property
    def is_ready(self) -> bool:
        return self._connected.is_set() and self._socket.state is State.OPEN

    async def talk(self, greeting: str) -> ChatAnonError:
        """To the end of the connection; why it ended."""
        sender = asyncio.create_task(self._send_requests(), name="chatanon_client sends")
        try:
            with suppress(ConnectionClosed):
                await self._socket.send(greeting)
                async for received in self._socket:
                    self._receive(received)
        finally:
            sender.cancel()
            await asyncio.wait([sender])
        return how_it_ended(self._socket, self._farewell)

    async def send(self, data: str | bytes) -> bool:
        """False: there is no connection any more; `talk` learns of it as well."""
        try:
            await self._socket.send(data)
        except ConnectionClosed:
            return False
        return True

    async def ask_beside(self, request: Request[Answer]) -> Answer:
        """What is answered at once, also in the middle of a turn."""
        self.ledger.ask_beside(request)
        await self.send(request.text)
        return await request

    async def send_sound(self, kind: str, pcm: bytes) -> bool:
        sent = True
        for start in range(0, len(pcm), CHUNK_BYTES):
            piece = pcm[start : start + CHUNK_BYTES]
            binary = "binary_audio" in self.extensions
            sent = sent and await self.send(binary_frame(piece) if binary else text_frame(kind, **audio_field(piece)))
        return sent

    async def close(self) -> None:
        await self._socket.close()

    async def _send_requests(self) -> None:
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                await self._connected.wait()
        except TimeoutError:
            await self._give_up("no answer to connect")
            return
        while True:
            await self._outbox.wait()
            if not self.is_ready:
                return  # it stays in the outbox
            request = self._outbox.take()
            self.ledger.ask(request)
            request.was_sent = True
            await self.send(request.text)
            if not (isinstance(request, Turn) and request.has_rest):
                request.on_sent()
            await self._wait_started(request)
            await request.wait_done()

    async def _wait_started(self, request: Request[Any]) -> None:
        """A start that is not answered would be waited for with all that follows it."""
        try:
            async with asyncio.timeout(START_S):
                if isinstance(request, Turn) and request.kind == "stream":
                    await request.started.wait()
                elif request.answer is AgentListening:
                    await request.wait_done()
        except TimeoutError:
            await self._give_up("no answer to a start")

    async def _give_up(self, why: str) -> None:
        self._farewell = ChatAnonError(SERVER_SILENT, why)
        await self._socket.close(TIMED_OUT, why)

    def _receive(self, received: str | bytes) -> None:
        event = read(received, self._sample_rate)
        match event:
            case Connected():
                self.extensions = event.extensions
                self.ledger.ends_itself = "stages" in event.extensions
                self._sample_rate = event.audio_sample_rate
                self._connected.set()
            case Disconnected(reason=code, message=message, retry_after_ms=wait_ms):
                self._farewell = ChatAnonError(code, message, retry_after_ms=wait_ms)
                self._outbox.hold(wait_ms)
            case ChatAnonError(retry_after_ms=wait_ms):
                self._farewell = event
                self._outbox.hold(wait_ms)
        if self.ledger.receive(event):
            self._tell(event)
