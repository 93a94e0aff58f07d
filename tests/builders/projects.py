"""Small builders with defaults, for tests of the store."""

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.projects.journal import Change
from maskrcnn_core.projects.new_rows import new_image, new_instance
from tests.builders.core import disc

CATEGORIES = (Category(3, "cell", "tissue"), Category(7, "nucleus"))
SIZE = (60, 80)


def make_project(store, *, images=2, instances=3, name="Cells", who="ann"):
    """A project with images of so many proposed instances each; returns its id."""
    project = store.create_project(name, who, categories=CATEGORIES)
    store.decide(
        project.id,
        who,
        "add images",
        [
            new_image(n, f"image {n}.png", SIZE, store.blobs.put(b"pixels %d" % n))
            for n in range(1, images + 1)
        ],
    )
    categories = store.categories(project.id)
    news = [
        new_instance(
            image.id,
            categories[k % 2].id,
            1000 * image.coco_id + k,
            disc(*SIZE, 20 + k % 20, 30 + k % 20, 8 + k % 20),
            source="nuclei",
            score=0.9 / (k + 1),
        )
        for image in store.images(project.id)
        for k in range(instances)
    ]
    store.decide(project.id, who, "add instances", news)
    return project.id


def change(row, table="instance", **values):
    """A change of a row as its author sees it."""
    return Change(table, row.id, row.version, values)


def statuses(store, project_id):
    return [row.status for row in store.instances(project_id)]
