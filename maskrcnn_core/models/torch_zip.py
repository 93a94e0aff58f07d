"""Reads a ``.pth`` file instead of torch: nothing of it is run, and no tensor is larger than what is there.

``torch.save`` writes a zip archive with one pickle, ``data.pkl``, and one record of raw bytes for each
storage (PyTorch, "Serialized file format for torch.save"). A pickle is a program. torch's
``weights_only=True`` keeps it from calling what it likes, but still lets a file of a few kB ask for
gigabytes: deflated records, ``bytearray(10 ** 11)``, or a tensor that declares more elements than its
record holds. So the program is run here on stand-ins that do nothing
(:mod:`maskrcnn_core.models.foreign.inert_pickle`): names stay names, storages stay numbers. What it would
build is checked against the archive's real sizes.

Objects of other projects' classes beside the tensors, as mmdetection's files hold them, become inert; the
tensors are views of the mapped records.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign.inert_pickle import InertPickle
from maskrcnn_core.models.foreign.stand_ins import Inert, Name

__all__ = ["read_torch_zip"]

_MAX_PICKLE_BYTES = 128 << 20
"""Tensors and an optimiser take 1 MB; mmengine keeps every loss of a training, in 1 to 50 MB of numpy arrays.
Those stay where they are, and what the rest can cost is bounded by its instructions."""

_MAX_RECORDS = 20_000
_MAX_DIRECTORY_BYTES = 4 << 20
"""The zip's list of its records: 200 bytes for each of as many as there may be, where torch needs 80."""

_MAX_DIMENSIONS = 8
_MAX_NUMBER = 1 << 40

_DTYPES = {
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.BoolStorage": torch.bool,
    "torch.ByteStorage": torch.uint8,
    "torch.CharStorage": torch.int8,
    "torch.DoubleStorage": torch.float64,
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.IntStorage": torch.int32,
    "torch.LongStorage": torch.int64,
    "torch.ShortStorage": torch.int16,
}

_DICT = "collections.OrderedDict"
_PARAMETER = "torch._utils._rebuild_parameter"
_TENSOR = "torch._utils._rebuild_tensor_v2"

# Nothing is run in any case; these are named all the same, as only files made to harm hold them.
_HOSTILE_MODULES = frozenset(
    {
        "code",
        "ctypes",
        "importlib",
        "nt",
        "os",
        "posix",
        "pty",
        "runpy",
        "shutil",
        "socket",
        "subprocess",
        "sys",
    }
)
_HOSTILE_NAMES = frozenset(
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in ("__import__", "breakpoint", "compile", "eval", "exec", "execfile", "open")
)


@dataclass(frozen=True)
class _Storage:
    """A stand-in for a record's bytes."""

    key: str
    dtype: torch.dtype
    elements: int


class _Tensor:
    """A stand-in for a tensor that has been checked."""


@dataclass(frozen=True)
class _Archive:
    """A file of ``torch.save``, mapped: where each record's bytes are.

    Args:
        name: the file's, for messages.
        mapped: the file; what is written to it stays in memory.
        records: start and length of each storage's bytes, by its key.
        pickled: start and length of ``data.pkl``.
    """

    name: str
    mapped: mmap.mmap
    records: dict[str, tuple[int, int]]
    pickled: tuple[int, int]

    def bytes_of(self, place: tuple[int, int]) -> memoryview:
        return memoryview(self.mapped)[place[0] : place[0] + place[1]]


def read_torch_zip(file: Path) -> tuple[object, Counter[str]]:
    """Read a zip-format ``.pth`` file without torch's unpickler.

    Args:
        file: a file that begins like a zip archive. It is not changed, and nothing in it is run.

    Returns:
        What was saved: plain data, tensors (views of the mapped file where their place allows, which must not
        be changed), and stand-ins of :mod:`~maskrcnn_core.models.foreign.stand_ins` for all else; and what
        was left out on the way, counted by kind.

    Raises:
        WeightsError: saying what is in the way, and how to save the weights so that they can be read.
    """
    reader = _Reader(_open_archive(file))
    return reader.run(), reader.ignored


# --- the archive ------------------------------------------------------------------------------------


