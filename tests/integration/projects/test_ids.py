"""Ids for files where several people write at once: each is given once, and nobody is refused for them."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.inference.predictor import Predictor
from maskrcnn_core.models.loading import get_model
from maskrcnn_core.projects.category_edits import add_categories
from maskrcnn_core.projects.exchange.box_filling import fill_boxes
from maskrcnn_core.projects.exchange.coco_in import import_coco
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.mask_edits import MadeMask, edit_masks
from maskrcnn_core.projects.proposals.category_matching import category_mapping
from maskrcnn_core.projects.proposals.network_edits import BoxDrawer
from maskrcnn_core.projects.proposals.proposing import propose
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import SCENE_CATEGORIES, draw_scene
from tests.builders.core import disc
from tests.builders.projects import make_project

pytestmark = pytest.mark.both_databases

SCENE = draw_scene(200_000)
PICTURE = encode_png(SCENE.pixels)
FRESH = draw_scene(200_001)
OTHERS = [encode_png(scene.pixels) for scene in (FRESH, draw_scene(200_002))]


@pytest.fixture(scope="module")
def predictor():
    return Predictor(get_model("shapes"), "cpu")


@pytest.fixture
def project(store):
    project = store.create_project("Shapes", "ann", categories=SCENE_CATEGORIES).id
    import_images(store, project, "ann", [("scene.png", PICTURE)])
    return project


def draw(store, project, who):
    (image,) = store.images(project)[:1]
    category = store.categories(project)[0].id
    mask = disc(image.height, image.width, 20, 20, 6)
    return edit_masks(store, image.id, who, "draw outline", [], [MadeMask(category, mask.counts)])


@pytest.fixture
def beaten(place, store, project, monkeypatch):
    """A store in which somebody else's rows always come just before the decision is written."""
    rival, decide, came = Store(place), store.decide, []

    def too_late(project_id, *args, **named):
        if not came:
            came.append(True)
            draw(rival, project, "bob")
            add_categories(rival, project, "bob", ["bob's"])
            import_images(rival, project, "bob", [("bob.png", OTHERS[1])])
        return decide(project_id, *args, **named)

    monkeypatch.setattr(store, "decide", too_late)
    yield store
    rival.close()
    assert came


def ids(rows):
    return [row.coco_id for row in rows]


def test_a_model_goes_on_where_a_box_was_drawn_at_the_wrong_moment(beaten, project, predictor):
    mapping = category_mapping(beaten, project, predictor)
    report = propose(beaten, project, predictor, Thresholds(0.5, 0.5, 500), mapping)
    assert report.failed == () and report.proposed > 2
    assert sorted(ids(beaten.instances(project))) == list(range(1, report.proposed + 2))


def test_a_box_is_drawn_where_another_one_was_at_that_moment(beaten, project, predictor):
    x, y, width, height = SCENE.masks[0].box_xywh
    box = (float(x), float(y), float(x + width), float(y + height))
    assert BoxDrawer(beaten, predictor).draw(beaten.images(project)[0].id, box, "ann") is not None
    assert ids(beaten.instances(project)) == [1, 2]


def test_an_edit_is_made_where_another_one_was_at_that_moment(beaten, project):
    draw(beaten, project, "ann")
    assert ids(beaten.instances(project)) == [1, 2]


def test_categories_are_made_where_others_were_at_that_moment(beaten, project):
    before = ids(beaten.categories(project))
    add_categories(beaten, project, "ann", ["x", "y"])
    last = max(before)
    rows = {row.name: row.coco_id for row in beaten.categories(project)}
    assert [rows[name] for name in ("bob's", "x", "y")] == [last + 1, last + 2, last + 3]


def test_images_come_in_where_others_did_at_that_moment(beaten, project):
    import_images(beaten, project, "ann", [("ann.png", OTHERS[0])])
    rows = {row.file_name: row.coco_id for row in beaten.images(project)}
    assert rows == {"scene.png": 1, "bob.png": 2, "ann.png": 3}


