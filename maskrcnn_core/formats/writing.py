"""Writes an export as a file, a folder or a zip, and reads it back before anyone gets it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import one_line
from maskrcnn_core.errors import ExportError
from maskrcnn_core.formats.base import Export, Format, Member, write_folder, write_zip
from maskrcnn_core.formats.certificate import Certificate, WrittenFile, certify
from maskrcnn_core.formats.coco_reading import COCO_READER

__all__ = ["Wrote", "certificate_notes", "write_export", "zip_certificate"]


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
    folder: Path

    @property
    def data(self) -> bytes:
        return (self.folder / self.name).read_bytes()


@dataclass(frozen=True)
class _InZip:
    """A file of a zip that was written, read when it is wanted."""

    name: str
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
    names: list[str] = []

    def note(member: Member) -> None:
        names.append(member.name)
        on_member(member)

    count = row.count(export)
    is_single = count == 1 and row.suffix != ".zip" and bool(target.suffix) and not target.is_dir()
    try:
        if is_single and target.suffix.casefold() != ".zip":
            (member,) = row.members(export)
            target.parent.mkdir(parents=True, exist_ok=True)
            replace_file(target, member.data)
            note(member)
            notes = [member.note] if member.note else []
            notes += certificate_notes(row, export, [member])
        elif target.suffix.casefold() == ".zip":
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_name(f".{target.name}.part")
            try:
                with partial.open("wb") as file:
                    notes = write_zip(row.members(export), file, note)
                notes += zip_certificate(row, export, partial)
                partial.replace(target)
            finally:
                with suppress(FileNotFoundError):
                    partial.unlink()
        else:
            target.mkdir(parents=True, exist_ok=True)
            notes = write_folder(_each(row, export, note), target)
            notes += certificate_notes(row, export, [_OnDisk(name, target) for name in names])
    except OSError as error:
        raise ExportError(f"{one_line(str(target))}: cannot write ({error.strerror or error})") from error
    return Wrote(target, len(names), tuple(notes))


def _each(row: Format, export: Export, note: Callable[[Member], None]) -> Iterator[Member]:
    for member in row.members(export):
        yield member
        note(member)


def zip_certificate(row: Format, export: Export, file: Path) -> list[str]:
    """Return what reading a written zip back says; nothing for formats that are not read.

    Raises:
        ExportError: if it is not recognised as what it is.
    """
    if row.reader is None or row.reader is COCO_READER:
        return []
    with zipfile.ZipFile(file) as archive:
        return certificate_notes(row, export, [_InZip(name, archive) for name in archive.namelist()])


def certificate_notes(row: Format, export: Export, files: Sequence[WrittenFile]) -> list[str]:
    """Return what reading written files back says; COCO JSON is read back by pycocotools instead.

    Raises:
        ExportError: if they are not recognised as what they are.
    """
    if row.reader is None or row.reader is COCO_READER:
        return []
    found: Certificate = certify(row, export, files)
    return [found.sentence, *(f"refused when read back: {reason}" for reason in found.refused)]
