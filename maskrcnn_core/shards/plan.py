"""The plan of a run: which image is in which shard, under which id. It is written once, and a run follows it.

``plan.json`` is written last and says how many images and shards there are; each shard's images are in a file
of their own, whose SHA-256 is the digest of the shard's addresses. So no more than one shard is in memory.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.dataset.annotations import id_in_name
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.images.archives import Refusal
from maskrcnn_core.shards.entries import Entry
from maskrcnn_core.shards.stores import Folder

__all__ = ["MOST_PER_SHARD", "Plan", "PlannedShard", "make_plan", "read_plan"]

MOST_PER_SHARD = 100_000
_FILE = "plan.json"
_VERSION = 1
_TOLD = 20


@dataclass(frozen=True)
class PlannedShard:
    """The images of one shard.

    Args:
        number: from 0.
        digest: SHA-256 of the file that lists them.
        images: each with its id.
    """

    number: int
    digest: str
    images: tuple[tuple[int, Entry], ...]

    @property
    def name(self) -> str:
        """The stem of its files."""
        return _stem(self.number)


@dataclass(frozen=True)
class Plan:
    """What a run consists of.

    Args:
        folder: where it and its shards are.
        sources: what was named, and how it was to be read; a run that is resumed has to name the same.
        images: how many there are in all shards.
        shard_size: how many are in each but the last.
        refused: how many were listed and cannot be used, as for a name that occurs twice.
        reasons: the first of these.
        has_ids: ids are the numbers in the images' names; else images are counted from 1.
    """

    folder: Folder
    sources: dict[str, object]
    images: int
    shard_size: int
    refused: int
    reasons: tuple[str, ...]
    has_ids: bool

    def __len__(self) -> int:
        return -(-self.images // self.shard_size)

    def shard(self, number: int) -> PlannedShard:
        """Return one shard with its images.

        Raises:
            InputError: if the file that lists them is not there or damaged.
        """
        name = f"plan/{_stem(number)}.jsonl"
        data = self.folder.read(name)
        try:
            entries = [Entry.of_row(json.loads(line)) for line in (data or b"").splitlines()]
            first = number * self.shard_size
            if len(entries) != min(self.shard_size, self.images - first):
                raise ValueError(f"{len(entries)} images")
            ids = [self._id_of(first + place, entry) for place, entry in enumerate(entries)]
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{self.folder.shown}/{name}: expected a shard's images, got {one_line(str(error))}; start "
                "again in another folder"
            ) from error
        return PlannedShard(
            number, hashlib.sha256(data or b"").hexdigest(), tuple(zip(ids, entries, strict=True))
        )

    def _id_of(self, place: int, entry: Entry) -> int:
        if not self.has_ids:
            return place + 1
        id_ = id_in_name(entry.file_name)
        if id_ is None:
            raise ValueError(f"{entry.file_name}, which has no number for a name")
        return id_

    def described(self) -> dict[str, object]:
        """Return what ``plan.json`` holds."""
        return {
            "version": _VERSION,
            "sources": self.sources,
            "images": self.images,
            "shard size": self.shard_size,
            "refused": self.refused,
            "reasons": list(self.reasons),
            "ids": "names" if self.has_ids else "counted",
        }


def make_plan(
    entries: Iterator[Entry | Refusal], folder: Folder, sources: dict[str, object], shard_size: int
) -> Plan:
    """Write the plan of a run over these images, a shard at a time.

    Raises:
        InputError: if there is not one image, or the size of a shard is none.
    """
    if not 1 <= shard_size <= MOST_PER_SHARD:
        raise InputError(f"--shard-size: expected 1 to {MOST_PER_SHARD:,} images, got {shard_size}")
    usable = _Usable(entries)
    number = images = 0
    for number, batch in enumerate(_batches(iter(usable), shard_size)):
        folder.write(
            f"plan/{_stem(number)}.jsonl", b"".join(dump_json(entry.row()) + b"\n" for entry in batch)
        )
        images += len(batch)
    if not images:
        told = "; ".join(usable.reasons[:3])
        raise InputError(
            f"no images found{f': {told}' if told else ''}; name folders, archives or lists of some"
        )
    plan = Plan(
        folder, sources, images, shard_size, usable.refused, tuple(usable.reasons), usable.have_ids(images)
    )
    folder.write(_FILE, dump_json(plan.described()))
    return plan


def read_plan(folder: Folder) -> Plan | None:
    """Return the plan that a folder has; ``None`` where there is none, or its making was broken off.

    Raises:
        InputError: if it is none that this version wrote.
    """
    data = folder.read(_FILE)
    if data is None:
        return None
    try:
        row = json.loads(data)
        if row["version"] != _VERSION:
            raise ValueError(f"version {row['version']}")
        return Plan(
            folder,
            dict(row["sources"]),
            int(row["images"]),
            int(row["shard size"]),
            int(row["refused"]),
            tuple(map(str, row["reasons"])),
            row["ids"] == "names",
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{folder.shown}/{_FILE}: expected the plan of a run, got something else "
            f"({one_line(str(error))}); choose another folder"
        ) from error


@dataclass
class _Usable:
    """Images that can be used: those whose names occur for the first time."""

    entries: Iterator[Entry | Refusal]
    refused: int = 0
    reasons: list[str] = field(default_factory=list)
    _names: set[bytes] = field(default_factory=set)
    _ids: array[int] | None = field(default_factory=lambda: array("q"))

    def __iter__(self) -> Iterator[Entry]:
        for entry in self.entries:
            if isinstance(entry, Refusal):
                self._refuse(entry.message)
                continue
            # Sixteen bytes of a digest: names of a million images take as much as they are long.
            name = hashlib.blake2b(entry.file_name.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if name in self._names:
                self._refuse(
                    f"{one_line(entry.shown)}: this name occurs twice; the first is used; rename one of them"
                )
                continue
            self._names.add(name)
            self._number(entry)
            yield entry

    def have_ids(self, images: int) -> bool:
        """Return whether the names of all images are numbers, all different."""
        return self._ids is not None and len(np.unique(np.frombuffer(self._ids, np.int64))) == images

    def _number(self, entry: Entry) -> None:
        if self._ids is None:
            return
        id_ = id_in_name(entry.file_name)
        if id_ is None:
            self._ids = None
        else:
            self._ids.append(id_)

    def _refuse(self, reason: str) -> None:
        self.refused += 1
        if len(self.reasons) < _TOLD:
            self.reasons.append(reason)


def _batches(entries: Iterator[Entry], size: int) -> Iterator[Sequence[Entry]]:
    while batch := list(islice(entries, size)):
        yield batch


def _stem(number: int) -> str:
    return f"{number:06}"
