"""One user's part of the history: kept, recalled, shown and forgotten; and what they are told when it cannot be."""

from collections.abc import Awaitable, Callable, Sequence

import anyio
import structlog
from msgspec import UNSET

from conversation.prompt import Remembered, as_reply
from conversation.reply.joining import join_sentences, reply_emotion
from server.protocol import wire
from services.base import Line, Message
from stores.history import FinishedTurn, HistoryKey, HistoryStore, HistoryUnavailable, StoredMessage

log = structlog.get_logger()

# More than fit any token budget that is sensible for speech; the budget itself is llm.context_tokens.
_MESSAGES_RECALLED = 200
_MESSAGES_FOR_HEARING = 6


class UserHistory:
    """What this user and each character said to each other."""

    def __init__(
        self, store: HistoryStore, token_hash: str, send: Callable[[wire.AnyServerMessage], Awaitable[None]]
    ) -> None:
        self._store = store
        self._token_hash = token_hash
        self._send = send
        self._told = False

    async def recall(self, character: str, *, tells: bool = True) -> list[Remembered]:
        """The newest messages, oldest first; none where the store cannot be read. `tells`: the user, that it cannot."""
        try:
            messages, _ = await self._store.newest(self._key(character), _MESSAGES_RECALLED)
        except HistoryUnavailable as error:
            self._log(error, "read")
            if tells:
                await self.tell_unavailable()
            return []
        return [Remembered(_as_prompt(message), message.cut) for message in messages]

    async def said_before(self, character: str) -> tuple[str, ...]:
        """What the two said last, newest first, as an ASR is told it; nothing where it cannot be read."""
        try:
            messages, _ = await self._store.newest(self._key(character), _MESSAGES_FOR_HEARING)
        except HistoryUnavailable as error:
            self._log(error, "read")
            return ()
        return tuple(message.content_cn for message in reversed(messages))

    async def keep(self, character: str, turn_id: str, said: str, lines: Sequence[Line], *, cut: bool) -> bool:
        """Commit a turn, also when the user goes meanwhile; False where the store cannot."""
        turn = FinishedTurn(
            turn_id,
            said,
            lines,
            content_cn=join_sentences(line.cn for line in lines),
            content_jp=join_sentences(line.jp for line in lines),
            emotion=reply_emotion(lines),
            cut=cut,
        )
        # A commit outlives the user's going; how long it may take is the store's to know, which sees what it waits for.
        with anyio.CancelScope(shield=True):
            try:
                await self._store.append_turn(self._key(character), turn)
            except HistoryUnavailable as error:
                self._log(error, "write")
                return False
        return True

    async def show(self, character: str, limit: int, before: int | None) -> None:
        """Extension `history`."""
        try:
            messages, more = await self._store.newest(self._key(character), limit, before)
        except HistoryUnavailable as error:
            await self._refuse(error, "read")
        else:
            await self._send(wire.HistoryMessage(tuple(map(_as_entry, messages)), more))

    async def clear(self, character: str) -> None:
        """Forget the talk with this character."""
        try:
            await self._store.clear(self._key(character))
        except HistoryUnavailable as error:
            await self._refuse(error, "clear")
        else:
            await self._send(wire.HistoryCleared())

    async def tell_unavailable(self) -> None:
        """Say that the conversation will not be remembered: once, however often it fails."""
        if not self._told:
            self._told = True
            sentence = "The history cannot be kept at the moment: what is said now will not be remembered"
            await self._send(wire.Error(sentence, "history_unavailable", retryable=True))

    async def _refuse(self, error: HistoryUnavailable, doing: str) -> None:
        self._log(error, doing)
        await self._send(wire.Error(str(error), "history_unavailable", retryable=True))

    def _log(self, error: HistoryUnavailable, doing: str) -> None:
        log.error("history_unavailable", doing=doing, error=str(error), user=self._token_hash[:8])

    def _key(self, character: str) -> HistoryKey:
        return HistoryKey(self._token_hash, character)


def _as_prompt(message: StoredMessage) -> Message:
    if message.role == "user":
        return Message("user", message.content_cn)
    return Message("assistant", as_reply(message.lines))


def _as_entry(message: StoredMessage) -> wire.HistoryEntry:
    at = message.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    cut = True if message.cut else UNSET
    return wire.HistoryEntry(message.id, message.role, message.content_cn, message.content_jp, message.emotion, at, cut)
