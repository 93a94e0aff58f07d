"""Looks into a ``.pth`` file before torch does: only tensors, and none larger than what is there.

``torch.save`` writes a zip archive with one pickle, ``data.pkl``, and one record of raw bytes for each
storage (PyTorch, "Serialized file format for torch.save"). A pickle is a program. torch's
``weights_only=True`` keeps it from calling what it likes, but still lets a file of a few kB ask for
gigabytes: deflated records, ``bytearray(10 ** 11)``, or a tensor that declares more elements than its
record holds. So the program is first run here on stand-ins that do nothing: names stay names, storages
stay numbers. What it would build is checked against the archive's real sizes; then, and only then,
torch may load it.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from maskrcnn_core.errors import WeightsError

__all__ = ["check_torch_zip"]

_MAX_PICKLE_BYTES = 2 << 20
"""A state dict with an optimiser beside it has 0.2 MB; the stand-ins take some seconds for this much."""

_MAX_RECORDS = 20_000
_MAX_DIMENSIONS = 8
_MAX_NUMBER = 1 << 40

_ITEM_BYTES = {
    "torch.BFloat16Storage": 2,
    "torch.BoolStorage": 1,
    "torch.ByteStorage": 1,
    "torch.CharStorage": 1,
    "torch.DoubleStorage": 8,
    "torch.FloatStorage": 4,
    "torch.HalfStorage": 2,
    "torch.IntStorage": 4,
    "torch.LongStorage": 8,
    "torch.ShortStorage": 2,
}

_CALLS = frozenset(
    {
        "collections.OrderedDict",
        "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_tensor_v2",
    }
)


@dataclass(frozen=True)
class _Name:
    """A stand-in for whatever ``module.attribute`` is."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """A stand-in for a record's bytes."""

    key: str
    elements: int


class _Tensor:
    """A stand-in for a tensor that has been checked."""


class _Mark:
    """Where a tuple, list or dict under construction begins on the stack."""


def check_torch_zip(file: Path) -> None:
    """Checks that a zip-format ``.pth`` file holds tensors only and takes no more memory than its size.

    Args:
        file: a file that begins like a zip archive. It is not changed, and nothing in it is run.

    Raises:
        WeightsError: saying what is in the way, and how to save the weights so that they can be read.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            records = _checked_records(file, archive)
            pickled = _pickle_record(file, archive, records)
            data = archive.read(pickled)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise WeightsError(
            f"{file.name}: the file is truncated or damaged ({error}); copy it again"
        ) from error
    prefix = pickled.removesuffix("data.pkl")
    sizes = {
        name.removeprefix(f"{prefix}data/"): size
        for name, size in records.items()
        if name.startswith(f"{prefix}data/")
    }
    try:
        _Inspector(file.name, sizes).run(data)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        # The stand-ins take any program; one that underflows the stack or mixes types is no torch file.
        raise WeightsError(f"{file.name}: its data.pkl is damaged ({error}); copy it again") from error


def _checked_records(file: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Each record's size by name, if all are stored as they are, which is how torch writes them."""
    infos = archive.infolist()
    if len(infos) > _MAX_RECORDS:
        raise WeightsError(f"{file.name}: wanted at most {_MAX_RECORDS:,} records, found {len(infos):,}")
    packed = next((i.filename for i in infos if i.compress_type != zipfile.ZIP_STORED), None)
    total = sum(info.file_size for info in infos)
    if packed is not None or total > file.stat().st_size:
        raise WeightsError(
            f"{file.name}: its records unpack to {total:,} bytes from {file.stat().st_size:,}; "
            "torch.save never packs, so this file is not read"
        )
    records = {info.filename: info.file_size for info in infos}
    if len(records) != len(infos):
        raise WeightsError(f"{file.name}: two records have the same name, so this file is not read")
    return records


def _pickle_record(file: Path, archive: zipfile.ZipFile, records: dict[str, int]) -> str:
    pickled = [name for name in records if name.endswith("/data.pkl") and name.count("/") == 1]
    if any(name.endswith("/constants.pkl") for name in records):
        raise WeightsError(
            f"{file.name}: this is a TorchScript program; save the weights with "
            "torch.save(model.state_dict(), ...) instead"
        )
    if len(pickled) != 1:
        raise WeightsError(
            f"{file.name}: wanted a file of torch.save (a zip archive with one data.pkl), "
            f"found an archive with {', '.join(sorted(records)[:3]) or 'nothing in it'}"
        )
    if records[pickled[0]] > _MAX_PICKLE_BYTES:
        raise WeightsError(f"{file.name}: its data.pkl is longer than {_MAX_PICKLE_BYTES:,} bytes")
    return pickled[0]


