"""COCO files of a few bytes that ask for hours, for gigabytes, or for the end of the process."""

import json

import numpy as np
import pytest

from maskrcnn_core.common import bounds
from maskrcnn_core.common.pycoco import frPoly
from maskrcnn_core.dataset.annotations import ImageRecord, Instance
from maskrcnn_core.errors import DatasetError
from maskrcnn_core.evaluation.unlearned import region_of_refused
from maskrcnn_core.formats.coco import annotation_row
from maskrcnn_core.formats.coco_reader import CocoReader, read_coco_file
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.geometry.polygons import EdgeBudget, edge_length, polygons_to_rle
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.intake import import_files
from tests.builders.core import make_image
from tests.builders.hostile import SIZE, annotation, as_bytes, document, zigzag, zipped
from tests.integration.bounds.memory import run_within
from tests.shared_data import shared_path

READ = """
import sys
from tests.integration.bounds.memory import peak_megabytes
from maskrcnn_core.formats.coco_reader import read_coco_file
from maskrcnn_core.errors import CoreError
for file in sys.argv[1:]:
    try:
        read = read_coco_file(open(file, "rb").read())
        print(len(read.annotations), *map(str, read.refusals), sep="|")
    except CoreError as error:
        print(error)
print(peak_megabytes())
"""


def read_in_child(tmp_path, *documents, megabytes=6000):
    """What a child says of each, and how many megabytes it took at most."""
    files = []
    for number, given in enumerate(documents):
        files.append(tmp_path / f"{number}.json")
        files[-1].write_bytes(as_bytes(given))
    done = run_within(megabytes, "-c", READ, *map(str, files))
    assert done.returncode == 0, (done.returncode, done.stderr)
    *lines, peak = done.stdout.splitlines()
    return lines, int(peak)


def test_polygons_with_endless_edges_end_neither_the_process_nor_what_is_beside_them(tmp_path):
    bomb = zigzag(20_000)
    parts = [zigzag(200) for _ in range(40)]  # each may be, all together not
    lines, peak = read_in_child(
        tmp_path,
        document(annotations=[annotation(segmentation=[bomb]), annotation(id=2)]),
        document(annotations=[annotation(segmentation=[bomb, [1, 1, 50, 1, 50, 50]]), annotation(id=2)]),
        document(annotations=[annotation(segmentation=parts), annotation(id=2)]),
    )
    said = "polygon edges are longer than 4194304 pixels together: write the object as run lengths"
    assert lines == [
        f"1|annotations[0].segmentation[0]: {said}",
        "2",
        f"1|annotations[0].segmentation: {said}",
    ]
    assert peak < 700


def test_all_polygons_of_a_file_together_may_not_be_longer_than_its_bytes_allow():
    budget = EdgeBudget()
    budget.left = 0.0
    ring = zigzag(20)
    rows = [annotation(id=n, segmentation=[ring] * parts) for n, parts in enumerate([1, 2] * 3, start=1)]
    data = as_bytes(document(annotations=rows))
    reader = CocoReader(data, budget=budget)
    allowed = bounds.MAX_EDGE_PER_BYTE * len(data)
    assert len(list(reader.annotations())) < allowed / edge_length([ring]) < 6
    (sentence,) = {reason.split(": ")[1].split(" (")[0] for reason in reader.refused}
    assert sentence == "polygon edges are, in total, longer than the file's size allows"


def test_what_edges_may_cost_beside_their_bytes_is_some_seconds():
    """Whatever a file says, and also where nobody has changed the bound for a test."""
    assert 10 * 2**20 < EdgeBudget().left <= 2**27  # 0.13 microseconds each: 15 s
    budget = EdgeBudget()
    budget.earn(1000)
    assert budget.left - EdgeBudget().left <= 16 * 1000


