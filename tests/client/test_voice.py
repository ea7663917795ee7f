"""What is said into the client, from files and a microphone: what reaches the server, what is shown, how it ends."""

import random
import signal
import subprocess
import sys
import wave
from pathlib import Path

import anyio
import numpy as np
import pytest
from websockets.asyncio.server import ServerConnection

from tests.client.peer import CLIENT, PATIENCE_S, Message, Peer, open_peer, reply, run_client, say, surroundings
from tests.client.sound_library import MISSING, SOUNDDEVICE, install_sounddevice
from tests.client.voice_peer import VOICE_EXTENSIONS, Ear, audio_of, is_silent

pytestmark = pytest.mark.anyio


def noise(seconds: float, seed: int) -> bytes:
    """No sample of it is zero."""
    dice = random.Random(seed)
    return bytes(dice.randint(1, 127) for _ in range(round(seconds * 16000) * 2))


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * 16000) * 2)


def write_wav(path: Path, pcm: bytes, rate_hz: int = 16000, channels: int = 1, width: int = 2) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(pcm)
    return path


def kinds(talk: list[Message]) -> list[str]:
    """The types of what was sent, repetitions left out."""
    types = [message["type"] for message in talk]
    return [kind for index, kind in enumerate(types) if index == 0 or kind != types[index - 1]]


# ---------------------------------------------------------------- a file at once


