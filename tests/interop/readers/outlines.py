"""Judges of outlines for microscopy: GeoJSON and ImageJ's regions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.interop.judging import Seen
from tests.interop.readers.pixels import centres_in


def _size(folder: Path, stem: str) -> tuple[int, int]:
    """Return the size of the image that lies beside outlines, as neither format tells it."""
    from PIL import Image

    with Image.open(folder / f"{stem}.jpg") as image:
        return image.height, image.width


def geojson_geopandas(folder: Path) -> Iterator[Seen]:
    import geopandas

    for path in sorted(folder.glob("*.geojson")):
        table = geopandas.read_file(path)
        assert table.geometry.is_valid.all()
        for row in table.itertuples():
            kind, facts = (
                json.loads(cell) if isinstance(cell, str) else cell
                for cell in (row.classification, row.measurements)
            )
            mask = centres_in(row.geometry, *_size(folder, path.stem))
            yield Seen(path.stem + ".png", mask, kind["name"], facts["score"])


def geojson_shapely(folder: Path) -> Iterator[Seen]:
    from shapely.geometry import shape

    for path in sorted(folder.glob("*.geojson")):
        for row in json.loads(path.read_bytes())["features"]:
            outline, facts = shape(row["geometry"]), row["properties"]
            assert outline.is_valid
            mask = centres_in(outline, *_size(folder, path.stem))
            name, score = facts["classification"]["name"], facts["measurements"]["score"]
            yield Seen(path.stem + ".png", mask, name, score)


def imagej(folder: Path) -> Iterator[Seen]:
    """Fill outlines by the even-odd rule where pixels' centres lie, as ImageJ fills its regions."""
    from roifile import roiread
    from skimage.measure import grid_points_in_poly

    for path in sorted(folder.glob("*_RoiSet.zip")):
        stem = path.stem.removesuffix("_RoiSet")
        height, width = _size(folder, stem)
        for roi in roiread(path):
            mask = np.zeros((height, width), np.bool_)
            for ring in roi.coordinates(multi=True):
                # scikit-image's pixels have their centres at whole numbers.
                mask ^= grid_points_in_poly((height, width), ring[:, ::-1] - 0.5)
            yield Seen(stem + ".png", mask, roi.name[5:], float(roi.properties["score"]))
