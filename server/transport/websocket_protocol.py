"""One WebSocket connection: uvicorn's, with a bound on everything that its other end can make it do or keep."""

import socket
from asyncio import TimerHandle
from collections.abc import Sequence
from typing import Any, cast

import anyio
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.server import ServerProtocol

from server.config import LimitsConfig
from server.protocol import codec, wire
from server.transport.http_protocol import LINGER_S
from server.transport.rate_limits import TokenBucket

_ESTABLISHED = 1  # of Linux's struct tcp_info: no side has closed
# Parsed in one go. The smallest frame takes 6 bytes and about 7 microseconds: 20 ms.
_SLICE_BYTES = 16 * 1024
# More fragments than this are no message but an attack: each empty one costs memory and counts for nothing elsewhere.
_MAX_FRAGMENTS = 1024


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """Takes what comes in slices, and reads on only when the app has taken it and the peer takes what is sent.

    It is larger than its neighbours, because each callback of uvicorn's protocol that does not look at a limit is
    replaced here.
    """

    def __init__(self, limits: LimitsConfig, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A stranger may send no more than their first message; `admit` lets the others.
        self.conn = _Frames(max_size=limits.max_first_frame_bytes, logger=self.logger)
        self._limits = limits
        self._control = TokenBucket(limits.control_frames_per_second, limits.control_frames_burst, self.loop.time())
        self._unread = bytearray()
        self._turn_is_due = False
        self._unwritable: TimerHandle | None = None  # its pongs wait; until when

    # ------------------------------------------------------------ reading

    def data_received(self, data: bytes) -> None:
        """Take a slice of it now, the rest later."""
        waiting = bool(self._unread)
        self._unread += data
        if not waiting:
            self._take_slice()

    async def receive(self) -> Any:
        """The next event for the app; what is read waits until it has taken those before."""
        event = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._go_on()
        return event

    def _take_slice(self) -> None:
        self._turn_is_due = False
        if (self.read_paused and not self.close_sent) or self._unwritable or self.transport.is_closing():
            return
        data = bytes(self._unread[:_SLICE_BYTES])
        del self._unread[:_SLICE_BYTES]
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self._refuse_upgrade()
        self._go_on()

    def _go_on(self) -> None:
        """Read, or take the next slice, if nothing stands against it."""
        if self.transport.is_closing():
            return
        held = bool(self._unread) or self.read_paused or self._unwritable is not None
        if held and self.transport.is_reading():
            self.transport.pause_reading()
        elif not held and not self.transport.is_reading():
            self.transport.resume_reading()
        if self._unread and not self._turn_is_due:
            self._turn_is_due = True
            self.loop.call_soon(self._take_slice)

    def send_receive_event_to_app(self) -> None:
        """A message is whole. One that is no text though it says so ends the connection without a traceback."""
        if self.curr_msg_data_type == "text" and not self.close_sent:
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self.conn.fail(CloseCode.INVALID_DATA, "not UTF-8")
                self.handle_parser_exception()
                return
        super().send_receive_event_to_app()

    def _refuse_upgrade(self) -> None:
        if not self.conn.writes:
            self.conn.send_response(self.conn.reject(400, "This is no WebSocket handshake.\n"))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self._linger()

    # ------------------------------------------------------------ events of the WebSocket

    def handle_connect(self, event: Any) -> None:
        """Offer what ASGI has not to the app, in the scope of the connection."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            extensions = cast(dict[str, Any], scope)["extensions"]
            extensions["chatanon.cut_off"], extensions["chatanon.is_gone"] = self.cut_off, self.is_gone
            extensions["chatanon.admit"] = self.admit

    def handle_cont(self, event: Frame) -> None:
        """A fragment. RFC 6455, 7.4.1: 1008 is for a message that violates a policy."""
        if len(self.frames) >= _MAX_FRAGMENTS:
            self._violates("too many fragments")
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Who does not read their pongs is not read from; then they are cut off."""
        if not self._may_control():
            return
        super().handle_ping()
        if not self.writable.is_set() and self._unwritable is None:
            self._unwritable = self.loop.call_later(self._limits.send_timeout_seconds, self.transport.abort)

    def handle_pong(self, event: Frame) -> None:
        """One of ours is answered, or nobody asked."""
        if self._may_control():
            super().handle_pong(event)

    def handle_events(self) -> None:
        """Nothing that came behind what ended the connection."""
        if not self.close_sent or self.conn.close_rcvd is not None:
            super().handle_events()
        else:
            self.conn.events_received()

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._unwritable is not None:
            self._unwritable.cancel()
            self._unwritable = None
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is read any more."""
        if self._unwritable is not None:
            self._unwritable.cancel()
        self._unread.clear()
        super().connection_lost(exc)

    def _may_control(self) -> bool:
        if self.close_sent:
            self.conn.data_to_send()
            return False
        if self._control.retry_after_ms(self.loop.time()) is None:
            return True
        self._violates("too many control frames")
        return False

    def _violates(self, what: str) -> None:
        self.conn.data_to_send()  # a pong that is one too many
        self.conn.fail(CloseCode.POLICY_VIOLATION, what)
        self.handle_parser_exception()

    # ------------------------------------------------------------ the end

    def handle_parser_exception(self) -> None:
        """Say why, then let what is still under way arrive: a socket closed over unread data loses the close frame."""
        if self.close_timer is None and self.conn.close_sent is not None:
            closed = self.conn.close_sent
            self.queue.put_nowait({"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason})
            if isinstance(self.conn.parser_exc, PayloadTooBig):
                self.transport.write(self._too_big())
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self._linger()

    def _too_big(self) -> bytes:
        sentence = f"The frame has more than {self.conn.max_message_size} bytes"
        refusal = codec.encode(wire.Error(sentence, "message_too_big", retryable=False))
        return Frame(Opcode.TEXT, refusal.encode()).serialize(mask=False)

    def _linger(self) -> None:
        self.read_paused = False
        self._go_on()
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)

    # ------------------------------------------------------------ for the app

    def admit(self) -> None:
        """Whoever is at the other end has said who they are."""
        self.conn.max_message_size = self._limits.max_frame_bytes

    def is_gone(self) -> bool:
        """Whether the other end has closed its side; for an app that does not read, and so is not told."""
        if self.transport.is_closing():
            return True
        sock = self.transport.get_extra_info("socket")
        if not hasattr(socket, "TCP_INFO") or sock.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        state: int = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state != _ESTABLISHED

    def cut_off(self, farewell: Sequence[str], code: int, reason: str, *, at_once: bool) -> None:
        """End a transport whose buffer is full: at once, or with last words behind what waits there."""
        if at_once:
            self.transport.abort()
        elif not self.close_sent and not self.transport.is_closing():
            for frame in farewell:
                self.conn.send_text(frame.encode())
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()


class _Frames(ServerProtocol):
    def recv_frame(self, frame: Frame) -> None:
        """A close between the fragments of a message is a close (RFC 6455, 5.5.1 and 5.4), and no error."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)
