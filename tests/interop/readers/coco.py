"""Judges of COCO's three profiles, of the results form, of LVIS and of the panoptic form."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.interop.judging import Seen

FILE = "annotations.json"


def _document(folder: Path) -> dict[str, Any]:
    return json.loads((folder / FILE).read_bytes())


def _seen_of_api(coco: Any) -> Iterator[Seen]:
    for row in coco.dataset["annotations"]:
        yield Seen(
            coco.imgs[row["image_id"]]["file_name"],
            coco.annToMask(row),
            coco.cats[row["category_id"]]["name"],
            row.get("score"),
        )


def pycocotools(folder: Path) -> Iterator[Seen]:
    from pycocotools.coco import COCO

    yield from _seen_of_api(COCO(str(folder / FILE)))


def faster_coco_eval(folder: Path) -> Iterator[Seen]:
    from faster_coco_eval import COCO

    yield from _seen_of_api(COCO(str(folder / FILE)))


def torchvision(folder: Path) -> Iterator[Seen]:
    """Flip each image twice with transforms v2, which must bring back every pixel."""
    import torch
    from torchvision.datasets import CocoDetection, wrap_dataset_for_transforms_v2
    from torchvision.transforms import v2

    twice = v2.Compose([v2.ToImage(), v2.RandomHorizontalFlip(1.0), v2.RandomHorizontalFlip(1.0)])
    plain = CocoDetection(str(folder), str(folder / FILE), transforms=twice)
    data = wrap_dataset_for_transforms_v2(plain, target_keys=("image_id", "labels", "masks"))
    for _, target in (data[n] for n in range(len(data))):
        name = plain.coco.imgs[target["image_id"]]["file_name"]
        masks, labels = target.get("masks", ()), target.get("labels", torch.empty(0))
        for mask, label in zip(masks, labels.tolist(), strict=True):
            yield Seen(name, mask.numpy(), plain.coco.cats[label]["name"])


def transformers(folder: Path) -> Iterator[Seen]:
    from PIL import Image
    from transformers import DetrImageProcessor

    document = _document(folder)
    names = {row["id"]: row["name"] for row in document["categories"]}
    processor = DetrImageProcessor(do_resize=False, do_pad=False, do_normalize=False)
    for image in document["images"]:
        rows = [row for row in document["annotations"] if row["image_id"] == image["id"]]
        found = processor(
            images=Image.open(folder / image["file_name"]).convert("RGB"),
            annotations={"image_id": image["id"], "annotations": rows},
            return_segmentation_masks=True,
            return_tensors="pt",
        )["labels"][0]
        for mask, label in zip(found["masks"], found["class_labels"].tolist(), strict=True):
            yield Seen(image["file_name"], mask.numpy(), names[label])


def fiftyone(folder: Path) -> Iterator[Seen]:
    """Use its reader and its labels; only its data sets, which need a database server, are left out."""
    from fiftyone.utils.coco import load_coco_detection_annotations

    _, names, _, images, objects = load_coco_detection_annotations(str(folder / FILE))
    for id_, image in images.items():
        size = image["width"], image["height"]
        for one in objects.get(id_, ()):
            label = one.to_detection(size, names, load_segmentation=True)
            mask = label.to_segmentation(frame_size=size).mask
            yield Seen(image["file_name"], mask, label.label, label.confidence)


def supervision(folder: Path) -> Iterator[Seen]:
    import supervision as sv

    from tests.interop.readers.yolo import seen_of_supervision

    data = sv.DetectionDataset.from_coco(str(folder), str(folder / FILE), force_masks=True)
    yield from seen_of_supervision(data)


def kwcoco(folder: Path) -> Iterator[Seen]:
    import kwcoco
    import kwimage

    data = kwcoco.CocoDataset(str(folder / FILE))
    for id_ in data.images():
        image = data.imgs[id_]
        size = image["height"], image["width"]
        for row in data.annots(image_id=id_).objs:
            shape = kwimage.Segmentation.coerce(row["segmentation"], dims=size)
            mask = shape.to_mask(dims=size).to_c_mask().data
            name = data.cats[row["category_id"]]["name"]
            yield Seen(image["file_name"], mask, name, row.get("score"))


def sahi(folder: Path) -> Iterator[Seen]:
    from sahi.annotation import ObjectAnnotation
    from sahi.utils.coco import Coco

    for image in Coco.from_coco_dict_or_path(str(folder / FILE)).images:
        size = [image.height, image.width]
        for row in image.annotations:
            one = ObjectAnnotation.from_coco_annotation_dict(row.json, size, row.category_name)
            mask = np.zeros(size, np.bool_) if one.mask is None else one.mask.bool_mask
            yield Seen(image.file_name, mask, one.category.name)


def datumaro(folder: Path) -> Iterator[Seen]:
    own = folder / "datumaro"
    (own / "annotations").mkdir(parents=True)
    (own / "images" / "train").mkdir(parents=True)
    shutil.copy(folder / FILE, own / "annotations" / "instances_train.json")
    for row in _document(folder)["images"]:
        shutil.copy(folder / row["file_name"], own / "images" / "train")
    yield from seen_of_datumaro(own, "coco_instances")


def seen_of_datumaro(folder: Path, kind: str) -> Iterator[Seen]:
    """Read a folder with datumaro; shapes of one group are the parts of an object."""
    from datumaro import Dataset, Mask, Polygon
    from datumaro.util.mask_tools import rles_to_mask

    data = Dataset.import_from(str(folder), kind)
    names = [label.name for label in data.categories()[_label_kind()]]
    for item in data:
        height, width = item.media.size
        of_group: dict[int, tuple[np.ndarray, Any]] = {}
        alone = -1
        for shape in item.annotations:
            if isinstance(shape, Mask):
                mask = np.asarray(shape.image, np.bool_)
            elif isinstance(shape, Polygon):
                mask = np.asarray(rles_to_mask([shape.points], width, height), np.bool_)
            else:
                continue
            group = shape.group
            if not group:
                group, alone = alone, alone - 1
            before = of_group.get(group)
            of_group[group] = (mask if before is None else before[0] | mask, shape)
        for mask, shape in of_group.values():
            name = None if shape.label is None else names[shape.label]
            yield Seen(f"{item.id}.png", mask, name, shape.attributes.get("score"))


def _label_kind() -> Any:
    from datumaro import AnnotationType

    return AnnotationType.label


def label_studio(folder: Path) -> Iterator[Seen]:
    """Convert to tasks; their polygons are drawn as the SDK gives them back to COCO."""
    from label_studio_sdk.converter.imports.coco import convert_coco_to_ls
    from pycocotools import mask as api

    out = folder / "tasks.json"
    convert_coco_to_ls(str(folder / FILE), str(out), image_root_url="images")
    for task in json.loads(out.read_bytes()):
        for region in task["annotations"][0]["result"]:
            if region["type"] != "polygonlabels":
                continue
            size = region["original_height"], region["original_width"]
            ring = np.array(region["value"]["points"]) / 100 * size[::-1]
            mask = api.decode(api.merge(api.frPyObjects([ring.ravel().tolist()], *size)))
            yield Seen(task["data"]["image"], mask, region["value"]["polygonlabels"][0])


def ultralytics(folder: Path) -> Iterator[Seen]:
    """Convert to YOLO's labels, and read those as its trainer does."""
    from ultralytics.data.converter import convert_coco

    from tests.interop.readers.yolo import seen_of_ultralytics

    only, out = folder / "only", folder / "converted"
    (only).mkdir()
    shutil.copy(folder / FILE, only / "instances_train.json")
    convert_coco(str(only), str(out), use_segments=True, cls91to80=False)
    document = _document(folder)
    (out / "images" / "train").mkdir(parents=True)
    for row in document["images"]:
        shutil.copy(folder / row["file_name"], out / "images" / "train")
    # Its numbers are the ids less one, whatever names there are.
    names = {number: f"class {number}" for number in range(max(c["id"] for c in document["categories"]))}
    names |= {row["id"] - 1: row["name"] for row in document["categories"]}
    yield from seen_of_ultralytics(out / "images" / "train", names)


