"""Reads pickles of numpy arrays, as the model zoos of Detectron2 and Detectron have them, and obeys none.

``{"model": {name: array}, "__author__": ...}`` or ``{"blobs": {name: array}}``, protocol 2 to 5, written by
Python 2 or 3 (``detectron2/checkpoint/detection_checkpoint.py`` reads them with ``encoding="latin1"``). Any
name but those by which numpy writes its arrays and numbers is refused where it is met, wherever it stands.
"""

from __future__ import annotations

import mmap
from collections import Counter
from pathlib import Path

from maskrcnn_core.errors import WeightsError
from maskrcnn_core.models.foreign.inert_pickle import InertPickle
from maskrcnn_core.models.foreign.stand_ins import Inert

__all__ = ["is_legacy_torch", "read_bare_pickle"]

_TORCH_MAGIC = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")
"""torch before 1.6 wrote several pickles in a row, this number first (``torch/serialization.py:
MAGIC_NUMBER``)."""


def is_legacy_torch(head: bytes) -> bool:
    """Return whether a file that begins so is one of torch before 1.6."""
    return head.startswith(b"\x80") and head[2:14] == b"\x8a\n" + _TORCH_MAGIC


def read_bare_pickle(file: Path) -> tuple[object, Counter[str]]:
    """Read a pickle of numpy arrays and plain data.

    Args:
        file: begins with a pickle's first instruction. It is not changed, and nothing in it is run.

    Returns:
        What was pickled, arrays as :class:`~maskrcnn_core.models.foreign.stand_ins.Array`, which take no
        memory until they are asked for their values; and what was left out on the way, counted by kind.

    Raises:
        WeightsError: if it names anything else, ends too early, is damaged or beyond the bounds.
    """
    try:
        with file.open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise WeightsError(f"{file.name}: cannot be read ({error.strerror or error})") from error
    reader = _Reader(file.name, memoryview(mapped))
    return reader.run(), reader.ignored


class _Reader(InertPickle):
    """Knows numpy's arrays and numbers, and refuses the rest."""

    def unknown(self, name: str) -> Inert:
        raise WeightsError(
            f"{self.where}: this bare pickle names {name[:200]} as something that the file may not call, so "
            "none of it "
            f"was run; {_HELP}"
        )

    def refusal(self, wish: str) -> WeightsError:
        return WeightsError(
            f"{self.where}: this bare pickle asks for {wish[:200]}, which numpy's arrays do not need, so "
            "none of it was "
            f"run; {_HELP}"
        )

    def ends_early(self) -> WeightsError:
        return WeightsError(f"{self.where}: the file ends too early; the copy was cut short, copy it again")

    def is_damaged(self, reason: str) -> WeightsError:
        return WeightsError(f"{self.where}: its pickle is damaged ({reason[:200]}); copy it again")


_HELP = (
    "a file of Detectron2's zoo holds only numpy arrays; load others where you trust them and save the "
    "weights with "
    "torch.save(model.state_dict(), ...) or as .safetensors"
)
