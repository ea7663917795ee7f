"""What a user asks of their character in; turns, switches and answers out, one after the other."""

from functools import partial
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from conversation.character import Character
from conversation.timeline import Timeline
from conversation.user_text import visible_text
from server.auth import User
from server.backend import Backend
from server.observability.incidents import incident
from server.protocol import close_codes, wire
from server.session.inbox import Inbox, Job
from server.session.served_turn import Hear, ServedTurn
from server.session.user_history import UserHistory
from server.transport.connection import Connection, ConnectionLost, HangUp

log = structlog.get_logger()


class TurnWatcher(Protocol):
    """Whoever must know when the character speaks: server/session/voice_modes.py."""

    async def turn_runs(self, runs: bool) -> None:
        """A turn begins, or has come to its end."""
        ...


class Talk:
    """One user and one character at a time."""

    def __init__(
        self,
        backend: Backend,
        connection: Connection,
        user: User,
        character: Character,
        extensions: frozenset[wire.Extension],
    ) -> None:
        self.character = character
        self.history = UserHistory(backend.history, user.token_hash, connection.send)
        self.watcher: TurnWatcher | None = None
        self._backend = backend
        self._connection = connection
        self._user = user
        self._extensions = extensions
        self._inbox = Inbox(backend.config.limits.queued_messages)
        self._turns = 0
        self._tasks: TaskGroup

    def begin(self, tasks: TaskGroup) -> None:
        """Turns run in this task group from now on."""
        self._tasks = tasks

    async def say(self, content: str) -> None:
        """Text of the user: a turn, as soon as those before it are done."""
        limit = self._backend.config.limits.max_message_chars
        text = visible_text(content)
        if not text:
            await self._connection.refuse("empty_message", "message.content has no text in it")
        elif len(text) > limit:
            too_long = f"message.content has {len(text)} characters; at most {limit} are taken"
            await self._connection.refuse("message_too_long", too_long)
        elif await self.allows_turn():
            await self.submit(partial(self.take_turn, text, "text", Timeline(anyio.current_time())))

    async def switch_character(self, name: str) -> None:
        """Another character, after what waits."""
        await self.submit(partial(self._switch, name))

    async def clear_history(self) -> None:
        """Forget the talk with the character of that moment, after what waits."""
        await self.submit(lambda: self.history.clear(self.character.name))

    async def show_history(self, limit: int, before: int | None) -> None:
        """Extension `history`."""
        await self.history.show(self.character.name, limit, before)

    async def finish(self) -> None:
        """Let what runs come to its end; what waits is dropped."""
        await self._inbox.finish()

    async def allows_turn(self, *, waits: bool = True) -> bool:
        """Whether this user may take one more turn in this minute; they are told if not.

        `waits`: it would be a job of its own. Where there is no room for that, they are told so instead.

        Raises:
            HangUp: they do not listen.
        """
        if waits and not self._inbox.has_room:
            return True
        wait_ms = self._wait_ms("turns")
        if wait_ms is None:
            return True
        refusal = wire.Error("Too many messages; slow down", "rate_limited", retryable=True, retry_after_ms=wait_ms)
        if self._wait_ms("refused_turns") is not None:
            raise HangUp(refusal, close_codes.RATE_LIMITED)
        await self._connection.send(refusal)
        return False

    async def submit(self, job: Job) -> bool:
        """Have it done after what waits; False, and the user is told, where too much waits already."""
        if self._inbox.submit(partial(_guarded, job, self._connection, self._user, self.watcher), self._tasks):
            return True
        full = "Too many messages wait for their answer; send this one again later"
        await self._connection.refuse("busy", full, retryable=True)
        return False

    async def take_turn(self, said: str | Hear, kind: wire.TurnInput, timeline: Timeline) -> None:
        """One turn, from within a job. `timeline` begins where its timings do."""
        self._turns += 1
        turn = ServedTurn(
            self._backend,
            self._connection.send,
            self._extensions,
            self.history,
            self.character,
            self._turns,
            timeline,
        )
        if self.watcher is not None:
            await self.watcher.turn_runs(True)
        await turn.run(said, kind)
        if self.watcher is not None:
            await self.watcher.turn_runs(False)

    async def _switch(self, name: str) -> None:
        character = self._backend.characters.find(name)
        if character is None:
            await self._connection.refuse("unknown_character", self._backend.characters.unknown())
            return
        self.character = character
        switched = f"Switched to character: {character.name}"
        await self._connection.send(wire.CharacterSwitched(character.name, character.display_name, switched))

    def _wait_ms(self, limit: str) -> int | None:
        return self._backend.rates.retry_after_ms(limit, self._user.token_hash, anyio.current_time())


async def _guarded(job: Job, connection: Connection, user: User, watcher: TurnWatcher | None) -> None:
    """The border of a job: a defect of ours ends it, not the session."""
    try:
        await job()
    except (ConnectionLost, HangUp):
        raise
    except Exception:
        await connection.send(incident(user=user.label))
        if watcher is not None:
            await watcher.turn_runs(False)  # if it was one
