import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from maskrcnn_core.batch import BatchSettings, annotate, find_files, journal_file, plan_images
from maskrcnn_core.detections import Thresholds
from maskrcnn_core.errors import ExportError, InferenceError, InputError
from maskrcnn_core.folders import PassedOver
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.formats.coco_results import read_results_file
from maskrcnn_core.images import encode_png
from maskrcnn_core.inference import Failure, Predictor
from tests.core.builders import make_image, make_model

LOW = Thresholds(0.05, 0.5, 6)


class RememberingPredictor(Predictor):
    """Runs the network once for the same pixels, as the tests below ask for them many times."""

    def __init__(self, model):
        super().__init__(model, "cpu")
        self.known = {}
        self.calls = 0

    def run(self, images, thresholds=None):
        self.calls += 1
        (image,) = images
        key = image.shape, image.tobytes()
        if key not in self.known:
            self.known[key] = super().run(images, Thresholds(0.05, 0.5))
        return self.known[key]


@pytest.fixture(scope="module")
def predictor():
    return RememberingPredictor(make_model())


@pytest.fixture
def folder(tmp_path):
    """Three images in two folders, named without numbers."""
    folder = tmp_path / "in"
    write_image(folder / "b.png", 1)
    write_image(folder / "sub" / "a.png", 2, 70, 130)
    write_image(folder / "sub" / "b.png", 3, 130, 70)
    return folder


def write_image(path: Path, seed: int = 0, height: int = 90, width: int = 120) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(make_image(height, width, seed)))
    return path


def settings_for(*named, out: Path, **changes) -> BatchSettings:
    return replace(BatchSettings(tuple(find_files(named)), out / "a.json", LOW, out / "r.json"), **changes)


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Killed(BaseException):
    """As Ctrl-C: no handler of exceptions may stop it."""


def annotate_until(settings, predictor, images):
    def on_progress(done, total, outcome):
        if done == images:
            raise Killed

    with pytest.raises(Killed):
        annotate(settings, predictor, on_progress)


# -- finding --------------------------------------------------------------------------------------


def test_folders_give_images_of_all_sub_folders_without_litter(folder):
    for name in ("notes.txt", ".hidden.png", "._b.png", "Thumbs.db"):
        write_image(folder / name)
    write_image(folder / "__MACOSX" / "c.png")
    write_image(folder / ".cache" / "c.png")
    write_image(folder / "UPPER.JPG")
    os.mkfifo(folder / "pipe.png")
    names = [file.relative_to(folder).as_posix() for file in find_files([folder])]
    assert names == ["UPPER.JPG", "b.png", "sub/a.png", "sub/b.png"]


def test_files_named_outright_are_taken_whatever_they_look_like(folder):
    odd = [write_image(folder / name) for name in (".hidden", "notes.txt", "cat[1].png")]
    missing = folder / "not there.png"
    assert find_files([*odd, missing]) == sorted([*odd, missing])


def test_globs_match_as_in_a_shell(folder):
    assert find_files([f"{folder}/**/b.png"]) == [folder / "b.png", folder / "sub" / "b.png"]
    assert find_files([f"{folder}/s*"]) == [folder / "sub" / "a.png", folder / "sub" / "b.png"]


def test_a_file_met_by_several_ways_is_taken_once(folder, monkeypatch):
    (folder / "z.png").symlink_to(folder / "b.png")
    (folder / "loop").symlink_to(folder)
    monkeypatch.chdir(folder)
    twice = find_files([folder, "b.png", "*.png", "sub/../b.png", str(folder / "sub")])
    assert twice == [folder / "b.png", folder / "sub" / "a.png", folder / "sub" / "b.png"]


def test_what_a_run_writes_is_not_picked_up_by_the_next(folder):
    write_image(folder / "overlays" / "b_overlay.png")
    assert len(find_files([folder], outputs=[folder / "overlays"])) == 3
    with pytest.raises(InputError, match="choose another output folder"):
        find_files([folder], outputs=[folder])


@pytest.mark.parametrize("name", ["nowhere", "empty", "*.png"])
def test_no_files_at_all_are_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"no images found in {name.replace('*', '.')}"):
        find_files([name])


