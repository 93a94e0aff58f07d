"""Judges of formats in which masks are pictures: VOC, Open Images, label images."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.judging import Seen
from tests.interop.readers.coco import seen_of_datumaro


def voc_datumaro(folder: Path) -> Iterator[Seen]:
    yield from seen_of_datumaro(folder, "voc_instance_segmentation")


def voc_torchvision(folder: Path) -> Iterator[Seen]:
    """Take the pictures of classes as torchvision gives them: numbers, not colours."""
    from torchvision.datasets import VOCSegmentation

    root = folder / "root" / "VOCdevkit"
    (root / "VOC2012").mkdir(parents=True)
    for name in ("JPEGImages", "SegmentationClass", "ImageSets"):
        shutil.copytree(folder / name, root / "VOC2012" / name)
    lines = (folder / "labelmap.txt").read_text("utf-8").splitlines()[1:]
    names = [line.split(":")[0] for line in lines]
    data = VOCSegmentation(str(folder / "root"), year="2012", image_set="train", download=False)
    for path, (_, picture) in zip(data.masks, data, strict=True):
        numbers = np.array(picture)
        for number in np.unique(numbers[numbers > 0]).tolist():
            yield Seen(path, numbers == number, names[number])


def open_images(folder: Path) -> Iterator[Seen]:
    yield from seen_of_datumaro(folder, "open_images")


def _objects(path: Path, ending: str, labels: Any) -> Iterator[Seen]:
    for number in np.unique(labels[labels > 0]).tolist():
        yield Seen(path.stem.removesuffix(ending) + ".png", labels == number)


def tiff_tifffile(folder: Path) -> Iterator[Seen]:
    import tifffile

    for path in sorted(folder.glob("*_masks.tif")):
        yield from _objects(path, "_masks", tifffile.imread(path))


def tiff_skimage(folder: Path) -> Iterator[Seen]:
    from skimage.io import imread
    from skimage.measure import regionprops

    for path in sorted(folder.glob("*_masks.tif")):
        labels = imread(path)
        for region in regionprops(labels):
            mask = np.zeros(labels.shape, np.bool_)
            mask[tuple(region.coords.T)] = True
            yield Seen(path.stem.removesuffix("_masks") + ".png", mask)


def tiff_cv2(folder: Path) -> Iterator[Seen]:
    import cv2

    for path in sorted(folder.glob("*_masks.tif")):
        yield from _objects(path, "_masks", cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def maps_skimage(folder: Path) -> Iterator[Seen]:
    from skimage.io import imread

    for path in sorted(folder.glob("*_instances.png")):
        yield from _objects(path, "_instances", imread(path))


def maps_cv2(folder: Path) -> Iterator[Seen]:
    import cv2

    for path in sorted(folder.glob("*_instances.png")):
        yield from _objects(path, "_instances", cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
