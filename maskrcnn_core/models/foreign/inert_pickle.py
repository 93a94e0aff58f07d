"""Runs a pickle on stand-ins that do nothing, and keeps what is plain data.

The instructions are those of Python's ``pickletools`` for protocols 2 to 5. Names of functions and classes
stay names; what stands for all else is in :mod:`maskrcnn_core.models.foreign.stand_ins`.

Bounds: instructions, which bound everything that is made; bytes of text; digits of whole numbers; dimensions.
"""

from __future__ import annotations

import pickle
import pickletools
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign.stand_ins import (
    MAX_NUMBER,
    Array,
    DType,
    Inert,
    Name,
    Text,
    dtype_of,
    encoded,
    number_of,
)

__all__ = ["MAX_INSTRUCTIONS", "InertPickle"]

MAX_INSTRUCTIONS = 1_000_000
"""ResNet-101's tensors with an optimiser's beside them take 60,000; a million take 2 s and at most 0.3 GB."""

_MAX_TEXT_BYTES = 32 << 20
_LONG_TEXT_BYTES = 4096
_MAX_LINE_BYTES = 512
_MAX_INT_BYTES = 16
_BYTES = ("__builtin__.bytes", "builtins.bytes")
_CODECS = "_codecs.encode"
_DICT = "collections.OrderedDict"
_NDARRAY = "numpy.ndarray"
_DTYPE = "numpy.dtype"
# numpy 2 moved its core from numpy.core to numpy._core; published files name the old place.
_RECONSTRUCT = ("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct")
_SCALAR = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
_FROM_BUFFER = ("numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer")
_KNOWN = frozenset({*_BYTES, _CODECS, _DICT, _NDARRAY, _DTYPE, *_RECONSTRUCT, *_SCALAR, *_FROM_BUFFER})


class _Mark:
    """Where a tuple, list or dict under construction begins on the stack."""


class _EndsEarly(ValueError):
    """The file ends in the middle of an instruction, or before the last."""


