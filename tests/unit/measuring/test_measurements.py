"""Measurements of objects whose size, shape and values are known."""

import csv
import io
import math
from functools import partial

import numpy as np
import pytest
from skimage.measure import regionprops

from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats import Export, format_by_key
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.measuring.objects import measure
from maskrcnn_core.measuring.values import values_of
from maskrcnn_core.microscopy.facts import PixelSize
from maskrcnn_core.microscopy.seeing import bytes_as_seen
from tests.builders.stacks import nuclei, ome

CHOSEN = "page=1;z=max;channels=1:#ffffff;contrast=1:0.1%..99.9%"


def instances(labels):
    return tuple(Instance(1, 1, Rle.from_mask(labels == n), 1 - n / 100) for n in range(1, labels.max() + 1))


def table(export, key="measurements"):
    (member,) = format_by_key(key).members(export)
    return list(csv.DictReader(io.StringIO(member.data.decode("utf-8-sig")))), member.note


def export_of(data, masks, size, view="", name="nuclei.tif"):
    record = ImageRecord(1, name, size[1], size[0], view=view)
    image = AnnotatedImage(record, masks, lambda: np.zeros((*size, 3), np.uint8), lambda: data)
    return Export((image,), (Category(1, "nucleus"),))


@pytest.mark.parametrize("is_seen", [False, True])
def test_each_row_is_what_regionprops_says_of_the_microscopes_values(is_seen):
    values, labels = nuclei()
    data = ome(values, names=("DAPI", "GFP"), pixel=0.5)
    if is_seen:  # as a project and the Annotate page keep it
        data = bytes_as_seen(data, "nuclei.tif", CHOSEN)
    rows, note = table(export_of(data, instances(labels), labels.shape, CHOSEN))
    planes = np.moveaxis(values[0].max(axis=0), 0, -1)
    regions = regionprops(labels, planes)
    assert len(rows) == len(regions) and note == ""
    for number, (row, region) in enumerate(zip(rows, regions, strict=True), start=1):
        assert (row["image"], row["view"], row["category"]) == ("nuclei.tif", CHOSEN, "nucleus")
        assert int(row["number"]) == number and float(row["score"]) == pytest.approx(1 - number / 100)
        wanted = {
            "area_px": region.area,
            "area_um2": region.area / 4,
            "perimeter_px": region.perimeter_crofton,
            "perimeter_um": region.perimeter_crofton / 2,
            "circularity": 4 * math.pi * region.area / region.perimeter_crofton**2,
            "eccentricity": region.eccentricity,
            "solidity": region.solidity,
            "major_axis_px": region.axis_major_length,
            "minor_axis_px": region.axis_minor_length,
            "centroid_x": region.centroid[1],
            "centroid_y": region.centroid[0],
        }
        for at, channel in enumerate(("DAPI", "GFP")):
            wanted |= {
                f"mean {channel}": region.intensity_mean[at],
                f"min {channel}": region.intensity_min[at],
                f"max {channel}": region.intensity_max[at],
                f"std {channel}": region.intensity_std[at],
                f"total {channel}": region.intensity_mean[at] * region.area,
            }
        for name, value in wanted.items():
            assert float(row[name]) == pytest.approx(value, rel=1e-5), name
        assert float(row["mean GFP"]) == 1000 + 50 * number


def test_objects_that_overlap_have_all_their_pixels():
    whole, part = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    whole[5:35, 5:35] = part[10:20, 10:20] = True
    values = np.full((1, 1, 1, 40, 40), 7, np.uint16)
    found = measure(
        [Instance(1, 1, Rle.from_mask(m)) for m in (whole, part)], values_of(ome(values), "a.tif")
    )
    assert [one.shape["area_px"] for one in found] == [900, 100]
    assert [one.intensities["channel 1"]["total"] for one in found] == [6300, 700]


def test_a_disc_is_round_and_few_pixels_measure_nothing_wrong():
    y, x = np.mgrid[:100, :100]
    disc = (x - 50) ** 2 + (y - 50) ** 2 <= 900
    one, line = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    one[3, 4] = line[7, 10:30] = True
    values = values_of(encode_png(np.full((100, 100, 3), 9, np.uint8)), "a.png")
    masks = [Instance(1, 1, Rle.from_mask(mask)) for mask in (disc, one, line)]
    round_, single, thin = measure(masks, values, PixelSize(0.1, 0.1))
    assert round_.shape["circularity"] == pytest.approx(1, abs=0.03)
    assert round_.shape["area_um2"] == pytest.approx(math.pi * 9, rel=0.01)
    assert single.shape["area_px"] == 1 and single.shape["solidity"] is None
    assert thin.shape["solidity"] is None and thin.shape["area_px"] == 20


def test_pixels_that_are_not_square_have_areas_and_no_perimeter():
    mask = np.ones((10, 10), bool)
    values = values_of(encode_png(np.zeros((10, 10), np.uint8)), "a.png")
    (found,) = measure([Instance(1, 1, Rle.from_mask(mask))], values, PixelSize(0.5, 0.25))
    assert found.shape["area_um2"] == 12.5 and found.shape["perimeter_um"] is None


def test_other_images_are_measured_as_they_are_shown():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    mask = np.zeros((20, 30), bool)
    mask[2:9, 4:20] = True
    found = Instance(1, 1, Rle.from_mask(mask))
    rows, note = table(export_of(encode_png(pixels), (found,), (20, 30), name="=cmd.png"))
    assert float(rows[0]["mean green"]) == pytest.approx(pixels[mask][:, 1].mean(), rel=1e-5)
    assert rows[0]["image"] == "'=cmd.png" and rows[0]["area_um2"] == ""
    assert "1 image: intensities are those of the picture, 8 bits a colour" in note
    assert "the size of a pixel is unknown" in note
    grey, _ = table(export_of(encode_png(pixels[:, :, 0]), (found,), (20, 30)))
    assert [name for name in grey[0] if name.startswith("mean")] == ["mean grey"]


def test_channels_of_several_images_share_their_columns():
    values, labels = nuclei()
    masks = instances(labels)[:2]
    files = [
        ome(values, names=("DAPI", "GFP"), pixel=0.5),
        ome(values[:, :, ::-1], names=("GFP", "Cy5"), pixel=0.5),
    ]
    images = tuple(
        AnnotatedImage(ImageRecord(n, f"{n}.tif", 256, 192), masks, lambda: None, partial(bytes, file))
        for n, file in enumerate(files, start=1)
    )
    rows, _ = table(Export(images, (Category(1, "nucleus"),)))
    assert [name for name in rows[0] if name.startswith("mean")] == ["mean DAPI", "mean GFP", "mean Cy5"]
    assert [row["mean Cy5"] == "" for row in rows] == [True, True, False, False]
    assert [row["mean DAPI"] == "" for row in rows] == [False, False, True, True]


def test_a_file_of_another_size_is_refused():
    values, labels = nuclei()
    export = export_of(ome(values[..., :100]), instances(labels), labels.shape)
    with pytest.raises(InputError, match="the annotations say 256 x 192 pixels, the image has 100 x 192"):
        table(export)


def test_the_plot_is_a_picture_of_all_objects():
    values, labels = nuclei()
    export = export_of(ome(values, pixel=0.5), instances(labels), labels.shape, CHOSEN)
    (member,) = format_by_key("measurement-plot").members(export)
    from PIL import Image

    picture = Image.open(io.BytesIO(member.data))
    assert picture.format == "PNG" and picture.width == 1200
    empty = Export((), (Category(1, "nucleus"),))
    (member,) = format_by_key("measurement-plot").members(empty)
    assert member.data.startswith(b"\x89PNG")
