"""One socket: messages in and out, with a limit on every wait; and the ways in which it ends."""

import re
from collections.abc import Sequence

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from server.protocol import close_codes, codec, wire
from server.protocol.wire import AnyServerFrame, AnyServerMessage, Disconnected, Error, ErrorCode
from server.transport.forwarded import forwarded_by

# How long a client that is being replaced or refused has to take its last frame.
_FAREWELL_S = 0.05
_TOKEN_NAMED = re.compile(rb"(?:^|[&;])[^=&;]*token", re.IGNORECASE)  # as it stands: taken apart, it costs milliseconds


class ConnectionLost(Exception):
    """The other end is gone, or this end may no longer speak: end quietly."""


class HangUp(Exception):
    """End the connection with a last message and a close code."""

    def __init__(self, farewell: Error | Disconnected, code: int) -> None:
        super().__init__(f"{code}: {farewell.message}")
        self.farewell = farewell
        self.code = code


class Connection:
    """A WebSocket whose sends are in order, bounded in time, and can be forbidden for good (`fenced`)."""

    def __init__(self, websocket: WebSocket, send_timeout_s: float) -> None:
        self._websocket = websocket
        self._send_timeout_s = send_timeout_s
        self._lock = anyio.Lock()
        self.fenced = False  # true: nothing is sent any more but a farewell
        self.receives = False  # whether somebody waits for what it sends
        self.origin = websocket.headers.get("origin")  # the page's, where a browser connects
        self.forwarded_by = forwarded_by(websocket.headers.keys())  # the header that shows that a proxy passed it on

    @property
    def address(self) -> str | None:
        """The other end's IP address, where it has one."""
        return self._websocket.client.host if self._websocket.client else None

    @property
    def has_token_in_address(self) -> bool:
        """Whether something like a token stands behind the ? of the address."""
        return _TOKEN_NAMED.search(self._websocket.scope["query_string"]) is not None

    async def accept(self) -> None:
        """Answer the WebSocket handshake."""
        try:
            await self._websocket.accept()
        except (OSError, WebSocketDisconnect) as error:
            raise ConnectionLost from error

    async def receive(self) -> str | bytes:
        """The next frame.

        Raises:
            ConnectionLost: there is none.
        """
        self.receives = True
        try:
            message = await self._websocket.receive()
        finally:
            self.receives = False
        if message["type"] == "websocket.disconnect":
            raise ConnectionLost
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def send(self, message: AnyServerFrame) -> None:
        """Send, waiting for a slow reader as long as is allowed: that wait is what holds the vendors back.

        Raises:
            ConnectionLost: the other end is gone, or this one was fenced.
            HangUp: it does not read.
        """
        frame = codec.encode_audio(message) if isinstance(message, wire.AudioFrame) else codec.encode(message)
        with anyio.move_on_after(self._send_timeout_s) as waiting:
            async with self._lock:
                if self.fenced:
                    raise ConnectionLost
                await self._send_frame(frame)
        if waiting.cancelled_caught:
            raise HangUp(
                Error("This client does not read what is sent to it", "too_slow", retryable=True), close_codes.TOO_SLOW
            )

    def admit(self) -> None:
        """Who this is has been said: from now on whole messages are taken, where the ASGI server knows a difference."""
        self._websocket.scope.get("extensions", {}).get("chatanon.admit", bool)()

    @property
    def lost_unnoticed(self) -> bool:
        """Whether the other end is gone while nobody receives, who would be told. A server that cannot tell says no."""
        return not self.receives and self._websocket.scope.get("extensions", {}).get("chatanon.is_gone", bool)()

    async def refuse(self, code: ErrorCode, sentence: str, *, retryable: bool = False) -> None:
        """Answer with an error; the connection is kept."""
        await self.send(Error(sentence, code, retryable))

    async def hang_up(self, end: HangUp, before: Sequence[AnyServerMessage] = ()) -> None:
        """Last message and close frame; a client that does not take them at once is cut off, where the ASGI server lets
        us. One that is only slow finds them behind all that it still has to read.

        `before`: what is told first, of what it still waits for.
        """
        self.fenced = True
        farewell = [codec.encode(message) for message in (*before, end.farewell)]
        with anyio.move_on_after(_FAREWELL_S, shield=True) as waiting:
            try:
                for frame in farewell:
                    await self._send_frame(frame)
                await self._websocket.close(end.code, close_codes.REASONS[end.code])
            except (ConnectionLost, OSError, RuntimeError):  # gone already
                return
        cut_off = self._websocket.scope.get("extensions", {}).get("chatanon.cut_off")
        if waiting.cancelled_caught and cut_off is not None:
            cut_off(farewell, end.code, close_codes.REASONS[end.code], at_once=end.code != close_codes.TOO_SLOW)

    async def _send_frame(self, frame: str | bytes) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        try:
            await self._websocket.send({"type": "websocket.send", kind: frame})
        except (OSError, WebSocketDisconnect, RuntimeError) as error:  # RuntimeError: sent after the close
            raise ConnectionLost from error
