"""What a TIFF's descriptions claim of its planes, held against reason before a library believes it.

tifffile makes room for every plane that OME-XML or its own JSON name, whether it is in the file or not: a few
bytes could claim a billion.
"""

from __future__ import annotations

import json
import math
from typing import Any
from xml.etree import ElementTree

from maskrcnn_core.common.safe_xml import is_safe_xml

__all__ = ["MAX_PLANES", "trusted_flags"]

MAX_PLANES = 2**16
"""Planes of a stack; files of more are time series that nobody looks through plane by plane."""

_MAX_TEXT = 16 * 2**20
_MOST_PIXELS = 2**40
_KINDS_LEFT_OUT = (
    "avs", "bif", "fluoview", "indica", "lsm", "mdgel", "mmstack", "ndpi", "ndtiff", "nih", "philips", "qpi",
    "scanimage", "scn", "sis", "stk", "svs",
)  # fmt: skip
"""Customs of which tifffile would build planes by numbers that are not checked here: such files are pages."""

_SHAPED = b'{"shape"'


def trusted_flags(description: str, data: bytes) -> dict[str, Any]:
    """Return what tifffile is to overlook in a file, as arguments of :class:`tifffile.TiffFile`.

    Args:
        description: of the first page.
        data: the whole file.
    """
    flags = dict.fromkeys((f"is_{kind}" for kind in _KINDS_LEFT_OUT), False)
    if not _is_believable_ome(description):
        flags["is_ome"] = False
    # Each further picture of a file could have such a text of its own.
    if not (data.count(_SHAPED) == 1 and _is_believable_json(description)):
        flags["is_shaped"] = False
    return flags


def _is_believable_ome(text: str) -> bool:
    if len(text) > _MAX_TEXT or not is_safe_xml(text):
        return False
    try:
        planes = 0
        for element in ElementTree.fromstring(text).iter():
            match element.tag.rpartition("}")[2]:
                case "Pixels":
                    planes += math.prod(int(element.get(f"Size{axis}", "1")) for axis in "ZCT")
                case "TiffData":
                    planes += int(element.get("PlaneCount", "0") or 0)
            if planes > 2 * MAX_PLANES:
                return False
    except (ElementTree.ParseError, ValueError):
        return False
    return True


def _is_believable_json(text: str) -> bool:
    try:
        shape = json.loads(text)["shape"]
        return 0 < math.prod(int(side) for side in shape) <= _MOST_PIXELS and (
            math.prod(int(side) for side in shape[:-2]) <= 4 * MAX_PLANES
        )
    except (KeyError, OverflowError, TypeError, ValueError, RecursionError):
        return False
