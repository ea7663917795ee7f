"""An input device in; chunks of what it hears (s16le, mono, 16 kHz) out, or one sentence why there is no microphone."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import numpy as np
import soxr

from client.devices import NoSoundLibrary, NoSuchDevice, find_device, load_sounddevice
from client.language import tell
from client.voice.sound_source import RATE_HZ, SourceError
from client.voice.wav_file import to_pcm

CHUNK_MS = 40  # what is lost of a last word when Enter comes too soon
QUEUED_CHUNKS = 500  # 20 s: more than the server is waited for until it lets a stream begin, as a rule
SILENT_S = 5.0  # a device that hangs or was pulled out gives nothing at all, not even silence
CLOSE_SECONDS = 1.0  # a driver that hangs must not keep the program from ending
MOST_CHANNELS = 2


class MicrophoneError(SourceError):
    """There is no microphone, or it broke; str(error) is one sentence that names the mend."""


class _Converter:
    """What the device gives as what the server wants, piece by piece."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._channels = channels
        self._resampler = None if rate_hz == RATE_HZ else soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")

    def convert(self, pcm: bytes, *, last: bool = False) -> bytes:
        if self._channels == 1 and self._resampler is None:
            return pcm
        samples = np.frombuffer(pcm, dtype="<i2").astype(np.float32) / 32768
        mono = samples.reshape(-1, self._channels).mean(axis=1, dtype=np.float32)
        return to_pcm(mono if self._resampler is None else self._resampler.resample_chunk(mono, last=last))


class Microphone:
    """An open one. PortAudio's thread leaves the chunks in a bounded queue, `read` takes them from there."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._captured: deque[bytes] = deque(maxlen=QUEUED_CHUNKS)
        self._overflowed = self._said_so = False
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stream: Any = None
        self._converter: _Converter | None = None  # of an open device
        self._closed = False

    @property
    def ended(self) -> bool:
        return self._closed and not self._captured

    def open(self, wanted: str | None) -> None:
        """Blocks for as long as the driver takes; to be called in a thread.

        Raises:
            MicrophoneError
        """
        sounddevice, device = _find(wanted)
        with _mapped_errors(sounddevice):
            self._start(sounddevice, device)

    def _start(self, sounddevice: Any, device: int | None) -> None:
        """At the server's rate where the device can, else at its own."""
        facts = sounddevice.query_devices(device, "input")
        own_rate_hz, channels = int(facts["default_samplerate"]), min(facts["max_input_channels"], MOST_CHANNELS)
        for rate_hz, count in ((RATE_HZ, 1), (own_rate_hz, 1), (own_rate_hz, channels)):
            try:
                sounddevice.check_input_settings(device=device, channels=count, dtype="int16", samplerate=rate_hz)
                break
            except sounddevice.PortAudioError:
                continue
        self._converter = _Converter(rate_hz, count)
        self._stream = sounddevice.RawInputStream(
            samplerate=rate_hz,
            blocksize=rate_hz * CHUNK_MS // 1000,
            device=device,
            channels=count,
            dtype="int16",
            callback=self._capture,
        )
        self._stream.start()

    def _capture(self, pcm: Any, frames: int, time: object, status: object) -> None:
        """In PortAudio's thread, which must not be held up: what is done here takes microseconds."""
        if self._converter is not None:
            self._overflowed = self._overflowed or len(self._captured) == QUEUED_CHUNKS
            self._captured.append(self._converter.convert(bytes(pcm)))
            self._loop.call_soon_threadsafe(self._arrived.set)

    async def read(self, *, muted: bool = False) -> bytes:
        while not self._captured and not self._closed:
            self._arrived.clear()
            with anyio.move_on_after(SILENT_S) as patience:
                await self._arrived.wait()
            if patience.cancelled_caught:
                raise MicrophoneError(tell("microphone_silent"))
        if self._overflowed and not self._said_so:
            self._said_so = True
            self._report(tell("microphone_overflowed"))
        if not self._captured:
            await anyio.lowlevel.checkpoint()
            return b""
        pcm = self._captured.popleft()
        if muted:
            self._captured.clear()
            return bytes(len(pcm))
        return pcm

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._stream is not None:
            closer = threading.Thread(target=self._stream.close, name="microphone", daemon=True)
            closer.start()
            closer.join(CLOSE_SECONDS)
        if self._converter is not None:
            self._captured.append(self._converter.convert(b"", last=True))
            self._converter = None  # soxr complains on standard error of what lives on when the program ends
        self._arrived.set()


def _find(wanted: str | None) -> tuple[Any, int | None]:
    try:
        sounddevice = load_sounddevice()
        return sounddevice, find_device(sounddevice, wanted, "input")
    except NoSoundLibrary as error:
        raise MicrophoneError(tell("no_microphone_and_mend", lack=error.lack, mend=error.mend)) from error
    except NoSuchDevice as error:
        raise MicrophoneError(str(error)) from error


@contextmanager
def _mapped_errors(sounddevice: Any) -> Iterator[None]:
    try:
        yield
    except (sounddevice.PortAudioError, ValueError) as error:
        raise MicrophoneError(tell("no_microphone", error=error)) from error


def _check(wanted: str | None) -> None:
    sounddevice, device = _find(wanted)
    with _mapped_errors(sounddevice):
        sounddevice.query_devices(device, "input")


async def check_microphone(wanted: str | None) -> None:
    """
    Raises:
        MicrophoneError: there is none that could be opened.
    """
    await anyio.to_thread.run_sync(_check, wanted)


async def open_microphone(wanted: str | None, report: Callable[[str], None]) -> Microphone:
    """
    Raises:
        MicrophoneError
    """
    microphone = Microphone(report)
    await anyio.to_thread.run_sync(microphone.open, wanted)
    return microphone