class InertPickle(ABC):
    """An interpreter for pickles of protocol 2 to 5 that runs nothing.

    Args:
        where: the file's name, for messages.
        data: the pickle; long texts and bytes stay slices of it.
    """

    def __init__(self, where: str, data: memoryview) -> None:
        self.where = where
        self.ignored: Counter[str] = Counter()
        """Keys of dicts that are neither text nor whole numbers, by type, which were left out."""
        self._data = data
        self._at = 0
        self._text_bytes = 0
        self._pairs = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._actions = self._table()

    def run(self) -> Any:
        """Return what the pickle describes: plain data and stand-ins.

        Raises:
            WeightsError: if it is cut short, damaged, longer than the bounds, or names what is refused.
        """
        try:
            return self._run()
        except _EndsEarly as error:
            raise self.ends_early() from error
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            # The stand-ins take any program; one that underflows the stack or mixes types is nobody's.
            raise self.is_damaged(str(error)) from error

    # --- what readers of a kind of file decide ------------------------------------------------------

    @abstractmethod
    def unknown(self, name: str) -> Inert:
        """Return a stand-in for a name that is not numpy's, or raise a refusal."""

    @abstractmethod
    def refusal(self, wish: str) -> WeightsError:
        """Return the refusal of an instruction."""

    @abstractmethod
    def ends_early(self) -> WeightsError:
        """Return the refusal of a pickle that is cut short."""

    @abstractmethod
    def is_damaged(self, reason: str) -> WeightsError:
        """Return the refusal of a pickle that is not one."""

    def resolve(self, name: str) -> Name | Inert:
        """Return a stand-in for what the pickle names."""
        return Name(name) if name in _KNOWN else self.unknown(name)

    def persistent(self, _description: Any) -> Any:
        """Return a stand-in for what lies outside the pickle."""
        raise self.refusal("something outside of it")

    def odd_key(self, key: Any) -> None:
        """Say what becomes of a dict's key that is neither text nor a whole number."""
        self.ignored[f"{type(key).__name__} as a key"] += 1

    def call(self, function: Any, arguments: Any) -> Any:
        """Return a stand-in for what a call would give; numpy's are imitated, nothing is called."""
        if isinstance(function, Inert):
            return function
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise ValueError("something that is not a function is called")
        name = function.name
        if name == _DICT:
            return self._dict_of_pairs(arguments)
        if name in _BYTES and not arguments:  # so does protocol 2 write no bytes at all
            return ""
        if name == _CODECS:
            return encoded(*arguments)
        if name == _DTYPE:
            return dtype_of(arguments[0])
        if name in _RECONSTRUCT:
            return Array() if arguments[0] == Name(_NDARRAY) else Inert(name)
        if name in _SCALAR:
            return number_of(*arguments)
        if name in _FROM_BUFFER:
            buffer, dtype, shape, order = arguments
            array = Array()
            array.fill(shape, dtype, order == "F", buffer)
            return array
        raise ValueError(f"{name} is called")

    # --- the machine --------------------------------------------------------------------------------

    def _run(self) -> Any:
        for _ in range(MAX_INSTRUCTIONS):
            code = self._take(1)[0]
            if code == _STOP:
                return self._last(1)[0]
            action = self._actions.get(code)
            if action is None:
                known = _INSTRUCTIONS.get(chr(code))
                if known is None:
                    raise ValueError(f"byte {code:#04x} is no instruction of a pickle")
                raise self.refusal(f"pickle instruction {known}")
            action()
        raise WeightsError(
            f"{self.where}: its pickle has over {MAX_INSTRUCTIONS:,} instructions, and a weights file needs "
            "fewer than a tenth of that; save only the state dict"
        )

    def _table(self) -> dict[int, Callable[[], None]]:
        push = self._push
        table: dict[bytes, Callable[[], None]] = {
            pickle.PROTO: lambda: self._skip(1),
            pickle.FRAME: lambda: self._skip(8),
            # values
            pickle.NONE: lambda: push(None),
            pickle.NEWTRUE: lambda: push(True),
            pickle.NEWFALSE: lambda: push(False),
            pickle.BININT: lambda: push(int.from_bytes(self._take(4), "little", signed=True)),
            pickle.BININT1: lambda: push(self._number(1)),
            pickle.BININT2: lambda: push(self._number(2)),
            pickle.LONG1: lambda: self._long(self._number(1)),
            pickle.LONG4: lambda: self._long(self._number(4)),
            pickle.BINFLOAT: lambda: push(float(np.frombuffer(self._take(8), ">f8")[0])),
            pickle.SHORT_BINUNICODE: lambda: self._text(self._number(1), "utf-8"),
            pickle.BINUNICODE: lambda: self._text(self._number(4), "utf-8"),
            pickle.BINUNICODE8: lambda: self._text(self._number(8), "utf-8"),
            pickle.SHORT_BINSTRING: lambda: self._text(self._number(1), "latin-1"),
            pickle.BINSTRING: lambda: self._text(self._number(4), "latin-1"),
            pickle.SHORT_BINBYTES: lambda: push(self._take(self._number(1))),
            pickle.BINBYTES: lambda: push(self._take(self._number(4))),
            pickle.BINBYTES8: lambda: push(self._take(self._number(8))),
            pickle.BYTEARRAY8: lambda: push(self._take(self._number(8))),
            # containers
            pickle.MARK: lambda: push(_Mark()),
            pickle.EMPTY_TUPLE: lambda: push(()),
            pickle.EMPTY_LIST: lambda: push([]),
            pickle.EMPTY_DICT: lambda: push({}),
            pickle.EMPTY_SET: lambda: push(Inert("set")),
            pickle.TUPLE: lambda: push(tuple(self._since_mark())),
            pickle.TUPLE1: lambda: push(self._last(1)),
            pickle.TUPLE2: lambda: push(self._last(2)),
            pickle.TUPLE3: lambda: push(self._last(3)),
            pickle.LIST: lambda: push(self._since_mark()),
            pickle.DICT: self._dict,
            pickle.FROZENSET: lambda: self._replace_since_mark(Inert("frozenset")),
            pickle.APPEND: lambda: self._append(self._last(1)),
            pickle.APPENDS: lambda: self._append(self._since_mark()),
            pickle.ADDITEMS: lambda: self._append(self._since_mark()),
            pickle.SETITEM: lambda: self._set_items(list(self._last(2))),
            pickle.SETITEMS: lambda: self._set_items(self._since_mark()),
            # the stack and the memo
            pickle.POP: lambda: self._drop(),
            pickle.POP_MARK: lambda: self._drop_since_mark(),
            pickle.DUP: lambda: push(self._top()),
            pickle.BINPUT: lambda: self._keep(self._number(1)),
            pickle.LONG_BINPUT: lambda: self._keep(self._number(4)),
            pickle.MEMOIZE: lambda: self._keep(len(self._memo)),
            pickle.BINGET: lambda: push(self._memo[self._number(1)]),
            pickle.LONG_BINGET: lambda: push(self._memo[self._number(4)]),
            # names and calls
            pickle.GLOBAL: self._global,
            pickle.STACK_GLOBAL: self._stack_global,
            pickle.BINPERSID: lambda: push(self.persistent(self._last(1)[0])),
            pickle.REDUCE: lambda: push(self.call(*self._last(2))),
            pickle.NEWOBJ: lambda: push(self._made(*self._last(2))),
            pickle.NEWOBJ_EX: lambda: push(self._made(*self._last(3)[:2])),
            pickle.BUILD: lambda: self._build(self._last(1)[0]),
        }
        return {code[0]: action for code, action in table.items()}

    def _take(self, count: int) -> memoryview:
        start, end = self._at, self._at + count
        if end > len(self._data):
            raise _EndsEarly(f"{count:,} bytes are wanted where {len(self._data) - start:,} are left")
        self._at = end
        return self._data[start:end]

    def _skip(self, count: int) -> None:
        self._take(count)

    def _number(self, count: int) -> int:
        return int.from_bytes(self._take(count), "little")

    def _long(self, count: int) -> None:
        if count > _MAX_INT_BYTES:
            raise ValueError(f"a whole number of {count:,} bytes")
        self._push(int.from_bytes(self._take(count), "little", signed=True))

    def _text(self, count: int, encoding: str) -> None:
        raw = self._take(count)
        if count > _LONG_TEXT_BYTES:
            self._push(Text(raw, encoding))
            return
        self._text_bytes += count
        if self._text_bytes > _MAX_TEXT_BYTES:
            raise WeightsError(
                f"{self.where}: its pickle has over {_MAX_TEXT_BYTES:,} bytes of short texts, and a weights "
                "file "
                "needs far fewer; save only the state dict"
            )
        self._push(str(raw, encoding))

    def _line(self) -> str:
        ahead = bytes(self._data[self._at : self._at + _MAX_LINE_BYTES])
        end = ahead.find(b"\n")
        if end < 0:
            if len(ahead) < _MAX_LINE_BYTES:
                raise _EndsEarly("a name is cut short")
            raise ValueError("a name is too long")
        self._at += end + 1
        return str(ahead[:end], "utf-8")

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _top(self) -> Any:
        value = self._stack[-1]
        if isinstance(value, _Mark):
            raise ValueError("a value is missing")
        return value

    def _keep(self, key: int) -> None:
        self._memo[key] = self._top()

    def _drop(self) -> None:
        self._stack.pop()

    def _drop_since_mark(self) -> None:
        self._since_mark()

    def _last(self, count: int) -> tuple[Any, ...]:
        taken = tuple(self._stack[-count:])
        if len(taken) < count or any(isinstance(value, _Mark) for value in taken):
            raise ValueError("a value is missing")
        del self._stack[-count:]
        return taken

    def _since_mark(self) -> list[Any]:
        taken: list[Any] = []
        while not isinstance(value := self._stack.pop(), _Mark):
            taken.append(value)
        return taken[::-1]

    def _replace_since_mark(self, value: Any) -> None:
        self._since_mark()
        self._push(value)

    def _append(self, values: tuple[Any, ...] | list[Any]) -> None:
        target = self._top()
        if isinstance(target, Inert):
            return
        if not isinstance(target, list):
            raise ValueError("a list is missing")
        target.extend(values)

    def _dict(self) -> None:
        pairs = self._since_mark()
        self._push({})
        self._set_items(pairs)

    def _set_items(self, pairs: list[Any]) -> None:
        target = self._top()
        if isinstance(target, Inert):
            return
        if not isinstance(target, dict):
            raise ValueError("a dict is missing")
        self._fill_dict(target, zip(pairs[::2], pairs[1::2], strict=True))

    def _fill_dict(self, target: dict[Any, Any], pairs: Any) -> None:
        for key, value in pairs:
            # Others are not needed, and may be made to harm: hashing a tuple of a million nested ones
            # overflows the interpreter's own stack, and large numbers can be chosen to have one hash.
            if isinstance(key, str) or (isinstance(key, int) and abs(key) < MAX_NUMBER):
                target[key] = value
            else:
                self.odd_key(key)

    def _dict_of_pairs(self, arguments: tuple[Any, ...]) -> dict[Any, Any]:
        made: dict[Any, Any] = {}
        if arguments:  # Python 2 gives OrderedDict its items as a list of lists
            self._pairs += len(arguments[0])
            if self._pairs > MAX_INSTRUCTIONS:  # one list may be used any number of times
                raise ValueError("its dicts have too many items")
            self._fill_dict(made, arguments[0])
        return made

    def _global(self) -> None:
        module, attribute = self._line(), self._line()
        self._push(self.resolve(f"{module}.{attribute}"))

    def _stack_global(self) -> None:
        module, attribute = self._last(2)
        if not isinstance(module, str) or not isinstance(attribute, str):
            raise ValueError("a name is not a text")
        self._push(self.resolve(f"{module}.{attribute}"))

    def _made(self, kind: Any, _arguments: Any) -> Any:
        if isinstance(kind, Name) and kind.name == _DICT:
            return {}
        if not isinstance(kind, Inert):
            raise ValueError("an object of an unknown class is made")
        return kind

    def _build(self, state: Any) -> None:
        target = self._top()
        if isinstance(target, Array):
            # (version, shape, dtype, is Fortran's order, bytes); the version is absent in the oldest
            shape, dtype, is_columns_first, raw = state[-4:]
            target.fill(shape, dtype, bool(is_columns_first), raw)
        elif isinstance(target, DType):
            # (version, byte order, base and shape of a subarray, names, fields, item size, ...)
            _, order, *nested = state[:5]
            if not isinstance(order, str):
                raise ValueError("a dtype is described in an unknown way")
            target.order = order
            target.is_plain = target.is_plain and all(part is None for part in nested)
        # A dict's attributes (a state dict keeps its version numbers so) and an unknown object's are dropped.


_STOP = pickle.STOP[0]
_INSTRUCTIONS = {instruction.code: instruction.name for instruction in pickletools.opcodes}
