"""PASCAL VOC: a box file for each image, and pictures of its objects and of their classes.

``Annotations/x.xml`` has boxes that count pixels from 1, both corners within the box. In the palette pictures
``SegmentationObject/x.png`` and ``SegmentationClass/x.png`` 0 is the background and 255 the void between
objects (M. Everingham et al., "The PASCAL VOC Challenge 2012 Development Kit", sections 3 and 5).
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from html import unescape
from pathlib import PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import numpy.typing as npt
from PIL import Image

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.formats.base import Export, Format, Member, named_images, stems_of_records
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.image_files import image_member, image_name
from maskrcnn_core.formats.label_maps import hidden_note, label_map
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, stem_of, text_of, xml_of
from maskrcnn_core.formats.xml_writing import element, xml_bytes
from maskrcnn_core.geometry.rle import Rle

__all__ = ["VOC", "voc_palette"]

_VOID = 255
_MOST = _VOID - 1
"""Objects in a palette picture."""
_OBJECTS, _CLASSES = "SegmentationObject", "SegmentationClass"
_OWN_NAMES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
"""Classes of the challenge itself, from 1 on."""


def voc_palette() -> list[int]:
    """Return VOC's 256 colors as flat RGB: the bits of a number, dealt to the three channels in turn."""
    colors = []
    for number in range(256):
        color = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                color[channel] |= ((number >> (3 * bit + channel)) & 1) << (7 - bit)
        colors += color
    return colors


