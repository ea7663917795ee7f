"""Vendors with known delays in; what this server adds to the earliest possible first sound out.

    python -m bench.first_sound                            the rows of bench/RESULTS.md, about seven minutes
    python -m bench.first_sound --users 10 --turns 4

The server has one core to itself; simulators and users share another, and all read one clock. The *floor* of a
sentence is the instant at which the simulated LLM had written its `jp` whole, and from there the simulated voice's own
delay to its first audio, as both took them on their side. What a user waits for the first sound beyond that is ours.
A silence before a later sentence is ours as far as its floor had passed and the sentence before it was played out.
"""

import argparse
import base64
import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import anyio
from aiohttp import web
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve

from bench.load import quantiles
from bench.loads.machine import real_time, serving, token_of
from tests.simulators.ark import ArkSimulator, Behaviour
from tests.simulators.minimax import KEY, PATH, Fault, Manner, MinimaxSimulator, Stage

LLM_PACE = {"first_token_s": 0.2, "token_s": 0.02, "token_chars": 2}
VOICE = Manner(first_audio_s=0.15, queued_audio_s=0.05, pace=4, message_bytes=3200)
EVERY_S = 4.0  # every user says something so often; a turn takes about three
BYTES_PER_S = 2 * 16000
LAG_EVERY_S = 0.02

# With tags 5.6 s of speech at the simulator's 60 ms per character; the first short, as prompts/reply_format.md asks.
SENTENCES = (
    ("うん、ちゃんと聞こえてるよ。", "嗯，听得很清楚哦。"),
    ("さっきまでスタジオで新しい曲の練習をしてたから、ちょっと疲れちゃった。", "刚才一直在录音室练新曲，有点累了。"),
    ("でもね、話しかけてくれたからもう元気だよ、今日は何をして遊ぼうか。", "不过你来找我我就有精神了，今天玩什么呢？"),
)
EMOTIONS = ("happy", "calm", "surprised")
TAGS = ["".join(kana) + "、" for kana in itertools.product("あいうえおかきくけこ", repeat=3)]


@dataclass(slots=True)
class Floor:
    """One turn as the vendors saw it: per sentence, seconds of the one clock."""

    written: list[float] = field(default_factory=list)  # its `jp` was whole
    asked: list[float] = field(default_factory=list)  # the voice had its text
    sounded: list[float] = field(default_factory=list)  # its first audio was about to be sent

    def of(self, sentence: int) -> float:
        """When a user could hear it, were there nothing in between."""
        return self.written[sentence] + self.sounded[sentence] - self.asked[sentence]


