"""What a store does with a database that is new, old, newer, foreign, damaged, locked or read-only."""

import contextlib
import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url, update

from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db import engine as opening
from maskrcnn_core.projects.db.engine import APPLICATION_ID, open_engine, reading, writing
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE, StorePlace, find_place
from maskrcnn_core.projects.db.seals import seal_of, sealed_names
from maskrcnn_core.projects.db.tables import METADATA, PROJECT
from maskrcnn_core.projects.removal import archive_project
from maskrcnn_core.projects.store import Store
from tests.builders.projects import change, make_project

pytestmark = pytest.mark.both_databases

FORM_5 = import_module("maskrcnn_core.projects.db.migrations.versions.0006_archive")._BEFORE


@pytest.fixture
def is_new():
    return True


@pytest.fixture
def lite(tmp_path):
    return StorePlace.in_folder(tmp_path / "data")


def database_of(place):
    return place.sqlite_file


# -- where ----------------------------------------------------------------------------------------


def test_the_environment_says_where(monkeypatch, tmp_path):
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "here"))
    assert find_place() == StorePlace.in_folder(tmp_path / "here")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv(DATA_VARIABLE, " ")
    assert find_place().sqlite_file == tmp_path / "home/maskdesk/maskdesk.db"
    monkeypatch.setenv(DATABASE_VARIABLE, "postgresql+psycopg://ann:secret@db/desk")
    place = find_place()
    assert place.sqlite_file is None and place.files == str(tmp_path / "home/maskdesk/files")
    assert "secret" not in place.shown and "ann" in place.shown
    monkeypatch.setenv(DATA_VARIABLE, "s3://bucket/desk/")
    assert find_place().files == "s3://bucket/desk/files"


@pytest.mark.parametrize(
    ("database", "data", "message"),
    [
        ("mysql://a:secret@b/c", "", "expected sqlite or postgresql.psycopg"),
        ("postgresql+psycopg://a:secret@b", "", "the name of a database"),
        ("no url: secret", "", "expected a database URL"),
        ("", "s3://bucket", "a bucket holds files, not a database"),
    ],
)
def test_a_place_that_cannot_be_used_is_told_without_its_password(monkeypatch, database, data, message):
    monkeypatch.setenv(DATABASE_VARIABLE, database)
    monkeypatch.setenv(DATA_VARIABLE, data)
    with pytest.raises(StoreError, match=message) as raised:
        find_place()
    assert "secret" not in str(raised.value)


# -- the form -------------------------------------------------------------------------------------


def test_migrations_lead_to_the_tables_as_they_are_written(place):
    engine = open_engine(place)
    with reading(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()


def test_a_new_database_is_set_up_for_safety(lite):
    engine = open_engine(lite)
    with engine.connect() as connection:

        def pragma(name):
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

        assert pragma("application_id") == APPLICATION_ID
        assert pragma("journal_mode") == "wal"
        assert (pragma("synchronous"), pragma("foreign_keys"), pragma("busy_timeout")) == (2, 1, 10_000)
    engine.dispose()
    assert [p.name for p in database_of(lite).parent.iterdir()] == ["maskdesk.db"], "no litter is left"


def test_many_who_open_a_new_place_at_once_share_one_database(place):
    def open_and_make(number):
        store = Store(place)
        made = store.create_project(f"P{number}", "ann").id
        store.close()
        return made

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(open_and_make, range(8)))
    assert len(set(ids)) == 8
    store = Store(place)
    assert sorted(p.name for p in store.projects()) == [f"P{n}" for n in range(8)]
    store.close()


