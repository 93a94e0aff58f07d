from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.drawing.instances import colors_of, cut_out, cut_out_thumbnail, render
from maskrcnn_core.drawing.style import Style
from tests.builders.core import disc
from tests.builders.formats import HEIGHT, WIDTH, make_instances

NAMES = {1: "person", 3: "car", 18: "dog", 90: "toothbrush"}
GREY = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)


def only(**changes):
    return Style(**{"masks": False, "contours": False, "boxes": False, "labels": False} | changes)


def test_masks_are_blended_inside_and_nowhere_else():
    instance = make_instances()[1]
    drawn = render(GREY, [instance], NAMES, only(masks=True, opacity=0.25))
    inside = instance.mask.to_mask()
    color = np.array(colors_of([instance], "instance")[0])
    assert np.array_equal(drawn[~inside], GREY[~inside])
    assert np.abs(drawn[inside] - (0.75 * 100 + 0.25 * color)).max() <= 1


def test_the_better_scored_lies_on_top():
    first, second = make_instances()[:2]
    second = replace(second, mask=disc(HEIGHT, WIDTH, 24, 26, 12))
    drawn = render(GREY, [first, second], NAMES, only(masks=True, opacity=1.0))
    both = first.mask.to_mask() & second.mask.to_mask()
    assert both.any()
    assert (drawn[both] == colors_of([first, second], "instance")[0]).all()


def test_contours_are_the_rim_of_the_mask():
    instance = make_instances()[0]
    drawn = render(GREY, [instance], NAMES, only(contours=True))
    changed = (drawn != GREY).any(axis=2)
    mask = instance.mask.to_mask()
    padded = np.pad(mask, 1)
    core = mask & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    assert np.array_equal(changed, mask & ~core)


def test_the_source_is_never_changed_and_nothing_drawn_is_the_source():
    before = GREY.copy()
    assert np.array_equal(render(GREY, make_instances(), NAMES, only()), GREY)
    render(GREY, make_instances(), NAMES)
    assert np.array_equal(GREY, before)


def test_a_colour_splash_in_the_viewer_changes_no_picture_of_instances():
    instances = make_instances()
    assert np.array_equal(render(GREY, instances, NAMES, Style(splash=True)), render(GREY, instances, NAMES))


@pytest.mark.parametrize("part", ["boxes", "labels"])
def test_boxes_and_labels_leave_marks(part):
    assert (render(GREY, make_instances(), NAMES, only(**{part: True})) != GREY).any()


def test_colors_follow_the_row_or_the_category():
    instances = make_instances()
    by_category = colors_of(instances, "category")
    assert by_category[3] == by_category[4] != by_category[0]
    assert len(set(colors_of(instances, "instance"))) == len(instances)
    # Dropping one does not change another's color.
    assert colors_of(instances[1:], "instance") == colors_of(instances, "instance")[1:]


def test_a_cut_out_is_transparent_outside_the_mask():
    instance = make_instances()[1]
    cut = cut_out(GREY, instance)
    assert np.array_equal(cut[:, :, 3] == 255, instance.mask.crop())


def test_a_thumbnail_is_the_cut_out_made_small():
    large = replace(make_instances()[0], mask=disc(600, 900, 300, 400, 280))
    picture = cut_out_thumbnail(np.full((600, 900, 3), 100, np.uint8), large, 40)
    assert picture.shape == (40, 40, 4)
    assert picture[20, 20].tolist() == [100, 100, 100, 255]
    assert picture[0, 0, 3] == 0
    small = cut_out_thumbnail(GREY, make_instances()[3], 40)
    assert small.shape == (1, 1, 4)
