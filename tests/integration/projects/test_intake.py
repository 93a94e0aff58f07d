"""Whatever a person hands in: told apart by content, named where it cannot be used, never half taken."""

import io
import json
import zipfile

import pytest

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.new_rows import new_image
from maskrcnn_core.projects.thumbnails import thumbnails_of
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.core import disc

PICTURES = {f"{n}.png": encode_png(draw_scene(n).pixels[: 60 + n, :80]) for n in range(4)}
DISC = disc(60, 80, 30, 40, 10)
COCO = {
    "images": [{"id": 4, "file_name": "0.png", "height": 60, "width": 80}],
    "annotations": [
        {
            "id": 1,
            "image_id": 4,
            "category_id": 2,
            "segmentation": {"size": [60, 80], "counts": DISC.counts},
            "area": DISC.area,
            "bbox": list(DISC.box_xywh),
            "iscrowd": 0,
        }
    ],
    "categories": [{"id": 2, "name": "cell"}],
}


def zip_of(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def project(store):
    return store.create_project("Cells", "ann").id


def file_names(store, project):
    return [row.file_name for row in store.images(project)]


def test_images_and_zips_of_images_come_in_together(store, project):
    archive = zip_of({"a/1.png": PICTURES["1.png"], "a/notes.txt": b"x", "b/2.png": PICTURES["2.png"]})
    report = import_files(store, project, "ann", [("0.png", PICTURES["0.png"]), ("more.zip", archive)])
    assert file_names(store, project) == ["0.png", "a/1.png", "b/2.png"]
    assert report.images == 3 and report.refused == () and "1 .txt" in report.notes[0]
    assert len(store.journal(project)) == 1, "one decision"
    store.undo(project, "ann")
    assert file_names(store, project) == []


def test_a_coco_file_finds_its_images_wherever_they_lie_in_the_same_hand(store, project):
    archive = zip_of({"data/instances.json": json.dumps(COCO), "data/images/0.png": PICTURES["0.png"]})
    report = import_files(store, project, "ann", [("set.zip", archive), ("1.png", PICTURES["1.png"])])
    assert (report.images, report.instances, report.categories) == (2, 1, 1)
    assert report.missing == () and report.refused == ()
    assert file_names(store, project) == ["0.png", "1.png"]
    assert store.instances(project)[0].mask == DISC
    again = import_files(store, project, "ann", [("set.zip", archive)])
    assert (again.images, again.instances) == (0, 0)


def test_two_images_of_one_last_name_are_not_guessed_between(store, project):
    files = [
        ("instances.json", json.dumps(COCO).encode()),
        ("a/0.png", PICTURES["0.png"]),
        ("b/0.png", PICTURES["1.png"]),
    ]
    report = import_files(store, project, "ann", files)
    assert report.missing == ("0.png",)
    assert file_names(store, project) == ["0.png", "a/0.png", "b/0.png"]


def test_bad_files_are_named_and_the_good_ones_come_in(store, project):
    files = [
        ("broken.zip", b"PK\x03\x04 and no more"),
        ("empty.zip", zip_of({})),
        ("![x](http://a).png", b"no image"),
        ("no.json", b"{]"),
        ("half.png", PICTURES["2.png"][:200]),
        ("0.png", PICTURES["0.png"]),
    ]
    report = import_files(store, project, "ann", files)
    assert file_names(store, project) == ["0.png"]
    assert len(report.refused) == 5
    for name, sentence in zip(
        ("broken.zip", "empty.zip", "![x](http://a).png"), report.refused, strict=False
    ):
        assert name in sentence


def test_the_same_content_twice_is_said_and_taken_once(store, project):
    files = [("0.png", PICTURES["0.png"]), ("copy.png", PICTURES["0.png"]), ("0.png", PICTURES["1.png"])]
    report = import_files(store, project, "ann", files)
    assert report.known == ("copy.png",)
    assert file_names(store, project) == ["0.png", "0 (2).png"]


def test_small_pictures_are_made_once_and_come_back_if_they_are_lost(store, project):
    import_files(store, project, "ann", list(PICTURES.items()))
    images = store.images(project)
    kept = store.thumbnails([row.digest for row in images])
    assert len(kept) == 4 and all(data[:2] == b"\xff\xd8" for data in kept.values())
    assert thumbnails_of(store, images) == kept
    fresh = store.create_project("Other", "ann").id
    digest = store.blobs.put(encode_png(draw_scene(9).pixels))
    assert store.thumbnails([digest]) == {}
    store.decide(fresh, "ann", "add", [new_image(1, "x.png", (480, 640), digest)])
    assert digest in thumbnails_of(store, store.images(fresh))
    assert digest in store.thumbnails([digest])
