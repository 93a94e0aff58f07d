"""The run of the photo model: taken up again, let finish, killed, and spread over processes."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from numpy.random import default_rng

from maskrcnn_core.errors import InputError
from maskrcnn_core.models.cards import card_file, read_card
from maskrcnn_core.models.loading import load_trained_model
from maskrcnn_core.training.photos import keeping
from maskrcnn_core.training.photos.data import is_held_out, read_photos
from maskrcnn_core.training.photos.keeping import measure, model_file, put_into_box, write_model
from maskrcnn_core.training.photos.losses import losses_of
from maskrcnn_core.training.photos.run import Run, Settings, prepare, quickest_precision
from maskrcnn_core.training.photos.samples import collate, draw_part
from maskrcnn_core.training.photos.state import read_state, write_state
from maskrcnn_core.training.photos.together import STATE
from tests.builders.photos import PHASES, SMALL, make_network, write_photos, write_weights

SETTINGS = Settings(steps=6, batch=2, phases=PHASES, save_every=1e9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos"), 30)


def make_run(folder, build, settings=SETTINGS, **options):
    build.mkdir(exist_ok=True)
    data = read_photos(folder, folder / "kept")
    network = make_network()
    prepare(network)
    return Run(network, data.photos, settings, data.digest, ("Random values.",), build / STATE, **options)


def values_of(run):
    return {name: value.clone() for name, value in run.average.state_dict().items()}


def are_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """A run that nobody disturbed, both shares of each step in one process."""
    run = make_run(folder, tmp_path_factory.mktemp("whole"))
    start = values_of(run)
    assert run.go()
    assert not are_equal(start, values_of(run)), "it learned something"
    return run


def test_a_run_taken_up_again_ends_as_one_that_nobody_disturbed(folder, whole, tmp_path):
    for steps in (1, 3, 9):
        is_at_end = make_run(folder, tmp_path).go(at_most=steps)
    assert is_at_end
    again = make_run(folder, tmp_path)
    assert (again.step, again.seen) == (6, 24) and again.epoch == whole.epoch
    assert are_equal(values_of(again), values_of(whole))


def test_a_checkpoint_of_another_run_is_refused(folder, whole):
    for changed, name in ((replace(SETTINGS, rate=1e-3), "rate"), (replace(SETTINGS, seed=1), "seed")):
        with pytest.raises(InputError, match=rf"to another run \({name}\)"):
            make_run(folder, whole.file.parent, changed)


def test_a_longer_run_is_no_other_one_and_its_end_stays(folder, whole):
    assert make_run(folder, whole.file.parent, replace(SETTINGS, steps=60)).course.end == 6


def test_a_run_that_is_asked_to_finish_does(folder, tmp_path):
    told = []
    run = make_run(folder, tmp_path, replace(SETTINGS, steps=1000), on_step=told.append)
    run.go(at_most=1)
    run.finish_file.write_text("2\n")
    assert run.go() and run.step == 4 and not run.finish_file.exists()
    assert told[0].startswith("step 2 of 4, 8 samples")
    assert run.course.rate(3) < run.course.rate(2)


def test_words_that_are_no_number_do_not_end_a_run(folder, tmp_path):
    run = make_run(folder, tmp_path, replace(SETTINGS, steps=1000))
    run.finish_file.write_text("soon")
    run.go(at_most=1)
    assert run.course.end == 1000


def test_a_damaged_checkpoint_says_what_helps(folder, whole, tmp_path):
    (tmp_path / STATE).write_bytes(whole.file.read_bytes()[:-100])
    with pytest.raises(InputError, match="delete it to start from the built-in model"):
        read_state(tmp_path / STATE)


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(whole, tmp_path, monkeypatch):
    file = tmp_path / STATE
    write_state(file, read_state(whole.file))
    before = file.read_bytes()

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_state(file, read_state(whole.file))
    assert file.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [STATE]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
def test_losses_are_torchvisions_five_and_fall(folder, precision):
    run = make_run(folder, Path(folder) / "none")
    batch = collate([draw_part(photo, 64, default_rng(0)) for photo in run.photos[:2]])
    optimiser = torch.optim.AdamW(run.trained, lr=5e-3)
    sums = []
    for _ in range(8):
        torch.manual_seed(0)
        losses = losses_of(run.network, batch, precision)
        assert list(losses) == [
            "loss_objectness",
            "loss_rpn_box_reg",
            "loss_classifier",
            "loss_box_reg",
            "loss_mask",
        ]
        total = torch.stack(list(losses.values())).sum()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        sums.append(float(total.detach()))
    assert sums[-1] < 0.9 * sums[0]


def test_samples_without_objects_teach_background(folder):
    run = make_run(folder, Path(folder) / "none")
    photo = replace(
        run.photos[0],
        boxes=run.photos[0].boxes[:0],
        labels=run.photos[0].labels[:0],
        masks=run.photos[0].masks[:0],
    )
    losses = losses_of(run.network, collate([draw_part(photo, 64, default_rng(0))]), torch.float32)
    assert "loss_mask" not in losses and float(losses["loss_objectness"].detach()) > 0
    assert all(bool(loss.isfinite()) for loss in losses.values())


def test_the_precision_is_one_of_two(folder):
    assert quickest_precision(make_network()) in (torch.float32, torch.bfloat16)


TOGETHER = """
import sys
from pathlib import Path
from maskrcnn_core.training.photos.run import Settings
from maskrcnn_core.training.photos.together import Job, train_together
from tests.builders.photos import PHASES