def test_no_call_of_c_code_holds_everybody_for_longer_than_a_tenth_of_a_second(monkeypatch):
    ring = zigzag(20)
    rows = [annotation(id=n, segmentation=[ring]) for n in range(1, 121)]
    long = annotation(id=999, segmentation=[zigzag(300)])  # by itself more than one call may hold
    called = []

    def noted(rings, *size):
        called.append([edge_length([one]) for one in rings])
        return frPoly(rings, *size)

    monkeypatch.setattr("maskrcnn_core.formats.coco_plain.frPoly", noted)
    read_coco_file(as_bytes(document(annotations=[*rows[:60], long, *rows[60:]])))
    assert sum(map(len, called)) == 121
    assert all(sum(lengths) <= 2**20 for lengths in called if len(lengths) > 1)
    assert len(called) < 20


def test_files_of_one_import_share_what_their_edges_may_cost(store, project, monkeypatch):
    ring = zigzag(20)
    monkeypatch.setattr("maskrcnn_core.geometry.polygons.MAX_EDGE_FREE", edge_length([ring]))
    monkeypatch.setattr("maskrcnn_core.geometry.polygons.MAX_EDGE_PER_BYTE", 0)
    files = [(f"{n}.json", as_bytes(document(annotations=[annotation(segmentation=[ring])]))) for n in (1, 2)]
    report = import_files(store, project, "ann", files)
    assert report.instances == 1 and "2.json" in report.refused[0]


def test_a_polygon_of_many_parts_is_the_union_of_them_whatever_order_they_are_joined_in():
    height, width = 300, 400
    rings = [[x, y, x + 9.5, y, x + 5, y + 8.25] for x in range(0, 390, 6) for y in range(0, 290, 11)]
    expected = np.zeros((height, width), np.bool_)
    for ring in rings:
        expected |= polygons_to_rle([ring], (height, width)).to_mask()
    assert polygons_to_rle(rings, (height, width)) == Rle.from_mask(expected)


def test_edge_length_is_what_pycocotools_walks():
    assert edge_length([[0, 0, 10, 0, 10, 5]]) == 10 + 5 + 10
    assert edge_length([[0, 0, 10, 0, 10, 5], [[0, 0], [3, 4], [0, 4]]]) == 25 + 4 + 3 + 4


def test_a_mask_with_a_longer_outline_is_written_as_run_lengths(monkeypatch):
    comb = np.zeros((60, 80), np.bool_)
    comb[0] = comb[:, ::2] = True
    instance = Instance(1, 1, Rle.from_mask(comb))
    assert isinstance(annotation_row(1, instance)["segmentation"], list)
    monkeypatch.setattr("maskrcnn_core.formats.coco.MAX_EDGE", 1000)
    assert annotation_row(1, instance)["segmentation"]["counts"] == instance.mask.counts


@pytest.mark.parametrize(("width", "height"), [(65_536, 65_535), (10_000, 5_001)])
def test_a_size_in_a_file_obeys_the_limit_of_pixels(width, height, monkeypatch):
    image = {"id": 1, "file_name": "gone.png", "width": width, "height": height}
    mask = {"size": [height, width], "counts": [1, width * height - 1]}
    data = as_bytes(document(images=[image], annotations=[annotation(segmentation=mask)]))
    read = read_coco_file(data)
    assert read.images == () and str(read.refusals[0]) == (
        "images[0].width: expected an image of at most 50 megapixels (the setting MASKDESK_MAX_MEGAPIXELS), "
        f"got {width} x {height} pixels"
    )
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "51")
    assert len(read_coco_file(data).annotations) == (width == 10_000)
    monkeypatch.setenv("MASKDESK_MAX_MEGAPIXELS", "5000")  # beyond what pycocotools counts
    assert len(read_coco_file(data).annotations) == (width == 10_000)


LARGE = """
import sys, time
from pathlib import Path
from maskrcnn_core.projects.exchange.exporting import checked_coco, select
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.store import Store
from tests.integration.bounds.memory import peak_megabytes
folder, file = map(Path, sys.argv[1:])
store = Store(StorePlace.in_folder(folder))
project = store.create_project("P", "ann").id
import_files(store, project, "ann", [("a.json", file.read_bytes())])
began = time.process_time()
chosen = select(store.images(project), store.facts(project), QueueFilter())
print(checked_coco(store, project, chosen)[1], time.process_time() - began, peak_megabytes(), sep="|")
"""