async def test_a_file_alone_is_sent_as_it_is_and_its_answer_saved(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "said.wav", noise(0.3, 1), rate_hz=44100, channels=2)
    ear = Ear()
    async with open_peer(ear.answer, VOICE_EXTENSIONS) as peer:
        outcome = await run_client("--url", peer.url, "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0
    assert ear.utterances == [file.read_bytes()]
    assert "你：第1句" in outcome.out and "1番" in outcome.out and "服务器计 345 毫秒" in outcome.out
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 1
    assert peer.talks[0][0]["extensions"] == ["sentences", "turns", "speech_events"]


@pytest.mark.parametrize("mode", [(), ("--voice",), ("--agent",)])
async def test_a_file_that_cannot_be_used_is_one_sentence_and_no_connection(
    tmp_path: Path, mode: tuple[str, ...]
) -> None:
    (tmp_path / "text.wav").write_text("this is no sound")
    write_wav(tmp_path / "empty.wav", b"")
    async with open_peer() as peer:
        for name in ("missing.wav", "text.wav", *(["empty.wav"] if mode else [])):
            outcome = await run_client("--url", peer.url, *mode, "--wav", str(tmp_path / name), cwd=tmp_path)
            assert outcome.code == 2 and outcome.out == ""
            (sentence,) = outcome.err.splitlines()
            assert name in sentence
    assert peer.talks == []


async def test_a_file_too_large_for_one_message_says_what_helps(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "long.wav", bytes(2_300_000))
    async with open_peer() as peer:
        outcome = await run_client("--url", peer.url, "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 2 and "--voice" in outcome.err and peer.talks == []


async def test_modes_that_exclude_each_other_are_refused(tmp_path: Path) -> None:
    for wrong in (("--voice", "--agent"), ("--message", "你好", "--voice"), ("--message", "你好", "--wav", "a.wav")):
        outcome = await run_client(*wrong, cwd=tmp_path)
        assert outcome.code == 2 and "--" in outcome.err


# ---------------------------------------------------------------- streamed


async def test_streamed_files_arrive_sample_by_sample_each_with_its_answer(tmp_path: Path) -> None:
    said = [noise(0.35, 1), noise(0.2, 2)]
    files = [str(write_wav(tmp_path / f"{index}.wav", pcm)) for index, pcm in enumerate(said)]
    ear = Ear()
    async with open_peer(ear.answer, VOICE_EXTENSIONS) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", files[0], "--wav", files[1], cwd=tmp_path)
    assert (outcome.code, ear.utterances) == (0, said)
    assert kinds(peer.talks[0]) == ["connect", *["audio_stream_start", "audio_stream_chunk", "audio_stream_end"] * 2]
    chunks = [audio_of(message) for message in peer.talks[0] if message["type"] == "audio_stream_chunk"]
    assert [len(chunk) for chunk in chunks] == [3200, 3200, 3200, 1600, 3200, 3200]
    lines = [line for line in outcome.out.splitlines() if "听到一" in line or line.startswith("你：")]
    assert lines == ["你：第1句", "你：第2句"]
    assert outcome.out.count("服务器计 345 毫秒") == 2 and outcome.out.count("首音") == 2


async def test_without_extensions_the_voice_modes_work_as_well(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "said.wav", noise(0.1, 1))
    ear = Ear()
    async with open_peer(ear.answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), "--no-audio", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "") and len(ear.utterances) == 1
    assert "首音" in outcome.out and "服务器计" not in outcome.out


async def test_any_rate_width_and_number_of_channels_is_converted(tmp_path: Path) -> None:
    tone = np.sin(np.arange(24_000) * 2 * np.pi * 440 / 48_000) * 2**22
    frames = np.repeat(tone.astype("<i4"), 2).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    file = write_wav(tmp_path / "tone.wav", frames, rate_hz=48_000, channels=2, width=3)
    ear = Ear()
    async with open_peer(ear.answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0
    heard = np.frombuffer(ear.utterances[0], "<i2")
    assert len(heard) == 8000
    expected = np.sin(np.arange(8000) * 2 * np.pi * 440 / 16_000) * 2**14
    assert np.abs(heard - expected)[200:-200].max() < 100


async def test_no_speech_in_a_stream_is_shown_and_the_exit_code_is_1(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        if message["type"] == "audio_stream_start":
            await say(socket, "audio_stream_started", message="")
        elif message["type"] == "audio_stream_end":
            await say(socket, "error", message="Nothing was heard", code="no_speech", retryable=True)

    file = write_wav(tmp_path / "said.wav", silence(0.1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 1 and "no_speech" in outcome.err


async def test_a_stream_that_fails_in_its_middle_is_sent_no_further_and_the_next_works(tmp_path: Path) -> None:
    ear = Ear()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        failed = len(peer.talks[0]) == 3
        await ear.answer(peer, socket, message)
        if failed:
            await say(socket, "error", message="The recogniser broke", code="asr_failed", retryable=True)
            await say(socket, "error", message="Chunk without start", code="wrong_state", retryable=False)

    files = [str(write_wav(tmp_path / f"{seed}.wav", noise(1, seed))) for seed in (1, 2)]
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", files[0], "--wav", files[1], cwd=tmp_path)
    assert outcome.code == 1 and "asr_failed" in outcome.err and "wrong_state" not in outcome.err
    assert ear.utterances == [noise(1, 2)] and "1番" in outcome.out


async def test_one_refused_chunk_does_not_end_a_stream(tmp_path: Path) -> None:
    ear = Ear()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await ear.answer(peer, socket, message)
        if len(peer.talks[0]) == 3:
            await say(socket, "error", message="Too many chunks", code="rate_limited", retryable=True)

    file = write_wav(tmp_path / "said.wav", noise(0.3, 1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0 and ear.utterances == [noise(0.3, 1)] and "rate_limited" in outcome.err


async def test_a_refused_start_is_followed_by_no_sound(tmp_path: Path) -> None:
    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await say(socket, "error", message="Not in this version", code="wrong_state", retryable=False)

    file = write_wav(tmp_path / "said.wav", noise(0.2, 1))
    async with open_peer(answer) as peer:
        streamed = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
        hands_free = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert (streamed.code, hands_free.code) == (1, 1)
    assert "wrong_state" in streamed.err and "wrong_state" in hands_free.err
    assert kinds(peer.talks[0]) == ["connect", "audio_stream_start"]
    assert kinds(peer.talks[1])[:2] == ["connect", "agent_mode_start"]
    assert "agent_audio_chunk" not in kinds(peer.talks[1])


async def test_a_stream_lost_with_its_connection_is_a_sentence(tmp_path: Path) -> None:
    ear = Ear()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await ear.answer(peer, socket, message)
        if message["type"] == "audio_stream_chunk":
            socket.transport.abort()

    file = write_wav(tmp_path / "said.wav", noise(1, 1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 1 and "没有等到回答" in outcome.err and len(peer.talks) == 1


# ---------------------------------------------------------------- hands-free


@pytest.mark.slow  # in real time
@pytest.mark.parametrize("extensions", [(), VOICE_EXTENSIONS])
async def test_every_utterance_of_a_file_is_heard_whole_and_answered(
    tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    said = [noise(0.45, 1), noise(0.3, 2)]
    file = write_wav(tmp_path / "said.wav", silence(0.2) + said[0] + silence(0.75) + said[1])
    ear = Ear()
    async with open_peer(ear.answer, extensions) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0
    assert [utterance.strip(b"\0") for utterance in ear.utterances] == said
    assert outcome.out.index("你：第1句") < outcome.out.index("1番") < outcome.out.index("你：第2句")
    assert kinds(peer.talks[0]) == ["connect", "agent_mode_start", "agent_audio_chunk", "agent_mode_stop"]
    assert outcome.out.count("首音") == (2 if extensions else 0)
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 2


@pytest.mark.slow
async def test_a_file_holds_while_the_character_has_the_floor(tmp_path: Path) -> None:
    """The server takes its time; what the file has to say meanwhile is not lost."""

    class SlowEar(Ear):
        dropped = 0
        in_turn = False

        async def listen(self, peer: Peer, socket: ServerConnection, pcm: bytes) -> None:
            if not self.in_turn:
                await super().listen(peer, socket, pcm)
                return
            self.dropped += 1
            if self.dropped % 8 == 0:
                self.in_turn = False
                await reply(socket, jp="はい")
                await say(socket, "agent_listening", message="Ready to listen")

        async def take_turn(self, peer: Peer, socket: ServerConnection, kind: str) -> None:
            self.in_turn = True
            await say(socket, "transcription", text="はい？", is_partial=False)

    said = [noise(0.2, 1), noise(0.3, 2)]
    file = write_wav(tmp_path / "said.wav", said[0] + silence(0.7) + said[1])
    ear = SlowEar()
    async with open_peer(ear.answer) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), "--no-audio", cwd=tmp_path)
    assert outcome.code == 0 and outcome.out.count("日 はい") == 2
    assert [utterance.strip(b"\0") for utterance in ear.utterances] == said


@pytest.mark.slow
async def test_a_file_that_nobody_answers_is_exit_code_1(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "said.wav", silence(0.2))
    async with open_peer(Ear().answer) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 1 and peer.talks[0][-1]["type"] == "agent_mode_stop"
    assert "没有听到回答" in outcome.err


@pytest.mark.slow
async def test_hands_free_talk_begins_again_on_a_new_connection(tmp_path: Path) -> None:
    ear = Ear()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await ear.answer(peer, socket, message)
        if len(peer.talks) == 1 and len(peer.talks[0]) == 4:
            socket.transport.abort()

    file = write_wav(tmp_path / "said.wav", silence(0.5) + noise(0.3, 1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0 and "1番" in outcome.out and "后再试" in outcome.err
    assert [talk[1]["type"] for talk in peer.talks] == ["agent_mode_start"] * 2


# ---------------------------------------------------------------- a microphone


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
    ear = Ear()
    command = [sys.executable, str(CLIENT), "--voice", "--no-audio", "--input-device", device]
    with anyio.fail_after(PATIENCE_S):
        async with open_peer(ear.answer, VOICE_EXTENSIONS) as peer:
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
    samples = np.frombuffer(ear.utterances[0], "<i2")
    assert len(samples) > 4000 and np.abs(samples[2000:-2000] - 0x2000).max() < 200


@pytest.mark.slow
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
                await ear.take_turn(peer, socket, "agent")

    ear = Ear(utterances=[b""])
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
        before, muted, after = heard[1:].partition("_" * 20)  # 0.7 s and the echo's tail are 25 chunks of 40 ms
        assert muted and set(before) == {"x"} and after.endswith("x" * 5)


async def test_ctrl_c_leaves_hands_free_talk_and_says_so_to_the_server(tmp_path: Path) -> None:
    library = install_sounddevice(tmp_path / "library")
    command = [sys.executable, str(CLIENT), "--agent", "--no-audio", "--input-device", "2"]
    with anyio.fail_after(PATIENCE_S):
        async with open_peer(Ear().answer, VOICE_EXTENSIONS) as peer:
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


@pytest.mark.slow
async def test_a_line_typed_in_hands_free_talk_is_a_turn_like_any_other(tmp_path: Path) -> None:
    library = install_sounddevice(tmp_path / "library", SOUNDDEVICE.replace("\\\\x00\\\\x20", "\\\\0\\\\0"))
    async with open_peer(Ear().answer) as peer:
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
