"""Pcm chunks (s16le mono) of a reply in; sound from the speaker and one WAV file per reply out."""

import asyncio
import itertools
import queue
import threading
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from client.devices import NoSoundLibrary, NoSuchDevice, find_device, load_sounddevice
from client.language import tell

SAMPLE_RATE_HZ = 16_000  # the specification's; the speaker is opened at it before the first chunk tells
SAMPLE_BYTES = 2
QUEUED_CHUNKS = 8_192  # about ten minutes of 80 ms chunks: a reply arrives much faster than it is heard
PIECE_MS = 100  # handed to the speaker at once, hence how long close() may have to wait
RECORDED_BYTES = 64 * 2**20  # half an hour at 16 kHz: no reply is that long, only a broken server is
CLOSE_SECONDS = 1.0  # a driver that hangs must not keep the program from ending


class SpeakerError(Exception):
    """There is no sound; str(error) is one sentence that names the mend."""


class Speaker(Protocol):
    """One open output. `stop` returns once everything written has been heard, `close` drops what has not."""

    def start(self) -> object: ...
    def write(self, pcm: bytes, /) -> object: ...
    def stop(self) -> object: ...
    def close(self) -> object: ...


class _PortAudioSpeaker:
    def __init__(self, sounddevice: Any, sample_rate_hz: int, device: int | None) -> None:
        self._sounddevice = sounddevice
        with self._mapped_errors():
            self._stream = sounddevice.RawOutputStream(
                samplerate=sample_rate_hz, channels=1, dtype="int16", **({} if device is None else {"device": device})
            )

    @contextmanager
    def _mapped_errors(self) -> Iterator[None]:
        try:
            yield
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise SpeakerError(tell("no_output", error=error)) from error

    def start(self) -> None:
        with self._mapped_errors():
            self._stream.start()

    def write(self, pcm: bytes, /) -> None:
        with self._mapped_errors():
            self._stream.write(pcm)

    def stop(self) -> None:
        with self._mapped_errors():
            self._stream.stop()

    def close(self) -> None:
        with self._mapped_errors():
            self._stream.close()


def open_speaker(sample_rate_hz: int, wanted: str | None = None) -> Speaker:
    """The output device that is called so; None: the default one.

    Raises:
        SpeakerError: the library or the device is missing.
    """
    try:
        sounddevice = load_sounddevice()
        device = find_device(sounddevice, wanted, "output")
    except NoSoundLibrary as error:
        raise SpeakerError(tell("silent_and_mend", lack=error.lack, mend=error.mend)) from error
    except NoSuchDevice as error:
        raise SpeakerError(tell("silent_for_now", reason=error)) from error
    return _PortAudioSpeaker(sounddevice, sample_rate_hz, device)


class _Output:
    """The speaker at the rate of what is written; after the first failure, silence."""

    def __init__(self, report: Callable[[str], None], open_speaker: Callable[[int], Speaker]) -> None:
        self._report = report
        self._open_speaker = open_speaker
        self._speaker: Speaker | None = None
        self._sample_rate_hz = 0
        self._sounding = False
        self.failed = False

    @contextmanager
    def _silent_after_failure(self) -> Iterator[None]:
        try:
            yield
        except SpeakerError as error:
            self.failed = True
            self._report(str(error))

    def open(self, sample_rate_hz: int) -> None:
        with self._silent_after_failure():
            self._speaker = self._open_speaker(sample_rate_hz)
            self._sample_rate_hz = sample_rate_hz

    def write(self, pcm: bytes, sample_rate_hz: int) -> None:
        if not self.failed and sample_rate_hz != self._sample_rate_hz:
            self.rest()
            self.close()
            self.open(sample_rate_hz)
        if self.failed or self._speaker is None:
            return
        with self._silent_after_failure():
            if not self._sounding:
                self._speaker.start()
                self._sounding = True
            self._speaker.write(pcm)

    def rest(self) -> None:
        """Returns when all that was written has been heard."""
        if self._sounding and not self.failed and self._speaker is not None:
            self._sounding = False
            with self._silent_after_failure():
                self._speaker.stop()

    def close(self) -> None:
        if self._speaker is not None:
            with suppress(SpeakerError):
                self._speaker.close()
            self._speaker = None


@dataclass(slots=True)
class _Reply:
    """As far as the speaker was given it."""

    played_ms: float = 0.0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class _Chunk:
    pcm: bytes
    sample_rate_hz: int
    reply: _Reply