def test_a_project_of_masks_with_few_bytes_and_very_many_pixels_is_exported(tmp_path):
    side, count = 7000, 300
    images = [{"id": n, "file_name": f"{n}.png", "width": side, "height": side} for n in range(count)]
    mask = {"size": [side, side], "counts": [0, side * side]}
    rows = [annotation(id=n + 1, image_id=n, segmentation=mask) for n in range(count)]
    (tmp_path / "a.json").write_bytes(as_bytes(document(images=images, annotations=rows)))
    done = run_within(6000, "-c", LARGE, str(tmp_path / "data"), str(tmp_path / "a.json"))
    assert done.returncode == 0, done.stderr
    note, seconds, peak = done.stdout.split("|")
    assert f"{count} instances, lowest mask IoU 1.0" in note and float(seconds) < 20 and int(peak) < 700


def test_lists_of_nothing_end_the_reading_at_once(tmp_path):
    empty = b'{"images":[],"categories":[],"annotations":[%s]}'
    lines, peak = read_in_child(
        tmp_path,
        empty % (b"[]," * 5_000_000 + b"[]"),
        empty % (b"[]," * 2_000_000 + b"[]"),
        empty % (b"{}," * 2_000_000 + b"{}"),
        b'{"images":[%s],"categories":[],"annotations":[]}' % (b"{}," * 600_000 + b"{}"),
        b'{"images":[],"categories":[],"annotations":[{"a":[%s]}]}' % (b"[]," * 2_000_000 + b"[]"),
        b"[%s]" % (b"1," * 2_000_000 + b"1"),
    )
    assert lines == [
        "annotations: expected at most 5,000,000 rows, got 5,000,001",
        "annotations: expected objects, got more than 1000 other values: this is not a data set",
        "annotations: expected annotations, got more than 1000 objects without an image_id: this is not a "
        "data set",
        "images: expected at most 500,000, got 600,001",
        "annotations: expected at most 2,000,000 values in one row, got more",
        "JSON: expected objects, got more than 1000 other values: this is not a data set",
    ]
    assert peak < 700


def test_what_is_beside_the_rows_is_left_out_where_it_is_too_much(tmp_path):
    lists = b"[%s]" % (b"[]," * 5_000_000 + b"[]")
    start = as_bytes(document())[:-1]
    lines, peak = read_in_child(tmp_path, start + b', "info": ' + lists + b"}", megabytes=4000)
    assert lines == ["1"] and peak < 700
    read = read_coco_file(start + b', "licenses": [{"name": "free"}], "info": ' + lists + b"}")
    assert read.extra == {"licenses": [{"name": "free"}]}
    assert read.notes == ("COCO file.info: more than 1000000 values outside the rows; left out",)


def test_lists_that_are_kept_until_the_file_is_read_are_bounded():
    many = [{"id": n, "name": f"c{n}"} for n in range(100_001)]
    with pytest.raises(DatasetError, match="categories: expected at most 100,000, got 100,001"):
        read_coco_file(as_bytes(document(categories=many)))
    row = b'{"id":%d,"x":[' + b"1," * 1_900_000 + b"1]}"
    rows = b",".join(row % n for n in range(6))  # each may be, all together not
    with pytest.raises(DatasetError, match="images: expected at most 10,000,000 values, got more"):
        read_coco_file(b'{"images":[' + rows + b'],"categories":[],"annotations":[]}')
    with pytest.raises(DatasetError, match="expected at most 100,000 members, got 100,004"):
        read_coco_file(as_bytes(document(**{f"m{n}": 1 for n in range(100_001)})))


def test_refusals_are_counted_where_they_are_no_longer_kept():
    rows = [annotation(id=n, image_id=7) for n in range(1, 100_051)]
    reader = CocoReader(as_bytes(document(annotations=rows)))
    assert list(reader.annotations()) == []
    assert len(reader.refusals) == 100_000
    (sentence,) = reader.refused
    assert "100050 times" in sentence


class Sized(bytes):
    """Bytes that say they are more than anybody would write for a test."""

    def __len__(self):
        return 2**31 + 1


def test_a_file_has_a_size():
    with pytest.raises(DatasetError, match=r"expected at most 2 GiB of JSON, got 2\.0; split the file"):
        read_coco_file(Sized(as_bytes(document())))


