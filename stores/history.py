"""Turns of a conversation in, its newest messages out: the HistoryStore Protocol, and a store that lives in memory."""

import itertools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from services.base import Line

MEMORY_MESSAGES = 2000  # per user and character, the oldest go first: ten times what `get_history` may ask for


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """Whose talk with whom. `token_hash` is the SHA-256 of the token in 64 hex digits, kept out of the repr."""

    token_hash: str = field(repr=False)
    character: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as it was said. The user's text is in `content_cn`; `lines` are the sentences of a reply."""

    id: int  # grows with time, never used twice, also not after `clear`
    turn_id: str
    role: Literal["user", "assistant"]
    content_cn: str
    content_jp: str | None
    emotion: str | None
    lines: tuple[Line, ...]
    at: datetime  # UTC, whole milliseconds
    cut: bool  # the turn was ended from outside before its reply was whole


@dataclass(frozen=True, slots=True)
class FinishedTurn:
    """Both sides of a turn, as they are to be kept: the reply sentence by sentence, and as the user got it whole."""

    id: str
    user_text: str
    lines: Sequence[Line]
    content_cn: str
    content_jp: str
    emotion: str
    cut: bool = False


class HistoryUnavailable(Exception):
    """The history cannot be read or written now; str(error) is one sentence, without a path or a statement."""


class HistoryStore(Protocol):
    """What users and characters said to each other. Every method ends in bounded time or raises HistoryUnavailable."""

    async def append_turn(self, key: HistoryKey, turn: FinishedTurn) -> None:
        """Keep both sides of a turn, or neither; durable on return. Without lines only the user's text is kept."""
        ...

    async def newest(self, key: HistoryKey, limit: int, before: int | None = None) -> tuple[list[StoredMessage], bool]:
        """At most `limit` messages, older than the id `before`, oldest first, and whether there are older ones."""
        ...

    async def clear(self, key: HistoryKey) -> None:
        """Forget this user's talk with this character."""
        ...


def utc_now() -> datetime:
    """The present, cut to whole milliseconds as the wire shows it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


class MemoryHistory:
    """A HistoryStore that ends with the process, and is never unavailable."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._conversations: dict[HistoryKey, deque[StoredMessage]] = {}

    async def append_turn(self, key: HistoryKey, turn: FinishedTurn) -> None:
        at = utc_now()
        conversation = self._conversations.setdefault(key, deque(maxlen=MEMORY_MESSAGES))
        conversation.append(
            StoredMessage(next(self._ids), turn.id, "user", turn.user_text, None, None, (), at, turn.cut)
        )
        if turn.lines:
            reply = (turn.content_cn, turn.content_jp, turn.emotion, tuple(turn.lines))
            conversation.append(StoredMessage(next(self._ids), turn.id, "assistant", *reply, at, turn.cut))

    async def newest(self, key: HistoryKey, limit: int, before: int | None = None) -> tuple[list[StoredMessage], bool]:
        conversation = [
            message for message in self._conversations.get(key, ()) if before is None or message.id < before
        ]
        return conversation[max(0, len(conversation) - limit) :], len(conversation) > limit

    async def clear(self, key: HistoryKey) -> None:
        self._conversations.pop(key, None)
