"""One WebSocket connection: uvicorn's, with a bound on everything that its other end can make it do or keep."""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast
from weakref import WeakMethod

from websockets.exceptions import PayloadTooBig
from websockets.frames import Close, CloseCode, Frame, Opcode

from server.protocol import close_codes, codec, wire
from server.transport.http_protocol import LINGER_S
from server.transport.rate_limits import TokenBucket
from server.transport.websocket_reading import PacedWebSocket, Strangers

_ESTABLISHED = 1  # of Linux's struct tcp_info: no side has closed
# More fragments than this are no message but an attack where they are nearly empty: each costs memory, and its size
# counts for nothing elsewhere.
_MAX_FRAGMENTS = 1024
_LEAST_FRAGMENT_BYTES = 256


class LimitedWebSocket(PacedWebSocket):
    """Fragments and control frames are counted, each end is told, and the app can do what ASGI has no words for."""

    def __init__(self, strangers: Strangers, *args: Any, **kwargs: Any) -> None:
        super().__init__(strangers, *args, **kwargs)
        limits = strangers.limits
        self._control = TokenBucket(limits.control_frames_per_second, limits.control_frames_burst, self.loop.time())

    def handle_connect(self, event: Any) -> None:
        """Offer what ASGI has not to the app, in the scope of the connection."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            cast(dict[str, Any], scope)["extensions"] |= {
                "chatanon.cut_off": _weakly(self.cut_off),
                "chatanon.is_gone": partial(_is_gone, self.transport),
                "chatanon.admit": _weakly(self.admit),
            }

    def handle_events(self) -> None:
        """A request that is no handshake is refused. Of what came behind our own close frame only the answer counts."""
        if self.conn.handshake_exc is not None and not self.is_over:
            if not self.conn.writes:
                self.conn.send_response(self.conn.reject(400, "This is no WebSocket handshake.\n"))
            self._end()
        elif self.close_sent and self.conn.close_rcvd is None:
            self.conn.events_received()
        else:
            super().handle_events()

    def handle_cont(self, event: Frame) -> None:
        """A fragment. RFC 6455, 7.4.1: 1008 is for a message that violates a policy."""
        count = len(self.frames)
        if count and not count % _MAX_FRAGMENTS and sum(map(len, self.frames)) < count * _LEAST_FRAGMENT_BYTES:
            self._violates("bad_message", "too many fragments")
        else:
            super().handle_cont(event)

    def handle_ping(self) -> None:
        """Who does not read their pongs is not read from."""
        if self._may_control():
            super().handle_ping()
            self.wait_for_reader()

    def handle_pong(self, event: Frame) -> None:
        """One of ours is answered, or nobody asked."""
        if self._may_control():
            super().handle_pong(event)

    def handle_parser_exception(self) -> None:
        """Say why, then let what is still under way arrive: a socket closed over unread data loses the close frame."""
        if self.close_timer is None:
            assert self.conn.close_sent is not None
            closed = self.conn.close_sent
            self.queue.put_nowait({"type": "websocket.disconnect", "code": closed.code, "reason": closed.reason})
            if isinstance(self.conn.parser_exc, PayloadTooBig):
                self.conn.writes = _too_big(self.conn.max_message_size)
            self._end()
        else:
            self._drop_the_rest()  # in it the answer to our close cannot be found any more

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

    def _may_control(self) -> bool:
        if self._control.retry_after_ms(self.loop.time()) is None:
            return True
        if not self.close_sent:
            self._violates("rate_limited", "too many control frames")
        return False

    def _violates(self, code: wire.ErrorCode, what: str) -> None:
        refusal = wire.Error(f"This connection sends {what}", code, retryable=False)
        self.conn.writes = [_text(refusal)]  # in place of the pongs of this slice
        self.conn.fail(CloseCode.POLICY_VIOLATION, what)
        self.handle_parser_exception()

    def _end(self) -> None:
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.close)
        self.strangers.see_off(self)
        self._drop_the_rest()

    def _drop_the_rest(self) -> None:
        self.is_over = True
        if not self.transport.is_closing() and not self.transport.is_reading():
            self.transport.resume_reading()


def _too_big(most_bytes: int | None) -> list[bytes]:
    refusal = wire.Error(f"The frame has more than {most_bytes} bytes", "message_too_big", retryable=False)
    close = Close(close_codes.TOO_BIG, close_codes.REASONS[close_codes.TOO_BIG])
    return [_text(refusal), Frame(Opcode.CLOSE, close.serialize()).serialize(mask=False)]


def _text(refusal: wire.Error) -> bytes:
    return Frame(Opcode.TEXT, codec.encode(refusal).encode()).serialize(mask=False)


def _weakly(method: Callable[..., None]) -> Callable[..., None]:
    """A method that does not keep its socket: held by its own scope, it would be left to the collector of garbage."""
    found = WeakMethod(method)

    def call(*args: Any, **kwargs: Any) -> None:
        if (method := found()) is not None:
            method(*args, **kwargs)

    return call


def _is_gone(transport: Any) -> bool:
    """Whether the other end has closed its side; for an app that does not read, and so is not told."""
    if transport.is_closing():
        return True
    sock = transport.get_extra_info("socket")
    if not hasattr(socket, "TCP_INFO") or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    state: int = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != _ESTABLISHED
