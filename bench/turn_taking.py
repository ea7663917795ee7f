"""Users who speak into replies in; how soon the reply stops, what its client still plays, and what stops none, out.

    python -m bench.turn_taking                            the rows of bench/RESULTS.md, about three minutes
    python -m bench.turn_taking --users 4 --turns 3 --seed 2

Each user, with a microphone that is always open (40 ms chunks, a quiet room, a headset: no echo), asks for a long
story, and speaks into it between one and four seconds after its first sound. Three runs: *sentences*, which shall
interrupt; *backchannels*, words that only show listening; *noises* that are no speech. The voices are espeak-ng's, at
two speeds and levels; what they say is understood by the simulated ASR as written here, with partial transcripts while
they speak. The client plays like a browser: each piece as soon as it comes and the one before it is over.
"""

import argparse
import base64
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle

import anyio
from websockets.asyncio.client import ClientConnection, connect

from bench.first_sound import serving, token_of
from bench.listening import vendors
from bench.load import quantiles
from tests import speech
from tests.simulators.bytedance import BytedanceSimulator

CHUNK_MS = 40
ROOM_DB = -75.0
PATIENCE_S = 3.0  # after somebody spoke, for the reply to be interrupted
STORY = "".join(
    json.dumps(
        {
            "emotion": "calm",
            "jp": f"{number}番目の話は、まだまだ続くから聞いてね。",
            "cn": f"第{number}个故事，还没完呢。",
        },
        ensure_ascii=False,
    )
    + "\n"
    for number in range(1, 9)
)
SENTENCES = ("等一下，先听我说", "不对，我问的不是这个", "停，换一个话题吧", "那明天呢，明天去哪里")
BACKCHANNELS = ("嗯", "嗯嗯", "对", "对对对", "哦", "好的")
LEVELS_DB = (-23.0, -30.0)


@dataclass(slots=True)
class Results:
    """Milliseconds, of every time that somebody spoke."""

    spoken: int = 0
    interrupted: int = 0
    last_audio: list[float] = field(default_factory=list)  # after the first sample of the speech was sent
    told: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)  # to be played, when the last audio had come
    misheard: list[float] = field(default_factory=list)  # heard_ms against what the client had played

    def add(self, playing: "Playing", began_at: float) -> None:
        """One more time that somebody spoke."""
        self.spoken += 1
        if playing.interrupted_at is None:
            return
        self.interrupted += 1
        self.last_audio.append((playing.last_at - began_at) * 1000)
        self.told.append((playing.interrupted_at - began_at) * 1000)
        self.left.append((playing.ends_at - playing.last_at) * 1000)
        played_s = playing.sent_s - max(0.0, playing.ends_at - playing.interrupted_at)
        self.misheard.append(abs(playing.heard_ms - played_s * 1000))


@dataclass(slots=True)
class Playing:
    """One client's loudspeaker, and what it was told."""

    ends_at: float = 0.0
    sent_s: float = 0.0
    last_at: float = 0.0
    begun: anyio.Event = field(default_factory=anyio.Event)
    over: anyio.Event = field(default_factory=anyio.Event)
    interrupted_at: float | None = None
    heard_ms: int = 0

    def receive(self, message: Mapping[str, object], now: float) -> None:
        """One message of the server."""
        match message["type"]:
            case "turn_started":
                self.sent_s = 0.0
            case "audio_chunk":
                seconds = speech.seconds_of(base64.b64decode(str(message["audio_base64"])))
                self.ends_at, self.last_at = max(self.ends_at, now) + seconds, now
                self.sent_s += seconds
                self.begun.set()
            case "interrupted":
                self.interrupted_at, self.heard_ms = now, int(str(message["heard_ms"]))
            case "turn_end":
                self.over.set()


def voices(kind: str, seed: int) -> list[tuple[bytes, str]]:
    """What is said, and how it is understood."""
    if kind == "noises":
        hiss = [
            speech.noise(length_s, -25.0, color=color, seed=seed)
            for length_s in (0.08, 0.15)
            for color in ("white", "pink")
        ]
        return [(pcm, "") for pcm in hiss]
    texts = SENTENCES if kind == "sentences" else BACKCHANNELS
    return [
        (speech.say(text, "zh", speed=speed, variant=variant, level_db=level_db), text)
        for text in texts
        for speed in (0.9, 1.2)
        for variant in ("f2", "m3")
        for level_db in LEVELS_DB
    ]


