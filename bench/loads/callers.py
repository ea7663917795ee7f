"""Hundreds of callers in real time out of one process: an open microphone each, whatever comes back, noted to the byte.

All send the same frames, encoded before; each speaks at a moment of its own, and its chunks leave when a microphone
would have filled them, however late the server is (an open loop).
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from zlib import crc32

from bench.loads import talk
from bench.loads.client import Client, Said
from bench.loads.wheel import Wheel

CYCLE_S = talk.CYCLE_MS / 1000
CHUNK_S = talk.CHUNK_MS / 1000
CHUNKS = talk.CYCLE_MS // talk.CHUNK_MS
GOLDEN = 0.6180339887498949  # spreads any number of callers evenly, and their chunks over each tenth of a second
CONNECT_AHEAD_S = 1.0
NEARLY = 0.97  # of a reply: enough where the server fills up or joins what it sends


@dataclass(slots=True)
class Turn:
    """What came back to one utterance."""

    first_audio: float | None = None  # on the loop's clock
    stopped_ms: int | None = None  # where in its cycle the server found the end of speech
    size: int = 0
    crc: int = 0
    finished: bool = False
    refused: bool = False  # in words, and before it was begun

    @property
    def whole(self) -> bool:
        """Every byte of the reply, in order."""
        return self.size == talk.AUDIO_BYTES and self.crc == talk.reply_crc()


@dataclass(slots=True)
class Notes:
    """Of all callers."""

    turns: list[tuple[float, Turn]] = field(default_factory=list)  # when its caller's cycle began, and what came
    errors: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Plan:
    """What all callers do. The server has to be at `url`."""

    url: str
    callers: int
    cycles: int
    microphone: Sequence[bytes]  # a frame for each chunk of a cycle
    binary: bool
    over_ms: int = 0  # of a cycle: when a server that asks the vendor can know that the speech is over
    response: bool = True  # the server says when a reply is over, and is compared to the byte

    @property
    def last_begins_s(self) -> float:
        """From the first microphone that opens to the last."""
        return max(map(begins_s, range(self.callers)))


def begins_s(number: int) -> float:
    """When in the first cycle a caller's microphone opens."""
    return number * GOLDEN % 1 * CYCLE_S


class Caller(Client):
    """One of them, from the handshake to the end of its last cycle."""

    def __init__(self, plan: Plan, number: int, began: float, wheel: Wheel, notes: Notes) -> None:
        super().__init__(plan.url, number)
        self.extensions = ("speech_events", *["binary_audio"] * plan.binary)
        self._plan = plan
        self._began = began  # of its microphone
        self._wheel = wheel
        self._notes = notes
        self._turned_away = False
        self._turns = [Turn() for _ in range(plan.cycles)]
        notes.turns += [(began + cycle * CYCLE_S, turn) for cycle, turn in enumerate(self._turns)]

    def lost(self) -> None:
        if not self._turned_away:
            self._notes.errors["connection lost"] += 1

    def receive(self, said: Said) -> None:
        match said.type:
            case "audio_chunk":
                self.hear(said.audio)
            case "response":
                self._turn().finished = True
                if said.audio_error is not None or said.incomplete:
                    self._notes.errors["reply not whole"] += 1
            case "connected":
                self._wheel.at(self._began, self._open_microphone)
            case "speech_stopped":
                self._turn().stopped_ms = said.at_ms % talk.CYCLE_MS
            case "error" if said.code == "server_busy":
                self._turned_away = True  # and stays away
                for turn in self._turns:
                    turn.refused = True
            case "error" if said.code == "busy" and said.retry_after_ms is not None:
                self._turn().refused = True
            case "error":
                self._notes.errors[said.code] += 1

    def hear(self, pcm: bytes) -> None:
        turn = self._turn()
        if turn.first_audio is None:
            turn.first_audio = self.now()
        turn.size += len(pcm)
        turn.crc = crc32(pcm, turn.crc)
        if not self._plan.response:
            turn.finished = turn.size >= NEARLY * talk.AUDIO_BYTES

    def _turn(self) -> Turn:
        """The one whose speech began last."""
        cycle = int((self.now() - self._began - talk.SPEECH_AT_MS / 1000) / CYCLE_S)
        return self._turns[max(0, min(cycle, len(self._turns) - 1))]

    def _open_microphone(self) -> None:
        self.say(type="agent_mode_start")
        self._wheel.at(self._began + CHUNK_S, self._speak, 0)

    def _speak(self, chunk: int) -> None:
        self.send(self._plan.microphone[chunk % CHUNKS])
        chunk += 1
        if chunk < CHUNKS * self._plan.cycles:
            self._wheel.at(self._began + (chunk + 1) * CHUNK_S, self._speak, chunk)
        else:
            self.hang_up()


async def call(plan: Plan, began: float, wheel: Wheel, notes: Notes) -> list[Caller]:
    """All callers; `began`: when the first microphone opens. Returns when all are connected or have failed."""
    loop = asyncio.get_running_loop()

    async def one(number: int) -> Caller:
        opens = began + begins_s(number)
        await asyncio.sleep(max(0.0, opens - CONNECT_AHEAD_S - loop.time()))
        caller = Caller(plan, number, opens, wheel, notes)
        try:
            await caller.open()
        except OSError:
            notes.errors["no connection"] += 1
        return caller

    return await asyncio.gather(*map(one, range(plan.callers)))
