"""The files of a workspace: images as they came, what is known of them, and what the network said.

In the folder, ``D`` being the SHA-256 of an image's bytes and ``M`` that of a model's weights::

    D            the image, byte for byte
    D.json       its name, place, size and thumbnail (`_Row`); an image without it is not there
    D.jpg        the same for browsers, made when it is first shown
    D-M.run      what the network said (`pack_run`)
    closed/N/    the same files of images that were closed together, for as long as that can be taken back
    used         changed whenever somebody opens the folder, so that what nobody wants any more can go

Each file is written whole or not at all, and the row last, so whatever ends the process leaves no half image.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import threading
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.typed_json import read_as
from maskrcnn_core.detection.runs import Run
from maskrcnn_core.errors import ImageError, StoreError
from maskrcnn_core.images.reading import one_line
from maskrcnn_core.tiling.packing import pack_answer, unpack_answer
from maskrcnn_core.tiling.running import TiledRun
from maskrcnn_core.workspace.open_images import OpenImage

__all__ = ["ImageFiles", "remove_unused"]

_LOG = logging.getLogger(__name__)
_DIGEST = "[0-9a-f]{64}"
_ROW = re.compile(rf"{_DIGEST}\.json")
_CLOSED, _USED = "closed", "used"


@dataclass(frozen=True)
class _Row:
    """What is written of an image; ``place`` says which come before it."""

    digest: Annotated[str, Meta(pattern=f"^{_DIGEST}$", description="a SHA-256 in hexadecimal digits")]
    name: Annotated[str, Meta(max_length=10_000)]
    place: Annotated[int, Meta(ge=0)]
    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    notes: tuple[str, ...]
    thumbnail: Annotated[str, Meta(pattern="^data:image/jpeg;base64,", description="a JPEG's data: URL")]
    is_dim: bool
    view: Annotated[str, Meta(max_length=10_000)] = ""
    pixel_um: tuple[float, float] | None = None

    @property
    def image(self) -> OpenImage:
        facts = asdict(self)
        del facts["place"]
        return OpenImage(**facts)


class ImageFiles:
    """The files of one workspace. Safe to use from several threads, by one process.

    Args:
        folder: made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._folder = folder
        self._places: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder

    def move_to(self, folder: Path) -> None:
        """Move all files into another folder, behind the images that it may have already.

        Raises:
            OSError: as the system says; the files then lie partly here and partly there.
        """
        with self._lock:
            there = ImageFiles(folder)
            there.open()
            first = max(there._places.values(), default=-1) + 1
            for place, image in enumerate(self.open()[0], first):
                self._places[image.digest] = place
                self.put(image)
            files = [file for file in self._folder.rglob("*") if file.is_file()]
            for file in sorted(files, key=lambda file: file.suffix == ".json"):
                target = folder / file.relative_to(self._folder)
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.move(file, target)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = folder

    def renew(self) -> None:
        """Note that the folder is in use."""
        (self._folder / _USED).touch()

    # -- images -----------------------------------------------------------------------------

    def open(self) -> tuple[list[OpenImage], list[str]]:
        """Return the images, in the order they came, and a sentence for each that cannot be read."""
        rows, refused = [], []
        with self._lock:
            for file in self._folder.iterdir():
                if not _ROW.fullmatch(file.name):
                    continue
                try:
                    row = read_as(msgspec.json.decode(file.read_bytes()), _Row)
                    if not self._file(row.digest).is_file() or row.digest != file.stem:
                        raise ValueError("its image is not there")
                except (OSError, ValueError) as error:  # msgspec's own are ValueErrors
                    refused.append(f"an open image of before could not be read ({file.name[:12]}: {error})")
                    continue
                rows.append(row)
            rows.sort(key=lambda row: row.place)
            self._places = {row.digest: row.place for row in rows}
        return [row.image for row in rows], refused

    def put(self, image: OpenImage, data: bytes | None = None) -> None:
        """Write an image, after all others; without ``data`` only what is known of it, where it was.

        Raises:
            OSError: as the system says; the image is then not there.
        """
        with self._lock:
            place = self._places.get(image.digest, max(self._places.values(), default=-1) + 1)
            if data is not None:
                replace_file(self._file(image.digest), data)
            replace_file(
                self._file(f"{image.digest}.json"), msgspec.json.encode(_Row(**asdict(image), place=place))
            )
            self._places[image.digest] = place

    def in_order(self, digests: Iterable[str]) -> list[str]:
        """Return digests of images in the order they came."""
        return sorted(digests, key=lambda digest: self._places[digest])

    def read(self, digest: str, name: str) -> bytes:
        """Return an image's bytes as they came.

        Raises:
            ImageError: naming the image if they are not those any more.
        """
        try:
            with self._lock:
                data = self._file(digest).read_bytes()
        except OSError as error:
            raise ImageError(
                f"{one_line(name)}: its file is gone ({error.strerror}); open it again"
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise ImageError(f"{one_line(name)}: its file was damaged on the disk; close it, open it again")
        return data

    def picture(self, digest: str) -> Path:
        """Return where the image for browsers lies, or is to lie."""
        return self._file(f"{digest}.jpg")

    def small_picture(self, digest: str) -> Path:
        """Return where its small copy lies, if it has one."""
        return self._file(f"{digest}-small.jpg")

    def forget_made(self, digest: str) -> None:
        """Remove what was made of an image's pixels."""
        with self._lock:
            self.picture(digest).unlink(missing_ok=True)
            self.small_picture(digest).unlink(missing_ok=True)
            for file in self._folder.glob(f"{digest}-*.run"):
                file.unlink(missing_ok=True)

    # -- closing, and taking that back --------------------------------------------------------

    def close(self, digests: Collection[str]) -> None:
        """Put images away; `reopen` brings back those that were closed together last.

        What was closed longer than a day before is removed.
        """
        with self._lock:
            self._remove_closed(older_than=86_400.0)
            place = self._folder / _CLOSED / f"{time.time_ns():020d}"
            place.mkdir(parents=True)
            for digest in digests:
                for file in sorted(self._folder.glob(f"{digest}*"), key=lambda file: file.suffix != ".json"):
                    shutil.move(file, place / file.name)
                self._places.pop(digest, None)

    @property
    def closed_last(self) -> list[str]:
        """The names of the images that were closed together last, as `reopen` would open them."""
        return [row.name for _, row in self._last_closed()]

    def reopen(self) -> list[OpenImage]:
        """Bring back the images that were closed together last, to the places they had.

        Returns:
            Those that were not opened anew meanwhile.
        """
        with self._lock:
            images = []
            for file, row in self._last_closed():
                if row.digest in self._places:
                    continue
                for one in sorted(
                    file.parent.glob(f"{row.digest}*"), key=lambda file: file.suffix == ".json"
                ):
                    shutil.move(one, self._folder / one.name)
                taken = set(self._places.values())
                self._places[row.digest] = row.place if row.place not in taken else max(taken) + 1
                if row.place in taken:
                    self.put(row.image)
                images.append(row.image)
            if (last := self._last_place()) is not None:
                shutil.rmtree(last)
            return images

    def remove_closed(self) -> None:
        """Remove what was closed for good."""
        with self._lock:
            self._remove_closed(older_than=0)

    def _remove_closed(self, older_than: float) -> None:
        for place in self._closed_places():
            if time.time() - int(place.name) / 1e9 >= older_than:
                shutil.rmtree(place, ignore_errors=True)

    def _closed_places(self) -> list[Path]:
        folder = self._folder / _CLOSED
        return sorted(place for place in folder.iterdir() if place.name.isdigit()) if folder.is_dir() else []

    def _last_place(self) -> Path | None:
        places = self._closed_places()
        return places[-1] if places else None

    def _last_closed(self) -> list[tuple[Path, _Row]]:
        with self._lock:
            place = self._last_place()
            if place is None:
                return []
            rows = []
            for file in place.glob("*.json"):
                try:
                    rows.append((file, read_as(msgspec.json.decode(file.read_bytes()), _Row)))
                except (OSError, ValueError) as error:
                    _LOG.warning("a closed image could not be read: %s: %s", file, error)
            return sorted(rows, key=lambda pair: pair[1].place)

    # -- runs ---------------------------------------------------------------------------------

    def put_run(self, digest: str, asked: str, run: Run | TiledRun) -> None:
        """Keep what the network said. Where the disk refuses, it is said again by the network next time."""
        with self._lock:
            if digest not in self._places:
                return  # closed meanwhile
            try:
                replace_file(self._run_file(digest, asked), pack_answer(run))
            except OSError as error:
                _LOG.warning("what the network said is not kept: %s", error)

    def run(self, digest: str, asked: str) -> Run | TiledRun | None:
        """Return what the network said; ``None`` if it has not, or if that cannot be read any more."""
        file = self._run_file(digest, asked)
        try:
            return unpack_answer(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, StoreError) as error:
            _LOG.warning("what the network said is asked for again: %s", error)
            return None

    def _run_file(self, digest: str, asked: str) -> Path:
        return self._file(f"{digest}-{asked}.run")

    def _file(self, name: str) -> Path:
        return self._folder / name


def remove_unused(folder: Path, *, days: float, but: Collection[Path] = ()) -> int:
    """Remove the folders of workspaces that nobody has opened for some days.

    Args:
        folder: in which they lie.
        days: since they were used last.
        but: folders that are open.

    Returns:
        How many were removed.
    """
    removed = 0
    for place in folder.iterdir() if folder.is_dir() else ():
        try:
            used = (place / _USED).stat().st_mtime if (place / _USED).exists() else place.stat().st_mtime
        except OSError:
            continue
        if place not in but and time.time() - used > days * 86_400:
            shutil.rmtree(place, ignore_errors=True)
            removed += not place.exists()
    return removed
