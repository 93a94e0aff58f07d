import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from maskrcnn_core.dataset.annotations import Dataset
from maskrcnn_core.dataset.categories import COCO_CATEGORIES
from maskrcnn_core.errors import DatasetError, ExportError
from maskrcnn_core.formats import format_by_key
from maskrcnn_core.formats.coco import coco_document, coco_members, least_iou, results_members
from maskrcnn_core.formats.coco_reader import read_coco, read_coco_file
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.formats.json_writing import dump_json
from maskrcnn_core.geometry.rle import Rle
from tests.builders.core import disc, make_mask
from tests.builders.formats import HEIGHT, WIDTH, make_export, make_image_with, make_instances
from tests.shared_data import shared_path


def write(export=None):
    return next(coco_members(export or make_export()))


def test_read_of_write_is_the_same_data_set():
    export = make_export()
    dataset, refusals = read_coco(write(export).data)
    assert refusals == []
    assert dataset.categories == COCO_CATEGORIES
    assert [image.file_name for image in dataset.images] == ["street.jpg", "日本語 ☂ 空.jpg"]
    meant = export.images[0].instances
    assert [i.mask for i in dataset.instances] == [i.mask for i in meant]
    assert [(i.category_id, i.score) for i in dataset.instances] == [(i.category_id, i.score) for i in meant]
    again = dump_json(coco_document(dataset))
    assert json.loads(again)["annotations"] == json.loads(write(export).data)["annotations"]


def test_every_rule_of_the_format_holds():
    document = json.loads(write().data)
    annotations = document["annotations"]
    assert [a["id"] for a in annotations] == [1, 2, 3, 4, 5]
    assert {"info", "licenses", "images", "annotations", "categories"} == set(document)
    for annotation, instance in zip(annotations, make_instances(), strict=True):
        assert annotation["iscrowd"] == 0
        assert annotation["area"] == instance.mask.to_mask().sum()
        assert annotation["bbox"] == [float(v) for v in instance.mask.box_xywh]
        assert annotation["category_id"] == instance.category_id
    assert [len(a["segmentation"]) for a in annotations] == [1, 1, 2, 1, 1], "two parts are two polygons"
    assert all(
        len(ring) >= 6
        for a in annotations
        for ring in a["segmentation"]
        if isinstance(a["segmentation"], list)
    )
    assert [c["id"] for c in document["categories"]] == [c.id for c in COCO_CATEGORIES]


def test_a_profile_writes_every_mask_in_its_way():
    crowd = replace(make_instances()[1], is_crowd=True)
    export = make_export(images=(make_image_with([*make_instances(), crowd]),))
    wanted = {"coco": [list] * 5 + [dict], "coco-polygons": [list] * 6, "coco-rle": [dict] * 6}
    for key, kinds in wanted.items():
        (member,) = format_by_key(key).members(export)
        rows = json.loads(member.data)["annotations"]
        assert [type(row["segmentation"]) for row in rows] == kinds, key
        assert [row["iscrowd"] for row in rows] == [0] * 5 + [1]
        assert "lowest mask IoU 1.000000" in member.note
    assert isinstance(rows[1]["segmentation"]["counts"], str)
    assert rows[1]["segmentation"]["size"] == [HEIGHT, WIDTH]


def test_pycocotools_reads_every_mask_back(tmp_path):
    file = tmp_path / "annotations.json"
    file.write_bytes(write().data)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(file))
    for annotation, instance in zip(coco.loadAnns([1, 2, 3, 4, 5]), make_instances(), strict=True):
        counts = coco.annToRLE(annotation)["counts"]
        assert (counts if isinstance(counts, str) else counts.decode()) == instance.mask.counts


@given(st.integers(0, 10_000), st.floats(0.05, 0.95))
def test_any_mask_comes_back_exactly(seed, share):
    mask = make_mask(seed, HEIGHT, WIDTH, share)
    instance = replace(make_instances()[0], mask=Rle.from_mask(mask))
    member = write(make_export(images=(make_image_with([instance]),)))
    assert "lowest mask IoU 1.000000" in member.note
    dataset, _ = read_coco(member.data)
    assert np.array_equal(dataset.instances[0].mask.to_mask(), mask)


def test_a_file_that_would_not_read_back_is_not_handed_over():
    instances = make_instances()
    data = write().data
    with pytest.raises(
        ExportError, match=r"annotations\[0\]: expected a mask IoU of 1 when read back, got 0"
    ):
        least_iou(data, (instances[3], *instances[1:]))
    with pytest.raises(ExportError, match="wrote 4, pycocotools reads 5"):
        least_iou(data, instances[:4])


