"""An auto-annotation function for CVAT (https://docs.cvat.ai/docs/api_sdk/sdk/auto-annotation/).

``cvat-cli task auto-annotate 7 --function-module maskrcnn_core.integrations.cvat -p model=str:mobile`` calls
:func:`create` and then the function once for each image. The package ``cvat-sdk`` is imported by then, and is
no part of MaskDesk.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.packed import row_runs
from maskrcnn_core.formats.shapes import one_ring
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.integrations.finder import Finder

__all__ = ["CvatFunction", "create", "mask_points", "polygon_points"]

_TOLERANCE = 0.7
"""Pixels by which a polygon may deviate from a mask's edge: the steps of a slanted edge are smaller."""


def create(
    model: str = "",
    names: str = "",
    score_threshold: float | None = None,
    download: bool = False,
    device: str = "auto",
    tolerance: float = _TOLERANCE,
) -> CvatFunction:
    """Return the function; each argument is one of ``-p NAME=TYPE:VALUE``.

    Args:
        model: a key of the table (``models`` lists them) or a file of weights; by default the best that is
            ready.
        names: for a file without a card: the file of its categories.
        score_threshold: for when CVAT asks for none; by default the model's own.
        download: whether weights that are missing are downloaded.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
        tolerance: pixels by which polygons, where CVAT asks for these, may deviate from a mask's edge.

    Raises:
        InputError: if ``cvat-sdk`` is not installed, or for an unknown model.
        WeightsError: if the model's weights cannot be used.
    """
    sdk = _sdk()
    finder = Finder(model, names=names, score_threshold=score_threshold, download=download, device=device)
    return CvatFunction(sdk, finder, tolerance)


class CvatFunction:
    """A detection function as CVAT's SDK expects it: ``spec`` and :meth:`detect`.

    Args:
        sdk: the module ``cvat_sdk.auto_annotation``.
        finder: what finds instances.
        tolerance: as for :func:`create`.
    """

    def __init__(self, sdk: ModuleType, finder: Finder, tolerance: float = _TOLERANCE) -> None:
        self._sdk, self._finder, self._tolerance = sdk, finder, tolerance
        labels = [sdk.label_spec(one.name, one.id, type="mask") for one in finder.categories]
        self.spec: Any = sdk.DetectionFunctionSpec(labels=labels)

    def detect(self, context: Any, image: Image.Image) -> list[Any]:
        """Return the instances of an image as shapes with scores.

        Args:
            context: CVAT's: ``conf_threshold`` is the least score or ``None``, ``conv_mask_to_poly`` says
                that polygons are wanted.
            image: as CVAT shows it.
        """
        found = self._finder.find(np.array(image.convert("RGB")), context.conf_threshold)
        if context.conv_mask_to_poly:
            return [
                self._sdk.polygon(
                    one.category_id, polygon_points(one, self._tolerance), score=one.score or 0.0
                )
                for one in found
            ]
        return [
            self._sdk.mask(one.category_id, mask_points(one.mask), score=one.score or 0.0) for one in found
        ]


def mask_points(mask: Rle) -> list[float]:
    """Return a mask as the ``points`` of CVAT's shapes.

    These are run lengths along the rows of the mask's box, that of background first, and then the box's left,
    top, right and bottom pixel, which still belong to it.
    """
    x, y, width, height = mask.box_xywh
    return [*row_runs(mask.crop()), x, y, x + width - 1, y + height - 1]


def polygon_points(instance: Instance, tolerance: float) -> list[float]:
    """Return an instance as one polygon, flat x y: with cuts to its holes and between its parts."""
    points: Sequence[float] = one_ring(instance, tolerance).reshape(-1).tolist()
    return list(points)


def _sdk() -> ModuleType:
    try:
        return import_module("cvat_sdk.auto_annotation")
    except ImportError as error:
        raise InputError(
            f"CVAT's function needs the package cvat-sdk ({error}): pip install cvat-sdk cvat-cli"
        ) from error
