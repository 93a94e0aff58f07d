"""Writes an export as a file, a folder or a zip, and reads it back before anyone gets it."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.errors import ExportError
from maskrcnn_core.formats.base import Export, Format, Member, told_renames, write_folder, write_zip
from maskrcnn_core.formats.certificate import Certificate, WrittenFile, certify
from maskrcnn_core.formats.coco_reading import COCO_READER
from maskrcnn_core.images.guards import pixel_limit

__all__ = [
    "Wrote",
    "certificate_notes",
    "check_size",
    "is_one_file",
    "write_download",
    "write_export",
    "write_members",
    "zip_certificate",
]


@dataclass(frozen=True)
class Wrote:
    """What was written.

    Args:
        path: the file, the zip or the folder.
        files: how many files there are in it.
        notes: what is to be said of them, what was read back among it.
    """

    path: Path
    files: int
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _OnDisk:
    """A file of a folder that was written, read when it is wanted."""

    name: str
    image: int | None
    folder: Path

    @property
    def data(self) -> bytes:
        return (self.folder / self.name).read_bytes()


@dataclass(frozen=True)
class _InZip:
    """A file of a zip that was written, read when it is wanted."""

    name: str
    image: int | None
    archive: zipfile.ZipFile

    @property
    def data(self) -> bytes:
        return self.archive.read(self.name)


def write_export(
    row: Format,
    export: Export,
    target: Path,
    on_member: Callable[[Member], None] = lambda _member: None,
) -> Wrote:
    """Write an export, and read it back.

    Args:
        row: the format.
        export: what is written.
        target: a zip where it ends in ``.zip``; a file where the format makes one alone and the name
            has an ending; else a folder, made if it is not there.
        on_member: called after each file.

    Raises:
        ExportError: if it cannot be written, or does not read back.
    """
    check_size(row, export)
    places: dict[str, int | None] = {}

    def note(member: Member) -> None:
        places[member.name] = member.image
        on_member(member)

    suffix = target.suffix.casefold()
    is_single = is_one_file(row, export) and not target.is_dir()
    with _told(target):
        if is_single and suffix and (suffix != ".zip" or row.suffix == ".zip"):
            (member,) = row.members(export)
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, member.data)
            note(member)
            notes = [member.note] if member.note else []
            notes += certificate_notes(row, export, [member])
        elif suffix == ".zip":
            notes = _write_whole_zip(
                row.members(export), target, note, lambda file: zip_certificate(row, export, file, places)
            )
        else:
            with _whole_folder(target) as folder:
                notes = write_folder(_each(row.members(export), note), folder)
                notes += certificate_notes(row, export, [_OnDisk(*one, folder) for one in places.items()])
    notes += told_renames(export, places)
    return Wrote(target, len(places), _together(notes))


def _together(notes: Iterable[str]) -> tuple[str, ...]:
    """Return notes of which those that say the same of many files are one, with their count."""
    alike: dict[str, list[str]] = {}
    for note in notes:
        file, _, said = note.partition(": ")
        alike.setdefault(said or note, []).append(file if said else "")
    return tuple(
        f"{file}: {said}"
        if file and count == 1
        else f"{counted(count, 'file')}: {said} (first {file})"
        if file
        else said
        for said, files in alike.items()
        for file, count in [(files[0], len(files))]
    )


def write_members(members: Iterator[Member], target: Path) -> list[str]:
    """Write files into a folder, or into a zip where the target ends in ``.zip``, and return their notes.

    Raises:
        ExportError: if it cannot be written.
    """
    with _told(target):
        if target.suffix.casefold() == ".zip":
            return _write_whole_zip(members, target, lambda _member: None, lambda _file: [])
        return write_folder(members, target)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(f"{one_line(str(target))}: cannot write ({error.strerror or error})") from error


def _write_whole_zip(
    members: Iterator[Member],
    target: Path,
    on_member: Callable[[Member], None],
    checked: Callable[[Path], list[str]],
) -> list[str]:
    """Write a zip that is there as a whole or not at all, after a check of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        with partial.open("wb") as file:
            notes = write_zip(members, file, on_member)
        notes += checked(partial)
        partial.replace(target)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
    return notes


