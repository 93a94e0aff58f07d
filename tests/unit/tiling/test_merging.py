"""Objects of tiles become those of the picture, at the pixel."""

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.tiling.merging import Pieces, merge_pieces
from maskrcnn_core.tiling.planning import plan_tiles

SIZE = (150, 210)


def ellipse(y, x, ry, rx):
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((rows - y) / ry) ** 2 + ((columns - x) / rx) ** 2 <= 1


def in_one_piece(mask):
    """The largest connected part."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    return labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax() if len(stats) > 1 else mask


def found_in(tiles, masks, labels=None, scores=None):
    """What a perfect network finds: of each object what a tile sees of it."""
    found = []
    for number, tile in enumerate(tiles):
        for place, mask in enumerate(masks):
            part = mask[tile.top : tile.bottom, tile.left : tile.right]
            if part.any():
                label = labels[place] if labels else 1
                score = scores[place] if scores else 0.9 - place / 1000
                found.append((number, label, score, Rle.from_mask(np.ascontiguousarray(part))))
    return found


def merged(tiles, found):
    pieces = Pieces.of(tiles, found, SIZE)
    return pieces, merge_pieces(pieces, tiles)


def masks_of(tiles, found):
    pieces, objects = merged(tiles, found)
    return {one.mask(pieces, SIZE).counts for one in objects}


def counts(masks):
    return {Rle.from_mask(mask).counts for mask in masks}


@st.composite
def scenes(draw):
    """Objects that do not touch each other, of any size, and tiles that cut some of them."""
    taken = np.zeros(SIZE, np.bool_)
    masks = []
    for _ in range(draw(st.integers(0, 12))):
        place = draw(st.integers(0, SIZE[0] - 1)), draw(st.integers(0, SIZE[1] - 1))
        mask = in_one_piece(ellipse(*place, draw(st.floats(1, 60)), draw(st.floats(1, 60))) & ~taken)
        if mask.any():
            masks.append(mask)
            taken |= mask
    side = draw(st.integers(30, 120))
    return masks, plan_tiles(SIZE, side, draw(st.integers(side // 4, side // 2)))


@settings(deadline=None, max_examples=80)
@given(scenes())
def test_joined_masks_equal_the_whole_ones(scene):
    masks, tiles = scene
    assert masks_of(tiles, found_in(tiles, masks)) == counts(masks)


def test_an_object_away_from_seams_is_what_its_tile_found():
    tiles = plan_tiles(SIZE, 100, 20)
    mask = ellipse(30, 30, 9, 12)
    pieces, (only,) = merged(tiles, found_in(tiles, [mask]))
    assert only.parts == (only.best,) == only.same and not only.is_cut
    assert only.mask(pieces, SIZE) == Rle.from_mask(mask)


def test_the_better_scored_of_two_whole_ones_stays_as_it_is():
    tiles = plan_tiles(SIZE, 120, 60)
    inner = ellipse(40, 100, 8, 8)
    near = ellipse(41, 100, 9, 8)
    found = found_in(tiles, [inner], scores=[0.6])
    number, tile = found[0][0], tiles[found[0][0]]
    part = np.ascontiguousarray(near[tile.top : tile.bottom, tile.left : tile.right])
    found[0] = (number, 1, 0.95, Rle.from_mask(part))
    assert len(found) > 1
    pieces, (only,) = merged(tiles, found)
    assert only.mask(pieces, SIZE) == Rle.from_mask(near)
    assert float(pieces.scores[only.best]) == np.float32(0.95)


def test_a_whole_one_goes_before_a_better_scored_cut_one():
    tiles = plan_tiles(SIZE, 120, 60)
    mask = ellipse(40, 118, 10, 14)
    found = [
        (number, label, 0.99 if tiles[number].right < 132 else 0.4, part)
        for number, label, _, part in found_in(tiles, [mask])
    ]
    pieces, (only,) = merged(tiles, found)
    assert only.mask(pieces, SIZE) == Rle.from_mask(mask)
    assert float(pieces.scores[only.best]) == np.float32(0.4)


def test_categories_do_not_mix_and_neighbours_stay_two():
    tiles = plan_tiles(SIZE, 100, 30)
    left, right = ellipse(40, 80, 15, 10), ellipse(40, 101, 15, 10)
    assert masks_of(tiles, found_in(tiles, [left, right & ~left])) == counts([left, right & ~left])
    both = found_in(tiles, [left, left], labels=[1, 2])
    assert len(merged(tiles, both)[1]) == 2


def test_what_only_one_tile_found_of_a_cut_object_says_so():
    tiles = plan_tiles(SIZE, 100, 20)
    mask = ellipse(40, 100, 15, 40)
    found = [one for one in found_in(tiles, [mask]) if one[0] == 0]
    _, (only,) = merged(tiles, found)
    assert only.is_cut


def test_a_cut_piece_within_another_object_is_a_part_of_it():
    tiles = plan_tiles(SIZE, 100, 40)
    mask = ellipse(40, 90, 20, 30)
    found = found_in(tiles, [mask])
    tile = tiles[0]
    sliver = mask & (np.mgrid[: SIZE[0], : SIZE[1]][1] >= 92)
    part = np.ascontiguousarray(sliver[tile.top : tile.bottom, tile.left : tile.right])
    found = [one for one in found if one[0] != 0] + [(0, 1, 0.99, Rle.from_mask(part))]
    assert len(merged(tiles, found)[1]) == 1


def test_nothing_gives_nothing():
    tiles = plan_tiles(SIZE, 100, 20)
    assert merged(tiles, [])[1] == []