def not_images(folder):
    """Files of kinds that are no images here, sidecars, and litter; in a folder below, too."""
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    dicom = bytes(128) + b"DICM" + bytes(8)
    files = {"a.dcm": dicom, "sub/B.DCM": dicom, "v.mkv": b"\x1a\x45\xdf\xa3", "a.json": b"{}"}
    files |= {"note.txt": b"P1 1", "README": b"x", ".DS_Store": b"x", "odd.xyz": b"\x07"}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return (
        "left alone in the folders, as they are no images: 2 .dcm (the first is a DICOM file), "
        "1 without a suffix, 1 .json, 1 .mkv (a video (Matroska or WebM)), 1 .txt, 1 .xyz, "
        "1 hidden or the system's own"
    )


def test_what_is_left_alone_in_folders_is_counted_once(folder):
    words, others = not_images(folder), PassedOver()
    find_files([folder, folder / "sub", folder / "sub" / "a.png"], others=others)
    assert others.sentence("no images") == words
    assert PassedOver().sentence("no images") == ""


def test_a_folder_that_holds_other_files_alone_says_so(tmp_path):
    words = not_images(tmp_path / "in")
    with pytest.raises(InputError) as told:
        find_files([tmp_path / "in"])
    assert f"in; {words}; name image files" in str(told.value)
    assert "no such file" not in str(told.value)


def test_kinds_beyond_the_most_frequent_are_one_count(folder):
    for n in range(30):
        (folder / f"a.k{n:02}").write_bytes(b"")
    others = PassedOver()
    find_files([folder], others=others)
    assert others.sentence("no images").endswith("1 .k11, 18 of other kinds")


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"in: cannot read this folder \(Permission denied\)"):
        find_files([folder])


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["000000000139.jpg", "7.png"], [139, 7]),
        (["1.jpg", "01.jpg"], [1, 2]),
        (["1.jpg", "1.png"], [1, 2]),
        (["0.jpg", "5.jpg"], [1, 2]),
        (["5.jpg", "b.jpg"], [1, 2]),
        (["٣.jpg", "5.jpg"], [1, 2]),
        (["9" * 19 + ".jpg", "5.jpg"], [1, 2]),
        (["12.jpg"], [12]),
    ],
)
def test_stems_that_are_all_different_numbers_are_the_image_ids(tmp_path, names, ids):
    assert [planned.id for planned in plan_images([tmp_path / name for name in names])] == ids


def test_file_names_and_stems_are_unique(tmp_path):
    names = ["a/x.png", "a/x_1.png", "b/X.jpg", "b/" + "y" * 200 + ".png", "c/" + "y" * 200 + ".png"]
    plan = plan_images([tmp_path / name for name in names])
    assert [planned.file_name for planned in plan] == names
    stems = [planned.stem for planned in plan]
    assert len({stem.casefold() for stem in stems}) == 5
    assert stems[0].startswith("x_1") and stems[1] == "x_1"


# -- a run ------------------------------------------------------------------------------------------


def test_a_run_writes_coco_and_results_that_read_back(folder, tmp_path, predictor):
    seen = []
    report = annotate(
        settings_for(folder, out=tmp_path / "out"), predictor, lambda *event: seen.append(event)
    )
    assert [(done, total, o.file_name, o.status) for done, total, o in seen] == [
        (1, 3, "b.png", "annotated"),
        (2, 3, "sub/a.png", "annotated"),
        (3, 3, "sub/b.png", "annotated"),
    ]
    assert (report.total, report.annotated, report.empty, report.failed, report.not_run) == (3, 3, 0, (), 0)
    assert report.least_iou == 1.0
    assert report.files == (tmp_path / "out" / "a.json", tmp_path / "out" / "r.json")
    assert sorted(files_in(tmp_path / "out")) == ["a.json", "r.json"]  # no journal, no lock, no part
    dataset, refusals = read_coco(report.files[0].read_bytes())
    assert not refusals
    assert [image.file_name for image in dataset.images] == ["b.png", "sub/a.png", "sub/b.png"]
    assert [image.size for image in dataset.images] == [(90, 120), (70, 130), (130, 70)]
    results = read_results_file(report.files[1], dataset)
    assert not results.refusals
    assert len(results.found) == len(dataset.instances) == report.instances > 6
    assert results.found.counts == [i.mask.counts for i in dataset.instances]


