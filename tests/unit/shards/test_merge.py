"""The merge: one file, as a run into one file writes it, and none where something is missing or wrong."""

import io
import json

import pytest

from maskrcnn_core.dataset.annotations import AnnotatedImage
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.formats.base import Export
from maskrcnn_core.formats.coco import coco_members, results_members
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.shards import merge as merge_module
from maskrcnn_core.shards.json_stream import JsonStream
from maskrcnn_core.shards.shard_files import marker_of, read_shard
from tests.builders.shards import CATEGORIES, make_folder, merge, plan_for, png, run


@pytest.fixture
def plan(tmp_path):
    folder = make_folder(tmp_path / "in", 10)
    (folder / "broken.png").write_bytes(png()[:60])
    plan = plan_for(folder, folder=tmp_path / "s")
    run(plan)
    return plan


def export_of(plan, tolerance=0.0):
    """What is in the shards, as one export in memory."""
    shards = [plan.shard(n) for n in range(len(plan))]
    images = [
        i for s in shards for i in read_shard(plan.folder, s, marker_of(plan.folder, s, None)) if i.record
    ]
    return Export(
        tuple(AnnotatedImage(i.record, i.instances, list) for i in images),
        CATEGORIES,
        description="drawn",
        tolerance=tolerance,
    )


@pytest.mark.parametrize("tolerance", [0.0, 2.0])
def test_the_file_is_byte_for_byte_that_of_an_export_in_memory(plan, tmp_path, tolerance):
    merged = merge(plan, tmp_path / "a.json", tmp_path / "r.json", tolerance=tolerance)
    (whole,), (results,) = coco_members(export := export_of(plan, tolerance)), results_members(export)
    assert (tmp_path / "a.json").read_bytes() == whole.data
    assert (tmp_path / "r.json").read_bytes() == results.data
    dataset, refusals = read_coco(whole.data)
    assert not refusals
    assert (merged.images, merged.instances) == (10, len(dataset.instances))
    assert merged.instances > 5 and merged.least_iou == (1.0 if tolerance == 0 else merged.least_iou)


def test_nothing_found_anywhere_is_a_file_without_annotations(tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(40):  # some of these have nothing
        (tmp_path / "in" / f"{n}.png").write_bytes(png(n))
    plan = plan_for(tmp_path / "in", folder=tmp_path / "s", size=1)
    run(plan)
    empty = [n for n in range(len(plan)) if not marker_of(plan.folder, plan.shard(n), None).counts.instances]
    (name,) = [entry.place for _, entry in plan.shard(empty[0]).images]
    alone = plan_for(name, folder=tmp_path / "t")
    run(alone)
    merge(alone, tmp_path / "a.json", tmp_path / "r.json")
    assert json.loads((tmp_path / "a.json").read_bytes())["annotations"] == []
    assert (tmp_path / "r.json").read_bytes() == b"[]"


def test_a_missing_shard_is_named_and_nothing_is_written(plan, tmp_path):
    (tmp_path / "s" / "000001.done.json").unlink()
    with pytest.raises(InputError, match="shard 000001 of 3 is not there or not whole"):
        merge(plan, tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()


def test_where_every_image_failed_nothing_is_written(tmp_path):
    (tmp_path / "x.png").write_bytes(png()[:60])
    plan = plan_for(tmp_path / "x.png", folder=tmp_path / "s")
    assert run(plan).succeeded == 0
    with pytest.raises(InputError, match="no image was annotated"):
        merge(plan, tmp_path / "a.json")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b'"width":32', b'"width":33', "images: expected those of shard 0"),
        (b'"annotations":[{"id":1,', b'"annotations":[{"id":2,', "annotations: expected ids from 1 on"),
        (
            b'"annotations":[{"id":1,"image_id":',
            b'"annotations":[{"id":1,"image_id":1',
            "expected another image",
        ),
        (b'"supercategory":"food"', b'"supercategory":"fool"', "categories: expected 2"),
        (b'"segmentation":[[', b'"segmentation":[[1,0,3,0,3,3],[', "expected a mask IoU of 1"),
        (b'"categories":[', b'"categories":[,', "got something else"),
        (
            b'"categories":[',
            b'"kategories":[',
            "expected info, licenses, images, annotations, categories, got",
        ),
        (b'],"annotations":[', b',{}],"annotations":[', "images: expected 10, got more"),
        (b'],"categories":[', b',{}],"categories":[', "annotations: expected .*, got more"),
    ],
)
def test_what_does_not_come_back_is_not_put_in_place(plan, tmp_path, monkeypatch, old, new, told):
    """A defect of the writer is what the read-back is there for: here one in what it writes."""
    (tmp_path / "a.json").write_bytes(b"before")
    written = merge_module.Merger._write_document

    def wrong(self, stream, progress):
        held = io.BytesIO()
        written(self, held, progress)
        assert old in held.getvalue()
        stream.write(held.getvalue().replace(old, new, 1))

    monkeypatch.setattr(merge_module.Merger, "_write_document", wrong)
    with pytest.raises(ExportError, match=told):
        merge(plan, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == b"before"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


DOCUMENT = {
    "info": {"a": "[{"},
    "none": [],
    "rows": [{"n": n, "text": 'é"]},{' * n} for n in range(9)],
    "more": [{}],
}


@pytest.mark.parametrize("chunk", [1, 7, 64, 4096])
def test_rows_are_read_whatever_the_pieces(chunk):
    data = json.dumps(DOCUMENT, ensure_ascii=False, separators=(",", ":")).encode()
    read = {name: list(rows) for name, rows in JsonStream(io.BytesIO(data), chunk).members()}
    assert read == DOCUMENT | {"info": [DOCUMENT["info"]]}
    assert [name for name, _ in JsonStream(io.BytesIO(data), chunk).members()] == list(DOCUMENT)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"rows":[{}', b'{"rows":[{}]}x', b'{"rows":[{}{}]}', b"\xff{}"]
)
def test_what_is_not_whole_is_refused(data):
    with pytest.raises(ExportError, match="got something else"):
        [list(rows) for _, rows in JsonStream(io.BytesIO(data), 3).members()]
