"""A model's detections on one image against what is known of it; categories are the same by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from maskrcnn_core.common.one_line import counted
from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.dataset.category_maps import listed
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.evaluation.counting import Kind
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.evaluation.matching import Comparison, compare_image

__all__ = ["Judgement", "judge"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """Detections and objects of one image, under common category ids.

    Args:
        comparison: of the two.
        names: category id to name.
        objects: int64 ``[G]``, which object of the truth each of the comparison is.
        unjudged: detections, by name, of categories that the truth does not tell apart: left out.
        unknown: objects, crowds left out, by name of each category that the model does not know: missed.
        hidden: objects, crowds left out, by name of each category that is switched off: left out.
        notes: what of the truth's source was left out.
    """

    comparison: Comparison
    names: Mapping[int, str]
    objects: tuple[int, ...]
    unjudged: Mapping[str, int]
    unknown: Mapping[str, int]
    hidden: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def sentences(self) -> Iterator[str]:
        """Yield what is left out, and what could not be found, with counts."""
        if self.unjudged:
            yield (
                f"{counted(sum(self.unjudged.values()), 'detection is', 'detections are')} left out, of "
                f"categories that the ground truth does not have: {_told(self.unjudged)}."
            )
        if self.unknown:
            yield (
                f"{counted(sum(self.unknown.values()), 'object')} of categories that the model does not know "
                f"count as missed: {_told(self.unknown)}."
            )
        if self.hidden:
            yield (
                f"{counted(sum(self.hidden.values()), 'object is', 'objects are')} left out, of categories "
                f"that are switched off: {_told(self.hidden)}."
            )
        crowds = int(self.comparison.truth.crowds.sum())
        if crowds:
            yield (
                f"{counted(crowds, 'region')} of many objects, or that nobody has decided on: what lies in "
                f"{'it is' if crowds == 1 else 'them is'} ignored."
            )
        yield from self.notes


def _told(counts: Mapping[str, int]) -> str:
    return listed([f"{name} ({count})" for name, count in counts.items()])


def judge(
    truth: ImageTruth,
    found: Sequence[Instance],
    label_map: LabelMap,
    *,
    labels: frozenset[int] | None = None,
    kind: Kind = "segm",
) -> Judgement:
    """Compare a model's detections with what is known of the image.

    Args:
        truth: of the image.
        found: detections, with the model's own category ids.
        label_map: of the model.
        labels: those whose categories are looked for; ``None`` for all.
        kind: whether boxes or masks are compared.
    """
    ids = {name: number for number, name in enumerate(dict.fromkeys((*truth.known, *truth.names)), start=1)}
    of_model = {category.id: category.name for category in label_map}
    shown = {
        category.name
        for category, label in zip(label_map.categories, label_map.labels, strict=True)
        if labels is None or label in labels
    }
    hidden = set(of_model.values()) - shown
    objects = [row for row, name in enumerate(truth.names) if name not in hidden]
    judged = [one for one in found if of_model[one.category_id] in ids]
    sides = _object_columns(truth, objects, ids), _found_columns(judged, ids, of_model)
    size = truth.masks[0].size if truth.masks else judged[0].mask.size if judged else (1, 1)
    plain = [name for name, crowd in zip(truth.names, truth.crowds, strict=True) if not crowd]
    return Judgement(
        compare_image(*sides, size, kind, max_detections=max(len(judged), 1)),
        {number: name for name, number in ids.items()},
        tuple(objects),
        Counter(of_model[one.category_id] for one in found if of_model[one.category_id] not in ids),
        Counter(name for name in plain if name not in shown | hidden),
        Counter(name for name in plain if name in hidden),
        truth.notes,
    )


def _object_columns(truth: ImageTruth, rows: Sequence[int], ids: Mapping[str, int]) -> Columns:
    return Columns.of(
        [Instance(1, ids[truth.names[row]], truth.masks[row], is_crowd=truth.crowds[row]) for row in rows]
    )


def _found_columns(found: Sequence[Instance], ids: Mapping[str, int], of_model: Mapping[int, str]) -> Columns:
    columns = Columns.of(found)
    numbers = np.array([ids[of_model[one.category_id]] for one in found], np.int64)
    return columns.with_ids(np.ones(len(found), np.int64), numbers)
