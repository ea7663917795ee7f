"""Frames of one connection in, messages out; what is none is answered here."""

from time import monotonic
from typing import Final, TypeAlias

import anyio
import anyio.to_thread

from server.config import LimitsConfig
from server.protocol import close_codes, codec, wire
from server.protocol.extensions import EXTENSION_OF, Extensions
from server.transport.connection import Connection, HangUp
from server.transport.flood_limit import FloodLimit
from server.transport.rate_limits import RateLimits

# These have a limit of their own, which looks at how much sound is in them: server/session/modes/chunk_rate.py.
_Chunk: TypeAlias = wire.AudioStreamChunk | wire.AgentAudioChunk | wire.VoiceCallAudioChunk | wire.AudioFrame
# Large frames are read beside the loop, and one at a time: however many users send one, a single thread competes with
# the loop for the interpreter.
_LARGE: Final = anyio.CapacityLimiter(1)


class _Refused(Exception):
    """A frame that becomes no message; `error` is the answer."""

    def __init__(self, error: wire.Error) -> None:
        super().__init__(error.message)
        self.error = error


class MessageReader:
    """The next message of a connected client; never anything that is not one, and never too many."""

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
        self._flood = FloodLimit(limits.messages_per_second, limits.messages_burst, "Too many messages; slow down")
        self._handed_at = monotonic()

    async def next(self) -> wire.AnyClientFrame | None:
        """The next frame's message; None where it was none, and an error was the answer.

        Raises:
            ConnectionLost: the client is gone.
            HangUp: the frame is too big, there were too many, or too many that were no messages.
        """
        self._flood.waited_s = monotonic() - self._handed_at
        try:
            return await self._read(await self._connection.receive())
        except _Refused as refused:
            await self._connection.send(refused.error)
            return None
        finally:
            self._handed_at = monotonic()

    async def _read(self, frame: str | bytes) -> wire.AnyClientFrame:
        check_frame_size(frame, self._limits.max_frame_bytes)
        large = is_longer(frame, self._limits.max_other_frame_bytes)
        if large:  # it costs as many as it could have been, and that before it is looked at
            self._count(1 + len(frame) // self._limits.max_other_frame_bytes)
        try:
            if large:
                return await anyio.to_thread.run_sync(self._decode_large, frame, limiter=_LARGE)
            message = self._decode(frame)
        except codec.WireError as error:
            refusal = wire.Error(str(error), error.code, retryable=False)
            is_fault = error.code in ("bad_json", "bad_message") or (large and error.code == "bad_audio")
            if is_fault and self._too_many_errors():
                raise HangUp(refusal, close_codes.BAD_HANDSHAKE) from None
            if not large:
                self._count()
            raise _Refused(refusal) from None
        if not isinstance(message, _Chunk):
            self._count()
        return message

    def _count(self, cost: int = 1) -> None:
        refusal = self._flood.refusal(cost)
        if refusal is not None:
            raise _Refused(refusal)

    def _decode_large(self, frame: str | bytes) -> wire.AnyClientFrame:
        if not codec.is_batch_audio(frame):
            check_frame_size(frame, self._limits.max_other_frame_bytes)
        return self._decode(frame)

    def _decode(self, frame: str | bytes) -> wire.AnyClientFrame:
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
