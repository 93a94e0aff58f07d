"""Ground truth for training: read with distrust, in an order that the seed decides."""

import json

import numpy as np
import pytest

from maskrcnn_core.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.categories import Category, LabelMap
from maskrcnn_core.errors import DatasetError, InputError
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.images import encode_png
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.data import (
    TrainingImages,
    batches,
    joint_categories,
    read_ground_truth,
    seed_of,
)
from tests.core.builders import disc, make_image
from tests.training.builders import make_scenes


def write(folder, dataset, sizes=None):
    folder.mkdir(exist_ok=True)
    for record in dataset.images:
        height, width = (sizes or {}).get(record.file_name, record.size)
        (folder / record.file_name).write_bytes(encode_png(make_image(height, width)))
    file = folder / "truth.json"
    file.write_text(json.dumps(coco_document(dataset)))
    return file


def make_dataset(names=("cat", "dog"), count=3):
    images = tuple(ImageRecord(n, f"{n}.png", 80, 60) for n in range(1, count + 1))
    instances = tuple(
        Instance(n, 5 + (n % len(names)), disc(60, 80, 30, 40, 12, hole=4)) for n in range(1, count + 1)
    )
    return Dataset(images, tuple(Category(5 + k, name) for k, name in enumerate(names)), instances)


def images_of(truths, crop=64, seed=0):
    label_map = LabelMap.contiguous(joint_categories(truths))
    return TrainingImages(truths, label_map, Augmentation(crop=crop), (64, 128), seed)


