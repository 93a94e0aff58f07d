"""Detections are read by the thousand as they are read one by one."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from maskrcnn_core.common import json_rows
from maskrcnn_core.dataset.columns import Columns
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats.coco import coco_document, result_rows
from maskrcnn_core.formats.coco_reader import read_result_rows
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.formats.json_writing import dump_json
from tests.unit.evaluation.test_coco_metrics import make_dataset, make_results


def write(tmp_path, rows):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(rows))
    return file


def spoilt(rows):
    """Rows of every kind of fault among good ones, and good ones in unusual forms."""
    rows = json.loads(dump_json(rows))
    rows[1]["image_id"] = 999
    rows[2]["category_id"] = 10**30
    rows[3]["segmentation"]["counts"] = "\x1b"
    rows[4]["segmentation"]["size"] = [7, 8]
    rows[5] = None
    rows[6]["score"] = None
    rows[7]["segmentation"] = [[1, 1, 40, 1, 40, 30, 1, 30]]
    rows[8]["image_id"] = float(rows[8]["image_id"])
    del rows[9]["bbox"]
    rows[10]["score"] = 1
    rows[11]["score"] = float("nan")
    rows[12]["segmentation"] = {}
    return rows


def rows_used(rows):
    """The places of the rows of ``spoilt`` that can be compared, one way or the other."""
    return [n for n in range(len(rows)) if n not in (1, 2, 3, 4, 5, 6, 11)]


@pytest.mark.parametrize("at_once", [1, 1000, 1 << 20])
def test_rows_are_read_as_one_by_one_in_their_order(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(json_rows, "_BATCH_BYTES", at_once)
    dataset = make_dataset()
    rows = spoilt(result_rows(make_results(dataset)))
    read = read_results_file(write(tmp_path, rows), dataset)
    found, boxes, refusals, _ = read_result_rows(json.loads(json.dumps(rows)), dataset)
    assert [str(r) for r in read.refusals] == [str(r) for r in refusals]
    assert len(refusals) == 7 and [n for n, _ in boxes] == [12]
    assert np.flatnonzero(~read.found.has_mask).tolist() == [rows_used(rows).index(12)]
    read = replace(read, found=read.found.take(read.found.has_mask))
    one_by_one = Columns.of([instance for _, instance in found])
    for field in fields(Columns):
        if field.name != "boxes":
            np.testing.assert_array_equal(getattr(read.found, field.name), getattr(one_by_one, field.name))
    np.testing.assert_allclose(read.found.boxes, one_by_one.boxes, rtol=0, atol=1e-9)
    assert (read.rows, read.other_sizes, read.has_boxes) == (len(rows), 1, True)
    assert read.strangers.image_ids.tolist() == [999]


@pytest.mark.parametrize("unusual", [None, "category_id", "image_id"])
def test_boxes_without_a_mask_are_kept_in_their_places(tmp_path, unusual):
    """Whether they are read as columns, or one by one as they are written in an unusual way."""
    dataset = make_dataset()
    rows = json.loads(dump_json(result_rows(make_results(dataset))))
    for n, row in enumerate(rows):
        row["bbox"] = [n, n + 1, 10, 20]
        if n % 3 == 0:
            row |= {"segmentation": [[], None, {}][n // 3 % 3]}
        if n % 3 == 1:
            del row["segmentation"]
            if unusual:
                row[unusual] = str(row[unusual])
    read = read_results_file(write(tmp_path, rows), dataset)
    assert not read.refusals
    assert read.found.has_mask.tolist() == [n % 3 == 2 for n in range(len(rows))]
    np.testing.assert_allclose(read.found.boxes, [row["bbox"] for row in rows])
    assert (read.found.areas[~read.found.has_mask] == 200).all()
    assert read.found.image_ids.tolist() == [int(row["image_id"]) for row in rows]


def test_a_data_set_file_is_matched_by_names(tmp_path):
    dataset = make_dataset()
    found = tuple(make_results(dataset))
    file = tmp_path / "a.json"
    file.write_bytes(dump_json(coco_document(replace(dataset, instances=found))))
    read = read_results_file(file, dataset)
    assert len(read.found) == read.rows == len(found)
    assert not read.refusals


def test_a_data_set_file_may_spell_names_otherwise_but_twins_stay_apart(tmp_path):
    dataset = make_dataset()
    other = replace(dataset, instances=tuple(make_results(dataset)))
    spelt = [replace(image, file_name=f"x\\{image.file_name.upper()}") for image in dataset.images]
    file = tmp_path / "a.json"
    file.write_bytes(dump_json(coco_document(replace(other, images=tuple(spelt)))))
    read = read_results_file(file, dataset)
    assert len(read.found) == len(other.instances) and not read.refusals
    truth = replace(
        dataset,
        images=tuple(replace(image, file_name=f"val/{image.file_name}") for image in dataset.images),
    )
    trained = [replace(image, file_name=f"train/{image.file_name}") for image in dataset.images]
    file.write_bytes(dump_json(coco_document(replace(other, images=tuple(trained)))))
    assert len(read_results_file(file, truth).found) == 0


def test_an_empty_list_is_no_detections(tmp_path):
    read = read_results_file(write(tmp_path, []), make_dataset())
    assert (len(read.found), read.rows, read.refusals) == (0, 0, ())


@pytest.mark.parametrize("content", [None, b"", b"[", b"[" * 200_000, b"[1,", b'{"images":[]}', b"\xff"])
def test_what_is_no_coco_file_is_refused_with_its_name(tmp_path, content):
    file = tmp_path / "results.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InputError, match=r"results\.json: "):
        read_results_file(file, make_dataset())
