"""Pictures and records in a project: from folders, zips and single files, at once or one after the other."""

import io
import json
import unicodedata
import zipfile

import numpy as np
import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.intake import import_files, uploaded_folder
from maskrcnn_core.projects.store import Store


def picture(value, height=48, width=64):
    return encode_png(np.full((height, width, 3), value, np.uint8))


RED, BLUE, GREY = picture((200, 0, 0)), picture((0, 0, 200)), picture(90)


def data_set(*names):
    """One square for each image, further right in each."""
    return json.dumps(
        {
            "images": [
                {"id": n, "file_name": name, "width": 64, "height": 48} for n, name in enumerate(names, 1)
            ],
            "categories": [{"id": 1, "name": "cell"}],
            "annotations": [
                {
                    "id": n,
                    "image_id": n,
                    "category_id": 1,
                    "segmentation": [[n * 10, 10, n * 10 + 5, 10, n * 10 + 5, 20, n * 10, 20]],
                    "area": 50,
                    "bbox": [n * 10, 10, 5, 10],
                    "iscrowd": 0,
                }
                for n in range(1, len(names) + 1)
            ],
        }
    ).encode()


def write(folder, **files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def zip_of(files):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def data(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, ["project", *map(str, arguments)], catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


def added(*paths, name="P"):
    """What ``project add`` into a new project made: see :func:`squares`."""
    invoke("new", name)
    invoke("add", name, "--quiet", *paths)
    return of_project(name)


def of_project(name="P"):
    store = Store()
    project = next(row.id for row in store.projects() if row.name == name)
    result = squares(store, project)
    store.close()
    return result


def squares(store, project):
    """Left edge of each instance to the pixels of its image: whose square lies on whose picture."""
    images = {row.id: row for row in store.images(project)}
    return {
        int(row.mask.box_xywh[0]): store.blobs.get(images[row.image_id].digest)
        if images[row.image_id].digest
        else None
        for row in store.instances(project)
    }


def names_of(store, project):
    return [row.file_name for row in store.images(project)]


def test_a_folder_comes_with_its_data_sets_and_sub_folders(data, tmp_path):
    """Roboflow's layout: a JSON file in each part."""
    pictures = {"train": RED, "valid": BLUE, "test": GREY}
    for number, (part, pixels) in enumerate(pictures.items(), start=1):
        document = json.loads(data_set(*["x"] * number))
        document["images"] = [{"id": number, "file_name": "1.jpg", "width": 64, "height": 48}]
        document["annotations"] = document["annotations"][-1:]
        write(tmp_path / "set" / part, **{"_a.coco.json": json.dumps(document).encode(), "1.jpg": pixels})
    write(tmp_path / "set", **{"README.txt": b"hello", ".DS_Store": b"x", "loose/free.png": picture(1)})
    invoke("new", "P")
    result = invoke("add", "P", "--quiet", tmp_path / "set")
    assert result.stdout.startswith("4 images, 1 category and 3 instances added")
    assert "left alone in the folders" in result.stderr and "1 .txt" in result.stderr
    assert (
        "1 image named with the folder of its data set here, because data sets from several folders were "
        "combined: train/1.jpg" in result.stderr
    )
    assert of_project() == {10: RED, 20: BLUE, 30: GREY}
    store = Store()
    assert set(names_of(store, 1)) == {"train/1.jpg", "valid/1.jpg", "test/1.jpg", "loose/free.png"}
    store.close()
    again = invoke("add", "P", "--quiet", tmp_path / "set").stdout
    assert again.startswith(
        "0 images, 0 categories and 0 instances added; 4 images were already in the project"
    )


def test_two_cameras_and_a_list_come_in_as_they_belong(data, tmp_path):
    write(tmp_path, **{"coco.json": data_set("cam1/f.png", "cam2/f.png")})
    write(tmp_path, **{"cam1/f.png": RED, "cam2/f.png": BLUE})
    assert added(*(tmp_path / name for name in ("coco.json", "cam1", "cam2"))) == {10: RED, 20: BLUE}
    assert added(*(tmp_path / name for name in ("cam2", "cam1", "coco.json")), name="Q") == {
        10: RED,
        20: BLUE,
    }
    assert added(tmp_path / "coco.json", tmp_path / "cam2", name="R") == {10: None, 20: BLUE}


def test_cvats_zip_comes_in_as_it_belongs(store):
    archive = zip_of(
        {
            "images/default/cam1/f.png": RED,
            "images/default/cam2/f.png": BLUE,
            "annotations/instances_default.json": data_set("cam1/f.png", "cam2/f.png"),
        }
    )
    project = store.create_project("P", "ann").id
    report = import_files(store, project, "ann", [("job.zip", archive)])
    assert squares(store, project) == {10: RED, 20: BLUE}
    assert (report.images, report.notes, report.refused) == (2, (), ())
    again = store.create_project("Q", "ann").id
    files = [("cam1/f.png", RED), ("cam2/f.png", BLUE), ("c.json", export_coco(store, project))]
    import_files(store, again, "ann", files)
    assert export_coco(store, again) == export_coco(store, project)


def test_a_browsers_folder_comes_in_like_one_on_disk(store):
    files = {
        "set/train/ann.json": data_set("0001.png"),
        "set/val/ann.json": data_set("none.png", "0001.png", "0002.png"),
        "set/train/0001.png": RED,
        "set/train/0002.png": GREY,
        "set/val/0001.png": BLUE,
        "set/val/.DS_Store": b"x",
        "set/notes.txt": b"x",
    }
    project = store.create_project("P", "ann").id
    report = import_files(store, project, "ann", uploaded_folder(files.items()))
    digests = {row.file_name: row.digest for row in store.images(project)}
    assert store.blobs.get(digests["train/0001.png"]) == RED
    assert store.blobs.get(digests["val/0001.png"]) == BLUE
    assert store.blobs.get(digests["train/0002.png"]) == GREY, "it is nobody's, and a picture all the same"
    assert report.missing == ("none.png", "0002.png") and report.refused == ()
    assert digests["val/none.png"] == digests["val/0002.png"] == ""
    assert "1 .txt" in report.notes[0]


def test_zips_do_not_lend_each_other_pictures(store):
    one = zip_of({"ann.json": data_set("a.png", "b.png"), "a.png": RED})
    two = zip_of({"ann.json": data_set("c.png"), "b.png": BLUE, "c.png": GREY})
    project = store.create_project("P", "ann").id
    report = import_files(store, project, "ann", [("one.zip", one), ("two.zip", two)])
    assert report.missing == ("b.png",) and report.filled == ()
    waiting = next(row for row in store.images(project) if not row.digest)
    assert waiting.file_name == "b.png"


def test_zips_of_a_chinese_windows_match_the_list_inside(store):
    names = ["\u56fe\u7247\u4e00.png", "\u56fe\u7247\u4e8c.png"]
    raw = [name.encode("gbk") for name in names]
    archive = zip_of({"X" * len(raw[0]): RED, "Y" * len(raw[1]): BLUE, "c.json": data_set(*names)})
    archive = archive.replace(b"X" * len(raw[0]), raw[0]).replace(b"Y" * len(raw[1]), raw[1])
    project = store.create_project("P", "ann").id
    report = import_files(store, project, "ann", [("windows.zip", archive)])
    assert squares(store, project) == {10: RED, 20: BLUE} and report.images == 2
    assert names_of(store, project) == names


def imported(tmp_path, names, files, *, folder="pictures"):
    write(tmp_path / folder, **files)
    write(tmp_path, **{"truth.json": data_set(*names)})
    return invoke("import", "P", "--ground-truth", tmp_path / "truth.json", "--images", tmp_path / folder)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("images\\a.png", "images/a.png"),
        ("\u00e9.png", unicodedata.normalize("NFD", "\u00e9.png")),
        ("http://host/data/upload/1/a%20b.png?x=1", "a b.png"),
        ("A.PNG", "a.png"),
    ],
)
def test_import_finds_what_is_spelt_otherwise(data, tmp_path, name, path):
    result = imported(tmp_path, [name, "b.png"], {path: RED, "b.png": BLUE})
    assert result.stdout.startswith("2 images, 1 category and 2 instances added")
    assert of_project() == {10: RED, 20: BLUE}


