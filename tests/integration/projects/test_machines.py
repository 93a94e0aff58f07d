"""Workers on several machines at one job: killed at random, and each image is done once."""

import random

import fsspec
import pytest
from sqlalchemy import func, select

from maskrcnn_core.errors import FilesAwayError, WeightsError
from maskrcnn_core.models.catalog import all_models
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.projects.db.tables import SHARE, WORKER
from maskrcnn_core.projects.proposals import jobs
from maskrcnn_core.projects.proposals.job_rows import JobSettings
from maskrcnn_core.projects.proposals.pace import look_at_workers
from maskrcnn_core.projects.proposals.shared_models import model_of_job
from maskrcnn_core.projects.proposals.worker import work_off
from maskrcnn_core.projects.store import Store
from tests.builders.cli import invoke
from tests.builders.machines import (
    Machine,
    bucket_server,
    doubled_and_lost,
    make_quick_model,
    make_small_pictures,
    wait_for,
)

IMAGES = 60
KILLS = 4
ON_POSTGRESQL = pytest.mark.parametrize("place", ["postgresql"], indirect=True)


@pytest.fixture(scope="module")
def server():
    with bucket_server() as variables:
        yield variables


@pytest.fixture
def team(place, server, monkeypatch, tmp_path):
    """A database and a bucket; this process is a person's machine, on which is a model of their own."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    for name in ("MASKDESK_WEIGHTS", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no-weights"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "person"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "person-cache"))
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    files.mkdir("desk")
    variables = {
        DATA_VARIABLE: "s3://desk/team",
        DATABASE_VARIABLE: place.database.render_as_string(hide_password=False),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    yield variables | server
    files.invalidate_cache()
    files.rm("desk", recursive=True)
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture
def shared(team):
    store = Store()
    assert store.blobs.folder is None
    yield store
    store.close()


@pytest.fixture
def machines(team, tmp_path):
    both = [Machine(tmp_path / f"machine-{name}", team) for name in "ab"]
    yield both
    for one in both:
        if one.process is not None:
            one.process.kill()
            one.process.wait()


def add(store, project, model):
    mapping = {row.name: row.id for row in store.categories(project)}
    return jobs.add_job(store, project, model, JobSettings(0.5, 0.5, 0.5, 100, mapping), "ann")


def people_models(tmp_path):
    return tmp_path / "person" / "maskdesk" / "models"


@ON_POSTGRESQL
def test_two_machines_killed_at_random_do_each_image_once(shared, machines, tmp_path):
    make_quick_model(people_models(tmp_path), "mine", side=640)  # a person's own, on neither of the machines
    project = make_small_pictures(shared, "Many", IMAGES)
    job = add(shared, project, "mine")
    chance = random.Random(5)
    moments = sorted(chance.sample(range(4, IMAGES - 10), KILLS))
    for one in machines:
        one.start()
    for moment in moments:
        wait_for(lambda at=moment: jobs.job(shared, job.id).done >= at, f"{moment} images")
        dies = chance.choice(machines)
        dies.kill()
        dies.start()
    wait_for(lambda: jobs.job(shared, job.id).state == "done", "the job to be done")
    done = jobs.job(shared, job.id)
    logs = "".join(one.log.read_text() for one in machines)
    assert (done.done, done.total, done.failed) == (IMAGES, IMAGES, 0), logs
    assert doubled_and_lost(shared, job.id, project) == ([], []), logs
    assert done.proposed == len(shared.instances(project)) > IMAGES
    with shared.reading() as connection:
        by_worker = connection.execute(
            select(SHARE.c.worker, func.count()).where(SHARE.c.job_id == job.id).group_by(SHARE.c.worker)
        ).all()
        counted = dict(connection.execute(select(WORKER.c.name, WORKER.c.done)).all())
    assert len(by_worker) > 1 and sum(count for _, count in by_worker) == IMAGES
    assert all(counted[name] == count for name, count in by_worker), "no worker counted what is another's"
    assert [one.stop() for one in machines] == [130, 130], "they wait for the next job, and end when asked"
    assert "Traceback" not in logs
    assert not look_at_workers(shared).living, "who ends in order signs off, and who was killed is dead"


@ON_POSTGRESQL
def test_pausing_reaches_every_worker_and_resuming_too(shared, machines, tmp_path):
    make_quick_model(people_models(tmp_path), "mine", side=640)
    job = add(shared, make_small_pictures(shared, "Many", IMAGES), "mine")
    for one in machines:
        one.start()

    def at_it():
        with shared.reading() as connection:
            return len(connection.execute(select(WORKER.c.name).where(WORKER.c.job_id == job.id)).all())

    wait_for(lambda: at_it() == 2, "both to be at it")
    jobs.pause_job(shared, job.id)
    wait_for(lambda: at_it() == 0, "both to leave it")
    paused = jobs.job(shared, job.id)
    assert paused.state == "paused" and paused.done < IMAGES
    jobs.resume_job(shared, job.id)
    wait_for(lambda: jobs.job(shared, job.id).done > paused.done, "it to go on")
    jobs.cancel_job(shared, job.id)
    wait_for(lambda: at_it() == 0, "both to leave it again")
    assert jobs.job(shared, job.id).state == "cancelled"


@ON_POSTGRESQL
def test_a_persons_own_model_comes_to_a_machine_that_has_another_of_that_name(store, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "ann"))
    make_quick_model(tmp_path / "ann" / "models", "mine", side=320)
    project = make_small_pictures(store, "P", 2)
    job = add(store, project, "mine")
    assert job.weights and job.card
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "machine"))
    assert "mine" not in {spec.key for spec in all_models()}
    fetched = model_of_job(store, job)
    assert (fetched.key, fetched.sha256) == ("mine", job.weights) and str(tmp_path / "cache") in fetched.file
    assert work_off(store) == 1
    assert jobs.job(store, job.id).state == "done"
    assert {row.source for row in store.instances(project)} == {"mine"}
    (store.blobs.folder / job.card[:2] / job.card).unlink()
    with pytest.raises(WeightsError, match=r"mine: .*this file of the project is gone"):
        model_of_job(store, job)


def test_a_model_of_a_store_on_one_computer_is_not_copied(store, monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "ann"))
    make_quick_model(tmp_path / "ann" / "models", "mine")
    job = add(store, make_small_pictures(store, "P", 1), "mine")
    assert (job.weights, job.card) == ("", "")


@ON_POSTGRESQL
def test_a_bucket_that_is_not_there_or_does_not_answer_is_named(team, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, "s3://nowhere/team")
    told = invoke("project", "work", "--once")
    assert told.exit_code == 1 and "s3://nowhere/team/files: there is no such bucket" in told.stderr
    fsspec.filesystem("s3").clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    told = invoke("project", "work", "--once")
    fsspec.filesystem("s3").clear_instance_cache()
    assert told.exit_code == 1 and "the bucket with the files cannot be reached" in told.stderr


@ON_POSTGRESQL
def test_a_bucket_that_goes_away_fails_no_image(shared, tmp_path, monkeypatch):
    make_quick_model(people_models(tmp_path), "mine")
    job = add(shared, make_small_pictures(shared, "P", 3), "mine")
    real, refusals = shared.blobs._files.cat_file, iter(range(2))

    def refuse(place):
        if next(refusals, None) is not None:
            raise ConnectionResetError("gone for a moment")
        return real(place)

    monkeypatch.setattr(shared.blobs._files, "cat_file", refuse)
    with pytest.raises(FilesAwayError, match="cannot be reached"):
        shared.blobs.get("0" * 64)
    monkeypatch.setattr("maskrcnn_core.projects.proposals.worker.time.sleep", lambda _: None)
    said = []
    work_off(shared, on_event=said.append)
    done = jobs.job(shared, job.id)
    assert (done.state, done.done, done.failed) == ("done", 3, 0), said
    assert any("retrying" in line for line in said)
