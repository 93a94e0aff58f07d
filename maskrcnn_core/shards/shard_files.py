"""One shard: a line of JSON for each image, packed, and beside it the marker that says it is whole.

The shard is written before its marker, each at once. A marker holds the run's settings (with the
model's digest), the digests of what went in, and the shard's own; so a shard without one, or with another, is
made again. gzip packs run lengths as well as Zstandard does, comes with Python, and takes 0.1 ms an image.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from maskrcnn_core.batch.resume_log import Header, difference_of, instance_of, instance_rows
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.errors import DatasetError, InputError
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.shards.plan import PlannedShard
from maskrcnn_core.shards.stores import Folder

__all__ = ["Counts", "Marker", "ShardImage", "ShardWriter", "marker_of", "read_shard"]

_VERSION = 1


@dataclass(frozen=True)
class ShardImage:
    """What became of one image.

    Args:
        id, file_name: as the plan has them.
        record: its facts; ``None`` if it failed.
        instances: by descending score.
        failed: why it gave nothing; empty otherwise.
        notes: what a person should know of this image.
    """

    id: int
    file_name: str
    record: ImageRecord | None = None
    instances: tuple[Instance, ...] = ()
    failed: str = ""
    notes: tuple[str, ...] = ()

    def line(self) -> bytes:
        """Return what a shard keeps of it."""
        row: dict[str, Any] = {"id": self.id, "file_name": self.file_name}
        if self.record is None:
            row["failed"] = self.failed
        else:
            row |= {
                "width": self.record.width,
                "height": self.record.height,
                "sha256": self.record.digest,
                "instances": instance_rows(self.instances),
            }
        return dump_json(row | ({"notes": list(self.notes)} if self.notes else {})) + b"\n"

    @classmethod
    def of_line(cls, line: bytes, *, with_instances: bool = True) -> ShardImage:
        """Return what :meth:`line` kept, every mask checked; or without its instances, which takes less time.

        Raises:
            DatasetError, KeyError, TypeError, ValueError: if it is something else.
        """
        row = json.loads(line)
        id_, name, notes = int(row["id"]), str(row["file_name"]), tuple(map(str, row.get("notes", ())))
        if "failed" in row:
            return cls(id_, name, failed=str(row["failed"]), notes=notes)
        record = ImageRecord(id_, name, int(row["width"]), int(row["height"]), str(row["sha256"]))
        found = tuple(instance_of(one, record.size, id_) for one in row["instances"] if with_instances)
        return cls(id_, name, record, found, notes=notes)


@dataclass(frozen=True)
class Counts:
    """How many images of a shard there are of each kind, and how many instances."""

    annotated: int = 0
    empty: int = 0
    failed: int = 0
    instances: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.annotated + other.annotated,
            self.empty + other.empty,
            self.failed + other.failed,
            self.instances + other.instances,
        )

    @property
    def images(self) -> int:
        """All of them."""
        return self.annotated + self.empty + self.failed

    @classmethod
    def of(cls, image: ShardImage) -> Counts:
        """Count one image."""
        if image.record is None:
            return cls(failed=1)
        found = len(image.instances)
        return cls(annotated=int(found > 0), empty=int(found == 0), instances=found)


@dataclass(frozen=True)
class Marker:
    """What says that a shard is whole.

    Args:
        settings: of the run that made it, with the model's digest.
        plan: the digest of its images' addresses.
        inputs: a digest of the digests of all image files in it.
        digest: SHA-256 of the shard's file.
        counts: of its images.
    """

    settings: Header
    plan: str
    inputs: str
    digest: str
    counts: Counts

    def data(self) -> bytes:
        """Return the marker's file."""
        counts = self.counts
        return dump_json(
            {
                "version": _VERSION,
                "settings": dict(self.settings),
                "addresses (SHA-256)": self.plan,
                "inputs (SHA-256)": self.inputs,
                "shard (SHA-256)": self.digest,
                "annotated": counts.annotated,
                "empty": counts.empty,
                "failed": counts.failed,
                "instances": counts.instances,
            }
        )


