"""Images of a COCO file that is checked: sizes that it does not tell, and rows of one image twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.formats.coco_fields import id_key, whole
from maskrcnn_core.formats.coco_rows import SizeOf
from maskrcnn_core.formats.json_writing import dump_json, dump_rows, join_members

__all__ = ["FoundSizes", "with_images_joined"]


class FoundSizes:
    """Sizes of images: from their files, else from the run lengths of their annotations."""

    def __init__(self, data: bytes, size_of: SizeOf) -> None:
        self._data, self._size_of = data, size_of
        self._told: Mapping[str, tuple[int, int]] | None = None

    def __call__(self, name: str) -> tuple[int, int] | None:
        if (measured := self._size_of(name)) is not None:
            return measured
        if self._told is None:
            self._told = self._in_run_lengths()
        return self._told.get(name)

    def _in_run_lengths(self) -> Mapping[str, tuple[int, int]]:
        document = read_json_rows(self._data)
        sizes: dict[int | str | None, set[tuple[int, int]]] = {}
        for row in _objects(document, "annotations"):
            segmentation = row.get("segmentation")
            given = segmentation.get("size") if isinstance(segmentation, dict) else None
            if isinstance(given, list) and len(given) == 2:
                height, width = (whole(side, 1, 2**16) for side in given)
                if height is not None and width is not None:
                    sizes.setdefault(id_key(row.get("image_id")), set()).add((height, width))
        told = {}
        for row in _objects(document, "images"):
            name, found = row.get("file_name"), sizes.get(id_key(row.get("id")), set())
            if isinstance(name, str) and len(found) == 1:
                (told[name],) = found
        return told


def _objects(document: Mapping[str, Json], name: str) -> Iterator[dict[str, Json]]:
    rows = document.get(name)
    return (row for row in rows if isinstance(row, dict)) if isinstance(rows, JsonRows) else iter(())


def with_images_joined(data: bytes) -> tuple[bytes, list[str]]:
    """Return a file whose annotations of a second image of one name and size are those of the first.

    The second image's row becomes a copy of the first one's, so that all others keep their places.

    Returns:
        The file, and where the second rows are.
    """
    document = read_json_rows(data)
    first: dict[str, dict[str, Json]] = {}
    other: dict[int | str, Json] = {}
    images: list[Json] = []
    places = []
    for index, row in enumerate(document["images"]):
        name, key = (row.get("file_name"), id_key(row.get("id"))) if isinstance(row, dict) else (None, None)
        kept = first.setdefault(name, row) if isinstance(name, str) else row
        is_same = kept is not row and all(kept.get(side) == row.get(side) for side in ("width", "height"))
        if is_same and key is not None and id_key(kept.get("id")) not in (None, key) and key not in other:
            other[key] = kept["id"]
            places.append(f"images[{index}].file_name")
            row = kept
        images.append(row)

    def moved(rows: JsonRows) -> Iterator[Json]:
        for row in rows:
            key = id_key(row.get("image_id")) if isinstance(row, dict) else None
            yield {**row, "image_id": other[key]} if key in other else row

    members = {
        name: dump_rows(images)
        if name == "images"
        else dump_rows(moved(value))
        if name == "annotations" and isinstance(value, JsonRows)
        else dump_rows(value)
        if isinstance(value, JsonRows)
        else [dump_json(value)]
        for name, value in document.items()
    }
    return join_members(members), places
