"""Flipped bits: what is no longer what was written is noticed, named, and left out where one asks for it."""

import json
import random
import re
import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import update

from maskrcnn_core.errors import DamageError, StoreError
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.db.seals import seal_of, sealed_names
from maskrcnn_core.projects.db.tables import CATEGORY, CHANGEABLE, IMAGE, INSTANCE, PROJECT, SEAL
from maskrcnn_core.projects.exchange.exporting import checked_coco, select
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.projects.store import Store
from tests.builders.projects import change, make_project

ALL = ("proposed", "accepted", "rejected")


@pytest.fixture
def project(store):
    return make_project(store, images=3, instances=4)


def spoil(store, table, id_, **values):
    """As a bit of the disk would: past all that writes seals."""
    with store.writing() as connection:
        connection.execute(update(table).where(table.c.id == id_).values(**values))


SPOILT = {
    "a status": lambda row: (INSTANCE, row.id, {"status": "rejected"}),
    "a category": lambda row: (INSTANCE, row.id, {"coco_id": row.coco_id + 64}),
    "run lengths": lambda row: (INSTANCE, row.id, {"counts": row.counts[:-1] + chr(ord(row.counts[-1]) ^ 1)}),
    "a box": lambda row: (INSTANCE, row.id, {"box": [0, 0, 1, 1]}),
    "a crowd": lambda row: (INSTANCE, row.id, {"is_crowd": True}),
    "one that is gone": lambda row: (INSTANCE, row.id, {"gone": True}),
    "an image's name": lambda row: (IMAGE, row.image_id, {"file_name": "b.png"}),
    "an image's size": lambda row: (IMAGE, row.image_id, {"width": 4096}),
    "an image that is gone": lambda row: (IMAGE, row.image_id, {"gone": True}),
    "a category's name": lambda row: (CATEGORY, row.category_id, {"name": "cill"}),
    "a seal": lambda row: (INSTANCE, row.id, {"seal": 1}),
    "no seal": lambda row: (INSTANCE, row.id, {"seal": None}),
}


def export(store, project):
    chosen = select(store.images(project), store.facts(project), QueueFilter(), statuses=ALL)
    return json.loads(checked_coco(store, project, chosen)[0])


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_row_is_named_and_nothing_is_written_without_a_word(store, project, what):
    before = export(store, project)
    row = store.instances(project)[1]
    table, id_, values = SPOILT[what](row)
    spoil(store, table, id_, **values)
    (found,) = store.damaged_rows(project)
    assert (found.table, found.id) == (table.name, id_)
    assert re.search(r"^project .*, (image|category) \S+", found.shown)
    with pytest.raises(StoreError, match=r"(1 row of|its row in) the project database is damaged") as raised:
        export(store, project)
    assert found.shown in str(raised.value) and "--leave-out-damaged" in str(raised.value)

    left = export(store.leaving_out([found]), project)
    if table is INSTANCE:
        kept = [a for a in before["annotations"] if a["id"] != row.coco_id]
        assert left == before | {"annotations": kept}
    else:
        assert len(left["annotations"]) < len(before["annotations"])
        assert all(annotation in before["annotations"] for annotation in left["annotations"])


@pytest.mark.parametrize("table", [IMAGE, INSTANCE, CATEGORY])
def test_a_row_that_the_damage_moved_to_another_project_is_missed(store, project, table):
    other = store.create_project("Other", "ann").id
    id_ = {IMAGE: store.images, INSTANCE: store.instances, CATEGORY: store.categories}[table](project)[0].id
    spoil(store, table, id_, project_id=other)
    found = {(d.table, d.id) for p in (project, other) for d in store.damaged_rows(p)}
    assert (table.name, id_) in found


def test_a_damaged_row_is_never_sealed_as_if_it_were_sound(store, project):
    row = store.instances(project)[0]
    image = store.images(project)[0]
    spoil(store, INSTANCE, row.id, area=row.area + 1)
    spoil(store, IMAGE, image.id, file_name="other.png")
    with pytest.raises(StoreError, match=r"image other\.png: its row in the project database is damaged"):
        store.mark_opened(image.id)
    with pytest.raises(StoreError, match=r"instance 1000: its row in the project database is damaged"):
        store.decide(project, "ann", "accept", [change(row, status="accepted")])
    assert len(store.damaged_rows(project)) == 2


def test_a_damaged_project_is_named(store, project):
    spoil(store, PROJECT, project, description="?")
    for ask in (store.projects, lambda: store.project(project)):
        with pytest.raises(StoreError, match=r"^project \S+: its row in the project database is damaged"):
            ask()


def test_a_damaged_project_takes_no_other_one_with_it(store, project):
    other = make_project(store, name="Other")
    spoil(store, PROJECT, project, description="?")
    sound, (damaged,) = store.sound_projects()
    assert [row.id for row in sound] == [other]
    assert (damaged.table, damaged.id, damaged.shown) == ("project", project, "project Cells")
    assert len(export(store, other)["images"]) == 2


