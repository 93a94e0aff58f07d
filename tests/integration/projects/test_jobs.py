"""Jobs as rows: what they may become, who has them, and what is known of their end."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from maskrcnn_core import __version__
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.tables import JOB, SHARE, WORKER
from maskrcnn_core.projects.proposals import job_claims, job_rows, jobs, shares, workers
from maskrcnn_core.projects.proposals.job_rows import JobRow, JobSettings
from maskrcnn_core.projects.proposals.shares import Asked, ImageOutcome
from maskrcnn_core.projects.store import Store
from tests.builders.projects import make_project

pytestmark = pytest.mark.both_databases

SETTINGS = JobSettings(0.5, 0.4, 0.5, 100, {"circle": 1})
FUNCTIONS = {"pause": jobs.pause_job, "resume": jobs.resume_job, "cancel": jobs.cancel_job}


@pytest.fixture
def project(store):
    return make_project(store)


def add(store, project, model="shapes"):
    return jobs.add_job(store, project, model, SETTINGS, "ann")


def force(store, job, **values):
    """What time, or something else that is not under test, has made of a job."""
    with store.writing() as connection:
        connection.execute(update(JOB).where(JOB.c.id == job.id).values(**values))


def age(store, worker, seconds=job_rows.STALE_SECONDS + 5):
    """Let it be a while since a worker's last sign of life."""
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    with store.writing() as connection:
        connection.execute(update(WORKER).where(WORKER.c.name == worker).values(seen_at=at))


ASKED = Asked("a" * 64, "a" * 64, "so", exact_only=False, release=__version__)


def begin(store, job, worker):
    """Bring a worker to a job, as far as its first image, and return that."""
    assert job_claims.claim_job(store, worker).id == job.id
    assert shares.lay_out(store, job.id, worker, ASKED)
    return shares.next_share(store, job.id, worker)


def finish(store, share, **outcome):
    with store.writing() as connection:
        share.finish(connection, ImageOutcome(**outcome))


def next_image(store, job, worker):
    found = shares.next_share(store, job.id, worker)
    return found if isinstance(found, str) else found.image_id


def end(store, job, worker, state):
    if state == "failed":
        assert job_claims.fail_job(store, job.id, worker, "why")
        return
    shares.lay_out(store, job.id, worker, ASKED)
    while not isinstance(share := shares.next_share(store, job.id, worker), str):
        finish(store, share)
    job_claims.leave_job(store, job.id, worker)


def in_state(store, project, state):
    """A job that has come to a state in the way that jobs do."""
    job = add(store, project)
    if state in ("running", "done", "failed"):
        assert job_claims.claim_job(store, "w").id == job.id
    if state in ("done", "failed"):
        end(store, job, "w", state)
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
    older = {key: value for key, value in SETTINGS.to_json().items() if key != "closer"}
    assert JobSettings.from_json(older).closer == "off" and SETTINGS.closer == "auto"
    with pytest.raises(StoreError, match=r"job settings\.closer: expected auto, on or off, got 'maybe'"):
        JobSettings.from_json(older | {"closer": "maybe"})


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
        replace(SETTINGS, **changed)
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
    assert (job.made_by, job.message, job.failures) == ("ann", "", ())
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
    words = dict.fromkeys(("message", "weights", "card", "made_by"), "")
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
        with pytest.raises(StoreError, match=f"model shapes: this project already has a {state} job"):
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
    assert (job.id, job.state) == (first.id, "running") and job.started_at is not None
    assert job_claims.claim_job(store, "v").id == second.id
    assert job_claims.claim_job(store, "u") is None and not jobs.has_work(store), "nothing is laid out yet"
    assert shares.lay_out(store, first.id, "w", ASKED)
    assert job_claims.claim_job(store, "u").id == first.id, "others may help"


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
    assert shares.next_share(store, first.id, "a") == "left"
    job_claims.leave_job(store, first.id, "a")
    assert job_claims.claim_job(store, "b").id == second.id


