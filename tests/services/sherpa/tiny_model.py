"""A directory in, a model for sherpa-onnx written into it: a real CTC network of six nodes that says "ha" to each beep.

Its features are log-mel energies (80 to a frame of 10 ms). Eight frames make one step; a step is "ha" where their mean
is above a threshold, else blank, and CTC joins equal neighbours. The files are ONNX (a protobuf) written by hand.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

THRESHOLD = -8.0  # of the mean log-mel energy: silence and a faint noise lie below, a beep above
BINS, FRAMES_IN_A_STEP, STEPS_IN_A_CHUNK = 80, 8, 2
FLOAT, INT64 = 1, 7

Dimensions = tuple[int | str, ...]


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    coded = bytearray()
    while value > 127:
        coded.append(value & 127 | 128)
        value >>= 7
    return bytes(coded) + bytes([value])


def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def node(operator: str, inputs: list[str], outputs: list[str], **attributes: int | list[int]) -> bytes:
    coded = b"".join(field(1, name) for name in inputs) + b"".join(field(2, name) for name in outputs)
    coded += field(4, operator)
    for name, value in attributes.items():
        if isinstance(value, int):
            coded += field(5, field(1, name) + field(3, value) + field(20, 2))
        else:
            coded += field(5, field(1, name) + b"".join(field(8, each) for each in value) + field(20, 7))
    return field(1, coded)


def constant(name: str, kind: int, dimensions: list[int], values: list[float]) -> bytes:
    raw = struct.pack(
        f"<{len(values)}{'f' if kind == FLOAT else 'q'}", *(v if kind == FLOAT else int(v) for v in values)
    )
    return field(5, b"".join(field(1, each) for each in dimensions) + field(2, kind) + field(8, name) + field(9, raw))


def value(place: int, name: str, kind: int, dimensions: Dimensions) -> bytes:
    shape = b"".join(field(1, field(2, each) if isinstance(each, str) else field(1, each)) for each in dimensions)
    return field(place, field(1, name) + field(2, field(1, field(1, kind) + field(2, shape))))


def model(graph: bytes, metadata: Mapping[str, object]) -> bytes:
    coded = field(1, 8) + field(8, field(1, "") + field(2, 13)) + field(7, graph)
    return coded + b"".join(field(14, field(1, key) + field(2, str(each))) for key, each in metadata.items())


def network(*, fails_at_beeps: bool) -> bytes:
    """[N, 80, T] to log probabilities of ("ha", blank), [N, T / 8, 2]."""
    return (
        node("ReduceMean", ["audio_signal"], ["level"], axes=[1], keepdims=1)
        + (trap() if fails_at_beeps else node("Identity", ["level"], ["energy"]))
        + node("AveragePool", ["energy"], ["steps"], kernel_shape=[FRAMES_IN_A_STEP], strides=[FRAMES_IN_A_STEP])
        + node("Transpose", ["steps"], ["columns"], perm=[0, 2, 1])
        + node("MatMul", ["columns", "weights"], ["both"])
        + node("Add", ["both", "bias"], ["logprobs"])
        + node("Div", ["length", "frames_in_a_step"], ["encoded_lengths"])
        + field(2, "beeps")
        + constant("weights", FLOAT, [1, 2], [1.0, 0.0])
        + constant("bias", FLOAT, [2], [-THRESHOLD, 0.0])
        + constant("frames_in_a_step", INT64, [1], [FRAMES_IN_A_STEP])
        + value(11, "audio_signal", FLOAT, ("N", BINS, "T"))
        + value(11, "length", INT64, ("N",))
        + value(12, "logprobs", FLOAT, ("N", "S", 2))
        + value(12, "encoded_lengths", INT64, ("N",))
    )


def trap() -> bytes:
    """A row of a table with one row: the second one at a beep, where onnxruntime gives up."""
    return (
        node("Greater", ["level", "threshold"], ["is_beep"])
        + node("Cast", ["is_beep"], ["row"], to=INT64)
        + node("Gather", ["table", "row"], ["nothing"])
        + node("Add", ["level", "nothing"], ["energy"])
        + constant("threshold", FLOAT, [1], [THRESHOLD])
        + constant("table", FLOAT, [1], [0.0])
    )


def caches() -> bytes:
    """What a streaming network would remember; this one needs no memory."""
    graph = b""
    for name, kind, dimensions in (
        ("cache_last_channel", FLOAT, ("N", 1, 1, 1)),
        ("cache_last_time", FLOAT, ("N", 1, 1, 1)),
        ("cache_last_channel_len", INT64, ("N",)),
    ):
        graph += node("Identity", [name], [f"{name}_next"])
        graph += value(11, name, kind, dimensions) + value(12, f"{name}_next", kind, dimensions)
    return graph


METADATA = {
    "vocab_size": 1,
    "subsampling_factor": FRAMES_IN_A_STEP,
    "normalize_type": "",
    "model_type": "EncDecCTCModel",
}
STREAMING_METADATA = {
    **METADATA,
    "window_size": FRAMES_IN_A_STEP * STEPS_IN_A_CHUNK,
    "chunk_shift": FRAMES_IN_A_STEP * STEPS_IN_A_CHUNK,
    **{f"cache_last_{kind}_dim{number}": 1 for kind in ("channel", "time") for number in (1, 2, 3)},
}


def write_model(directory: Path, *, streaming: bool, fails_at_beeps: bool = False) -> Path:
    directory.mkdir()
    graph = network(fails_at_beeps=fails_at_beeps) + (caches() if streaming else b"")
    (directory / "model.onnx").write_bytes(model(graph, STREAMING_METADATA if streaming else METADATA))
    (directory / "tokens.txt").write_text("▁ha 0\n<blk> 1\n", encoding="utf-8")
    return directory
