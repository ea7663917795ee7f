"""The pipes of an ASR process, from its own side: frames of many recognitions come in, what was heard goes out."""

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO, Final

from services.asr_process.frames import Frame, FrameReader

READ_BYTES: Final = 65536
Frames = queue.SimpleQueue[Frame]  # bounded by what people can say while one stretch is recognised


def open_pipes() -> tuple[BinaryIO, Frames]:
    """Where to write, and what is read meanwhile. The process ends when its stdin does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's affair
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # libraries print
    frames: Frames = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin.buffer, frames), daemon=True).start()
    return out, frames


def write(out: BinaryIO, frame: Frame) -> None:
    out.write(frame.encode())
    out.flush()


def _read(stdin: BinaryIO, frames: Frames) -> None:
    """In a thread of its own: the server need not wait for room in the pipe, whose end is the end of the process."""
    reader = FrameReader()
    while data := os.read(stdin.fileno(), READ_BYTES):
        for frame in reader.feed(data):
            frames.put(frame)
    os._exit(0)
