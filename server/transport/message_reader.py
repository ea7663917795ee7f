"""Frames of one connection in, messages out; what is none is answered here."""

import anyio

from server.config import LimitsConfig
from server.protocol import close_codes, codec, wire
from server.protocol.extensions import EXTENSION_OF, Extensions
from server.transport.connection import Connection, HangUp
from server.transport.rate_limits import RateLimits


class MessageReader:
    """The next message of a connected client; never anything that is not one."""

    def __init__(
        self,
        connection: Connection,
        limits: LimitsConfig,
        rates: RateLimits,
        session_id: str,
        extensions: Extensions,
    ) -> None:
        self._connection = connection
        self._limits = limits
        self._rates = rates
        self._session_id = session_id
        self._extensions = extensions

    async def next(self) -> wire.AnyClientFrame | None:
        """The next frame's message; None where it was none, and an error was the answer.

        Raises:
            ConnectionLost: the client is gone.
            HangUp: the frame is too big, or there were too many that were no messages.
        """
        frame = await self._connection.receive()
        try:
            return self._decode(frame)
        except codec.WireError as error:
            refusal = wire.Error(str(error), error.code, retryable=False)
            if error.code in ("bad_json", "bad_message") and self._too_many_errors():
                raise HangUp(refusal, close_codes.BAD_HANDSHAKE) from None
            await self._connection.send(refusal)
            return None

    def _decode(self, frame: str | bytes) -> wire.AnyClientFrame:
        check_frame_size(frame, self._limits.max_frame_bytes)
        if is_longer(frame, self._limits.max_other_frame_bytes) and not codec.is_batch_audio(frame):
            check_frame_size(frame, self._limits.max_other_frame_bytes)
        if isinstance(frame, bytes) and "binary_audio" in self._extensions:
            return codec.decode_audio(frame)
        message = decode_frame(frame)
        needed = EXTENSION_OF.get(type(message))
        if needed is not None and needed not in self._extensions:
            raise codec.WireError("unknown_type", f"This message belongs to the extension {needed!r}, not granted here")
        return message

    def _too_many_errors(self) -> bool:
        return self._rates.retry_after_ms("protocol_errors", self._session_id, anyio.current_time()) is not None


def decode_frame(frame: str | bytes) -> wire.AnyClientMessage:
    """A frame as a message.

    Raises:
        WireError: it is none.
    """
    if isinstance(frame, bytes):
        raise codec.WireError("bad_message", "Messages are text frames; binary ones need the extension binary_audio")
    return codec.decode(frame)


def is_longer(frame: str | bytes, limit: int) -> bool:
    """Whether a frame has more bytes than this; they are counted only where its characters do not tell."""
    if isinstance(frame, bytes) or len(frame) > limit or len(frame) * 4 <= limit:
        return len(frame) > limit
    return len(frame.encode("utf-8", "surrogatepass")) > limit


def check_frame_size(frame: str | bytes, limit: int) -> None:
    """End the connection over a frame that is too big."""
    if is_longer(frame, limit):
        refusal = wire.Error(f"The frame has more than {limit} bytes", "message_too_big", retryable=False)
        raise HangUp(refusal, close_codes.TOO_BIG)
