"""What a worker does on its node, without a cluster: it looks, and does nothing that is done."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

from maskrcnn_core.batch.finding import Finder, Tally
from maskrcnn_core.cluster import shards, shipping
from maskrcnn_core.cluster.images import ImagesWorker
from maskrcnn_core.cluster.pool import MOST_TRIES, Tries
from maskrcnn_core.cluster.shards import ShardWorker, shards_task
from maskrcnn_core.cluster.shipping import checked_model, digest_of, task_of
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.detection.limits import LimitTally, NoteTally
from maskrcnn_core.errors import InferenceError, InputError, WeightsError
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.domains.looks import Looks
from maskrcnn_core.models.loading import load_model
from maskrcnn_core.projects.db.blobs import Blobs
from tests.builders.core import make_image, make_model
from tests.builders.shards import make_folder, plan_for, shards_in


def task(model=None, **changed):
    return replace(task_of(model or make_model(), Thresholds(0.05), "auto", "cpu", "exact", 4), **changed)


@pytest.fixture
def predictor(monkeypatch):
    """What every worker of this process gets."""
    predictor = Predictor(make_model(), "cpu")
    monkeypatch.setattr("maskrcnn_core.cluster.shards.predictor_of", lambda *_: predictor)
    monkeypatch.setattr("maskrcnn_core.cluster.images.predictor_of", lambda *_: predictor)
    for module in ("shards", "images"):
        monkeypatch.setattr(f"maskrcnn_core.cluster.{module}.tries_before", lambda tries, _: tries)
    return predictor


@pytest.fixture
def job(tmp_path):
    plan = plan_for(make_folder(tmp_path / "in", 5), folder=tmp_path / "s", size=2)
    return shards_task(plan, task(), {"model": "m"}, None)


def said(worker, number=0):
    row = worker({"shard": np.array([number])})
    assert row["shard"] == [number]
    return row["said"][0]


def test_a_shard_is_made_once_and_then_passed_over(job, predictor, tmp_path, monkeypatch):
    first = said(ShardWorker(job, None, 0))
    assert [image.file_name for image in first.images] == ["image 1.png", "image 2.png"]
    assert first.counts.images == 2
    before = shards_in(tmp_path / "s")
    assert set(before) == {"000000.done.json", "000000.jsonl.gz"}
    monkeypatch.setattr(shards, "annotate_shard", None)
    second = said(ShardWorker(job, None, 0))
    assert second.counts == first.counts and not second.images
    assert shards_in(tmp_path / "s") == before


def test_a_node_that_does_not_see_the_run_says_so(job, predictor, tmp_path):
    elsewhere = said(ShardWorker(replace(job, folder=str(tmp_path / "other")), None, 0))
    assert isinstance(elsewhere, InputError) and "does not see this folder of the run" in str(elsewhere)
    (tmp_path / "in" / "sub" / "image 0.png").write_bytes(b"another")
    assert job.witnesses
    for file, _ in job.witnesses:
        with open(file, "ab") as more:
            more.write(b"more")
    changed = said(ShardWorker(job, None, 0))
    assert isinstance(changed, InputError) and "does not see this file as it is" in str(changed)
    assert not shards_in(tmp_path / "s")


def test_a_shard_of_other_settings_is_refused(job, predictor):
    said(ShardWorker(job, None, 0))
    other = said(ShardWorker(replace(job, settings={"model": "n"}), None, 0))
    assert isinstance(other, InputError) and "the interrupted run had model m, this one has n" in str(other)


def test_what_has_killed_too_often_is_given_up(job, predictor):
    assert said(ShardWorker(job, None, MOST_TRIES - 1)).counts.images == 2
    assert isinstance(said(ShardWorker(job, None, MOST_TRIES)), InferenceError)
    rows = {"image": np.array([4]), "digest": np.array(["0" * 64]), "name": np.array(["a"])}
    (row,) = ImagesWorker(task(), None, MOST_TRIES, "")(rows)
    ran = row["said"][0].ran()
    assert "4 workers in a row died of it" in ran.outcome.reason and not ran.is_kept


def test_tries_are_counted_for_each_piece():
    tries = Tries()
    assert [tries.begin(piece) for piece in (1, 2, 1, 1)] == [0, 0, 1, 2]


@pytest.mark.parametrize("key", ["shapes", "photos"])
def test_a_model_finds_the_same_bits_after_its_way(key):
    model = load_model(key)
    came = checked_model(pickle.loads(pickle.dumps(model)), task(model))
    assert (came.key, came.digest, came.label_map) == (model.key, model.digest, model.label_map)
    image = make_image(120, 160, seed=3)
    here, there = (Predictor(one, "cpu").run([image])[0].candidates for one in (model, came))
    assert len(here.scores) and np.array_equal(here.scores, there.scores)
    assert np.array_equal(here.boxes, there.boxes) and np.array_equal(here.labels, there.labels)


def test_a_model_that_came_damaged_or_to_other_versions_is_refused(monkeypatch):
    model = make_model()
    asked = task(model)
    with pytest.raises(WeightsError, match="other numbers than were sent"):
        checked_model(model, replace(asked, model=digest_of(load_model("shapes"))))
    monkeypatch.setattr(shipping, "versions", lambda: asked.versions | {"torch": "1.0"})
    with pytest.raises(InputError, match=r"expected torch .*, as where the run was begun, got 1\.0"):
        checked_model(model, asked)


def test_images_come_from_a_store_or_along_and_one_fails_alone(predictor, tmp_path):
    blobs = Blobs(str(tmp_path))
    digest, none = blobs.put(encode_png(make_image(seed=1))), "0" * 64
    rows = {"image": np.array([4, 5]), "digest": np.array([digest, none]), "name": np.array(["a", "b"])}
    read, gone = (row["said"][0].ran() for row in ImagesWorker(task(), None, 0, str(tmp_path))(rows))
    assert read.is_kept and len(read.outcome.candidates)
    assert not gone.is_kept and "this file of the project is gone" in gone.outcome.reason
    along = rows | {"data": np.array([blobs.get(digest), b""], object), "why": np.array(["", "it is gone"])}
    read, gone = (row["said"][0].ran() for row in ImagesWorker(task(), None, 0, "")(along))
    assert len(read.outcome.candidates) and gone.outcome.reason == "it is gone"


def test_what_workers_count_is_what_one_process_counts(predictor):
    thresholds = Thresholds(0.05, max_detections=1)
    together, joined = (Tally(predictor.model, thresholds) for _ in range(2))
    for n in range(3):
        image = decode_image(encode_png(make_image(seed=n)), f"{n}.png")
        finder, part = Finder(predictor, thresholds), Tally(predictor.model, thresholds)
        (looked,) = finder.look([image])
        found = finder.finish(image, looked, n)
        for tally in (together, part):
            tally.add(f"{n}.png", found.limits, found.guess)
        joined.take(pickle.loads(pickle.dumps(part.tallies)))
    assert together.sentences() == joined.sentences() != ()


def test_tallies_are_joined():
    notes, more, looks = NoteTally(), NoteTally(), Looks()
    notes.add("a.tif", ["stretched from 3"])
    more.add("b.tif", ["stretched from 4", "cut"])
    notes.join(more)
    assert notes.sentences() == ["2 images: stretched from 3 (a.tif and 1 like it)", "b.tif: cut"]
    looks.join(Looks())
    limits = LimitTally()
    limits.merge(LimitTally())
    assert looks.seen == 0 and limits.sentences() == []
