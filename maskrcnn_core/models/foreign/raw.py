"""Reads what is in a checkpoint of any known kind of file, by its content and without running anything of it.

Names and values stay the file's own; which network they are for is told elsewhere. What training scripts put
around the weights ("model", "state_dict", a prefix "module.") is taken off, and what lies beside them is kept
as far as it is plain data: categories, a configuration, a version.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.downloads import file_sha256
from maskrcnn_core.models.foreign.bare_pickle import is_legacy_torch, read_bare_pickle
from maskrcnn_core.models.foreign.hdf5_file import HDF5_SIGNATURE, read_hdf5
from maskrcnn_core.models.foreign.renaming import first_few
from maskrcnn_core.models.foreign.stand_ins import Array, Inert, Text
from maskrcnn_core.models.torch_zip import read_torch_zip

__all__ = ["MAX_CHECKPOINT_BYTES", "Plain", "RawCheckpoint", "read_raw"]

MAX_CHECKPOINT_BYTES = 1 << 30
"""1 GiB; the weights take 0.2, with an optimiser's state beside them up to 0.6."""

Plain: TypeAlias = (
    "bool | int | float | str | list[Plain] | tuple[Plain, ...] | dict[str | int, Plain] | None"
)
"""What JSON knows, and tuples."""

FileKind: TypeAlias = Literal["torch", "safetensors", "pickle", "hdf5"]

_NESTED_UNDER = ("model", "state_dict", "model_state_dict", "blobs")
"""Where training scripts keep the weights; Detectron's are "blobs"."""

_PREFIXES = ("module.", "model.")
_DTYPES = (
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.uint16,
    torch.int32,
    torch.uint32,
    torch.int64,
    torch.uint64,
    torch.bool,
)

_MAX_SHARING = 4
"""Tied layers are in a file once and named several times; the whole of it is not named more often than
this."""

_MAX_META_VALUES = 100_000
_MAX_META_DEPTH = 16
_MAX_META_CHARACTERS = 8 << 20
_MAX_META_TEXT = 1 << 20

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a file packed with gzip; unpack it first"),
    (b"BZh", "a file packed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "a file packed with xz; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x93NUMPY", "a single numpy array (.npy)"),
    (b"GGUF", "a language model (GGUF)"),
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file; fetch it with git lfs pull"),
    (b"<", "a web page or XML; was it saved in place of the download?"),
    (b"{", "a text in JSON"),
    (b"[", "a text in JSON"),
)


@dataclass(frozen=True, eq=False)
class RawCheckpoint:
    """What is in a checkpoint, before anybody has said which network it is for.

    Args:
        file_name: of the checkpoint.
        sha256: of the file, 64 hexadecimal digits.
        kind: how the file is written.
        tensors: by the file's own names, without wrapping and common prefix, in the file's order; whole or
            floating
            numbers, on the CPU. They may be views of the mapped file: copy them, and do not change them.
        meta: what is beside the weights, as plain data.
        notes: sentences for people: what was unwrapped or left out.
    """

    file_name: str
    sha256: str
    kind: FileKind
    tensors: dict[str, Tensor]
    meta: Mapping[str, Plain]
    notes: tuple[str, ...]


def read_raw(file: Path) -> RawCheckpoint:
    """Read a checkpoint of torch, safetensors, numpy arrays in a pickle, or Keras's HDF5, told by its
    content.

    Args:
        file: of at most :data:`MAX_CHECKPOINT_BYTES`. It is not changed, and nothing in it is run.

    Raises:
        WeightsError: if it cannot be read: says what was found, and what helps.
    """
    size, head = _look(file)
    kind = _tell_kind(file, size, head)
    notes: list[str] = []
    ignored: Counter[str] = Counter()
    if kind == "hdf5":
        content = read_hdf5(file)
        return RawCheckpoint(
            file.name, file_sha256(file), kind, content.tensors, content.attributes, content.notes
        )
    if kind == "safetensors":
        state, metadata = _read_safetensors(file)
        tensors = _strip_prefix(_only_tensors(state, file.name, size), notes)
        return RawCheckpoint(file.name, file_sha256(file), kind, tensors, metadata, tuple(notes))
    tree, ignored = read_torch_zip(file) if kind == "torch" else read_bare_pickle(file)
    found, beside = _unwrap(tree, file.name, notes)
    tensors = _strip_prefix(_only_tensors(found, file.name, size), notes)
    plain = _PlainData(ignored)
    meta = plain.dict_of(beside)
    if plain.dropped:
        notes.append(_dropped_note(plain.dropped))
    return RawCheckpoint(file.name, file_sha256(file), kind, tensors, meta, tuple(notes))


