"""A project, or a part of it, as files."""

import io
import json
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.common.refusals import Groups
from maskrcnn_core.errors import InputError
from maskrcnn_core.formats import FORMATS
from maskrcnn_core.formats.base import write_zip
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.exporting import (
    Part,
    checked_coco,
    coco_members,
    other_format,
    proposals_note,
    select,
)
from maskrcnn_core.projects.exchange.splitting import split_parts
from maskrcnn_core.projects.new_rows import new_image
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.projects import SIZE, change, make_project
from tests.unit.projects.test_review_queue import image

PICTURES = [encode_png(draw_scene(n).pixels[: SIZE[0], : SIZE[1]]) for n in range(2)]


@pytest.fixture
def project(store):
    """Two images with three instances each (one accepted, one rejected), and one that nobody has opened."""
    project = make_project(store)
    images = store.images(project)
    store.decide(
        project,
        "ann",
        "pictures",
        [
            change(row, "image", digest=store.blobs.put(data))
            for row, data in zip(images, PICTURES, strict=True)
        ],
    )
    store.decide(
        project, "ann", "add", [new_image(9, "../evil|.png", SIZE, store.blobs.put(PICTURES[0] + b" "))]
    )
    first, second = store.instances(project)[:2]
    store.decide(
        project, "ann", "look", [change(first, status="accepted"), change(second, status="rejected")]
    )
    return project


def selection(store, project, wanted=None, **options):
    return select(store.images(project), store.facts(project), wanted or QueueFilter(), **options)


def test_the_whole_project_is_what_the_plain_export_writes(store, project):
    chosen = selection(store, project, statuses=("accepted", "proposed"))
    data, note = checked_coco(store, project, chosen)
    assert data == export_coco(store, project)
    assert "5" in note
    document = json.loads(data)
    assert len(document["images"]) == 3, "also the one that nobody has opened"
    assert len(document["annotations"]) == 5, "not the rejected one"


def test_what_nobody_has_accepted_stays_out_and_is_counted(store, project):
    chosen = selection(store, project)
    document = json.loads(checked_coco(store, project, chosen)[0])
    assert [a["maskdesk"]["status"] for a in document["annotations"]] == ["accepted"]
    assert len(document["images"]) == 3
    assert (chosen.left_out, chosen.proposed) == (4, 0)
    assert proposals_note(chosen, "asking") == (
        "4 proposals that nobody has accepted are left out; asking includes them."
    )
    both = selection(store, project, statuses=("accepted", "proposed"))
    document = json.loads(checked_coco(store, project, both)[0])
    marks = [a["maskdesk"]["status"] for a in document["annotations"]]
    assert (both.left_out, both.proposed) == (0, marks.count("proposed")) == (0, 4)
    assert proposals_note(both, "").startswith("4 of them are proposals that nobody has accepted")
    cell, _ = store.categories(project)
    cells = QueueFilter(categories=frozenset({cell.id}))
    left = [f for f in store.facts(project) if f.status == "proposed" and f.category_id == cell.id]
    assert selection(store, project, cells).left_out == len(left), "only of what the filter means"
    nothing = select((), (), QueueFilter())
    assert (nothing.left_out, nothing.proposed, proposals_note(nothing, "")) == (0, 0, "")


def test_a_filter_leaves_out_what_it_does_not_mean(store, project):
    cell, _ = store.categories(project)
    chosen = selection(store, project, QueueFilter(categories=frozenset({cell.id})), statuses=("accepted",))
    document = json.loads(checked_coco(store, project, chosen)[0])
    assert len(document["images"]) == 2
    assert [a["category_id"] for a in document["annotations"]] == [cell.coco_id]


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers())
def test_a_split_parts_images_and_is_the_same_for_the_same_seed(count, share, seed):
    images = [image(n, digest=f"digest {n}") for n in range(1, count + 1)]
    train, val = split_parts(images, {"val": share}, seed).values()
    assert sorted([*train, *val], key=lambda i: i.id) == images
    assert train == sorted(train, key=lambda i: i.id) and train and val
    assert abs(len(val) - share * count) <= 1
    backwards = split_parts(images[::-1], {"val": share}, seed)
    assert {i.id for i in backwards["val"]} == {i.id for i in val}, "the order does not matter"
    more = split_parts([*images, image(99, digest="digest 99")], {"val": share}, seed)
    assert len({i.id for i in val} - {i.id for i in more["val"]}) <= 1, "one more image moves at most one"


