"""The speaker's side and the file's side of a reply, without a server."""

import random
import threading
import wave
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import audio_manager
from client.audio_manager import Player, SpeakerError, WavRecorder

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 20, 15, 30)


class MemorySpeaker:
    """A device that keeps what it is given: ("start" | "stop" | "close" | pcm) at a rate, in order."""

    def __init__(
        self, heard: list[tuple[int, str | bytes]], sample_rate_hz: int, breaks_at: bytes | None = None
    ) -> None:
        self._heard = heard
        self._rate = sample_rate_hz
        self._breaks_at = breaks_at

    def start(self) -> None:
        self._heard.append((self._rate, "start"))

    def write(self, pcm: bytes, /) -> None:
        if pcm == self._breaks_at:
            raise SpeakerError("the plug was pulled")
        self._heard.append((self._rate, pcm))

    def stop(self) -> None:
        self._heard.append((self._rate, "stop"))

    def close(self) -> None:
        self._heard.append((self._rate, "close"))


def noise(samples: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(samples * 2)


def read_wav(path: Path) -> tuple[int, int, int, bytes]:
    with wave.open(str(path), "rb") as wav:
        return wav.getnchannels(), wav.getsampwidth(), wav.getframerate(), wav.readframes(wav.getnframes())


async def test_chunks_are_played_in_order_and_the_speaker_rests_after_the_reply() -> None:
    heard: list[tuple[int, str | bytes]] = []
    player = Player(print, lambda rate: MemorySpeaker(heard, rate))
    await player.start()
    chunks = [noise(1280, seed) for seed in range(20)]
    for chunk in chunks:
        player.play(chunk, 16000)
    await player.wait_played()
    assert heard == [(16000, "start"), *((16000, chunk) for chunk in chunks), (16000, "stop")]
    player.close()
    assert heard[-1] == (16000, "close")


async def test_a_long_chunk_reaches_the_speaker_whole_but_in_small_pieces() -> None:
    heard: list[tuple[int, str | bytes]] = []
    player = Player(print, lambda rate: MemorySpeaker(heard, rate))
    await player.start()
    player.play(noise(50_001), 16000)
    await player.wait_played()
    player.close()
    pieces = [what for _, what in heard if isinstance(what, bytes)]
    assert b"".join(pieces) == noise(50_001)
    assert max(map(len, pieces)) == 16000 * 2 * audio_manager.PIECE_MS // 1000


async def test_a_new_rate_opens_the_speaker_again_after_the_old_sound_was_heard() -> None:
    heard: list[tuple[int, str | bytes]] = []
    player = Player(print, lambda rate: MemorySpeaker(heard, rate))
    await player.start()
    player.play(b"\1\0", 16000)
    player.play(b"\2\0", 24000)
    await player.wait_played()
    player.close()
    low, high = [(16000, "start"), (16000, b"\1\0")], [(24000, "start"), (24000, b"\2\0")]
    assert heard == [*low, (16000, "stop"), (16000, "close"), *high, (24000, "stop"), (24000, "close")]


async def test_a_missing_speaker_is_reported_once_and_nobody_waits_for_it() -> None:
    def open_nothing(sample_rate_hz: int) -> MemorySpeaker:
        raise SpeakerError("there is no speaker")

    said: list[str] = []
    player = Player(said.append, open_nothing)
    await player.start()
    for rate in (16000, 24000, 16000):
        player.play(noise(100), rate)
        await player.wait_played()
    player.close()
    assert said == ["there is no speaker"]


async def test_a_speaker_that_breaks_is_reported_once() -> None:
    heard: list[tuple[int, str | bytes]] = []
    said: list[str] = []
    player = Player(said.append, lambda rate: MemorySpeaker(heard, rate, breaks_at=b"\2\0"))
    await player.start()
    for pcm in (b"\1\0", b"\2\0", b"\3\0", b"\2\0"):
        player.play(pcm, 16000)
    await player.wait_played()
    player.close()
    assert said == ["the plug was pulled"]
    assert heard == [(16000, "start"), (16000, b"\1\0"), (16000, "close")]


async def test_close_drops_what_was_not_heard_yet() -> None:
    entered = threading.Event()

    class SlowSpeaker(MemorySpeaker):
        def write(self, pcm: bytes, /) -> None:
            entered.set()
            player._closing.wait()
            super().write(pcm)

    heard: list[tuple[int, str | bytes]] = []
    player = Player(print, lambda rate: SlowSpeaker(heard, rate))
    await player.start()
    for seed in range(5):
        player.play(noise(10, seed), 16000)
    entered.wait()
    player.close()
    assert heard == [(16000, "start"), (16000, noise(10, 0)), (16000, "close")]


async def test_what_is_cut_is_not_played_and_what_was_played_of_it_is_known() -> None:
    entered, leave = threading.Event(), threading.Event()

    class SlowSpeaker(MemorySpeaker):
        def write(self, pcm: bytes, /) -> None:
            entered.set()
            leave.wait()
            super().write(pcm)

    heard: list[tuple[int, str | bytes]] = []
    player = Player(print, lambda rate: SlowSpeaker(heard, rate))
    await player.start()
    assert player.cut() is None
    for seed in range(3):
        player.play(noise(1600, seed), 16000)
    entered.wait()
    assert player.cut() == 0  # the speaker has it, and is not done
    assert player.cut() is None
    leave.set()
    await player.wait_played()
    player.play(noise(1600, 3), 16000)
    await player.wait_played()
    player.close()
    assert [what for _, what in heard if isinstance(what, bytes)] == [noise(1600, 0), noise(1600, 3)]


async def test_play_never_waits_when_the_speaker_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_manager, "QUEUED_CHUNKS", 3)
    stuck, leave = threading.Event(), threading.Event()

    class StuckSpeaker(MemorySpeaker):
        def write(self, pcm: bytes, /) -> None:
            stuck.set()
            leave.wait()

    said: list[str] = []
    player = Player(said.append, lambda rate: StuckSpeaker([], rate))
    await player.start()
    player.play(noise(10), 16000)
    stuck.wait()
    for _ in range(10):
        player.play(noise(10), 16000)
    await player.wait_played()
    leave.set()
    player.close()
    assert len(said) == 1


