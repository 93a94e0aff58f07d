"""Messages as any tab of a browser can send them."""

import json

import pytest

from maskrcnn_core.common.typed_json import shorten
from pages.components.review_messages import VERSION
from pages.components.review_protocol import Unreadable, read_operations
from pages.components.stage_view_messages import Slider, StageMessage, read_answer
from tests.builders.core import disc
from tests.builders.hostile import zigzag
from tests.integration.bounds.memory import run_within

COUNTS = disc(120, 160, 60, 60, 10).counts

EDIT = """
import json, sys
from tests.integration.bounds.memory import peak_megabytes
from pathlib import Path
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.projects.mask_edits import MadeMask, edit_masks
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.projects.new_rows import new_image
from pages.components.review_protocol import read_operations
store = Store(StorePlace.in_folder(Path(sys.argv[1])))
project = store.create_project("P", "ann", categories=[Category(1, "c")]).id
store.decide(project, "ann", "add images", [new_image(1, "a.png", (120, 160), store.blobs.put(b"pixels"))])
(image,), (category,) = store.images(project), store.categories(project)
for operation in read_operations(json.loads(Path(sys.argv[2]).read_bytes())).operations:
    made = [MadeMask(category.id, one.counts, one.polygons) for one in operation.added]
    edit_masks(store, image.id, "ann", operation.what, [], made)
print(len(store.instances(project)), {row.polygons is None for row in store.instances(project)})
print(peak_megabytes())
"""


def edit(seq, *polygons, counts=COUNTS, each=1):
    added = [{"category_id": 1, "counts": counts, "polygons": list(polygons)}] * each
    return {
        "kind": "edit",
        "seq": seq,
        "image_id": 1,
        "what": "outline",
        "changes": [],
        "added": added,
        "who": "Ann",
    }


def report(*operations):
    return {"version": VERSION, "client": "abcdefgh12", "ops": list(operations)}


def test_an_outline_with_endless_edges_ends_nothing(tmp_path):
    (tmp_path / "report.json").write_text(
        json.dumps(report(edit(1, zigzag(40_000)), edit(2, zigzag(40_000))))
    )
    done = run_within(6000, "-c", EDIT, str(tmp_path / "data"), str(tmp_path / "report.json"))
    assert done.returncode == 0, (done.returncode, done.stderr)
    said, peak = done.stdout.splitlines()
    assert said == "2 {True}" and int(peak) < 700  # masks count; outlines that are not theirs go


@pytest.mark.parametrize(
    ("operation", "said"),
    [
        (edit(2, zigzag(200), each=30), "polygon edges are longer than 16777216 pixels in one report"),
        (edit(2, [0.5] * 90_000, each=25), "expected at most 16777216 characters of run lengths and 2000000"),
        (edit(2, counts="0" * 6_000_000, each=3), "expected at most 16777216 characters of run lengths"),
    ],
    ids=["edges", "corners", "run lengths"],
)
def test_what_one_report_can_cost_is_bounded_and_the_rest_is_carried_out(operation, said):
    given = report(edit(1, [1, 1, 5, 1, 5, 5]), operation, edit(3, [1, 1, 5, 1, 5, 5]))
    with pytest.raises(ValueError, match=said):
        read_operations(given)
    first, refused, last = read_operations(given, keeps_unreadable=True).operations
    assert isinstance(refused, Unreadable) and said in refused.reason
    assert (first.seq, last.seq) == (1, 3) and first.added and last.added


def test_edits_make_no_more_instances_than_other_operations_name():
    with pytest.raises(ValueError, match="more than 100000 in one report"):
        read_operations(report(*(edit(n, each=1000) for n in range(1, 102))))


def test_an_outline_has_x_and_y_of_each_corner():
    with pytest.raises(ValueError, match="expected x and y of each corner, got 7 numbers"):
        read_operations(report(edit(1, [1, 1, 5, 1, 5, 5, 2])))


def test_a_value_of_any_form_can_be_told():
    deep = json.loads("[" * 900 + "]" * 900)
    for value in (deep, {"x": deep}, "x" * 10**7, [0] * 10**6, 10**4000):
        assert len(shorten(value)) <= 60
    with pytest.raises(ValueError, match="version"):
        read_operations({"version": deep})


@pytest.mark.parametrize("field", ["value", "point", "drawn", "boxes"])
def test_a_number_longer_than_any_float_is_none(field):
    message = StageMessage("s", "", (10, 10), "", slider=Slider("", 0, 1, 0.1, 0), boxes=((0, 0, 1, 1),))
    huge = 10**400
    bad = {"value": huge, "point": [huge, 1], "drawn": [0, 0, huge, 1], "boxes": [[0, 0, huge, 1]]}
    answer = {"version": 1, "scene": "s", "value": 0.5, "boxes": [], "point": None, "drawn": None}
    with pytest.raises(ValueError, match="expected"):
        read_answer(answer | {field: bad[field]}, message)