class _Inspector:
    """Runs a pickle of protocol 2 on stand-ins.

    Args:
        where: the file's name, for messages.
        sizes: bytes of each storage's record, by its key.
    """

    def __init__(self, where: str, sizes: dict[str, int]) -> None:
        self._where = where
        self._sizes = sizes
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._actions: dict[str, Callable[[Any], None]] = {
            "PROTO": lambda _: None,
            "STOP": lambda _: None,
            "MARK": lambda _: self._push(_Mark()),
            "NONE": lambda _: self._push(None),
            "NEWTRUE": lambda _: self._push(True),
            "NEWFALSE": lambda _: self._push(False),
            "EMPTY_TUPLE": lambda _: self._push(()),
            "EMPTY_LIST": lambda _: self._push([]),
            "EMPTY_DICT": lambda _: self._push({}),
            "EMPTY_SET": lambda _: self._push(set()),
            "TUPLE": lambda _: self._push(tuple(self._since_mark())),
            "TUPLE1": lambda _: self._push(self._last(1)),
            "TUPLE2": lambda _: self._push(self._last(2)),
            "TUPLE3": lambda _: self._push(self._last(3)),
            "APPEND": lambda _: self._append(self._last(1)),
            "APPENDS": lambda _: self._append(self._since_mark()),
            "SETITEM": lambda _: self._set_items(list(self._last(2))),
            "SETITEMS": lambda _: self._set_items(self._since_mark()),
            "BINPUT": lambda key: self._memo.__setitem__(key, self._stack[-1]),
            "LONG_BINPUT": lambda key: self._memo.__setitem__(key, self._stack[-1]),
            "BINGET": lambda key: self._push(self._memo[key]),
            "LONG_BINGET": lambda key: self._push(self._memo[key]),
            "GLOBAL": self._name,
            "BINPERSID": lambda _: self._push(self._storage(self._stack.pop())),
            "REDUCE": lambda _: self._push(self._call(*self._last(2))),
            "BUILD": self._ignore_attributes,
        }
        for constant in ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"):
            self._actions[constant] = self._push

    def run(self, data: bytes) -> None:
        for opcode, argument, _ in pickletools.genops(data):
            action = self._actions.get(opcode.name)
            if action is None:
                raise self._refusal(f"pickle instruction {opcode.name}")
            action(argument)

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _ignore_attributes(self, _: Any) -> None:
        """Drops what would be set on an object; a state dict keeps its version numbers so."""
        self._last(1)

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

    def _append(self, values: tuple[Any, ...] | list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise ValueError("a list is missing")
        target.extend(values)

    def _set_items(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict):
            raise ValueError("a dict is missing")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # Names and an optimiser's numbers only: hashing a tuple of a million nested ones would
            # overflow the interpreter's own stack.
            if not isinstance(key, str | int):
                raise ValueError(f"a dict has a {type(key).__name__} for a key")
            target[key] = value

    def _name(self, argument: str) -> None:
        name = ".".join(argument.split(" ", 1))
        if name not in _CALLS and name not in _ITEM_BYTES:
            raise self._refusal(f"{name!r}")
        self._push(_Name(name))

    def _refusal(self, wish: str) -> WeightsError:
        return WeightsError(
            f"{self._where}: it wants {wish}, and a file of weights needs tensors only, so nothing of it "
            "was run; save it with torch.save(model.state_dict(), ...) or as .safetensors"
        )

    def _storage(self, persistent_id: Any) -> _Storage:
        kind, storage_type, key, _location, elements = persistent_id
        if kind != "storage" or not isinstance(storage_type, _Name) or not isinstance(elements, int):
            raise ValueError("a storage is described in an unknown way")
        needed = elements * _ITEM_BYTES[storage_type.name]
        if not 0 <= needed <= self._sizes[key]:
            raise WeightsError(
                f"{self._where}: record {key!r} declares {needed:,} bytes and has {self._sizes[key]:,}, "
                "so the file is damaged or was made to mislead; it is not read"
            )
        return _Storage(key, elements)

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("something that is no function is called")
        if function.name == "collections.OrderedDict":
            return {}
        if function.name == "torch._utils._rebuild_parameter":
            return arguments[0]
        if function.name == "torch._utils._rebuild_tensor_v2":
            self._check_tensor(*arguments[:4])
            return _Tensor()
        raise ValueError(f"{function.name} is called")

    def _check_tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> None:
        numbers = (offset, *shape, *strides)
        if (
            not isinstance(storage, _Storage)
            or len(numbers) > 1 + 2 * _MAX_DIMENSIONS
            or not all(isinstance(n, int) and 0 <= n < _MAX_NUMBER for n in numbers)
        ):
            raise ValueError("a tensor is described in an unknown way")
        reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1
        elements = prod(shape)
        # More elements than storage is legal for torch (strides of 0) and how little becomes much.
        if elements and (elements > storage.elements or reach > storage.elements):
            raise WeightsError(
                f"{self._where}: a tensor of {elements:,} elements lies on record {storage.key!r} that "
                f"has {storage.elements:,}, so it is not read"
            )
