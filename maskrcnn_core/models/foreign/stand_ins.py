"""What stands for the objects of a pickle of which nothing is run: names, long texts, arrays and dtypes.

Numpy's arrays are calls in a pickle; here they are where their bytes lie and what they claim to be, checked
against each other. No memory is taken for them until somebody asks. What numpy writes is in
``numpy/_core/src/multiarray/methods.c`` (``array_reduce``, ``array_reduce_ex_picklebuffer``) and
``descriptor.c`` (``arraydescr_reduce``).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_NUMBER", "Array", "DType", "Inert", "Name", "Text", "dtype_of", "encoded", "number_of"]

MAX_NUMBER = 1 << 40
"""Keys and sizes of arrays are below this."""

_MAX_DIMENSIONS = 8
_PIECE_BYTES = 1 << 20

_ITEM_BYTES = {
    "b1": 1,
    "f2": 2,
    "f4": 4,
    "f8": 8,
    "i1": 1,
    "i2": 2,
    "i4": 4,
    "i8": 8,
    "u1": 1,
    "u2": 2,
    "u4": 4,
    "u8": 8,
}


@dataclass(frozen=True)
class Name:
    """A stand-in for a function or class that the interpreter imitates."""

    name: str


@dataclass(frozen=True)
class Inert:
    """A stand-in for an unknown function or class, and for whatever it would have made."""

    name: str


@dataclass(frozen=True, eq=False)
class Text:
    """A long text that has not been decoded; Python 2 and protocol 2 keep an array's bytes as such a one.

    Args:
        raw: its bytes in the file.
        encoding: of those bytes. The bytes that are meant are the text's in Latin-1.
    """

    raw: memoryview
    encoding: str

    def decoded(self) -> str:
        return str(self.raw, self.encoding)

    def latin(self) -> memoryview:
        """Return the bytes that are meant.

        Raises:
            ValueError: if it is another text.
        """
        if self.encoding == "latin-1":
            return self.raw
        decoder = codecs.getincrementaldecoder(self.encoding)()
        made = bytearray()
        for start in range(0, len(self.raw), _PIECE_BYTES):
            # By the piece: one character beyond Latin-1 would make the whole text four times as large.
            piece = decoder.decode(self.raw[start : start + _PIECE_BYTES])
            made += piece.encode("latin-1")
        decoder.decode(b"", final=True)
        return memoryview(made)


@dataclass(eq=False, slots=True)
class DType:
    """A stand-in for a numpy dtype; ``code`` is without the byte order."""

    code: str
    order: str = "<"
    is_plain: bool = True

    @property
    def item_bytes(self) -> int | None:
        """Bytes of one number; None for all that is not a number of this machine's byte order."""
        return _ITEM_BYTES.get(self.code) if self.is_plain and self.order in "<|=" else None


@dataclass(eq=False, slots=True)
class Array:
    """A stand-in for a numpy array: what it claims to be, and where its bytes are.

    Args:
        shape: of the array.
        dtype: numpy's code with its byte order, as ``<f4``.
        nbytes: that it takes; 0 if it is not an array of numbers.
        is_numbers: whether the dtype is one of whole or floating numbers that can be read.
    """

    shape: tuple[int, ...] = ()
    dtype: str = ""
    nbytes: int = 0
    is_numbers: bool = False
    _is_columns_first: bool = False
    _raw: memoryview | Text | str | None = None

    def fill(self, shape: Any, dtype: Any, is_columns_first: bool, raw: Any) -> None:
        """Take numpy's description of an array.

        Raises:
            ValueError: if the description is not one, or there are more or fewer bytes than it says.
        """
        if self.dtype or not isinstance(shape, tuple) or not isinstance(dtype, DType):
            raise ValueError("an array is described in an unknown way")
        if len(shape) > _MAX_DIMENSIONS or not all(type(n) is int and 0 <= n < MAX_NUMBER for n in shape):
            raise ValueError("an array has an impossible shape")
        if prod(max(n, 1) for n in shape) >= MAX_NUMBER:  # an empty one may have long sides, too
            raise ValueError("an array has an impossible shape")
        self.shape = shape
        self.dtype = dtype.order + dtype.code
        if dtype.item_bytes is None:
            return
        if not isinstance(raw, memoryview | Text | str):
            raise ValueError("an array's numbers are missing")
        self.nbytes = prod(shape) * dtype.item_bytes
        length = len(raw.raw) if isinstance(raw, Text) else len(raw)
        # As UTF-8, the upper half of Latin-1 takes two bytes.
        most = 2 * self.nbytes if isinstance(raw, Text) and raw.encoding != "latin-1" else self.nbytes
        if not self.nbytes <= length <= most:
            raise ValueError(
                f"an array of shape {list(shape)} takes {self.nbytes:,} bytes, but there are {length:,}"
            )
        self.is_numbers, self._raw, self._is_columns_first = True, raw, is_columns_first

    def values(self) -> npt.NDArray[Any]:
        """Return the array in memory of its own, in C order.

        Raises:
            ValueError: if it is not an array of numbers, or its bytes are not as many as it claims.
        """
        if not self.is_numbers or self._raw is None:
            raise ValueError(f"an array of dtype {self.dtype!r} is not one of numbers")
        raw: memoryview | bytes
        if isinstance(self._raw, Text):
            raw = self._raw.latin()
        else:
            raw = self._raw.encode("latin-1") if isinstance(self._raw, str) else self._raw
        if len(raw) != self.nbytes:
            raise ValueError(f"an array takes {self.nbytes:,} bytes, but there are {len(raw):,}")
        numbers = np.frombuffer(raw, self.dtype) if self.nbytes else np.empty(0, self.dtype)
        return np.array(numbers.reshape(self.shape, order="F" if self._is_columns_first else "C"), order="C")


def encoded(text: Any, encoding: Any = "latin1") -> str | Text:
    """Imitate ``_codecs.encode``, by which protocol 2 writes bytes; as text they take no memory again."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str | Text):
        raise ValueError("bytes are written in an unknown way")
    return text


def dtype_of(code: Any) -> DType:
    if not isinstance(code, str):
        raise ValueError("a dtype is described in an unknown way")
    if len(code) == 3 and code[0] in "<>=|":
        return DType(code[1:], code[0])
    return DType(code)


def number_of(dtype: Any, raw: Any = None) -> Any:
    """Imitate numpy's ``scalar``."""
    if not isinstance(dtype, DType):
        raise ValueError("a number is described in an unknown way")
    if dtype.item_bytes is None:
        return Inert("numpy.generic")
    array = Array()
    array.fill((), dtype, False, raw)
    return array.values().item()