@pytest.mark.parametrize("tolerance", [0.5, 2.0, 20.0])
def test_simplified_polygons_say_what_they_cost_and_agree_with_their_area_and_box(tolerance):
    large = replace(make_instances()[0], mask=disc(HEIGHT, WIDTH, 30, 40, 25))
    export = make_export(images=(make_image_with([large, *make_instances()[1:]]),))
    exact, simpler = write(export), write(replace(export, tolerance=tolerance))
    assert len(simpler.data) < len(exact.data)
    annotations = json.loads(simpler.data)["annotations"]
    ious = []
    for annotation, instance in zip(annotations, export.images[0].instances, strict=True):
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, list):
            segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, HEIGHT, WIDTH))
        assert coco_mask.area(segmentation) == annotation["area"] > 0
        assert coco_mask.toBbox(segmentation).tolist() == annotation["bbox"]
        meant = {"size": [HEIGHT, WIDTH], "counts": instance.mask.counts.encode()}
        ious.append(coco_mask.iou([segmentation], [meant], [0])[0][0])
    assert f"lowest mask IoU {min(ious):.6f}" in simpler.note


def test_file_names_that_occur_twice_are_told_apart():
    twice = (make_image_with(make_instances()), make_image_with((), 2))
    names = [i["file_name"] for i in json.loads(write(make_export(images=twice)).data)["images"]]
    assert names == ["street.jpg", "street (2).jpg"]


@pytest.mark.parametrize(
    "name",
    ["![x](http://127.0.0.1/x.png)", "=1+1", "a\nb", "😀", "x" * 300, "../../etc/passwd", "\udcff.jpg"],
)
def test_evil_names_round_trip_exactly(name):
    export = make_export(images=(make_image_with(make_instances(), name=name),))
    dataset, refusals = read_coco(write(export).data)
    assert (dataset.images[0].file_name, refusals) == (name, [])


def test_no_instances_make_a_file_with_its_images():
    member = write(make_export(images=(make_image_with(()),)))
    document = json.loads(member.data)
    assert (len(document["images"]), document["annotations"]) == (1, [])


def test_results_are_a_bare_list_that_pycocotools_loads():
    rows = json.loads(next(results_members(make_export())).data)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(write().data)
        coco.createIndex()
        loaded = coco.loadRes(rows)
    assert len(loaded.anns) == len(make_instances())
    assert rows[0]["bbox"] == pytest.approx([10.2, 9.5, 19.8, 20.9])
    assert rows[1]["bbox"] == [float(v) for v in make_instances()[1].box_xywh]
    assert all(isinstance(row["segmentation"]["counts"], str) for row in rows)


def test_results_read_back_for_their_ground_truth(tmp_path):
    export = make_export()
    dataset, _ = read_coco(write(export).data)
    file = tmp_path / "results.json"
    file.write_bytes(next(results_members(export)).data)
    read = read_results_file(file, dataset)
    assert read.refusals == ()
    assert read.found.counts == [i.mask.counts for i in export.images[0].instances]


def break_file(change):
    document = json.loads(write().data)
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("segmentation", [[1, 2, 3, 4]], "annotations[2].segmentation[0]: polygon needs at least 3 points"),
        ("segmentation", "", "annotations: 1 holds only boxes, no masks"),
        ("segmentation", 7, "annotations[2].segmentation: expected polygons or run lengths, got 7"),
        ("segmentation", [[1, 2, 3, 4, 5, float("nan")]], "annotations[2].segmentation[0]: expected finite"),
        ("segmentation", [[1, 2, 3, 4, 5, 10**400]], "annotations[2].segmentation[0]: expected finite"),
        ("segmentation", [[1, 1, 2, 2, 3, 3], [5, 5]], "annotations[2].segmentation[0]: all points"),
        ("segmentation", {"size": [60, 90], "counts": [5400.5]}, "annotations[2].segmentation: counts"),
        ("segmentation", {"size": [60, 90], "counts": [10**40]}, "annotations[2].segmentation: counts"),
        ("segmentation", {"size": [60, 90]}, "annotations[2].segmentation: counts: expected text or a list"),
        (
            "segmentation",
            {"size": [1, 1], "counts": "0"},
            "annotations[2].segmentation: expected the size [height, width] of its image, got [1, 1]",
        ),
        ("segmentation", {"size": [60, 90], "counts": [1, -1]}, "annotations[2].segmentation: counts"),
        ("segmentation", {"size": [60, 90], "counts": "zzzz~"}, "annotations[2].segmentation: counts"),
        ("image_id", 77, "annotations[2].image_id: there is no image with id 77"),
        ("category_id", "cat", "annotations[2].category_id: there is no category with id 'cat'"),
        ("category_id", None, "annotations[2].category_id: expected a whole number or a text, got nothing"),
        ("category_id", True, "annotations[2].category_id: expected a whole number or a text, got True"),
    ],
)
def test_a_broken_annotation_is_refused_by_name_and_the_rest_kept(field, value, says):
    dataset, refusals = read_coco(break_file(lambda d: d["annotations"][2].update({field: value})))
    assert len(dataset.instances) == 4
    assert len(refusals) == 1
    assert str(refusals[0]).startswith(says)


