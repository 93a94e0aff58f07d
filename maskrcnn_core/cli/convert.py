"""``convert``: a data set of any format that is read, written in any other, without a project."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Annotated

import typer

from maskrcnn_core.batch.planning import plan_images
from maskrcnn_core.cli.gathering import gather, refuse_pipe
from maskrcnn_core.cli.options import (
    QuietOption,
    SimplifyOption,
    ToOption,
    WithImagesOption,
    format_named,
)
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import bar_of, errors_told, tell
from maskrcnn_core.errors import ArchiveError, InputError
from maskrcnn_core.formats.base import Export, Format, Member
from maskrcnn_core.formats.converting import Converted, GivenImage, data_sets_as_export
from maskrcnn_core.formats.reader import GivenFile
from maskrcnn_core.formats.recognising import ANNOTATION_SUFFIXES, format_of, read_zip_sets
from maskrcnn_core.formats.sets import SetFile
from maskrcnn_core.formats.writing import write_export
from maskrcnn_core.images.archives import ArchiveMember
from maskrcnn_core.images.formats import IMAGE_SUFFIXES
from maskrcnn_core.images.pools import PooledFile

__all__ = [
    "brought",
    "check_places",
    "convert",
    "tell_converted",
    "write_beside",
    "write_with_bar",
]

_MOST_SENTENCES = 20
_ZIP = ".zip"


def convert(
    source: Annotated[Path, typer.Argument(help="The annotations: a file, a folder or a zip.")],
    out: Annotated[Path, typer.Argument(help="What to write: a file, a folder, or a zip (.zip).")],
    to: ToOption,
    images: Annotated[
        Path | None,
        typer.Option(help="The images' folder, where they do not lie beside the annotations."),
    ] = None,
    with_images: WithImagesOption = False,
    simplify: SimplifyOption = 0.0,
    quiet: QuietOption = False,
) -> None:
    """Write annotations of one format in another one, and read them back.

    What they are is told by their content. Nothing is left out without a word.
    """
    with errors_told():
        row = format_named(to)
        try:
            _convert(
                row, source, out, images=images, with_images=with_images, tolerance=simplify, quiet=quiet
            )
        except KeyboardInterrupt:
            tell(f"stopped; nothing was written to {one_line(str(out))}")
            raise typer.Exit(130) from None


def _convert(
    row: Format,
    source: Path,
    out: Path,
    *,
    images: Path | None,
    with_images: bool,
    tolerance: float,
    quiet: bool,
) -> None:
    """Convert files to a format, and say what became of them."""
    needs_files = (with_images and row.brings_images) or row.draws
    check_places(source, images, out)
    with brought(source, images) as (files, photos):
        found = data_sets_as_export(
            files,
            photos,
            has_images=with_images,
            tolerance=tolerance,
            needs_files=needs_files,
        )
        tell_converted(found, needs_files=needs_files)
        if not found.export.images:
            raise InputError(f"{one_line(str(source))}: expected images and annotations, got none to use")
        typer.echo(write_with_bar(row, found.export, out, quiet=quiet))


def write_beside(row: Format, file: Path, images: Sequence[Path], *, with_images: bool, quiet: bool) -> None:
    """Write a COCO file that is finished in another format, beside it: ``a.json`` as ``a_yolo``.

    Args:
        row: the format.
        file: COCO JSON.
        images: the files that it is of.
        with_images: whether they come along.
        quiet: whether no progress is shown.
    """
    planned = plan_images(images)
    photos: list[GivenImage] = [(PooledFile(one.file_name), one.path.read_bytes) for one in planned]
    listed = [SetFile(PooledFile(file.name), file.name, file.read_bytes())]
    found = data_sets_as_export(listed, photos, has_images=with_images, needs_files=with_images or row.draws)
    is_one_file = row.count(found.export) == 1 and not row.per_image and row.suffix != ".zip"
    suffix = row.suffix if is_one_file else ""
    out = file.with_name(f"{file.stem}_{row.key}{suffix}")
    typer.echo(write_with_bar(row, found.export, out, quiet=quiet))


def write_with_bar(row: Format, export: Export, out: Path, *, quiet: bool) -> str:
    """Write an export, show how far it is, and return what to say of it."""
    with bar_of(total=row.count(export), unit="file", quiet=quiet) as bar:

        def step(_member: Member) -> None:
            bar.update(1)

        wrote = write_export(row, export, out, step)
    return "; ".join(
        (
            f"{row.title}: {counted(len(export.images), 'image')}",
            *wrote.notes[-_MOST_SENTENCES:],
            f"wrote {counted(wrote.files, 'file')} to {one_line(str(wrote.path))}",
        )
    )


def tell_converted(found: Converted, *, needs_files: bool) -> None:
    """Say what was read, and what was left out or changed.

    Args:
        found: what was read.
        needs_files: whether images without a file were left out.
    """
    for sentences in (found.read, found.refused, found.notes):
        for sentence in sentences[:_MOST_SENTENCES]:
            tell(sentence)
        if len(sentences) > _MOST_SENTENCES:
            tell(f"{len(sentences) - _MOST_SENTENCES} more of these")
    if found.boxes:
        boxes = counted(found.boxes, "box without a mask is", "boxes without masks are")
        tell(f"{boxes} not in it; 'project import --boxes MODEL' fills such boxes with a network's heads")
    if found.without_file:
        names = [one_line(record.file_name) for record in found.without_file]
        files = counted(len(names), "image has no file here", "images have no files here")
        some = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
        lost = counted(found.without_pixels, "instance")
        tell(f"{files} ({some}){f'; left out with {lost}, as pixels are needed' if needs_files else ''}")


def check_places(source: Path, images: Path | None, out: Path) -> None:
    """Refuse what cannot be read, and to write over it or among other files.

    Raises:
        InputError: naming the place.
    """
    for given in filter(None, (source, images)):
        shown = one_line(str(given))
        if not given.exists():
            raise InputError(f"{shown}: there is no such file or folder")
        refuse_pipe(given)
        if out.exists() and out.samefile(given):
            raise InputError(f"{one_line(str(out))}: this is what is read; name another place to write to")
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{one_line(str(out))}: this folder holds files already; name a new one")


@contextmanager
def brought(source: Path, images_of: Path | None) -> Iterator[tuple[list[SetFile], list[GivenImage]]]:
    """Yield annotations and images that were named; those of zips lie in a folder for as long.

    Of the images' folder nothing else is taken: what lies there is not what was asked for.
    """
    files: list[SetFile] = []
    images: list[GivenImage] = []
    with tempfile.TemporaryDirectory(prefix="maskdesk-") as scratch:
        gathered, others = gather([str(source)])
        if left := others.sentence("neither images nor annotations"):
            tell(left)
        if images_of is not None:
            more, _ = gather([str(images_of)])
            known = {one.file for one in gathered}
            gathered += [
                one
                for one in more
                if one.file not in known
                and (one.file.suffix.casefold() in IMAGE_SUFFIXES or not images_of.is_dir())
            ]
        for one in gathered:
            place = PooledFile(one.path, one.source, one.above)
            suffix = one.file.suffix.casefold()
            if suffix in IMAGE_SUFFIXES:
                images.append((place, one.file.read_bytes))
                continue
            data = one.file.read_bytes()
            if suffix == _ZIP and format_of(GivenFile(one.path, data)) is None:
                _unpack(data, one.shown, Path(scratch), len(images), files, images)
            else:
                files.append(SetFile(place, one.shown, data))
        yield files, images


def _unpack(
    data: bytes,
    shown: str,
    scratch: Path,
    first: int,
    files: list[SetFile],
    images: list[GivenImage],
) -> None:
    source = f"{shown}/"
    folder = Path(tempfile.mkdtemp(dir=scratch))
    try:
        for number, member in enumerate(read_zip_sets(data, shown), start=first):
            if not isinstance(member, ArchiveMember):
                tell(member.message)
                continue
            place = PooledFile(member.name, source)
            if PurePosixPath(member.name.lower()).suffix in ANNOTATION_SUFFIXES:
                files.append(SetFile(place, member.name, member.data))
            else:
                file = folder / str(number)
                file.write_bytes(member.data)
                images.append((place, file.read_bytes))
    except ArchiveError as error:
        tell(str(error))
