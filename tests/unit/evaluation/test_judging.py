"""A model's detections and somebody's objects meet by the names of their categories."""

import numpy as np

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import LabelMap
from maskrcnn_core.evaluation.image_truth import ImageTruth
from maskrcnn_core.evaluation.judging import judge
from tests.builders.core import disc

SIZE = (60, 80)
CAT, DOG, BIRD = disc(*SIZE, 20, 20, 8), disc(*SIZE, 40, 50, 9), disc(*SIZE, 10, 60, 6)
LABELS = LabelMap.from_names(["dog", "cat", "car"])  # ids 1, 2, 3
TRUTH = ImageTruth(("cat", "dog", "bird"), (CAT, DOG, BIRD), (False,) * 3, ("bird", "cat", "dog"), "drawn")


def found(*pairs):
    return [Instance(1, id_, mask, 0.9 - 0.1 * n) for n, (id_, mask) in enumerate(pairs)]


def test_ids_of_the_two_sides_do_not_matter():
    judged = judge(TRUTH, found((2, CAT), (2, DOG)), LABELS)
    matches = judged.comparison.at(0.5)
    assert matches.found_fates == ("right", "wrong category")
    assert [judged.names[i] for i in judged.comparison.found.category_ids] == ["cat", "cat"]
    assert [judged.names[i] for i in judged.comparison.truth.category_ids] == list(TRUTH.names)


def test_what_either_side_does_not_know_is_counted_and_said():
    judged = judge(TRUTH, found((2, CAT), (3, BIRD), (3, DOG)), LABELS)
    assert dict(judged.unjudged) == {"car": 2} and dict(judged.unknown) == {"bird": 1}
    assert len(judged.comparison.found) == 1 and len(judged.comparison.truth) == 3
    told = list(judged.sentences())
    assert "2 detections are left out, of categories that the ground truth does not have: car (2)." in told
    assert "1 object of categories that the model does not know count as missed: bird (1)." in told or any(
        "bird (1)" in sentence for sentence in told
    )


def test_objects_of_categories_that_are_switched_off_are_left_out():
    judged = judge(TRUTH, found((2, CAT)), LABELS, labels=frozenset({2}))
    assert dict(judged.hidden) == {"dog": 1} and judged.objects == (0, 2)
    assert any("switched off: dog (1)" in sentence for sentence in judged.sentences())


def test_crowds_and_notes_are_said_and_do_not_count_as_unknown():
    truth = ImageTruth(("bird",), (BIRD,), (True,), ("bird",), "drawn", ("something was refused",))
    judged = judge(truth, [], LABELS)
    assert not judged.unknown
    told = list(judged.sentences())
    assert told[0].startswith("1 region of many objects") and told[-1] == "something was refused"


def test_nothing_on_either_side():
    nothing = ImageTruth((), (), (), ("cat",), "drawn")
    assert judge(nothing, [], LABELS).comparison.ious.shape == (0, 0)
    judged = judge(nothing, found((2, CAT)), LABELS)
    assert judged.comparison.at(0.5).found_fates == ("wrong",)
    assert list(judge(TRUTH, [], LABELS).comparison.at(0.5).truth_fates) == ["missed"] * 3


def test_boxes_are_compared_where_they_are_asked_for():
    moved = [Instance(1, 2, CAT, 0.9, (0.0, 0.0, 3.0, 3.0))]
    assert judge(TRUTH, moved, LABELS).comparison.at(0.5).found_fates == ("right",)
    assert judge(TRUTH, moved, LABELS, kind="bbox").comparison.at(0.5).found_fates == ("wrong",)
    assert np.array_equal(judge(TRUTH, moved, LABELS, kind="bbox").comparison.found.boxes[0], [0, 0, 3, 3])
