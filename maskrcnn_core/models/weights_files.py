"""Where weights are: the folders in which they are looked for, and the addresses that they come from.

They are looked for in ``$MASKDESK_WEIGHTS``, in MaskDesk's own cache folder
(``$XDG_CACHE_HOME/maskdesk/weights``, by default ``~/.cache/...``) and where torch hub keeps what torchvision
downloaded. A download goes to the first of them that can be written. ``$MASKDESK_MIRROR`` replaces the
address of every file by ``<mirror>/<file name>``, for places without the internet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from maskrcnn_core.common.atomic_files import data_folder

__all__ = [
    "WeightsRow",
    "download_folder",
    "download_target",
    "fetched_models_folder",
    "own_models_folder",
    "weights_address",
    "weights_file",
    "weights_folders",
]


class WeightsRow(Protocol):
    """A row of a table whose weights are a file: its path inside a weights folder, name and address."""

    @property
    def file(self) -> str: ...

    @property
    def file_name(self) -> str: ...

    @property
    def url(self) -> str: ...


def weights_folders() -> list[Path]:
    """Return the folders in which weights are looked for, in this order; they need not exist."""
    folders = [Path(os.environ["MASKDESK_WEIGHTS"])] if os.environ.get("MASKDESK_WEIGHTS") else []
    return [*folders, _cache_folder() / "weights", _hub_folder() / "checkpoints"]


def own_models_folder() -> Path:
    """Return where a person's own models lie, and training writes unless another place is named."""
    return data_folder().absolute() / "models"


def fetched_models_folder() -> Path:
    """Return where models of other machines are kept that a worker fetched; no menu shows them."""
    return _cache_folder() / "fetched"


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maskdesk"


def _hub_folder() -> Path:
    """Return what ``torch.hub.get_dir()`` says, without torch."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))).expanduser() / "hub"


def weights_file(spec: WeightsRow) -> Path | None:
    """Return the first file at a place where a row's weights belong, unchecked; None if there is none."""
    # An absolute path stays itself whatever it is put under.
    return next((file for folder in weights_folders() if (file := folder / spec.file).is_file()), None)


def download_target(spec: WeightsRow) -> Path:
    return download_folder() / spec.file


def download_folder() -> Path:
    folders = weights_folders()
    if os.environ.get("MASKDESK_WEIGHTS"):
        return folders[0]  # asked for by name: if it cannot be written, say so
    return next((folder for folder in folders if _can_write(folder)), folders[0])


def _can_write(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    return existing.is_dir() and os.access(existing, os.W_OK)


def weights_address(spec: WeightsRow) -> str:
    mirror = os.environ.get("MASKDESK_MIRROR")
    return f"{mirror.rstrip('/')}/{spec.file_name}" if mirror else spec.url