def make_file():
    height, width = FRESH.pixels.shape[:2]
    ring = [[5.0, 5.0, 60.0, 5.0, 60.0, 60.0, 5.0, 60.0]]
    box = list(FRESH.masks[0].box_xywh)
    first = SCENE_CATEGORIES[0]
    return {
        "images": [{"id": 2, "file_name": "ann.png", "width": width, "height": height}],
        "categories": [
            {"id": first.id, "name": first.name},
            {"id": max(c.id for c in SCENE_CATEGORIES) + 1, "name": "x"},
        ],
        "annotations": [
            {"id": 1, "image_id": 2, "category_id": first.id, "segmentation": ring},
            {"id": 7, "image_id": 2, "category_id": first.id, "segmentation": [[c / 2 for c in ring[0]]]},
            {"id": 9, "image_id": 2, "category_id": max(c.id for c in SCENE_CATEGORIES) + 1, "bbox": box},
        ],
    }


def test_a_data_set_comes_in_where_its_ids_were_given_at_that_moment_and_it_is_said(
    beaten, project, predictor
):
    report = import_coco(beaten, project, "ann", json.dumps(make_file()).encode(), {"ann.png": OTHERS[0]}.get)
    images = {row.file_name: row.coco_id for row in beaten.images(project)}
    assert images == {"scene.png": 1, "bob.png": 2, "ann.png": 3}
    last = max(c.id for c in SCENE_CATEGORIES)
    categories = {row.name: row.coco_id for row in beaten.categories(project)}
    assert (categories["bob's"], categories["x"]) == (last + 1, last + 2)
    assert ids(beaten.instances(project)) == [1, 10, 7], "9 is the file's own and waits for its box"
    told = "\n".join(report.notes)
    was_given = "1 of the file's ids was already used here; it got the next free one"
    for words in (
        f"images: {was_given} (2, now 3)",
        f"categories: {was_given} ({last + 1}, now {last + 2})",
        f"annotations: {was_given} (1, now 10)",
    ):
        assert words in told
    filled = fill_boxes(beaten, project, "ann", report.boxes, predictor)
    assert filled.proposals == 1 and filled.notes == ()
    box = beaten.instances(project)[-1]
    names = {row.id: row.name for row in beaten.categories(project)}
    files = {row.id: row.file_name for row in beaten.images(project)}
    assert (box.coco_id, names[box.category_id], files[box.image_id]) == (9, "x", "ann.png")
    renumbered = [line for line in beaten.journal(project)[1].changes if "wanted" in line]
    assert [(line["table"], line["wanted"], line["coco_id"]) for line in renumbered] == [
        ("category", last + 1, last + 2),
        ("image", 2, 3),
        ("instance", 1, 10),
    ]


def test_numbers_of_names_give_way_to_ids_that_were_given_at_that_moment(beaten, project):
    report = import_images(
        beaten, project, "ann", [("2.png", OTHERS[0]), ("7.png", encode_png(SCENE.pixels[::-1]))]
    )
    rows = {row.file_name: row.coco_id for row in beaten.images(project)}
    assert rows == {"scene.png": 1, "bob.png": 2, "2.png": 8, "7.png": 7}
    assert report.notes == (
        "all file names are numbers and became the ids of 1 image",
        "1 image did not get the numbers in their names as ids, because the project already used those",
    )


def test_many_who_draw_at_once_each_have_theirs(place):
    store = Store(place)
    project = make_project(store, images=1, instances=0)
    people, each = 4, 6
    barrier = threading.Barrier(people)

    def work(number):
        own = Store(place)
        barrier.wait()
        for _ in range(each):
            draw(own, project, f"person {number}")
        own.close()

    with ThreadPoolExecutor(people) as pool:
        for done in [pool.submit(work, number) for number in range(people)]:
            done.result()
    assert sorted(ids(store.instances(project))) == list(range(1, people * each + 1))
    store.close()


def test_an_id_is_not_given_again_after_an_undo(store):
    project = store.create_project("New", "ann", categories=[Category(1, "a")]).id
    import_images(store, project, "ann", [("scene.png", PICTURE)])
    draw(store, project, "ann")
    store.undo(project, "ann")
    draw(store, project, "ann")
    assert ids(store.instances(project)) == [2]
    store.undo(project, "ann")
    store.redo(project, "ann")
    assert ids(store.instances(project)) == [2]