def test_what_is_written_is_what_the_predictor_says(folder, tmp_path, predictor):
    report = annotate(settings_for(folder / "b.png", out=tmp_path), predictor)
    (detections,) = predictor.predict([make_image(90, 120, 1)], LOW)
    rows = json.loads(report.files[1].read_bytes())
    kept = [n for n, mask in enumerate(detections.masks(0.5)) if mask.area]
    assert [row["score"] for row in rows] == [float(detections.scores[n]) for n in kept]
    assert [row["segmentation"]["counts"] for row in rows] == [detections.masks(0.5)[n].counts for n in kept]


def test_no_objects_failed_and_not_run_are_three_things(folder, tmp_path, predictor):
    (folder / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    settings = settings_for(folder, folder / "missing.png", out=tmp_path / "out", thresholds=Thresholds(1.0))
    left = iter([False] * 4 + [True])
    report = annotate(settings, predictor, cancelled=lambda: next(left))
    assert (report.total, report.annotated, report.empty, report.not_run) == (5, 0, 2, 1)
    assert [failed.file_name for failed in report.failed] == ["bad.png", "missing.png"]
    assert "cannot read this file" in report.failed[1].reason
    assert report.files == () and report.least_iou is None
    assert sorted(files_in(tmp_path / "out")) == ["a.json.journal"]


def test_images_without_objects_are_in_the_output(folder, tmp_path, predictor):
    report = annotate(settings_for(folder, out=tmp_path, thresholds=Thresholds(1.0)), predictor)
    document = json.loads(report.files[0].read_bytes())
    assert len(document["images"]) == 3 and document["annotations"] == []
    assert (report.empty, report.instances, report.least_iou) == (3, 0, 1.0)


def test_failed_images_are_not_in_the_output_and_keep_their_id_free(folder, tmp_path, predictor):
    (folder / "a bad one.png").write_bytes(b"")
    report = annotate(settings_for(folder, out=tmp_path), predictor)
    assert [f.file_name for f in report.failed] == ["a bad one.png"]
    assert [i["id"] for i in json.loads(report.files[0].read_bytes())["images"]] == [2, 3, 4]


def test_where_no_image_succeeds_an_older_output_stays(tmp_path, predictor):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"nothing")
    (tmp_path / "a.json").write_bytes(b"older")
    report = annotate(settings_for(bad, out=tmp_path), predictor)
    assert report.succeeded == 0 and report.files == ()
    assert files_in(tmp_path) == {"a.json": b"older", "bad.png": b"nothing"}


def test_a_network_that_fails_on_an_image_is_a_failure_of_that_image(
    folder, tmp_path, predictor, monkeypatch
):
    real = predictor.run

    def run(images, thresholds=None):
        return [Failure("the network gave NaN")] if images[0].shape[0] == 70 else real(images, thresholds)

    def detections(run, thresholds, image=None):
        if run.image_size[0] == 130:
            raise InferenceError("the mask head gave NaN")
        return Predictor.detections(predictor, run, thresholds, image)

    monkeypatch.setattr(predictor, "run", run)
    monkeypatch.setattr(predictor, "detections", detections)
    report = annotate(settings_for(folder, out=tmp_path), predictor)
    assert {f.file_name: f.reason for f in report.failed} == {
        "sub/a.png": "the network gave NaN",
        "sub/b.png": "the mask head gave NaN",
    }
    assert report.annotated == 1


def test_two_files_of_the_same_content_are_two_images(tmp_path, predictor):
    first, second = write_image(tmp_path / "x" / "1.png"), write_image(tmp_path / "y" / "2.png")
    report = annotate(settings_for(first, second, out=tmp_path), predictor)
    document = json.loads(report.files[0].read_bytes())
    assert [(i["id"], i["file_name"]) for i in document["images"]] == [(1, "x/1.png"), (2, "y/2.png")]
    by_image = [[a["bbox"] for a in document["annotations"] if a["image_id"] == n] for n in (1, 2)]
    assert by_image[0] == by_image[1] != []


