"""A sheet of what the photo model says of twelve photos: ``python -m benchmarks.photo_sheet PICTURE...``.

Figures say how good a model is on the whole; whether its masks look right is for eyes to say.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.drawing.instances import render
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model

CELL = (400, 300)
COLUMNS = 4
ROOT = Path(__file__).parents[1]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", default="photos")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "photos_sheet.jpg")
    options = parser.parse_args()
    predictor = Predictor(get_model(options.model), "cpu")
    names = {category.id: category.name for category in predictor.model.label_map.categories}
    rows = -(-len(options.pictures) // COLUMNS)
    sheet = Image.new("RGB", (CELL[0] * COLUMNS, CELL[1] * rows), "white")
    for place, file in enumerate(options.pictures):
        overlay = _overlay(predictor, file, names)
        overlay.thumbnail((CELL[0] - 4, CELL[1] - 4), Image.Resampling.LANCZOS)
        left = place % COLUMNS * CELL[0] + (CELL[0] - overlay.width) // 2
        sheet.paste(overlay, (left, place // COLUMNS * CELL[1] + (CELL[1] - overlay.height) // 2))
    sheet.save(options.out, quality=88)


def _overlay(predictor: Predictor, file: Path, names: dict[int, str]) -> Image.Image:
    """What the model shows of a picture at its own score threshold."""
    picture = Image.fromarray(read_image(file).pixels)
    picture.thumbnail((2 * CELL[0], 2 * CELL[1]), Image.Resampling.LANCZOS)
    pixels = np.array(picture)
    (found,) = predictor.predict([pixels])
    instances = Instance.from_detections(found, predictor.model.label_map, 1, 0.5)
    told = ", ".join(f"{names[i.category_id]} {i.score:.2f}" for i in instances)
    print(f"{file.name}: {told or 'nothing'}")
    return Image.fromarray(render(pixels, instances, names))


if __name__ == "__main__":
    main()
