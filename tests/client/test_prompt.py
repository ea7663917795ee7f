"""A person at a terminal: typing, leaving, and what signals and the server do to the prompt."""

import base64
import codecs
import os
import pty
import signal
import sys
import termios
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.abc
import pytest
from websockets.asyncio.server import ServerConnection

from tests.client.peer import CLIENT, PATIENCE_S, Message, Peer, open_peer, say, surroundings
from tests.client.sound_library import install_sounddevice
from tests.client.voice_peer import VOICE_EXTENSIONS, Recogniser

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_client_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    asked = anyio.Event()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        asked.set()

    command = [sys.executable, str(CLIENT), "--no-audio", "--message", "你好"]
    async with open_peer(answer) as peer:
        with anyio.fail_after(PATIENCE_S):
            async with await anyio.open_process(
                [*command, "--url", peer.url], cwd=tmp_path, env=surroundings()
            ) as client:
                await asked.wait()
                client.send_signal(number)
                await client.wait()
                assert client.stderr is not None
                said = [part async for part in client.stderr]
    assert client.returncode == 128 + number and said == []
    assert peer.closed == [1000]


_AGAIN_S = 8.0


class Screen:
    """A terminal of 80 x 24 with the client on it."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (24, 80))
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a character may come in two pieces

    async def wait_for(self, text: str) -> None:
        """Until it is shown after what was waited for before."""
        while text not in self.shown:
            await anyio.wait_readable(self.master)
            self.shown += self._decoder.decode(os.read(self.master, 65536))
        self.shown = self.shown.partition(text)[2]

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def is_sane(self) -> bool:
        local_flags = termios.tcgetattr(self.slave)[3]
        return bool(local_flags & termios.ECHO and local_flags & termios.ICANON)


@asynccontextmanager
async def open_screen(
    url: str, folder: Path, *arguments: str, sound: str = "--no-audio", **variables: str
) -> AsyncGenerator[tuple[Screen, anyio.abc.Process]]:
    screen = Screen()
    command = [sys.executable, str(CLIENT), "--url", url, *filter(None, [sound]), *arguments]
    slave = screen.slave
    try:
        async with await anyio.open_process(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=folder,
            env=surroundings(**variables),
            start_new_session=True,
        ) as client:
            yield screen, client
    finally:
        os.close(screen.master)
        os.close(screen.slave)


@pytest.mark.slow
async def test_a_person_types_chinese_at_the_prompt_and_leaves(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with open_peer() as peer, open_screen(peer.url, tmp_path) as (screen, client):
            await screen.wait_for("已连接")
            await screen.wait_for("你>")
            screen.type("你号\x7f好\r")  # one character corrected
            await screen.wait_for("你好だよ")
            await screen.wait_for("是你好")
            screen.type("/quit\r")
            assert await client.wait() == 0
            assert screen.is_sane()
    assert [message.get("content") for message in peer.talks[0]] == [None, "你好"]
    assert peer.closed == [1000]


@pytest.mark.slow
@pytest.mark.parametrize("leave", ["\x03", "\x04", "signal"])
async def test_ctrl_c_ctrl_d_and_a_signal_leave_the_prompt(tmp_path: Path, leave: str) -> None:
    with anyio.fail_after(PATIENCE_S):
        async with open_peer() as peer, open_screen(peer.url, tmp_path) as (screen, client):
            await screen.wait_for("已连接")
            await screen.wait_for("你>")
            if leave == "signal":
                client.send_signal(signal.SIGTERM)
            else:
                screen.type(leave)
            assert await client.wait() == 0
            assert screen.is_sane()
    assert peer.closed == [1000]


@pytest.mark.slow
async def test_the_prompt_survives_a_drop_and_ends_when_replaced(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        if message["content"] == "drop":
            socket.transport.abort()
        else:
            await socket.close(4501)

    with anyio.fail_after(PATIENCE_S):
        async with open_peer(answer) as peer, open_screen(peer.url, tmp_path) as (screen, client):
            await screen.wait_for("已连接")
            screen.type("drop\r")
            await screen.wait_for("后再试")
            await screen.wait_for("已连接")
            screen.type("replace\r")
            await screen.wait_for("取代")
            assert await client.wait() == 1
            assert screen.is_sane()
    assert len(peer.talks) == 2


@pytest.mark.slow
async def test_a_person_sees_level_and_words_while_speaking_and_the_answer_after(tmp_path: Path) -> None:
    library = install_sounddevice(tmp_path / "library")
    asr = Recogniser()
    with anyio.fail_after(PATIENCE_S):
        async with (
            open_peer(asr.answer, VOICE_EXTENSIONS) as peer,
            open_screen(peer.url, tmp_path, "--voice", PYTHONPATH=library) as (screen, client),
        ):
            await screen.wait_for("按回车说话")
            await screen.wait_for("已连接")
            screen.type("\r")
            await screen.wait_for("● ▮▮▮▮▮▮▯")
            await screen.wait_for("听到一")
            screen.type("\r")
            await screen.wait_for("你：第1句")
            await screen.wait_for("1番")
            await screen.wait_for("服务器计 345 毫秒")
            screen.type("\r")
            await screen.wait_for("听到一")
            screen.type("\x04")
            assert await client.wait() == 0
            assert screen.is_sane()
    assert len(asr.utterances) == 1 and peer.closed == [1000]


@pytest.mark.slow
@pytest.mark.parametrize("key", [" ", "\x03"], ids=["space", "ctrl-c"])
async def test_a_key_silences_a_character_that_speaks_and_says_how_much_was_heard(tmp_path: Path, key: str) -> None:
    library = install_sounddevice(tmp_path / "library")
    interrupts: list[Message] = []

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        match message["type"]:
            case "agent_mode_start":
                await say(socket, "agent_listening", message="Ready to listen")
                await say(socket, "transcription", text="讲个故事", is_partial=False)
                await say(socket, "thinking", message="Processing...")
                audio = base64.b64encode(bytes(3200)).decode()
                await say(socket, "audio_chunk", audio_base64=audio, audio_format="pcm", audio_sample_rate=16000)
                await say(socket, "sentence", index=0, content_jp="むかしむかし", content_cn="很久以前", emotion="calm")
            case "interrupt":
                interrupts.append(message)
                await say(socket, "interrupted", turn_id="t1", reason="client", heard_ms=message["played_ms"])
                await say(socket, "audio_end")
                await say(socket, "response", content_cn="很久", content_jp="むかし", emotion="calm")
                await say(socket, "agent_listening", message="Ready to listen")
                await say(socket, "transcription", text="然后", is_partial=False)

    with anyio.fail_after(PATIENCE_S):
        async with (
            open_peer(answer, (*VOICE_EXTENSIONS, "barge_in")) as peer,
            open_screen(peer.url, tmp_path, "--agent", "--headset", sound="", PYTHONPATH=library) as (screen, client),
        ):
            await screen.wait_for("很久以前")
            await screen.wait_for("你>")  # before it there is no key, only a line
            screen.type(key)
            await screen.wait_for("你：然后")
            while client.returncode is None:  # where nobody speaks it leaves; while the reply still ends it stops that
                screen.type("\x03")
                with anyio.move_on_after(_AGAIN_S):
                    await client.wait()
            assert client.returncode == 0
            assert screen.is_sane()
    assert peer.talks[0][0]["extensions"][-1] == "barge_in"
    assert [message["played_ms"] for message in interrupts] == [100]