def test_the_category_filter_keeps_only_those(folder, tmp_path, predictor):
    report = annotate(
        settings_for(folder, out=tmp_path, thresholds=replace(LOW, labels=frozenset({2}))), predictor
    )
    document = json.loads(report.files[0].read_bytes())
    assert {a["category_id"] for a in document["annotations"]} <= {2}
    assert len(document["categories"]) == 5
    assert "only b" in document["info"]["description"]


def test_folders_get_the_files_of_each_image_under_different_names(folder, tmp_path, predictor):
    out = tmp_path / "out"
    settings = settings_for(
        folder, out=out, segments=out / "segments", overlays=out / "overlays", masks=out / "masks"
    )
    report = annotate(settings, predictor)
    names = set(files_in(out))
    assert {n for n in names if n.startswith("overlays/")} == {
        "overlays/a_overlay.png",
        "overlays/b_1_overlay.png",
        "overlays/b_3_overlay.png",
    }
    assert {n for n in names if n.startswith("masks/a_")} == {
        "masks/a_masks.npz",
        "masks/a_instances.png",
        "masks/a_categories.png",
    }
    assert len([n for n in names if n.startswith("segments/")]) == 3 * report.instances
    assert any(n.startswith("segments/b_3/001_") for n in names)
    document = json.loads((out / "a.json").read_bytes())
    arrays = np.load(out / "masks" / "b_3_masks.npz")
    areas = [a["area"] for a in document["annotations"] if a["image_id"] == 3]
    assert arrays["masks"].sum((0, 1)).tolist() == areas


def test_odd_file_names_come_through(tmp_path, predictor):
    names = ["=1+1.png", "новый 😀.png", "a\nb.png", "[x](y).png", os.fsdecode(b"\xff.png")]
    for name in names:
        write_image(tmp_path / "in" / name)
    report = annotate(settings_for(tmp_path / "in", out=tmp_path, overlays=tmp_path / "o"), predictor)
    assert report.annotated == 5
    written = [i["file_name"] for i in json.loads(report.files[0].read_bytes())["images"]]
    assert sorted(written) == sorted(names)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"out": "in"}, "found a folder"),
        ({"out": "r.json"}, "must be different"),
        ({"out": "in/b.png"}, "one of the images"),
        ({"overlays": "in/b.png"}, "wanted a folder, found a file"),
        ({"files": ()}, "wanted one or more"),
    ],
)
def test_impossible_outputs_are_refused_before_anything_runs(folder, tmp_path, predictor, changes, says):
    changes = {k: tmp_path / v if isinstance(v, str) else v for k, v in changes.items()}
    before = files_in(tmp_path)
    with pytest.raises(InputError, match=says):
        annotate(replace(settings_for(folder, out=tmp_path), **changes), predictor)
    assert files_in(tmp_path) == before


def test_a_disk_that_is_full_stops_the_run_and_it_can_be_resumed(folder, tmp_path, predictor, monkeypatch):
    clean = undisturbed(folder, tmp_path, predictor)
    settings = settings_for(folder, out=tmp_path / "out", overlays=tmp_path / "out" / "o")

    def full(members, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskrcnn_core.batch.run.write_folder", full)
    with pytest.raises(ExportError, match=r"o: cannot write \(No space left on device\)"):
        annotate(settings, predictor)
    monkeypatch.undo()
    annotate(replace(settings, resume=True), predictor)
    assert {k: v for k, v in files_in(tmp_path / "out").items() if "/" not in k} == clean


# -- broken off and resumed -------------------------------------------------------------------------


def undisturbed(folder, tmp_path, predictor, **changes):
    annotate(settings_for(folder, out=tmp_path / "clean", **changes), predictor)
    return files_in(tmp_path / "clean")


@pytest.mark.parametrize("images", [1, 2, 3])
def test_a_run_broken_off_anywhere_ends_the_same_when_resumed(folder, tmp_path, predictor, images):
    clean = undisturbed(folder, tmp_path, predictor)
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, images)
    assert list(files_in(tmp_path / "out")) == ["a.json.journal"]
    calls = predictor.calls
    report = annotate(replace(settings, resume=True), predictor)
    assert predictor.calls - calls == 3 - images
    assert (report.reused, report.annotated) == (images, 3)
    assert files_in(tmp_path / "out") == clean


