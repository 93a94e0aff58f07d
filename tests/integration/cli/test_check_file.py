"""``check-file``: what it prints, what it writes, how it ends."""

import json

import pytest

from maskrcnn_core.formats.checks import CHECKS
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.images.reading import encode_png
from tests.builders.cli import invoke, run_here, shared_or_none
from tests.builders.core import make_image
from tests.shared_data import shared_path
from tests.unit.formats.test_checking import CASES, HEIGHT, WIDTH, data_of, document

_FOLDER = shared_or_none("cases", "coco_in")
SHARED = sorted(file.name for file in _FOLDER.glob("*.json")) if _FOLDER else [None]


@pytest.fixture
def file(tmp_path):
    def write(value):
        path = tmp_path / "given.json"
        path.write_bytes(data_of(value))
        return path

    return write


def test_a_right_file_ends_with_0_and_says_so(file):
    code, out, _ = run_here("check-file", file(document()))
    assert code == 0
    assert out == "2 images, 2 categories, 3 annotations\nNothing is wrong.\n"


def test_what_is_wrong_is_a_table_with_counts_and_places(file):
    code, out, _ = run_here("check-file", file(CASES["hole"]))
    assert code == 1
    lines = out.splitlines()
    assert lines[1].split() == ["count", "what", "first", "places"]
    assert lines[2].split(maxsplit=2)[:2] == ["warning", "1"]
    assert lines[2].endswith("annotations[3]")
    assert "--fix: one polygon with a cut" in out


def test_a_repaired_file_is_right_and_the_first_one_is_left_alone(file, tmp_path):
    given, fixed = file(CASES["crowd"]), tmp_path / "fixed.json"
    before = given.read_bytes()
    code, out, err = run_here("check-file", given, "--fix", fixed)
    assert code == 1
    assert "iscrowd 1 on most annotations (2): iscrowd 0" in out
    assert "lowest mask IoU 1.000000; checked again: nothing is wrong" in out
    assert "wrote" in err
    assert given.read_bytes() == before
    code, out, _ = run_here("check-file", fixed)
    assert code == 0 and "Nothing is wrong." in out


@pytest.mark.parametrize("is_link", [False, True])
def test_the_checked_file_is_never_written(file, tmp_path, is_link):
    given = file(CASES["crowd"])
    out = tmp_path / "link.json" if is_link else given
    if is_link:
        out.symlink_to(given)
    before = given.read_bytes()
    code, _, err = run_here("check-file", given, "--fix", out)
    assert code == 2 and "never overwritten" in err
    assert given.read_bytes() == before


def test_findings_as_json_are_for_programs(file, tmp_path):
    code, out, _ = run_here("check-file", file(CASES["bbox-corners"]), "--json", "--fix", tmp_path / "o.json")
    assert code == 1
    value = json.loads(out)
    (found,) = [one for one in value["findings"] if one["severity"] != "info"]
    assert found["key"] == "bbox-corners" and found["count"] == 1 and found["places"] == ["annotations[3]"]
    assert value["repaired"]["annotations"] == 4 and value["repaired"]["lost"] == ""


def test_sizes_are_measured_in_the_images(file, tmp_path):
    folder, fixed = tmp_path / "images", tmp_path / "fixed.json"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(encode_png(make_image(HEIGHT, WIDTH)))
    bare = document(images=[{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}])
    code, out, _ = run_here("check-file", file(bare), "--images", folder, "--fix", fixed)
    assert code == 1 and "images without width and height" in out
    found = json.loads(fixed.read_bytes())
    assert [(one["height"], one["width"]) for one in found["images"]] == [(HEIGHT, WIDTH)] * 2
    assert len(found["annotations"]) == 3
    code, out, _ = run_here("check-file", file(bare), "--fix", fixed)
    assert "3 annotations could not be kept" in out


@pytest.mark.parametrize(
    ("content", "more", "said"),
    [
        (b"{", (), "not JSON"),
        (b'[{"image_id": 1, "category_id": 1, "score": 1}]', (), "COCO results"),
        (b"{}", (), "images"),
        (None, (), "cannot read this file"),
        (data_of(document()), ("--images", "nowhere"), "expected a folder"),
    ],
)
def test_bad_use_ends_with_2_and_writes_nothing(tmp_path, content, more, said):
    given, out = tmp_path / "given.json", tmp_path / "out.json"
    if content is not None:
        given.write_bytes(content)
    code, _, err = run_here("check-file", given, "--fix", out, *more)
    assert code == 2 and said in err
    assert not out.exists()


def test_the_help_says_what_the_exit_codes_mean():
    out = invoke("check-file", "--help").output
    assert "--fix" in out and "1 if there are errors or warnings" in " ".join(out.split())


@pytest.mark.parametrize("name", SHARED)
def test_files_of_other_programs_come_back_right(tmp_path, name):
    given, fixed = shared_path("cases", "coco_in", name or "cvat_masks.json"), tmp_path / "fixed.json"
    code, _, _ = run_here("check-file", given, "--fix", fixed)
    assert code in (0, 1)
    assert run_here("check-file", fixed)[0] == 0
    before, _ = read_coco(given.read_bytes())
    after, refusals = read_coco(fixed.read_bytes())
    assert not [one for one in refusals if "only boxes" not in str(one)]
    assert [one.mask for one in after.instances] == [one.mask for one in before.instances]
    assert [image.id for image in after.images] == [image.id for image in before.images]


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("cvat_masks.json", "crowd"),
        ("ids_from_0.json", "annotation-id-0"),
        ("nan_in_attributes.json", "not-json"),
        ("segmentation_flat_list.json", "odd-form"),
        ("sliver.json", "bad-part"),
        ("string_ids.json", "text-number"),
        ("nosize.json", "size-unknown"),
        ("lone_surrogate_category.json", "odd-text"),
        ("iscrowd_null.json", "bad-field"),
        ("boxes_only.json", "box-only"),
        ("category_ids_from_0.json", "category-id-0"),
    ],
)
def test_the_fault_of_each_file_is_named(name, key):
    out = run_here("check-file", shared_path("cases", "coco_in", name), "--json")[1]
    assert key in {one["key"] for one in json.loads(out)["findings"]}


def test_run_lengths_of_an_object_with_a_hole_are_told_and_kept(tmp_path):
    given = shared_path("cases", "other_formats", "export_with_a_hole.json")
    fixed = tmp_path / "fixed.json"
    code, out, _ = run_here("check-file", given, "--fix", fixed)
    assert code == 0 and "objects as run lengths" in out
    assert json.loads(fixed.read_bytes()) == json.loads(given.read_bytes())


def test_every_severity_is_one_that_the_command_knows():
    assert {check.severity for check in CHECKS} == {"error", "warning", "info"}
