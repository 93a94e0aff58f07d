"""The score threshold: hits as COCO counts them, and the best F1."""

import numpy as np
import pytest

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.training.photos.threshold import Hits, best_threshold, hits_of


def square(left, score=None, *, image=1, category=1, side=10, crowd=False):
    mask = np.zeros((20, 60), np.bool_)
    mask[:side, left : left + side] = True
    return Instance(image, category, Rle.from_mask(mask), score, is_crowd=crowd)


def test_each_object_is_found_once_by_the_best_score():
    truth = [square(0), square(20), square(40, image=2)]
    found = [
        square(1, 0.5),
        square(0, 0.6),
        square(20, 0.9, category=2),
        square(40, 0.7, image=2),
        square(50, 0.2),
    ]
    hits = hits_of(truth, found)
    assert hits.objects == 3
    assert dict(zip(hits.scores, hits.hits, strict=True)) == {
        0.9: False,
        0.7: True,
        0.6: True,
        0.5: False,
        0.2: False,
    }


def test_what_lies_in_a_crowd_counts_neither_way():
    truth = [square(0), square(20, crowd=True, side=20)]
    hits = hits_of(truth, [square(0, 0.9), square(22, 0.8), square(50, 0.7)])
    assert (hits.scores, hits.hits, hits.objects) == ((0.9, 0.7), (True, False), 1)


def test_the_best_threshold_weighs_precision_and_recall():
    hits = Hits((0.9, 0.8, 0.42, 0.3, 0.2, 0.1), (True, True, True, False, False, False), 3)
    assert hits.f1(0.4) == pytest.approx(1.0) and hits.f1(0.05) == pytest.approx(2 * 3 / 9)
    assert best_threshold(hits) == 0.3, "scores above it are shown"
    assert best_threshold(Hits((), (), 0)) == 0.05
