"""Who reads one line, and when: several wait for what comes on it, none of them a task of its own for that.

Whoever comes first reads for all. Once there is more audio than a listener can have heard, what comes is left to gather
for a moment: taking ten messages at once costs little more than taking one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

import anyio

from services.vendors.minimax.texts import Text

AHEAD_S = 1.0  # of audio; with less than that in hand every message is taken as it comes
REST_S = 0.2
LEAST_REST_S = 0.02  # a shorter one gathers nothing


class Readers:
    """Those who wait for their texts on one line."""

    def __init__(self) -> None:
        self._reading = False
        self._waiting: dict[Text, asyncio.Future[None]] = {}

    async def settle(self, text: Text, read: Callable[[], Awaitable[None]]) -> None:
        """Wait until there is something of this text. `read` takes one message, whosever it is."""
        try:
            while not text.settled:
                if self._reading:
                    await self._wait(text)
                else:
                    await self._read(read)
        finally:
            if not self._reading:
                self._call_next()

    async def _read(self, read: Callable[[], Awaitable[None]]) -> None:
        self._reading = True
        try:
            await read()
        finally:
            self._reading = False
            for text, called in self._waiting.items():
                if text.settled and not called.done():
                    called.set_result(None)

    async def _wait(self, text: Text) -> None:
        called = self._waiting[text] = asyncio.get_running_loop().create_future()
        try:
            await called
        finally:
            del self._waiting[text]

    def _call_next(self) -> None:
        """Somebody has to read. Who was called and has not come yet will see to it."""
        if not any(called.done() for called in self._waiting.values()):
            for called in self._waiting.values():
                called.set_result(None)
                break


class Leisure:
    """How far the audio of one line is ahead of whoever listens to it from its first sample on."""

    def __init__(self, sample_rate_hz: int, longest_s: float) -> None:
        """`longest_s`: of a rest."""
        self._bytes_per_s = 2 * sample_rate_hz
        self._longest_s = min(REST_S, longest_s)
        self._heard_out_at = 0.0
        self._taking = False  # what gathered is being taken; the loop has done nothing else since

    def end(self) -> None:
        """Nobody listens any more to what was handed on."""
        self._heard_out_at = 0.0

    def handed_on(self, size: int) -> None:
        """So much more audio was."""
        self._heard_out_at = max(self._heard_out_at, monotonic()) + size / self._bytes_per_s

    async def rest(self) -> None:
        """Let messages gather, if there is time for that."""
        if self._taking:
            return
        rest_s = min(self._longest_s, self._heard_out_at - monotonic() - AHEAD_S)
        if rest_s >= LEAST_REST_S:
            await anyio.sleep(rest_s)
            self._taking = True
            asyncio.get_running_loop().call_soon(self._taken)

    def _taken(self) -> None:
        self._taking = False