def test_the_file_holds_exactly_the_chunks(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path / "new" / "folder")
    for seed in range(3):
        recorder.add(noise(480, seed), 24000)
    recording = recorder.finish(NOW)
    assert recording is not None and recording.whole
    assert recording.seconds == pytest.approx(0.06)
    assert recording.path == tmp_path / "new" / "folder" / "20261122-201530-001.wav"
    assert read_wav(recording.path) == (1, 2, 24000, b"".join(noise(480, seed) for seed in range(3)))


@settings(max_examples=20, deadline=None)
@given(replies=st.lists(st.lists(st.integers(1, 300), max_size=5), max_size=5))
def test_every_reply_is_one_file_and_silence_is_none(replies: list[list[int]]) -> None:
    with TemporaryDirectory() as folder:
        recorder = WavRecorder(Path(folder))
        for sizes in replies:
            for size in sizes:
                recorder.add(noise(size, size), 16000)
            recording = recorder.finish(NOW)
            assert (recording is None) == (not sizes)
            if recording is not None:
                assert read_wav(recording.path)[3] == b"".join(noise(size, size) for size in sizes)
        assert len(list(Path(folder).iterdir())) == sum(map(bool, replies))


def test_no_file_is_ever_overwritten(tmp_path: Path) -> None:
    paths = []
    for seed in range(3):  # three programs that save in the same second
        recorder = WavRecorder(tmp_path)
        recorder.add(noise(10, seed), 16000)
        recording = recorder.finish(NOW)
        assert recording is not None
        paths.append(recording.path)
    assert [read_wav(path)[3] for path in paths] == [noise(10, seed) for seed in range(3)]


def test_a_discarded_reply_is_not_part_of_the_next(tmp_path: Path) -> None:
    recorder = WavRecorder(tmp_path)
    recorder.add(noise(10, 1), 24000)
    recorder.discard()
    recorder.add(noise(10, 2), 16000)
    recording = recorder.finish(NOW)
    assert recording is not None
    assert read_wav(recording.path)[2:] == (16000, noise(10, 2))


def test_a_reply_without_end_is_cut_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_manager, "RECORDED_BYTES", 100)
    recorder = WavRecorder(tmp_path)
    for _ in range(10):
        recorder.add(noise(20), 16000)
    recording = recorder.finish(NOW)
    assert recording is not None and not recording.whole
    assert len(read_wav(recording.path)[3]) == 100


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    recorder = WavRecorder(tmp_path / "file")
    recorder.add(noise(10), 16000)
    with pytest.raises(OSError):
        recorder.finish(NOW)
