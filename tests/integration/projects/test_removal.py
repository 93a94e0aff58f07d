"""Projects deleted and restored, and let go with the files that no other project needs."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from maskrcnn_core.errors import ConflictError, StoreError
from maskrcnn_core.projects.db.tables import CHANGEABLE, JOB, JOURNAL, METADATA, PROJECT, THUMBNAIL
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.new_rows import new_image
from maskrcnn_core.projects.project_edits import rename_project
from maskrcnn_core.projects.proposals import job_claims, jobs, shares
from maskrcnn_core.projects.proposals.worker import work_off
from maskrcnn_core.projects.removal import (
    archive_project,
    bring_back_project,
    contents_of,
    delete_project,
    purge,
    purge_now,
    restore_project,
)
from maskrcnn_core.projects.standing import KEPT_DAYS
from tests.builders.projects import SIZE, change, make_project, statuses
from tests.integration.projects.test_worker import add as add_job

pytestmark = pytest.mark.both_databases

LATER = datetime.now(UTC) + timedelta(days=KEPT_DAYS, hours=1)


def files_of(store):
    return {file.name for file in Path(store.place.files).rglob("*") if file.is_file()}


def age_files(store):
    """As if all had been kept long ago."""
    for name in files_of(store):
        os.utime(Path(store.place.files) / name[:2] / name, (0, time.time() - 10_000))


def delete(store, project, who="ann"):
    row = store.project(project)
    delete_project(store, who, row)
    return next(row for row, _ in store.deleted_projects() if row.id == project)


def test_a_deleted_project_is_out_of_all_lists_and_comes_back_as_it_was(store):
    project = make_project(store)
    before = export_coco(store, project)
    assert contents_of(store, project).told == "2 images, 6 instances and 3 decisions"
    deleted = delete(store, project, "bob")
    assert store.projects() == [] and store.sound_projects() == ([], [])
    with pytest.raises(StoreError, match=r"bob deleted it on .* 30 more days it can be restored"):
        export_coco(store, project)
    restored = restore_project(store, "ann", deleted)
    assert restored.name == "Cells" and store.deleted_projects() == []
    assert export_coco(store, project) == before and store.damaged_rows(project) == []
    assert [entry.kind for entry in store.journal(project, limit=2)] == ["restore project", "delete project"]
    with pytest.raises(StoreError, match="it is not deleted"):
        restore_project(store, "ann", restored)


def test_nothing_is_decided_in_a_deleted_project(store):
    project = make_project(store)
    (first, *_) = store.instances(project)
    delete(store, project)
    said = "project Cells: ann deleted it"
    with pytest.raises(StoreError, match=said):
        store.decide(project, "bob", "accept", [change(first, status="accepted")])
    with pytest.raises(StoreError, match=said):
        store.undo(project, "ann")
    with pytest.raises(StoreError, match=said):
        add_job(store, project)
    with pytest.raises(StoreError, match=said):
        delete_project(store, "bob", store.deleted_projects()[0][0])
    assert store.journal(project, limit=1)[0].kind == "delete project"
    with store.reading() as connection:
        assert connection.execute(select(CHANGEABLE["instance"].c.version)).scalars().all() == [1] * 6


def test_undo_passes_over_a_deletion_and_takes_back_what_was_decided_before_it(store):
    project = make_project(store)
    (first, *_) = store.instances(project)
    store.decide(project, "bob", "accept", [change(first, status="accepted")])
    restore_project(store, "bob", delete(store, project, "bob"))
    store.undo(project, "bob")
    assert statuses(store, project) == ["proposed"] * 6 and len(store.projects()) == 1
    assert store.undo(project, "bob") is None and store.undoable(project, "bob") == (False, True)


def test_a_name_that_is_taken_meanwhile_is_told_and_another_one_is_given(store):
    project = make_project(store)
    deleted = delete(store, project)
    store.create_project("Cells", "bob")
    with pytest.raises(StoreError, match="a project with this name already exists"):
        restore_project(store, "ann", deleted)
    assert restore_project(store, "ann", deleted, " Old cells ").name == "Old cells"
    with pytest.raises(StoreError, match="it is not deleted"):
        restore_project(store, "bob", deleted)


def test_who_saw_another_state_of_a_project_does_not_delete_it(store):
    project = make_project(store)
    seen = store.project(project)
    rename_project(store, "bob", seen, "Zellen")
    with pytest.raises(ConflictError):
        delete_project(store, "ann", seen)
    assert [row.name for row in store.projects()] == ["Zellen"]


def test_jobs_of_a_deleted_project_end_and_its_worker_takes_up_others(store):
    project, other = make_project(store, images=1), make_project(store, images=0, name="Other")
    waiting = add_job(store, project)
    running = job_claims.claim_job(store, "w")
    assert running.id == waiting.id
    delete(store, project)
    assert shares.next_share(store, running.id, "w") == "left", "its worker leaves it before the next image"
    job_claims.leave_job(store, running.id, "w")
    found = jobs.job(store, running.id)
    assert (found.state, found.message) == ("cancelled", "the project was deleted")
    assert job_claims.claim_job(store, "w") is None
    add_job(store, other)
    assert job_claims.claim_job(store, "w").project_id == other


def test_a_job_that_came_in_at_the_same_moment_fails_with_the_reason(store):
    project = make_project(store, images=1)
    job = add_job(store, project)
    delete(store, project)
    with store.writing() as connection:
        connection.execute(update(JOB).values(state="waiting", ended_at=None))
    work_off(store)
    found = jobs.job(store, job.id)
    assert found.state == "failed" and "ann deleted it" in found.message


def test_after_its_time_all_of_a_project_goes_but_what_others_need(store):
    project = make_project(store, images=3)
    shared, own, _ = (image.digest for image in store.images(project))
    other = store.create_project("Other", "ann").id
    store.decide(other, "bob", "add images", [new_image(1, "same.png", SIZE, shared)])
    run = store.blobs.put(b"what a model said")
    store.save_run(store.images(project)[0].id, "m", "f" * 64, candidates=run)
    add_job(store, project)
    store.keep_thumbnails({shared: b"1", own: b"2", f"{own}-off": b"3"})
    delete(store, project)
    age_files(store)
    assert purge(store) == [] and len(files_of(store)) == 4
    (done,) = purge(store, at=LATER)
    assert done.told == "Cells: gone for good, 3 files deleted; 1 file of other projects too stays"
    assert files_of(store) == {shared} and store.blobs.get(shared) == b"pixels 1"
    assert store.deleted_projects() == [] and store.damaged_rows(other) == []
    assert store.absence(project) == f"project {project}: there is no such project"
    with store.reading() as connection:
        for table in METADATA.tables.values():
            if "project_id" in table.c:
                found = select(func.count()).where(table.c.project_id == project)
                assert connection.execute(found).scalar_one() == 0, table.name
        assert connection.execute(select(THUMBNAIL.c.digest)).scalars().all() == [shared]
    assert store.undo(other, "bob") is not None and store.redo(other, "bob") is not None
    assert [image.digest for image in store.images(other)] == [shared]


def test_a_file_stays_that_redo_brings_back_in_another_project(store):
    project = make_project(store, images=1)
    (image,) = store.images(project)
    other = store.create_project("Other", "ann").id
    store.decide(other, "bob", "import", [new_image(1, "waits.png", SIZE, "")])
    (waiting,) = store.images(other)
    store.decide(other, "bob", "add images", [change(waiting, "image", digest=image.digest)])
    store.undo(other, "bob")
    delete(store, project)
    age_files(store)
    (done,) = purge(store, at=LATER)
    assert (done.files, done.shared) == (0, 1)
    store.redo(other, "bob")
    assert store.blobs.get(store.images(other)[0].digest) == b"pixels 1"


def test_files_that_an_import_has_just_kept_stay_and_the_rest_of_the_project_with_them(store):
    project = make_project(store)
    deleted = delete(store, project)
    age_files(store)
    kept = store.blobs.put(b"pixels 1")  # and its row does not come before the purge
    done = purge_now(store, "ann", deleted)
    assert (done.files, done.young) == (1, 1) and "'project purge' takes them later" in done.told
    assert files_of(store) == {kept}
    with pytest.raises(StoreError, match="its time is over"):
        restore_project(store, "ann", deleted)
    age_files(store)
    (done,) = purge(store)
    assert done.files == 2 and files_of(store) == set() and store.deleted_projects() == []


def test_a_damaged_row_that_says_it_is_gone_is_not_purged(store):
    project = make_project(store)
    delete(store, project)
    with store.writing() as connection:
        connection.execute(update(PROJECT).values(description="damage"))
    age_files(store)
    (done,) = purge(store, at=LATER)
    assert "damaged" in done.problem and len(files_of(store)) == 2


def test_a_project_that_no_decision_deleted_is_not_purged(store):
    project = make_project(store)
    with store.writing() as connection:
        connection.execute(update(PROJECT).values(gone=True))
    assert purge(store, at=LATER) == [] and store.absence(project).endswith("there is no such project")


def test_files_that_cannot_be_deleted_keep_the_rows_for_the_next_time(store, monkeypatch):
    project = make_project(store)
    delete(store, project)
    age_files(store)
    with monkeypatch.context() as patched:

        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        patched.setattr(os, "unlink", refuse)
        (done,) = purge(store, at=LATER)
    assert "cannot delete (Permission denied)" in done.told
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(JOURNAL)).scalar_one() == 4
    assert len(files_of(store)) == 2
    (done,) = purge(store, at=LATER)
    assert not done.problem and store.deleted_projects() == [] and files_of(store) == set()


def test_an_archived_project_is_read_only_until_it_is_brought_back(store):
    project = make_project(store)
    document = export_coco(store, project)
    (first, *_), job = store.instances(project), add_job(store, project)
    assert archive_project(store, "bob", store.project(project))
    row = store.project(project)
    assert row.is_archived and not archive_project(store, "ann", row) and store.damaged_rows(project) == []
    assert jobs.job(store, job.id).state == "cancelled" and export_coco(store, project) == document
    said = "the project is archived and read-only; bring it back"
    with pytest.raises(StoreError, match=said):
        store.decide(project, "ann", "accept", [change(first, status="accepted")])
    with pytest.raises(StoreError, match=said):
        store.undo(project, "ann")
    with pytest.raises(StoreError, match=said):
        rename_project(store, "ann", row, "Zellen")
    with pytest.raises(StoreError, match=said):
        add_job(store, project)
    store.mark_opened(first.image_id)
    assert {image.status for image in store.images(project)} == {"new"}
    restore_project(store, "ann", delete(store, project))
    assert store.project(project).is_archived, "it comes back as it was"
    assert bring_back_project(store, "ann", store.project(project))
    assert not bring_back_project(store, "ann", store.project(project))
    store.decide(project, "ann", "accept", [change(first, status="accepted")])
    store.mark_opened(first.image_id)
    assert [image.status for image in store.images(project)] == ["opened", "new"]
    assert store.undo(project, "bob") is None, "his own decision was about the project's standing"


def test_a_job_of_a_project_that_is_archived_meanwhile_fails_with_the_reason(store):
    project = make_project(store, images=1)
    job = add_job(store, project)
    archive_project(store, "ann", store.project(project))
    with store.writing() as connection:
        connection.execute(update(JOB).values(state="waiting", ended_at=None))
    work_off(store)
    found = jobs.job(store, job.id)
    assert found.state == "failed" and "the project is archived and read-only" in found.message


def test_the_project_of_the_last_decision_comes_first(store):
    ids = {name: make_project(store, name=name, images=1, instances=1) for name in ("B", "A", "C")}
    assert [row.name for row in store.projects()] == ["C", "A", "B"]
    (row,) = store.instances(ids["B"])
    store.decide(ids["B"], "ann", "accept", [change(row, status="accepted")])
    assert [row.name for row in store.projects()] == ["B", "C", "A"]
    assert [row.name for row in store.sound_projects()[0]] == ["B", "C", "A"]
