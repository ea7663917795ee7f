"""The specification's server side for one test; the client run against it in a process of its own, as a person does."""

import base64
import json
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).resolve().parents[2]
CLIENT = ROOT / "client" / "test_client.py"
PATIENCE_S = 60  # only reached where the client hangs
DISPLAY_NAMES = {"anon": "千早爱音 (Chihaya Anon)", "tomori": "高松灯"}

Message = dict[str, Any]
Answer = Callable[["Peer", ServerConnection, Message], Awaitable[None]]


@dataclass
class Peer:
    """The server's side of the specification: greets, keeps what it hears, leaves the answers to each test."""

    answer: Answer
    extensions: tuple[str, ...] = ()
    url: str = ""
    talks: list[list[Message]] = field(default_factory=list)  # what each connection sent, `connect` first
    closed: list[int | None] = field(default_factory=list)
    news: anyio.Event = field(default_factory=anyio.Event)

    async def serve_connection(self, socket: ServerConnection) -> None:
        talk: list[Message] = []
        self.talks.append(talk)
        try:
            async for text in socket:
                message = json.loads(text)
                talk.append(message)
                self.news.set()
                self.news = anyio.Event()
                if message["type"] == "connect":
                    await self.greet(socket, message)
                else:
                    await self.answer(self, socket, message)
        except ConnectionClosed:
            pass
        self.closed.append(socket.close_code)

    async def heard(self, condition: Callable[[list[Message]], bool]) -> None:
        """Until what the latest connection sent fulfils the condition."""
        while not (self.talks and condition(self.talks[-1])):
            await self.news.wait()

    async def greet(self, socket: ServerConnection, connect: Message) -> None:
        if connect["api_token"] != "dev_token_001":
            await say(socket, "error", message="This token is not known", code="unauthorized", retryable=False)
            await socket.close(4500)
            return
        granted = [name for name in connect.get("extensions", ()) if name in self.extensions]
        name = connect.get("character_name", "anon")
        await say(
            socket,
            "connected",
            character=name,
            character_display_name=DISPLAY_NAMES[name],
            message="Connection established successfully",
            **({"extensions": granted, "session_id": "s1"} if granted else {}),
        )


async def say(socket: ServerConnection, kind: str, **fields: Any) -> None:
    await socket.send(json.dumps({"type": kind, **fields}))


async def say_audio(socket: ServerConnection, chunks: Sequence[bytes], sample_rate_hz: int = 16000) -> None:
    for pcm in chunks:
        encoded = base64.b64encode(pcm).decode()
        await say(socket, "audio_chunk", audio_base64=encoded, audio_format="pcm", audio_sample_rate=sample_rate_hz)


async def reply(
    socket: ServerConnection,
    jp: str = "ハロー～",
    cn: str = "哈喽～",
    chunks: Sequence[bytes] = (b"\1\0\2\0",),
    sample_rate_hz: int = 16000,
    **extra: Any,
) -> None:
    """Mode 1 of the specification: thinking, audio_chunk*, audio_end, response."""
    await say(socket, "thinking", message="Processing...")
    await say_audio(socket, chunks, sample_rate_hz)
    await say(socket, "audio_end")
    texts = {"content_cn": cn, "content_jp": jp, "emotion": "happy"}
    await say(socket, "response", **texts, audio_format="pcm", audio_sample_rate=sample_rate_hz, **extra)


async def answer_everything(peer: Peer, socket: ServerConnection, message: Message) -> None:
    match message["type"]:
        case "message":
            await reply(socket, jp=f"{message['content']}だよ", cn=f"是{message['content']}")
        case "switch_character":
            name = message["character_name"]
            await say(socket, "character_switched", character=name, character_display_name=DISPLAY_NAMES[name])
        case "clear_history":
            await say(socket, "history_cleared", message="Conversation history cleared")


@asynccontextmanager
async def open_peer(answer: Answer = answer_everything, extensions: tuple[str, ...] = ()) -> AsyncGenerator[Peer]:
    peer = Peer(answer, extensions)
    async with serve(peer.serve_connection, "127.0.0.1", 0) as server:
        peer.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield peer


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


def surroundings(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHATANON_")}
    return inherited | {"PYTHONIOENCODING": "utf-8", "PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"} | variables


async def run_client(*arguments: str, cwd: Path, typed: str = "", **variables: str) -> Outcome:
    command = [sys.executable, str(CLIENT), *arguments]
    with anyio.fail_after(PATIENCE_S):
        done = await anyio.run_process(
            command, input=typed.encode(), check=False, cwd=cwd, env=surroundings(**variables)
        )
    outcome = Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in outcome.out + outcome.err
    return outcome


def kinds(talk: list[Message]) -> list[str]:
    """The types of what was sent, repetitions left out."""
    types = [message["type"] for message in talk]
    return [kind for index, kind in enumerate(types) if index == 0 or kind != types[index - 1]]
