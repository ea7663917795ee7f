"""Pure: a frame of 512 samples in, the probability of speech in it out: the network Silero VAD 5.1 at 16 kHz, in numpy.

    spectra of four windows -> four convolutions -> one recurrent cell -> one probability

A convolution of width three is a product here: three neighbours in a row times its weights in one matrix.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from numpy.fft import rfft
from numpy.lib.stride_tricks import as_strided

Floats = npt.NDArray[np.float32]

FRAME_SAMPLES = 512  # 32 ms
CONTEXT_SAMPLES = 64  # of the frame before, given to the network with each frame
WINDOW, HOP, BINS = 256, 128, 129  # of a spectrum
UNITS = 128  # of the recurrent cell
# Outputs, inputs and used taps of each convolution: the third has padding before its first neighbour only, the fourth
# has no neighbours, so that weights for zeros are left out.
LAYERS = ((UNITS, BINS, slice(3)), (64, UNITS, slice(3)), (64, 64, slice(1, 3)), (UNITS, 64, slice(1, 2)))


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
    """The weights, arranged for one frame at a time. Serves any number of microphones, each with its own memory."""

    def __init__(self, weights: Mapping[str, Floats]) -> None:
        """`weights`: by their names in the ONNX model.

        Raises:
            ValueError: these are not the weights of this network.
        """
        weight = partial(_weight, weights)
        # The model's own weights for spectra are a Hann window times sines and cosines. Samples are whole numbers here.
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
        self._window = (hann / 32768).astype(np.float32)
        self._layers: list[tuple[Floats, Floats]] = []
        for layer, (outputs, inputs, taps) in enumerate(LAYERS):
            kernel = weight(f"encoder.{layer}.reparam_conv.weight", outputs, inputs, 3).transpose(2, 1, 0)[taps]
            bias = weight(f"encoder.{layer}.reparam_conv.bias", outputs)
            self._layers.append((kernel.reshape(-1, outputs).copy(), bias.copy()))
        # Of input, forget, candidate and output only the candidate is a tanh; sigmoid(x) is (tanh(x / 2) + 1) / 2.
        halves = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), UNITS)
        of_input = weight("decoder.rnn.weight_ih", 4 * UNITS, UNITS)
        of_itself = weight("decoder.rnn.weight_hh", 4 * UNITS, UNITS)
        self._cell = np.concatenate((of_input, of_itself), axis=1).T.copy() * halves
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
        candidate = gates[2 * UNITS : 3 * UNITS]
        taken, kept, _, given = (0.5 * gates + 0.5).reshape(4, UNITS)
        memory.cell *= kept
        memory.cell += taken * candidate
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


def _weight(weights: Mapping[str, Floats], name: str, *shape: int) -> Floats:
    found = weights.get("If_0_then_branch__Inline_0__" + name)  # the model's branch for 16 kHz
    if found is None or found.shape != shape:
        raise ValueError(f"{name} should have the shape {shape}")
    return found
