"""Every engine against its own simulator in; what a turn waits for its first sound, and its CPU, out.

    python -m bench.engines                       the table of docs/engines.md and bench/RESULTS.md, about two minutes
    python -m bench.engines --engines tts:voicevox asr:openai --turns 30
    python -m bench.engines --pace 4              voices that need a quarter of a second for a second of speech

One user, one turn after another. Only the engine of the row is exchanged: the other two kinds are doubao, minimax and
bytedance. Without --pace no simulator waits for anything, so what is left is ours and the little that a simulator
computes. The server has one core to itself, simulators and the user share another. An LLM or a voice is asked by a
written message, an ASR by a short recording; the time is from that message sent to the first chunk of audio.
"""

import argparse
import base64
import json
import shutil
import statistics
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

import anyio
from websockets.asyncio.client import ClientConnection, connect

from bench.first_sound import EMOTIONS, SENTENCES
from bench.loads.machine import ROOT, Server, cpu_s_of, serving, token_of
from tests import speech
from tests.simulators import (
    bytedance,
    gpt_sovits,
    minimax,
    openai_chat,
    openai_speech,
    style_bert_vits2,
    voicevox,
)
from tests.simulators.ark import serve_ark
from tests.simulators.chat_server import Behaviour
from tests.simulators.funasr import simulate_funasr
from tests.simulators.openai_transcription import Said, serve_transcription

KEY = "any"
SAID = "你叫什么名字"  # a phrase that the embedded recogniser knows; the simulated ones hear it whatever is said
UNCOUNTED = 3  # turns before those that count: connections are made, and processes get ready
REPLY = "".join(
    json.dumps({"emotion": EMOTIONS[0], "jp": jp, "cn": cn}, ensure_ascii=False) + "\n" for jp, cn in SENTENCES
)
VOICES = """voices:
  voicevox: {speaker: ずんだもん}
  gpt_sovits: {reference: anon.wav, reference_text: こんにちは。}
  style_bert_vits2: {model: anon}
  openai: {voice_id: nova}
"""

Opened = AbstractAsyncContextManager[Any]
Environment = Mapping[str, str]


@dataclass(frozen=True)
class Engine:
    """A row: `open` runs its simulator, a voice's at a pace; `tell` says to a server where that is."""

    kind: str
    name: str
    open: Callable[[float], Opened] | None = None
    tell: Callable[[Any], Environment] = lambda _: {}

    @property
    def title(self) -> str:
        return f"{self.kind}:{self.name}"


def _voice(name: str, simulate: Callable[[Any], Opened], manner: Callable[..., Any], endpoint: str = "") -> Engine:
    """One that is asked over HTTP."""
    key = f"CHATANON_ENDPOINTS__{(endpoint or name).upper()}"
    return Engine("tts", name, lambda pace: simulate(manner(pace=pace)), lambda server: {key: server.url})


ENGINES = (
    Engine(
        "llm",
        "doubao",
        lambda _: serve_ark(key=KEY, default=Behaviour(reply=REPLY)),
        lambda server: {"CHATANON_ENDPOINTS__LLM": server.endpoint, "DOUBAO_API_KEY": KEY},
    ),
    Engine(
        "llm",
        "openai",
        lambda _: openai_chat.serve_openai(key=KEY, default=Behaviour(reply=REPLY)),
        lambda server: {
            "CHATANON_ENDPOINTS__OPENAI_LLM": server.endpoint,
            "CHATANON_MODELS__OPENAI_LLM": openai_chat.MODEL,
            "OPENAI_API_KEY": KEY,
        },
    ),
    Engine(
        "tts",
        "minimax",
        lambda pace: minimax.simulate_minimax(minimax.Manner(pace=pace), key=KEY),
        lambda server: {"CHATANON_ENDPOINTS__TTS": server.url, "MINIMAX_API_KEY": KEY},
    ),
    _voice("openai", openai_speech.simulate_openai_speech, openai_speech.Manner, "openai_tts"),
    _voice("voicevox", voicevox.simulate_voicevox, voicevox.Manner),
    _voice("gpt_sovits", gpt_sovits.simulate_gpt_sovits, gpt_sovits.Manner),
    _voice("style_bert_vits2", style_bert_vits2.simulate_style_bert_vits2, style_bert_vits2.Manner),
    Engine("tts", "embedded"),
    Engine(
        "asr",
        "bytedance",
        lambda _: bytedance.simulate_bytedance(),
        lambda server: {
            "CHATANON_ENDPOINTS__ASR": server.url,
            "CHATANON_ENDPOINTS__ASR_BATCH": server.batch_url,
            "BYTEDANCE_API_KEY": bytedance.API_KEY,
        },
    ),
    Engine(
        "asr",
        "openai",
        lambda _: serve_transcription(key=KEY),
        lambda server: {"CHATANON_ENDPOINTS__OPENAI_ASR": server.endpoint, "OPENAI_API_KEY": KEY},
    ),
    Engine("asr", "funasr", lambda _: simulate_funasr(), lambda server: {"CHATANON_ENDPOINTS__FUNASR": server.url}),
    Engine("asr", "embedded"),
)
BESIDE = {"llm": "doubao", "tts": "minimax", "asr": "bytedance"}  # the engines of the other kinds