BROKEN = {
    # One bit in eight of a text is the one that makes it no UTF-8.
    "a category's name": (CATEGORY, "name = CAST(x'63e56c6c' AS TEXT)", 1),
    "an image's name": (IMAGE, "file_name = CAST(x'69ed67' AS TEXT)", 1),
    "a source": (INSTANCE, "source = CAST(x'73f461' AS TEXT)", 1),
    "run lengths": (INSTANCE, "counts = CAST(x'6fb0' AS TEXT)", 1),
    "doubts": (INSTANCE, "doubt = CAST(x'7bff' AS TEXT)", 1),
    "doubts that are no JSON": (INSTANCE, "doubt = '{'", 1),
    "doubts of another name": (INSTANCE, """doubt = '{"twio": 0.5}'""", 1),
    "a score of another kind": (INSTANCE, "score = x'00'", 1),
    "an area of another kind": (INSTANCE, "area = 'a'", 1),
}


@pytest.mark.parametrize("what", BROKEN)
def test_values_that_nobody_could_have_written_are_named_and_left_out(tmp_path, what):
    store = Store(StorePlace.in_folder(tmp_path / "data"))
    project = make_project(store, images=3, instances=4)
    before = export(store, project)
    table, changes, id_ = BROKEN[what]
    with store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE {table.name} SET {changes} WHERE id = {id_}")
    with pytest.raises(DamageError) as raised:
        export(store, project)
    (found,) = store.damaged_rows(project)
    assert (found.table, found.id) == (table.name, id_) and found.shown in str(raised.value)
    left = export(store.leaving_out([found]), project)
    assert all(annotation in before["annotations"] for annotation in left["annotations"])
    count = {CATEGORY: 6, IMAGE: 8, INSTANCE: 11}[table]
    assert len(left["annotations"]) == count
    store.close()


def test_all_that_is_decided_is_sealed(store, project):
    rows = store.instances(project)
    store.decide(project, "ann", "accept", [change(row, status="accepted") for row in rows])
    store.undo(project, "ann")
    store.redo(project, "ann")
    store.mark_opened(store.images(project)[0].id)
    category = store.categories(project)[0]
    store.decide(project, "ann", "rename", [change(category, "category", name="other", colour="#aabbcc")])
    store.decide(project, "ann", "settings", [change(store.project(project), "project", extra={"a": [1.5]})])
    assert store.damaged_rows(project) == []


def test_what_was_there_before_there_were_seals_gets_them(store, project):
    with store.writing() as connection:
        for table in CHANGEABLE.values():
            connection.execute(update(table).values({SEAL: None}))
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0004'")
        for name in CHANGEABLE:
            connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN seal")
        connection.exec_driver_sql("ALTER TABLE project DROP COLUMN archived")
        connection.exec_driver_sql("DROP INDEX ix_journal_project_id_id")
        for name in ("presence", "snapshot", "share", "worker"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        for name in ("engine", "weights", "card", "limits"):
            connection.exec_driver_sql(f"ALTER TABLE job DROP COLUMN {name}")
        connection.exec_driver_sql("ALTER TABLE job ADD COLUMN worker TEXT DEFAULT '' NOT NULL")
        connection.exec_driver_sql("ALTER TABLE job ADD COLUMN beat_at TIMESTAMP")
    again = Store(store.place)
    assert again.damaged_rows(project) == [] and len(again.instances(project)) == len(
        store.instances(project)
    )
    again.close()


@pytest.mark.parametrize(
    ("index", "changed"), [("ix_image_digest", "digest = 'a'"), ("ix_instance_status", "status = 'rejected'")]
)
def test_an_index_that_leaves_rows_out_is_noticed(tmp_path, index, changed):
    """Opening does not compare indices with their tables, and a row that no index finds is missed."""
    place = StorePlace.in_folder(tmp_path / "data")
    store = Store(place)
    project = make_project(store, images=1)
    store.close()

    def execute(statement, *values):
        """In a connection of its own, which reads the schema anew."""
        with closing(sqlite3.connect(place.sqlite_file)) as connection, connection:
            connection.execute("PRAGMA writable_schema=ON")
            return connection.execute(statement, values).fetchone()

    row = execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = ?", index)
    table = row[2]
    execute("DELETE FROM sqlite_schema WHERE name = ?", index)
    execute(f"UPDATE {table} SET {changed} WHERE id = 1")
    execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", *row)
    store = Store(place)
    with pytest.raises(StoreError, match=f"damaged in an index of its table {table}'s rows .*REINDEX"):
        store.damaged_rows(project)
    store.close()


def test_a_seal_covers_all_other_columns_of_its_row():
    for table in CHANGEABLE.values():
        assert {*sealed_names(table), SEAL} == {column.name for column in table.c}
        values = [None] * len(sealed_names(table))
        assert 0 <= seal_of(table, values) < 2**32


def test_single_flipped_bits_never_change_an_export_in_silence(tmp_path):
    place = StorePlace.in_folder(tmp_path / "data")
    store = Store(place)
    project = make_project(store, images=3, instances=40)
    before = export(store, project)
    store.close()
    file = place.sqlite_file
    sound = file.read_bytes()
    chance = random.Random(5)
    silent, noticed = [], 0
    for _ in range(120):
        at, bit = chance.randrange(100, len(sound)), chance.randrange(8)
        data = bytearray(sound)
        data[at] ^= 1 << bit
        for path in file.parent.glob("maskdesk.db*"):
            path.unlink()
        file.write_bytes(data)
        try:
            store = Store(place)
            try:
                after = export(store, project)
            finally:
                store.close()
        except StoreError as error:
            noticed += 1
            assert "maskdesk.db" in str(error) or "project " in str(error), str(error)
        else:
            if after != before:
                silent.append((at, bit))
    assert not silent and noticed
