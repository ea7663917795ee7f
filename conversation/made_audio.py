"""Pieces of one sentence's audio in, as its voice makes them; all that is there at once out, as it is delivered."""

from collections import deque

import anyio


class MadeAudio:
    """Made and not delivered yet. One makes it, and one takes it."""

    def __init__(self, most_pieces: int) -> None:
        self._most_pieces = most_pieces
        self._pieces: deque[bytes] = deque()
        self._whole = False
        self._changed: anyio.Event | None = None  # somebody waits

    async def put(self, pcm: bytes) -> None:
        """One more piece; a voice that is too far ahead waits."""
        while len(self._pieces) >= self._most_pieces:
            await self._change()
        self._pieces.append(pcm)
        self._tell()

    def end(self) -> None:
        """There will be no more."""
        self._whole = True
        self._tell()

    async def take(self) -> bytes:
        """All that is there, as soon as there is any; b"" at the end."""
        while not self._pieces and not self._whole:
            await self._change()
        pcm = b"".join(self._pieces)
        self._pieces.clear()
        self._tell()
        return pcm

    @property
    def ended(self) -> bool:
        """Whether nothing is left to take."""
        return self._whole and not self._pieces

    async def _change(self) -> None:
        self._changed = self._changed or anyio.Event()
        await self._changed.wait()

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