def test_a_journal_torn_at_any_byte_is_taken_up(folder, tmp_path, predictor):
    clean = undisturbed(folder, tmp_path, predictor)
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 3)
    journal = journal_file(settings.out)
    whole = journal.read_bytes()
    ends = [n for n, byte in enumerate(whole) if byte == ord("\n")]
    cuts = {0, 1, *(end + d for end in ends for d in (-1, 0, 1)), *range(50, len(whole), len(whole) // 25)}
    for cut in sorted(cuts):
        journal.write_bytes(whole[:cut])
        report = annotate(replace(settings, resume=True), predictor)
        assert report.reused == max(whole[:cut].count(b"\n") - 1, 0)
        assert files_in(tmp_path / "out") == clean, cut


def test_a_torn_line_is_cut_off_before_the_next_is_added(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 2)
    journal = journal_file(settings.out)
    journal.write_bytes(journal.read_bytes()[:-40])
    annotate_until(replace(settings, resume=True), predictor, 2)
    lines = journal.read_bytes().splitlines()
    assert len(lines) == 3 and all(json.loads(line) for line in lines)


@pytest.mark.parametrize(
    "damage",
    [b"{}", b"[]", b"null", b'{"path":1,"sha256":"","size":[9,9],"instances":[{}]}', b"\xff", b"[" * 9999],
)
def test_a_damaged_line_and_all_after_it_are_run_again(folder, tmp_path, predictor, damage):
    clean = undisturbed(folder, tmp_path, predictor)
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 3)
    journal = journal_file(settings.out)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], damage + b"\n", *lines[3:]]))
    assert annotate(replace(settings, resume=True), predictor).reused == 1
    assert files_in(tmp_path / "out") == clean


@pytest.mark.parametrize(
    ("thresholds", "says"),
    [
        (replace(LOW, score_threshold=0.3), "score threshold 0.05, this one has 0.3"),
        (replace(LOW, nms_threshold=0.3), "NMS threshold 0.5, this one has 0.3"),
        (replace(LOW, mask_threshold=0.4), "mask threshold 0.5, this one has 0.4"),
        (replace(LOW, max_detections=5), "detections per image 6, this one has 5"),
        (replace(LOW, labels=frozenset({1, 3})), r"category filter none, this one has \['a', 'c'\]"),
    ],
)
def test_other_thresholds_are_refused_by_name(folder, tmp_path, predictor, thresholds, says):
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 1)
    before = files_in(tmp_path)
    with pytest.raises(InputError, match=says):
        annotate(replace(settings, thresholds=thresholds, resume=True), predictor)
    assert files_in(tmp_path) == before


def test_another_model_other_weights_and_other_folders_are_refused_by_name(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 1)
    resumed = replace(settings, resume=True)
    for changes, says in (
        ({"key": "other"}, "had model tiny, this one has other"),
        ({"digest": "1" * 64}, "had weights .* 0000.* this one has 1111"),
    ):
        with pytest.raises(InputError, match=says):
            annotate(resumed, Predictor(replace(predictor.model, **changes), "cpu"))
    with pytest.raises(InputError, match=r"overlays folder none, this one has .*; go on with the same"):
        annotate(replace(resumed, overlays=tmp_path / "o"), predictor)


@pytest.mark.parametrize("text", ["what?\n", "[]\n", '{"journal version":0}\n'])
def test_a_file_that_is_no_journal_is_refused(folder, tmp_path, predictor, text):
    settings = settings_for(folder, out=tmp_path, resume=True)
    journal_file(settings.out).write_text(text)
    with pytest.raises(InputError, match=r"wanted .*journal .*start again without resuming"):
        annotate(settings, predictor)
    assert journal_file(settings.out).read_text() == text


