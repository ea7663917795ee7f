"""One WebSocket connection, as it is read: in slices, no faster than the app takes it and the peer what is sent."""

from enum import Enum, auto
from http import HTTPStatus
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol

from server.config import LimitsConfig
from server.transport.http_protocol import Deadline, Turnstile, discard
from server.transport.security_headers import HEADERS

# Parsed in one go. The smallest frames take 6 bytes each, and up to 20 microseconds: 14 ms.
_SLICE_BYTES = 4 * 1024
_MAX_CONTROL_BYTES = 125  # RFC 6455, 5.5
_SLICE_EVERY_S = 0.02  # of small frames behind a close of ours
_CLOSE_S = 5.0  # how long the answer to a close of ours may take


class Peer(Enum):
    """Who is at the other end."""

    STRANGER = auto()  # may send one message
    INTRODUCED = auto()  # it is looked at: nothing more is read
    ADMITTED = auto()


class Strangers:
    """What those have in common who have not said who they are.

    Whoever was sent away may still answer, is counted nowhere else, and new ones come as fast as they are sent away:
    beyond limits.unauthenticated of these, whoever had longest is cut off.
    """

    def __init__(self, limits: LimitsConfig, turnstile: Turnstile) -> None:
        self.limits = limits
        self.turnstile = turnstile
        self._leaving: dict[PacedWebSocket, None] = {}

    def see_off(self, who: "PacedWebSocket") -> None:
        """One more was sent away. Of users there are not many."""
        who.handshake_complete = True  # also where the app refused it: else that is logged as a fault of the app
        if who.peer is Peer.ADMITTED or who.disconnected:
            return
        self._leaving[who] = None
        if len(self._leaving) > self.limits.unauthenticated:
            first = next(iter(self._leaving))
            del self._leaving[first]
            first.transport.abort()

    def forget(self, who: "PacedWebSocket") -> None:
        """It is gone."""
        self._leaving.pop(who, None)


class PacedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's, which takes all that was read at once, and reads on whatever becomes of it."""

    def __init__(self, strangers: Strangers, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Frames(strangers.limits, self.logger)
        self.close_timeout = _CLOSE_S
        self.strangers = strangers
        self._unread = bytearray()
        self._turn_is_due = False
        self._reader_due = Deadline(self.loop)  # the peer does not read
        self.is_over = False  # nothing that comes is of any interest any more
        self.peer = Peer.STRANGER

    def data_received(self, data: bytes) -> None:
        """Take a slice of it now, the rest later."""
        if self.is_over:
            discard(self.transport, self.loop)
            return
        waiting = bool(self._unread)
        self._unread += data
        if self.peer is not Peer.ADMITTED:
            self.go_on()
        elif not waiting:
            self._take_slice()

    async def receive(self) -> Any:
        """The next event for the app; what is read waits until it has taken those before."""
        event = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self.go_on()
        return event

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
        if self.peer is Peer.STRANGER:
            self.peer = Peer.INTRODUCED

    async def send(self, message: Any) -> None:
        """After a close of ours nothing is kept any more of what still comes."""
        await super().send(message)
        if self.close_sent:
            self.strangers.see_off(self)
            self.conn.max_message_size = _MAX_CONTROL_BYTES
            self.go_on()

    def admit(self) -> None:
        """Whoever is at the other end has said who they are."""
        self.peer = Peer.ADMITTED
        self.go_on()

    def wait_for_reader(self) -> None:
        """Read no more until the peer has read what was sent; it is cut off where it does not."""
        if not self.writable.is_set():
            self._reader_due.begin(self.strangers.limits.send_timeout_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        if self._reader_due.runs:
            self._reader_due.end()
            self.go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is read any more."""
        self._reader_due.end()
        self.strangers.forget(self)
        self._unread.clear()
        super().connection_lost(exc)
        cast(_Frames, self.conn).forget()

    def go_on(self) -> None:
        """Read, or take the next slice, if nothing stands against it."""
        if self.is_over or self.transport.is_closing():
            return
        held = bool(self._unread) or self._holds
        if held and self.transport.is_reading():
            self.transport.pause_reading()
        elif not held and not self.transport.is_reading():
            self.transport.resume_reading()
        if self._unread and not self._turn_is_due:
            self._turn_is_due = True
            if self.close_sent and len(self.conn.reader.buffer) <= _SLICE_BYTES:
                self.loop.call_later(_SLICE_EVERY_S, self._take_slice)
            elif self.peer is Peer.ADMITTED:
                self.loop.call_soon(self._take_slice)
            else:
                self.strangers.turnstile.enter(self.loop, self._take_slice)

    @property
    def _holds(self) -> bool:
        """Whether what came has to wait. At the end nothing does: the answer to our close is behind it."""
        waits = self.read_paused or self._reader_due.runs
        return not self.close_sent and (waits or self.peer is Peer.INTRODUCED)

    def _take_slice(self) -> None:
        self._turn_is_due = False
        if self.is_over or self.transport.is_closing():
            self._unread.clear()
        elif not self._holds:
            data = bytes(self._unread[:_SLICE_BYTES])
            del self._unread[:_SLICE_BYTES]
            super().data_received(data)
            self.go_on()


class _Frames(ServerProtocol):
    """Takes a short message at first, and longer ones after it."""

    def __init__(self, limits: LimitsConfig, logger: Any) -> None:
        super().__init__(max_size=limits.max_first_frame_bytes, logger=logger)
        self._later_bytes = limits.max_frame_bytes
        self._is_first = True

    def recv_frame(self, frame: Frame) -> None:
        """A close between the fragments of a message is a close (RFC 6455, 5.4 and 5.5.1), and no error."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)
        if self._is_first and frame.fin and frame.opcode in DATA_OPCODES:
            self._is_first = False
            self.max_message_size = self._later_bytes

    def forget(self) -> None:
        """Nothing comes any more: what is left need not hold itself, for the collector of garbage to find."""
        self.parser.close()
        self.parser_exc = self.handshake_exc = None

    def send_response(self, response: Response) -> None:
        """A refusal is an answer like any other."""
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            for name, value in HEADERS:
                response.headers.setdefault(name.decode(), value.decode())
        super().send_response(response)
