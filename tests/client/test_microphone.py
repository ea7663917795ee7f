"""Devices, and what a microphone hears into the client: what reaches the server, what is shown, how it ends."""

import signal
import subprocess
import sys
from pathlib import Path

import anyio
import anyio.abc
import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from tests.client.peer import CLIENT, PATIENCE_S, Message, Peer, kinds, open_peer, run_client, say, surroundings
from tests.client.sound_library import MISSING, SOUNDDEVICE, install_sounddevice
from tests.client.voice_peer import VOICE_EXTENSIONS, Recogniser, audio_of, is_silent

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


class Person:
    """Types into a client in a pipe when something has happened."""

    def __init__(self, client: anyio.abc.Process) -> None:
        self._client = client

    async def type(self, text: str) -> None:
        assert self._client.stdin is not None
        await self._client.stdin.send(text.encode())

    async def leave(self) -> tuple[int, str, str]:
        assert self._client.stdin and self._client.stdout and self._client.stderr
        await self._client.stdin.aclose()
        said = [b"".join([part async for part in stream]) for stream in (self._client.stdout, self._client.stderr)]
        return await self._client.wait(), said[0].decode(), said[1].decode()


@pytest.mark.parametrize("device", ["usb mic", "2"])
async def test_enter_opens_the_microphone_and_enter_closes_it(tmp_path: Path, device: str) -> None:
    library = install_sounddevice(tmp_path / "library")
    asr = Recogniser()
    command = [sys.executable, str(CLIENT), "--voice", "--no-audio", "--input-device", device]
    with anyio.fail_after(PATIENCE_S):
        async with open_peer(asr.answer, VOICE_EXTENSIONS) as peer:
            environment = surroundings(PYTHONPATH=library)
            async with await anyio.open_process([*command, "--url", peer.url], cwd=tmp_path, env=environment) as client:
                person = Person(client)
                await peer.heard(lambda talk: len(talk) > 0)
                await person.type("你好\n")
                await peer.heard(lambda talk: talk[-1]["type"] == "message")
                await person.type("\n")
                await peer.heard(lambda talk: len(talk) >= 10)
                await person.type("\n再见\n")
                await peer.heard(lambda talk: talk[-1].get("content") == "再见")
                code, out, err = await person.leave()
    assert (code, err) == (0, "")
    assert kinds(peer.talks[0])[1:] == [
        "message", "audio_stream_start", "audio_stream_chunk", "audio_stream_end", "message"
    ]  # fmt: skip
    assert "你：第1句" in out and out.index("1番") < out.index("再见だよ")
    samples = np.frombuffer(asr.utterances[0], "<i2")
    assert len(samples) > 4000 and np.abs(samples[2000:-2000] - 0x2000).max() < 200


@pytest.mark.parametrize("headset", [False, True])
async def test_the_microphone_is_silent_until_the_speaker_is_unless_there_is_a_headset(
    tmp_path: Path, headset: bool
) -> None:
    library = install_sounddevice(tmp_path / "library")
    sent: list[bytes] = []

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        if message["type"] == "agent_mode_start":
            await say(socket, "agent_listening", message="")
        elif message["type"] == "agent_audio_chunk":
            sent.append(audio_of(message))
            if len(sent) == 10:
                await asr.take_turn(peer, socket, "agent")

    asr = Recogniser(utterances=[b""])
    command = [sys.executable, str(CLIENT), "--agent", *(["--headset"] if headset else [])]
    with anyio.fail_after(PATIENCE_S):
        async with open_peer(answer, VOICE_EXTENSIONS) as peer:
            environment = surroundings(PYTHONPATH=library)
            async with await anyio.open_process([*command, "--url", peer.url], cwd=tmp_path, env=environment) as client:
                person = Person(client)
                await peer.heard(lambda talk: len(talk) > 60)
                await person.type("/quit\n")
                code, out, err = await person.leave()
    assert (code, err) == (0, "") and "1番" in out
    assert peer.talks[0][-1]["type"] == "agent_mode_stop"
    heard = "".join("_" if is_silent(chunk) else "x" for chunk in sent)
    assert len(set(map(len, sent))) == 1  # as much as time passes, muted or not
    if headset:
        assert "_" not in heard[1:]
    else:
        before, muted, after = heard[1:].partition("_" * 8)
        assert muted and set(before) == {"x"} and after.endswith("x" * 5)


