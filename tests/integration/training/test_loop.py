"""The training loop: what it leaves behind, and that it can be killed at any moment."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from maskrcnn_core.errors import InputError, TrainingError
from maskrcnn_core.images.reading import read_image
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.training import loop as training_run
from maskrcnn_core.training.artifacts import curves_file, last_file, log_file
from maskrcnn_core.training.augmentation import Augmentation
from maskrcnn_core.training.checkpoint import read_state, state_file
from maskrcnn_core.training.run_records import LOSSES
from maskrcnn_core.training.settings import TrainingSettings, learning_rate
from maskrcnn_core.training.starting import begin_from_nothing
from tests.builders.training import TINY, make_scenes, make_settings, run_training


class Killed(BaseException):
    """Stands in for whatever ends a process."""


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Four scenes to learn from and two to measure on."""
    folder = tmp_path_factory.mktemp("scenes")
    return make_scenes(folder / "train"), make_scenes(folder / "val", count=2, first=90)


@pytest.fixture(scope="module")
def undisturbed(scenes, tmp_path_factory):
    """The settings of a run from beginning to end, and what it told."""
    settings = make_settings(tmp_path_factory.mktemp("whole"))
    told = []
    run_training([scenes[0]], [scenes[1]], settings, on_progress=told.append)
    return settings, told


def without_clock(run):
    return {name: value for name, value in run.items() if name not in ("date", "seconds")}


def rows_of(settings):
    rows = list(csv.DictReader(io.StringIO(log_file(settings.out).read_text())))
    for row in rows:
        assert float(row.pop("seconds")) > 0  # differs from run to run
    return rows


def test_a_run_leaves_weights_card_log_and_curves(undisturbed, scenes):
    settings, told = undisturbed
    card = read_card(card_file(settings.out))
    assert card.architecture == TINY and [c.name for c in card.categories] == ["circle", "square", "triangle"]
    assert card.knows == "Finds circle, square and triangle."
    assert card.size_bytes == settings.out.stat().st_size
    assert card.data["training"][0]["images"] == 4 and card.data["validation"][0]["images"] == 2
    assert card.settings["epochs"] == 2 and card.settings["begins from"] == "random values"
    run = card.run
    assert run["epochs"] == 2 and run["best_epoch"] in (1, 2) and run["seconds"] > 0
    assert datetime.now(UTC) - datetime.fromisoformat(run["date"]) < timedelta(hours=1)
    assert run["device"].startswith("cpu, ") and run["versions"].keys() == {
        *("maskdesk", "torch", "torchvision", "python")
    }
    assert f"2 epochs, the best is epoch {run['best_epoch']}." in card.made
    assert card.results[0]["name"] == scenes[1].name and 0 <= card.results[0]["mask AP"] <= 1
    rows = rows_of(settings)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(float(row[name]) > 0 for row in rows for name in LOSSES)
    with Image.open(curves_file(settings.out)) as picture:
        assert picture.format == "PNG" and picture.width > 800
    assert read_card(card_file(last_file(settings.out))).categories == card.categories
    steps = [p.step for p in told if p.losses]
    assert steps == list(range(1, told[-1].steps + 1))
    assert all(p.losses.keys() == set(LOSSES) for p in told if p.losses)
    assert [p.evaluating for p in told if p.evaluating] == [(1, 2), (2, 2)] * 2
    assert all(p.seconds_left >= 0 for p in told if p.losses) and told[-1].results


def test_what_was_trained_loads_by_its_card_and_finds_things(undisturbed, scenes):
    settings, _ = undisturbed
    model = load_trained_model(settings.out)
    assert not model.network.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in model.network.parameters())
    stored = load_file(settings.out)
    assert torch.equal(stored["rpn.head.cls_logits.weight"], model.network.rpn.head.cls_logits.weight)
    image = read_image(scenes[1].folder / scenes[1].dataset.images[0].file_name).pixels
    assert Predictor(model, "cpu").run([image])[0].image_size == image.shape[:2]


def test_training_teaches(scenes, tmp_path):
    settings = make_settings(tmp_path, epochs=5, peak_rate=3e-3)
    told = []
    run_training([scenes[0]], [], settings, on_progress=told.append)
    losses = [sum(p.losses.values()) for p in told if p.losses]
    n = len(losses) // 5
    assert np.mean(losses[-n:]) < 0.8 * np.mean(losses[:n])