def test_one_file_never_serves_two_records(data, tmp_path):
    names = ["train/0001.png", "val/0001.png"]
    result = imported(tmp_path, names, {"0001.png": RED}, folder="train")
    assert "1 image is listed and was not found" in result.stdout
    assert of_project() == {10: RED, 20: None}


def test_what_is_ambiguous_is_refused_by_name(data, tmp_path):
    result = imported(tmp_path, ["f.png"], {"a/f.png": RED, "b/f.png": BLUE})
    assert "f.png" in result.stderr and "a/f.png and b/f.png" in result.stderr
    assert of_project() == {10: None}


def test_links_to_pictures_elsewhere_are_followed(data, tmp_path):
    write(tmp_path / "far", **{"a.png": RED, "deep/b.png": BLUE})
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").symlink_to(tmp_path / "far" / "a.png")
    (tmp_path / "pictures" / "sub").symlink_to(tmp_path / "far" / "deep")
    imported(tmp_path, ["a.png", "sub/b.png"], {})
    assert of_project() == {10: RED, 20: BLUE}
    assert added(tmp_path / "truth.json", tmp_path / "pictures", name="Q") == {10: RED, 20: BLUE}


@pytest.mark.parametrize("name", ["a.png", "train\\a.png", "x/TRAIN/A.PNG"])
def test_a_file_that_comes_later_fills_the_record_that_waits(store, name):
    project = store.create_project("P", "ann").id
    import_files(store, project, "ann", [("c.json", data_set("train/a.png", "b.png")), ("b.png", BLUE)])
    report = import_files(store, project, "ann", [(name, RED)])
    assert (report.images, report.filled, report.known) == (0, ("train/a.png",), ())
    assert squares(store, project) == {10: RED, 20: BLUE}
    assert names_of(store, project) == ["train/a.png", "b.png"]
    assert import_files(store, project, "ann", [(name, RED)]).known == (name,)
    store.undo(project, "ann")
    assert squares(store, project) == {10: None, 20: BLUE}