def test_many_workers_share_one_jobs_images_and_each_is_given_once(place):
    store = Store(place)
    job = add(store, make_project(store, images=40, instances=1))
    start = begin(store, job, "first")
    barrier = threading.Barrier(4)

    def work(name):
        own, taken = Store(place), []
        assert job_claims.claim_job(own, name).id == job.id and shares.lay_out(own, job.id, name, ASKED)
        barrier.wait()
        while not isinstance(share := shares.next_share(own, job.id, name), str):
            taken.append(share.image_id)
            finish(own, share, new=2, ran=True)
        own.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [id_ for ids in pool.map(work, "abcd") for id_ in ids]
    assert len(taken) == len(set(taken)) == 39 and start.image_id not in taken
    assert jobs.job(store, job.id).state == "running", "one is still in hand"
    finish(store, start, new=2, ran=True)
    done = jobs.job(store, job.id)
    assert (done.state, done.done, done.proposed, done.ran) == ("done", 40, 80, 40)
    with store.reading() as connection:
        counts = dict(connection.execute(select(WORKER.c.name, WORKER.c.done)).all())
        by_share = dict(
            connection.execute(select(SHARE.c.worker, func.count()).group_by(SHARE.c.worker)).all()
        )
    assert {name: count for name, count in counts.items() if count} == by_share
    store.close()


def test_the_last_two_images_done_at_once_end_the_job_once(place):
    store = Store(place)
    for n in range(8):
        job = add(store, make_project(store, name=f"P{n}"))
        first = begin(store, job, "a")
        assert job_claims.claim_job(store, "b").id == job.id
        second = shares.next_share(store, job.id, "b")
        barrier = threading.Barrier(2)

        def end_at_once(share, barrier=barrier):
            own = Store(place)
            barrier.wait()
            finish(own, share)
            own.close()

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(end_at_once, (first, second)))
        done = jobs.job(store, job.id)
        assert (done.state, done.done) == ("done", 2)
        for name in "ab":
            job_claims.leave_job(store, job.id, name)
    store.close()


def test_who_comes_when_all_images_are_in_others_hands_has_nothing_to_do(store):
    job = add(store, make_project(store, images=1, instances=1))
    begin(store, job, "a")
    assert job_claims.claim_job(store, "b") is None and not jobs.has_work(store)
    age(store, "a")
    assert jobs.has_work(store) and job_claims.claim_job(store, "b").id == job.id


def test_what_a_silent_worker_had_in_hand_goes_to_another_and_counts_once(store, project):
    job = add(store, project)
    share = begin(store, job, "a")
    age(store, "a", job_rows.STALE_SECONDS / 2)
    assert job_claims.claim_job(store, "b").id == job.id
    assert next_image(store, job, "b") != share.image_id
    age(store, "a")
    taken = shares.next_share(store, job.id, "b")
    assert taken.image_id == share.image_id, "the first again"
    with pytest.raises(shares.ShareLostError):
        finish(store, share, new=5)
    workers.beat(store, "a")
    with pytest.raises(shares.ShareLostError):
        finish(store, share, new=5)
    finish(store, taken, new=3)
    with pytest.raises(shares.ShareLostError):
        finish(store, taken, new=3)
    found = jobs.job(store, job.id)
    assert (found.done, found.proposed) == (1, 3)


def test_a_worker_that_was_only_silent_goes_on_with_what_nobody_took(store, project):
    job = add(store, project)
    share = begin(store, job, "a")
    age(store, "a")
    workers.beat(store, "a")
    assert next_image(store, job, "a") == share.image_id, "it is still in hand"
    finish(store, share)
    assert jobs.job(store, job.id).done == 1


def test_a_clock_that_was_set_back_keeps_no_job_from_going_on(store, project):
    job = add(store, project)
    begin(store, job, "a")
    age(store, "a", -3600)
    assert job_claims.claim_job(store, "b").id == job.id


