"""Connections to MiniMax in, connections out: made ahead of need, kept warm between turns, never more than some."""

import aiohttp
import structlog
from anyio.abc import TaskGroup

from services.base import Emotion, Voice
from services.engine_settings import TTSSettings
from services.vendors.minimax import frames
from services.vendors.minimax.connection import Connection, Failed, Variant, connect
from services.vendors.minimax.frames import Fault, Remedy
from services.vendors.minimax.recovery import PATIENCE_S

WARM_CONNECTIONS = 8  # kept for later turns, or being made for them; a turn wants two ahead of need and leaves one over


class Pool:
    """What all turns of this process share."""

    def __init__(
        self, session: aiohttp.ClientSession, settings: TTSSettings, variant: Variant, tasks: TaskGroup
    ) -> None:
        self.first_emotions: dict[Voice, Emotion] = {}  # with which a voice last began a turn; as many as characters
        self.variant = variant
        self._session = session
        self._settings = settings
        self._tasks = tasks
        self._warm: list[Connection] = []
        self._making: list[bytes | None] = []  # their tasks; None is a connection without one
        self._reported: set[int | str] = set()
        self._log = structlog.get_logger(__name__)

    @property
    def patience_s(self) -> float:
        return min(PATIENCE_S, self._settings.first_audio_s)

    def task_start(self, voice: Voice, emotion: Emotion, words: str = "") -> bytes:
        """`words`: in whose language; none yet are taken for Japanese."""
        language = frames.language_of(words)
        return frames.task_start(voice, emotion, self._settings.model, self._settings.sample_rate_hz, language)

    def first_task(self, voice: Voice) -> bytes:
        """With which the next turn of this voice will most likely begin."""
        return self.task_start(voice, self.first_emotions.get(voice, "auto"))

    def prepare(self, voice: Voice) -> None:
        """Have what a turn opens ahead of need: its most likely task, and a connection for another one. All who speak
        at this moment share them: who finds them taken opens others, while the LLM thinks."""
        if self._tasks.cancel_scope.cancel_called:
            return
        for task in (self.first_task(voice), None):
            there = task in self._making or any(kept.task == task and kept.alive for kept in self._warm)
            if not there and len(self._making) < WARM_CONNECTIONS:
                self._making.append(task)
                self._tasks.start_soon(self._make, task)

    async def connect(self) -> Connection:
        """A connection on which a task may be started."""
        return await connect(self._session, self._settings, self.variant)

    def take(self, task: bytes | None) -> Connection | None:
        """A kept connection with this task; None: without any."""
        for connection in reversed(self._warm):  # the youngest is the likeliest to live
            if connection.task == task and connection.alive:
                self._warm.remove(connection)
                return connection
        return None

    async def keep(self, connection: Connection) -> None:
        connection.kept = True
        self._warm.append(connection)
        await self._trim()

    async def shed(self) -> None:
        warm, self._warm = self._warm, []
        for connection in warm:
            await connection.close()

    def report(self, fault: Fault) -> None:
        """Tell the operator what only the operator can mend, once."""
        if fault.remedy is Remedy.GIVE_UP and fault.code not in self._reported:
            self._reported.add(fault.code)
            self._log.error("voice_refused", code=fault.code, advice=fault.message, trace_id=fault.trace_id)

    async def _make(self, task: bytes | None) -> None:
        made: Connection | None = None
        try:
            await self._trim()
            connection = await self.connect()
            made = connection if task is None else await connection.start(task)
        except Failed as failed:
            self.report(failed.fault)
        finally:
            self._making.remove(task)
        if made is not None:
            await self.keep(made)

    async def _trim(self) -> None:
        """Let go of the dead, and of the oldest where there are too many."""
        living = [connection for connection in self._warm if connection.alive]
        kept = living[max(0, len(living) + len(self._making) - WARM_CONNECTIONS) :]
        gone = [connection for connection in self._warm if connection not in kept]
        self._warm = kept
        for connection in gone:
            await connection.close()