def test_a_disk_without_hard_links_has_one_database_too(lite, monkeypatch):
    def refuse(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with ThreadPoolExecutor(4) as pool:
        for engine in pool.map(lambda _: open_engine(lite), range(4)):
            engine.dispose()
    names = {path.name for path in database_of(lite).parent.iterdir()}
    assert names - {".maskdesk.db.lock"} == {"maskdesk.db"}
    store = Store(lite)
    assert store.create_project("Cells", "ann").id == 1
    store.close()


def make_older_place(place, monkeypatch):
    """A database as the first release made it, with a project and an image."""
    with monkeypatch.context() as patched:
        patched.setattr(opening, "_newest", lambda: "0001")
        engine = open_engine(place)
    with writing(engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO project (name, description, made_at, made_by, extra) "
            "VALUES ('Cells', '', '2026-01-01 00:00:00', 'ann', '{}')"
        )
        connection.exec_driver_sql(
            "INSERT INTO image (project_id, coco_id, file_name, width, height, digest, status, extra) "
            "VALUES (1, 1, 'a.png', 80, 60, '', 'new', '{}')"
        )
    engine.dispose()


def test_an_older_database_is_migrated_and_can_be_used(place, monkeypatch):
    make_older_place(place, monkeypatch)
    store = Store(place)
    assert [p.name for p in store.projects()] == ["Cells"]
    assert [i.file_name for i in store.images(1)] == ["a.png"]
    entry = store.decide(1, "ann", "look", [change(store.images(1)[0], "image", status="opened")])
    assert entry is not None and store.undo(1, "ann").target_id == entry.id
    store.close()


def test_a_new_column_is_sealed_and_blesses_no_damage(place, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(opening, "_newest", lambda: "0005")
        engine = open_engine(place)
    made = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    with writing(engine) as connection:
        for id_, name in ((1, "Cells"), (2, "Leaves")):
            values = [id_, name, "", made.replace(tzinfo=None), "ann", 3, False, "{}"]
            row = dict(zip(sealed_names(FORM_5), values, strict=True)) | {
                "made_at": made,
                "extra": {},
                "seal": seal_of(FORM_5, values),
            }
            connection.execute(FORM_5.insert(), row)
        connection.exec_driver_sql("UPDATE project SET description = 'flipped' WHERE id = 2")
    engine.dispose()
    store = Store(place)
    found, damaged = store.sound_projects()
    assert [(row.name, row.version, row.made_at, row.is_archived) for row in found] == [
        ("Cells", 3, made, False)
    ]
    assert [damage.shown for damage in damaged] == ["project Leaves"]
    assert store.damaged_rows(1) == []
    assert archive_project(store, "ann", found[0]) and store.project(1).is_archived
    with store.writing() as connection:
        connection.execute(update(PROJECT).where(PROJECT.c.id == 1).values(archived=False))
    assert [damage.id for damage in store.damaged_rows(1)] == [1], "the seal covers the column"
    store.close()


def test_a_copy_of_an_older_sqlite_file_is_kept(lite, monkeypatch):
    make_older_place(lite, monkeypatch)
    open_engine(lite).dispose()
    copy = database_of(lite).with_name(f"maskdesk.db.before-{opening._newest()}")
    with sqlite3.connect(copy) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("0001",)
        assert connection.execute("SELECT count(*) FROM image").fetchone() == (1,)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    connection.close()


def test_a_newer_database_is_left_alone(place):
    engine = open_engine(place)
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreError, match=r"made by a newer MaskDesk \(schema 9999, this one knows \d+\)"):
        open_engine(place)


def test_tables_without_a_note_of_their_form_are_left_alone(place):
    store = Store(place)
    make_project(store)
    store.close()
    engine = open_engine(place)
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    engine.dispose()
    with pytest.raises(StoreError, match=r"expected a record of its schema version .*, got \d+ tables"):
        open_engine(place)


def test_two_notes_of_the_form_are_none(place):
    Store(place).close()
    with contextlib.closing(Store(place)) as store, store.writing() as connection:
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('0001')")
    with pytest.raises(StoreError, match=r"expected one record of its schema version .*, got 2"):
        Store(place)


def test_what_killed_makers_of_a_database_left_goes_after_an_hour(lite):
    folder = database_of(lite).parent
    for name in (".new-old", ".new-young"):
        (folder / name).mkdir(parents=True)
    os.utime(folder / ".new-old", (0, 0))
    open_engine(lite).dispose()
    assert sorted(p.name for p in folder.iterdir()) == [".new-young", "maskdesk.db"]


# -- a disk that is full or read-only ---------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 6 MB, or a skip where nobody may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True)
    if made.returncode:
        pytest.skip("mounting a small disk needs more rights than these tests have")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    # Without a buffer, which would be written once more when the file is closed.
    with pytest.raises(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 16))


def make_read_only(folder):
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)


@pytest.mark.parametrize("spoil", [fill, make_read_only])
@pytest.mark.parametrize("is_logged", [False, True], ids=["in the file", "in the log"])
def test_a_disk_that_takes_nothing_is_still_read(small_disk, spoil, is_logged):
    place = StorePlace.in_folder(small_disk / "data")
    store = Store(place)
    project = make_project(store)
    if is_logged:  # as a process leaves it that is killed
        copy = small_disk / "copy"
        shutil.copytree(small_disk / "data", copy)
        store.close()
        shutil.rmtree(small_disk / "data")
        copy.rename(small_disk / "data")
        for path in (small_disk / "data").glob("*-shm"):
            path.unlink()
        assert (small_disk / "data" / "maskdesk.db-wal").stat().st_size
    else:
        store.close()
    spoil(small_disk)
    store = Store(place)
    (known,) = store.projects()
    rows = store.instances(known.id)
    assert known.id == project and rows and len(store.journal(project))
    with pytest.raises(StoreError, match=r"cannot be written; check .* free space|disk is full"):
        store.decide(project, "ann", "accept", [change(rows[0], status="accepted")])
    assert store.instances(known.id)[0].status == "proposed"
    store.close()


