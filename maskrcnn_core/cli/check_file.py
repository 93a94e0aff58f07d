"""``check-file``: what is wrong with somebody's COCO file, and the same file put right."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from maskrcnn_core.cli.gathering import refuse_pipe
from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.terminal import errors_told, table, tell
from maskrcnn_core.errors import DatasetError, ExportError, InputError
from maskrcnn_core.formats.checking import CheckReport, check_coco
from maskrcnn_core.formats.coco_rows import SizeOf
from maskrcnn_core.formats.coco_sizes import sizes_from
from maskrcnn_core.formats.repairing import Repaired, repair_coco
from maskrcnn_core.images.folders import FolderImages

__all__ = ["check_file"]


def check_file(
    file: Annotated[Path, typer.Argument(help="A COCO JSON file.")],
    images: Annotated[
        Path | None,
        typer.Option(help="The images' folder, to measure images whose width and height are missing."),
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(help="Write a repaired file here; never over the checked one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say what is wrong with a COCO file, with counts and places, and write it right with --fix.

    Ends with 0 if nothing is wrong, 1 if there are errors or warnings, even where they were repaired, and 2
    if the file cannot be read as COCO at all.
    """
    with errors_told():
        data = _read(file, fix)
        size_of = _sizes(file, data, images)
        try:
            report = check_coco(data, size_of=size_of)
            repaired = None if fix is None else repair_coco(data, size_of=size_of, report=report)
        except DatasetError as error:
            raise DatasetError(f"{one_line(str(file))}: {error}") from error
        if fix is not None and repaired is not None:
            _write(fix, repaired.data)
    if as_json:
        typer.echo(json.dumps(_as_value(file, report, fix, repaired), ensure_ascii=False))
    else:
        for line in _lines(report):
            typer.echo(line)
        if fix is not None and repaired is not None:
            for line in _lines_of_repair(repaired):
                typer.echo(line)
            tell(f"wrote {one_line(str(fix))}")
    if report.wrong:
        raise typer.Exit(1)


def _read(file: Path, fix: Path | None) -> bytes:
    """Return the file's bytes; raise :class:`InputError` where it cannot be read or would be overwritten."""
    shown = one_line(str(file))
    refuse_pipe(file)
    try:
        data = file.read_bytes()
        is_same = fix is not None and fix.exists() and os.path.samefile(fix, file)
    except OSError as error:
        raise InputError(f"{shown}: cannot read this file ({error.strerror or error})") from error
    if is_same:
        raise InputError(f"--fix: expected another file than {shown}, which is never overwritten")
    return data


def _sizes(file: Path, data: bytes, images: Path | None) -> SizeOf:
    if images is None:
        return lambda _name: None
    if not images.is_dir():
        raise InputError(f"--images: expected a folder, got {one_line(str(images))}")
    return sizes_from(FolderImages(images, file), data)


def _write(out: Path, data: bytes) -> None:
    try:
        replace_file(out, data)
    except OSError as error:
        raise ExportError(f"{one_line(str(out))}: cannot write ({error.strerror or error})") from error


def _lines(report: CheckReport) -> Iterator[str]:
    """Yield the table of what was found, and a sentence on each row of it."""
    counts = (
        counted(report.images, "image"),
        counted(report.categories, "category", "categories"),
        counted(report.annotations, "annotation"),
    )
    yield ", ".join(counts)
    if report.findings:
        head = ("", "count", "what", "first places")
        rows = [
            (one.check.severity, f"{one.count:,}", one.check.title, "; ".join(one.places[:3]))
            for one in report.findings
        ]
        yield from table([head, *rows], right=(1,))
    if report.wrong:
        yield ""
        for one in report.wrong:
            yield f"- {one.check.title}: {one.check.readers}. --fix: {one.check.fix}."
    else:
        yield "Nothing is wrong."


def _lines_of_repair(repaired: Repaired) -> Iterator[str]:
    yield ""
    yield "Repaired:" if repaired.changes else "Nothing had to be repaired."
    for sentence in repaired.changes:
        yield f"- {sentence}"
    if repaired.lost:
        yield f"- {repaired.lost}"
    if repaired.kept:
        yield "Not repaired:"
        yield from (f"- {sentence}" for sentence in repaired.kept)
    yield f"{repaired.note}; checked again: nothing {'else ' if repaired.kept else ''}is wrong"


def _as_value(
    file: Path, report: CheckReport, fix: Path | None, repaired: Repaired | None
) -> dict[str, object]:
    value: dict[str, object] = {
        "file": str(file),
        "images": report.images,
        "categories": report.categories,
        "annotations": report.annotations,
        "findings": [one.as_value() for one in report.findings],
    }
    if repaired is not None:
        value["repaired"] = {
            "file": str(fix),
            "changes": list(repaired.changes),
            "lost": repaired.lost,
            "kept": list(repaired.kept),
            "annotations": repaired.after.annotations,
            "note": repaired.note,
        }
    return value
