"""Tiles: what they find, and what they cost.

Photos of COCO val2017 are put side by side, four by four, and the whole is seen in tiles: what is found is
compared with what the photos give one by one. Time is measured over the area of drawn microscopy.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.report import Claim, Report, seconds
from benchmarks.scenes import mobile, shared_file
from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.evaluation.ground_truth import GroundTruth, read_ground_truth
from maskrcnn_core.evaluation.of_models import evaluate_on
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png, read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.catalog import NUCLEI_KEY
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.synthetic.scenes import draw_scene
from maskrcnn_core.tiling.choosing import Tiling, tiles_for
from maskrcnn_core.tiling.running import run_tiles

__all__ = ["mosaics_of", "run_tiles_benchmark"]

_SIDE = 4
"""Photos of a mosaic in each direction."""
_MOSAICS = 12
_TILES = Tiling(640, 0.5)
_MOST_DETECTIONS = 100
_SIDES = (640, 1280, 1920, 2560)
_QUICK_SIDES = (400, 640)
_MOST_LOSS = 1.0  # points of mask AP
_LINEAR = 0.25
"""How far the time of a tile may be from that of the smallest picture's, as a share."""


def mosaics_of(
    truth: GroundTruth, count: int, folder: Path, across: int = _SIDE
) -> tuple[GroundTruth, GroundTruth]:
    """Return photos one by one, and the same photos side by side, each with what is true of it.

    Args:
        truth: of as many photos as the mosaics hold, or more.
        count: of mosaics.
        folder: for them, as PNG; must exist.
        across: photos of a mosaic in each direction. Each lies in a cell that has room for the largest.
    """
    dataset, each = truth.dataset, across * across
    singles = dataset.images[: each * count]
    height, width = max(one.height for one in singles), max(one.width for one in singles)
    size = (across * height, across * width)
    records, instances, files = list[ImageRecord](), list[Instance](), dict[str, Path]()
    for number in range(count):
        picture = np.zeros((*size, 3), np.uint8)
        for place, photo in enumerate(singles[each * number : each * (number + 1)]):
            top, left = place // across * height, place % across * width
            picture[top : top + photo.height, left : left + photo.width] = read_image(
                truth.image_file(photo)
            ).pixels
            for one in dataset.instances:
                if one.image_id == photo.id:
                    instances.append(_moved(one, number + 1, top, left, size))
        name = f"{number}.png"
        files[name] = folder / name
        files[name].write_bytes(encode_png(picture, compress_level=1))
        records.append(ImageRecord(number + 1, name, size[1], size[0]))
    ids = {photo.id for photo in singles}
    alone = tuple(one for one in dataset.instances if one.image_id in ids)
    whole = Dataset(images=tuple(records), categories=dataset.categories, instances=tuple(instances))
    return (
        replace(truth, dataset=replace(dataset, images=tuple(singles), instances=alone)),
        replace(truth, folder=folder, dataset=whole, files=files),
    )


def _moved(one: Instance, image_id: int, top: int, left: int, size: tuple[int, int]) -> Instance:
    x, y, _, _ = one.mask.box_xywh
    mask = Rle.from_crop(one.mask.crop(), (top + y, left + x), size)
    box = None if one.given_box is None else tuple(np.add(one.given_box, (left, top, left, top)).tolist())
    return replace(one, image_id=image_id, mask=mask, given_box=box)


