"""Drawn scenes: what a seed gives, and that the ground truth is exact."""

import numpy as np
import pytest

from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.images import read_image
from maskrcnn_core.scenes import SCENE_CATEGORIES, draw_scene, write_scenes


@pytest.mark.parametrize("seed", range(6))
def test_a_seed_is_a_scene(seed):
    one, other = draw_scene(seed), draw_scene(seed)
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.category_ids, one.masks) == (other.category_ids, other.masks)
    assert not np.array_equal(one.pixels[:256, :256], draw_scene(seed + 1).pixels[:256, :256])


@pytest.mark.parametrize("seed", range(20))
def test_masks_are_what_can_be_seen(seed):
    scene = draw_scene(seed)
    height, width = scene.pixels.shape[:2]
    assert 256 <= height <= 512 and 256 <= width <= 512
    assert len(scene.masks) == len(scene.category_ids) <= 18
    claimed = sum((mask.to_mask().astype(int) for mask in scene.masks), np.zeros((height, width), int))
    assert claimed.max() <= 1, "no pixel belongs to two shapes"
    for mask, category_id in zip(scene.masks, scene.category_ids, strict=True):
        assert mask.size == (height, width)
        assert mask.area >= 50, "every shape has enough pixels to tell what it is"
        assert category_id in {category.id for category in SCENE_CATEGORIES}


def test_seeds_give_every_shape_and_many_sizes():
    scenes = [draw_scene(seed) for seed in range(40)]
    counts = np.bincount([c for scene in scenes for c in scene.category_ids], minlength=4)
    assert counts[1:].min() > 0.2 * counts.sum()
    areas = [mask.area for scene in scenes for mask in scene.masks]
    assert min(areas) < 300 and max(areas) > 6000


def test_written_scenes_read_back_exactly(tmp_path):
    steps = []
    dataset = write_scenes(tmp_path / "drawn", [5, 3], lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    read, refusals = read_coco((tmp_path / "drawn" / "instances.json").read_bytes())
    assert refusals == []
    assert read.images == dataset.images and read.categories == dataset.categories
    assert [i.mask for i in read.instances] == [i.mask for i in dataset.instances]
    pixels = read_image(tmp_path / "drawn" / "images" / dataset.images[0].file_name).pixels
    assert np.array_equal(pixels, draw_scene(5).pixels)