@asynccontextmanager
async def vendors(row: Engine, pace: float) -> AsyncIterator[Environment]:
    """The simulators of a row, running: the environment that points a server at them."""
    environment: dict[str, str] = {"CHATANON_MODELS__OPENAI_TTS": openai_speech.MODEL}
    async with AsyncExitStack() as stack:
        for kind, name in {**BESIDE, row.kind: row.name}.items():
            engine = next(each for each in ENGINES if (each.kind, each.name) == (kind, name))
            environment[f"CHATANON_ENGINES__{kind.upper()}"] = name
            if engine.open is not None:
                server = await stack.enter_async_context(engine.open(pace))
                if kind == "asr":
                    server.hear = (lambda _: [Said(SAID)]) if name == "openai" else (lambda _: SAID)
                environment |= engine.tell(server)
        yield environment


@contextmanager
def characters() -> Iterator[Environment]:
    """The shipped ones, the first with a voice of every engine: no reference recording is shipped."""
    with TemporaryDirectory() as folder:
        prompts = Path(folder) / "prompts"
        shutil.copytree(ROOT / "prompts", prompts)
        card = prompts / "anon" / "character.yaml"
        card.write_text(card.read_text("utf-8").replace("voices:\n", VOICES, 1), "utf-8")
        yield {"CHATANON_CHARACTERS__FOLDER": str(prompts)}


def cpu_of_all_s(server: Server) -> float:
    """With the processes it started: the embedded recogniser works in one."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return sum(map(cpu_s_of, (server.pid, *map(int, children))))


def message_for(kind: str) -> str:
    """What the user sends."""
    if kind != "asr":
        return json.dumps({"type": "message", "content": SAID})
    pcm = speech.silence(0.2) + speech.say(SAID, "zh") + speech.silence(0.2)
    return json.dumps({"type": "audio_message", "audio_base64": base64.b64encode(pcm).decode()})


async def one_turn(socket: ClientConnection, message: str) -> float:
    """Milliseconds to the first sound. A turn that is not answered as it should be ends the run."""
    began, heard_ms = monotonic(), 0.0
    await socket.send(message)
    while True:
        told = json.loads(await socket.recv())
        if told["type"] == "audio_chunk" and not heard_ms:
            heard_ms = (monotonic() - began) * 1000
        wrong = told["type"] == "error" or "audio_error" in told or "incomplete" in told
        if wrong or (told["type"] == "transcription" and not told.get("is_partial") and told["text"] != SAID):
            raise SystemExit(f"a turn failed: {told}")
        if told["type"] == "response":
            return heard_ms


async def measure(row: Engine, turns: int, pace: float, environment: Environment) -> tuple[list[float], float]:
    """First sounds, and CPU per turn, in milliseconds."""
    message = message_for(row.kind)
    async with vendors(row, pace) as endpoints:
        with serving(1, {**environment, **endpoints}) as server:
            async with connect(server.url, compression=None, proxy=None, max_queue=None) as socket:
                await socket.send(json.dumps({"type": "connect", "api_token": token_of(0)}))
                await socket.recv()
                for _ in range(UNCOUNTED):
                    await one_turn(socket, message)
                cpu_s = cpu_of_all_s(server)
                first = [await one_turn(socket, message) for _ in range(turns)]
                return first, (cpu_of_all_s(server) - cpu_s) * 1000 / turns


def main() -> None:
    """Print a row of a Markdown table per engine."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    titles = [engine.title for engine in ENGINES]
    parser.add_argument("--engines", nargs="+", choices=titles, default=titles, metavar="KIND:NAME")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--pace", type=float, default=0.0, help="of simulated voices, in real times (default: at once)")
    arguments = parser.parse_args()
    print("| kind | engine | first sound p50, ms | max, ms | server CPU per turn, ms |\n|---|---|---|---|---|")
    with characters() as environment:
        for row in (engine for engine in ENGINES if engine.title in arguments.engines):
            options = {"use_uvloop": True}
            first, cpu_ms = anyio.run(
                measure, row, arguments.turns, arguments.pace, environment, backend_options=options
            )
            cells = (row.kind, f"`{row.name}`", round(statistics.median(first)), round(max(first)), round(cpu_ms))
            print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