def test_images_and_categories_that_occur_twice_are_refused():
    def change(document):
        document["images"].append(document["images"][0] | {"file_name": "b.png"})
        document["images"].append(document["images"][0] | {"id": 3, "width": 7})
        document["categories"].append(document["categories"][3] | {"name": "airship"})

    dataset, refusals = read_coco(break_file(change))
    assert sorted(r.place for r in refusals) == ["categories[80].id", "images[2].id", "images[3].file_name"]
    assert len(dataset.instances) == 5


def test_a_second_row_of_an_image_gives_its_annotations_to_the_first():
    def change(document):
        document["images"].append(document["images"][0] | {"id": 3})
        document["annotations"][0]["image_id"] = 3

    file = read_coco_file(break_file(change))
    assert file.refusals == () and len(file.images) == 2
    assert [row.value.image_id for row in file.annotations] == [
        row.value.image_id for row in read_coco_file(break_file(lambda document: None)).annotations
    ]
    assert file.notes[0].startswith("images[2].file_name: a second row of an image; its annotations are ")


def test_rows_that_are_word_for_word_the_same_are_one_row():
    def change(document):
        document["images"] += 3 * [document["images"][0]]
        document["categories"] += 87 * [document["categories"][3]]

    file = read_coco_file(break_file(change))
    assert (len(file.images), len(file.categories), len(file.annotations)) == (2, 80, 5)
    assert file.refusals == ()
    assert file.notes == (
        "images[...]: an exact duplicate of an earlier row; counted once (3 times; first images[2])",
        "categories[...]: an exact duplicate of an earlier row; counted once (87 times; first "
        "categories[80])",
    )


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1,2", b"\xff\xfe", b"null", b"[]", b"{}", b'{"images": 3}', b"[" * 100_000]
)
def test_what_is_no_coco_file_is_one_error(data):
    with pytest.raises(DatasetError):
        read_coco(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_any_json_is_refused_or_read_without_another_error(value):
    document = {"images": [value], "categories": [value], "annotations": [value, {"segmentation": value}]}
    dataset, refusals = read_coco(json.dumps(document).encode())
    assert not dataset.instances
    assert len(refusals) == 4


def test_real_ground_truth_is_read_whole_and_its_masks_are_those_of_pycocotools():
    file = shared_path("data", "coco_val2017", "instances.json")
    dataset, refusals = read_coco(file.read_bytes())
    assert refusals == []
    assert (len(dataset.images), len(dataset.instances)) == (206, 1786)
    assert any(instance.is_crowd for instance in dataset.instances)
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(file))
    for annotation, instance in list(zip(coco.dataset["annotations"], dataset.instances, strict=True))[::20]:
        rle = coco.annToRLE(annotation)
        assert rle["counts"].decode() == instance.mask.counts
        assert instance.given_area == annotation["area"]


def test_a_crowd_keeps_its_mark():
    crowd = replace(make_instances()[0], is_crowd=True, score=None)
    data = write(make_export(images=(make_image_with([crowd]),))).data
    annotation = json.loads(data)["annotations"][0]
    assert (annotation["iscrowd"], "score" in annotation) == (1, False)
    assert read_coco(data)[0].instances[0].is_crowd


def test_masks_of_other_images_are_refused_at_birth():
    with pytest.raises(DatasetError, match=r"street.jpg: expected a mask .*, got \(30, 40\)"):
        make_image_with([replace(make_instances()[0], mask=Rle.from_mask(make_mask(0)))])
    with pytest.raises(DatasetError, match="no image with id 9"):
        Dataset((), COCO_CATEGORIES, make_instances(9))
    assert coco_mask.area({"size": [2, 2], "counts": b"04"}) == 4
