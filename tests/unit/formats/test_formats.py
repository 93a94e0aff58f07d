"""What every row of the table of formats must do, and what each of them claims."""

import csv
import io
import zipfile

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_png

from maskrcnn_core.dataset.annotations import Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.formats import FORMATS, format_by_key, write_folder, write_zip
from maskrcnn_core.formats.base import file_stem
from maskrcnn_core.geometry.rle import Rle
from tests.builders.formats import HEIGHT, WIDTH, make_export, make_image_with, make_instances

EVIL = [
    "../../etc/passwd",
    "a\nb.png",
    "CON?.jpg",
    "",
    ".",
    "..",
    "x" * 400,
    "-rf",
    "~root",
    "😀.png",
    "a/b\\c",
]


def members_of(key, export=None):
    return list(format_by_key(key).members(export or make_export()))


def open_png(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.key)
def test_every_format_makes_as_many_files_as_it_says_and_the_same_bytes_each_time(row):
    export = make_export()
    first, second = list(row.members(export)), list(row.members(export))
    assert len(first) == row.count(export)
    assert first == second
    assert len({member.name for member in first}) == len(first)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.key)
def test_every_format_takes_images_without_instances_and_none_at_all(row):
    for images in ((make_image_with(()),), ()):
        export = make_export(images=images)
        assert len(list(row.members(export))) == row.count(export)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.key)
@pytest.mark.parametrize("name", EVIL)
def test_no_name_leads_out_of_the_folder(row, name, tmp_path):
    export = make_export(images=(make_image_with(make_instances()[:1], name=name or "x"),))
    folder = tmp_path / "out"
    write_folder(row.members(export), folder)
    for path in tmp_path.rglob("*"):
        assert path == folder or folder in path.parents
        assert len(path.name.encode()) < 255


def test_the_table_has_unique_keys_and_says_what_is_lost():
    assert len({row.key for row in FORMATS}) == len(FORMATS)
    assert all(row.title and row.holds for row in FORMATS)
    with pytest.raises(KeyError):
        format_by_key("no such format")


def test_segments_are_cut_out_masked_and_named_so_that_they_sort():
    members = members_of("segments")
    names = [member.name for member in members]
    assert names[0] == "street/001_person_0.95_cutout.png"
    assert names[3] == "street/002_dog_0.80_cutout.png"
    image = make_export().images[0]
    pixels = image.load_pixels()
    for number, instance in enumerate(image.instances):
        cut, masked, mask = (open_png(m.data) for m in members[3 * number : 3 * number + 3])
        x, y, width, height = instance.box_xywh
        whole = instance.mask.to_mask()
        assert cut.shape == (height, width, 4)
        assert np.array_equal(cut[:, :, :3], pixels[y : y + height, x : x + width])
        assert np.array_equal(cut[:, :, 3] > 0, instance.mask.crop())
        assert np.array_equal(masked, pixels * whole[:, :, None])
        assert np.array_equal(mask, whole)


def test_mask_arrays_are_those_of_notebooks():
    with np.load(io.BytesIO(members_of("masks")[0].data)) as arrays:
        instances = make_instances()
        assert arrays["masks"].shape == (HEIGHT, WIDTH, len(instances))
        assert arrays["masks"].dtype == np.bool_
        for n, instance in enumerate(instances):
            assert np.array_equal(arrays["masks"][:, :, n], instance.mask.to_mask())
        assert arrays["labels"].tolist() == [1, 18, 90, 3, 3]
        assert arrays["names"].tolist() == ["person", "dog", "toothbrush", "car", "car"]
        assert arrays["scores"] == pytest.approx([0.95, 0.8, 0.7, 0.6, 0.55])
        assert arrays["boxes"][3].tolist() == [80, 5, 81, 6]


def test_mask_arrays_made_band_by_band_are_whole(monkeypatch):
    monkeypatch.setattr("maskrcnn_core.formats.arrays._BAND_BYTES", WIDTH * 5 * 7)
    with np.load(io.BytesIO(members_of("masks")[0].data)) as arrays:
        assert arrays["masks"].sum() == sum(i.area for i in make_instances())


def test_label_maps_hold_numbers_and_category_ids_with_the_better_one_on_top():
    members = members_of("label-maps")
    numbers, categories = open_png(members[0].data), open_png(members[1].data)
    for number, instance in reversed(list(enumerate(make_instances(), start=1))):
        better = np.zeros((HEIGHT, WIDTH), np.bool_)
        for other in make_instances()[: number - 1]:
            better |= other.mask.to_mask()
        own = instance.mask.to_mask() & ~better
        assert (numbers[own] == number).all()
        assert (categories[own] == instance.category_id).all()
    assert ((numbers == 0) == (categories == 0)).all()


@pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
@pytest.mark.parametrize("count", [0, 1, 300])
def test_label_maps_are_16_bit_grey_whatever_their_values(count):
    """A palette would be colours to OpenCV, scikit-image and imageio."""
    instances = make_instances()[:1] * count
    for member in members_of("label-maps", make_export(images=(make_image_with(instances),))):
        assert member.data[24:26] == b"\x10\0"  # IHDR: 16 bits, grey
        assert np.array_equal(open_png(member.data), open_with_torchvision(member.data))


def open_with_torchvision(data):
    """Another decoder (libpng by itself) than Pillow's."""
    encoded = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    return decode_png(encoded, ImageReadMode.UNCHANGED)[0].numpy()


def box(category_id, left, top, right, bottom, score=None):
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[top:bottom, left:right] = True
    return Instance(1, category_id, Rle.from_mask(mask), score)