# --- which kind -------------------------------------------------------------------------------------


def _look(file: Path) -> tuple[int, bytes]:
    """Return a file's size and first bytes."""
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise WeightsError(f"{file.name}: expected a file, got a folder or a device")
        with file.open("rb") as stream:
            head = stream.read(64)
    except OSError as error:
        raise WeightsError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    if facts.st_size > MAX_CHECKPOINT_BYTES:
        raise WeightsError(
            f"{file.name}: expected at most {MAX_CHECKPOINT_BYTES:,} bytes, got {facts.st_size:,}; "
            "save only the state dict"
        )
    return facts.st_size, head


def _tell_kind(file: Path, size: int, head: bytes) -> FileKind:
    if head.startswith(b"PK\x03\x04"):
        return "torch"
    if head.startswith(HDF5_SIGNATURE):
        return "hdf5"
    if head[8:9] == b"{":
        length = int.from_bytes(head[:8], "little")
        if length < size:
            return "safetensors"
        if length < MAX_CHECKPOINT_BYTES:
            raise WeightsError(
                f"{file.name}: this .safetensors file ends too early ({size:,} bytes, and its header alone "
                "has "
                f"{length:,}); the copy was cut short, copy it again"
            )
    if is_legacy_torch(head):
        raise WeightsError(
            f"{file.name}: this is a bare pickle, as torch before 1.6 wrote, and is not loaded; load it "
            "where you trust it and save it again with torch.save(model.state_dict(), ...) "
            "or as .safetensors"
        )
    if len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return "pickle"
    raise WeightsError(
        f"{file.name}: expected a checkpoint: a .pth of torch.save, a .safetensors, a .pkl of Detectron2's "
        "zoo or "
        f"an .h5 of Keras, got {_what(head)}"
    )


def _what(head: bytes) -> str:
    """Say what a file is that begins so."""
    if not head:
        return "an empty file; copy it again"
    if not head.strip(b"\0"):
        return "a file that begins with zeros, as a download does that was reserved and never came"
    named = next((what for beginning, what in _BEGINNINGS if head.lstrip().startswith(beginning)), None)
    if named is None and head[4:8] == b"TFL3":
        named = "a model of TensorFlow Lite"
    if named is None and head.startswith(b"\x08") and b"\x12" in head[2:4]:
        named = "a model in ONNX or another protobuf"
    if named is None and len(head) > 8 and all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        named = f"a text that begins with {head[:32]!r}"
    return named or f"bytes that begin with {head[:8]!r}, which is no kind of file that is known here"


def _read_safetensors(file: Path) -> tuple[dict[str, Tensor], dict[str, Plain]]:
    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata: dict[str, Plain] = dict(opened.metadata() or {})
            return {name: opened.get_tensor(name) for name in opened.keys()}, metadata  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError, OverflowError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise WeightsError(
            f"{file.name}: not a whole .safetensors file ({reason}); copy or save it again"
        ) from error


# --- the weights ------------------------------------------------------------------------------------


def _unwrap(tree: object, where: str, notes: list[str]) -> tuple[Mapping[Any, Any], dict[Any, Any]]:
    """Return the dict of tensors, and what lies beside it."""
    beside: dict[Any, Any] = {}
    for key in _NESTED_UNDER:
        if isinstance(tree, Mapping) and isinstance(tree.get(key), Mapping):
            beside = {other: value for other, value in tree.items() if other != key}
            tree = tree[key]
            notes.append(f"The weights were found under {key!r}.")
            break
    if isinstance(tree, Inert):
        raise WeightsError(
            f"{where}: expected a state dict of named tensors, got an object of {tree.name[:200]}, of which "
            "nothing was "
            "run; save it with torch.save(model.state_dict(), ...)"
        )
    if not isinstance(tree, Mapping) or not tree:
        kind = "nothing" if isinstance(tree, Mapping) else type(tree).__name__
        raise WeightsError(f"{where}: expected a state dict of named tensors, got {kind}")
    return tree, beside


