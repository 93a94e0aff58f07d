"""Labels of a rendered picture: drawn where there is room, so that hundreds of them do not hide it."""

import numpy as np

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.drawing.instances import render
from maskrcnn_core.drawing.style import Style
from tests.builders.core import disc

NAMES = {1: "nucleus"}
SIZE = (600, 800)
LABELS = Style(masks=False, contours=False, boxes=False)


def crowd(step):
    """Discs of radius 12 on a grid, by descending score."""
    centres = [(y, x) for y in range(30, 580, step) for x in range(30, 780, step)]
    return [Instance(1, 1, disc(*SIZE, y, x, 12), 0.9 - 1e-4 * n, row=n) for n, (y, x) in enumerate(centres)]


def covered(instances):
    """Which pixels the labels cover."""
    return (render(np.zeros((*SIZE, 3), np.uint8), instances, NAMES, LABELS) != 0).any(axis=2)


def test_a_label_hides_little_of_any_other_instance():
    instances = crowd(30)
    assert len(instances) > 400
    labels = covered(instances)
    for instance in instances:
        x, y, width, height = instance.box_xywh
        hidden = labels[y : y + height, x : x + width].mean()
        assert hidden <= 0.5, "at most one label on each side"
    assert labels.mean() < 0.05


def test_every_instance_has_its_label_where_there_is_room():
    instances = crowd(140)
    alone = sum(covered([instance]).sum() for instance in instances)
    assert covered(instances).sum() == alone


def test_the_better_scored_of_two_in_one_place_has_the_label():
    first, second = (Instance(1, 1, disc(*SIZE, 300, 300, 40), score, row=5) for score in (0.9, 0.6))
    both = render(np.zeros((*SIZE, 3), np.uint8), [first, second], NAMES, LABELS)
    one = render(np.zeros((*SIZE, 3), np.uint8), [first], NAMES, LABELS)
    box = first.box_xywh
    above = slice(0, box[1])
    assert np.array_equal(both[above], one[above])
