"""Photos as they are read, and the samples that are drawn from them."""

import numpy as np
import pytest
import torch

from maskrcnn_core.errors import InputError
from maskrcnn_core.training.photos.data import MASK_SIDE, is_held_out, read_photos
from maskrcnn_core.training.photos.losses import mask_targets
from maskrcnn_core.training.photos.samples import collate, draw_mosaic, draw_part
from tests.builders.photos import COLORS, write_photos


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = write_photos(tmp_path_factory.mktemp("photos"))
    return read_photos(folder, folder / "kept")


def test_boxes_labels_and_masks_are_the_files(photos, tmp_path):
    assert len(photos.photos) == 12 and (photos.empty, photos.small, photos.crowds) == (0, 1, 1)
    photo = photos.photos[1]
    assert photo.size == (90, 120) and photo.labels.tolist() == [1, 2, 3]
    squares = photo.masks / 255
    half = MASK_SIDE // 2
    assert squares[:, : half - 2, : half - 2].max() == 0
    assert squares[:, half + 2 : -2, 2:-2].min() == 1 and squares[:, half + 2 :].min() > 0.5
    assert photos.photos[0].crowds.tolist() == [[0, 100, 30, 120]]


def test_masks_are_brought_onto_their_boxes_once(photos, tmp_path):
    folder = write_photos(tmp_path)
    first = read_photos(folder, tmp_path / "kept")
    (kept,) = (tmp_path / "kept").iterdir()
    written = kept.stat().st_mtime_ns
    again = read_photos(folder, tmp_path / "kept")
    assert kept.stat().st_mtime_ns == written
    assert all(np.array_equal(a.masks, b.masks) for a, b in zip(first.photos, again.photos, strict=True))


def test_a_folder_without_photos_is_named(tmp_path):
    with pytest.raises(InputError, match=r"instances\.json\.gz: cannot be read"):
        read_photos(tmp_path, tmp_path)


def test_one_in_25_images_is_held_out_whatever_the_others_are():
    held = [n for n in range(10_000) if is_held_out(n)]
    assert 300 < len(held) < 500 and held[:1] == [n for n in range(held[0] + 1) if is_held_out(n)]


def colors_in(sample, box):
    """The share of a box's pixels whose strongest channel is that of each colour."""
    x1, y1, x2, y2 = np.round(box).astype(int)
    part = sample.pixels[y1:y2, x1:x2].astype(int)
    strong = np.where(np.ptp(part, axis=2) > 40, part.argmax(2), -1)
    return [float((strong == n).mean()) for n in range(3)]


@pytest.mark.parametrize("seed", range(8))
def test_boxes_stay_on_their_squares(photos, seed):
    chance = np.random.default_rng(seed)
    samples = [draw_part(photos.photos[seed], 96, chance)]
    samples.append(draw_mosaic(photos.photos[seed : seed + 4], (128, 160), chance))
    assert samples[1].pixels.shape == (128, 160, 3)
    for sample in samples:
        for box, label in zip(sample.boxes, sample.labels, strict=True):
            if min(box[2] - box[0], box[3] - box[1]) > 12:
                assert colors_in(sample, box)[label - 1] > 0.8
        height, width = sample.pixels.shape[:2]
        assert (sample.boxes >= 0).all() and (sample.boxes <= [width, height, width, height]).all()
    assert len(COLORS) == 3


def test_masks_are_mirrored_with_their_squares(photos):
    """The quarter that is missing from each mask is on the left, and on the right of a mirrored photo."""
    lefts = set()
    for seed in range(20):
        sample = draw_part(photos.photos[1], 96, np.random.default_rng(seed))
        for square in sample.masks:
            upper = square[: MASK_SIDE // 2 - 1]
            lefts.add(bool(upper[:, : MASK_SIDE // 2 - 1].max() == 0))
            assert upper.max() == 255
    assert lefts == {True, False}


def test_crowds_are_painted_grey(photos):
    for seed in range(10):
        sample = draw_part(photos.photos[0], 120, np.random.default_rng(seed))
        batch = collate([sample])
        grey = (batch.images[0] == 0).all(0)
        if grey[: batch.sizes[0][0], : batch.sizes[0][1]].sum() > 100:
            return
    pytest.fail("no sample shows the crowd")


def test_a_batch_holds_its_samples_in_sizes_that_the_strides_divide(photos):
    samples = [draw_part(photo, 64, np.random.default_rng(3)) for photo in photos.photos[:3]]
    batch = collate(samples)
    assert batch.images.shape[2] % 32 == batch.images.shape[3] % 32 == 0
    for image, sample, (height, width) in zip(batch.images, samples, batch.sizes, strict=True):
        wanted = (torch.from_numpy(sample.pixels.copy()).permute(2, 0, 1).float() / 255 - 127 / 255) / (
            128 / 255
        )
        assert torch.allclose(image[:, :height, :width], wanted, atol=1e-6)
        assert not image[:, height:].any() and not image[:, :, width:].any()


def test_mask_targets_are_the_masks_where_regions_are_the_boxes(photos):
    target = {
        "frames": torch.from_numpy(photos.photos[1].boxes),
        "masks": torch.from_numpy(photos.photos[1].masks.copy()).float() / 255,
    }
    rows = torch.tensor([2, 0])
    got = mask_targets([target["frames"][rows], torch.zeros(0, 4)], [rows, rows[:0]], [target, target])
    assert torch.allclose(got, target["masks"][rows], atol=1e-4)
    half = target["frames"][rows]
    half = torch.cat([(half[:, :2] + half[:, 2:]) / 2, half[:, 2:]], 1)  # the lower right quarter
    assert torch.equal(mask_targets([half], [rows], [target])[:, 4:-4, 4:-4], torch.ones(2, 20, 20))
