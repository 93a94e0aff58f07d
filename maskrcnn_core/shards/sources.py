"""From what a person names to one image after the other: files, archives, lists, stores. None is read yet."""

from __future__ import annotations

import glob
import os
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from maskrcnn_core.batch.planning import find_files, matches_of, plan_images
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ArchiveError, InputError
from maskrcnn_core.images.archives import Refusal, ZipImages
from maskrcnn_core.images.folders import PassedOver, is_litter
from maskrcnn_core.images.reading import IMAGE_SUFFIXES
from maskrcnn_core.shards.entries import LIMITS, Entry
from maskrcnn_core.shards.lists import TABLE_SUFFIXES, addresses_in
from maskrcnn_core.shards.stores import file_system, is_address, last_part, of_one_kind, open_input

__all__ = ["Sources"]

_MOST_HEADER = 2**20
"""Bytes of one header of a tar: names and attributes, which ``tarfile`` reads in one piece."""


@dataclass
class Sources:
    """What a person named; going over it again gives the same images in the same order.

    Args:
        named: files, folders, patterns, zips, tars, lists (``.txt``, ``.csv``, ``.parquet``) and addresses.
        column: of tables, that has the addresses.
        outputs: folders that are written into.
    """

    named: Sequence[str]
    column: str | None = None
    outputs: Sequence[Path] = ()
    others: PassedOver = field(default_factory=PassedOver)

    def entries(self) -> Iterator[Entry | Refusal]:
        """Yield each image, and a refusal for each that is listed and cannot be used.

        Images in folders, and those named one by one, come first, in the order and under the names of
        :func:`~maskrcnn_core.batch.planning.plan_images`; then comes each other source in the order named.

        Raises:
            InputError: if nothing is there, or a source as a whole cannot be read.
        """
        plain: list[str] = []
        others: list[tuple[str, Callable[[str, str], Iterator[Entry | Refusal]]]] = []
        for named in self.named:
            for match in [named] if is_address(named) else sorted(match for match, _ in matches_of(named)):
                reading = self._reading_of(match)
                if reading is None:
                    plain.append(match)
                else:
                    others.append((match, reading))
        if plain:
            files = find_files(plain, outputs=self.outputs, others=self.others)
            for planned in plan_images(files):
                yield Entry(planned.file_name, "file", str(planned.path))
            del files
        is_one = len(others) == 1 and not plain
        for match, reading in others:
            yield from reading(match, "" if is_one else f"{last_part(match)}/")

    def _reading_of(self, match: str) -> Callable[[str, str], Iterator[Entry | Refusal]] | None:
        """Return how a source is gone through; ``None`` for files and folders on this computer."""
        suffix = PurePosixPath(last_part(match)).suffix.casefold()
        if not is_address(match) and not Path(match).is_file():
            return None
        for suffixes, reading in (
            ({".zip"}, _in_zip),
            ({".tar"}, _in_tar),
            ({".txt", *TABLE_SUFFIXES}, self._in_list),
        ):
            if suffix in suffixes:
                return reading
        if match.casefold().endswith((".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")):
            raise InputError(
                f"{one_line(match)}: expected a tar that is not compressed, got one that can only be read "
                "from its beginning; unpack the compression (images hardly shrink by it)"
            )
        return _in_store if is_address(match) else None

    def _in_list(self, named: str, prefix: str) -> Iterator[Entry | Refusal]:
        below = "" if is_address(named) else os.path.dirname(os.path.abspath(named))
        for line, address in addresses_in(named, self.column):
            if "\0" in address or not address:
                yield Refusal(address, f"{one_line(named)}: line {line}: expected an address, got none")
            elif is_address(address):
                yield Entry(prefix + address.partition("://")[2].lstrip("/"), "file", address)
            else:
                name = address.replace(os.sep, "/").lstrip("/").removeprefix("./")
                yield Entry(prefix + name, "file", os.path.join(below, address))