async def talk(url: str, number: int, said: list[tuple[bytes, str]], asr: BytedanceSimulator, results: Results) -> None:
    """One user, who speaks into one story after the other."""
    async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
        hello = {"type": "connect", "api_token": token_of(number), "extensions": ["turns", "barge_in"]}
        await socket.send(json.dumps(hello))
        await socket.recv()
        await socket.send('{"type": "agent_mode_start"}')
        for pcm, text in said:
            asr.hear = lambda _, text=text: text
            await speak_into_a_story(socket, pcm, results, 1.0 + 3.0 * random.random())


@dataclass(slots=True)
class Speech:
    """What a user says into a story, and when."""

    pcm: bytes
    after_s: float  # from the story's first sound
    began_at: float = 0.0
    begun: anyio.Event = field(default_factory=anyio.Event)


async def open_microphone(socket: ClientConnection, said: Speech, playing: Playing) -> None:
    """In time, for ever: a quiet room, and in it what is said."""
    waiting = list(speech.chunks(said.pcm, CHUNK_MS))
    due, speak_at = anyio.current_time(), float("inf")
    for room in cycle(speech.chunks(speech.noise(2.0, ROOM_DB), CHUNK_MS)):
        if playing.begun.is_set():
            speak_at = min(speak_at, due + said.after_s)
        chunk = room
        if due >= speak_at and waiting:
            if not said.begun.is_set():
                said.began_at = anyio.current_time()
                said.begun.set()
            chunk = waiting.pop(0)
        await socket.send(json.dumps({"type": "agent_audio_chunk", "audio_base64": base64.b64encode(chunk).decode()}))
        due += CHUNK_MS / 1000
        await anyio.sleep_until(due)


async def listen(socket: ClientConnection, playing: Playing) -> None:
    async for frame in socket:
        playing.receive(json.loads(frame), anyio.current_time())


async def speak_into_a_story(socket: ClientConnection, pcm: bytes, results: Results, after_s: float) -> None:
    playing, said = Playing(), Speech(pcm, after_s)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen, socket, playing)
        tasks.start_soon(open_microphone, socket, said, playing)
        await socket.send(json.dumps({"type": "message", "content": "讲个长故事吧"}))
        await said.begun.wait()
        with anyio.move_on_after(speech.seconds_of(pcm) + PATIENCE_S):
            await playing.over.wait()
        results.add(playing, said.began_at)
        for _ in range(2):  # what was said is answered, or forgotten, and that is interrupted, too
            await socket.send('{"type": "interrupt"}')
            await anyio.sleep(1.0)
        tasks.cancel_scope.cancel()


async def measure(kind: str, users: int, turns: int, seed: int) -> dict[str, object]:
    """All users one after the other: an ASR that is told what to understand understands one at a time."""
    results, chance = Results(), random.Random(seed)
    said = voices(kind, seed)
    chance.shuffle(said)
    async with vendors(STORY) as (asr, environment):
        with serving(users, environment) as server:
            for number in range(users):
                mine = [said[(number * turns + turn) % len(said)] for turn in range(turns)]
                await talk(server.url, number, mine, asr, results)
    found: dict[str, object] = {"spoken": results.spoken, "interrupted": results.interrupted}
    for name in ("last_audio", "told", "left", "misheard"):
        if values := getattr(results, name):
            found[f"{name}_ms"] = quantiles(values)
    return found


def main() -> None:
    """Print one line of JSON for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2)
    parser.add_argument("--turns", type=int, default=8, help="of each user")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    for kind in ("sentences", "backchannels", "noises"):
        result = anyio.run(measure, kind, arguments.users, arguments.turns, arguments.seed)
        print(json.dumps({"kind": kind, "seed": arguments.seed, **result}), flush=True)


if __name__ == "__main__":
    main()
