"""A model as other programs use it."""

import numpy as np
import pytest

from maskrcnn_core.errors import InputError
from maskrcnn_core.integrations.finder import Finder
from maskrcnn_core.models.catalog import SHAPES_FILE
from maskrcnn_core.synthetic.scenes import draw_scene


@pytest.fixture(scope="module")
def finder():
    return Finder("shapes", device="cpu")


def test_scores_are_at_least_what_is_asked_for(finder):
    pixels = draw_scene(3).pixels
    every = finder.find(pixels, 0.05)
    assert len(every) > 1
    middle = sorted(one.score for one in every)[len(every) // 2]
    some = finder.find(pixels, middle)
    assert min(one.score for one in some) == middle
    assert finder.find(pixels, 1.0) == () or min(one.score for one in finder.find(pixels, 1.0)) == 1.0
    usual = finder.find(pixels)
    assert all(one.score > finder.score_threshold for one in usual)


def test_a_file_of_weights_is_taken_with_its_card(finder):
    again = Finder(str(SHAPES_FILE), device="cpu")
    assert again.categories == finder.categories
    pixels = draw_scene(3).pixels
    assert [one.mask for one in again.find(pixels)] == [one.mask for one in finder.find(pixels)]


def test_an_unknown_model_is_refused():
    with pytest.raises(InputError, match="nothing-like-it"):
        Finder("nothing-like-it")


def test_an_image_without_objects_gives_none(finder):
    assert finder.find(np.full((64, 64, 3), 128, np.uint8)) == ()
