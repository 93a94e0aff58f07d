"""Sizes of images that a COCO file does not tell: measured, or taken from its run lengths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from maskrcnn_core.common.json_rows import Json, JsonRows, read_json_rows
from maskrcnn_core.formats.coco_fields import id_key, whole
from maskrcnn_core.formats.coco_rows import SizeOf

__all__ = ["FoundSizes"]


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
            if isinstance(name, int | str) and len(found) == 1:
                (told[str(name)],) = found
        return told


def _objects(document: Mapping[str, Json], name: str) -> Iterator[dict[str, Json]]:
    rows = document.get(name)
    return (row for row in rows if isinstance(row, dict)) if isinstance(rows, JsonRows) else iter(())
