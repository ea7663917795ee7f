"""A token's hash in, a claim on it out: at any moment at most one claim of a token is live, the newest.

A claim is a number in a register, not a lock: the newcomer never waits for the old one's consent. It takes the old
one's right away, gives it a bounded time to fall silent, and goes on. Everything is given back by (token, epoch), so
that the clean-up of an old connection can never harm the new one.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.lowlevel
import structlog

EVICTION_SECONDS = 1.0  # then the old one counts as lost, whatever it does


@dataclass(frozen=True, slots=True)
class Claim:
    """A right to speak for a token. `token_hash` is kept out of the repr; `epoch` grows from claim to claim."""

    token_hash: str = field(repr=False)
    epoch: int


class Presence(Protocol):
    """Who holds a token."""

    async def claim(self, token_hash: str, on_lost: Callable[[], Awaitable[None]]) -> Claim:
        """Take the token from whoever has it; on return every earlier holder can no longer send.

        `on_lost` is awaited once when a later claim takes the token, in the task of that later claimer and not after a
        release; `holds` is false by then. It shall fence first and take leave second: after EVICTION_SECONDS it is
        cancelled, and nobody waits for the rest.
        """
        ...

    async def release(self, claim: Claim) -> None:
        """Give the token back. A claim that was taken or given back before changes nothing."""
        ...

    def holds(self, claim: Claim) -> bool:
        """Whether this claim is still the live one."""
        ...


@dataclass(slots=True, eq=False)
class _Seat:
    """One token: its holder, and the queue of those who want it. An anyio lock hands over in order of arrival."""

    queue: anyio.Lock = field(default_factory=anyio.Lock)
    claimers: int = 0  # in the queue, and at its head
    holder: Claim | None = None
    on_lost: Callable[[], Awaitable[None]] | None = None


class InProcessPresence:
    """Presence for one process."""

    def __init__(self, eviction_seconds: float = EVICTION_SECONDS) -> None:
        self._eviction_seconds = eviction_seconds
        self._epochs = itertools.count(1)
        self._seats: dict[str, _Seat] = {}  # only tokens that are held or wanted

    async def claim(self, token_hash: str, on_lost: Callable[[], Awaitable[None]]) -> Claim:
        seat = self._seats.setdefault(token_hash, _Seat())
        seat.claimers += 1
        try:
            async with seat.queue:
                await self._evict(seat)
                # The eviction is shielded; who was cancelled meanwhile takes nothing. From here on nothing waits.
                await anyio.lowlevel.checkpoint_if_cancelled()
                seat.holder, seat.on_lost = Claim(token_hash, next(self._epochs)), on_lost
                return seat.holder
        finally:
            seat.claimers -= 1
            self._forget_if_empty(token_hash, seat)

    async def release(self, claim: Claim) -> None:
        seat = self._seats.get(claim.token_hash)
        if seat is not None and seat.holder == claim:
            seat.holder = seat.on_lost = None
            self._forget_if_empty(claim.token_hash, seat)

    def holds(self, claim: Claim) -> bool:
        seat = self._seats.get(claim.token_hash)
        return seat is not None and seat.holder == claim

    async def _evict(self, seat: _Seat) -> None:
        lost, on_lost = seat.holder, seat.on_lost
        if lost is None or on_lost is None:
            return
        seat.holder = seat.on_lost = None  # first: from now on the old one holds nothing
        log = structlog.get_logger(__name__).bind(token=lost.token_hash[:8], epoch=lost.epoch)
        # Shielded: were the newcomer's cancellation to cut this short, the next one would find nobody to evict, and
        # the old one could still be sending.
        with anyio.move_on_after(self._eviction_seconds, shield=True) as gate:
            try:
                await on_lost()
            except Exception:  # a border: whatever breaks in the old session, the new one comes in
                log.exception("eviction_failed")
        if gate.cancelled_caught:
            log.warning("eviction_timed_out", seconds=self._eviction_seconds)

    def _forget_if_empty(self, token_hash: str, seat: _Seat) -> None:
        if seat.holder is None and not seat.claimers:
            del self._seats[token_hash]
