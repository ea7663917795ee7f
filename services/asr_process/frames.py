"""Frames between the server and its ASR process, bytes to typed frames and back, sans-IO: no pipe, no clock.

A frame is the length of the rest (4 bytes), what it is (1 byte), which recognition it concerns (4 bytes), its payload.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

_HEAD = struct.Struct(">IBI")
_LENGTH = 4


class Kind(IntEnum):
    """What a frame is; to the process first, from it last. What a payload says is between a vendor and its process."""

    SETUP = 1  # once, before all else
    OPEN = 2  # an utterance, and what is known of it
    AUDIO = 3  # pcm
    FINISH = 4
    CLOSE = 5
    READY = 6
    HEARD = 7
    FAILED = 8  # why, for the log; of this utterance alone


@dataclass(frozen=True, slots=True)
class Frame:
    """`recognition` is 0 where the frame concerns none."""

    kind: Kind
    recognition: int = 0
    payload: bytes = b""

    def encode(self) -> bytes:
        head = _HEAD.pack(_HEAD.size - _LENGTH + len(self.payload), self.kind, self.recognition)
        return head + self.payload


class FrameReader:
    """Bytes of any number in, the frames that are whole out."""

    def __init__(self) -> None:
        self._read = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._read += data
        while len(self._read) >= _HEAD.size:
            length, kind, recognition = _HEAD.unpack_from(self._read)
            end = _LENGTH + length
            if len(self._read) < end:
                break
            payload = bytes(self._read[_HEAD.size : end])
            del self._read[:end]
            yield Frame(Kind(kind), recognition, payload)
