"""Jobs as rows: what they may become, who has them, and what is known of their end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import JOB
from maskrcnn_core.projects.proposals import job_claims, job_rows, jobs
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings, Progress
from maskrcnn_core.projects.store import Store
from tests.builders.projects import make_project

pytestmark = pytest.mark.both_databases

SETTINGS = JobSettings(0.5, 0.4, 0.5, 100, {"circle": 1})
FUNCTIONS = {"pause": jobs.pause_job, "resume": jobs.resume_job, "cancel": jobs.cancel_job}


@pytest.fixture
def project(store):
    return make_project(store)


def add(store, project, model="starter"):
    return jobs.add_job(store, project, model, SETTINGS, "ann")


def force(store, job, **values):
    """What time, or something else that is not under test, has made of a job."""
    with store.writing() as connection:
        connection.execute(update(JOB).where(JOB.c.id == job.id).values(**values))


def age(store, job, seconds=job_rows.STALE_SECONDS + 5):
    force(store, job, beat_at=datetime.now(UTC) - timedelta(seconds=seconds))


def in_state(store, project, state):
    """A job that has come to a state in the way that jobs do."""
    job = add(store, project)
    if state in ("running", "done", "failed"):
        assert job_claims.claim_job(store, "w").id == job.id
    if state in ("done", "failed"):
        assert job_claims.end_job(store, job.id, "w", state, "why")
    if state in ("paused", "cancelled"):
        FUNCTIONS[state.removesuffix("led").removesuffix("d")](store, job.id)
    found = jobs.job(store, job.id)
    assert found.state == state
    return found


# -- settings ---------------------------------------------------------------------------------------


def test_settings_come_back_as_they_were():
    settings = JobSettings(0.25, 0.3, 0.4, 7, {"Zelle 細胞": 3, "b": 9}, "folded")
    assert JobSettings.from_json(settings.to_json()) == settings
    assert settings.thresholds.max_detections == 7 and settings.thresholds.mask_threshold == 0.4


def test_jobs_from_before_there_were_engines_run_exactly():
    older = {key: value for key, value in SETTINGS.to_json().items() if key != "engine"}
    assert JobSettings.from_json(older).engine == "exact" and SETTINGS.engine == "auto"
    with pytest.raises(StoreError, match=r"job settings\.engine: expected a text, got 3"):
        JobSettings.from_json(older | {"engine": 3})


def test_settings_do_not_change_with_what_they_were_made_of():
    given = {"circle": 1}
    settings = JobSettings(0.5, 0.5, 0.5, 100, given)
    given["square"] = 2
    assert dict(settings.mapping) == {"circle": 1}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"score_threshold": 2.0}, "score threshold"),
        ({"score_threshold": float("nan")}, "score threshold"),
        ({"nms_threshold": -1.0}, "NMS threshold"),
        ({"mask_threshold": 1.0}, "mask threshold"),
        ({"max_detections": 0}, "detections per image"),
        ({"mapping": {}}, "mapping: expected one category or more"),
        ({"mapping": {"": 1}}, "mapping: expected a name and the id"),
        ({"mapping": {"circle": 0}}, "mapping: expected a name and the id"),
    ],
)
def test_settings_out_of_range_are_named_at_birth_and_when_read(changed, message):
    with pytest.raises(ValueError, match=message):
        JobSettings(**(SETTINGS.to_json() | changed))
    with pytest.raises(StoreError, match=f"job settings: {message}"):
        JobSettings.from_json(SETTINGS.to_json() | changed)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "expected an object, got NoneType"),
        ([1], "expected an object, got list"),
        ({}, "score_threshold: expected a number, got None"),
        (SETTINGS.to_json() | {"nms_threshold": "0.5"}, "nms_threshold: expected a number"),
        (SETTINGS.to_json() | {"nms_threshold": True}, "nms_threshold: expected a number"),
        (SETTINGS.to_json() | {"max_detections": 1.5}, "max_detections: expected a whole number"),
        (SETTINGS.to_json() | {"mapping": [1]}, "mapping: expected category ids"),
        (SETTINGS.to_json() | {"mapping": {"circle": "1"}}, "mapping: expected category ids"),
    ],
)
def test_settings_of_a_damaged_row_are_named(value, message):
    with pytest.raises(StoreError, match=message):
        JobSettings.from_json(value)


def test_a_job_whose_settings_are_damaged_is_still_listed(store, project):
    job = add(store, project)
    force(store, job, settings={"mapping": 3})
    (found,) = jobs.jobs_of(store, project)
    with pytest.raises(StoreError, match="score_threshold: expected a number"):
        _ = found.settings


# -- what is known of a job -------------------------------------------------------------------------


def test_a_new_job_waits_and_knows_its_images(store, project):
    job = add(store, project)
    assert (job.state, job.total, job.done, job.proposed, job.failed) == ("waiting", 2, 0, 0, 0)
    assert (job.made_by, job.worker, job.message, job.failures) == ("ann", "", "", ())
    assert job.settings == SETTINGS and job.is_open
    assert job.rate is None and job.remaining_seconds is None
    assert jobs.has_work(store)


def test_jobs_are_listed_newest_first_and_only_of_their_project(store, project):
    other = make_project(store, name="Other")
    first, second = add(store, project), add(store, project, "coco-v2")
    elsewhere = add(store, other)
    assert [job.id for job in jobs.jobs_of(store, project)] == [second.id, first.id]
    assert [job.id for job in jobs.open_jobs(store)] == [first.id, second.id, elsewhere.id]
    jobs.cancel_job(store, first.id)
    assert [job.id for job in jobs.open_jobs(store)] == [second.id, elsewhere.id]


def test_what_is_not_there_is_told(store):
    with pytest.raises(StoreError, match="job 9: there is no such job"):
        jobs.job(store, 9)
    with pytest.raises(StoreError, match="job 9: there is no such job"):
        jobs.pause_job(store, 9)
    with pytest.raises(StoreError, match="project 9: there is no such project"):
        add(store, 9)


def row(**values):
    now = datetime.now(UTC)
    facts = dict.fromkeys(("total", "done", "proposed", "replaced", "decided", "failed", "ran"), 0)
    words = dict.fromkeys(("message", "worker", "made_by"), "")
    whole = {
        **facts,
        **words,
        "id": 1,
        "project_id": 1,
        "model_key": "m",
        "engine": "engine exact",
        "state": "running",
        "there": {},
        "failures": (),
        "made_at": now,
        "started_at": now,
        "beat_at": now,
        "ended_at": None,
        "ran_seconds": 0.0,
    }
    return JobRow(**(whole | values))


def test_the_rate_counts_only_images_that_really_ran():
    assert row(total=100, done=60).rate is None
    job = row(total=100, done=64, ran=4, ran_seconds=2.0)
    assert job.rate == 2.0 and job.remaining_seconds == 18.0
    assert replace(job, done=100).remaining_seconds == 0.0
    assert replace(job, state="done").remaining_seconds is None
    assert replace(job, state="paused").remaining_seconds == 18.0


# -- what it may become -----------------------------------------------------------------------------

ALLOWED = {
    "pause": {"waiting": "paused", "running": "paused"},
    "resume": {"paused": "waiting"},
    "cancel": dict.fromkeys(job_rows.OPEN_STATES, "cancelled"),
}


@pytest.mark.parametrize("state", job_rows.JOB_STATES)
@pytest.mark.parametrize("verb", sorted(ALLOWED))
def test_people_change_states_only_where_it_makes_sense(store, project, state, verb):
    before = in_state(store, project, state)
    if state in ALLOWED[verb]:
        after = FUNCTIONS[verb](store, before.id)
        assert after.state == ALLOWED[verb][state] and after == jobs.job(store, before.id)
        assert (after.ended_at is None) == after.is_open
    else:
        with pytest.raises(StoreError, match=f"job {before.id}: cannot {verb} it: it "):
            FUNCTIONS[verb](store, before.id)
        assert jobs.job(store, before.id) == before


@pytest.mark.parametrize("state", job_rows.JOB_STATES)
def test_a_second_open_job_of_the_same_model_is_refused(store, project, state):
    first = in_state(store, project, state)
    if first.is_open:
        with pytest.raises(StoreError, match=f"model starter: this project already has a {state} job"):
            add(store, project)
        assert len(jobs.jobs_of(store, project)) == 1
    else:
        assert add(store, project).state == "waiting"
    assert add(store, project, "coco-v2").state == "waiting"


def test_of_many_who_ask_for_the_same_job_at_once_one_gets_it(place):
    store = Store(place)
    project = make_project(store)
    barrier = threading.Barrier(6)

    def ask(_):
        barrier.wait()
        try:
            return add(store, project).id
        except StoreError:
            return None

    with ThreadPoolExecutor(6) as pool:
        assert len([id_ for id_ in pool.map(ask, range(6)) if id_]) == 1
    assert len(jobs.jobs_of(store, project)) == 1
    store.close()


# -- workers ----------------------------------------------------------------------------------------


def test_a_worker_gets_the_oldest_that_waits(store, project):
    assert job_claims.claim_job(store, "w") is None
    first = add(store, project)
    second = add(store, make_project(store, name="Other"))
    job = job_claims.claim_job(store, "w")
    assert (job.id, job.state, job.worker) == (first.id, "running", "w")
    assert job.started_at is not None and job.beat_at is not None
    assert job_claims.claim_job(store, "w").id == second.id
    assert job_claims.claim_job(store, "w") is None and not jobs.has_work(store)


@pytest.mark.parametrize("state", ["paused", "cancelled", "done", "failed"])
def test_what_does_not_wait_is_given_to_nobody(store, project, state):
    in_state(store, project, state)
    assert not jobs.has_work(store) and job_claims.claim_job(store, "w") is None


def test_of_one_projects_jobs_only_one_runs(store, project):
    first, second = add(store, project), add(store, project, "coco-v2")
    assert job_claims.claim_job(store, "a").id == first.id
    assert job_claims.claim_job(store, "b") is None
    jobs.cancel_job(store, first.id)
    assert job_claims.claim_job(store, "b") is None, "the first worker may be at its last image"
    assert not job_claims.go_on(store, first.id, "a")
    assert job_claims.claim_job(store, "b").id == second.id


def test_many_workers_never_take_one_job_twice(place):
    store = Store(place)
    wanted = {add(store, make_project(store, images=1, instances=1, name=f"P{n}")).id for n in range(12)}
    barrier = threading.Barrier(4)

    def work(name):
        own, taken = Store(place), []
        barrier.wait()
        while (job := job_claims.claim_job(own, name)) is not None:
            taken.append(job.id)
        own.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [id_ for ids in pool.map(work, "abcd") for id_ in ids]
    assert sorted(taken) == sorted(wanted)
    store.close()


def test_a_job_without_signs_of_life_is_taken_over_and_the_first_worker_is_out(store, project):
    job = add(store, project)
    job_claims.claim_job(store, "a")
    age(store, job, job_rows.STALE_SECONDS / 2)
    assert job_claims.claim_job(store, "b") is None
    assert job_claims.beat(store, job.id, "a")
    age(store, job)
    assert jobs.has_work(store)
    taken = job_claims.claim_job(store, "b")
    assert taken.id == job.id and taken.worker == "b"
    assert not job_claims.beat(store, job.id, "a") and not job_claims.go_on(store, job.id, "a")
    assert not job_claims.write_progress(store, job, "a", Progress(total=2, done=2))
    assert not job_claims.end_job(store, job.id, "a", "done")
    job_claims.leave_job(store, job.id, "a")
    assert jobs.job(store, job.id) == taken


def test_a_clock_that_was_set_back_keeps_no_job_from_going_on(store, project):
    job = add(store, project)
    job_claims.claim_job(store, "a")
    age(store, job, -3600)
    assert job_claims.claim_job(store, "b").id == job.id


def test_a_job_that_costs_one_worker_after_another_fails(store, project):
    job = add(store, project)
    for n in range(job_claims.LOST_ALLOWED):
        assert job_claims.claim_job(store, f"w{n}").id == job.id
        age(store, job)
    assert job_claims.claim_job(store, "last") is None
    failed = jobs.job(store, job.id)
    assert failed.state == "failed" and failed.ended_at is not None
    assert "3 workers in a row died on the same image without a message, after 0 of 2" in failed.message


def test_workers_that_got_further_before_they_were_lost_do_not_count(store, project):
    job = add(store, project)
    for n in range(2 * job_claims.LOST_ALLOWED):
        claimed = job_claims.claim_job(store, f"w{n}")
        assert claimed.id == job.id
        assert job_claims.write_progress(
            store, claimed, f"w{n}", Progress(total=2, done=1, ran=1, ran_seconds=1.0)
        )
        age(store, job)


def test_a_paused_job_is_out_of_its_workers_hands(store, project):
    job = add(store, project)
    job_claims.claim_job(store, "w")
    assert job_claims.go_on(store, job.id, "w")
    jobs.pause_job(store, job.id)
    assert not job_claims.go_on(store, job.id, "w")
    found = jobs.job(store, job.id)
    assert found.state == "paused" and found.worker == ""


def test_a_job_paused_and_resumed_during_one_image_stays_with_its_worker(store, project):
    job = add(store, project)
    job_claims.claim_job(store, "a")
    jobs.pause_job(store, job.id)
    jobs.resume_job(store, job.id)
    assert job_claims.claim_job(store, "b") is None, "two would be at the same image"
    assert job_claims.go_on(store, job.id, "a")
    assert jobs.job(store, job.id).state == "running"


def test_a_job_that_was_left_waits_with_what_was_done(store, project):
    job = add(store, project)
    claimed = job_claims.claim_job(store, "a")
    job_claims.write_progress(store, claimed, "a", Progress(2, 1, 5, 1, ("x.png: broken",), 1, 0.5))
    job_claims.leave_job(store, job.id, "a")
    left = jobs.job(store, job.id)
    assert (left.state, left.worker, left.done, left.proposed) == ("waiting", "", 1, 5)
    again = job_claims.claim_job(store, "b")
    assert again.id == job.id and (again.ran, again.rate) == (0, None)
    job_claims.write_progress(store, again, "b", Progress(2, 2, 4, 2, (), 1, 0.25))
    both = jobs.job(store, job.id)
    assert (both.done, both.proposed, both.decided, both.failed, both.failures) == (2, 9, 3, 0, ())
    assert both.rate == 4.0


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_a_job_that_somebody_stopped_is_not_put_back_by_its_worker(store, project, state):
    job = add(store, project)
    job_claims.claim_job(store, "a")
    (jobs.pause_job if state == "paused" else jobs.cancel_job)(store, job.id)
    job_claims.leave_job(store, job.id, "a")
    assert jobs.job(store, job.id).state == state


def test_a_job_paused_during_its_last_image_is_done_and_a_cancelled_one_is_not(store, project):
    job = add(store, project)
    job_claims.claim_job(store, "a")
    jobs.pause_job(store, job.id)
    assert job_claims.end_job(store, job.id, "a", "done")
    assert jobs.job(store, job.id).state == "done"
    job = add(store, project)
    job_claims.claim_job(store, "a")
    jobs.cancel_job(store, job.id)
    assert not job_claims.end_job(store, job.id, "a", "done")
    assert jobs.job(store, job.id).state == "cancelled"


def test_some_hundred_failures_are_kept_and_all_are_counted(store, project):
    job = add(store, project)
    claimed = job_claims.claim_job(store, "a")
    failures = tuple(f"{n}.png: broken" for n in range(1000))
    job_claims.write_progress(store, claimed, "a", Progress(total=1000, done=1000, failures=failures))
    found = jobs.job(store, job.id)
    assert found.failed == 1000 and found.failures == failures[: job_rows.FAILURES_KEPT]


def test_jobs_outlive_the_store_that_asked_for_them(place):
    store = Store(place)
    job = add(store, make_project(store))
    store.close()
    store = Store(place)
    assert job_claims.claim_job(store, "w").id == job.id
    store.close()