class ShardWriter:
    """Takes the images of one shard in the plan's order; what it keeps of them is text.

    Args:
        folder: of the run.
        planned: the shard.
        settings: of the run.
    """

    def __init__(self, folder: Folder, planned: PlannedShard, settings: Header) -> None:
        self._folder, self._planned, self._settings = folder, planned, settings
        self._lines: list[bytes] = []
        self._inputs = hashlib.sha256()
        self._counts = Counts()

    def add(self, image: ShardImage) -> None:
        """Take the next image."""
        self._lines.append(image.line())
        self._inputs.update(f"{image.record.digest if image.record else '-'}\n".encode())
        self._counts += Counts.of(image)

    def write(self) -> Marker:
        """Write the shard and then its marker; the same images give the same bytes.

        Raises:
            ExportError: if one cannot be written.
        """
        data = gzip.compress(b"".join(self._lines), compresslevel=6, mtime=0)
        digest = hashlib.sha256(data).hexdigest()
        marker = Marker(self._settings, self._planned.digest, self._inputs.hexdigest(), digest, self._counts)
        self._folder.write(_shard_file(self._planned.name), data)
        self._folder.write(_marker_file(self._planned.name), marker.data())
        return marker


def marker_of(folder: Folder, planned: PlannedShard, settings: Header | None) -> Marker | None:
    """Return the marker of a shard that is whole; ``None`` where it has to be made (again).

    Args:
        folder: of the run.
        planned: the shard.
        settings: this run's; ``None`` takes any.

    Raises:
        InputError: if the shard is whole and was made with other settings: what differs is said.
    """
    data = folder.read(_marker_file(planned.name))
    if data is None:
        return None
    try:
        row = json.loads(data)
        counts = Counts(*(int(row[name]) for name in ("annotated", "empty", "failed", "instances")))
        marker = Marker(
            dict(row["settings"]),
            str(row["addresses (SHA-256)"]),
            str(row["inputs (SHA-256)"]),
            str(row["shard (SHA-256)"]),
            counts,
        )
        if row["version"] != _VERSION or counts.images != len(planned.images):
            return None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if settings is not None and (difference := difference_of(marker.settings, settings)):
        raise InputError(
            f"{folder.shown}/{_marker_file(planned.name)}: {difference}; use the same, or another folder"
        )
    packed = folder.read(_shard_file(planned.name))
    is_whole = packed is not None and hashlib.sha256(packed).hexdigest() == marker.digest
    return marker if is_whole and marker.plan == planned.digest else None


def read_shard(
    folder: Folder, planned: PlannedShard, marker: Marker, *, with_instances: bool = True
) -> Iterator[ShardImage]:
    """Yield a shard's images in the plan's order, as they were found, or without their instances.

    Raises:
        InputError: if it is not what its marker and the plan say.
    """
    name = _shard_file(planned.name)
    data = folder.read(name) or b""
    try:
        if hashlib.sha256(data).hexdigest() != marker.digest:
            raise ValueError("other bytes than its marker says")
        lines = gzip.decompress(data).splitlines()
        for line, (id_, entry) in zip(lines, planned.images, strict=True):
            image = ShardImage.of_line(line, with_instances=with_instances)
            if (image.id, image.file_name) != (id_, entry.file_name):
                raise ValueError(f"{image.file_name} where {entry.file_name} is planned")
            yield image
    except (ValueError, KeyError, TypeError, DatasetError, OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{folder.shown}/{name}: expected a whole shard, got {one_line(str(error))}; annotate again with "
            "--resume, which makes damaged shards anew"
        ) from error


def _shard_file(stem: str) -> str:
    return f"{stem}.jsonl.gz"


def _marker_file(stem: str) -> str:
    return f"{stem}.done.json"
