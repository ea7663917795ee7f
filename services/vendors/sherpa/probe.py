"""A model directory in; the first kind that loads and recognises, tried in child processes, or what is wrong, out.

A file that is no model of the tried kind can end the whole process (exit status 255, or a signal) where an exception
would do. Hence each kind is tried in a process of its own: python -m services.vendors.sherpa.probe MODEL_DIR KIND
"""

import signal
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

import anyio
import numpy as np
from anyio.abc import Process

from services.base import RECOGNITION_RATE_HZ
from services.engine_choice import EngineUnavailable
from services.vendors.sherpa.models import Model, find_models

PROJECT = Path(__file__).parents[3]
LOADED_WITHIN_S = 120.0  # the largest models take half a minute from a slow disk
WORDS_AT_MOST = 300  # of what the child said last


def load(model: Model, *, threads: int, end_window_s: float) -> Any:
    """The library's ASR: seconds of work, and this process may end. Only with a model that a child has tried.

    Raises:
        ImportError: sherpa-onnx is not installed, or not for this machine.
        RuntimeError: it cannot be loaded.
    """
    library = import_module("sherpa_onnx")  # no dependency of this project: 42 MB that only this engine needs
    options: dict[str, Any] = {**model.files, **model.kind.options, "num_threads": threads}
    if not model.kind.streaming:
        return getattr(library.OfflineRecognizer, model.kind.maker)(**options)
    return getattr(library.OnlineRecognizer, model.kind.maker)(
        **options,
        enable_endpoint_detection=True,
        rule2_min_trailing_silence=end_window_s,
        rule3_min_utterance_length=3600.0,  # length alone ends no utterance
    )


def recognise(recogniser: Any, model: Model, seconds: float = 1.0) -> None:
    """A faint noise, as a trial: much that is wrong with a model shows only now, and later calls are faster."""
    noise = np.random.default_rng(0).normal(0, 1e-3, int(seconds * RECOGNITION_RATE_HZ)).astype(np.float32)
    stream = recogniser.create_stream()
    stream.accept_waveform(RECOGNITION_RATE_HZ, noise)
    if not model.kind.streaming:
        recogniser.decode_stream(stream)
        return
    stream.input_finished()
    while recogniser.is_ready(stream):
        recogniser.decode_stream(stream)


async def find_working_model(directory: Path, within_s: float = LOADED_WITHIN_S) -> Model:
    """Waits for a child process for each kind that its files could be, the likeliest first, each for `within_s`.

    Raises:
        EngineUnavailable: there is none, with what was tried.
    """
    if find_spec("sherpa_onnx") is None:
        raise EngineUnavailable("engines.asr: sherpa needs the package sherpa-onnx; run: pip install sherpa-onnx")
    models = find_models(directory)
    faults = []
    for model in models:
        fault = await _try(directory, model, within_s)
        if fault is None:
            return model
        faults.append(f"as {model.kind.name}: {fault}")
    raise EngineUnavailable(
        f"sherpa.model_dir: the files of {directory} make no recogniser; download the model again, "
        f"or take one that services/vendors/sherpa/models.py names ({'; '.join(faults)})"
    )


async def _try(directory: Path, model: Model, within_s: float) -> str | None:
    """What is wrong with it; None where it works."""
    command = [sys.executable, "-m", __name__, str(directory), model.kind.name]
    with anyio.CancelScope(shield=True):  # in the middle of this asyncio would kill the child, but not wait for its end
        child = await anyio.open_process(command, cwd=PROJECT, stdin=DEVNULL, stdout=DEVNULL)
    async with child:
        with anyio.move_on_after(within_s):
            stderr = await _last_words(child)
            status = await child.wait()
            return None if status == 0 else story_of_child(status, stderr)
    return f"not loaded within {within_s:g} seconds"


async def _last_words(child: Process) -> bytes:
    assert child.stderr is not None
    last = b""
    async for words in child.stderr:
        last = (last + words)[-10 * WORDS_AT_MOST :]
    return last


def story_of_child(status: int, stderr: bytes) -> str:
    """How the child ended, and its last words."""
    lines = [line.strip() for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    last = "".join(each if each.isprintable() else "?" for each in lines[-1])[:WORDS_AT_MOST] if lines else ""
    if status >= 0:
        return last or f"ended with status {status}"
    return f"ended by signal {-status} ({signal.strsignal(-status)})" + (f" after {last}" if last else "")


def main(directory: str, kind: str) -> None:
    (model,) = (each for each in find_models(Path(directory)) if each.kind.name == kind)
    recognise(load(model, threads=1, end_window_s=1.0), model)


if __name__ == "__main__":
    main(*sys.argv[1:])
