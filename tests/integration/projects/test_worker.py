"""Workers: real processes over real projects, stopped in every way there is; nothing is lost or doubled."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PureWindowsPath

import pytest
from sqlalchemy import make_url, select, update
from sqlalchemy.exc import OperationalError

from maskrcnn_core.errors import FilesAwayError, InputError, StoreError
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace, find_place
from maskrcnn_core.projects.db.tables import ANSWER, WORKER
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals import jobs, shares, supervising, worker
from maskrcnn_core.projects.proposals.job_rows import JobSettings
from maskrcnn_core.projects.proposals.supervising import ensure_worker
from maskrcnn_core.projects.proposals.worker import StopAsked, log_file, only_worker, work_off
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.builders.projects import change

ROOT = Path(__file__).parents[3]
PICTURES = {f"{n}.png": encode_png(draw_scene(200_000 + n).pixels[:200, :240]) for n in range(8)}
WAIT_SECONDS = 240

PARENT = """
import sys
from sqlalchemy import make_url
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.proposals.supervising import ensure_worker

store = Store(StorePlace(make_url(sys.argv[1]), sys.argv[2]))
print(ensure_worker(store), ensure_worker(store), flush=True)
sys.stdin.read()
"""


# What a worker does around its jobs is the same on every database: jobs themselves are tried on both in
# test_jobs.py, and here where processes meet over them.
ON_SQLITE = pytest.mark.parametrize("place", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def no_other_weights(monkeypatch, tmp_path):
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no-weights"))


def make_project(store, *, images=8, name="Shapes"):
    project = store.create_project(name, "ann", categories=SCENE_CATEGORIES).id
    import_images(store, project, "ann", list(PICTURES.items())[:images])
    return project


def add(store, project, model="shapes", **changed):
    mapping = {row.name: row.id for row in store.categories(project)}
    values = {
        "score_threshold": 0.5,
        "nms_threshold": 0.5,
        "mask_threshold": 0.5,
        "max_detections": 100,
        "mapping": mapping,
    }
    return jobs.add_job(store, project, model, JobSettings(**(values | changed)), "ann")


def facts(store, project):
    """What is proposed, without the ids of the store and the order in which it came."""
    files = {row.id: row.file_name for row in store.images(project)}
    names = {row.id: row.name for row in store.categories(project)}
    return Counter(
        (files[row.image_id], names[row.category_id], row.counts, row.score, row.status)
        for row in store.instances(project)
    )


def kept_runs(store):
    """The id of each image's run: an image that runs again gets another one."""
    with store.reading() as connection:
        rows = connection.execute(select(ANSWER.c.image_id, ANSWER.c.id)).all()
    assert len({row.image_id for row in rows}) == len(rows)
    return {row.image_id: row.id for row in rows}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a run finds that nobody stops."""
    store = Store(StorePlace.in_folder(tmp_path_factory.mktemp("undisturbed")))
    project = make_project(store)
    job = add(store, project)
    assert work_off(store) == 1
    assert jobs.job(store, job.id).state == "done"
    found = facts(store, project)
    store.close()
    assert sum(found.values()) > 10 and set(found.values()) == {1}
    return found


class WorkerProcess:
    """``project work --once`` in a process."""

    def __init__(self, place, log, *options):
        self.log = log
        self._stream = log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maskrcnn_core", "project", "work", "--once", *options],
            cwd=ROOT,
            env=os.environ | supervising.environment_of(place),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._stream,
        )

    def end(self):
        """Waits for its end and returns the exit code; no end leaves a traceback."""
        code = self.process.wait(WAIT_SECONDS)
        assert "Traceback" not in self.log.read_text()
        return code


@contextmanager
def working(place, tmp_path):
    one = WorkerProcess(place, tmp_path / f"worker-{time.monotonic_ns()}.log")
    try:
        yield one
    finally:
        one.process.kill()
        one.process.wait()
        one._stream.close()


def workers_of(store):
    """The workers that are written down, with the job that each is at."""
    with store.reading() as connection:
        return {row.name: row.job_id for row in connection.execute(select(WORKER))}


def pid_of_worker(store, job):
    (pid,) = (int(name.split(":")[1]) for name, job_id in workers_of(store).items() if job_id == job.id)
    return pid


def until(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {WAIT_SECONDS} s for {what}")
        time.sleep(0.05)


def until_in_the_middle(store, job):
    until(lambda: jobs.job(store, job.id).done >= 2, "two images")
    found = jobs.job(store, job.id)
    assert found.state == "running" and found.done < found.total, "too fast to be stopped in the middle"
    return found


# -- processes --------------------------------------------------------------------------------------


def test_paused_in_the_middle_and_resumed_each_image_runs_once(place, store, tmp_path, undisturbed):
    project = make_project(store)
    job = add(store, project)
    with working(place, tmp_path) as first:
        until_in_the_middle(store, job)
        jobs.pause_job(store, job.id)
        assert first.end() == 0
    paused, before = jobs.job(store, job.id), kept_runs(store)
    assert paused.state == "paused" and not workers_of(store) and 2 <= paused.done < 8
    assert paused.rate is not None and paused.remaining_seconds is not None
    assert len(before) == paused.done and paused.proposed == len(store.instances(project))
    jobs.resume_job(store, job.id)
    with working(place, tmp_path) as second:
        assert second.end() == 0
    done = jobs.job(store, job.id)
    assert (done.state, done.done, done.total, done.failed) == ("done", 8, 8, 0)
    assert done.ran == 8 - len(before) and done.ended_at is not None
    after = kept_runs(store)
    assert len(after) == 8 and before.items() <= after.items()
    assert facts(store, project) == undisturbed and done.proposed == sum(undisturbed.values())
    kinds = Counter(entry.kind for entry in store.journal(project, limit=1000))
    assert kinds["propose"] == len({row.image_id for row in store.instances(project)}), "once for each image"


def test_after_a_kill_another_worker_goes_on_and_nothing_is_doubled(place, store, tmp_path, undisturbed):
    project = make_project(store)
    job = add(store, project)
    with working(place, tmp_path) as first:
        until_in_the_middle(store, job)
        first.process.send_signal(signal.SIGKILL)
        assert first.process.wait(WAIT_SECONDS) == -signal.SIGKILL
    left, before = jobs.job(store, job.id), kept_runs(store)
    assert left.state == "running" and len(workers_of(store)) == 1, "it could not say goodbye"
    with working(place, tmp_path) as second:
        assert second.end() == 0
    done = jobs.job(store, job.id)
    assert (done.state, done.done, done.failed) == ("done", 8, 0)
    assert before.items() <= kept_runs(store).items() and len(kept_runs(store)) == 8
    assert facts(store, project) == undisturbed


@ON_SQLITE
def test_a_worker_that_is_told_to_stop_puts_its_job_back(place, store, tmp_path, undisturbed):
    project = make_project(store)
    job = add(store, project)
    with working(place, tmp_path) as one:
        until_in_the_middle(store, job)
        one.process.send_signal(signal.SIGINT)
        assert one.end() == 130
    left = jobs.job(store, job.id)
    assert left.state == "waiting" and not workers_of(store) and 2 <= left.done < 8
    assert facts(store, project) < undisturbed


@ON_SQLITE
def test_the_apps_worker_ends_with_the_app_and_the_next_one_goes_on(place, store, undisturbed):
    project = make_project(store)
    job = add(store, project)
    arguments = [place.database.render_as_string(False), place.files]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", PARENT, *arguments], cwd=ROOT, **pipes) as app:
        try:
            assert app.stdout.readline() == "True False\n", "one is started, and only one"
            until_in_the_middle(store, job)
            assert not ensure_worker(store), "another app of this computer has one at work"
        finally:
            app.kill()
    until(lambda: jobs.job(store, job.id).state == "waiting", "the job to be put back")
    with only_worker(place):  # which the worker was until it ended
        left = jobs.job(store, job.id)
        assert not workers_of(store) and 2 <= left.done < 8
        said = log_file(place).read_text()
        assert "Traceback" not in said and "left after" in said
        assert work_off(store) == 1
    assert jobs.job(store, job.id).state == "done"
    assert facts(store, project) == undisturbed


@ON_SQLITE
def test_a_second_worker_of_a_computer_is_told_that_there_is_one(place, store):
    add(store, make_project(store, images=1))
    with only_worker(place):
        assert not ensure_worker(store)
        refused = pytest.raises(StoreError, match="another worker on this computer is already working")
        with refused, only_worker(place):
            pytest.fail("two at once")


# -- one job, and the next one ----------------------------------------------------------------------


@ON_SQLITE
def test_jobs_are_done_one_after_another_and_told(store):
    first, second = (add(store, make_project(store, images=1, name=name)) for name in ("One", "Two"))
    said = []
    assert work_off(store, on_event=said.append) == 2
    assert [jobs.job(store, job.id).state for job in (first, second)] == ["done", "done"]
    assert said[0] == f"job {first.id} (shapes): begins" and "done: 1 image newly run" in said[-1]
    assert work_off(store) == 0


@ON_SQLITE
def test_a_project_without_images_is_done_at_once(store):
    job = add(store, make_project(store, images=0))
    work_off(store)
    done = jobs.job(store, job.id)
    assert (done.state, done.total, done.rate) == ("done", 0, None)


@ON_SQLITE
def test_a_job_over_images_with_runs_runs_none_and_knows_no_rate(store):
    project = make_project(store, images=2)
    add(store, project)
    work_off(store)
    before = kept_runs(store)
    job = add(store, project)
    work_off(store)
    done = jobs.job(store, job.id)
    assert (done.state, done.done, done.ran, done.rate, done.proposed) == ("done", 2, 0, None, 0)
    assert kept_runs(store) == before


def test_a_cancelled_job_is_left_before_the_next_image_and_its_proposals_stay(store, monkeypatch):
    project = make_project(store, images=3)
    job = add(store, project)
    real = shares.next_share

    def cancel_after_the_first(store, job_id, name):
        if jobs.job(store, job_id).done == 1:
            jobs.cancel_job(store, job_id)
        return real(store, job_id, name)

    monkeypatch.setattr(shares, "next_share", cancel_after_the_first)
    work_off(store)
    found = jobs.job(store, job.id)
    assert (found.state, found.done) == ("cancelled", 1) and found.ended_at is not None
    assert not workers_of(store)
    assert found.proposed == len(store.instances(project)) > 0
    assert len(kept_runs(store)) == 1


@ON_SQLITE
def test_images_that_fail_are_named_and_the_others_are_done(store):
    project = make_project(store, images=3)
    image = store.images(project)[1]
    file = store.blobs.folder / image.digest[:2] / image.digest
    file.write_bytes(file.read_bytes()[:-10])
    job = add(store, project)
    work_off(store)
    done = jobs.job(store, job.id)
    assert (done.state, done.done, done.total, done.failed) == ("done", 3, 3, 1)
    assert done.failures[0].startswith("1.png: ") and "damaged" in done.failures[0]
    assert len(kept_runs(store)) == 2


@ON_SQLITE
def test_what_ran_is_kept_with_the_job_and_the_runs_and_said_by_the_export(store, monkeypatch):
    nuclei = draw_scene(300_000, "fluorescence").pixels[:200, :240]
    monkeypatch.setattr(worker, "pixels_for", lambda _: [nuclei])
    project = make_project(store, images=2)

    def run(engine, **changed):
        job = add(store, project, engine=engine, **changed)
        assert job.engine == ""
        work_off(store)
        done = jobs.job(store, job.id)
        assert done.state == "done", done.message
        return done.engine

    assert run("auto") == "engine exact"  # two images are not worth another
    exact = kept_runs(store)
    assert "engine" not in said_by_export(store, project)
    assert run("folded", score_threshold=0.6).startswith("engine folded (of ")
    assert kept_runs(store) == exact, "the exact runs are as good"
    import_images(store, project, "ann", list(PICTURES.items())[2:4])
    told = run("folded")
    by_image = dict(store.engines_of(project))
    assert set(by_image.values()) == {told} and not set(by_image) & set(exact)
    assert said_by_export(store, project) == f"Shapes; {told}"
    folded = kept_runs(store)
    assert run("auto", score_threshold=0.7) == "engine exact" and kept_runs(store) == folded
    run("exact")
    assert not store.engines_of(project)
    assert {id_: kept_runs(store)[id_] for id_ in exact} == exact, "what ran exactly does not run again"
    assert said_by_export(store, project) == "Shapes"


def said_by_export(store, project):
    return json.loads(export_coco(store, project))["info"]["description"]


def test_a_file_that_came_with_a_description_keeps_it_and_says_each_engine_once(store):
    info = {"description": "Theirs; engine folded (a)", "year": 2017}
    project = store.create_project("P", "ann", extra={"info": info}).id
    import_images(store, project, "ann", list(PICTURES.items())[:2])
    for image, engine in zip(store.images(project), ("engine folded (a)", "engine other (b)"), strict=True):
        store.save_run(image.id, "shapes", "d" * 64, candidates=store.blobs.put(b"run"), engine=engine)
    assert json.loads(export_coco(store, project))["info"] == {
        "description": "Theirs; engine folded (a); engine other (b)",
        "year": 2017,
    }


@pytest.mark.parametrize(
    ("engine", "message"), [("fold", "did you mean folded"), ("x", "one of auto, exact")]
)
@ON_SQLITE
def test_an_unknown_engine_is_refused_when_the_job_is_made(store, engine, message):
    project = make_project(store, images=1)
    with pytest.raises(InputError, match=message):
        add(store, project, engine=engine)
    assert not jobs.jobs_of(store, project)


@ON_SQLITE
def test_an_engine_that_cannot_run_here_fails_its_job_and_says_why(store):
    project = make_project(store, images=1)
    job = add(store, project, engine="cuda")
    work_off(store)
    failed = jobs.job(store, job.id)
    assert failed.state == "failed" and "engine cuda runs on cuda" in failed.message


@pytest.mark.parametrize(
    ("model", "message"),
    [("coco-v2", "download"), ("shaeps", "there is no such model; did you mean shapes")],
)
@ON_SQLITE
def test_a_model_that_is_not_there_fails_the_job_and_not_the_worker(store, model, message):
    project = make_project(store, images=1)
    wrong, right = add(store, project, model), add(store, project)
    assert work_off(store) == 2
    failed = jobs.job(store, wrong.id)
    assert failed.state == "failed" and message in failed.message and failed.ended_at is not None
    assert jobs.job(store, right.id).state == "done"


def test_a_category_that_is_gone_fails_the_job_before_anything_is_offered_for_it(store):
    project = make_project(store, images=1)
    job = add(store, project)
    (circle,) = (row for row in store.categories(project) if row.name == "circle")
    store.decide(project, "ann", "remove", [change(circle, "category", gone=True)])
    work_off(store)
    failed = jobs.job(store, job.id)
    assert failed.state == "failed" and store.instances(project) == []
    assert "what the model calls circle" in failed.message and "start a new job" in failed.message


@ON_SQLITE
def test_a_category_that_the_model_lacks_fails_the_job(store):
    project = make_project(store, images=1)
    job = add(store, project, mapping={"horse": store.categories(project)[0].id})
    work_off(store)
    failed = jobs.job(store, job.id)
    assert failed.state == "failed" and "it has no category horse" in failed.message


@ON_SQLITE
def test_a_job_of_damaged_settings_fails_with_what_is_wrong(store):
    project = make_project(store, images=1)
    job = add(store, project)
    with store.writing() as connection:
        connection.exec_driver_sql("UPDATE job SET settings = '[]'")
    work_off(store)
    failed = jobs.job(store, job.id)
    assert failed.state == "failed" and "job settings: expected an object" in failed.message


@ON_SQLITE
def test_an_error_in_the_program_ends_the_job_and_not_the_worker(store, monkeypatch):
    project = make_project(store, images=1)
    first, second = add(store, project), add(store, make_project(store, images=1, name="Two"))
    real = worker.Proposer

    def fail_once(store, project_id, *rest, **options):
        if project_id == project:
            raise ZeroDivisionError("by accident")
        return real(store, project_id, *rest, **options)

    monkeypatch.setattr(worker, "Proposer", fail_once)
    said = []
    assert work_off(store, on_event=said.append) == 2
    failed = jobs.job(store, first.id)
    assert failed.state == "failed" and "(ZeroDivisionError: by accident)" in failed.message
    assert any("Traceback" in text for text in said)
    assert jobs.job(store, second.id).state == "done"


@pytest.mark.parametrize(("times", "state"), [(worker.TRIES - 1, "done"), (worker.TRIES, "failed")])
def test_a_database_that_refuses_for_a_moment_ends_no_job(store, monkeypatch, times, state):
    job = add(store, make_project(store, images=1))
    real, refusals = worker.Proposer, iter(range(times))

    def refuse(*arguments, **options):
        if next(refusals, None) is not None:
            raise StoreError("another program is writing") from OperationalError("", {}, Exception("locked"))
        return real(*arguments, **options)

    monkeypatch.setattr(worker, "Proposer", refuse)
    monkeypatch.setattr(worker.time, "sleep", lambda _: None)
    work_off(store)
    assert jobs.job(store, job.id).state == state


@ON_SQLITE
def test_a_worker_that_is_to_stop_while_the_bucket_is_away_puts_its_job_back(store, monkeypatch):
    job, stop = add(store, make_project(store, images=1)), StopAsked()

    def refuse(*_, **__):
        stop.is_asked = True
        raise FilesAwayError("the bucket does not answer")

    monkeypatch.setattr(worker, "Proposer", refuse)
    assert work_off(store, stop=stop) == 1
    assert jobs.job(store, job.id).state == "waiting"


@ON_SQLITE
def test_a_worker_that_is_to_stop_begins_nothing(store):
    add(store, make_project(store, images=1))
    stop = StopAsked()
    stop.is_asked = True
    assert work_off(store, stop=stop) == 0
    assert kept_runs(store) == {}


@ON_SQLITE
def test_a_slow_image_is_not_taken_for_a_dead_worker(store, monkeypatch):
    job = add(store, make_project(store, images=1))
    monkeypatch.setattr(worker, "BEAT_SECONDS", 0.01)
    real = shares.next_share

    def last_seen():
        with store.reading() as connection:
            return connection.execute(select(WORKER.c.seen_at)).scalar_one()

    def slow(*arguments):
        share = real(*arguments)
        with store.writing() as connection:
            connection.execute(update(WORKER).values(seen_at=datetime(2001, 1, 1, tzinfo=UTC)))
        until(lambda: last_seen().year > 2001, "a sign of life")
        return share

    monkeypatch.setattr(shares, "next_share", slow)
    work_off(store)
    assert jobs.job(store, job.id).state == "done"


# -- starting one -----------------------------------------------------------------------------------


@ON_SQLITE
def test_a_workers_environment_names_the_place(place, monkeypatch):
    for name, value in supervising.environment_of(place).items():
        monkeypatch.setenv(name, value)
    assert find_place() == place


def test_a_workers_environment_names_a_folder_as_windows_writes_it(monkeypatch):
    folder = PureWindowsPath(r"C:\Users\Ann B\maskdesk")
    place = StorePlace.in_folder(folder)
    monkeypatch.setattr(supervising, "Path", PureWindowsPath)
    environment = supervising.environment_of(place)
    assert environment[DATA_VARIABLE] == str(folder)
    assert make_url(environment[DATABASE_VARIABLE]).database == str(folder / "maskdesk.db")


def test_a_workers_environment_names_a_bucket():
    place = StorePlace(make_url("postgresql+psycopg://ann@host/desk"), "s3://bucket/desk/files")
    assert supervising.environment_of(place)[DATA_VARIABLE] == "s3://bucket/desk"


def test_a_place_that_the_environment_cannot_name_is_told(place):
    elsewhere = StorePlace(place.database, "/somewhere/pictures")
    with pytest.raises(StoreError, match="a worker needs a place that MASKDESK_DATA can name"):
        supervising.environment_of(elsewhere)


def test_a_long_log_is_cut_to_its_newer_half_at_a_line(tmp_path):
    log = tmp_path / "worker.log"
    lines = [f"line {n:07}\n" for n in range(60_000)]
    log.write_text("".join(lines))
    with log.open("a+b") as stream:
        worker.cut_log(stream.fileno())
        stream.write(b"last\n")
    kept = log.read_text().splitlines(keepends=True)
    assert kept[-1] == "last\n" and kept[:-1] == lines[-len(kept) + 1 :]
    assert worker.LOG_BYTES / 3 < log.stat().st_size <= worker.LOG_BYTES / 2 + 5
    with log.open("a+b") as stream:
        worker.cut_log(stream.fileno())
    assert log.read_text() == "".join(kept)


def test_a_store_in_a_bucket_has_a_folder_of_this_computer_for_its_lock(place):
    here = worker._folder(StorePlace(place.database, "s3://bucket/maskdesk/files"))
    other = worker._folder(StorePlace(place.database, "s3://other/files"))
    assert here.is_absolute() and here.parent == other.parent and here != other


@ON_SQLITE
def test_a_job_that_is_done_says_what_the_limit_cut(store):
    project = make_project(store, images=2)
    job = add(store, project, max_detections=1)
    assert work_off(store) == 1
    done = jobs.job(store, job.id)
    assert done.state == "done" and done.proposed == 2
    assert done.message.startswith("2 images reached the limit of 1 detection, and ")
    assert done.message.endswith("raise it with 'project annotate --max-detections'")