def _only_tensors(found: Mapping[Any, Any], where: str, size: int) -> dict[str, Tensor]:
    """Return tensors by name, arrays as tensors; all that they claim is checked before memory is taken."""
    claimed = 0
    copied: dict[int, int] = {}
    for name, value in found.items():
        if not isinstance(name, str) or not isinstance(value, Tensor | Array):
            raise WeightsError(
                f"{where}: expected tensors only, got {_kind_of(value)} at {_shown(name)}; "
                "save it with torch.save(model.state_dict(), ...)"
            )
        if isinstance(value, Array) and not value.is_numbers:
            code = value.dtype.lstrip("<>=|")[:20]
            what = (
                "Python objects (dtype O)"
                if code.startswith("O")
                else f"what are no numbers here (dtype {code})"
            )
            raise WeightsError(
                f"{where}: {_shown(name)}: an array of {what} is not a tensor; "
                "save the weights as arrays of float32"
            )
        claimed += value.nbytes
        if isinstance(value, Array):
            copied[id(value)] = value.nbytes
    # Arrays that share their bytes would be copied each; tensors that do stay views of them.
    if claimed > _MAX_SHARING * size + (1 << 20) or sum(copied.values()) > size:
        raise WeightsError(
            f"{where}: its tensors take {claimed:,} bytes together, and the file has {size:,}, so it was "
            "made to mislead; "
            "it is not read"
        )
    made: dict[int, Tensor] = {}
    tensors = {name: _as_tensor(value, name, where, made) for name, value in found.items()}
    others = [name for name, tensor in tensors.items() if tensor.dtype not in _DTYPES]
    if others:
        kind = str(tensors[others[0]].dtype).removeprefix("torch.")
        raise WeightsError(
            f"{where}: expected tensors of whole or floating numbers, got {kind} in {first_few(others)}; "
            "save the weights as float32"
        )
    return tensors


def _as_tensor(value: Tensor | Array, name: str, where: str, made: dict[int, Tensor]) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if id(value) not in made:
        try:
            made[id(value)] = torch.from_numpy(value.values())
        except ValueError as error:
            raise WeightsError(f"{where}: {_shown(name)} is damaged ({error}); copy it again") from error
    return made[id(value)]


def _strip_prefix(tensors: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            notes.append(f"The prefix {prefix!r} was removed from all names.")
            tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
    return tensors


# --- what is beside them ----------------------------------------------------------------------------


class _PlainData:
    """Takes plain data out of stand-ins, within bounds; the rest is dropped and counted by kind."""

    def __init__(self, ignored: Counter[str]) -> None:
        self.dropped = Counter(ignored)
        self._values = _MAX_META_VALUES
        self._characters = _MAX_META_CHARACTERS

    def dict_of(self, values: Mapping[Any, Any]) -> dict[str, Plain]:
        return {str(key): value for key, value in self._of(dict(values), 0).items()}

    def _of(self, value: Any, depth: int) -> Any:
        """Return plain data, or ``_DROPPED``."""
        # One list may stand in a thousand places, and inside itself: what comes out is counted, not what went
        # in.
        self._values -= 1
        if self._values < 0 or depth > _MAX_META_DEPTH:
            return self._drop("what is nested too deeply or too long")
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, str | Text):
            return self._text(value)
        if isinstance(value, list | tuple):
            items = [made for item in value if (made := self._of(item, depth + 1)) is not _DROPPED]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, Mapping):
            return {
                key: made
                for key, item in value.items()
                if self._text(str(key)) is not _DROPPED
                and (made := self._of(item, depth + 1)) is not _DROPPED
            }
        return self._drop(_kind_of(value))

    def _text(self, value: str | Text) -> Any:
        length = len(value.raw) if isinstance(value, Text) else len(value)
        self._characters -= length
        if length > _MAX_META_TEXT or self._characters < 0:
            return self._drop("long text")
        if isinstance(value, str):
            return value
        try:
            return value.decoded()
        except ValueError:
            return self._drop("text in an unknown encoding")

    def _drop(self, kind: str) -> object:
        self.dropped[kind] += 1
        return _DROPPED


_DROPPED = object()


def _dropped_note(dropped: Counter[str]) -> str:
    count = dropped.total()
    kinds = ", ".join(f"{number} {kind}" for kind, number in dropped.most_common(3))
    return (
        f"{count:,} value{'s' if count > 1 else ''} beside the weights {'are' if count > 1 else 'is'} no "
        "plain data and "
        f"{'were' if count > 1 else 'was'} left out: {kinds}{' and others' if len(dropped) > 3 else ''}."
    )


def _kind_of(value: object) -> str:
    if isinstance(value, Inert):
        return value.name[:200]
    return {
        "Array": "numpy array",
        "memoryview": "bytes",
        "Text": "long text",
        "Tensor": "tensor",
        "Name": "function",
    }.get(type(value).__name__, type(value).__name__)


def _shown(name: object) -> str:
    return (
        repr(name if len(name) <= 200 else f"{name[:200]}...")
        if isinstance(name, str)
        else type(name).__name__
    )