def test_an_image_that_was_changed_is_run_again(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 2)
    write_image(folder / "b.png", 9, 100, 100)
    clean = undisturbed(folder, tmp_path, predictor)
    report = annotate(replace(settings, resume=True), predictor)
    assert report.reused == 1
    assert files_in(tmp_path / "out") == clean


def test_failed_images_are_tried_again(folder, tmp_path, predictor):
    good = (folder / "b.png").read_bytes()
    (folder / "b.png").write_bytes(good[:100])
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 2)
    (folder / "b.png").write_bytes(good)
    clean = undisturbed(folder, tmp_path, predictor)
    report = annotate(replace(settings, resume=True), predictor)
    assert (report.failed, report.reused) == ((), 1)
    assert files_in(tmp_path / "out") == clean


def test_an_image_that_vanished_meanwhile_fails_by_name(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 2)
    (folder / "b.png").unlink()
    report = annotate(replace(settings, resume=True), predictor)
    assert [f.file_name for f in report.failed] == ["b.png"]


def test_files_added_meanwhile_are_annotated_too(folder, tmp_path, predictor):
    annotate_until(settings_for(folder, out=tmp_path / "out"), predictor, 2)
    write_image(folder / "a new one.png", 5)
    clean = undisturbed(folder, tmp_path, predictor)
    report = annotate(settings_for(folder, out=tmp_path / "out", resume=True), predictor)
    assert (report.total, report.reused) == (4, 2)
    assert files_in(tmp_path / "out") == clean


def test_starting_again_keeps_the_old_journal_aside_and_says_so(folder, tmp_path, predictor):
    clean = undisturbed(folder, tmp_path, predictor)
    settings = settings_for(folder, out=tmp_path / "out")
    annotate_until(settings, predictor, 2)
    old = journal_file(settings.out).read_bytes()
    report = annotate(settings, predictor)
    assert report.reused == 0
    assert "kept as" in report.notes[0] and "a.json.journal.old" in report.notes[0]
    assert files_in(tmp_path / "out") == {**clean, "a.json.journal.old": old}


def test_resuming_without_a_journal_starts_from_the_beginning_and_says_so(folder, tmp_path, predictor):
    clean = undisturbed(folder, tmp_path, predictor)
    report = annotate(settings_for(folder, out=tmp_path / "out", resume=True), predictor)
    assert report.notes[0] == "there is no run to resume; this one starts from the beginning"
    assert files_in(tmp_path / "out") == clean


def test_an_output_file_is_replaced_only_at_the_end(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path / "out")
    settings.out.parent.mkdir()
    settings.out.write_bytes(b"older")
    annotate_until(settings, predictor, 3)
    assert settings.out.read_bytes() == b"older"
    annotate(replace(settings, resume=True), predictor)
    assert json.loads(settings.out.read_bytes())["images"]


def test_two_runs_cannot_write_the_same_journal(folder, tmp_path, predictor):
    settings = settings_for(folder, out=tmp_path / "out")

    def on_progress(done, total, outcome):
        if done == 1:
            with pytest.raises(InputError, match="another run is writing it"):
                annotate(replace(settings, resume=True), predictor)

    assert annotate(settings, predictor, on_progress).annotated == 3


def test_each_image_is_on_the_disk_before_the_next_begins(folder, tmp_path, predictor, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (real(number), synced.append(number))[0])
    settings = settings_for(folder, out=tmp_path / "out")
    seen = []

    def on_progress(done, total, outcome):
        lines = journal_file(settings.out).read_bytes().splitlines()
        seen.append((len(lines), len(synced)))

    annotate(settings, predictor, on_progress)
    assert seen == [(2, 2), (3, 3), (4, 4)]


def test_threads_of_torch_do_not_change_the_answer(folder, tmp_path):
    # What byte-identical output rests on: the same machine gives the same floats again.
    model = make_model()
    runs = [Predictor(model, "cpu").run([make_image()])[0].candidates for _ in range(2)]
    assert all(torch.equal(*(torch.from_numpy(getattr(c, f)) for c in runs)) for f in ("boxes", "scores"))
