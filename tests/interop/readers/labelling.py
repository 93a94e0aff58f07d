"""Judges of the formats of labelling programs: Labelme, CVAT, Label Studio and VGG Image Annotator."""

from __future__ import annotations

import base64
import json
import shutil
import sys
import types
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tests.interop.judging import Seen
from tests.interop.readers.coco import seen_of_datumaro
from tests.interop.readers.pixels import placed
from tests.interop.readers.yolo import seen_of_supervision


class _Absent(types.ModuleType):
    """Stands for a module that is imported and not used."""

    __path__: ClassVar[list[str]] = []

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def labelme(folder: Path) -> Iterator[Seen]:
    """Use its label file and its drawing of shapes, without the window toolkit that its package imports."""
    for name in ("PyQt5", "PyQt5.QtCore", "PyQt5.QtGui", "PyQt5.QtWidgets", "onnxruntime"):
        sys.modules[name] = _Absent(name)
    from labelme import LabelFile
    from labelme.utils import shape_to_mask

    for path in sorted(folder.glob("*.json")):
        file = LabelFile(str(path))
        document = json.loads(path.read_bytes())
        size = document["imageHeight"], document["imageWidth"]
        found: dict[Any, tuple[str, np.ndarray, Any]] = {}
        for number, shape in enumerate(file.shapes):
            mask = shape_to_mask(size, shape["points"], shape["shape_type"])
            key = shape["label"], shape["group_id"] if shape["group_id"] is not None else f"alone {number}"
            before = found[key][1] if key in found else np.zeros(size, np.bool_)
            found[key] = shape["label"], before | mask, shape["other_data"].get("score")
        for label, mask, score in found.values():
            yield Seen(file.imagePath, mask, label, score)


def labelme_supervision(folder: Path) -> Iterator[Seen]:
    import supervision as sv

    only = folder / "only"
    only.mkdir()
    for path in folder.glob("*.json"):
        shutil.copy(path, only)
    yield from seen_of_supervision(sv.DetectionDataset.from_labelme(str(folder), str(only), force_masks=True))


def cvat(folder: Path) -> Iterator[Seen]:
    yield from seen_of_datumaro(folder, "cvat")


def label_studio(folder: Path) -> Iterator[Seen]:
    """Decode brushes, and let the SDK hold each prediction against the labelling interface beside it."""
    from label_studio_sdk.converter.brush import decode_rle
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface((folder / "label_config.xml").read_text("utf-8"))
    for task in json.loads((folder / "tasks.json").read_bytes()):
        for prediction in task["predictions"]:
            assert interface.validate_prediction(prediction)
            for region in prediction["result"]:
                shape = region["original_height"], region["original_width"], 4
                mask = np.reshape(decode_rle(region["value"]["rle"]), shape)[..., 3]
                names = region["value"]["brushlabels"]
                yield Seen(task["data"]["image"], mask, names[0], region["score"])


def via_matterport(folder: Path) -> Iterator[Seen]:
    """Draw each region as Matterport's Mask R-CNN does in its samples: an object is a polygon."""
    from skimage.draw import polygon

    for image in json.loads((folder / "via_region_data.json").read_bytes()).values():
        size = tuple(int(image["file_attributes"][side]) for side in ("height", "width"))
        for region in image["regions"]:
            shape, facts = region["shape_attributes"], region["region_attributes"]
            mask = np.zeros(size, np.uint8)
            rows, columns = polygon(shape["all_points_y"], shape["all_points_x"])
            mask[rows, columns] = 1
            yield Seen(image["filename"], mask, facts["name"], float(facts["score"]))


def supervisely(folder: Path) -> Iterator[Seen]:
    """Unpack bitmaps as Supervisely documents it: zlib, a PNG, and the place of its first pixel."""
    import cv2

    titles = {row["title"] for row in json.loads((folder / "meta.json").read_bytes())["classes"]}
    for path in sorted((folder / "ds0" / "ann").glob("*.json")):
        document = json.loads(path.read_bytes())
        for row in document["objects"]:
            assert row["classTitle"] in titles and row["geometryType"] == "bitmap"
            data = np.frombuffer(zlib.decompress(base64.b64decode(row["bitmap"]["data"])), np.uint8)
            pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            crop = (pixels if pixels.ndim == 2 else pixels[..., 3]) != 0
            x, y = row["bitmap"]["origin"]
            mask = placed(crop, y, x, document["size"]["height"], document["size"]["width"])
            yield Seen(path.stem, mask, row["classTitle"], row["score"])
