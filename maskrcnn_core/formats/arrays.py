"""Masks as the array that notebook users know: ``masks`` bool ``[H, W, N]`` in a ``.npz``."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.formats.base import Export, Format, Member, stems_of
from maskrcnn_core.geometry.rle import BoolMask

__all__ = ["MASK_ARRAYS", "npz_members"]

_BAND_BYTES = 32 * 2**20  # of the array that is unpacked at once: [H, W, 100] at 12 MP is 1.2 GB


def npz_members(export: Export) -> Iterator[Member]:
    """Yield one ``.npz`` per image; ``numpy.load(file)`` reads it, without pickles.

    It holds ``masks`` bool ``[H, W, N]``, ``labels`` int64 ``[N]`` (category ids), ``scores`` float32
    ``[N]`` (NaN where there is none), ``boxes`` float32 ``[N, 4]`` (x1 y1 x2 y2, the masks' own), and
    ``names`` text ``[N]``.
    """
    names = export.names
    for stem, image in zip(stems_of(export), export.images, strict=True):
        yield Member(f"{stem}_masks.npz", _npz(image, names))


def _npz(image: AnnotatedImage, names: dict[int, str]) -> bytes:
    instances = image.instances
    boxes = np.array([i.box_xywh for i in instances], np.float32).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    small: dict[str, npt.NDArray[np.generic]] = {
        "labels": np.array([i.category_id for i in instances], np.int64),
        "scores": np.array([np.nan if i.score is None else i.score for i in instances], np.float32),
        "boxes": boxes,
        "names": np.array([names[i.category_id] for i in instances], np.str_),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        # By name: a ZipInfo of one's own would be stored as it is, gigabytes of zeros.
        with archive.open("masks.npy", "w", force_zip64=True) as file:
            shape = (*image.record.size, len(instances))
            header = {"descr": "|b1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for band in _bands(image):
                file.write(band.data)
        for name, array in small.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def _bands(image: AnnotatedImage) -> Iterator[BoolMask]:
    """Yield the array ``[H, W, N]`` some rows at a time; each is overwritten by the next."""
    height, width = image.record.size
    count = len(image.instances)
    rows = min(height, max(1, _BAND_BYTES // max(width * count, 1)))
    band = np.zeros((rows, width, count), np.bool_)
    for top in range(0, height if count else 0, rows):
        written = []
        for n, instance in enumerate(image.instances):
            x, y, box_width, box_height = instance.box_xywh
            first, last = max(y, top), min(y + box_height, top + rows)
            if first < last:
                place = (slice(first - top, last - top), slice(x, x + box_width), n)
                band[place] = instance.mask.window(first, x, last - first, box_width)
                written.append(place)
        yield band[: height - top]
        for place in written:  # only what was set: the band is megabytes of zeros
            band[place] = False


MASK_ARRAYS = Format(
    key="masks",
    title="Mask arrays",
    suffix=".npz",
    mime="application/octet-stream",
    holds="NumPy arrays: masks [H, W, N], labels, scores, boxes, names.",
    loses="",
    members=npz_members,
    count=lambda export: len(export.images),
    used_by="NumPy",
    per_image=True,
    judge="numpy",
    is_dense=True,
)