class _ShortReads(io.FileIO):
    """A file that refuses to read much at once: ``zipfile`` reads all of a list of records, however long."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > _MAX_DIRECTORY_BYTES:
            raise WeightsError(
                f"{Path(str(self.name)).name}: its list of records is longer than {_MAX_DIRECTORY_BYTES:,} "
                "bytes, "
                "so this file is not read"
            )
        return super().read(size)


def _open_archive(file: Path) -> _Archive:
    try:
        with _ShortReads(file) as stream, zipfile.ZipFile(stream) as archive:
            sizes = _checked_records(file, archive)
            pickled = _pickle_record(file, sizes)
            stream.seek(0)
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
            places = {info.filename: _place(mapped, info) for info in archive.infolist()}
            expected = archive.getinfo(pickled).CRC
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        ValueError,
        OverflowError,
        struct.error,
    ) as error:
        raise WeightsError(
            f"{file.name}: the file is truncated or damaged ({error}); copy it again"
        ) from error
    except OSError as error:
        raise WeightsError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    prefix = pickled.removesuffix("data.pkl")
    records = {
        name.removeprefix(f"{prefix}data/"): place
        for name, place in places.items()
        if name.startswith(f"{prefix}data/")
    }
    opened = _Archive(file.name, mapped, records, places[pickled])
    if zlib.crc32(opened.bytes_of(opened.pickled)) != expected:
        raise WeightsError(f"{file.name}: the file is damaged (Bad CRC-32 for {pickled!r}); copy it again")
    order = places.get(f"{prefix}byteorder")
    if order is not None and bytes(opened.bytes_of(order)) != b"little":
        raise WeightsError(
            f"{file.name}: it was written on a machine with the other byte order; load it there and save it "
            "as "
            ".safetensors"
        )
    return opened


def _place(mapped: mmap.mmap, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return where a stored record's bytes begin, which its local header says, and how many they are."""
    header = mapped[info.header_offset : info.header_offset + 30]
    if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
        raise zipfile.BadZipFile(f"no record where {info.filename!r} should be")
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    start = info.header_offset + 30 + name_length + extra_length
    if start + info.file_size > len(mapped):
        raise zipfile.BadZipFile(f"record {info.filename!r} is cut short")
    return start, info.file_size


def _checked_records(file: Path, archive: zipfile.ZipFile) -> dict[str, int]:
    """Return each record's size by name, if all are stored as they are, which is how torch writes them."""
    infos = archive.infolist()
    if len(infos) > _MAX_RECORDS:
        raise WeightsError(f"{file.name}: expected at most {_MAX_RECORDS:,} records, got {len(infos):,}")
    packed = next((i.filename for i in infos if i.compress_type != zipfile.ZIP_STORED), None)
    total = sum(info.file_size for info in infos)
    if packed is not None or total > file.stat().st_size:
        raise WeightsError(
            f"{file.name}: its records unpack to {total:,} bytes from {file.stat().st_size:,}; "
            "torch.save never compresses, so this file is not read"
        )
    if any(info.flag_bits & 1 for info in infos):
        raise WeightsError(f"{file.name}: its records are encrypted; unpack it and save it with torch.save")
    records = {info.filename: info.file_size for info in infos}
    if len(records) != len(infos):
        raise WeightsError(f"{file.name}: two records have the same name, so this file is not read")
    return records


def _pickle_record(file: Path, records: dict[str, int]) -> str:
    pickled = [name for name in records if name.endswith("/data.pkl") and name.count("/") == 1]
    if any(name.endswith("/constants.pkl") for name in records):
        raise WeightsError(
            f"{file.name}: this is a TorchScript program; save the weights with "
            "torch.save(model.state_dict(), ...) instead"
        )
    if len(pickled) != 1:
        raise WeightsError(
            f"{file.name}: expected a file of torch.save (a zip archive with one data.pkl), "
            f"got an archive with {', '.join(name[:80] for name in sorted(records)[:3]) or 'nothing in it'}"
        )
    if records[pickled[0]] > _MAX_PICKLE_BYTES:
        raise WeightsError(f"{file.name}: its data.pkl is longer than {_MAX_PICKLE_BYTES:,} bytes")
    return pickled[0]


# --- its pickle -------------------------------------------------------------------------------------


