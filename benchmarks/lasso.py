"""A lasso around an object: how much closer to ground truth the scissors come than the lasso itself."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw
from shapely import MultiPolygon, Polygon

from benchmarks.report import Claim, Report
from benchmarks.scenes import shared_file
from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.lasso import cut_out
from maskrcnn_core.geometry.polygons import mask_to_polygons
from maskrcnn_core.geometry.rle import Rle, mask_iou
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.synthetic.scenes import draw_scene

__all__ = ["run_lasso"]

_LEAST_AREA = 32**2  # what COCO calls medium: around smaller ones nobody draws a lasso
_ROOMS = (0.05, 0.1)
"""How far outside of the object the line is, in parts of the root of its area."""
_TREMOR = 1 / 3
"""Of that distance: how far the hand strays, as a standard deviation."""
_CORNERS = 60


def run_lasso(quick: bool) -> Report:
    """Lassos around objects of COCO's val2017, with a hand that trembles."""
    objects = list(_objects(12 if quick else None))
    rows, claims = [], []
    for room in _ROOMS:
        random = np.random.default_rng(0)
        plain, cut, times, lost = [], [], [], 0
        for pixels, truth in objects:
            lasso = _lasso(truth, room, random)
            began = time.perf_counter()
            found = cut_out(pixels, lasso)
            times.append(time.perf_counter() - began)
            lost += found is None
            plain.append(mask_iou(lasso, truth))
            cut.append(mask_iou(found or lasso, truth))
        better = float(np.mean(np.array(cut) > np.array(plain)))
        rows.append(
            (
                f"{room:.0%} of its size outside of the object",
                f"{np.mean(plain):.3f}",
                f"{np.mean(cut):.3f}",
                f"{better:.0%}",
                f"{lost}",
                f"{1000 * statistics.median(times):.0f} ms",
            )
        )
        is_better = bool(np.mean(cut) > np.mean(plain))
        claims.append(Claim(f"scissors beat the lasso itself at {room:.0%}", is_better, "equality"))
    columns = ("lasso", "mean IoU as drawn", "cut out", "better", "left as drawn", "one takes")
    note = (
        f"{len(objects)} objects of at least {_LEAST_AREA:,} pixels, crowds left out. The line follows the "
        f"object's outline at that distance in {_CORNERS} corners, each off by a third of it (deviation)."
    )
    return Report(columns, tuple(rows), tuple(claims), (note,))


def _objects(most: int | None) -> Iterator[tuple[Pixels, Rle]]:
    """The largest object of each photo; drawn scenes where the photos are missing."""
    file, folder = (shared_file("data", "coco_val2017", name) for name in ("instances.json", "images"))
    if file is None or folder is None:
        for seed in range(200_000, 200_000 + (most or 60)):
            scene = draw_scene(seed)
            yield scene.pixels, max(scene.masks, key=lambda mask: mask.area)
        return
    dataset, _ = read_coco(file.read_bytes())
    best: dict[int, Rle] = {}
    for one in dataset.instances:
        is_larger = one.image_id not in best or one.area > best[one.image_id].area
        if not one.is_crowd and one.area >= _LEAST_AREA and is_larger:
            best[one.image_id] = one.mask
    for record in [image for image in dataset.images if image.id in best][:most]:
        yield read_image(folder / record.file_name).pixels, best[record.id]


def _lasso(truth: Rle, room: float, random: np.random.Generator) -> Rle:
    """Draw a line around all parts of an object."""
    away = max(2.0, room * float(np.sqrt(truth.area)))
    parts = [Polygon(ring).buffer(0) for ring in mask_to_polygons(truth).parts]
    around = MultiPolygon([p for p in parts if isinstance(p, Polygon)]).buffer(away)
    outline = around.exterior if isinstance(around, Polygon) else around.convex_hull.exterior
    places = np.linspace(0, 1, _CORNERS, endpoint=False)
    line = np.array([outline.interpolate(place, normalized=True).coords[0] for place in places])
    line += random.normal(0, _TREMOR * away, line.shape)
    height, width = truth.size
    canvas = Image.new("1", (width, height))
    ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in line.tolist()], fill=1)
    return Rle.from_mask(np.asarray(canvas, np.bool_))
