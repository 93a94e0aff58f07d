"""Judges of YOLO's segments. Ultralytics is under the AGPL: it is called here, and nowhere but in tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.judging import Seen


def ultralytics(folder: Path) -> Iterator[Seen]:
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(str(folder / "data.yaml"), autodownload=False)
    yield from seen_of_ultralytics(Path(data["train"]), data["names"])


def seen_of_ultralytics(images: Path, names: Mapping[int, str]) -> Iterator[Seen]:
    """Read labels as the trainer does, at the images' own size and without augmentations."""
    from PIL import Image
    from ultralytics.cfg import get_cfg
    from ultralytics.data.dataset import YOLODataset

    largest = max(max(Image.open(path).size) for path in images.iterdir())
    settings = get_cfg(overrides={"mask_ratio": 1, "overlap_mask": False})
    data = YOLODataset(
        img_path=str(images),
        imgsz=largest,
        augment=False,
        hyp=settings,
        data={"names": dict(names), "nc": len(names), "channels": 3},
        task="segment",
    )
    for one in (data[n] for n in range(len(data))):
        if not len(one["cls"]):
            continue
        height, width = one["ori_shape"]
        # The image lies in the middle of a square of that side, as large as it is.
        y, x = (largest - height) // 2, (largest - width) // 2
        for mask, number in zip(np.asarray(one["masks"]), one["cls"].ravel().tolist(), strict=True):
            yield Seen(one["im_file"], mask[y : y + height, x : x + width], names[int(number)])


def supervision(folder: Path) -> Iterator[Seen]:
    import supervision as sv

    data = sv.DetectionDataset.from_yolo(
        str(folder / "images" / "train"),
        str(folder / "labels" / "train"),
        str(folder / "data.yaml"),
        force_masks=True,
    )
    yield from seen_of_supervision(data)


def seen_of_supervision(data: Any) -> Iterator[Seen]:
    """Tell the detections of a data set of supervision's."""
    for path, _, found in data:
        for mask, number in zip(found.mask if len(found) else (), found.class_id, strict=True):
            yield Seen(path, mask, data.classes[number])


def datumaro(folder: Path) -> Iterator[Seen]:
    from tests.interop.readers.coco import seen_of_datumaro

    yield from seen_of_datumaro(folder, "yolo")