def results_with(module: str) -> Callable[[Path], Iterator[Seen]]:
    """Return the reading of the results form with an API that is made like pycocotools'."""

    def read(folder: Path) -> Iterator[Seen]:
        from importlib import import_module

        truth = import_module(module).COCO(str(folder / FILE))
        yield from _seen_of_api(truth.loadRes(str(folder / "results.json")))

    return read


def lvis(folder: Path) -> Iterator[Seen]:
    from lvis import LVIS

    data = LVIS(str(folder / "lvis.json"))
    for row in data.dataset["annotations"]:
        image = data.imgs[row["image_id"]]
        name = data.cats[row["category_id"]]["synonyms"][0]
        yield Seen(image["coco_url"], data.ann_to_mask(row), name, row.get("score"))


def lvis_detectron2(folder: Path) -> Iterator[Seen]:
    """Split ``coco_url`` as Detectron2's loader does: it cannot be installed from the index."""
    from lvis import LVIS

    data = LVIS(str(folder / "lvis.json"))
    for row in data.dataset["annotations"]:
        _, name = data.imgs[row["image_id"]]["coco_url"].split("/")[-2:]
        yield Seen(name, data.ann_to_mask(row), data.cats[row["category_id"]]["name"], row.get("score"))


def lvis_ultralytics(folder: Path) -> Iterator[Seen]:
    from ultralytics.data.converter import convert_coco

    from tests.interop.readers.yolo import seen_of_ultralytics

    only, out = folder / "only", folder / "converted"
    only.mkdir()
    shutil.copy(folder / "lvis.json", only / "lvis_v1_train.json")
    convert_coco(str(only), str(out), use_segments=True, cls91to80=False, lvis=True)
    document = json.loads((folder / "lvis.json").read_bytes())
    images = out / "images" / "train"
    images.mkdir(parents=True)
    for row in document["images"]:
        shutil.copy(folder / row["file_name"], images)
    names = {number: f"class {number}" for number in range(max(c["id"] for c in document["categories"]))}
    names |= {row["id"] - 1: row["name"] for row in document["categories"]}
    yield from seen_of_ultralytics(images, names)


