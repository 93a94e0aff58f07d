"""Ground truth for training: read with distrust, in an order that the seed decides."""

import json
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.dataset.annotations import Dataset, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category, LabelMap
from maskrcnn_core.errors import DatasetError, InputError
from maskrcnn_core.evaluation.ground_truth import joint_categories, read_ground_truth, renumbered
from maskrcnn_core.evaluation.unlearned import Reading
from maskrcnn_core.formats.coco import coco_document
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.training.augmentation import Augmentation, Sample
from maskrcnn_core.training.loading import Batches, TrainingImages, seed_of
from maskrcnn_core.training.views import View
from tests.builders.core import disc, make_image
from tests.builders.training import make_scenes


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
    return TrainingImages(truths, label_map, Augmentation(crop=crop), View(64, 128), seed)


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


@pytest.mark.parametrize("name", ["../1.png", "/etc/passwd", "a\0b.png", "x" * 1000])
def test_images_outside_the_folder_are_not_reached(tmp_path, name):
    file = write(tmp_path / "a", make_dataset(count=2))
    document = json.loads(file.read_text())
    document["images"][1]["file_name"] = name
    file.write_text(json.dumps(document))
    (tmp_path / "1.png").write_bytes(encode_png(make_image(60, 80)))
    truth = read_ground_truth(file, tmp_path / "a")
    assert len(truth.dataset.images) == 1
    assert "not in the folder" in str(truth.refusals[-1])


def test_images_are_found_by_the_rules_of_names_and_through_links(tmp_path):
    file = write(tmp_path / "far", make_dataset(count=4))
    document = json.loads(file.read_text())
    names = ["images\\1.png", "http://host/data/2.png?x=1", "cam1/3.png", "cam2/3.png"]
    for row, name in zip(document["images"], names, strict=True):
        row["file_name"] = name
    folder = tmp_path / "set"
    (folder / "cam2").mkdir(parents=True)
    (folder / "1.png").symlink_to(tmp_path / "far" / "1.png")
    (folder / "linked").symlink_to(tmp_path / "far" / "deep")
    (tmp_path / "far" / "deep").mkdir()
    (tmp_path / "far" / "2.png").rename(tmp_path / "far" / "deep" / "2.png")
    (tmp_path / "far" / "3.png").rename(folder / "cam2" / "3.png")
    (folder / "truth.json").write_text(json.dumps(document))
    truth = read_ground_truth(folder / "truth.json", folder)
    assert [record.file_name for record in truth.dataset.images] == [*names[:2], names[3]]
    paths = [truth.image_file(record).relative_to(folder) for record in truth.dataset.images]
    assert [path.as_posix() for path in paths] == ["1.png", "linked/2.png", "cam2/3.png"]
    assert "cam1/3.png: the image is not in the folder" in "\n".join(map(str, truth.refusals))
    assert len(images_of([truth]).order(0)) >= 3
    (folder / "1.png").unlink()
    with pytest.raises(InputError, match="is no longer in its folder"):
        truth.image_file(truth.dataset.images[0])


def test_sizes_that_the_file_does_not_tell_are_measured_else_its_own_reason_is_told(tmp_path):
    file = write(tmp_path / "a", make_dataset())
    document = json.loads(file.read_text())
    for row in document["images"]:
        del row["width"], row["height"]
    file.write_text(json.dumps(document))
    truth = read_ground_truth(file, tmp_path / "a")
    assert truth.dataset.images == make_dataset().images and truth.refusals == ()
    assert "no width and height; measured in the image file (3 times" in "\n".join(truth.notes)
    (tmp_path / "none").mkdir()
    with pytest.raises(
        InputError, match=r"none of the 3 images .*images\[...\]\.width: expected .* \(3 times"
    ):
        read_ground_truth(file, tmp_path / "none")


def test_what_is_ambiguous_is_left_out_by_name(tmp_path):
    file = write(tmp_path / "a", make_dataset(count=2))
    for folder in ("b", "c"):
        (tmp_path / "a" / folder).mkdir()
        (tmp_path / "a" / folder / "1.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    (tmp_path / "a" / "1.png").unlink()
    truth = read_ground_truth(file, tmp_path / "a")
    assert [record.file_name for record in truth.dataset.images] == ["2.png"]
    assert "b/1.png and c/1.png" in "\n".join(map(str, truth.refusals))


def test_what_cannot_be_read_at_all_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: cannot read"):
        read_ground_truth(tmp_path / "none.json", tmp_path)
    file = write(tmp_path / "a", make_dataset())
    with pytest.raises(InputError, match="expected the folder"):
        read_ground_truth(file, tmp_path / "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"none of the 3 images .* can be used; 1\.png: the image is not"):
        read_ground_truth(file, tmp_path / "empty")
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "images": [], "annotations": []}))
    with pytest.raises(InputError, match=r"truth\.json: this file lists no images"):
        read_ground_truth(file, tmp_path / "a")
    file.write_text("{")
    with pytest.raises(DatasetError, match=r"truth\.json: this is not JSON, or only part of a file"):
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
    # Dog is 6 in one file and 5 in the other, where fox is 6.
    assert joint == (Category(5, "cat"), Category(6, "dog"), Category(7, "fox"))
    assert renumbered([one, other], joint) == [
        "b/truth.json: categories are matched by name, and have other ids in the model: dog 5 -> 6, fox 6 "
        "-> 7"
    ]
    assert renumbered([one], joint_categories([one])) == []
    images = images_of([one, other])
    labels = {label for key in images.order(0) for label in images[key][1]["labels"].tolist()}
    assert labels == {1, 2, 3}


