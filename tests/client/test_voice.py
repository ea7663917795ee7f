"""What is said into the client, from files and a microphone: what reaches the server, what is shown, how it ends."""

import random
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile  # type: ignore[import-untyped]
from websockets.asyncio.server import ServerConnection

from tests.client.peer import Message, Peer, kinds, open_peer, reply, run_client, say
from tests.client.voice_peer import VOICE_EXTENSIONS, Recogniser, audio_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


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


# ---------------------------------------------------------------- a file at once


async def test_a_file_alone_is_sent_as_it_is_and_its_answer_saved(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "said.wav", noise(0.3, 1), rate_hz=44100, channels=2)
    asr = Recogniser()
    async with open_peer(asr.answer, VOICE_EXTENSIONS) as peer:
        outcome = await run_client("--url", peer.url, "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0
    assert asr.utterances == [file.read_bytes()]
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
    asr = Recogniser()
    async with open_peer(asr.answer, VOICE_EXTENSIONS) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", files[0], "--wav", files[1], cwd=tmp_path)
    assert (outcome.code, asr.utterances) == (0, said)
    assert kinds(peer.talks[0]) == ["connect", *["audio_stream_start", "audio_stream_chunk", "audio_stream_end"] * 2]
    chunks = [audio_of(message) for message in peer.talks[0] if message["type"] == "audio_stream_chunk"]
    assert [len(chunk) for chunk in chunks] == [3200, 3200, 3200, 1600, 3200, 3200]
    lines = [line for line in outcome.out.splitlines() if "听到一" in line or line.startswith("你：")]
    assert lines == ["你：第1句", "你：第2句"]
    assert outcome.out.count("服务器计 345 毫秒") == 2 and outcome.out.count("首音") == 2


async def test_without_extensions_the_voice_modes_work_as_well(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "said.wav", noise(0.1, 1))
    asr = Recogniser()
    async with open_peer(asr.answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), "--no-audio", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "") and len(asr.utterances) == 1
    assert "首音" in outcome.out and "服务器计" not in outcome.out


async def test_any_rate_width_and_number_of_channels_is_converted(tmp_path: Path) -> None:
    tone = np.sin(np.arange(24_000) * 2 * np.pi * 440 / 48_000) * 2**22
    frames = np.repeat(tone.astype("<i4"), 2).view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    file = write_wav(tmp_path / "tone.wav", frames, rate_hz=48_000, channels=2, width=3)
    asr = Recogniser()
    async with open_peer(asr.answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0
    heard = np.frombuffer(asr.utterances[0], "<i2")
    assert len(heard) == 8000
    expected = np.sin(np.arange(8000) * 2 * np.pi * 440 / 16_000) * 2**14
    assert np.abs(heard - expected)[200:-200].max() < 100


@pytest.mark.parametrize("modes", [(), ("--voice",), ("--agent",)], ids=("whole", "voice", "agent"))
async def test_one_file_of_sox_or_windows_is_heard_in_every_mode(tmp_path: Path, modes: tuple[str, ...]) -> None:
    pcm = noise(0.2, 1)
    path = tmp_path / "extensible.wav"
    soundfile.write(path, np.frombuffer(pcm, "<i2"), 16_000, format="WAVEX", subtype="PCM_16")
    asr = Recogniser()
    async with open_peer(asr.answer, VOICE_EXTENSIONS) as peer:
        outcome = await run_client("--url", peer.url, "--no-audio", *modes, "--wav", str(path), cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert asr.utterances == [pcm if modes else path.read_bytes()]


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
    asr = Recogniser()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        failed = len(peer.talks[0]) == 3
        await asr.answer(peer, socket, message)
        if failed:
            await say(socket, "error", message="The recogniser broke", code="asr_failed", retryable=True)
            await say(socket, "error", message="Chunk without start", code="wrong_state", retryable=False)

    files = [str(write_wav(tmp_path / f"{seed}.wav", noise(1, seed))) for seed in (1, 2)]
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", files[0], "--wav", files[1], cwd=tmp_path)
    assert outcome.code == 1 and "asr_failed" in outcome.err and "wrong_state" not in outcome.err
    assert asr.utterances == [noise(1, 2)] and "1番" in outcome.out


async def test_one_refused_chunk_does_not_end_a_stream(tmp_path: Path) -> None:
    asr = Recogniser()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await asr.answer(peer, socket, message)
        if len(peer.talks[0]) == 3:
            await say(socket, "error", message="Too many chunks", code="rate_limited", retryable=True)

    file = write_wav(tmp_path / "said.wav", noise(0.3, 1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0 and asr.utterances == [noise(0.3, 1)] and "rate_limited" in outcome.err


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
    asr = Recogniser()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await asr.answer(peer, socket, message)
        if message["type"] == "audio_stream_chunk":
            socket.transport.abort()

    file = write_wav(tmp_path / "said.wav", noise(1, 1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--voice", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 1 and "没有等到回答" in outcome.err and len(peer.talks) == 1


# ---------------------------------------------------------------- in agent mode


@pytest.mark.parametrize("extensions", [(), VOICE_EXTENSIONS])
async def test_every_utterance_of_a_file_is_heard_whole_and_answered(
    tmp_path: Path, extensions: tuple[str, ...]
) -> None:
    said = [noise(0.45, 1), noise(0.3, 2)]
    file = write_wav(tmp_path / "said.wav", silence(0.2) + said[0] + silence(0.75) + said[1])
    asr = Recogniser()
    async with open_peer(asr.answer, extensions) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0
    assert [utterance.strip(b"\0") for utterance in asr.utterances] == said
    assert outcome.out.index("你：第1句") < outcome.out.index("1番") < outcome.out.index("你：第2句")
    assert kinds(peer.talks[0]) == ["connect", "agent_mode_start", "agent_audio_chunk", "agent_mode_stop"]
    assert outcome.out.count("首音") == (2 if extensions else 0)
    assert len(list((tmp_path / "recordings").glob("*.wav"))) == 2


async def test_a_file_holds_while_the_character_has_the_floor(tmp_path: Path) -> None:
    """The server takes its time; what the file has to say meanwhile is not lost."""

    class SlowEar(Recogniser):
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
    asr = SlowEar()
    async with open_peer(asr.answer) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), "--no-audio", cwd=tmp_path)
    assert outcome.code == 0 and outcome.out.count("日 はい") == 2
    assert [utterance.strip(b"\0") for utterance in asr.utterances] == said


async def test_a_file_that_nobody_answers_is_exit_code_1(tmp_path: Path) -> None:
    file = write_wav(tmp_path / "said.wav", silence(0.2))
    async with open_peer(Recogniser().answer) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 1 and peer.talks[0][-1]["type"] == "agent_mode_stop"
    assert "没有听到回答" in outcome.err


async def test_hands_free_talk_begins_again_on_a_new_connection(tmp_path: Path) -> None:
    asr = Recogniser()

    async def answer(peer: Peer, socket: ServerConnection, message: Message) -> None:
        await asr.answer(peer, socket, message)
        if len(peer.talks) == 1 and len(peer.talks[0]) == 4:
            socket.transport.abort()

    file = write_wav(tmp_path / "said.wav", silence(5.2) + noise(0.3, 1))
    async with open_peer(answer) as peer:
        outcome = await run_client("--url", peer.url, "--agent", "--wav", str(file), cwd=tmp_path)
    assert outcome.code == 0 and "1番" in outcome.out and "后再试" in outcome.err
    assert [talk[1]["type"] for talk in peer.talks] == ["agent_mode_start"] * 2
