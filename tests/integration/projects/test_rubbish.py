"""Nothing that comes in with a file makes an export fail: rubbish in every side field, out, and read."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskrcnn_core.common.pycoco import COCO, coco_mask
from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.coco_out import export_coco
from maskrcnn_core.projects.exchange.exporting import Selection, checked_coco
from tests.builders.projects import change
from tests.integration.projects.test_own_export import bring, make_file, project
from tests.shared_data import shared_path

__all__ = ["project"]

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(st.characters(exclude_categories=()))
    | st.sampled_from(["NaN", "\ud800", "\0", 10**400, 2**64, "400"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS = {
    "annotations": ("area", "bbox", "iscrowd", "score", "id", "maskdesk", "attributes", "source"),
    "images": ("sha256", "license", "date_captured", "maskdesk"),
    "categories": ("supercategory", "maskdesk", "keypoints"),
}
SIDE = st.fixed_dictionaries(
    {},
    optional={(rows, field): JSON for rows, fields in FIELDS.items() for field in fields}
    | {
        ("annotations", "maskdesk"): st.dictionaries(
            st.sampled_from(["status", "source", "mark", "id"]), JSON
        )
    }
    | {("categories", "maskdesk"): st.dictionaries(st.sampled_from(["colour", "id"]), JSON)}
    | {("info", "info"): JSON, ("info", "licenses"): JSON, ("info", "maskdesk"): JSON, ("info", "x"): JSON},
)
COUNT = iter(range(10**6))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SIDE)
def test_rubbish_in_any_side_field_never_costs_a_mask_nor_an_export(store, side):
    file = make_file()
    for (rows, field), value in side.items():
        (file if rows == "info" else file[rows][0])[field] = value
    made = store.create_project(f"Rubbish {next(COUNT)}", "ann").id
    report = bring(store, made, file)
    assert (report.images, report.instances, report.refused) == (1, 2, ())
    first = export_coco(store, made, statuses=("proposed", "accepted", "rejected"))
    read, refusals = read_coco(first)
    given, _ = read_coco(json.dumps(make_file()).encode())
    assert refusals == [] and [i.mask for i in read.instances] == [i.mask for i in given.instances]
    document = json.loads(first, parse_constant=lambda name: 1 / 0)
    coco = COCO()
    coco.dataset = document
    coco.createIndex()
    for annotation in document["annotations"]:
        assert annotation["area"] is not None and len(annotation["bbox"]) == 4
        assert coco_mask.area(coco.annToRLE(annotation)) > 0
    chosen = Selection(tuple(store.images(made)), frozenset(row.id for row in store.instances(made)))
    assert "lowest mask IoU 1.000000" in checked_coco(store, made, chosen)[1]
    again = store.create_project(f"Rubbish {next(COUNT)}", "bob").id
    import_coco(store, again, "bob", first, {}.get)
    second = json.loads(export_coco(store, again, statuses=("proposed", "accepted", "rejected")))
    del document["images"][0]["sha256"]
    second["images"][0].pop("sha256", None)
    assert second == document


def test_what_an_older_project_holds_does_not_make_an_export_fail(store, project):
    if store.place.database.get_backend_name() != "sqlite":
        pytest.skip("PostgreSQL never took NaN in JSON")
    bring(store, project, make_file())
    first, second = store.instances(project)
    rubbish = {"area": None, "bbox": [], "attributes": {"x": float("nan"), "y": ["\ud800", 2**70]}}
    store.decide(
        project, "ann", "old", [change(first, extra=rubbish), change(second, extra={"x": float("inf")})]
    )
    image, category = store.images(project)[0], store.categories(project)[0]
    store.decide(project, "ann", "old", [change(image, "image", extra={"a": float("-inf")})])
    store.decide(project, "ann", "old", [change(category, "category", colour="no colour", extra={"b": "\0"})])
    data = export_coco(store, project, statuses=("proposed", "accepted"))
    document = json.loads(data, parse_constant=lambda name: 1 / 0)
    rows = document["annotations"]
    assert rows[0]["area"] == 2500 and rows[0]["bbox"] == [10, 10, 50, 50]
    assert rows[0]["attributes"] == {"x": None, "y": ["\ud800", 2**70]} and rows[1]["x"] is None
    assert read_coco(data)[1] == []


@pytest.mark.parametrize(
    "name", ["area_null", "area_text", "bbox_empty", "iscrowd_null", "nan_in_attributes"]
)
def test_files_that_others_reported_keep_both_of_their_masks(store, project, name):
    data = shared_path("cases", "coco_in", f"{name}.json").read_bytes()
    report = import_coco(store, project, "ann", data, {}.get, name=f"{name}.json")
    assert (report.instances, report.refused) == (2, ()) and len(report.notes) == 1
    document = json.loads(export_coco(store, project), parse_constant=lambda name: 1 / 0)
    assert [row["area"] for row in document["annotations"]] == [400, 300]