def panoptic_detr(folder: Path) -> Iterator[Seen]:
    from PIL import Image
    from transformers import DetrImageProcessor

    document = json.loads((folder / "panoptic.json").read_bytes())
    names = {row["id"]: row["name"] for row in document["categories"]}
    processor = DetrImageProcessor(format="coco_panoptic", do_resize=False, do_pad=False, do_normalize=False)
    files = {row["id"]: row["file_name"] for row in document["images"]}
    for row in document["annotations"]:
        found = processor(
            images=Image.open(folder / files[row["image_id"]]).convert("RGB"),
            annotations=row,
            masks_path=str(folder / "panoptic"),
            return_tensors="pt",
        )["labels"][0]
        for mask, label in zip(found["masks"], found["class_labels"].tolist(), strict=True):
            yield Seen(files[row["image_id"]], mask.numpy(), names[label])


def panoptic_mask2former(folder: Path) -> Iterator[Seen]:
    """Give its processor the picture of segments, and which class each is, as its examples do."""
    from PIL import Image
    from transformers import Mask2FormerImageProcessor
    from transformers.image_transforms import rgb_to_id

    document = json.loads((folder / "panoptic.json").read_bytes())
    names = {row["id"]: row["name"] for row in document["categories"]}
    processor = Mask2FormerImageProcessor(do_resize=False, do_normalize=False, size_divisor=1, ignore_index=0)
    files = {row["id"]: row["file_name"] for row in document["images"]}
    for row in document["annotations"]:
        if not row["segments_info"]:
            continue
        segments = rgb_to_id(np.array(Image.open(folder / "panoptic" / row["file_name"])))
        found = processor(
            [np.array(Image.open(folder / files[row["image_id"]]).convert("RGB"))],
            segmentation_maps=[segments],
            instance_id_to_semantic_id={s["id"]: s["category_id"] for s in row["segments_info"]},
            return_tensors="pt",
        )
        masks, labels = found["mask_labels"][0], found["class_labels"][0].tolist()
        for mask, label in zip(masks, labels, strict=True):
            yield Seen(files[row["image_id"]], mask.numpy(), names[label])


def panoptic_datumaro(folder: Path) -> Iterator[Seen]:
    own = folder / "datumaro"
    (own / "annotations").mkdir(parents=True)
    (own / "images" / "train").mkdir(parents=True)
    shutil.copy(folder / "panoptic.json", own / "annotations" / "panoptic_train.json")
    shutil.copytree(folder / "panoptic", own / "annotations" / "panoptic_train")
    for row in json.loads((folder / "panoptic.json").read_bytes())["images"]:
        shutil.copy(folder / row["file_name"], own / "images" / "train")
    yield from seen_of_datumaro(own, "coco_panoptic")
