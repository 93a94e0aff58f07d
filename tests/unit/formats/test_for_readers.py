"""What other programs' readers ask of an export, where `make test-interop` found them at odds with one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.draw import polygon

from maskrcnn_core.formats import format_by_key
from maskrcnn_core.formats.certificate import certify
from tests.builders.formats import HEIGHT, WIDTH, make_export, make_image_with, make_instances


def member(key, export, name):
    return next(m.data for m in format_by_key(key).members(export) if m.name == name)


def test_via_has_no_polygon_that_matterports_tools_would_fill_beyond_the_image():
    document = json.loads(member("via", make_export(), "via_region_data.json"))
    for region in document["street.jpg-1"]["regions"]:
        shape = region["shape_attributes"]
        rows, columns = polygon(shape["all_points_y"], shape["all_points_x"])
        assert rows.max() < HEIGHT and columns.max() < WIDTH


def test_lvis_has_addresses_that_detectron2_and_ultralytics_can_take_apart():
    document = json.loads(member("lvis", make_export(parts={2: "val"}), "lvis.json"))
    addresses = [row["coco_url"] for row in document["images"]]
    assert addresses == [
        "http://images.cocodataset.org/train/street.jpg",
        "http://images.cocodataset.org/val/日本語 ☂ 空.jpg",
    ]


def test_open_images_classes_go_by_their_names_where_readers_show_codes():
    export = make_export()
    lines = member("open-images", export, "annotations/class-descriptions.csv").decode().splitlines()
    assert lines[0] == "person,person"
    masks = member("open-images", export, "annotations/train-annotations-object-segmentation.csv").decode()
    assert [line.split(",")[2] for line in masks.splitlines()[1:3]] == ["person", "dog"]


def kinds_of(export):
    lines = member("hugging-face", export, "metadata.jsonl").splitlines()
    return {type(outline) for line in lines for outline in json.loads(line)["objects"]["segmentation"]}


def test_hugging_face_has_polygons_of_crowds_too_as_a_column_of_arrow_is_of_one_kind():
    instances = make_instances()
    crowd = replace(instances[1], is_crowd=True)
    export = make_export(images=(make_image_with((instances[0], crowd)),))
    assert kinds_of(export) == {list}
    row = format_by_key("hugging-face")
    certificate = certify(row, export, list(row.members(export)))
    assert certificate.found == 2 and certificate.least_iou == 1.0


@pytest.mark.parametrize("has_images", [False, True])
def test_hugging_face_has_run_lengths_throughout_where_one_object_is_no_polygon(monkeypatch, has_images):
    # Outlines so long that nobody would read them again are the only masks that are no polygons.
    monkeypatch.setattr("maskrcnn_core.formats.coco.MAX_EDGE", 100)
    export = make_export(has_images=has_images)
    assert kinds_of(export) == {dict}
    row = format_by_key("hugging-face")
    members = list(row.members(export))
    assert len(members) == row.count(export)
    assert certify(row, export, members).least_iou == 1.0


def test_yolo_has_shares_that_come_to_the_same_pixels_where_readers_cut_off_decimals():
    text = member("yolo", make_export(), "labels/train/street.txt").decode()
    for line, instance in zip(text.splitlines(), make_instances(), strict=True):
        shares = np.array(line.split()[1:], np.float32).reshape(-1, 2)
        points = (shares * np.array([WIDTH, HEIGHT], np.float32)).astype(np.int32)
        x, y, width, height = instance.box_xywh
        assert points.min(0).tolist() == [x, y]
        assert points.max(0).tolist() == [x + width, y + height]
