"""A run that was broken off at any moment goes on from there, or says why it cannot."""

import json
import os
from dataclasses import replace

import pytest
import torch

from maskrcnn_core.batch import annotate, journal_file
from maskrcnn_core.batch.run import engine_of_run
from maskrcnn_core.errors import ExportError, InputError
from maskrcnn_core.inference.engines.equality import Equality
from maskrcnn_core.inference.engines.spec import Engine
from maskrcnn_core.inference.engines.table import engine_by_key
from maskrcnn_core.inference.predictor import Predictor
from tests.builders.batch import (
    LOW,
    RememberingPredictor,
    annotate_until,
    files_in,
    settings_for,
    write_image,
)
from tests.builders.core import make_image, make_model


def undisturbed(folder, tmp_path, predictor, **changes):
    annotate(settings_for(folder, out=tmp_path / "clean", **changes), predictor)
    return files_in(tmp_path / "clean")


def test_a_disk_that_is_full_stops_the_run_and_it_can_be_resumed(folder, tmp_path, predictor, monkeypatch):
    clean = undisturbed(folder, tmp_path, predictor)
    settings = settings_for(folder, out=tmp_path / "out", overlays=tmp_path / "out" / "o")

    def full(members, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maskrcnn_core.batch.image_folders.write_folder", full)
    with pytest.raises(ExportError, match=r"o: cannot write \(No space left on device\)"):
        annotate(settings, predictor)
    monkeypatch.undo()
    annotate(replace(settings, resume=True), predictor)
    assert {k: v for k, v in files_in(tmp_path / "out").items() if "/" not in k} == clean


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
    for folders in ("overlays", "splash"):
        with pytest.raises(InputError, match=rf"{folders} folder none, this one has .*; use the same again"):
            annotate(replace(resumed, **{folders: tmp_path / "o"}), predictor)


@pytest.mark.parametrize("text", ["what?\n", "[]\n", '{"journal version":0}\n'])
def test_a_file_that_is_no_journal_is_refused(folder, tmp_path, predictor, text):
    settings = settings_for(folder, out=tmp_path, resume=True)
    journal_file(settings.out).write_text(text)
    with pytest.raises(InputError, match=r"expected a run log.*start again without resuming"):
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


def test_a_run_goes_on_with_the_engine_that_began_it(folder, tmp_path, predictor):
    other = RememberingPredictor(predictor.model)
    other.engine = Engine(engine_by_key("folded"), equality=Equality(1, 2, 0, 0.0, 0.0, 1.0))
    settings = settings_for(folder, out=tmp_path)
    assert engine_of_run(settings.out) == ""
    annotate_until(settings, other, 1)
    assert engine_of_run(settings.out) == "folded"
    with pytest.raises(InputError, match="the interrupted run had engine folded, this one has none"):
        annotate(replace(settings, resume=True), predictor)
    annotate(replace(settings, resume=True), other)
    assert "engine folded" in json.loads(settings.out.read_bytes())["info"]["description"]
    annotate_until(settings, predictor, 1)
    assert engine_of_run(settings.out) == "exact"