def main():
    settings = Settings(steps=6, batch=2, phases=PHASES, save_every=0.0)
    job = Job(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], settings, "float32")
    train_together(job, on_save=lambda run, data: None, tell=lambda text: print(text, flush=True))

if __name__ == "__main__":
    main()
"""


def test_two_processes_are_one_and_a_kill_at_any_moment_leaves_a_checkpoint(folder, tmp_path):
    weights = write_weights(tmp_path / "small.safetensors")
    script = tmp_path / "together.py"
    script.write_text(TOGETHER)
    build = tmp_path / "build"
    build.mkdir()
    command = [sys.executable, script, folder, build, weights]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    pids = []
    for line in process.stdout:
        if line.startswith("process ids: "):
            pids = [int(pid) for pid in line.removeprefix("process ids: ").split(",")]
            break
    assert len(pids) == 2 and pids[0] == process.pid
    until = time.monotonic() + 120
    while not (build / STATE).exists() and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    while _is_there(pids[1]) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _is_there(pids[1]), "the partner of a killed process ends, too"
    assert 1 <= read_state(build / STATE).step < 6

    subprocess.run(command, env=environment, check=True, timeout=240, stdout=subprocess.DEVNULL)
    ended = read_state(build / STATE)
    assert (ended.step, ended.seen, ended.stages) == (6, 24, ("Random values.",))

    data = read_photos(folder, folder / "kept")
    network = load_trained_model(weights).network
    prepare(network)
    learned = [photo for photo in data.photos if not is_held_out(photo.id)]
    alone = Run(network, learned, SETTINGS, data.digest, (), tmp_path / "alone.pt")
    assert alone.go()
    assert are_equal(ended.average, alone.average.state_dict())


def _is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_weights_go_into_the_box_only_where_they_are_clearly_better(folder, whole, tmp_path):
    data = read_photos(folder, folder / "kept")
    file, box = model_file(tmp_path), write_weights(tmp_path / "box.safetensors")
    write_model(whole, data, tmp_path)
    assert "not been measured yet" in put_into_box(file, box)
    card = read_card(card_file(file))
    assert card.architecture == SMALL
    assert card.run["stages"][0] == "Random values." and "6 steps of 4 samples" in card.run["stages"][1]
    assert card.data["training"][0]["crowds, painted grey"] == 1 and "CC BY 4.0" in card.data["terms"]


def test_measured_weights_have_a_threshold_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(keeping, "is_held_out", lambda image_id: image_id <= 2)
    folder = write_photos(tmp_path / "photos", 4)
    file = write_weights(tmp_path / "small.safetensors")
    done = []
    card = measure(file, folder, None, lambda n, total: done.append((n, total)))
    assert done == [(1, 2), (2, 2)]
    assert not card.results, "no ground truth was named to be reported"
    row = card.settings["held-out photos"]
    assert (row["name"], row["images"], row["at score"]) == ("held-out photos", 2, card.score_threshold)
    assert read_card(card_file(file)) == card
    better = write_weights(tmp_path / "better.safetensors")
    measured = replace(card, settings={"held-out photos": row | {"box AP": 0.5, "mask AP": 0.5}})
    card_file(better).write_bytes(keeping.write_card_bytes(measured))
    assert "now the built-in ones: AP 0.500" in put_into_box(better, file)
    assert "nothing was done" in put_into_box(better, file)
