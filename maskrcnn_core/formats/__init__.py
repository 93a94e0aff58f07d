"""The table of formats: what menus, the command line, the README and the tests read."""

from __future__ import annotations

from maskrcnn_core.formats.arrays import npz_members
from maskrcnn_core.formats.base import Export, Format, Member, write_folder, write_zip
from maskrcnn_core.formats.coco import coco_members, results_members
from maskrcnn_core.formats.pictures import (
    label_map_members,
    overlay_members,
    segment_members,
    splash_members,
)
from maskrcnn_core.formats.table import table_members

__all__ = ["FORMATS", "Export", "Format", "Member", "format_by_key", "write_folder", "write_zip"]


def _one(_: Export) -> int:
    return 1


FORMATS: tuple[Format, ...] = (
    Format(
        key="coco",
        title="COCO JSON",
        suffix=".json",
        mime="application/json",
        holds="Images, categories and instances; corner polygons, run lengths for masks with holes; "
        "read back with pycocotools before you get it.",
        loses="",
        members=coco_members,
        count=_one,
    ),
    Format(
        key="results",
        title="COCO results",
        suffix=".json",
        mime="application/json",
        holds="The bare list of detections that COCO evaluators read.",
        loses="Image names and sizes, categories' names.",
        members=results_members,
        count=_one,
    ),
    Format(
        key="segments",
        title="Segments",
        suffix=".zip",
        mime="application/zip",
        holds="For each instance, as PNG: the segment on a transparent background, the image times its "
        "mask, and its mask.",
        loses="Scores beyond two places.",
        members=segment_members,
        count=lambda export: 3 * sum(len(image.instances) for image in export.images),
    ),
    Format(
        key="masks",
        title="Mask arrays",
        suffix=".npz",
        mime="application/octet-stream",
        holds="NumPy arrays: masks [H, W, N], labels, scores, boxes, names.",
        loses="",
        members=npz_members,
        count=lambda export: len(export.images),
    ),
    Format(
        key="label-maps",
        title="Label maps",
        suffix=".zip",
        mime="application/zip",
        holds="Two 16-bit grey PNGs (32-bit TIFF if values exceed 65,535): each pixel's instance "
        "number, and each pixel's category id.",
        loses="Scores, and what is below a better-scored instance (a smaller one if scores are missing).",
        members=label_map_members,
        count=lambda export: 2 * len(export.images),
    ),
    Format(
        key="overlay",
        title="Overlay",
        suffix=".png",
        mime="image/png",
        holds="The image at full size with what is drawn on it.",
        loses="Everything but the look.",
        members=overlay_members,
        count=lambda export: len(export.images),
    ),
    Format(
        key="splash",
        title="Colour splash",
        suffix=".png",
        mime="image/png",
        holds="The image at full size: its instances in their own colours, all else in grey (the luma of "
        "ITU-R BT.601).",
        loses="Everything but the look.",
        members=splash_members,
        count=lambda export: len(export.images),
    ),
    Format(
        key="table",
        title="Table",
        suffix=".csv",
        mime="text/csv",
        holds="One row per instance: category, score, area, box.",
        loses="Masks.",
        members=table_members,
        count=_one,
    ),
)


def format_by_key(key: str) -> Format:
    """Return the row of that key.

    Raises:
        KeyError: if there is none.
    """
    for row in FORMATS:
        if row.key == key:
            return row
    raise KeyError(key)