def test_content_that_is_there_already_fills_a_record_too(store):
    project = store.create_project("P", "ann").id
    import_files(store, project, "ann", [("other.png", RED)])
    import_files(store, project, "ann", [("c.json", data_set("train/a.png"))])
    report = import_files(store, project, "ann", [("a.png", RED)])
    assert report.filled == ("train/a.png",) and report.known == ()
    assert squares(store, project) == {10: RED}


def test_a_twin_and_another_size_fill_nothing(store):
    project = store.create_project("P", "ann").id
    import_files(store, project, "ann", [("c.json", data_set("train/a.png", "val/a.png", "b.png"))])
    small = picture(7, 10, 10)
    report = import_files(store, project, "ann", [("test/a.png", RED), ("b.png", small), ("a.png", BLUE)])
    assert report.filled == () and report.images == 3
    told = "\n".join(report.notes)
    assert "train/a.png" in told and "val/a.png" in told and "expected 64 x 48 pixels" in told
    assert set(squares(store, project).values()) == {None}


def test_pictures_that_were_there_first_are_those_of_a_list_that_comes_later(store):
    project = store.create_project("P", "ann").id
    import_files(store, project, "ann", [("a.png", RED), ("b.png", BLUE)])
    report = import_files(store, project, "ann", [("c.json", data_set("images/a.png", "b.png"))])
    assert squares(store, project) == {10: RED, 20: BLUE} and report.images == 0
    assert any("images/a.png is a.png" in note for note in report.notes)


def test_numbers_as_names_become_ids_where_they_are_free(store):
    project = store.create_project("P", "ann").id

    def ids():
        return {row.file_name: row.coco_id for row in store.images(project)}

    report = import_files(store, project, "ann", [("000000000139.png", RED), ("x/7.png", BLUE)])
    assert ids() == {"000000000139.png": 139, "x/7.png": 7}
    assert any("numbers" in note and "2 images" in note for note in report.notes)
    report = import_files(store, project, "ann", [("7.png", GREY), ("8.png", picture(3))])
    assert ids()["8.png"] == 8 and ids()["7.png"] == 140
    assert any("1 image did not get" in note for note in report.notes)
    import_files(store, project, "ann", [("9.png", picture(4)), ("a.png", picture(5))])
    assert (ids()["9.png"], ids()["a.png"]) == (141, 142)
