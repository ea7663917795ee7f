"""Whisper's process: utterances that are whole in, what it wrote for each out, one at a time in the order they came.

    python -m services.vendors.whisper.worker

It runs on a GPU where CTranslate2 finds one that works, else on the CPU with weights of 8 bits. What nobody waits for
any more is not begun, and left at the next 30 s of it; an utterance that takes far too long ends the process.
"""

import json
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, BinaryIO, Final

import numpy as np

from services.asr_process.child import Frames, open_pipes, write
from services.asr_process.frames import Frame, Kind
from services.base import RECOGNITION_RATE_HZ

NICE: Final = 5  # behind the server, which has others to serve meanwhile
MAX_THREADS: Final = 8
BEAMS: Final = {"cuda": 5, "cpu": 2}
EXPECTED: Final = ("zh", "ja", "en", "yue", "ko")  # where nobody said which; short words are taken for any of a hundred
TOKENS_PER_S: Final = 16.0  # nobody speaks more; without a limit, noise becomes a loop of seconds
TOKENS: Final = (24, 220)  # at least, at most
# Of a window of 30 s, the encoder is shown so much beyond the speech: on a CPU it takes a quarter of the time.
BEYOND_FRAMES: Final = 1000  # of 10 ms
WINDOW_S: Final = 28.0  # speech up to here is one window, and needs no times
LONGEST_BYTES: Final = 2 * RECOGNITION_RATE_HZ * 130


@dataclass(slots=True)
class Utterance:
    """What a recognition has said so far, and what is known of it."""

    language: str = ""
    prompt: str = ""
    pcm: bytearray = field(default_factory=bytearray)
    finished: bool = False


class Recogniser:
    """The model."""

    def __init__(self, model_dir: str) -> None:
        """Raises RuntimeError, ValueError or OSError where it cannot be loaded."""
        self.device, self.why_not_gpu = "cpu", ""
        if import_module("ctranslate2").get_cuda_device_count():
            try:
                self._open(model_dir, "cuda")
                return
            except (RuntimeError, ValueError) as error:  # mostly: a library of CUDA is missing
                self.why_not_gpu = str(error)
        self._open(model_dir, "cpu")

    def _open(self, model_dir: str, device: str) -> None:
        """With a trial, for much that is wrong shows only then."""
        types = import_module("ctranslate2").get_supported_compute_types(device)
        compute_type = "float16" if device == "cuda" and "float16" in types else "int8"
        threads = min(os.cpu_count() or 1, MAX_THREADS)
        self._model = _model_class()(
            model_dir, device=device, compute_type=compute_type, cpu_threads=threads, local_files_only=True
        )
        self.device = device
        self.hear(Utterance(language="en", pcm=bytearray(RECOGNITION_RATE_HZ)), lambda: True)

    def hear(self, utterance: Utterance, still_wanted: Callable[[], bool]) -> dict[str, Any]:
        """What it wrote, and how sure it is of it."""
        samples = np.frombuffer(bytes(utterance.pcm), "<i2").astype(np.float32) / 32768
        seconds = len(samples) / RECOGNITION_RATE_HZ
        least, most = TOKENS
        segments, info = self._model.transcribe(
            samples,
            language=utterance.language or None,
            hotwords=utterance.prompt or None,
            beam_size=BEAMS[self.device],
            temperature=0.0,  # to try again warmer takes ten times as long, and makes sense of noise
            condition_on_previous_text=False,
            no_speech_threshold=None,  # services/transcripts/ judges
            without_timestamps=seconds <= WINDOW_S,
            max_new_tokens=min(most, least + round(TOKENS_PER_S * seconds)),
        )
        told = []
        for each in segments:
            told.append((each.text, each.no_speech_prob, each.avg_logprob, each.compression_ratio))
            if not still_wanted():
                break
        return {"segments": told, "language": info.language}


def _model_class() -> Any:
    library = import_module("faster_whisper")  # no dependency of this project: 380 MB that only this engine needs

    class Model(library.WhisperModel):  # type: ignore[misc, name-defined]
        """It encodes a window once, and no more of it than is spoken, and knows what to expect."""

        _last: tuple[Any, Any] | None = None

        def encode(self, features: Any) -> Any:
            if self.model.device == "cpu":
                spoken = np.flatnonzero(np.any(features, axis=tuple(range(features.ndim - 1))))
                features = features[..., : (int(spoken[-1]) if spoken.size else 0) + BEYOND_FRAMES]
            if self._last is None or not np.array_equal(self._last[0], features):
                self._last = features, super().encode(features)
            return self._last[1]

        def detect_language(self, *arguments: Any, **options: Any) -> Any:
            language, probability, told = super().detect_language(*arguments, **options)
            known = [(name, share) for name, share in told if name in EXPECTED]
            return (*max(known, key=lambda each: each[1]), told) if known else (language, probability, told)

    return Model


class Worker:
    """The ASR's own thread: all recognitions, by number, in the order in which they were opened."""

    def __init__(self, recogniser: Recogniser, out: BinaryIO, frames: Frames, stuck_s: float) -> None:
        self._recogniser = recogniser
        self._out = out
        self._frames = frames
        self._stuck_s = stuck_s
        self._utterances: OrderedDict[int, Utterance] = OrderedDict()

    def run(self) -> None:
        while True:
            number = next((number for number, each in self._utterances.items() if each.finished), None)
            if number is None:
                self._take(self._frames.get())
            else:
                self._hear(number)
            self._take_all()

    def _take_all(self) -> None:
        while not self._frames.empty():
            self._take(self._frames.get())

    def _take(self, frame: Frame) -> None:
        if frame.kind is Kind.OPEN:
            self._utterances[frame.recognition] = Utterance(**json.loads(frame.payload))
        elif frame.kind is Kind.CLOSE:
            self._utterances.pop(frame.recognition, None)
        elif (utterance := self._utterances.get(frame.recognition)) is None:
            return
        elif frame.kind is Kind.AUDIO:
            utterance.pcm += frame.payload[: LONGEST_BYTES - len(utterance.pcm)]
        elif frame.kind is Kind.FINISH:
            utterance.finished = True
            self._utterances.move_to_end(frame.recognition)

    def _hear(self, number: int) -> None:
        utterance = self._utterances[number]

        def still_wanted() -> bool:
            self._take_all()
            return number in self._utterances

        stuck_s = self._stuck_s + 2 * len(utterance.pcm) / (2 * RECOGNITION_RATE_HZ)
        watch = threading.Timer(stuck_s, _end, (f"an utterance took more than {stuck_s:.0f} s",))
        watch.daemon = True
        watch.start()
        try:
            heard = self._recogniser.hear(utterance, still_wanted)
            answer = Frame(Kind.HEARD, number, json.dumps(heard).encode())
        except (RuntimeError, ValueError, MemoryError) as error:
            answer = Frame(Kind.FAILED, number, str(error).encode())
        finally:
            watch.cancel()
        if self._utterances.pop(number, None) is not None:
            write(self._out, answer)


def _end(why: str) -> None:
    print(why, file=sys.stderr, flush=True)
    os._exit(3)


def main() -> None:
    out, frames = open_pipes()
    if hasattr(os, "nice"):
        os.nice(NICE)
    setup = json.loads(frames.get().payload)
    try:
        recogniser = Recogniser(setup["model_dir"])
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        _end(f"{type(error).__name__}: {error}")
    write(
        out,
        Frame(Kind.READY, payload=json.dumps({"device": recogniser.device, "why": recogniser.why_not_gpu}).encode()),
    )
    Worker(recogniser, out, frames, setup["stuck_s"]).run()


if __name__ == "__main__":
    main()
