"""Formats from the command line: what annotations are is told by their content."""

import json
import os

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from maskrcnn_core.formats import FORMATS, format_by_key
from maskrcnn_core.formats.base import stems_of_records
from maskrcnn_core.formats.writing import write_export
from tests.builders.formats import make_export, make_image_with, make_instances
from tests.builders.other_formats import labelme, photo, square_mask, via_1, voc, yolo_line


def run(*words):
    done = CliRunner().invoke(cli.app, [*(str(word) for word in words), "--quiet"])
    return done.exit_code, done.output


@pytest.fixture
def coco(tmp_path):
    """A COCO file of two scenes, and the folder of their images."""
    (tmp_path / "images").mkdir()
    images = []
    for number in (1, 2):
        image = make_image_with(make_instances(number), number, f"scene_{number}.png")
        (tmp_path / "images" / f"scene_{number}.png").write_bytes(_png(image))
        images.append(image)
    (member,) = format_by_key("coco").members(make_export(images=tuple(images)))
    file = tmp_path / "coco.json"
    file.write_bytes(member.data)
    return file


def _png(image):
    from maskrcnn_core.images.reading import encode_png

    return encode_png(image.load_pixels())


def rows_of(file):
    document = json.loads(file.read_text("utf-8"))
    names = {row["id"]: row["name"] for row in document["categories"]}
    images = {row["id"]: row["file_name"].rpartition("/")[2] for row in document["images"]}
    return sorted(
        (images[row["image_id"]], names[row["category_id"]], row["area"], *row["bbox"])
        for row in document["annotations"]
    )


BOTH_WAYS = [row for row in FORMATS if {"mask", "overlap", "category name"} <= row.kept]


@pytest.mark.parametrize("row", BOTH_WAYS, ids=lambda row: row.key)
@pytest.mark.parametrize("with_images", [False, True], ids=["alone", "with images"])
def test_there_and_back_gives_the_same(row, with_images, coco, tmp_path):
    there, images = tmp_path / f"there_{row.key}", tmp_path / "images"
    more = ["--with-images"] if with_images else []
    code, output = run("convert", coco, there, "--to", row.key, "--images", images, *more)
    assert code == 0 and "lowest mask IoU 1.000000" in output, output
    beside = [] if with_images and row.brings_images else ["--images", images]
    code, output = run("convert", there, tmp_path / "back.json", "--to", "coco", *beside)
    assert code == 0, output
    again, before = rows_of(tmp_path / "back.json"), rows_of(coco)
    assert [one[1:] for one in again] == [one[1:] for one in before]


def test_a_zip_is_written_whole_and_read_again(coco, tmp_path):
    code, output = run("convert", coco, tmp_path / "a.zip", "--to", "voc", "--images", tmp_path / "images")
    assert code == 0 and "PASCAL VOC: 2 images" in output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "coco.json", "images"]
    code, output = run("convert", tmp_path / "a.zip", tmp_path / "b.json", "--to", "coco")
    assert code == 0 and "read as PASCAL VOC, 2 images, 10 instances" in output


def test_parts_follow_the_folders_of_data_sets(tmp_path):
    for part in ("train", "valid"):
        (tmp_path / "in" / part).mkdir(parents=True)
        (tmp_path / "in" / part / f"{part}.png").write_bytes(photo())
        (tmp_path / "in" / part / "via.json").write_bytes(via_1(f"{part}.png"))
    code, output = run("convert", tmp_path / "in", tmp_path / "out", "--to", "yolo", "--with-images")
    assert code == 0, output
    written = sorted(
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")
    )
    assert written == [
        "data.yaml",
        "images/train/train.png",
        "images/val/valid.png",
        "labels/train/train.txt",
        "labels/val/valid.txt",
    ]