def test_another_seed_is_another_split():
    images = [image(n, digest=f"digest {n}") for n in range(40)]
    assert split_parts(images, {"val": 0.5}, 1) != split_parts(images, {"val": 0.5}, 2)
    for share, rows in ((0.0, images), (1.0, images), (0.5, images[:1])):
        with pytest.raises(InputError, match="split: expected"):
            split_parts(rows, {"val": share}, 1)


def test_train_and_val_with_their_images_are_one_archive(store, project):
    chosen = selection(store, project, statuses=("accepted", "proposed"))
    train, val = split_parts(chosen.images, {"val": 0.4}, 7).values()
    stream = io.BytesIO()
    parts = [Part("train", tuple(train)), Part("val", tuple(val))]
    notes = write_zip(coco_members(store, project, chosen, parts, with_images=True), stream)
    assert any("not a valid file name" in note for note in notes)
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        assert names[:2] == ["annotations/train.json", "annotations/val.json"]
        assert not any(".." in name or "|" in name for name in names) and len(names) == 5
        datasets = [read_coco(archive.read(name))[0] for name in names[:2]]
        assert archive.read("images/image 1.png") == PICTURES[0]
    listed = [i.file_name for d in datasets for i in d.images]
    assert sorted(listed) == sorted(row.file_name for row in chosen.images)
    assert sum(len(d.instances) for d in datasets) == 5


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.key)
def test_every_format_writes_a_project(store, project, row):
    images = [i for i in store.images(project) if i.coco_id != 9]  # that one is no picture
    chosen = select(images, store.facts(project), QueueFilter(), statuses=("accepted", "proposed"))
    export = other_format(store, project, chosen, mends=Groups())
    assert [len(i.instances) for i in export.images] == [1 + 1, 3]
    members = list(row.members(export))
    assert len(members) == row.count(export) and all(member.data for member in members)


def test_a_negative_size_that_an_older_project_holds_is_written_as_the_masks_own_and_counted(store, project):
    first = store.instances(project)[0]
    wrong = {"area": -5, "bbox": [1, 1, -3, 2], "note": "mine"}
    store.decide(project, "ann", "as older versions did", [change(first, extra=wrong)])
    data, note = checked_coco(store, project, selection(store, project))
    (row,) = (row for row in json.loads(data)["annotations"] if row["id"] == first.coco_id)
    assert row["area"] == first.mask.area and row["bbox"] == list(first.mask.box_xywh)
    assert row["note"] == "mine"
    assert "annotations.area: " in note and "annotations.bbox: " in note


def test_a_negative_size_of_an_older_project_is_the_masks_own_in_other_formats_and_counted(store, project):
    chosen = selection(store, project, statuses=("accepted", "proposed"))

    def written(mends):
        export = other_format(store, project, chosen, mends=mends)
        return {i.row: i for image in export.images for i in image.instances}

    before = written(Groups())
    first = next(row for row in store.instances(project) if row.coco_id in before)
    wrong = {"given_area": -5.0, "given_box": [4.0, 1.0, 1.0, 3.0]}
    store.decide(project, "ann", "as older versions did", [change(first, **wrong)])
    mends = Groups()
    assert written(mends) == before | {
        first.coco_id: replace(before[first.coco_id], given_box=None, given_area=None)
    }
    assert [note.partition(":")[0] for note in mends.sentences()] == ["annotations.area", "annotations.bbox"]
    assert len(mends) == 2
