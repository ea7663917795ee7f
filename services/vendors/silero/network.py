"""Pure: a frame of 416 samples in, the probability of speech in it out: the network Silero VAD 5.1 at 16 kHz, in numpy.

    spectra of four windows -> four convolutions -> one recurrent cell -> one probability

A convolution of width three is a product here: three neighbours in a row times its weights in one matrix.

The network hears everything slower than it is, by a quarter: it takes 208 samples for its window of 256, so that every
voice seems lower and every word longer. As it comes, it does not know the short, high and even syllables of women and
children for speech (docs/decisions/0017). Nothing is resampled for that: the spectrum of a shorter window is that of
the slower sound, and ends at a lower band.
"""

import math
from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from numpy.fft import rfft
from numpy.lib.stride_tricks import as_strided

Floats = npt.NDArray[np.float32]

MODEL_WINDOW, MODEL_BINS = 256, 129  # of a spectrum, as the network was made
WINDOW = 208  # samples that we give it as one window; half of them are the step to the next
FRAME_SAMPLES = 2 * WINDOW  # 26 ms
UNITS = 128  # of the recurrent cell
# Above the band that is left there would be a silence that no microphone has: the network hears noise of this level.
NOISE_ABOVE_DB = -50.0
# Outputs, inputs and used taps of each convolution: the third has padding before its first neighbour only, the fourth
# has no neighbours, so that weights for zeros are left out.
LAYERS = ((UNITS, MODEL_BINS, slice(3)), (64, UNITS, slice(3)), (64, 64, slice(1, 3)), (UNITS, 64, slice(1, 2)))


class NetworkMemory:
    """What the network keeps of one microphone, and the room that it computes in; its layers are padded with zeros."""

    def __init__(self, window: int = WINDOW) -> None:
        bins, context = window // 2 + 1, window // 4  # the network gets so much of the frame before with each frame
        self.context = context
        self.heard = np.zeros(context + 2 * window + context, np.float32)
        self.spectra = np.zeros((1 + 4 + 1, bins), np.float32)
        self.encoded = np.zeros((1 + 4, UNITS), np.float32)
        self.told = np.zeros(2 * UNITS, np.float32)  # by the encoder; by itself, a frame ago
        self.cell = np.zeros(UNITS, np.float32)
        step = self.heard.itemsize
        self.windows = as_strided(self.heard, (4, window), (window // 2 * step, step))
        self.spectra_by_three = as_strided(self.spectra, (4, 3 * bins), (bins * step, step))
        self.encoded_by_three = as_strided(self.encoded, (2, 3 * UNITS), (2 * UNITS * step, step))


class SileroNetwork:
    """The weights, arranged for one frame at a time. Serves any number of microphones, each with its own memory."""

    def __init__(self, weights: Mapping[str, Floats], window: int = WINDOW) -> None:
        """`weights`: by their names in the ONNX model; `window`: as that of the memories it will be given.

        Raises:
            ValueError: these are not the weights of this network.
        """
        weight = partial(_weight, weights)
        # The model's own weights for spectra are a Hann window times sines and cosines. Samples are whole numbers here.
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
        self._window = (hann / 32768 * MODEL_WINDOW / window).astype(np.float32)
        self._layers: list[tuple[Floats, Floats]] = []
        for layer, (outputs, inputs, taps) in enumerate(LAYERS):
            kernel = weight(f"encoder.{layer}.reparam_conv.weight", outputs, inputs, 3).transpose(2, 1, 0)[taps]
            bias = weight(f"encoder.{layer}.reparam_conv.bias", outputs)
            if layer == 0:
                kernel, bias = _of_band(kernel, bias, window // 2 + 1)
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
        heard, context = memory.heard, memory.context
        heard[:context] = heard[-2 * context : -context]
        heard[context:-context] = samples
        heard[-context:] = heard[-context - 2 : -2 * context - 2 : -1]  # mirrored at its end
        np.abs(rfft(memory.windows * self._window), out=memory.spectra[1:5])
        (kernel, bias), second, third, fourth = self._layers
        np.maximum(memory.spectra_by_three @ kernel + bias, 0, out=memory.encoded[1:])
        encoded = np.maximum(memory.encoded_by_three @ second[0] + second[1], 0).reshape(-1)
        encoded = np.maximum(encoded @ third[0] + third[1], 0)
        np.maximum(encoded @ fourth[0] + fourth[1], 0, out=memory.told[:UNITS])


def _of_band(kernel: Floats, bias: Floats, bins: int) -> tuple[Floats, Floats]:
    """Of the first layer, for spectra of so many bins: what it makes of steady noise above them is in the bias, another
    one for each of the four windows, as the first and the last have a neighbour less."""
    hann_power = 3 / 8 * MODEL_WINDOW
    magnitude = np.float32(np.sqrt(np.pi / 4 * hann_power) * 10 ** (NOISE_ABOVE_DB / 20))
    before, here, after = kernel[:, bins:].sum(axis=1) * magnitude
    return kernel[:, :bins], bias + np.stack(
        (here + after, before + here + after, before + here + after, before + here)
    )


def _weight(weights: Mapping[str, Floats], name: str, *shape: int) -> Floats:
    found = weights.get("If_0_then_branch__Inline_0__" + name)  # the model's branch for 16 kHz
    if found is None or found.shape != shape:
        raise ValueError(f"{name} should have the shape {shape}")
    return found
