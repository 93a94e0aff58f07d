"""A machine learning backend for Label Studio (https://labelstud.io/guide/ml).

A ``model.py`` for ``label-studio-ml start`` has two lines::

    from maskrcnn_core.integrations.label_studio import backend
    MaskDesk = backend("mobile")

Predictions are exact brushes with scores, for the labelling interface's first ``BrushLabels`` on an image.
The package ``label-studio-ml`` is imported when the class is made, and is no part of MaskDesk.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from maskrcnn_core.common.json_rows import Json
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.label_studio import brush_result
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.integrations.finder import Finder

__all__ = ["Place", "backend", "place_of", "prediction"]


@dataclass(frozen=True)
class Place:
    """Where in a labelling interface brushes go.

    Args:
        from_name, to_name: the names of its ``BrushLabels`` and of their ``Image``.
        key: of the image's address in a task's data.
        labels: from the lower-case name of a model's category to the label that stands for it.
    """

    from_name: str
    to_name: str
    key: str
    labels: Mapping[str, str]

    def label_of(self, category: Category) -> str | None:
        """Return the label of a category; ``None`` where the interface has none."""
        return self.labels.get(category.name.casefold())


def place_of(config: Mapping[str, Json]) -> Place:
    """Return where brushes go, from a labelling interface as Label Studio's own code parses it.

    A label stands for the category of its name, and for those that its ``predicted_values`` list; letter case
    does not matter.

    Raises:
        InputError: if there are no ``BrushLabels`` on an ``Image``.
    """
    for name, control in config.items():
        images = [
            (to_name, given["value"])
            for to_name, given in zip(control["to_name"], control["inputs"], strict=False)
            if given["type"] == "Image"
        ]
        if control["type"] != "BrushLabels" or not images:
            continue
        labels: dict[str, str] = {}
        attributes = control.get("labels_attrs", {})
        for label in control["labels"]:
            given = str(attributes.get(label, {}).get("predicted_values", ""))
            labels |= {one.strip().casefold(): label for one in given.split(",") if one.strip()}
        labels |= {label.casefold(): label for label in control["labels"]}
        to_name, key = images[0]
        return Place(name, to_name, key, labels)
    raise InputError("the labelling interface: expected <BrushLabels> on an <Image>, got none")


def prediction(
    instances: Sequence[Instance],
    size: tuple[int, int],
    categories: Sequence[Category],
    place: Place,
    version: str,
) -> dict[str, Json]:
    """Return what was found in an image as Label Studio's prediction.

    Args:
        instances: with scores; those whose category has no label in the interface are left out.
        size: height and width of the image.
        categories: what the model finds.
        place: where brushes go.
        version: what Label Studio shows as the model's version.
    """
    labels = {one.id: label for one in categories if (label := place.label_of(one)) is not None}
    known = [one for one in instances if one.category_id in labels]
    scores = [one.score or 0.0 for one in known]
    return {
        "model_version": version,
        "score": sum(scores) / len(scores) if scores else 0.0,
        "result": [
            brush_result(
                number,
                one,
                labels[one.category_id],
                size,
                from_name=place.from_name,
                to_name=place.to_name,
            )
            for number, one in enumerate(known, start=1)
        ],
    }


def backend(
    model: str = "",
    *,
    names: str = "",
    score_threshold: float | None = None,
    download: bool = False,
    device: str = "auto",
) -> type:
    """Return a class for ``label-studio-ml``, whose objects predict with a model that all of them share.

    Args: as for :class:`~maskrcnn_core.integrations.finder.Finder`. The model is loaded for the first task.

    Raises:
        InputError: if ``label-studio-ml`` is not installed.
    """
    base = _base()

    @cache
    def finder() -> Finder:
        return Finder(model, names=names, score_threshold=score_threshold, download=download, device=device)

    class MaskDesk(base):  # type: ignore[misc, valid-type]
        """Finds objects in images and draws each one's mask with a brush."""

        def predict(
            self,
            tasks: Sequence[Mapping[str, Json]],
            context: Json = None,  # noqa: ARG002  # what somebody is drawing, which no network here asks
            **_options: Any,
        ) -> list[dict[str, Json]]:
            """Return a prediction for each task; raise CoreError for an image that cannot be used."""
            place = place_of(self.parsed_label_config)
            return [_predicted(finder(), task, place, self.get_local_path) for task in tasks]

    return MaskDesk


def _predicted(
    finder: Finder, task: Mapping[str, Json], place: Place, local_path: Callable[..., str]
) -> dict[str, Json]:
    address = task["data"].get(place.key)
    if not isinstance(address, str):
        raise InputError(f"task {task.get('id')}: expected the address of an image under {place.key!r}")
    # Cloud storage is asked for by task; older releases of label-studio-ml cannot.
    more = {"task_id": task.get("id")} if "task_id" in inspect.signature(local_path).parameters else {}
    image = read_image(local_path(address, **more), name=address)
    found = finder.find(image.pixels)
    version = f"MaskDesk {finder.model.key}"
    return prediction(found, image.size, finder.categories, place, version)


def _base() -> type:
    try:
        base: type = import_module("label_studio_ml.model").LabelStudioMLBase
    except ImportError as error:
        raise InputError(
            f"Label Studio's backend needs the package label-studio-ml ({error}): pip install "
            "git+https://github.com/HumanSignal/label-studio-ml-backend.git"
        ) from error
    return base