class Player:
    """Plays chunks as they arrive, without a gap, from a thread of its own: a speaker's calls block.

    Without a speaker it says why, once, and goes on in silence. `report` may be called from that thread.
    """

    def __init__(self, report: Callable[[str], None], open_speaker: Callable[[int], Speaker] = open_speaker) -> None:
        self._report = report
        self._output = _Output(report, open_speaker)
        self._orders: queue.Queue[_Chunk | Future[None] | None] = queue.Queue(QUEUED_CHUNKS)
        self._closing = threading.Event()
        self._overflowed = False
        self._in_reply = False  # more of it is to come
        self._reply = _Reply()  # that comes, or came last
        self._heard: Future[None] | None = None  # the latest reply
        self._thread = threading.Thread(target=self._run, name="player", daemon=True)

    async def start(self) -> None:
        """Returns when the speaker is open or known to be missing."""
        self._thread.start()
        await self.wait_played()

    def play(self, pcm: bytes, sample_rate_hz: int) -> None:
        """Never waits: what does not fit is left out, and that is said once."""
        if not self._in_reply:
            self._in_reply, self._reply = True, _Reply()
        try:
            self._orders.put_nowait(_Chunk(pcm, sample_rate_hz, self._reply))
        except queue.Full:
            if not self._overflowed:
                self._overflowed = True
                self._report(tell("sound_overflowed"))

    def end_reply(self) -> Future[None]:
        """Let the speaker rest after what is queued; done when that has been heard."""
        heard: Future[None] = Future()
        try:
            self._orders.put_nowait(heard)
        except queue.Full:
            heard.set_result(None)
        self._in_reply, self._heard = False, heard
        return heard

    def cut(self) -> int | None:
        """What is left of the reply is not played, but for the piece that the speaker has.

        How many ms of it were played; None where nothing sounds.
        """
        if not self.is_sounding or self._reply.cut:
            return None
        self._reply.cut = True
        return round(self._reply.played_ms)

    @property
    def is_sounding(self) -> bool:
        """A reply has begun and was not heard to its end."""
        return self._in_reply or (self._heard is not None and not self._heard.done())

    async def wait_played(self) -> None:
        await asyncio.wrap_future(self.end_reply())

    def close(self) -> None:
        """Silence at once."""
        self._closing.set()
        with suppress(queue.Full):  # full: the thread wakes by itself
            self._orders.put_nowait(None)
        if self._thread.is_alive():
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        self._output.open(SAMPLE_RATE_HZ)
        while not self._closing.is_set():
            match self._orders.get():
                case _Chunk() as chunk:
                    self._write(chunk)
                case Future() as heard:
                    self._output.rest()
                    if heard.set_running_or_notify_cancel():
                        heard.set_result(None)
                case None:
                    pass
        self._output.close()

    def _write(self, chunk: _Chunk) -> None:
        step = max(1, chunk.sample_rate_hz * PIECE_MS // 1000) * SAMPLE_BYTES
        for start in range(0, len(chunk.pcm), step):
            if self._closing.is_set() or chunk.reply.cut:
                return
            piece = chunk.pcm[start : start + step]
            self._output.write(piece, chunk.sample_rate_hz)
            chunk.reply.played_ms += len(piece) * 1000 / (SAMPLE_BYTES * chunk.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class Recording:
    """A WAV file that was written."""

    path: Path
    seconds: float
    whole: bool  # False: the reply went on beyond what is kept


class WavRecorder:
    """Collects the pcm of one reply and writes it as one file, never over another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pcm = bytearray()
        self._whole = True
        self._sample_rate_hz = 0
        self._numbers = itertools.count(1)

    def add(self, pcm: bytes, sample_rate_hz: int) -> None:
        if not self._pcm:
            self._sample_rate_hz = sample_rate_hz  # a file has one rate: that of the reply's first chunk
        room = RECORDED_BYTES - len(self._pcm)
        self._whole = self._whole and len(pcm) <= room
        self._pcm += pcm[:room]

    def discard(self) -> None:
        self._pcm = bytearray()
        self._whole = True

    def finish(self, now: datetime) -> Recording | None:
        """Write what was collected and begin anew. None: there was no audio.

        Raises:
            OSError: the file cannot be written.
        """
        pcm, whole = bytes(self._pcm), self._whole
        self.discard()
        if not pcm:
            return None
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._write_new(pcm, now)
        return Recording(path, len(pcm) / SAMPLE_BYTES / self._sample_rate_hz, whole)

    def _write_new(self, pcm: bytes, now: datetime) -> Path:
        for number in self._numbers:
            path = self.folder / f"{now:%Y%m%d-%H%M%S}-{number:03d}.wav"
            try:
                file = path.open("xb")
            except FileExistsError:  # another client writes here in the same second
                continue
            try:
                with file, wave.open(file, "wb") as wav:
                    wav.setnchannels(1)
                    wav.setsampwidth(SAMPLE_BYTES)
                    wav.setframerate(self._sample_rate_hz)
                    wav.writeframes(pcm)
            except OSError:
                with suppress(OSError):
                    path.unlink()  # a full disk leaves half a file behind
                raise
            return path
        raise AssertionError("itertools.count ended")