@pytest.mark.parametrize("moment", [1, 3, 6, "in the evaluation"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(moment, undisturbed, scenes, tmp_path):
    whole, told = undisturbed
    settings = make_settings(tmp_path)
    assert told[-1].steps == 8, "four steps in each of two epochs"

    def kill(progress):
        at = progress.evaluating is not None if moment == "in the evaluation" else progress.step == moment
        if at:
            raise Killed

    with pytest.raises(Killed):
        run_training([scenes[0]], [scenes[1]], settings, on_progress=kill)
    seen = []
    run_training([scenes[0]], [scenes[1]], settings, resume=True, on_progress=seen.append)
    assert seen[0].step > 1 or moment == 1, "nothing that was kept is done again"
    for file in (whole.out, last_file(whole.out)):
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()
    assert rows_of(settings) == rows_of(whole)
    card, other = read_card(card_file(settings.out)), read_card(card_file(whole.out))
    assert without_clock(card.run) == without_clock(other.run) and replace(card, run=other.run) == other


def test_the_number_of_workers_changes_nothing(undisturbed, scenes, tmp_path):
    whole, _ = undisturbed
    settings = make_settings(tmp_path, workers=2)
    run_training([scenes[0]], [scenes[1]], settings)
    assert settings.out.read_bytes() == whole.out.read_bytes()


def test_resume_without_a_checkpoint_begins_and_after_the_end_does_nothing(scenes, tmp_path):
    settings = make_settings(tmp_path, epochs=1)
    run_training([scenes[0]], [], settings, resume=True)
    before = settings.out.read_bytes()
    seen = []
    run_training([scenes[0]], [], settings, resume=True, on_progress=seen.append)
    assert seen == [] and settings.out.read_bytes() == before


def test_a_checkpoint_of_another_run_is_refused(scenes, tmp_path):
    settings = make_settings(tmp_path, epochs=1)
    run_training([scenes[0]], [], settings)
    with pytest.raises(InputError, match=r"to another run \(peak-rate was 0\.001, now 0\.01\)"):
        run_training([scenes[0]], [], replace(settings, peak_rate=0.01), resume=True)
    with pytest.raises(InputError, match=r"the ground truth has changed\); give the same settings and data"):
        run_training([scenes[1]], [], settings, resume=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100])
def test_a_damaged_checkpoint_is_told(content, tmp_path):
    file = state_file(tmp_path / "a.safetensors")
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.safetensors\.training: this is not a training checkpoint"):
        read_state(file)


def test_the_best_weights_are_kept_when_the_last_are_worse(scenes, tmp_path, monkeypatch):
    scores = iter([0.5, 0.7, 0.6])
    monkeypatch.setattr(training_run, "mean_mask_ap", lambda results: next(scores))
    settings = make_settings(tmp_path, epochs=3, ema_decay=0)
    kept = {}

    def remember(progress):
        if progress.results:
            kept[progress.epoch] = settings.out.read_bytes()

    run_training([scenes[0]], [scenes[1]], settings, on_progress=remember)
    assert kept[1] != kept[2] == kept[3]
    assert last_file(settings.out).read_bytes() != settings.out.read_bytes()


def scored(monkeypatch, *scores):
    """Evaluations that end with these APs, as they come."""
    rest = iter(scores)
    monkeypatch.setattr(training_run, "mean_mask_ap", lambda results: next(rest))


def test_a_start_that_nothing_beats_is_kept(scenes, tmp_path, monkeypatch):
    scored(monkeypatch, 0.708, 0.5, 0.666)
    settings = make_settings(tmp_path)
    told = []
    begun, outcome = run_training([scenes[0]], [scenes[1]], settings, start=True, on_progress=told.append)
    untouched = begin_from_nothing(TINY, begun.model.label_map.categories, settings.seed).model.network
    kept = load_file(settings.out)
    assert all(torch.equal(kept[name], tensor) for name, tensor in untouched.state_dict().items())
    assert outcome.best_epoch == 0 and outcome.ap == 0.708
    assert "2 epochs, the start is the best" in read_card(card_file(last_file(settings.out))).made
    assert [p.epoch for p in told if p.results] == [0, 1, 2]
    assert [row["epoch"] for row in rows_of(settings)] == ["0", "1", "2"]
    assert rows_of(settings)[0]["loss_mask"] == "", "no step was taken for it"
    assert last_file(settings.out).read_bytes() != settings.out.read_bytes()


def test_a_start_that_is_beaten_is_told_beside_what_was_reached(scenes, tmp_path, monkeypatch):
    scored(monkeypatch, 0.1, 0.3, 0.2)
    _, outcome = run_training([scenes[0]], [scenes[1]], make_settings(tmp_path), start=True)
    assert (outcome.best_epoch, outcome.ap) == (1, 0.3)


@pytest.mark.parametrize("moment", ["in the evaluation", 1])
def test_a_run_that_was_killed_around_its_start_measures_it_once(scenes, tmp_path, moment):
    def kill(progress):
        if progress.step == 0 if moment == "in the evaluation" else progress.step == moment:
            raise Killed

    whole, broken = make_settings(tmp_path / "a", epochs=1), make_settings(tmp_path / "b", epochs=1)
    run_training([scenes[0]], [scenes[1]], whole, start=True)
    with pytest.raises(Killed):
        run_training([scenes[0]], [scenes[1]], broken, start=True, on_progress=kill)
    seen = []
    run_training([scenes[0]], [scenes[1]], broken, start=True, resume=True, on_progress=seen.append)
    assert (seen[0].epoch == 0) == (moment == "in the evaluation")
    assert broken.out.read_bytes() == whole.out.read_bytes() and rows_of(broken) == rows_of(whole)


def test_among_equal_scores_the_lower_loss_is_the_best(scenes, tmp_path, monkeypatch):
    """At AP 0 the first epoch is kept, and the next one that has learned more takes its place."""
    scored(monkeypatch, 0.0, 0.0, 0.0)
    settings = make_settings(tmp_path, epochs=3, peak_rate=3e-3)
    _, outcome = run_training([scenes[0]], [scenes[1]], settings)
    losses = [sum(float(row[name]) for name in LOSSES) for row in rows_of(settings)]
    assert outcome.best_epoch == 1 + losses.index(min(losses)) and outcome.ap == 0


def test_the_first_evaluation_is_kept_also_at_ap_0(scenes, tmp_path, monkeypatch):
    scored(monkeypatch, 0.0, 0.0)
    settings = make_settings(tmp_path)
    seen = []

    def look(progress):
        if progress.results:
            seen.append(settings.out.exists())

    run_training([scenes[0]], [scenes[1]], settings, on_progress=look)
    assert seen == [True, True]


def test_where_nothing_can_be_measured_the_last_weights_are_the_best(scenes, tmp_path):
    crowd = tuple(replace(instance, is_crowd=True) for instance in scenes[1].dataset.instances)
    unmeasured = replace(scenes[1], dataset=replace(scenes[1].dataset, instances=crowd))
    settings = make_settings(tmp_path)
    run_training([scenes[0]], [unmeasured], settings)
    assert settings.out.read_bytes() == last_file(settings.out).read_bytes()


def test_a_run_that_was_killed_before_its_first_step_goes_on(scenes, tmp_path):
    settings = make_settings(tmp_path, epochs=1)

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_training([scenes[0]], [], settings, on_progress=stop)
    assert state_file(settings.out).exists()
    run_training([scenes[0]], [], settings, resume=True)
    other = make_settings(tmp_path / "other", epochs=1)
    run_training([scenes[0]], [], other)
    assert settings.out.read_bytes() == other.out.read_bytes()


# -- more epochs for a run that has ended -----------------------------------------------------------


def test_a_run_that_has_ended_is_extended_with_a_schedule_of_its_own(scenes, tmp_path):
    settings = make_settings(tmp_path)
    run_training([scenes[0]], [scenes[1]], settings)
    longer, told, notes = replace(settings, epochs=5), [], []
    run_training([scenes[0]], [scenes[1]], longer, resume=True, on_progress=told.append, on_note=notes.append)
    assert [p.step for p in told if p.losses] == list(range(9, 21)), "nothing is done again"
    rates = [p.rate for p in told if p.losses]
    assert rates == [learning_rate(longer, step, 12) for step in range(12)], "up again, and down once more"
    assert "Extends a run of 2 epochs to 5: the rate rises to 0.001 again" in notes[0]
    assert [row["epoch"] for row in rows_of(settings)] == ["1", "2", "3", "4", "5"]
    assert read_state(state_file(settings.out)).stages == [2]


def test_an_extension_that_was_killed_goes_on_and_ends_with_the_same_bytes(scenes, tmp_path):
    def kill(progress):
        if progress.step == 10:
            raise Killed

    whole, broken = make_settings(tmp_path / "a"), make_settings(tmp_path / "b")
    for settings in (whole, broken):
        run_training([scenes[0]], [], settings)
    run_training([scenes[0]], [], replace(whole, epochs=3), resume=True)
    with pytest.raises(Killed):
        run_training([scenes[0]], [], replace(broken, epochs=3), resume=True, on_progress=kill)
    run_training([scenes[0]], [], replace(broken, epochs=3), resume=True)
    assert broken.out.read_bytes() == whole.out.read_bytes()
    run_training([scenes[0]], [], replace(broken, epochs=4), resume=True)
    assert read_state(state_file(broken.out)).stages == [2, 3], "and once more"


def test_what_is_not_done_or_is_to_be_shorter_is_not_extended(scenes, tmp_path):
    def kill(progress):
        if progress.step == 5:
            raise Killed

    settings = make_settings(tmp_path)
    with pytest.raises(Killed):
        run_training([scenes[0]], [], settings, on_progress=kill)
    with pytest.raises(InputError, match=r"at epoch 1 of 2; finish it with --epochs 2, then --epochs 4"):
        run_training([scenes[0]], [], replace(settings, epochs=4), resume=True)
    run_training([scenes[0]], [], settings, resume=True)
    with pytest.raises(InputError, match=r"epochs was 2, now 1"):
        run_training([scenes[0]], [], replace(settings, epochs=1), resume=True)
    with pytest.raises(InputError, match=r"epochs was 2, now 4; peak-rate was"):
        run_training([scenes[0]], [], replace(settings, epochs=4, peak_rate=0.1), resume=True)


def test_a_loss_that_is_not_finite_is_told(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "learning_rate", lambda settings, step, steps: 1e30)
    with pytest.raises(TrainingError, match=r"step \d+: a loss is no longer finite"):
        run_training([scenes[0]], [], make_settings(tmp_path))


def test_a_first_stage_ends_early_with_its_rate_still_high(scenes, tmp_path):
    settings = make_settings(tmp_path, epochs=4, stop_after=1)
    told = []
    run_training([scenes[0]], [], settings, on_progress=told.append)
    assert told[-1].step == told[-1].steps == 4
    assert told[-1].rate == learning_rate(settings, 3, 16) > settings.peak_rate / 2
    assert [row["epoch"] for row in rows_of(settings)] == ["1"]
    longer = replace(settings, stop_after=2)
    run_training([scenes[0]], [], longer, resume=True)
    assert [row["epoch"] for row in rows_of(settings)] == ["1", "2"], "a longer first stage goes on from it"


def test_frozen_norms_keep_their_statistics(scenes, tmp_path):
    def statistics(begun):
        return begun.model.network.backbone.body.stem[0][1].running_mean

    frozen, _ = run_training([scenes[0]], [], make_settings(tmp_path / "a", epochs=1, freeze_norms=True))
    free, _ = run_training([scenes[0]], [], make_settings(tmp_path / "b", epochs=1))
    assert not statistics(frozen).any() and statistics(free).any()


def test_too_few_samples_for_a_batch_are_told(scenes, tmp_path):
    with pytest.raises(InputError, match=r"batch-size: expected at most \d+"):
        run_training([scenes[0]], [], make_settings(tmp_path, batch_size=500))


def test_an_image_without_instances_can_be_trained_on(tmp_path):
    truth = make_scenes(tmp_path / "a", count=2)
    first = truth.dataset.images[0].id
    bare = replace(truth.dataset, instances=tuple(i for i in truth.dataset.instances if i.image_id != first))
    run_training([replace(truth, dataset=bare)], [], make_settings(tmp_path, epochs=1))
    assert (tmp_path / "tiny.safetensors").exists()


# -- settings ---------------------------------------------------------------------------------------


def test_the_rate_warms_up_and_comes_down_along_a_cosine(tmp_path):
    settings = make_settings(tmp_path, peak_rate=1.0, final_rate=0.1, warm_up=10)
    rates = [learning_rate(settings, step, 110) for step in range(110)]
    assert rates[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert rates[10] == 1 and rates[60] == pytest.approx(0.55) and rates[-1] == pytest.approx(0.1, abs=0.001)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert learning_rate(settings, 0, 1) == 1, "a run shorter than the warm-up has a rate, too"


@pytest.mark.parametrize("steps", [1, 9, 10, 37, 200, 2000, 5000])
def test_warm_up_takes_at_most_a_tenth_of_a_run(tmp_path, steps):
    settings = make_settings(tmp_path, peak_rate=1.0, warm_up=200)
    rates = [learning_rate(settings, step, steps) for step in range(steps)]
    rising = sum(a < b for a, b in pairwise(rates))
    assert rising <= steps / 10 and rising <= 200 and max(rates) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected 1 to 100000, got 0"),
        ({"peak_rate": float("nan")}, "peak-rate: expected"),
        ({"batch_size": -1}, "batch-size"),
        ({"stop_after": 3}, "stop-after: expected 1 to 2"),
        ({"augmentation": Augmentation(crop=8)}, "crop: expected 32"),
        ({"augmentation": Augmentation(scales=(2, 1))}, "scales: expected"),
        ({"augmentation": Augmentation(colour=2)}, "colour"),
    ],
)
def test_settings_are_checked_by_name(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        make_settings(tmp_path, **change)


def test_the_weights_file_has_its_suffix(tmp_path):
    with pytest.raises(InputError, match=r"ends with \.safetensors, got 'a\.pth'"):
        TrainingSettings(tmp_path / "a.pth")