def label_maps(*instances, categories=None):
    ids = {instance.category_id for instance in instances}
    categories = categories or tuple(Category(i, f"c{i}") for i in sorted(ids))
    image = make_image_with(instances)
    return members_of("label-maps", make_export(images=(image,), categories=categories))


@pytest.mark.parametrize("scores", [(None, None), (None, 0.1), (0.9, None), (0.5, 0.5)])
@pytest.mark.parametrize("small_first", [True, False])
def test_a_small_object_within_a_larger_one_stays_where_no_score_says_otherwise(scores, small_first):
    pair = (box(1, 0, 0, 50, 50, scores[0]), box(2, 20, 20, 30, 30, scores[1]))
    instances = pair[::-1] if small_first else pair
    numbers, categories = map(open_png, (m.data for m in label_maps(*instances)))
    assert categories[25, 25] == 2 and categories[5, 5] == 1
    assert numbers[25, 25] == (1 if small_first else 2)


def test_what_lies_wholly_below_others_is_counted():
    numbers, _ = label_maps(box(1, 20, 20, 30, 30, 0.4), box(2, 0, 0, 50, 50, 0.9))
    assert numbers.note == (
        "street_instances.png: 1 instance is entirely below others, without a pixel here (1)"
    )
    assert not any(member.note for member in members_of("label-maps"))


def test_category_ids_above_16_bits_become_a_32_bit_tiff_in_every_image():
    large, other = box(70_000, 5, 5, 20, 20, 0.9), box(3, 30, 30, 40, 40, 0.8)
    categories = (Category(70_000, "car"), Category(3, "dog"))
    images = (make_image_with((large, other)), make_image_with((), 2, "b.jpg"))
    members = members_of("label-maps", make_export(images=images, categories=categories))
    assert [member.name for member in members] == [
        "street_instances.png",
        "street_categories.tif",
        "b_instances.png",
        "b_categories.tif",
    ]
    assert members[1].note == "street_categories.tif: a 32-bit TIFF, because values exceed 65,535"
    read = tifffile.imread(io.BytesIO(members[1].data))
    assert read.dtype.itemsize == 4
    assert np.array_equal(read, open_png(members[1].data))
    assert set(np.unique(read).tolist()) == {0, 3, 70_000}


@pytest.mark.parametrize(("ids", "shift"), [((0, 1, 7), 1), ((-5, 2), 6)])
def test_category_ids_that_the_background_takes_are_shifted_and_it_is_said(ids, shift):
    instances = [box(id_, 10 * n, 0, 10 * n + 5, 5, 0.5) for n, id_ in enumerate(ids)]
    _, member = label_maps(*instances)
    categories = open_png(member.data)
    for instance in instances:
        assert (categories[instance.mask.to_mask()] == instance.category_id + shift).all()
    assert f"the category ids plus {shift}, because 0 is the background" in member.note


def test_category_ids_beyond_32_bits_are_counted_and_it_is_said():
    _, member = label_maps(box(2**40, 0, 0, 5, 5), box(9, 10, 10, 15, 15))
    categories = open_png(member.data)
    assert (categories[12, 12], categories[2, 2]) == (1, 2)
    assert "1 is 9, 2 is 1099511627776" in member.note


def test_the_overlay_is_the_image_where_nothing_is_drawn():
    bare = Style(masks=False, contours=False, boxes=False, labels=False)
    member = members_of("overlay", make_export(style=bare))[0]
    assert np.array_equal(open_png(member.data), make_export().images[0].load_pixels())


def test_a_colour_splash_is_the_image_on_the_instances_and_grey_elsewhere():
    for member, image in zip(members_of("splash"), make_export().images, strict=True):
        picture, pixels = open_png(member.data), image.load_pixels()
        inside = np.zeros((HEIGHT, WIDTH), np.bool_)
        for instance in image.instances:
            inside |= instance.mask.to_mask()
        assert np.array_equal(picture[inside], pixels[inside])
        assert (picture[~inside] == picture[~inside][:, :1]).all()
        assert (pixels[~inside] != pixels[~inside][:, :1]).any()


def test_the_table_has_one_row_an_instance_and_no_formulas():
    export = make_export(images=(make_image_with(make_instances(), name="=1+1"),))
    rows = list(csv.DictReader(io.StringIO(members_of("table", export)[0].data.decode("utf-8-sig"))))
    assert len(rows) == 5
    assert rows[0]["image"] == "'=1+1"
    assert int(rows[1]["area_px"]) == make_instances()[1].area
    assert float(rows[1]["area_percent"]) == pytest.approx(
        100 * make_instances()[1].area / (60 * 90), abs=1e-4
    )


def test_a_zip_has_its_members_and_depends_on_nothing_else():
    members = members_of("segments")
    archives = []
    for _ in range(2):
        target = io.BytesIO()
        write_zip(members, target)
        archives.append(target.getvalue())
    assert archives[0] == archives[1]
    with zipfile.ZipFile(io.BytesIO(archives[0])) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [member.name for member in members]


def test_images_that_share_a_stem_get_different_files():
    export = make_export(
        images=(
            make_image_with(make_instances(), name="a/photo.jpg", digest="11" * 32),
            make_image_with(make_instances(2), 2, name="b/Photo.png", digest="22" * 32),
        )
    )
    names = [m.name for m in members_of("overlay", export)]
    assert names == ["photo_11111111_overlay.png", "Photo_22222222_overlay.png"]


@pytest.mark.parametrize("name", EVIL)
def test_a_stem_is_always_one_usable_name(name):
    stem = file_stem(name)
    assert stem and stem not in (".", "..")
    assert not set(stem) & set('/\\\n<>:"|?*')
    assert len(stem.encode()) <= 100


def test_letters_of_every_script_stay_in_a_stem():
    assert file_stem("фото 写真.tiff") == "фото 写真"
