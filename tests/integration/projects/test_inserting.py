import json

import orjson
import pytest
from sqlalchemy import select

from maskrcnn_core.projects.db.inserting import JsonText, insert_rows
from maskrcnn_core.projects.db.tables import CHANGEABLE
from maskrcnn_core.projects.new_rows import new_category, new_image, new_instance
from tests.builders.core import disc
from tests.builders.projects import SIZE, make_project

pytestmark = pytest.mark.both_databases


def odd_rows(image_id, category_id):
    """Rows of several forms, with all that JSON and numbers can make difficult."""
    mask = disc(*SIZE, 30, 30, 9)
    odd = {"z": [1, 2.0, None], "a": {"é": "\U0001f600", "b": True}, "é": "\\\"'%(x)s ? :x"}
    yield new_category(50, "quoted \"name\" 'x' %s", "über", color="#aabbcc", extra=odd)
    yield new_image(51, "ä/ö 100%.png", SIZE, "", status="opened", extra=odd)
    yield new_image(52, "plain.png", SIZE, "d" * 64)
    yield new_instance(image_id, category_id, 53, mask, source="person")
    yield new_instance(
        image_id,
        category_id,
        54,
        mask,
        source="file",
        status="accepted",
        score=1,
        polygons=[[1, 2.5, 1e-7, 3, 4, 5.25]],
        is_crowd=True,
        given_box=(0.1, 2, 3.3333333333333335, 1e20),
        given_area=7,
        candidate=3,
        extra=odd,
    )


def test_rows_are_read_as_they_were_made_whatever_is_in_them(store):
    project_id = make_project(store, images=1, instances=1)
    image, category = store.images(project_id)[0], store.categories(project_id)[0]
    news = list(odd_rows(image.id, category.id))
    with store.writing() as connection:
        lines = insert_rows(connection, project_id, news)
    assert [line["table"] for line in lines] == [new.table for new in news]
    with store.reading() as connection:
        for line, new in zip(lines, news, strict=True):
            table = CHANGEABLE[line["table"]]
            row = connection.execute(select(table).where(table.c.id == line["id"])).one()._mapping
            for name, value in new.values.items():
                meant = json.loads(value) if isinstance(value, JsonText) else value
                assert row[name] == meant, name
            assert (row["project_id"], row["version"], row["gone"]) == (project_id, 1, False)


def test_json_that_is_written_already_is_stored_as_it_is_and_read_as_its_value(store):
    project_id = make_project(store, images=1, instances=0)
    image, category = store.images(project_id)[0], store.categories(project_id)[0]
    polygons = [[1, 2.5, 10, 3, 4.0, 50]]
    plain, written = (
        new_instance(image.id, category.id, 60 + n, disc(*SIZE, 30, 30, 9), source="file", polygons=given)
        for n, given in enumerate((polygons, JsonText(orjson.dumps(polygons).decode())))
    )
    lines = store.decide(project_id, "ann", "draw", [plain, written]).changes
    first, second = store.instances(project_id)
    assert first.polygons == second.polygons == polygons
    assert second.counts == first.counts
    assert {line["id"] for line in lines} == {first.id, second.id}


def test_ids_go_on_where_the_database_left_off(store):
    project_id = make_project(store, images=2, instances=2)
    before = [row.id for row in store.instances(project_id)]
    image, category = store.images(project_id)[0], store.categories(project_id)[0]
    for number in range(3):
        new = new_instance(image.id, category.id, 70 + number, disc(*SIZE, 30, 30, 5), source="person")
        store.decide(project_id, "ann", "draw", [new])
    after = [row.id for row in store.instances(project_id)]
    assert after[: len(before)] == before and len(set(after)) == len(before) + 3 and after == sorted(after)
