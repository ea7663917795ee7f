"""One user with an open microphone, on the wire: what they ask and say in; what the server makes of it out."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect

from bench.loads.machine import token_of
from bench.talks.room import CHUNK_MS, KnownWords, Microphone
from bench.talks.said import samples
from services.base import RECOGNITION_RATE_HZ

EXTENSIONS = ("turns", "barge_in", "speech_events", "sentences")
STORY_ASKED = json.dumps({"type": "message", "content": "讲个长故事吧"}, ensure_ascii=False)
INTERRUPT = '{"type": "interrupt"}'
ANSWERED_S = 1.6  # after speech: if no turn began by then, none will


@dataclass(frozen=True, slots=True)
class Cut:
    """An `interrupted`, and what its client had of that turn."""

    at: float
    heard_ms: int
    played_ms: float
    left_ms: float  # to be played, when the last audio had come


class Heard:
    """What the server said, and when."""

    def __init__(self) -> None:
        self.turns: list[float] = []  # when each started
        self.ended = 0
        self.interrupted: list[Cut] = []
        self.transcripts: list[tuple[float, str]] = []  # final ones
        self.starts = 0  # of speech, as it believes
        self.responses: list[Mapping[str, Any]] = []
        self.last_audio = 0.0
        self.left_ms = 0.0  # to be played, when it had come
        self.audio_turn = -1  # the last one that sounds
        self.errors: list[str] = []

    @property
    def runs(self) -> bool:
        """Whether a turn does."""
        return self.ended < len(self.turns)


class Talk:
    """`microphone` sends in time, for ever; `heard` is kept up to date."""

    def __init__(self, socket: ClientConnection, microphone: Microphone) -> None:
        self.microphone = microphone
        self.heard = Heard()
        self.quiet = False  # each turn is interrupted as soon as it starts
        self._socket = socket
        self._began = anyio.current_time()
        self._changed = anyio.Event()

    async def send(self, message: str) -> None:
        await self._socket.send(message)

    async def ask(self) -> None:
        """For a story; until it sounds."""
        await self.send(STORY_ASKED)
        turn = len(self.heard.turns)
        assert await self.until(lambda: self.heard.audio_turn == turn, 20.0), self.heard.errors

    async def until(self, condition: Callable[[], bool], most_s: float) -> bool:
        """Wait for what messages bring about. Whether they did."""
        with anyio.move_on_after(most_s):
            while not condition():
                await self._changed.wait()
        return condition()

    async def clear(self, after_s: float) -> None:
        """Until nothing runs and nothing more comes of what was said, which lasts so long from now."""
        self.quiet = True
        if self.heard.runs:
            await self.send(INTERRUPT)
        await anyio.sleep(after_s + ANSWERED_S)
        await self.until(lambda: not self.heard.runs, 10.0)
        self.quiet = False

    @property
    def now(self) -> int:
        """On the microphone's clock."""
        return int((anyio.current_time() - self._began) * RECOGNITION_RATE_HZ)

    @property
    def played_ms(self) -> float:
        """Of the turn's audio, by now."""
        speaker = self.microphone.loudspeaker
        return (speaker.turn_samples - max(0, speaker.ends - self.now)) * 1000 / RECOGNITION_RATE_HZ

    def time_of(self, sample: int) -> float:
        """When it is spoken."""
        return self._began + sample / RECOGNITION_RATE_HZ

    async def open_microphone(self) -> None:
        """A chunk leaves when its last sample was heard."""
        self._began = anyio.current_time() - self.microphone.position / RECOGNITION_RATE_HZ
        due = anyio.current_time()
        while True:
            due += CHUNK_MS / 1000
            await anyio.sleep_until(due)
            chunk = base64.b64encode(self.microphone.next_chunk()).decode()
            await self.send(f'{{"type": "agent_audio_chunk", "audio_base64": "{chunk}"}}')

    async def listen(self) -> None:
        async for frame in self._socket:
            await self._receive(json.loads(frame))
            self._changed.set()
            self._changed = anyio.Event()

    async def _receive(self, message: Mapping[str, Any]) -> None:
        heard, speaker, now = self.heard, self.microphone.loudspeaker, anyio.current_time()
        match message["type"]:
            case "turn_started":
                heard.turns.append(now)
                speaker.begin_turn()
                if self.quiet:
                    await self.send(INTERRUPT)
            case "sentence" if message["start_ms"] is not None:
                speaker.announce(message["start_ms"], message["content_jp"])
            case "audio_chunk":
                speaker.add(samples(base64.b64decode(message["audio_base64"])), self.now)
                heard.last_audio, heard.audio_turn = now, len(heard.turns) - 1
                heard.left_ms = (speaker.ends - self.now) * 1000 / RECOGNITION_RATE_HZ
            case "interrupted":
                heard.interrupted.append(Cut(now, message["heard_ms"], self.played_ms, heard.left_ms))
                speaker.stop(self.now)
            case "transcription" if not message.get("is_partial"):
                heard.transcripts.append((now, message["text"]))
            case "speech_started":
                heard.starts += 1
            case "response":
                heard.responses.append(message)
            case "turn_end":
                heard.ended += 1
            case "error":
                heard.errors.append(str(message))


@asynccontextmanager
async def talking(
    url: str, number: int, known: KnownWords, microphone: Microphone, extensions: tuple[str, ...] = EXTENSIONS
) -> AsyncIterator[Talk]:
    """A user whose microphone is open."""
    async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
        hello = {"type": "connect", "api_token": token_of(number), "extensions": list(extensions)}
        await socket.send(json.dumps(hello))
        await socket.recv()
        await socket.send('{"type": "agent_mode_start"}')
        talk = Talk(socket, microphone)
        known.microphones.append(microphone)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(talk.listen)
                tasks.start_soon(talk.open_microphone)
                yield talk
                tasks.cancel_scope.cancel()
        finally:
            known.microphones.remove(microphone)