@contextmanager
def _whole_folder(target: Path) -> Iterator[Path]:
    """Yield a folder to write into; a new one is there under its name as a whole or not at all."""
    if target.is_dir() and any(target.iterdir()):
        yield target
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:60]}.{uuid4().hex}.part")
    partial.mkdir()
    try:
        yield partial
        if target.is_dir():
            target.rmdir()
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _each(members: Iterator[Member], note: Callable[[Member], None]) -> Iterator[Member]:
    for member in members:
        yield member
        note(member)


def zip_certificate(
    row: Format, export: Export, file: Path, places: Mapping[str, int | None] = {}
) -> list[str]:
    """Return what reading a written zip back says; nothing for formats that are not read.

    Args:
        row, export: what was written.
        file: the zip.
        places: of its files that are of one image alone, that image's place.

    Raises:
        ExportError: if it is not recognised as what it is.
    """
    if row.reader is None or row.reader is COCO_READER:
        return []
    with zipfile.ZipFile(file) as archive:
        return certificate_notes(
            row, export, [_InZip(name, places.get(name), archive) for name in archive.namelist()]
        )


def write_download(
    row: Format,
    export: Export,
    file: Path,
    on_member: Callable[[Member], None] = lambda _member: None,
) -> tuple[str, tuple[str, ...]]:
    """Write an export into one file: the format's only one, or a zip of all; and read it back.

    Args:
        row, export: what is written.
        file: whatever it is called.
        on_member: called after each file of a zip.

    Returns:
        The ending that the file should have, and what is to be said of it.

    Raises:
        ExportError: if it does not read back.
    """
    check_size(row, export)
    if is_one_file(row, export):
        (member,) = row.members(export)
        file.write_bytes(member.data)
        notes = [member.note] if member.note else []
        return row.suffix, _together([*notes, *certificate_notes(row, export, [member])])
    places: dict[str, int | None] = {}

    def note(member: Member) -> None:
        places[member.name] = member.image
        on_member(member)

    with file.open("wb") as target:
        notes = write_zip(row.members(export), target, note)
    return ".zip", _together(
        [*notes, *zip_certificate(row, export, file, places), *told_renames(export, places)]
    )


def check_size(row: Format, export: Export) -> None:
    """Refuse pictures that are read by windows where a format makes arrays of an image's size.

    Raises:
        ExportError: naming the first one, and what helps.
    """
    limit = pixel_limit()
    large = [record for record in export.records if record.width * record.height > limit]
    if row.is_dense and large:
        first = large[0]
        more = f" and {len(large) - 1:,} more" if len(large) > 1 else ""
        raise ExportError(
            f"{one_line(first.file_name)}{more}: expected images of at most {limit / 1e6:g} megapixels for "
            f"the format {row.title}, which draws each at its size, got {first.width:,} x {first.height:,} "
            "pixels; take a format of outlines or run lengths, such as COCO JSON or GeoJSON"
        )


def is_one_file(row: Format, export: Export) -> bool:
    """Return whether an export is one file, which needs no zip around it."""
    return row.count(export) == 1 and (row.suffix != ".zip" or row.per_image)


def certificate_notes(row: Format, export: Export, files: Sequence[WrittenFile]) -> list[str]:
    """Return what reading written files back says; COCO JSON is read back by pycocotools instead.

    Raises:
        ExportError: if they are not recognised as what they are.
    """
    if row.reader is None or row.reader is COCO_READER:
        return []
    found: Certificate = certify(row, export, files)
    return [found.sentence, *(f"refused when read back: {reason}" for reason in found.refused)]