def test_a_job_that_costs_one_worker_after_another_fails(store, project):
    job = add(store, project)
    for n in range(job_claims.LOST_ALLOWED):
        assert job_claims.claim_job(store, f"w{n}").id == job.id
        age(store, f"w{n}")
    assert job_claims.claim_job(store, "last") is None
    failed = jobs.job(store, job.id)
    assert failed.state == "failed" and failed.ended_at is not None
    assert "3 workers in a row died without a message before they had begun an image" in failed.message


def test_an_image_that_costs_one_worker_after_another_fails_and_the_others_are_done(store, project):
    job = add(store, project)
    first = begin(store, job, "w0").image_id
    for n in range(1, job_claims.LOST_ALLOWED):
        age(store, f"w{n - 1}")
        assert begin(store, job, f"w{n}").image_id == first
    age(store, f"w{n}")
    last = begin(store, job, "last")
    assert last.image_id != first
    finish(store, last)
    done = jobs.job(store, job.id)
    assert (done.state, done.done, done.failed) == ("done", 2, 1)
    assert done.failures[0].startswith(f"{store.image_name(first)}: 3 workers in a row died at this image")


def test_workers_that_got_further_before_they_were_lost_do_not_count(store):
    job = add(store, make_project(store, images=8, instances=1))
    for n in range(2 * job_claims.LOST_ALLOWED):
        share = begin(store, job, f"w{n}")
        finish(store, share)
        shares.next_share(store, job.id, f"w{n}")
        age(store, f"w{n}")
    assert jobs.job(store, job.id).done == 2 * job_claims.LOST_ALLOWED


def test_a_paused_job_is_out_of_all_its_workers_hands(store):
    job = add(store, make_project(store, images=4, instances=1))
    begin(store, job, "a")
    job_claims.claim_job(store, "b")
    shares.next_share(store, job.id, "b")
    jobs.pause_job(store, job.id)
    assert [next_image(store, job, name) for name in "ab"] == ["left", "left"]
    for name in "ab":
        job_claims.leave_job(store, job.id, name)
    assert jobs.job(store, job.id).state == "paused" and not jobs.has_work(store)
    jobs.resume_job(store, job.id)
    assert begin(store, job, "c") is not None, "nothing is still in hand"


def test_a_job_paused_and_resumed_during_one_image_stays_with_its_worker(store):
    job = add(store, make_project(store, images=1, instances=1))
    share = begin(store, job, "a")
    jobs.pause_job(store, job.id)
    jobs.resume_job(store, job.id)
    assert job_claims.claim_job(store, "b") is None, "two would be at the same image"
    assert next_image(store, job, "a") == share.image_id
    assert jobs.job(store, job.id).state == "running"


def test_a_job_that_was_left_waits_with_what_was_done(store):
    job = add(store, make_project(store, images=3, instances=1))
    share = begin(store, job, "a")
    finish(store, share, new=5, decided=1, there={"m": 2}, ran=True)
    finish(store, shares.next_share(store, job.id, "a"), failure="x.png: broken")
    last = shares.next_share(store, job.id, "a")
    job_claims.leave_job(store, job.id, "a")
    left = jobs.job(store, job.id)
    assert (left.state, left.done, left.proposed, left.failed) == ("waiting", 2, 5, 1)
    again = begin(store, job, "b")
    assert again.image_id == last.image_id and (found := jobs.job(store, job.id)).ran == 0
    assert found.rate is None and found.done == 2
    finish(store, again, new=4, decided=2, there={"m": 1}, ran=True)
    both = jobs.job(store, job.id)
    assert (both.state, both.done, both.proposed, both.decided) == ("done", 3, 9, 3)
    assert both.failures == ("x.png: broken",) and both.there == {"m": 3} and both.ran == 1


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_a_job_that_somebody_stopped_is_not_put_back_by_its_worker(store, project, state):
    job = add(store, project)
    job_claims.claim_job(store, "a")
    (jobs.pause_job if state == "paused" else jobs.cancel_job)(store, job.id)
    job_claims.leave_job(store, job.id, "a")
    assert jobs.job(store, job.id).state == state


