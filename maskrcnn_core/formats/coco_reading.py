"""COCO JSON as a row of the table of formats has it: how it is known among other files."""

from __future__ import annotations

from collections.abc import Sequence

from maskrcnn_core.formats.draft import Draft
from maskrcnn_core.formats.reader import GivenFile, Reader, Surroundings

__all__ = ["COCO_READER", "is_coco", "is_results"]


def is_coco(file: GivenFile) -> bool:
    """Return whether a JSON file lists images and annotations; other programs' lists have other names."""
    return b'"images"' in file.data and b'"annotations"' in file.data


def is_results(file: GivenFile) -> bool:
    """Return whether a JSON file is a bare list of detections."""
    head = file.data[:65536].lstrip(b"\xef\xbb\xbf \t\r\n")
    return head.startswith(b"[") and all(key in head for key in (b'"image_id"', b'"category_id"', b'"score"'))


def _read(files: Sequence[GivenFile], _surroundings: Surroundings, draft: Draft) -> None:
    (file,) = files
    draft.take(file.data)


COCO_READER = Reader(
    suffixes=frozenset({".json"}),
    recognise=is_coco,
    read=_read,
    recognised_as="JSON with 'images' and 'annotations'",
    is_one_file=True,
)
