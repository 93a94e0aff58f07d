"""The tensors of a Caffe2 weights file: a ``NetDef`` protobuf in which each operator fills one tensor.

The reader knows as much of protobuf as such a file uses, and distrusts every length in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

import numpy as np
import torch
from torch import Tensor

from maskrcnn_core.errors import WeightsError

__all__ = ["read_fills"]


@dataclass
class _Argument:
    """Caffe2's ``Argument``: one named value, or a list of numbers."""

    name: str = ""
    text: bytes = b""
    f: float = 0.0
    i: int = 0
    floats: list[float] = field(default_factory=list)
    ints: list[int] = field(default_factory=list)


def read_fills(data: bytes, where: str = "NetDef") -> dict[str, Tensor]:
    """Return the tensors that a Caffe2 init net fills, as float32, by name.

    Layout (``caffe2.proto``): NetDef field 2 is a repeated OperatorDef {2 output, 4 type, 5 repeated
    Argument {1 name, 2 f, 3 i, 4 s, 5 floats, 6 ints}}. An 8-bit weight stands for
    ``(byte - Y_zero_point) * Y_scale``, a 32-bit bias for ``value * Y_scale``. Shapes stay as in the
    file: ``[out, height, width, in / groups]`` for convolutions.

    Args:
        data: the bytes of the protobuf. Nothing in them is trusted: lengths are checked before use, and
            a tensor never takes more than four times the bytes of the file.
        where: the file's name, for messages.

    Raises:
        WeightsError: naming the byte or the tensor that is wrong.
    """
    tensors: dict[str, Tensor] = {}
    for number, value in _fields(memoryview(data), where):
        if number == 2:
            name, tensor = _read_fill(_message(value, where), where)
            tensors[name] = tensor
    return tensors


def _read_fill(data: memoryview, where: str) -> tuple[str, Tensor]:
    name, kind = "", ""
    arguments: dict[str, _Argument] = {}
    for number, value in _fields(data, where):
        if number == 2:
            name = _text(value, where)
        elif number == 4:
            kind = _text(value, where)
        elif number == 5:
            argument = _read_argument(_message(value, where), where)
            arguments[argument.name] = argument
    at = f"{where}, tensor {name!r}"
    shape = arguments.get("shape", _Argument()).ints
    values = arguments.get("values", _Argument())
    scale = arguments.get("Y_scale", _Argument()).f
    zero_point = arguments.get("Y_zero_point", _Argument()).i
    match kind:
        case "GivenTensorFill":
            flat = np.array(values.floats, dtype=np.float64)
        case "Int8GivenIntTensorFill":
            flat = np.array(values.ints, dtype=np.float64) * scale
        case "Int8GivenTensorFill":
            flat = (np.frombuffer(values.text, dtype=np.uint8).astype(np.float64) - zero_point) * scale
        case _:
            raise WeightsError(f"{at}: expected a fill operator, got {kind!r}")
    if not shape or min(shape) < 1 or prod(shape) != flat.size:
        raise WeightsError(f"{at}: shape {shape[:8]} does not hold its {flat.size} values")
    return name, torch.from_numpy(flat.astype(np.float32)).reshape(shape)


def _read_argument(data: memoryview, where: str) -> _Argument:
    argument = _Argument()
    for number, value in _fields(data, where):
        if number == 1:
            argument.name = _text(value, where)
        elif number == 2:
            argument.f = _float(value, where)
        elif number == 3:
            argument.i = _int64(value, where)
        elif number == 4:
            argument.text = bytes(_message(value, where))
        elif number == 5:
            argument.floats.append(_float(value, where))
        elif number == 6:
            argument.ints.append(_int64(value, where))
    return argument


_Value = int | memoryview | float
"""What a field holds: a varint, the bytes of a length-delimited field, or a 32-bit float."""


def _fields(data: memoryview, where: str) -> Iterator[tuple[int, _Value]]:
    """Yield the fields of one protobuf message: ``(field number, value)`` in the order of the file.

    Follows the wire format's description (protobuf.dev, "Encoding"). 64-bit fields and groups do not
    occur in a NetDef and are refused.
    """
    position = 0
    while position < len(data):
        tag, position = _varint(data, position, where)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == 0:
            value, position = _varint(data, position, where)
            yield number, value
            continue
        if wire_type == 2:
            length, position = _varint(data, position, where)
        elif wire_type == 5:
            length = 4
        else:
            raise WeightsError(f"{where}: field {number} has wire type {wire_type}, expected 0, 2 or 5")
        if length > len(data) - position:
            raise WeightsError(
                f"{where}: field {number} wants {length} bytes, {len(data) - position} are left"
            )
        piece = data[position : position + length]
        position += length
        yield number, struct.unpack("<f", piece)[0] if wire_type == 5 else piece


def _varint(data: memoryview, position: int, where: str) -> tuple[int, int]:
    """Return an unsigned 64-bit number, 7 bits a byte, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise WeightsError(f"{where}: ends in the middle of a number")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, position
    raise WeightsError(f"{where}: holds a number of more than 64 bits")


def _int64(value: _Value, where: str) -> int:
    if not isinstance(value, int):
        raise WeightsError(f"{where}: expected an integer, got {_kind(value)}")
    return value - (1 << 64) if value >= 1 << 63 else value


def _float(value: _Value, where: str) -> float:
    if not isinstance(value, float):
        raise WeightsError(f"{where}: expected a float, got {_kind(value)}")
    return value


def _message(value: _Value, where: str) -> memoryview:
    if not isinstance(value, memoryview):
        raise WeightsError(f"{where}: expected bytes, got {_kind(value)}")
    return value


def _text(value: _Value, where: str) -> str:
    try:
        return bytes(_message(value, where)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise WeightsError(f"{where}: a name is not UTF-8") from error


def _kind(value: _Value) -> str:
    return "bytes" if isinstance(value, memoryview) else f"the {type(value).__name__} {value}"