def test_images_that_cannot_be_used_are_named_and_the_rest_is_kept(tmp_path):
    file = write(tmp_path / "a", make_dataset(count=5), {"2.png": (33, 44)})
    (tmp_path / "a" / "3.png").unlink()
    (tmp_path / "a" / "4.png").write_bytes(b"no image")
    whole = (tmp_path / "a" / "5.png").read_bytes()
    (tmp_path / "a" / "5.png").write_bytes(whole[: len(whole) // 2])
    seen = []
    truth = read_ground_truth(file, tmp_path / "a", on_progress=lambda *at: seen.append(at))
    assert seen == [(n, 5) for n in range(1, 6)]
    assert [record.file_name for record in truth.dataset.images] == ["1.png"]
    assert {i.image_id for i in truth.dataset.instances} == {1}
    told = "\n".join(map(str, truth.refusals))
    assert "2.png: the file says 80 x 60 pixels, the image has 44 x 33" in told
    assert "3.png: the image is not in the folder" in told
    assert "4.png: " in told and "4.png: 4.png" not in told
    assert "5.png: " in told, "half a file is noticed before training begins"


@pytest.mark.parametrize("name", ["../1.png", "/etc/passwd", "a\0b.png", "x" * 5000])
def test_images_outside_the_folder_are_not_reached(tmp_path, name):
    file = write(tmp_path / "a", make_dataset(count=2))
    document = json.loads(file.read_text())
    document["images"][1]["file_name"] = name
    file.write_text(json.dumps(document))
    (tmp_path / "1.png").write_bytes(encode_png(make_image(60, 80)))
    truth = read_ground_truth(file, tmp_path / "a")
    assert len(truth.dataset.images) == 1
    assert "not in the folder" in str(truth.refusals[-1])


def test_what_cannot_be_read_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot read"):
        read_ground_truth(tmp_path / "none.json", tmp_path)
    file = write(tmp_path / "a", make_dataset())
    with pytest.raises(InputError, match="wanted the folder"):
        read_ground_truth(file, tmp_path / "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"none of the 3 images .* can be used; 1\.png: the image is not"):
        read_ground_truth(file, tmp_path / "empty")
    file.write_text("{")
    with pytest.raises(DatasetError, match=r"truth\.json: this is no JSON, or only a part of a file"):
        read_ground_truth(file, tmp_path / "a")


def test_licences_are_kept_for_the_card(tmp_path):
    file = write(tmp_path / "a", make_dataset())
    document = json.loads(file.read_text())
    document["licenses"] = [{"id": 1, "name": "CC0 1.0"}, {"id": 2}, "x", {"name": "CC0 1.0"}]
    file.write_text(json.dumps(document))
    assert read_ground_truth(file, tmp_path / "a").licences == ("CC0 1.0",)


def test_categories_of_several_files_are_joined_by_name(tmp_path):
    one = read_ground_truth(write(tmp_path / "a", make_dataset(("cat", "dog"))), tmp_path / "a")
    assert joint_categories([one]) == (Category(5, "cat"), Category(6, "dog")), "ids stay where they can"
    other = read_ground_truth(write(tmp_path / "b", make_dataset(("dog", "fox"))), tmp_path / "b")
    joint = joint_categories([one, other])
    assert joint == (Category(1, "cat"), Category(2, "dog"), Category(3, "fox"))
    images = images_of([one, other])
    labels = {label for key in images.order(0) for label in images[key][1]["labels"].tolist()}
    assert labels == {1, 2, 3}


def test_crowds_and_empty_masks_are_left_out(tmp_path):
    dataset = make_dataset(count=2)
    crowd = Instance(1, 5, disc(60, 80, 20, 20, 9), is_crowd=True)
    full = Dataset(dataset.images, dataset.categories, (*dataset.instances, crowd))
    document = coco_document(full)
    for row, instance in zip(document["annotations"], full.instances, strict=True):
        row["iscrowd"] = int(instance.is_crowd)
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", full).write_text(json.dumps(document))
    images = images_of([read_ground_truth(tmp_path / "a" / "truth.json", tmp_path / "a")], crop=256)
    assert all(len(images[key][1]["labels"]) == 1 for key in images.order(0))


def test_nothing_to_learn_from_is_said(tmp_path):
    bare = make_dataset()
    file = write(tmp_path / "a", Dataset(bare.images, bare.categories, ()))
    with pytest.raises(InputError, match="none of the images holds an instance"):
        images_of([read_ground_truth(file, tmp_path / "a")])


def test_order_and_samples_depend_on_seed_and_epoch_alone(tmp_path):
    truth = make_scenes(tmp_path)
    one, same, other = images_of([truth]), images_of([truth]), images_of([truth], seed=1)
    assert one.order(0) == same.order(0) and len(one.order(0)) == one.count()
    assert [k[2] for k in one.order(0)] != [k[2] for k in one.order(1)]
    assert [k[2] for k in one.order(0)] != [k[2] for k in other.order(0)]
    key = one.order(0)[3]
    for _ in range(2):  # whatever was asked for in between
        assert np.array_equal(one[key][0].numpy(), same[key][0].numpy())
        same[same.order(0)[0]]
    assert {k[2] for k in one.order(0)} == set(range(4)), "every image is seen in every epoch"


def test_large_images_are_seen_more_often_than_small_ones(tmp_path):
    images = images_of([make_scenes(tmp_path)], crop=32)
    assert images.count() > 4 * 2


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_can_begin_anywhere_in_an_epoch(tmp_path, workers):
    images = images_of([make_scenes(tmp_path)], crop=32)
    whole = list(batches(images, 0, 0, 2, workers))
    rest = list(batches(images, 0, 2, 2, workers))
    assert len(whole) == images.count() // 2 and len(rest) == len(whole) - 2
    for (a, _), (b, _) in zip(whole[2:], rest, strict=True):
        assert all(np.array_equal(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_told_in_one_sentence(tmp_path, workers):
    file = write(tmp_path / "a", make_dataset(count=2))
    images = images_of([read_ground_truth(file, tmp_path / "a")])
    for name in ("1.png", "2.png"):
        data = (tmp_path / "a" / name).read_bytes()
        (tmp_path / "a" / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError) as caught:
        list(batches(images, 0, 0, 2, workers))
    assert str(caught.value).startswith(("1.png: ", "2.png: ")) and "\n" not in str(caught.value)


def test_seeds_differ_with_every_part():
    seeds = {seed_of(0, "step", 1), seed_of(0, "step", 2), seed_of(1, "step", 1), seed_of(0, "order", 1)}
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)