def test_space_is_passed_over_quickly(tmp_path):
    read = read_coco_file(b" " * 30_000_000 + as_bytes(document()) + b"\n" * 30_000_000)
    assert len(read.annotations) == 1


def test_a_key_of_very_many_values_is_not_kept_with_its_row():
    many = [[]] * (bounds.MAX_EXTRA_ROW_VALUES + 1)
    read = read_coco_file(as_bytes(document(annotations=[annotation(more=many, other=[1])])))
    (row,) = read.annotations
    assert row.extra == {"more": None, "other": [1]} and "more than 200000 values" in read.notes[0]


def test_what_is_told_of_a_file_is_bounded_whatever_its_keys_are():
    nan = float("nan")
    many = {f"k{n}": nan for n in range(5000)}
    read = read_coco_file(as_bytes(document(annotations=[annotation(**many), annotation(id=2, **many)])))
    assert len(read.notes) == 1001 and all("JSON has no NaN" in note for note in read.notes[:-1])
    assert read.notes[-1] == "more: of other kinds (8000 times; first annotations[0].k1000)"
    long = "k" * 3_000_000
    read = read_coco_file(as_bytes(document(annotations=[annotation(**{long: nan})], **{long: nan})))
    assert len(read.notes) == 2 and all(len(note) < 400 for note in read.notes)
    assert read.extra == {long: None} and read.annotations[0].extra == {long: None}


def test_rows_nested_as_deep_as_can_be_read_are_compared_all_the_same():
    deep = b'{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 50, 1, 50, 50]], "x": %s}'
    deep %= b"[" * 960 + b"]" * 960
    start = as_bytes(document())
    data = start.replace(as_bytes([annotation()]), b"[" + deep + b"," + deep + b"]")
    data = data.replace(b'[{"id": 1, "name"', b'[{"id": 1, "y": %s, "name"' % (b"[" * 960 + b"]" * 960))
    category = data[data.index(b'{"id": 1, "y"') : data.index(b'"c"}') + 4]
    read = read_coco_file(data.replace(category, category + b"," + category))
    assert len(read.annotations) == 2 and len(read.categories) == 1
    assert [str(refusal).split(",")[0] for refusal in read.refusals] == [
        "categories[1].id: an id that another row already has"
    ]


def test_an_outline_nested_deep_is_anywhere_to_training():
    record = ImageRecord(1, "a.png", 160, 120)
    region = region_of_refused({"segmentation": json.loads("[" * 900 + "]" * 900)}, record)
    assert region is not None and region.area == 160 * 120


def test_results_share_what_their_edges_may_cost(tmp_path, monkeypatch):
    monkeypatch.setattr("maskrcnn_core.geometry.polygons.MAX_EDGE_FREE", edge_length([zigzag(20)]))
    monkeypatch.setattr("maskrcnn_core.geometry.polygons.MAX_EDGE_PER_BYTE", 0)
    monkeypatch.setattr("maskrcnn_core.common.json_rows._BATCH_BYTES", 100)
    row = {"image_id": 1, "category_id": 1, "score": 0.5, "segmentation": [zigzag(20)]}
    (tmp_path / "results.json").write_bytes(as_bytes([row, row]))
    truth = read_coco_file(as_bytes(document())).dataset()
    read = read_results_file(tmp_path / "results.json", truth)
    assert len(read.refusals) == 1 and "polygon edges are, in total, longer" in str(read.refusals[0])


def test_names_have_a_length():
    name = "n" * bounds.MAX_NAME
    height, width = SIZE
    image = {"id": 1, "file_name": name, "width": width, "height": height}
    good = document(images=[image], categories=[{"id": 1, "name": name, "supercategory": name}])
    assert len(read_coco_file(as_bytes(good)).annotations) == 1
    bad = document(
        images=[image, image | {"id": 2, "file_name": name + "n"}],
        categories=[{"id": 1, "name": "c", "supercategory": name + "n"}, {"id": 2, "name": name + "n"}],
        annotations=[annotation(), annotation(id=name + "n")],
    )
    read = read_coco_file(as_bytes(bad))
    assert list(map(str, read.refusals)) == [
        "images[1].file_name: expected at most 1024 characters, got 1,025",
        "categories[1].name: expected at most 1024 characters, got 1,025",
    ]
    assert [row.id for row in read.annotations] == [1, 2] and read.categories[0].value.supercategory == ""
    assert any("supercategory: expected at most 1024" in note for note in read.notes)