class Floors:
    """The turns of a run, by the tag with which each sentence of a turn begins: it is the same wherever one looks."""

    def __init__(self, *, changing: bool) -> None:
        self.changing = changing  # every sentence another emotion, and every turn another first one
        self._by_tag: dict[str, Floor] = {}

    def find(self, jp: str) -> Floor:
        return self._by_tag[jp[: len(TAGS[0])]]

    def begin(self) -> tuple[Floor, str, list[int]]:
        """A new turn: its floor, what the LLM writes, and by which of its tokens each `jp` is whole."""
        number = len(self._by_tag)
        tag = TAGS[number]
        self._by_tag[tag] = Floor()
        reply, whole = "", []
        for at, (jp, cn) in enumerate(SENTENCES):
            emotion = EMOTIONS[(number + at) % len(EMOTIONS)] if self.changing else EMOTIONS[0]
            line = json.dumps({"emotion": emotion, "jp": tag + jp, "cn": cn}, ensure_ascii=False) + "\n"
            whole.append(-(-(len(reply) + line.index('", "cn"') + 1) // LLM_PACE["token_chars"]))
            reply += line
        return self._by_tag[tag], reply, [int(token) for token in whole]


class ClockedArk(ArkSimulator):
    """Notes when it has written what."""

    def __init__(self, floors: Floors) -> None:
        super().__init__(None, Behaviour())
        self.choose = self._begin
        self._floors = floors
        self._began: tuple[Floor, list[int]]

    def make_app(self) -> web.Application:
        app = super().make_app()
        app.on_response_prepare.append(self._clock)
        return app

    def _begin(self) -> Behaviour:
        floor, reply, whole = self._floors.begin()
        self._began = floor, whole
        return Behaviour(reply=reply, **LLM_PACE)  # type: ignore[arg-type]

    async def _clock(self, _: web.Request, response: web.StreamResponse) -> None:
        """Between the answer's choice and this nothing is waited for, so it is the one that began last."""
        floor, whole = self._began
        write, tokens = response.write, itertools.count(1)

        async def clocked(data: Any) -> None:
            if next(tokens) in whole:
                floor.written.append(monotonic())
            await write(data)

        vars(response)["write"] = clocked


class ClockedMinimax(MinimaxSimulator):
    """Notes when it was asked for what, and when that began to sound."""

    def __init__(self, floors: Floors) -> None:
        super().__init__(VOICE, KEY)
        self._floors = floors

    def take_fault(self, stage: Stage, text: str | None = None, sent_bytes: int = 0) -> Fault | None:
        """It is asked at every stage whether something shall go wrong; nothing ever does."""
        if text is not None and stage == "text":
            self._floors.find(text).asked.append(monotonic())
        elif text is not None and stage == "speech" and sent_bytes == 0:
            self._floors.find(text).sounded.append(monotonic())
        return None


@asynccontextmanager
async def vendors(floors: Floors) -> AsyncIterator[Mapping[str, str]]:
    """Both, running: the environment that points a server at them."""
    ark, minimax = ClockedArk(floors), ClockedMinimax(floors)
    runner = web.AppRunner(ark.make_app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with serve(
            minimax.serve, "127.0.0.1", 0, process_request=minimax.admit, compression=None, ping_interval=None
        ) as voice:
            yield {
                "CHATANON_ENDPOINTS__LLM": f"http://127.0.0.1:{runner.addresses[0][1]}/api/v3",
                "CHATANON_ENDPOINTS__TTS": f"ws://127.0.0.1:{voice.sockets[0].getsockname()[1]}{PATH}",
                "DOUBAO_API_KEY": "any",
                "MINIMAX_API_KEY": KEY,
            }
            for socket in list(minimax.sockets):
                socket.transport.abort()
    finally:
        await runner.cleanup()


class Figures:
    """What was measured, in milliseconds."""

    def __init__(self) -> None:
        self.added: list[float] = []  # first sound, over the floor
        self.to_voice: list[float] = []  # of that: from the `jp` written to the voice asked
        self.from_voice: list[float] = []  # and: from the first audio sent to the first audio heard
        self.gaps: list[float] = []  # before each later sentence: silence that is ours
        self.breaks: list[float] = []  # the longest silence within any sentence of a turn
        self.lag: list[float] = []  # by which this process itself is late
        self.failed = 0

    def take(self, floor: Floor, heard: Sequence[tuple[int, float, int]]) -> None:
        """A turn: sentence, arrival and bytes of each chunk."""
        first = heard[0][1]
        self.added.append((first - floor.of(0)) * 1000)
        self.to_voice.append((floor.asked[0] - floor.written[0]) * 1000)
        self.from_voice.append((first - floor.sounded[0]) * 1000)
        played, before, silence = first, 0, 0.0
        for sentence, arrived, size in heard:
            if sentence != before:
                self.gaps.append(max(0.0, arrived - max(played, floor.of(sentence))) * 1000)
            else:
                silence = max(silence, arrived - played)
            played, before = max(played, arrived) + size / BYTES_PER_S, sentence
        self.breaks.append(silence * 1000)

    def report(self) -> dict[str, object]:
        return {
            "added_ms": quantiles(self.added),
            "to_voice_ms": quantiles(self.to_voice),
            "from_voice_ms": quantiles(self.from_voice),
            "our_silence_between_sentences_ms": quantiles(self.gaps),
            "silence_within_a_sentence_ms": quantiles(self.breaks),
            "this_process_late_ms": quantiles(self.lag),
            "failed_turns": self.failed,
        }


async def user(url: str, number: int, turns: int, begin_s: float, floors: Floors, figures: Figures) -> None:
    """Connect, say something that does not count, then as many turns as asked."""
    async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
        hello = {"type": "connect", "api_token": token_of(number), "extensions": ["sentences"]}
        await socket.send(json.dumps(hello))
        await socket.recv()
        await anyio.sleep(begin_s)
        due = anyio.current_time()
        for turn in range(turns + 1):
            await anyio.sleep_until(due)
            due = max(due + EVERY_S, anyio.current_time())
            await one_turn(socket, floors, figures if turn else Figures())


async def one_turn(socket: ClientConnection, floors: Floors, figures: Figures) -> None:
    await socket.send('{"type": "message", "content": "你好"}')
    heard: list[tuple[int, float, int]] = []
    sentence, jp = 0, ""
    while True:
        frame = await socket.recv()
        now = monotonic()
        message = json.loads(frame)
        match message["type"]:
            case "sentence":
                sentence, jp = (
                    (message["index"], message["content_jp"]) if message["index"] >= sentence else (sentence, jp)
                )
            case "audio_chunk":
                heard.append((sentence, now, len(base64.b64decode(message["audio_base64"]))))
            case "response" if heard and "audio_error" not in message and "incomplete" not in message:
                figures.take(floors.find(jp), heard)
                return
            case "response" | "error":
                figures.failed += 1
                return


async def watch_lag(figures: Figures) -> None:
    """How late this process itself wakes up: no figure here is better than that."""
    while True:
        began = monotonic()
        await anyio.sleep(LAG_EVERY_S)
        figures.lag.append((monotonic() - began - LAG_EVERY_S) * 1000)


async def measure(users: int, turns: int, changing: bool) -> dict[str, object]:
    """All users, evenly spread over the time between two turns of one."""
    figures, floors = Figures(), Floors(changing=changing)
    async with vendors(floors) as environment:
        with serving(users, environment) as server:
            async with anyio.create_task_group() as watch:
                watch.start_soon(watch_lag, figures)
                idle_mib, cpu_s, waited_s = server.rss_mib(), server.cpu_s(), server.waited_s()
                async with anyio.create_task_group() as talks:
                    for number in range(users):
                        begin_s = EVERY_S * number / users
                        talks.start_soon(user, server.url, number, turns, begin_s, floors, figures)
                cpu_s, waited_s = server.cpu_s() - cpu_s, server.waited_s() - waited_s
                watch.cancel_scope.cancel()
            all_turns = users * (turns + 1)
            cost = {
                "server_cpu_ms_per_turn": round(cpu_s * 1000 / all_turns, 1),
                "server_waited_for_its_core_ms_per_turn": round(waited_s * 1000 / all_turns, 1),
                "server_rss_mib": {"idle": round(idle_mib), "after": round(server.rss_mib())},
            }
    return {**figures.report(), **cost}


def main() -> None:
    """Print one line of JSON per number of users, without and with changes of emotion."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--emotions", nargs="+", choices=["one", "changing"], default=["one", "changing"])
    parser.add_argument("--turns", type=int, help="of each user (default: about 200 in all, at most 30)")
    parser.add_argument(
        "--real-time", action="store_true", help="go before all others on a machine that is not ours alone (root)"
    )
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    for users, emotions in itertools.product(arguments.users, arguments.emotions):
        turns = arguments.turns or min(30, max(4, 200 // users))
        setting = {"users": users, "emotions": emotions, "load": os.getloadavg()[0]}
        result = anyio.run(measure, users, turns, emotions == "changing", backend_options={"use_uvloop": True})
        print(json.dumps({**setting, **result}), flush=True)


if __name__ == "__main__":
    main()