def _members(export: Export) -> Iterator[Member]:
    numbers = {category.id: number for number, category in enumerate(export.categories, start=1)}
    if len(numbers) > _MOST:
        numbers = {id_: number for id_, number in numbers.items() if number <= _MOST}
    palette = voc_palette()
    stems = stems_of_records(export.records)
    for place, (stem, name, image) in enumerate(named_images(export)):
        yield Member(
            f"Annotations/{stem}.xml",
            _xml(export, image, image_name(image, stem, name, has_images=export.has_images)),
            image=place,
        )
        order = list(range(1, len(image.instances) + 1))
        labels = label_map(image, order)
        note = hidden_note(labels, order)
        if len(order) > _MOST:
            note = f"{counted(len(order), 'instance')}; a picture of VOC has room for {_MOST}"
            labels[labels > _MOST] = 0
        note = f"{stem}.png: {note}" if note else ""
        yield Member(f"{_OBJECTS}/{stem}.png", _png(labels, palette), note, place)
        values = np.array([0, *(numbers.get(i.category_id, 0) for i in image.instances)])
        yield Member(f"{_CLASSES}/{stem}.png", _png(values[labels], palette), image=place)
        if export.has_images:
            yield replace(image_member(image, f"JPEGImages/{stem}"), image=place)
    lines = ["# label:color_rgb:parts:actions", "background:0,0,0::"]
    for category in export.categories:
        number = numbers.get(category.id, 0)
        color = ",".join(map(str, palette[3 * number : 3 * number + 3]))
        lines.append(f"{_plain(category.name)}:{color}::")
    yield Member("labelmap.txt", "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    parts: dict[str, list[str]] = {}
    for stem, record in zip(stems, export.records, strict=True):
        parts.setdefault(export.part(record.id), []).append(stem)
    for part, listed in parts.items():
        data = "".join(f"{stem}\n" for stem in listed).encode("utf-8", "replace")
        yield Member(f"ImageSets/Segmentation/{part}.txt", data)


def _count(export: Export) -> int:
    parts = {export.part(record.id) for record in export.records}
    return len(export.images) * (4 if export.has_images else 3) + 1 + len(parts)


def _plain(name: str) -> str:
    """Return a name without what labelmap.txt takes as a sign."""
    return re.sub(r"[:\r\n]", " ", name)


def _xml(export: Export, image: AnnotatedImage, name: str) -> bytes:
    names, record = export.names, image.record
    objects = []
    for instance in image.instances:
        x, y, width, height = instance.box_xywh
        corners = {"xmin": x + 1, "ymin": y + 1, "xmax": x + width, "ymax": y + height}
        objects.append(
            element(
                "object",
                children=[
                    element("name", names[instance.category_id]),
                    element("pose", "Unspecified"),
                    element("truncated", 0),
                    element("difficult", 0),
                    element("bndbox", children=[element(key, value) for key, value in corners.items()]),
                ],
            )
        )
    size = {"width": record.width, "height": record.height, "depth": 3}
    root = element(
        "annotation",
        children=[
            element("folder", ""),
            element("filename", name),
            element("size", children=[element(key, value) for key, value in size.items()]),
            element("segmented", 1),
            *objects,
        ],
    )
    return xml_bytes(root) + b"\n"


def _png(labels: npt.NDArray[np.integer[Any]], palette: Sequence[int]) -> bytes:
    picture = Image.fromarray(labels.astype(np.uint8))
    picture.putpalette(list(palette))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _recognise(file: GivenFile) -> bool:
    if file.suffix == ".txt":
        return PurePosixPath(file.path).name.casefold() == "labelmap.txt"
    head = file.data[:4096]
    return (re.search(rb"<annotation[\s>]", head) is not None and b"<bndbox" in file.data) or (
        re.search(rb"<annotation[\s>]", head) is not None and b"<filename>" in file.data
    )


def _claims(files: Sequence[GivenFile], images: Sequence[str]) -> Collection[str]:
    """Claim the pictures in folders of segmentation, where box files come with them."""
    if not any(file.suffix == ".xml" for file in files):
        return ()
    return [path for path in images if _folder(path) in (_OBJECTS, _CLASSES)]


def _folder(path: str) -> str:
    return PurePosixPath(path).parent.name


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    full = _names_with_signs(files)
    listed = [full.get(name, name) for file in files if file.suffix == ".txt" for name in _names(file)]
    for name in listed:
        draft.category(name)
    pictures = {
        (_folder(path), stem_of(path)): path
        for path in surroundings.images
        if _folder(path) in (_OBJECTS, _CLASSES)
    }
    photos = {
        (path.rpartition("/")[2]): path for path in surroundings.images if path not in pictures.values()
    }
    for file in sorted(files, key=lambda file: file.path):
        root = xml_of(file, draft) if file.suffix == ".xml" else None
        if root is None:
            continue
        name = (root.findtext("filename") or "").strip() or f"{stem_of(file.path)}.jpg"
        sides = [_side(root.findtext(f"size/{side}")) for side in ("height", "width")]
        size = (sides[0], sides[1]) if sides[0] and sides[1] else None
        image = draft.image(photos.get(name.replace("\\", "/").rpartition("/")[2], name), size)
        objects = root.findall("object")
        stem = stem_of(file.path)
        if (_OBJECTS, stem) in pictures:
            path = pictures[_OBJECTS, stem]
            values = surroundings.values(path)
            if values is not None and values.ndim == 2:
                other = pictures.get((_CLASSES, stem))
                classes = surroundings.values(other) if other else None
                if classes is not None and classes.shape != values.shape:
                    classes = None
                taken = _read_pictures(path, values, classes, objects, listed, image, draft)
                left = [n for n in range(len(objects)) if n + 1 not in taken]
                _read_boxes(file, objects, image, draft, left)
                continue
            draft.note(path, "expected a picture of numbers; the boxes are taken")
        _read_boxes(file, objects, image, draft, range(len(objects)))


def _read_pictures(
    path: str,
    values: npt.NDArray[np.int64],
    classes: npt.NDArray[np.int64] | None,
    objects: Sequence[Element],
    listed: Sequence[str],
    image: int,
    draft: Draft,
) -> set[int]:
    """Take the masks of a picture of objects; the n-th object of the box file is the number n in it.

    Returns:
        The numbers that are in it.
    """
    taken = set()
    for number in np.unique(values):
        if number in (0, _VOID):
            continue
        taken.add(int(number))
        mask = values == number
        name, facts = "", {}
        if number <= len(objects):
            name, facts = _name(objects[number - 1]), {"attributes": _attributes(objects[number - 1])}
        elif classes is not None:
            name = _class_name(int(np.bincount(classes[mask]).argmax()), listed)
        place = f"{path}: {number}"
        draft.mask(place, image, draft.category(name), Rle.from_mask(mask), **facts)
    return taken


def _class_name(number: int, listed: Sequence[str]) -> str:
    known = listed or _OWN_NAMES
    return known[number - 1] if 0 < number <= len(known) else f"class {number}"


def _read_boxes(
    file: GivenFile, objects: Sequence[Element], image: int, draft: Draft, wanted: Iterable[int]
) -> None:
    """Take the outlines or else the boxes of some objects of a box file."""
    for number in wanted:
        row = objects[number]
        place = f"{file.path}: object[{number}]"
        if ring := _ring(row.find("polygon")):
            category = draft.category(_name(row))
            draft.rings(place, image, category, [ring], attributes=_attributes(row))
            continue
        sides = [_number(row.findtext(f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")]
        known = [side for side in sides if side is not None]
        if len(known) != 4:
            draft.refuse(place, "expected xmin, ymin, xmax and ymax of a bndbox")
            continue
        x1, y1, x2, y2 = known
        box = (x1 - 1, y1 - 1, x2, y2)
        draft.box(place, image, draft.category(_name(row)), box, attributes=_attributes(row))


def _ring(polygon: Element | None) -> list[list[float]]:
    """Return the outline that Roboflow writes beside a box, as x1, y1, x2 and so on; empty for none."""
    ring: list[list[float]] = []
    while polygon is not None:
        x, y = (_number(polygon.findtext(f"{axis}{len(ring) + 1}")) for axis in "xy")
        if x is None or y is None:
            break
        ring.append([x, y])
    return ring if len(ring) >= 3 else []


def _name(row: Element) -> str:
    return (row.findtext("name") or "").strip()


def _attributes(row: Element) -> Mapping[str, bool]:
    return {key: True for key in ("truncated", "difficult", "occluded") if row.findtext(key) == "1"}


def _names(file: GivenFile) -> list[str]:
    """Return the classes of a labelmap.txt in their order, without the background."""
    lines = text_of(file).splitlines()
    names = [line.split(":")[0].strip() for line in lines if line.strip() and not line.startswith("#")]
    return [name for name in names if name and name.casefold() != "background"]


def _names_with_signs(files: Sequence[GivenFile]) -> dict[str, str]:
    """Return, by what labelmap.txt can say of them, the names in box files that it cannot write."""
    found = {
        unescape(name.decode("utf-8", "replace")).strip()
        for file in files
        if file.suffix == ".xml"
        for name in re.findall(rb"<name>([^<]*:[^<]*)</name>", file.data)
    }
    return {_plain(name).strip(): name for name in found}


def _side(text: str | None) -> int | None:
    value = _number(text)
    return int(value) if value is not None and 0 < value < 2**16 else None


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e9 else None


VOC = Format(
    key="voc",
    title="PASCAL VOC",
    suffix=".zip",
    mime="application/zip",
    holds="For each image a box file (XML), and palette pictures of its objects and of their classes.",
    loses="Scores, ids, crowds' mark, what is below another instance, objects beyond 254 of an image.",
    members=_members,
    count=_count,
    kept=frozenset({"mask", "category name", "order"}),
    reader=Reader(
        suffixes=frozenset({".xml", ".txt"}),
        recognise=_recognise,
        read=_read,
        recognised_as="XML that begins with 'annotation', and pictures in SegmentationObject",
        claims=_claims,
    ),
    used_by="torchvision, datumaro, CVAT",
    brings_images=True,
    judge="datumaro, torchvision",
    is_dense=True,
)
