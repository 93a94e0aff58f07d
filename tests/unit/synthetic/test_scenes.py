"""Drawn scenes: what a seed gives, and that the ground truth is exact."""

from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.synthetic.canvas import OVER, Canvas
from maskrcnn_core.synthetic.microscopy import (
    FLUORESCENCE,
    TISSUE,
    Micrograph,
    draw_fluorescence,
    draw_tissue,
)
from maskrcnn_core.synthetic.scenes import SCENE_KINDS, draw_scene, write_scenes

MICROSCOPY = ("fluorescence", "tissue")


def test_the_table_of_kinds_is_sound():
    assert len({kind.key for kind in SCENE_KINDS}) == len(SCENE_KINDS) == 3
    assert all(kind.title and kind.categories for kind in SCENE_KINDS)
    with pytest.raises(KeyError, match="'cats': expected one of shapes, fluorescence"):
        draw_scene(0, "cats")


@pytest.mark.parametrize("kind", [kind.key for kind in SCENE_KINDS])
@pytest.mark.parametrize("seed", range(3))
def test_a_seed_is_a_scene(seed, kind):
    one, other = draw_scene(seed, kind), draw_scene(seed, kind)
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.category_ids, one.masks) == (other.category_ids, other.masks)
    assert not np.array_equal(one.pixels[:256, :256], draw_scene(seed + 1, kind).pixels[:256, :256])


@pytest.mark.parametrize(
    ("seed", "kind", "least", "most"),
    [(seed, "shapes", 50, 18) for seed in range(20)]
    + [(seed, kind, 20, 400) for seed in range(4) for kind in MICROSCOPY],
)
def test_masks_are_what_can_be_seen(seed, kind, least, most):
    scene = draw_scene(seed, kind)
    height, width = scene.pixels.shape[:2]
    assert 256 <= height <= 512 and 256 <= width <= 512
    assert 3 <= len(scene.masks) == len(scene.category_ids) <= most
    claimed = sum((mask.to_mask().astype(int) for mask in scene.masks), np.zeros((height, width), int))
    assert claimed.max() == 1, "no pixel belongs to two instances"
    for mask, category_id in zip(scene.masks, scene.category_ids, strict=True):
        assert mask.size == (height, width)
        assert mask.area >= least, "every instance has enough pixels to tell what it is"
        row = next(row for row in SCENE_KINDS if row.key == kind)
        assert category_id in {category.id for category in row.categories}


@pytest.mark.parametrize(
    ("draw", "look", "is_brighter"),
    [(draw_fluorescence, FLUORESCENCE, True), (draw_tissue, TISSUE, False)],
)
def test_masks_of_nuclei_lie_where_their_pixels_are(draw, look, is_brighter):
    """Compared with the image itself, drawn without blur and noise: no mask is moved, grown or swapped."""
    image = draw(Canvas(5, (240, 320)), replace(look, blur=0, noise=0))
    grey = image.pixels.astype(float).mean(axis=2)
    masks = image.masks()
    assert len(masks) > 8
    inside, outside = np.zeros(grey.shape, bool), np.ones(grey.shape, bool)
    for mask in masks:
        inside |= mask
        outside &= ~mask
    middle = (np.median(grey[inside]) + np.median(grey[outside])) / 2
    seen = grey > middle if is_brighter else grey < middle
    assert (seen & inside).sum() / (seen | inside).sum() > (0.75 if is_brighter else 0.9)


def test_half_a_pixel_counts_and_of_two_halves_the_first():
    owner = np.full((10 * OVER, 10 * OVER), -1)
    owner[: 9 * OVER, : 5 * OVER + 1] = 4  # half of column 5
    owner[: 9 * OVER, 5 * OVER + 1 :] = 2  # and the other half
    owner[9 * OVER + 1 :, :] = 7  # half of the last row, too few pixels to be kept
    masks = Micrograph(np.zeros((10, 10, 3), np.uint8), owner).masks()
    assert [int(mask.sum()) for mask in masks] == [9 * 5, 9 * 5]
    assert masks[0][:9, 5:].all() and masks[1][:9, :5].all()


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


@pytest.mark.parametrize("kind", MICROSCOPY)
def test_written_microscopy_reads_back_exactly(tmp_path, kind):
    write_scenes(tmp_path, [8], kind=kind)
    read, refusals = read_coco((tmp_path / "instances.json").read_bytes())
    assert refusals == []
    assert [category.name for category in read.categories] == ["nucleus"]
    assert tuple(i.mask for i in read.instances) == draw_scene(8, kind).masks