def test_category_ids_stay_those_of_the_file_also_0(tmp_path):
    made = make_dataset(("cat", "dog", "fox"))
    categories = tuple(replace(c, id=id_) for c, id_ in zip(made.categories, (0, 7, 2), strict=True))
    ids = {old.id: new.id for old, new in zip(made.categories, categories, strict=True)}
    instances = tuple(replace(i, category_id=ids[i.category_id]) for i in made.instances)
    file = write(tmp_path / "a", Dataset(made.images, categories, instances))
    truth = read_ground_truth(file, tmp_path / "a")
    assert [c.id for c in joint_categories([truth])] == [0, 7, 2]


# -- what is no ground truth ---------------------------------------------------------------------------


def write_rows(folder, rows, count=1):
    """A file of these annotation rows, and what is read of it."""
    made = make_dataset(count=count)
    file = write(folder, Dataset(made.images, made.categories, ()))
    document = json.loads(file.read_text())
    document["annotations"] = [{"id": n, "image_id": 1} | row for n, row in enumerate(rows, start=1)]
    file.write_text(json.dumps(document))
    return file


def square(x, y, side, **more):
    corners = [x, y, x + side, y, x + side, y + side, x, y + side]
    box = [x, y, side, side]
    return {"category_id": 5, "segmentation": [corners], "bbox": box, "area": side**2, "iscrowd": 0} | more


MARKED = (
    square(0, 0, 10),
    square(20, 0, 10, iscrowd=1),
    square(40, 0, 10, score=0.9, maskdesk={"status": "proposed"}),
    square(60, 0, 10, maskdesk={"status": "rejected"}),
    square(0, 30, 10, category_id=99),
    square(20, 30, 10, score=0.8, maskdesk={"status": "accepted"}),
    square(40, 30, 10, score=0.7),
)


def test_what_is_no_ground_truth_is_sorted_out_with_its_region(tmp_path):
    truth = read_ground_truth(write_rows(tmp_path / "a", MARKED), tmp_path / "a")
    assert [(i.box_xywh[:2], i.is_crowd) for i in truth.dataset.instances] == [
        ((0, 0), False),
        ((20, 0), True),
        ((40, 0), True),
        ((20, 30), False),
        ((40, 30), False),
    ], "evaluators ignore a proposal as they do a crowd"
    assert [(one.reason, one.region.box_xywh) for one in truth.unlearned] == [
        ("crowd", (20, 0, 10, 10)),
        ("proposal", (40, 0, 10, 10)),
        ("refused", (0, 30, 10, 10)),
    ]
    assert (truth.rejected, truth.undecided) == (1, 1)


def test_switches_take_crowds_as_objects_and_proposals_as_ground_truth(tmp_path):
    file = write_rows(tmp_path / "a", MARKED)
    truth = read_ground_truth(file, tmp_path / "a", reading=Reading("objects", with_proposals=True))
    assert [i.box_xywh[:2] for i in truth.dataset.instances if not i.is_crowd] == [
        *((0, 0), (20, 0), (40, 0), (20, 30), (40, 30))
    ]
    assert [one.reason for one in truth.unlearned] == ["refused"]


@pytest.mark.parametrize(
    ("row", "box"),
    [
        ({"bbox": [5, 6, 7, 8]}, (5, 6, 7, 8)),
        ({"bbox": [70, 50, 100, 100]}, (70, 50, 10, 10)),
        ({"segmentation": [[10, 10, 30, 12, 20.5, 30]], "bbox": None}, (10, 10, 20, 20)),
        ({"segmentation": "?", "bbox": ["a", None, 1, 2]}, (0, 0, 80, 60)),
        ({}, (0, 0, 80, 60)),
    ],
)
def test_a_refused_row_is_ignored_where_its_box_or_outline_is_or_else_anywhere(tmp_path, row, box):
    rows = [square(0, 0, 10), {"category_id": 99} | row]
    truth = read_ground_truth(write_rows(tmp_path / "a", rows), tmp_path / "a")
    assert [one.region.box_xywh for one in truth.unlearned] == [box]


def test_a_refused_row_outside_of_its_image_or_of_no_image_ignores_nothing(tmp_path):
    rows = [square(0, 0, 10), square(500, 0, 10, category_id=99), square(0, 0, 10, image_id=77)]
    truth = read_ground_truth(write_rows(tmp_path / "a", rows), tmp_path / "a")
    assert truth.unlearned == () and len(truth.refusals) == 2


