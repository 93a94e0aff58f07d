"""ImageJ's and Fiji's regions of interest (https://imagej.net/ij/developer/source/ij/io/RoiDecoder.java.html).

One zip of ``.roi`` files for each image, which the ROI Manager opens as it is. Points are pixel corners; an
object with holes or several parts is a composite. The file format itself is the library roifile's.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.errors import CoreError
from maskrcnn_core.formats.base import Export, Format, Member, file_stem, named_images, write_zip
from maskrcnn_core.formats.coco_fields import number
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, image_of_stem, stem_of
from maskrcnn_core.formats.shapes import ellipse, parts_and_holes, rectangle, traced
from maskrcnn_core.images.archives import ArchiveMember, ZipLimits, read_zip_images

__all__ = ["IMAGEJ", "holds_rois"]

_MOVE, _LINE, _CLOSE = 0.0, 1.0, 4.0  # steps of a composite's path
_SUFFIX = ".roi"
_MAGIC = b"Iout"
_OUTLINES = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
_LIMITS = ZipLimits(max_entries=200_000, max_member_bytes=2**26)
_RATIO = 100
_FREE_BYTES = 2**20
"""A set may unpack to so many times its size, and this more: sets lie in zips, and those by the thousand."""


def _members(export: Export) -> Iterator[Member]:
    for place, (stem, _, image) in enumerate(named_images(export)):
        target = io.BytesIO()
        write_zip(
            (
                Member(_name(export, order, instance), _roi(export, order, instance).tobytes())
                for order, instance in enumerate(image.instances, start=1)
            ),
            target,
        )
        yield Member(f"{stem}_RoiSet.zip", target.getvalue(), image=place)


def _name(export: Export, order: int, instance: Instance) -> str:
    return f"{order:04d}-{file_stem(export.names[instance.category_id], longest=40)}{_SUFFIX}"


def _roi(export: Export, order: int, instance: Instance) -> ImagejRoi:
    polygons = traced(instance, export.tolerance)
    rings = [*polygons.parts, *polygons.holes]
    name = f"{order:04d}-{export.names[instance.category_id]}"
    # roifile counts characters where the file format counts UTF-16 units.
    name = "".join(c if ord(c) < 0x10000 and not 0xD800 <= ord(c) < 0xE000 else "_" for c in name)
    if len(rings) == 1:
        roi = ImagejRoi.frompoints(rings[0].astype(np.int64), name=name)
        roi.roitype = ROI_TYPE.TRACED
    else:
        x, y, width, height = instance.box_xywh
        roi = ImagejRoi(name=name, roitype=ROI_TYPE.RECT, left=x, top=y, right=x + width, bottom=y + height)
        roi.multi_coordinates = _path(rings)
        roi.shape_roi_size = roi.multi_coordinates.size
    color = export.color(instance.category_id)
    roi.stroke_color = b"\xff" + bytes(int(color[at : at + 2], 16) for at in (1, 3, 5))
    facts: dict[str, Json] = {
        "category": json.dumps(export.names[instance.category_id]),
        "category_id": instance.category_id,
    }
    if instance.score is not None:
        facts["score"] = repr(instance.score)
    roi.properties = facts
    return roi


def _path(rings: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float32]:
    steps: list[npt.NDArray[np.float64]] = []
    for ring in rings:
        lines = np.full((len(ring), 3), _LINE)
        lines[0, 0], lines[:, 1:] = _MOVE, ring
        steps += [lines.ravel(), np.array([_CLOSE])]
    return np.concatenate(steps).astype(np.float32)


def _recognise(file: GivenFile) -> bool:
    if file.suffix == _SUFFIX:
        return file.data[:4] == _MAGIC
    return file.data[:4] == b"PK\x03\x04" and holds_rois(io.BytesIO(file.data))


def holds_rois(file: BinaryIO | Path) -> bool:
    """Return whether a zip holds regions and nothing else; only its directory is read."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error):
        return False
    return bool(names) and all(name.casefold().endswith(_SUFFIX) for name in names)


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    for file in files:
        if file.suffix == _SUFFIX:
            # A region alone, or unpacked into a folder that is called as its image is.
            asked = file if any(stem_of(p) in stem_of(file.path) for p in surroundings.images) else None
            path = image_of_stem(asked or GivenFile(f"{file.folder}.zip", b""), surroundings.images, draft)
            if path is not None:
                _read_roi(file.path, file.data, draft.image(path, surroundings.size(path)), draft)
            continue
        path = image_of_stem(file, surroundings.images, draft)
        if path is None:
            continue
        image = draft.image(path, surroundings.size(path))
        limits = replace(_LIMITS, max_total_bytes=_RATIO * len(file.data) + _FREE_BYTES)
        try:
            for member in read_zip_images(file.data, file.path, limits, other_suffixes={_SUFFIX}):
                if isinstance(member, ArchiveMember):
                    _read_roi(f"{file.path}: {member.name}", member.data, image, draft)
                else:
                    draft.refuse(member.name, member.message)
        except CoreError as error:
            draft.refuse(file.path, str(error))


