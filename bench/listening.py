"""Users with an open microphone in; how long after their last word its transcript is there, and what that costs, out.

    python -m bench.listening                              the rows of bench/RESULTS.md, about four minutes
    python -m bench.listening --users 10 --turns 2

Agent mode: every user speaks for about two seconds every ten, their microphone always open (100 ms chunks, in a
quiet room). The server has one core to itself, simulated vendors and users share another. What is ours is the time
from the end of speech, on the clock of the received audio, to the final transcript, without the silence window and
without the ASR's own delay to its last answer. `--quiet` lets nobody speak: what listening alone costs.
"""

import argparse
import base64
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from websockets.asyncio.client import ClientConnection, connect

from bench.first_sound import LLM_PACE, VOICE, Figures, watch_lag
from bench.load import quantiles
from bench.loads.machine import real_time, serving, token_of
from tests import speech
from tests.simulators import bytedance
from tests.simulators.ark import Behaviour, serve_ark
from tests.simulators.bytedance import BytedanceSimulator, simulate_bytedance
from tests.simulators.minimax import simulate_minimax

WINDOW_MS = 600  # agent.end_of_speech_ms as shipped
FINAL_S = 0.06  # the ASR's own, from the last packet to its last answer
CHUNK_MS = 100
EVERY_S = 10.0
ROOM_DB = -75.0
KEY = "any"
REPLY = "".join(
    json.dumps({"emotion": "happy", "jp": jp, "cn": cn}, ensure_ascii=False) + "\n"
    for jp, cn in (
        ("うん、ちゃんと聞こえてるよ。", "嗯，听得很清楚哦。"),
        ("今日は何をして遊ぼうか。", "今天玩什么呢？"),
    )
)


@dataclass(slots=True)
class Heard:
    """Milliseconds, of every turn."""

    to_transcript: list[float] = field(default_factory=list)  # what is ours of it
    to_first_audio: list[float] = field(default_factory=list)  # from the transcript on
    missed: int = 0
    errors: int = 0


@asynccontextmanager
async def vendors(reply: str = REPLY) -> AsyncIterator[tuple[BytedanceSimulator, Mapping[str, str]]]:
    """All three, running: the ASR, and the environment that points a server at them."""
    manner = bytedance.Manner(final_s=FINAL_S, partial_ms=200)
    async with (
        serve_ark(key=KEY) as ark,
        simulate_minimax(VOICE, key=KEY) as minimax,
        simulate_bytedance(manner) as asr,
    ):
        ark.default = Behaviour(reply=reply, **LLM_PACE)  # type: ignore[arg-type]
        environment = {
            "CHATANON_ENDPOINTS__LLM": ark.endpoint,
            "CHATANON_ENDPOINTS__TTS": minimax.url,
            "CHATANON_ENDPOINTS__ASR": asr.url,
            "DOUBAO_API_KEY": KEY,
            "MINIMAX_API_KEY": KEY,
            "BYTEDANCE_API_KEY": bytedance.API_KEY,
        }
        yield asr, environment


def microphone(turns: int) -> list[str]:
    """The messages of one user, one per CHUNK_MS."""
    words = speech.say("你好，爱音，今天天气怎么样", "zh", speed=1.6)
    rest = speech.silence(EVERY_S - speech.seconds_of(words))
    said = (speech.silence(EVERY_S / 2) + (words + rest) * turns) if turns else speech.silence(60)
    pcm = speech.mix(said, speech.noise(speech.seconds_of(said), ROOM_DB))
    return [
        json.dumps({"type": "agent_audio_chunk", "audio_base64": base64.b64encode(chunk).decode()})
        for chunk in speech.chunks(pcm, CHUNK_MS)
    ]


async def user(
    url: str, number: int, messages: list[str], turns: int, begin_s: float, heard: Heard, extensions: Sequence[str]
) -> None:
    """Speak in time, whatever comes back; what comes back is noted."""
    async with connect(url, compression=None, proxy=None, max_queue=None) as socket:
        hello = {"type": "connect", "api_token": token_of(number), "extensions": list(extensions)}
        await socket.send(json.dumps(hello))
        await socket.recv()
        await anyio.sleep(begin_s)
        await socket.send('{"type": "agent_mode_start"}')
        async with anyio.create_task_group() as tasks:
            answered: list[bool] = []
            tasks.start_soon(listen, socket, heard, answered)
            due = anyio.current_time()
            for message in messages:
                await anyio.sleep_until(due)
                await socket.send(message)
                due += CHUNK_MS / 1000
            heard.missed += turns - len(answered)
            tasks.cancel_scope.cancel()


async def listen(socket: ClientConnection, heard: Heard, answered: list[bool]) -> None:
    async for frame in socket:
        message = json.loads(frame)
        if message["type"] == "error" or "audio_error" in message:
            heard.errors += 1
        elif message["type"] == "turn_end":
            answered.append(True)
            timings = message["timings_ms"]
            heard.to_transcript.append(timings["final_transcript"] - WINDOW_MS - FINAL_S * 1000)
            if "first_audio" in timings:
                heard.to_first_audio.append(timings["first_audio"] - timings["final_transcript"])


async def measure(
    users: int,
    turns: int,
    extensions: Sequence[str] = ("turns",),
    settings: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """All users, evenly spread over the time between two utterances of one."""
    heard, figures, messages = Heard(), Figures(), microphone(turns)
    async with vendors() as (_, environment):
        with serving(users, {**environment, **(settings or {})}) as server:
            async with anyio.create_task_group() as watch:
                watch.start_soon(watch_lag, figures)
                cpu_s, began = server.cpu_s(), anyio.current_time()
                async with anyio.create_task_group() as talks:
                    for number in range(users):
                        begin_s = EVERY_S * number / users
                        talks.start_soon(user, server.url, number, messages, turns, begin_s, heard, extensions)
                watch.cancel_scope.cancel()
            cpu_s, lasted_s = server.cpu_s() - cpu_s, len(messages) * CHUNK_MS / 1000
            return {
                "our_delay_to_transcript_ms": quantiles(heard.to_transcript) if heard.to_transcript else None,
                "transcript_to_first_audio_ms": quantiles(heard.to_first_audio) if heard.to_first_audio else None,
                "turns": len(heard.to_transcript),
                "missed": heard.missed,
                "errors": heard.errors,
                "server_cpu_ms_per_user_second": round(cpu_s * 1000 / (users * lasted_s), 2),
                "server_core_share": round(cpu_s / (anyio.current_time() - began), 3),
                "server_rss_mib": round(server.rss_mib()),
                "this_process_late_ms": quantiles(figures.lag),
            }


def main() -> None:
    """Print one line of JSON per number of users."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--turns", type=int, default=4, help="of each user")
    parser.add_argument("--quiet", action="store_true", help="nobody speaks")
    parser.add_argument(
        "--real-time", action="store_true", help="go before all others on a machine that is not ours alone (root)"
    )
    arguments = parser.parse_args()
    if arguments.real_time:
        real_time()
    for users in arguments.users:
        turns = 0 if arguments.quiet else arguments.turns
        setting = {"users": users, "turns_each": turns, "load": os.getloadavg()[0]}
        result = anyio.run(measure, users, turns, backend_options={"use_uvloop": True})
        print(json.dumps({**setting, **result}), flush=True)


if __name__ == "__main__":
    main()