class _Inspector(InertPickle):
    """An interpreter that runs the pickle of an archive on stand-ins.

    Args:
        archive: whose ``data.pkl`` is run, and whose records its storages are.
    """

    def __init__(self, archive: _Archive) -> None:
        super().__init__(archive.name, archive.bytes_of(archive.pickled))
        self._archive = archive

    def refusal(self, wish: str) -> WeightsError:
        return WeightsError(
            f"{self.where}: it asks for {wish[:200]}, but a weights file needs only tensors, so none of it "
            "was "
            "run; save it with torch.save(model.state_dict(), ...) or as .safetensors"
        )

    def ends_early(self) -> WeightsError:
        return self.is_damaged("it ends too early")

    def is_damaged(self, reason: str) -> WeightsError:
        return WeightsError(f"{self.where}: its data.pkl is damaged ({reason[:200]}); copy it again")

    def resolve(self, name: str) -> Name | Inert:
        if name in _DTYPES or name in (_DICT, _PARAMETER, _TENSOR):
            return Name(name)
        return super().resolve(name)

    def persistent(self, description: Any) -> Any:
        kind, storage_type, key, _location, elements = description
        if isinstance(storage_type, Inert):
            return storage_type
        if kind != "storage" or not isinstance(storage_type, Name) or not isinstance(elements, int):
            raise ValueError("a storage is described in an unknown way")
        dtype = _DTYPES[storage_type.name]
        needed, there = elements * dtype.itemsize, self._archive.records[key][1]
        if not 0 <= needed <= there:
            raise WeightsError(
                f"{self.where}: record {key!r} declares {needed:,} bytes and has {there:,}, "
                "so the file is damaged or was made to mislead; it is not read"
            )
        return _Storage(key, dtype, elements)

    def call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            return super().call(function, arguments)
        if function.name == _PARAMETER:
            return arguments[0]
        if function.name == _TENSOR:
            storage, offset, shape, strides = arguments[:4]
            if isinstance(storage, Inert):
                return storage
            self._check_tensor(storage, offset, shape, strides)
            return self.tensor(storage, offset, shape, strides)
        return super().call(function, arguments)

    def tensor(
        self, _storage: _Storage, _offset: int, _shape: tuple[int, ...], _strides: tuple[int, ...]
    ) -> _Tensor | Tensor:
        """Return what stands for a tensor whose numbers have been checked."""
        return _Tensor()

    def _check_tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> None:
        numbers = (offset, *shape, *strides)
        if (
            not isinstance(storage, _Storage)
            or len(numbers) > 1 + 2 * _MAX_DIMENSIONS
            or not all(isinstance(n, int) and 0 <= n < _MAX_NUMBER for n in numbers)
            or prod(max(n, 1) for n in shape) >= _MAX_NUMBER  # an empty tensor may have long sides, too
        ):
            raise ValueError("a tensor is described in an unknown way")
        reach = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + 1
        elements = prod(shape)
        # More elements than storage is legal for torch (strides of 0) and how little becomes much.
        if elements and (elements > storage.elements or reach > storage.elements):
            raise WeightsError(
                f"{self.where}: a tensor of {elements:,} elements uses record {storage.key!r} that "
                f"has {storage.elements:,}, so it is not read"
            )


class _Reader(_Inspector):
    """Makes the tensors, and lets unknown classes be."""

    def __init__(self, archive: _Archive) -> None:
        super().__init__(archive)
        self._bytes: dict[str, Tensor] = {}

    def unknown(self, name: str) -> Inert:
        if name.partition(".")[0] in _HOSTILE_MODULES or name in _HOSTILE_NAMES:
            raise self.refusal(f"{name!r}")
        return Inert(name)

    def tensor(
        self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> Tensor:
        if not prod(shape):
            return torch.empty(tuple(shape), dtype=storage.dtype)
        flat = self._bytes_of(storage.key)[: storage.elements * storage.dtype.itemsize].view(storage.dtype)
        return flat.as_strided(tuple(shape), tuple(strides), offset)

    def _bytes_of(self, key: str) -> Tensor:
        if key not in self._bytes:
            start, size = self._archive.records[key]
            if start % 8:  # torch aligns its records; another zip program need not
                place = bytearray(self._archive.bytes_of((start, size)))
                self._bytes[key] = torch.frombuffer(place, dtype=torch.uint8)
            else:
                self._bytes[key] = torch.frombuffer(
                    self._archive.mapped, dtype=torch.uint8, count=size, offset=start
                )
        return self._bytes[key]