def _read_roi(place: str, data: bytes, image: int, draft: Draft) -> None:
    try:
        roi = ImagejRoi.frombytes(data)
        rings = _rings(roi)
    except (ValueError, TypeError, struct.error, RuntimeError, IndexError, KeyError) as error:
        draft.refuse(place, f"this is no region of ImageJ, or only part of a file ({type(error).__name__})")
        return
    if rings is None:
        draft.refuse(place, "a region that encloses nothing", roi.roitype.name.casefold())
        return
    if roi.position > 1 or roi.z_position > 1 or roi.t_position > 1:
        draft.note(place, "of another page of a stack than the first; it is taken for the image")
    try:
        parts, holes = (
            parts_and_holes([ring for ring in rings if len(ring) >= 3]) if len(rings) > 1 else (rings, [])
        )
    except (ValueError, TypeError):
        parts, holes = rings, []
    category, score = _facts(roi)
    draft.rings(place, image, draft.category(category), parts, holes=holes, score=score)


def _rings(roi: ImagejRoi) -> list[npt.NDArray[np.float64]] | None:
    """Return a region's outlines; ``None`` for a line or a point."""
    if roi.composite:
        found = roi.coordinates(multi=True)
        return [np.asarray(ring, np.float64) for ring in found]
    if roi.roitype == ROI_TYPE.RECT:
        if roi.subpixelrect:
            return [rectangle(roi.xd, roi.yd, roi.xd + roi.widthd, roi.yd + roi.heightd)]
        return [rectangle(roi.left, roi.top, roi.right, roi.bottom)]
    if roi.roitype == ROI_TYPE.OVAL:
        rx, ry = (roi.right - roi.left) / 2, (roi.bottom - roi.top) / 2
        return [ellipse(roi.left + rx, roi.top + ry, rx, ry)]
    if roi.roitype in _OUTLINES and roi.subtype not in (ROI_SUBTYPE.ROTATED_RECT,):
        return [np.asarray(roi.coordinates(), np.float64)]
    return None


def _facts(roi: ImagejRoi) -> tuple[str, float | None]:
    """Return the category and the score: those that we write, or what the region's name says."""
    facts = roi.properties
    score = facts.get("score")
    given = facts.get("category")
    if isinstance(given, str):
        try:
            return str(json.loads(given)), number(score)
        except ValueError:
            return given, number(score)
    return "", number(score)


IMAGEJ = Format(
    key="imagej",
    title="ImageJ ROIs",
    suffix=".zip",
    mime="application/zip",
    holds="A zip of regions for each image: composites for holes and parts, scores as properties.",
    loses="Categories' and images' ids, crowds' mark, images without instances.",
    members=_members,
    count=lambda export: len(export.images),
    kept=frozenset({"mask", "overlap", "score", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({_SUFFIX, ".zip"}),
        recognise=_recognise,
        read=_read,
        recognised_as="a zip of .roi files, or such files",
    ),
    used_by="ImageJ, Fiji",
    per_image=True,
    judge="roifile",
)