def _in_zip(named: str, prefix: str) -> Iterator[Entry | Refusal]:
    with closing(ZipImages(open_input(named), named, LIMITS)) as archive:
        for found in archive.listed():
            if isinstance(found, Refusal):
                yield found
            else:
                number, name = found
                yield Entry(prefix + name, "zip", _whole(named), number)


def _in_tar(named: str, prefix: str) -> Iterator[Entry | Refusal]:
    shown, last = one_line(named), ""
    with open_input(named) as file:
        try:
            with tarfile.open(fileobj=cast(BinaryIO, _Headers(file, shown)), mode="r:") as archive:
                while (member := archive.next()) is not None:
                    vars(archive)["members"] = []  # it would keep all of them
                    last = member.name
                    if found := _tar_member(member, named, shown, prefix):
                        yield found
        except (tarfile.TarError, EOFError, ValueError) as error:
            if last:  # what came before is whole; its last member may not be, and then fails in its turn
                yield Refusal(
                    last,
                    f"{shown}: what follows {one_line(last)} cannot be read ({one_line(str(error))}); copy "
                    "the archive again",
                )
                return
            raise ArchiveError(
                f"{shown}: expected a whole tar archive, got a damaged, cut short or other file "
                f"({one_line(str(error))}); copy it from its source again, or repack it"
            ) from error


def _tar_member(member: tarfile.TarInfo, named: str, shown: str, prefix: str) -> Entry | Refusal | None:
    name = member.name.removeprefix("./")
    parts = name.split("/")
    if member.isdir() or PurePosixPath(name).suffix.casefold() not in IMAGE_SUFFIXES or is_litter(parts[-1]):
        return None
    where = f"{shown}: {one_line(name)}"
    if ".." in parts or parts[0] == "" or parts[0][1:2] == ":" or "\0" in name or "\\" in name:
        reason = "expected a name within the archive, got one that points outside; rename it"
    elif not member.isreg() or member.issparse():
        reason = "expected a regular file, got a link or a special file; pack the file itself"
    elif member.size > LIMITS.max_member_bytes:
        reason = f"expected at most {LIMITS.max_member_bytes >> 20} MiB, got more; pack it smaller"
    else:
        return Entry(prefix + name, "tar", _whole(named), member.offset_data, member.size)
    return Refusal(name, f"{where}: {reason}")


class _Headers:
    """A file of which only headers are read: a header that claims to be very large is refused."""

    def __init__(self, file: BinaryIO, shown: str) -> None:
        self._file, self._shown = file, shown
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MOST_HEADER:
            raise ArchiveError(
                f"{self._shown}: expected headers of at most {_MOST_HEADER >> 20} MiB, got a larger one; "
                "pack the files again"
            )
        return self._file.read(size)


def _in_store(named: str, prefix: str) -> Iterator[Entry | Refusal]:
    """Yield the images below an address, by name; a single file is one image, whatever it is called."""
    files, root = file_system(named)
    try:
        with of_one_kind(named):
            # A folder may be called "cats [1]": what is there goes before what it could match.
            is_file, is_pattern = files.isfile(root), glob.has_magic(root) and not files.exists(root)
            paths = [] if is_file else sorted(files.glob(root) if is_pattern else files.find(root))
    except OSError as error:
        raise InputError(f"{one_line(named)}: cannot list this address ({one_line(str(error))})") from error
    if is_file:
        yield Entry(prefix + last_part(named), "file", named)
        return
    base = re.split(r"[*?[]", root)[0].rpartition("/")[0] if is_pattern else root.rstrip("/")
    for path in paths:
        name = path.removeprefix(base).lstrip("/")
        hidden = any(is_litter(part) for part in name.split("/"))
        if PurePosixPath(name).suffix.casefold() in IMAGE_SUFFIXES and not hidden:
            yield Entry(prefix + name, "file", files.unstrip_protocol(path))


def _whole(named: str) -> str:
    return named if is_address(named) else os.path.abspath(named)
