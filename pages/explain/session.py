"""What a session has chosen on the page that explains the network, and what it has traced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cachetools import LRUCache

from maskrcnn_core.images.reading import Stretch
from pages.components.stepper import Steps

if TYPE_CHECKING:  # every page has this state, and not every page needs torch
    from maskrcnn_core.evaluation.image_truth import ImageTruth
    from maskrcnn_core.explain.trace import PartTime, Trace

__all__ = ["ExplainUi", "Taken", "TraceKey"]

TraceKey = tuple[str, Stretch, str]
"""Digest of an image, how dim ones are seen, and digest of a model."""

_TRACED = 2  # of some 50 MB for a ResNet-50
_PICTURES = 6


@dataclass(frozen=True)
class Taken:
    """A box that was taken as an instance.

    Args:
        project_id, image_id, instance_id: the store's ids.
        said: what is told of it.
    """

    project_id: int
    image_id: int
    instance_id: int
    said: str


@dataclass
class ExplainUi:
    """What one browser session does on the page.

    Attributes:
        at: index of the stage in the table.
        round: part of the list's key: counts moves that were not made in the list.
        steps: what was taken in of the buttons that go through the stages.
        is_addressed: whether the page's address has been followed.
        choices: values of the panels' controls, by their key.
        traced: the last traces, by image, its stretch and model.
        measured: how long the parts took in a later run, likewise.
        pictures: the image as the panels show it, by digest and stretch.
        truths: what drawn scenes and files say of images, by digest.
        truth_round: part of the key of the upload of such a file.
        truth_refused: why the last such file could not be used; empty if it could.
        seed: of the next drawn scene.
        drawn: the last box around something missed, by what is looked at.
        taken: what became of boxes that were taken as instances, by what was looked at and the box.
    """

    at: int = 0
    round: int = 0
    steps: Steps = field(default_factory=Steps)
    is_addressed: bool = False
    choices: dict[str, object] = field(default_factory=dict)
    traced: LRUCache[TraceKey, Trace] = field(default_factory=lambda: LRUCache(_TRACED))
    measured: dict[TraceKey, tuple[PartTime, ...]] = field(default_factory=dict)
    pictures: LRUCache[tuple[str, Stretch], bytes] = field(default_factory=lambda: LRUCache(_PICTURES))
    truths: dict[str, ImageTruth] = field(default_factory=dict)
    truth_round: int = 0
    truth_refused: str = ""
    seed: int = 1
    drawn: dict[str, tuple[float, float, float, float]] = field(default_factory=dict)
    taken: dict[tuple[str, tuple[float, float, float, float]], Taken] = field(default_factory=dict)