def run_tiles_benchmark(quick: bool) -> Report:
    """Measure what tiles find and what they cost."""
    rows, claims, notes = list[tuple[str, ...]](), list[Claim](), list[str]()
    predictor = Predictor(get_model(NUCLEI_KEY), "cpu")
    thresholds, each = Thresholds(0.5, 0.5, 500), list[float]()
    predictor.detections(predictor.open(_microscopy(320)), thresholds)  # the first run makes things ready
    for side in _QUICK_SIDES if quick else _SIDES:
        picture = _microscopy(side)
        tiles = tiles_for(Tiling(320, 0.25), predictor.model, (side, side))
        began = time.perf_counter()
        found = run_tiles(predictor, picture, tiles, thresholds).instances(predictor, thresholds, picture, 1)
        took = time.perf_counter() - began
        each.append(took / len(tiles))
        rows.append(
            (f"{side} x {side} px", f"{len(tiles)}", f"{len(found):,}", seconds(took), seconds(each[-1]), "")
        )
    last = abs(each[-1] / each[0] - 1)
    claims.append(
        Claim(f"time is linear in the number of tiles, within {_LINEAR:.0%}", last <= _LINEAR, "cost")
    )
    notes.append(f"Time: `{NUCLEI_KEY}` on drawn fluorescence, `--tiles 320`, merging included.")
    file, model = shared_file("data", "coco_val2017", "instances.json"), mobile()
    if quick or file is None or model is None:
        return _report(rows, claims, notes)
    truth = read_ground_truth(file, file.with_name("images"))
    known = Predictor(model, "cpu")
    with (
        tempfile.TemporaryDirectory(prefix="maskdesk-") as folder,
        tempfile.TemporaryDirectory(prefix="maskdesk-") as cells,
    ):
        alone, together = mosaics_of(truth, _MOSAICS, Path(folder))
        _, in_cells = mosaics_of(truth, _MOSAICS * _SIDE * _SIDE, Path(cells), across=1)
        aps = []
        for what, one, tiling in (
            (f"{len(alone.dataset.images)} photos, one by one", alone, None),
            (f"the same, each in a cell of a mosaic ({_TILES.side} x {_TILES.side} px)", in_cells, None),
            (f"{_MOSAICS} mosaics of them, whole", together, None),
            (
                f"{_MOSAICS} mosaics of them, `--tiles {_TILES.side} --tile-overlap {_TILES.overlap:g}`",
                together,
                _TILES,
            ),
        ):
            print(f"tiles: {what} ...", file=sys.stderr, flush=True)
            limit = _MOST_DETECTIONS * (_SIDE * _SIDE if one is together else 1)
            scores = evaluate_on(known, [one], max_detections=limit, tiling=tiling)[0].evaluation
            aps.append(100 * scores.mask.AP)
            rows.append((what, "", f"{len(one.dataset.instances):,} true", "", "", f"{aps[-1]:.1f}"))
    text = f"mask AP of mosaics in tiles is at least that of the photos less {_MOST_LOSS:g} point"
    claims.append(Claim(text, aps[3] >= aps[0] - _MOST_LOSS, "equality"))
    text = f"it is at least that of the photos in cells, at the same scale, less {_MOST_LOSS:g} point"
    claims.append(Claim(text, aps[3] >= aps[1] - _MOST_LOSS, "equality"))
    notes.append(
        f"AP: `{model.key}`; of a photo the best {_MOST_DETECTIONS} count, of a mosaic 16 times as many. The "
        f"network fits the shorter side of what it sees to its input: that of a photo is 480 pixels or so, "
        f"that of a tile or a cell {_TILES.side}, so that it sees photos alone a third larger."
    )
    return _report(rows, claims, notes)


def _report(rows: list[tuple[str, ...]], claims: list[Claim], notes: list[str]) -> Report:
    columns = ("what", "tiles", "instances", "time", "per tile", "mask AP")
    return Report(columns, tuple(rows), tuple(claims), tuple(notes))


def _microscopy(side: int) -> Pixels:
    """Return drawn scenes of fluorescence side by side, uint8 ``[side, side, 3]``."""
    cell = 320
    picture = np.zeros((side, side, 3), np.uint8)
    scenes = [draw_scene(910_000 + n, "fluorescence").pixels[:cell, :cell] for n in range(4)]
    for number, (top, left) in enumerate(np.ndindex(-(-side // cell), -(-side // cell))):
        place = picture[top * cell : (top + 1) * cell, left * cell : (left + 1) * cell]
        part = scenes[number % len(scenes)][: place.shape[0], : place.shape[1]]
        place[: part.shape[0], : part.shape[1]] = part
    return picture