def test_what_a_file_says_for_maskdesk_alone_is_checked_like_all_else(store, project):
    given = document(
        maskdesk={"a": [1], "project": "x" * 5000},
        categories=[
            {"id": 1, "name": "c", "maskdesk": {"colour": "red;background:url(http://x/css)"}},
            {"id": 2, "name": "d", "maskdesk": {"colour": "#12ab34", "id": "x" * 5000}},
        ],
        annotations=[
            annotation(maskdesk={"status": ["a"], "source": {"x": 1}, "person": 1, "mark": 5}),
            annotation(id=2, segmentation=[[1, 1, 5, 1, 5, 5]], maskdesk=[1]),
            annotation(id=3, segmentation=[[1, 1, 6, 1, 5, 5]], maskdesk={"source": "s" * 5000}),
        ],
    )
    given["images"][0]["maskdesk"] = {"status": ["x"]}
    report = import_coco(store, project, "ann", as_bytes(given), {}.get)
    assert (report.images, report.categories, report.instances, report.refused) == (1, 2, 3, ())
    assert [row.color for row in store.categories(project)] == ["", "#12ab34"]
    assert {row.source for row in store.instances(project)} == {"file"}
    said = "\n".join(report.notes)
    for place, what in (
        ("COCO file.maskdesk", "unknown keys; left out, got 'a'"),
        ("COCO file.maskdesk.project", "expected 16 hexadecimal digits; left out"),
        ("categories[0].maskdesk.colour", "expected #rrggbb; left out"),
        ("categories[1].maskdesk.id", "expected a text of up to 1024 characters; left out"),
        ("images[0].maskdesk.status", "expected one of new, opened, reviewed; left out"),
        ("annotations[0].maskdesk.status", "expected one of proposed, accepted, rejected; left out"),
        ("annotations[0].maskdesk.mark", "expected 16 hexadecimal digits; left out"),
        ("annotations[0].maskdesk", "unknown keys; left out, got 'person'"),
        ("annotations[1].maskdesk", "expected an object; left out"),
    ):
        assert f"{place}: {what}" in said, said
    assert "annotations[...].maskdesk.source: " in said
    export_coco(store, project)


def test_a_bad_file_costs_the_good_ones_beside_it_nothing(store, project):
    bomb = as_bytes(document(annotations=[annotation(segmentation=[zigzag(20_000)])]))
    surrogate = b'{"images":[],"categories":[{"id":1,"name":"c\\ud800"}],"annotations":[]}'
    photo = encode_png(make_image(*SIZE))
    files = [("bomb.json", bomb), ("half.json", surrogate), ("good.json", as_bytes(document()))]
    report = import_files(
        store, project, "ann", [*files, ("photo.png", photo), ("z.zip", zipped(a__json=bomb))]
    )
    assert (report.images, report.instances) == (1, 1)
    assert any("half of a surrogate pair" in sentence for sentence in report.refused)
    export_coco(store, project)


SHARED = {
    "poly_65535px_4000.json": "expected an image of at most 50 megapixels",
    "huge_image_1ann.json": "expected an image of at most 50 megapixels",
    "colour.json": "maskdesk.colour: expected #rrggbb; left out",
    "nan_extra.json": "JSON has no NaN and no Infinity",
    "sur_cat.json": "with half of a surrogate pair",
    "zip_of_amp.zip": "annotations: expected at most 5,000,000 rows, got 5,000,001",
}


@pytest.mark.parametrize("name", SHARED)
def test_files_that_others_reported_are_refused_or_mended_by_name(store, project, name):
    data = shared_path("cases", "bounds", name).read_bytes()
    report = import_files(store, project, "ann", [(name, data)])
    assert any(SHARED[name] in sentence for sentence in (*report.refused, *report.notes))
    json.loads(export_coco(store, project), parse_constant=lambda constant: 1 / 0)