def test_boxes_are_named_and_not_written(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(photo())
    (tmp_path / "in" / "a.xml").write_bytes(voc())
    code, output = run("convert", tmp_path / "in", tmp_path / "out.json", "--to", "coco")
    assert code == 0 and "1 box without a mask is not in it" in output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{in}", "{out}", "--to", "word"], "expected one of coco, coco-polygons"),
        (["{in}/nothing", "{out}", "--to", "yolo"], "there is no such file or folder"),
        (["{in}", "{out}", "--to", "yolo"], "expected annotations of a format that is read"),
        (["{in}", "{out}", "--to", "yolo", "--simplify", "99"], "simplify"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(words, said, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(photo())
    code, output = run(
        "convert", *(word.format(**{"in": tmp_path / "in", "out": tmp_path / "out"}) for word in words)
    )
    assert code == 2 and said in output.replace("\n", " ")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.parquet", b"PAR1 half of it", "this is not Parquet, or only part of a file"),
        ("metadata.jsonl", b'{"file_name": "a.png"}\n{"file', "line 2: this is not JSON"),
        ("annotations.xml", b"<annotations><meta>", "this is not XML, or only part of a file"),
        ("empty.json", b"", "this is not JSON: the file is empty"),
        ("page.json", b"<!DOCTYPE html><html>", "this is not JSON: it begins as HTML or XML does"),
        (
            "a.txt",
            b"words",
            "got only files that are none (1 .txt)",
        ),
    ],
)
def test_what_is_wrong_with_a_damaged_file_is_said(name, data, said, tmp_path):
    (tmp_path / name).write_bytes(data)
    code, output = run("convert", tmp_path / name, tmp_path / "out", "--to", "yolo")
    assert code == 2 and said in output.replace("\n", " ")


def test_pipes_are_named_and_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    os.mkfifo(tmp_path / "pipe.json")
    CliRunner().invoke(cli.app, ["project", "new", "P"])
    for words in (
        ("convert", tmp_path / "pipe.json", tmp_path / "out", "--to", "yolo"),
        ("check-file", tmp_path / "pipe.json"),
        ("project", "import", "P", "--ground-truth", tmp_path / "pipe.json", "--images", tmp_path),
    ):
        done = CliRunner().invoke(cli.app, [str(word) for word in words])
        code, output = done.exit_code, done.output
        assert code == 2 and "got a pipe or device" in output.replace("\n", " "), words
    (tmp_path / "a.png").write_bytes(photo())
    words = ["project", "add", "P", str(tmp_path / "pipe.json"), str(tmp_path / "a.png")]
    output = CliRunner().invoke(cli.app, words).output
    assert "pipe.json: expected a file or a folder, got a pipe or device" in output and "1 image" in output, (
        output
    )


def test_ctrl_c_is_answered(coco, tmp_path, monkeypatch):
    def interrupt(*_more):
        raise KeyboardInterrupt

    monkeypatch.setattr("maskrcnn_core.cli.convert.write_export", interrupt)
    code, output = run("convert", coco, tmp_path / "out", "--to", "yolo")
    assert code == 130 and "stopped; nothing was written to" in output


def test_what_a_deep_image_loses_as_png_is_said_once(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        deep = Image.fromarray(np.arange(60 * 90, dtype=np.uint16).reshape(60, 90))
        deep.save(tmp_path / "in" / f"{name}.tif")
        (tmp_path / "in" / f"{name}.json").write_bytes(labelme(f"{name}.tif"))
    code, output = run("convert", tmp_path / "in", tmp_path / "out", "--to", "yolo", "--with-images")
    assert code == 0
    assert "2 files: it comes along as it is seen: " in output.replace("\n", " "), output
    assert (tmp_path / "out" / "images" / "train" / "a.png").exists()


def test_a_project_takes_and_gives_any_format(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKDESK_DATA", str(tmp_path / "data"))
    (tmp_path / "in" / "images").mkdir(parents=True)
    (tmp_path / "in" / "labels").mkdir()
    (tmp_path / "in" / "images" / "a.png").write_bytes(photo())
    (tmp_path / "in" / "images" / "unlisted.png").write_bytes(photo(2))
    (tmp_path / "in" / "labels" / "a.txt").write_text(yolo_line())
    (tmp_path / "in" / "data.yaml").write_text("names: [cell]\n")
    folder = tmp_path / "in"
    code, output = run("project", "import", "P", "--ground-truth", folder, "--images", folder / "images")
    assert code == 0 and "1 image, 1 category and 1 instance added" in output
    code, output = run(
        "project",
        "export",
        "P",
        "--out",
        tmp_path / "x",
        "--format",
        "supervisely",
        "--with-images",
        "--quiet",
    )
    assert code == 0 and "1 instance, lowest mask IoU 1.000000" in output
    assert (tmp_path / "x" / "ds0" / "img" / "a.png").read_bytes() == photo()
    code, output = run("convert", tmp_path / "x", tmp_path / "y.json", "--to", "coco")
    assert code == 0
    assert [row[2] for row in rows_of(tmp_path / "y.json")] == [int(square_mask().sum())]


def test_annotate_writes_more_formats_beside_its_file(tmp_path):
    from maskrcnn_core.synthetic.samples import sample_png

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "shapes.png").write_bytes(sample_png("shapes"))
    out = tmp_path / "a.json"
    code, output = run(
        "annotate", tmp_path / "in", "--out", out, "--model", "shapes", "--format", "yolo,parquet"
    )
    assert code == 0 and output.count("lowest mask IoU") == 3, output
    assert (tmp_path / "a_yolo" / "labels" / "train" / "shapes.txt").read_text().count("\n") == len(
        rows_of(out)
    )
    assert (tmp_path / "a_parquet.parquet").is_file()


def test_nothing_is_written_over_what_is_read_nor_among_other_files(coco, tmp_path):
    before = coco.read_bytes()
    code, said = run("convert", coco, coco, "--to", "coco")
    assert code == 2 and "this is what is read" in said and coco.read_bytes() == before
    code, said = run("convert", coco, tmp_path / "images", "--to", "yolo")
    assert code == 2 and "holds files already" in said


def test_only_images_are_taken_from_the_images_folder(coco, tmp_path):
    (tmp_path / "images" / "a.xml").write_bytes(voc("scene_1.png"))
    run("convert", coco, tmp_path / "out.json", "--to", "coco", "--images", tmp_path / "images")
    assert len(rows_of(tmp_path / "out.json")) == len(rows_of(coco))


def test_a_new_name_is_one_that_no_other_image_has(tmp_path):
    names = ("a.jpg", "a.png", "a_1.png")
    images = tuple(make_image_with(make_instances(n), n, name) for n, name in enumerate(names, start=1))
    stems = stems_of_records([image.record for image in images])
    assert stems[2] == "a_1" and len(set(stems)) == 3
    export = make_export(images=images)
    notes = write_export(format_by_key("geojson"), export, tmp_path / "out").notes
    assert any("2 images have files of other names here: a.jpg is " in note for note in notes)


def test_a_folder_is_there_as_a_whole_or_not_at_all(tmp_path):
    def stop(_member):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_export(format_by_key("labelme"), make_export(), tmp_path / "out", stop)
    assert list(tmp_path.iterdir()) == []