def test_a_crowd_that_fills_little_of_its_box_is_ignored_by_its_mask(tmp_path):
    thin = square(0, 0, 10, segmentation=[[0, 0, 3, 0, 60, 57, 60, 60]], iscrowd=1)
    truth = read_ground_truth(write_rows(tmp_path / "a", [square(0, 0, 10), thin]), tmp_path / "a")
    assert truth.unlearned[0].region == truth.dataset.instances[1].mask


def test_samples_carry_what_is_to_be_ignored(tmp_path):
    truth = read_ground_truth(write_rows(tmp_path / "a", MARKED), tmp_path / "a")
    images = TrainingImages(
        [truth],
        LabelMap.contiguous(joint_categories([truth])),
        Augmentation(scales=(1, 1), colour=0),
        View(60, 80),
        0,
    )
    _, target = images[(0, 0, 0)]
    assert len(target["labels"]) == 3
    ignored = target["ignored"]
    if not ignored[5, 25]:
        ignored = ignored.flip(1)  # half of the samples are mirrored
    wanted = np.zeros((60, 80), np.bool_)
    for one in truth.unlearned:
        wanted |= one.region.to_mask()
    # Up to the half pixel by which masks are moved.
    assert (ignored.numpy() != wanted).sum() <= 3 * 2 * 11
    assert ignored[5, 25] and ignored[5, 45] and ignored[35, 5] and not ignored[5, 65]


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
    with pytest.raises(InputError, match="none of the images has an instance"):
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


@pytest.mark.parametrize("size", [(480, 640), (640, 427), (300, 300), (120, 900), (2000, 3000)])
@pytest.mark.parametrize("input_size", [(800, 1333), (640, 1280), (320, 640)])
def test_images_are_seen_whole_and_never_larger_than_the_networks_largest_input(size, input_size):
    augmentation, view = Augmentation(), View(*input_size)
    height, width = size
    least = min(view.scale(size) * factor for factor in augmentation.scales)
    sample = Sample(
        np.zeros((0, 0, 3), np.uint8),
        (),
        (),
        view.scale(size),
        view.largest(size),
    )
    for _ in range(40):
        scale, window = augmentation.draw_window(sample, size)
        assert window == (0, 0, height, width)
        assert least <= scale and max(size) * scale <= input_size[1] + 1e-6
        assert height * width * scale**2 <= input_size[0] * input_size[1] + 1e-6


def test_all_objects_stay_whole_unless_a_crop_is_asked_for(tmp_path):
    """Drawn photos of 640 x 480 with objects of all sizes, as a COCO model sees them."""
    images = tuple(ImageRecord(n, f"{n}.png", 640, 480) for n in range(1, 9))
    rng = np.random.default_rng(0)
    instances = tuple(
        Instance(n, 5, disc(480, 640, rng.uniform(r, 480 - r), rng.uniform(r, 640 - r), r))
        for n in range(1, 9)
        for r in (10, 30, 60, 120)
    )
    truth = read_ground_truth(
        write(tmp_path / "a", Dataset(images, (Category(5, "cat"),), instances)), tmp_path / "a"
    )

    def share(crop, above=0):
        label_map = LabelMap.contiguous(joint_categories([truth]))
        images = TrainingImages([truth], label_map, Augmentation(crop=crop), View(800, 1333), 0)
        return images.share_left_whole(above=above)

    assert share(None) == share(None, above=96**2) == 1
    assert share(512, above=96**2) < 0.6, "what 512 pixels leave of the large ones"
    assert share(64) < share(512)


def test_large_images_are_seen_more_often_than_small_ones(tmp_path):
    images = images_of([make_scenes(tmp_path)], crop=32)
    assert images.count() > 4 * 2


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_can_begin_anywhere_in_an_epoch(tmp_path, workers):
    images = images_of([make_scenes(tmp_path)], crop=32)
    whole = list(Batches(images, 2, workers).of(0))
    rest = list(Batches(images, 2, workers).of(0, 2))
    assert len(whole) == images.count() // 2 and len(rest) == len(whole) - 2
    for (a, _), (b, _) in zip(whole[2:], rest, strict=True):
        assert all(np.array_equal(x.numpy(), y.numpy()) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("workers", [0, 1])
def test_what_was_decoded_once_stays_over_the_epochs(tmp_path, workers):
    truth = make_scenes(tmp_path)
    loader = Batches(images_of([truth]), 2, workers)
    assert len(list(loader.of(0))) == 2
    for file in truth.folder.iterdir():
        file.write_bytes(b"gone")
    assert len(list(loader.of(1))) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_image_is_told_in_one_sentence(tmp_path, workers):
    file = write(tmp_path / "a", make_dataset(count=2))
    images = images_of([read_ground_truth(file, tmp_path / "a")])
    for name in ("1.png", "2.png"):
        data = (tmp_path / "a" / name).read_bytes()
        (tmp_path / "a" / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError) as caught:
        list(Batches(images, 2, workers).of(0))
    assert str(caught.value).startswith(("1.png: ", "2.png: ")) and "\n" not in str(caught.value)


def test_seeds_differ_with_every_part():
    seeds = {seed_of(0, "step", 1), seed_of(0, "step", 2), seed_of(1, "step", 1), seed_of(0, "order", 1)}
    assert len(seeds) == 4 and all(0 <= seed < 2**63 for seed in seeds)
