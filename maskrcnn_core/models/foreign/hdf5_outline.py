"""Lists what an HDF5 file holds and where its bytes lie, as JSON: a program of its own, run by
``hdf5_file.py``.

The HDF5 library is C that a file made to harm can crash or keep busy. Here it meets the file in a process
with limits, and only looks: it follows no link to elsewhere and reads no array. Run as ``python -P
hdf5_outline.py FILE``.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["MAX_DEPTH", "MAX_OBJECTS", "outline"]

MAX_OBJECTS = 20_000
MAX_DEPTH = 8
_MAX_CHUNKS = 50_000
_MAX_ATTRIBUTES = 64
_MAX_ATTRIBUTE_ITEMS = 10_000
_MAX_ATTRIBUTE_BYTES = 1 << 20
_MAX_MEMORY = 700 << 20
_MAX_CPU_S = 5


class _Refused(Exception):
    """What is in the way, for people."""


def outline(file: str) -> dict[str, Any]:
    """Return ``datasets``, ``attributes`` and ``left_out`` of a file, or ``refusal``."""
    import h5py

    with contextlib.suppress(ImportError, ValueError, OSError):  # Windows has no limits
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (_MAX_CPU_S, _MAX_CPU_S))
    with h5py.File(file, "r", locking=False) as opened:
        walk = _Walk(h5py)
        walk.group(opened, "", 0)
        return {
            "datasets": walk.datasets,
            "attributes": walk.attributes,
            "left_out": walk.left_out,
        }


class _Walk:
    def __init__(self, h5py: Any) -> None:
        self._h5py = h5py
        self._objects = 0
        self._chunks = 0
        self.datasets: list[dict[str, Any]] = []
        self.attributes: dict[str, Any] = {}
        self.left_out = 0
        types = h5py.h5t
        self._floats = {
            "<f2": types.IEEE_F16LE,
            "<f4": types.IEEE_F32LE,
            "<f8": types.IEEE_F64LE,
            ">f2": types.IEEE_F16BE,
            ">f4": types.IEEE_F32BE,
            ">f8": types.IEEE_F64BE,
        }

    def group(self, group: Any, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Refused(
                f"{path[:200]} lies deeper than {MAX_DEPTH} groups, or in a group that contains itself"
            )
        if depth <= 1 and path in ("", "/model_weights"):
            self._read_attributes(group)
        links, h5l = group.id.links, self._h5py.h5l
        for name in group.id:
            self._objects += 1
            if self._objects > MAX_OBJECTS:
                raise _Refused(f"it has over {MAX_OBJECTS:,} groups and arrays")
            inner = f"{path}/{name.decode('utf-8', 'backslashreplace')}"
            kind = links.get_info(name).type
            if kind == h5l.TYPE_SOFT:
                raise _Refused(f"{inner[:200]} is a link to another place in place of an array")
            if kind == h5l.TYPE_EXTERNAL:
                raise _Refused(f"{inner[:200]} is a link to another file, which is not opened")
            if kind != h5l.TYPE_HARD:
                raise _Refused(f"{inner[:200]} is a link of an unknown kind")
            member = group[name]
            if isinstance(member, self._h5py.Group):
                self.group(member, inner, depth + 1)
            elif isinstance(member, self._h5py.Dataset):
                self.datasets.append(self._dataset(member.id, inner))
            else:
                self.left_out += 1

    def _dataset(self, dataset: Any, path: str) -> dict[str, Any]:
        """Return where an array's bytes are; ``dtype`` is None unless it is one of IEEE's floats."""
        plan = dataset.get_create_plist()
        kind = dataset.get_type()
        layout = plan.get_layout()
        facts: dict[str, Any] = {
            "path": path,
            "shape": dataset.shape,
            "dtype": next((code for code, known in self._floats.items() if kind.equal(known)), None),
            "type": str(dataset.dtype)[:40] if dataset.shape is not None else "nothing",
            "filters": [plan.get_filter(i)[0] for i in range(plan.get_nfilters())],
        }
        if plan.get_external_count():
            raise _Refused(f"{path[:200]} keeps its values in another file, which is not opened")
        if layout == self._h5py.h5d.VIRTUAL:
            raise _Refused(f"{path[:200]} is put together of other arrays or files, which are not opened")
        if layout == self._h5py.h5d.CHUNKED:
            facts["chunk_shape"] = plan.get_chunk()
            facts["chunks"] = self._chunks_of(dataset)
        elif layout == self._h5py.h5d.CONTIGUOUS:
            facts["offset"] = dataset.get_offset()
        return facts

    def _chunks_of(self, dataset: Any) -> list[tuple[list[int], int, int, int]]:
        """Return corner, place in the file, length and skipped filters of each chunk that is stored."""
        found: list[tuple[list[int], int, int, int]] = []

        def keep(chunk: Any) -> bool | None:
            self._chunks += 1
            found.append((list(chunk.chunk_offset), chunk.byte_offset, chunk.size, chunk.filter_mask))
            return True if self._chunks > _MAX_CHUNKS else None  # anything but None ends the iteration

        dataset.chunk_iter(keep)
        if self._chunks > _MAX_CHUNKS:
            raise _Refused(f"it has over {_MAX_CHUNKS:,} pieces of arrays")
        return found

    def _read_attributes(self, group: Any) -> None:
        h5a, h5t = self._h5py.h5a, self._h5py.h5t
        for number in range(h5a.get_num_attrs(group.id)):
            if number >= _MAX_ATTRIBUTES:
                self.left_out += h5a.get_num_attrs(group.id) - number
                return
            attribute = h5a.open(group.id, index=number)
            name, shape, kind = (
                attribute.name.decode("utf-8", "backslashreplace"),
                attribute.shape,
                attribute.get_type(),
            )
            # What has no fixed size may be as long as the file, so there may be one of it.
            is_variable = isinstance(kind, h5t.TypeStringID) and kind.is_variable_str()
            items = 1
            for side in shape or ():
                items *= side
            if (
                shape is None
                or len(shape) > 1
                or items > (1 if is_variable else _MAX_ATTRIBUTE_ITEMS)
                or items * kind.get_size() > _MAX_ATTRIBUTE_BYTES
                or not isinstance(kind, h5t.TypeStringID | h5t.TypeIntegerID | h5t.TypeFloatID)
            ):
                self.left_out += 1
                continue
            value = _plain(group.attrs[name])
            if isinstance(value, str) and len(value) > _MAX_ATTRIBUTE_BYTES:
                self.left_out += 1
                continue
            self.attributes[name] = value


def _plain(value: Any) -> Any:
    """Return text, numbers or a list of them."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bytes | str):
        return _plain(value)
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _main(file: str) -> None:
    try:
        found = outline(file)
    except _Refused as refused:
        found = {"refusal": str(refused)}
    except (
        ImportError,
        OSError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        MemoryError,
        RecursionError,
    ) as error:
        # h5py raises any of these for what the library says of a damaged file.
        found = {"damage": f"{type(error).__name__}: {str(error)[:200]}"}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    _main(str(Path(sys.argv[1])))