def test_a_job_that_one_leaves_goes_on_with_the_other(store, project):
    job = add(store, project)
    begin(store, job, "a")
    job_claims.claim_job(store, "b")
    job_claims.leave_job(store, job.id, "a")
    assert jobs.job(store, job.id).state == "running" and next_image(store, job, "b") is not None


def test_a_job_paused_during_its_last_image_is_done_and_a_cancelled_one_is_not(store):
    for stop, state in ((jobs.pause_job, "done"), (jobs.cancel_job, "cancelled")):
        job = add(store, make_project(store, images=1, instances=1, name=state))
        share = begin(store, job, "a")
        stop(store, job.id)
        finish(store, share, new=1)
        found = jobs.job(store, job.id)
        assert (found.state, found.done, found.proposed) == (state, 1, 1)
        job_claims.leave_job(store, job.id, "a")


def test_some_hundred_failures_are_kept_and_all_are_counted(store):
    count = job_rows.FAILURES_KEPT + 3
    job = add(store, make_project(store, images=count, instances=1))
    share = begin(store, job, "a")
    while not isinstance(share, str):
        finish(store, share, failure=f"{share.image_id}: broken")
        share = shares.next_share(store, job.id, "a")
    found = jobs.job(store, job.id)
    assert found.failed == count and len(found.failures) == job_rows.FAILURES_KEPT


def test_what_a_machine_cannot_do_is_left_to_others_and_fails_if_nobody_can(store, project):
    job = add(store, project)
    with store.writing() as connection:
        workers.put_worker(connection, "b")
    job_claims.claim_job(store, "a")
    assert not job_claims.give_up_job(store, job.id, "a", "no weights")
    assert jobs.job(store, job.id).state == "waiting"
    assert job_claims.claim_job(store, "a", unable=frozenset({job.id})) is None
    assert job_claims.claim_job(store, "b").id == job.id
    assert job_claims.give_up_job(store, job.id, "b", "no weights either")
    failed = jobs.job(store, job.id)
    assert (failed.state, failed.message) == ("failed", "no weights either")


def test_weights_and_programs_that_differ_do_not_go_together(store, project):
    job = add(store, project)
    begin(store, job, "a")
    job_claims.claim_job(store, "b")
    with pytest.raises(shares.NotTogetherError, match=r"SHA-256 bbbbbbbb.*other workers have .aaaaaaaa"):
        shares.lay_out(store, job.id, "b", replace(ASKED, weights="b" * 64))
    with pytest.raises(shares.NotTogetherError, match=r"this is MaskDesk 2, and other workers run "):
        shares.lay_out(store, job.id, "b", replace(ASKED, release="2"))
    job_claims.leave_job(store, job.id, "a")
    assert shares.lay_out(store, job.id, "b", replace(ASKED, weights="b" * 64)), "nobody else is at it"
    assert jobs.job(store, job.id).weights == "b" * 64


def test_workers_that_died_go_from_the_list_after_a_while(store):
    for name in ("here", "gone"):
        workers.sign_on(store, f"host:1:{name}")
    assert workers.bury(store, "host:1:gone") == 1
    with store.writing() as connection:
        long_ago = datetime.now(UTC) - timedelta(seconds=workers.SHOWN_SECONDS + 60)
        connection.execute(update(WORKER).where(WORKER.c.ended_at.is_not(None)).values(ended_at=long_ago))
    workers.beat(store, "host:1:here")
    with store.reading() as connection:
        assert connection.execute(select(WORKER.c.name)).scalars().all() == ["host:1:here"]


def test_jobs_outlive_the_store_that_asked_for_them(place):
    store = Store(place)
    job = add(store, make_project(store))
    store.close()
    store = Store(place)
    assert job_claims.claim_job(store, "w").id == job.id
    store.close()