# -- what is wrong with it ------------------------------------------------------------------------


def _empty(file):
    file.write_bytes(b"")


def _text(file):
    file.write_text("dear diary\n" * 40)


def _foreign(file):
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()


def _cut(file):
    file.write_bytes(file.read_bytes()[:-5000])


def _scratched(file):
    data = bytearray(file.read_bytes())
    data[4096 : 4096 * 4] = os.urandom(4096 * 3)
    file.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_empty, r"is empty \(0 bytes\)"),
        (_text, "is not an SQLite database"),
        (_cut, "damaged"),
        (_scratched, "damaged"),
    ],
)
def test_a_spoilt_database_is_named_and_left_as_it_is(lite, spoil, message):
    store = Store(lite)
    make_project(store, images=3, instances=40)
    store.close()
    spoil(database_of(lite))
    before = database_of(lite).read_bytes()
    with pytest.raises(StoreError, match=message) as raised:
        open_engine(lite)
    assert str(database_of(lite)) in str(raised.value) and "restore a copy" in str(raised.value)
    assert database_of(lite).read_bytes() == before


def test_another_programs_database_is_left_as_it_is(lite):
    database_of(lite).parent.mkdir()
    _foreign(database_of(lite))
    before = database_of(lite).read_bytes()
    with pytest.raises(StoreError, match=r"belongs to another program \(application id 0x0\)"):
        open_engine(lite)
    assert database_of(lite).read_bytes() == before


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be used .*; check the folder's rights"):
        open_engine(StorePlace.in_folder(tmp_path / "data"))


def test_a_server_that_does_not_answer_is_named_without_its_password():
    url = make_url("postgresql+psycopg://ann:secret@127.0.0.1:9/desk")
    with pytest.raises(StoreError, match=r"ann:\*\*\*@127") as raised:
        open_engine(StorePlace(url, "/nowhere"))
    assert "secret" not in str(raised.value)


def test_a_locked_database_is_said_to_be_and_nothing_is_lost(lite, monkeypatch):
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0.2)
    store = Store(lite)
    project = make_project(store)
    row = store.instances(project)[0]
    other = sqlite3.connect(database_of(lite), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(
        StoreError, match=r"another program is writing to it; try again, .*\(database is locked\)"
    ):
        store.decide(project, "ann", "accept", [change(row, status="accepted")])
    assert store.instances(project)[0].status == "proposed", "readers do not wait"
    other.execute("ROLLBACK")
    other.close()
    store.decide(project, "ann", "accept", [change(row, status="accepted")])
    assert store.instances(project)[0].status == "accepted"
    store.close()


def test_a_full_disk_is_said_to_be_and_nothing_is_lost(lite):
    store = Store(lite)
    project = make_project(store, images=1)
    rows = store.instances(project)
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 8}")
    with pytest.raises(StoreError, match="the disk is full, nothing was saved; free some space"):
        for n in range(200):
            row = store.instances(project)[0]
            status = "accepted" if n % 2 == 0 else "rejected"
            store.decide(project, "ann", "x" * 4000, [change(row, status=status)])
    said = store.instances(project)[0]
    assert [e.kind for e in store.journal(project, limit=1)] == ["x" * 4000]
    assert store.journal(project, limit=1)[0].changes[0]["after"]["status"] == said.status
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    store.decide(project, "ann", "accept", [change(row, status="accepted") for row in rows[1:]])
    store.close()


READ_ONLY = """
import os, sys
from maskrcnn_core.errors import StoreError
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.db.engine import open_engine
from pathlib import Path
open_engine(StorePlace.in_folder(Path(sys.argv[2]))).dispose()  # all is imported that nobody else may read
os.setgid(65534); os.setuid(65534)
try:
    store = Store(StorePlace.in_folder(Path(sys.argv[1])))
    print(len(store.projects()), "projects")
    store.create_project("New", "ann")
except StoreError as error:
    print(error)
"""


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody who may not write")
    folder = tmp_path / "data"
    Store(StorePlace.in_folder(folder)).close()
    for part in (folder, *folder.parents):
        if part != part.parent and part.is_relative_to("/tmp"):
            part.chmod(0o755)
    for place, words in (
        (folder, "0 projects\n"),
        (folder, "check the rights"),
        (folder / "deeper", "check the folder's rights"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", READ_ONLY, place, tmp_path / "other"],
            capture_output=True,
            text=True,
        )
        assert words in run.stdout, run.stdout + run.stderr


def test_pages_that_open_no_store_do_not_wait_for_its_migrations():
    code = "import sys, maskrcnn_core.projects.store; sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