async def test_ctrl_c_leaves_hands_free_talk_and_says_so_to_the_server(tmp_path: Path) -> None:
    library = install_sounddevice(tmp_path / "library")
    command = [sys.executable, str(CLIENT), "--agent", "--no-audio", "--input-device", "2"]
    with anyio.fail_after(PATIENCE_S):
        async with open_peer(Recogniser().answer, VOICE_EXTENSIONS) as peer:
            environment = surroundings(PYTHONPATH=library)
            async with await anyio.open_process(
                [*command, "--url", peer.url], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL
            ) as client:
                await peer.heard(lambda talk: len(talk) > 5)
                client.send_signal(signal.SIGINT)
                assert await client.wait() == 128 + signal.SIGINT
                assert client.stderr is not None
                assert [part async for part in client.stderr] == []
    assert peer.talks[0][-1]["type"] == "agent_mode_stop" and peer.closed == [1000]


async def test_a_line_typed_in_hands_free_talk_is_a_turn_like_any_other(tmp_path: Path) -> None:
    library = install_sounddevice(tmp_path / "library", SOUNDDEVICE.replace("\\\\x00\\\\x20", "\\\\0\\\\0"))
    async with open_peer(Recogniser().answer) as peer:
        outcome = await run_client(
            "--url",
            peer.url,
            "--agent",
            "--no-audio",
            cwd=tmp_path,
            typed="一\n/clear\n二\n/quit\n",
            PYTHONPATH=library,
        )
    assert (outcome.code, outcome.err) == (0, "")
    assert "一だよ" in outcome.out and "二だよ" in outcome.out and "已清除" in outcome.out


@pytest.mark.parametrize("lack", MISSING)
async def test_without_a_microphone_text_goes_on_and_hands_free_talk_does_not(tmp_path: Path, lack: str) -> None:
    library = install_sounddevice(tmp_path / "library", MISSING[lack])
    async with open_peer() as peer:
        spoken = await run_client(
            "--url", peer.url, "--voice", "--no-audio", cwd=tmp_path, typed="一\n", PYTHONPATH=library
        )
        hands_free = await run_client("--url", peer.url, "--agent", "--no-audio", cwd=tmp_path, PYTHONPATH=library)
        listed = await run_client("--list-devices", cwd=tmp_path, PYTHONPATH=library)
    assert spoken.code == 0 and "一だよ" in spoken.out
    assert (hands_free.code, listed.code) == (2, 2) and len(peer.talks) == 1
    assert [len(outcome.err.splitlines()) for outcome in (spoken, hands_free, listed)] == [1, 1, 1]
    assert "打字照常" in spoken.err and "麦克风" in hands_free.err
    for outcome in (spoken, hands_free, listed):
        assert ("apt-get install libportaudio2" in outcome.err) == (lack == "no library")


async def test_devices_are_listed_and_found_by_number_or_name(tmp_path: Path) -> None:
    library = install_sounddevice(tmp_path / "library")
    listed = await run_client("--list-devices", cwd=tmp_path, PYTHONPATH=library)
    assert listed.code == 0
    assert "*   1  USB Mic" in listed.out and "*   0  Quiet Box" in listed.out and "    2  USB Camera" in listed.out
    for wanted, told in (("usb", "1 USB Mic、2 USB Camera"), ("piano", "--list-devices"), ("0", "--list-devices")):
        outcome = await run_client("--agent", "--input-device", wanted, cwd=tmp_path, PYTHONPATH=library)
        assert outcome.code == 2 and told in outcome.err
