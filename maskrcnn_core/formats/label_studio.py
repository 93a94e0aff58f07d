"""Label Studio's JSON tasks (https://labelstud.io/guide/export), ready to import with their predictions.

Places are in percent of the image; a brush is run lengths over RGBA pixels, as
:func:`~maskrcnn_core.formats.packed.brush_of_mask` tells. What a model offers becomes a prediction with its
scores, what people drew an annotation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import unquote

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import AnnotatedImage, Instance
from maskrcnn_core.formats.base import Export, Format, Member, named_images
from maskrcnn_core.formats.coco_fields import number
from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.json_writing import dump_rows
from maskrcnn_core.formats.packed import brush_of_mask, mask_of_brush
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings, json_of, size_in
from maskrcnn_core.formats.shapes import ellipse
from maskrcnn_core.formats.xml_writing import element, xml_bytes
from maskrcnn_core.geometry.rle import Rle

__all__ = ["LABEL_STUDIO", "brush_result"]

_AREAS = ("polygonlabels", "brushlabels", "rectanglelabels", "ellipselabels")
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""


def _members(export: Export) -> Iterator[Member]:
    rows = (_task(image, name, export.names) for _, name, image in named_images(export))
    yield Member("tasks.json", b"".join(dump_rows(rows)))
    labels = [
        element("Label", value=category.name, background=export.color(category.id))
        for category in export.categories
    ]
    config = element(
        "View",
        children=[
            element("Image", name="image", value="$image", zoom="true"),
            element("BrushLabels", children=labels, name="tag", toName="image"),
        ],
    )
    yield Member("label_config.xml", xml_bytes(config) + b"\n")


def _task(image: AnnotatedImage, name: str, names: Mapping[int, str]) -> Json:
    numbered = list(enumerate(image.instances, start=1))
    drawn = [_result(n, i, names, image) for n, i in numbered if i.score is None]
    offered = [_result(n, i, names, image) for n, i in numbered if i.score is not None]
    scores = [i.score for i in image.instances if i.score is not None]
    task: dict[str, Json] = {"data": {"image": _as_address(name)}}
    # Only a task that somebody worked on has an annotation.
    task["annotations"] = [{"result": drawn}] if drawn else []
    task["predictions"] = (
        [{"model_version": "MaskDesk", "score": sum(scores) / len(scores), "result": offered}]
        if offered
        else []
    )
    return task


def _result(order: int, instance: Instance, names: Mapping[int, str], image: AnnotatedImage) -> Json:
    size = (image.record.height, image.record.width)
    return brush_result(order, instance, names[instance.category_id], size)


def brush_result(
    order: int,
    instance: Instance,
    label: str,
    size: tuple[int, int],
    *,
    from_name: str = "tag",
    to_name: str = "image",
) -> dict[str, Json]:
    """Return an instance as one region of a task, with its score where it has one.

    Args:
        order: its number among the image's regions.
        instance: with its mask.
        label: of the labelling interface.
        size: height and width of the image.
        from_name, to_name: the names of the interface's ``BrushLabels`` and ``Image``.
    """
    return {
        "id": f"m{order:07d}",
        "type": "brushlabels",
        "from_name": from_name,
        "to_name": to_name,
        "original_width": size[1],
        "original_height": size[0],
        "image_rotation": 0,
        "value": {
            "format": "rle",
            "rle": brush_of_mask(instance.mask.to_mask()),
            "brushlabels": [label],
        },
    } | ({} if instance.score is None else {"score": instance.score})


def _as_address(name: str) -> str:
    """Return a name such that it is the same when it is read as an address."""
    return name.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def _recognise(file: GivenFile) -> bool:
    return (b'"from_name"' in file.data and b'"to_name"' in file.data) or (
        b'"original_width"' in file.data and any(f'"{kind}"'.encode() in file.data for kind in _AREAS)
    )


def _read(files: Sequence[GivenFile], surroundings: Surroundings, draft: Draft) -> None:
    for file in files:
        document = json_of(file, draft)
        tasks = [document] if isinstance(document, dict) else document
        if not isinstance(tasks, list):
            if tasks is not None:
                draft.refuse(file.path, "expected a list of tasks")
            continue
        known = _Names(tasks, surroundings.images)
        for order, task in enumerate(tasks):
            place = f"{file.path}: [{order}]"
            if not isinstance(task, dict):
                draft.refuse(place, "expected an object")
                continue
            path = known.path(task)
            if not path:
                draft.refuse(place, "expected the path of an image under 'data'")
                continue
            results, is_proposal, of_task = _results(place, task, draft)
            size = next((found for row in results if (found := _size(row))), None)
            image = draft.image(path, size)
            for number_, row in enumerate(results):
                _read_result(f"{place}{of_task}[{number_}]", row, image, is_proposal, draft)


def _results(
    place: str, task: Mapping[str, Json], draft: Draft
) -> tuple[list[Mapping[str, Json]], bool, str]:
    """Return the regions of a task's annotation; of its prediction where nobody has made one."""
    for key, is_proposal in (("annotations", False), ("completions", False), ("predictions", True)):
        given = task.get(key)
        rows = [row for row in given if isinstance(row, dict)] if isinstance(given, list) else []
        good = [row for row in rows if not row.get("was_cancelled")]
        for _ in rows[len(good) :]:
            draft.note(f"{place}.{key}", "an annotation that was skipped; it is left out")
        if good and (isinstance(found := good[-1].get("result"), list)) and (found or key != "predictions"):
            for _ in good[1:]:
                draft.note(f"{place}.{key}", "several for one image; the last one is taken")
            kept: list[Mapping[str, Json]] = [row for row in found if isinstance(row, dict)]
            return kept, is_proposal, f".{key}[{rows.index(good[-1])}].result"
    # The short form of an export has the regions in the task itself.
    for key, value in task.items():
        rows = [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
        if any("original_width" in row for row in rows):
            return [_long_form(row) for row in rows], False, f".{key}"
    return [], False, ""


def _long_form(row: Mapping[str, Json]) -> Mapping[str, Json]:
    kind = next((kind for kind in _AREAS if kind in row), "")
    return {**row, "type": kind, "value": row}


def _read_result(place: str, row: Mapping[str, Json], image: int, is_proposal: bool, draft: Draft) -> None:
    kind, value = row.get("type"), row.get("value")
    if kind in ("choices", "rating", "textarea", "number", "taxonomy") and not row.get("original_width"):
        draft.note(place, "an answer for the whole image; it is left out", str(kind))
        return
    if kind not in _AREAS or not isinstance(value, dict):
        draft.refuse(place, f"expected one of {', '.join(_AREAS)}, got {{}}", str(kind)[:40])
        return
    size = _size(row)
    if size is None:
        draft.refuse(place, "expected original_width and original_height")
        return
    names = value.get(kind)
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    if isinstance(names, list) and len(names) > 1:
        draft.note(place, "several labels; the first one is taken")
    category = draft.category(name)
    facts: dict[str, Json] = {"score": number(row.get("score")), "is_proposal": is_proposal}
    across, down = size[1] / 100, size[0] / 100
    if kind == "polygonlabels":
        points = value.get("points")
        given = points if isinstance(points, list) and all(map(_is_point, points)) else []
        ring = [[x * across, y * down] for x, y in given]
        draft.rings(place, image, category, [ring], **facts)
    elif kind == "brushlabels":
        mask = mask_of_brush(value.get("rle"), *size)
        if mask is None:
            draft.refuse(place, "expected a brush as run lengths over the image's RGBA pixels")
        else:
            draft.mask(place, image, category, Rle.from_mask(mask), **facts)
    elif kind == "rectanglelabels":
        x, y, width, height = (number(value.get(key)) for key in ("x", "y", "width", "height"))
        if x is None or y is None or width is None or height is None:
            draft.refuse(place, "expected x, y, width and height of a rectangle")
            return
        if number(value.get("rotation")):
            draft.note(place, "a turned rectangle; it is taken as if it were not turned")
        corners = (x * across, y * down, (x + width) * across, (y + height) * down)
        draft.box(place, image, category, corners, **facts)
    else:
        x, y, rx, ry = (number(value.get(key)) for key in ("x", "y", "radiusX", "radiusY"))
        if x is None or y is None or rx is None or ry is None:
            draft.refuse(place, "expected x, y, radiusX and radiusY of an ellipse")
            return
        ring_ = ellipse(x * across, y * down, rx * across, ry * down, number(value.get("rotation")) or 0.0)
        draft.rings(place, image, category, [ring_], **facts)


def _is_point(point: Json) -> bool:
    return isinstance(point, list) and len(point) == 2 and None not in map(number, point)


def _size(row: Mapping[str, Json]) -> tuple[int, int] | None:
    return size_in(row, "original_height", "original_width")


class _Names:
    """What the images of tasks are called: the files that came along, without what an upload added.

    Folders are left out unless images of several have the same name.
    """

    def __init__(self, tasks: Sequence[Json], images: Sequence[str]) -> None:
        self._known = {path.rpartition("/")[2] for path in images}
        named = {
            self._name(text) for task in tasks if isinstance(task, dict) for text in _addresses(task)[:1]
        }
        lasts = Counter(name.rpartition("/")[2] for name in named)
        self._twice = {last for last, count in lasts.items() if count > 1}

    def path(self, task: Mapping[str, Json]) -> str:
        """Return the path of a task's image; empty where nothing under ``data`` is one."""
        for text in _addresses(task):
            name = self._name(text)
            last = name.rpartition("/")[2]
            if last in self._twice:
                return name.lstrip("/")
            if last in self._known:
                return last
            shorter = _UPLOADED.sub("", last)
            if shorter in self._known or "/data/upload/" in name or task.get("file_upload"):
                return shorter
            return name.lstrip("/") if "://" not in name else last
        return ""

    def _name(self, text: str) -> str:
        """Return the path in an address, or a text that is no address but a file that came along."""
        text = text.replace("\\", "/")
        if text.rpartition("/")[2] in self._known:
            return text
        return unquote(text.rpartition("?d=")[2] if "?d=" in text else text.partition("?")[0])


def _addresses(task: Mapping[str, Json]) -> list[str]:
    """Return the texts under ``data`` that may name the image, the likeliest first."""
    data = task.get("data")
    fields = data if isinstance(data, dict) else task
    texts = [fields[key] for key in ("image", "img", "image_url", "ocr") if isinstance(fields.get(key), str)]
    return texts + [
        text for text in fields.values() if isinstance(text, str) and re.search(r"\.\w{3,4}($|\?)", text)
    ]


LABEL_STUDIO = Format(
    key="label-studio",
    title="Label Studio",
    suffix=".zip",
    mime="application/zip",
    holds="tasks.json with exact brush masks, a model's as predictions with scores; the labelling "
    "interface beside it.",
    loses="Ids, crowds' mark, the order of what was drawn among what a model offers.",
    members=_members,
    count=lambda _export: 2,
    kept=frozenset({"mask", "overlap", "score", "category name"}),
    reader=Reader(
        suffixes=frozenset({".json"}),
        recognise=_recognise,
        read=_read,
        recognised_as="JSON with 'from_name' and 'to_name'",
        is_one_file=True,
    ),
    used_by="Label Studio",
    judge="label-studio-sdk",
    is_dense=True,
)
