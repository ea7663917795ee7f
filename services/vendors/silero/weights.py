"""Sans-IO: the bytes of an ONNX file in, the float tensors that it carries as constants out, by name.

The fields that matter here, as https://github.com/onnx/onnx/blob/main/onnx/onnx.proto numbers them: ModelProto.graph 7,
GraphProto.node 1, NodeProto.output 2 and .attribute 5, AttributeProto.t 5 and .g 6 (the two sides of an `If`),
TensorProto.dims 1, .data_type 2 and .raw_data 9.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[np.float32]]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types of protocol buffers
FLOAT = 1  # TensorProto.DataType
DEEPEST_GRAPH = 16


def read_weights(model: bytes) -> Weights:
    """Every float constant of the model, those of the graphs inside its graph included.

    Raises:
        ValueError: this is no ONNX model.
    """
    weights: Weights = {}
    for number, graph in _fields(memoryview(model)):
        if number == 7:
            weights.update(_of_graph(_message(graph), DEEPEST_GRAPH))
    return weights


def _of_graph(graph: memoryview, depth: int) -> Weights:
    if depth == 0:
        raise ValueError("graphs are nested too deeply")
    weights: Weights = {}
    for number, node in _fields(graph):
        if number == 1:
            weights.update(_of_node(_message(node), depth))
    return weights


def _of_node(node: memoryview, depth: int) -> Weights:
    weights: Weights = {}
    output = ""
    for number, field in _fields(node):
        if number == 2:
            output = str(_message(field), "utf-8")
        elif number == 5:
            for part, value in _fields(_message(field)):
                if part == 6:
                    weights.update(_of_graph(_message(value), depth - 1))
                elif part == 5 and (tensor := _tensor(_message(value))) is not None:
                    weights[output] = tensor
    return weights


def _tensor(tensor: memoryview) -> npt.NDArray[np.float32] | None:
    dims: list[int] = []
    data_type = 0
    raw = memoryview(b"")
    for number, field in _fields(tensor):
        if number == 1:
            dims += [field] if isinstance(field, int) else _varints(field)
        elif number == 2 and isinstance(field, int):
            data_type = field
        elif number == 9:
            raw = _message(field)
    if data_type != FLOAT:
        return None
    if math.prod(dims) * 4 != len(raw) or max(dims, default=0) > len(raw):
        raise ValueError(f"a tensor of {len(raw)} bytes has the shape {dims}")
    return np.frombuffer(raw, "<f4").reshape(dims)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one protocol buffer in order: their number, and a number or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire_type = key & 7
        if wire_type == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire_type == BYTES:
            size, at = _varint(message, at)
        elif wire_type in (FIXED32, FIXED64):
            size = 4 if wire_type == FIXED32 else 8
        else:
            raise ValueError(f"unknown wire type {wire_type}")
        if at + size > len(message):
            raise ValueError("a field is longer than what holds it")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits per byte, the lowest first, and where the next field begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at == len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number does not end")


def _varints(packed: memoryview) -> list[int]:
    numbers: list[int] = []
    at = 0
    while at < len(packed):
        number, at = _varint(packed, at)
        numbers.append(number)
    return numbers


def _message(field: int | memoryview) -> memoryview:
    if isinstance(field, int):
        raise ValueError("a number where bytes belong")
    return field
