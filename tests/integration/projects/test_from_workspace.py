"""Images that somebody looks at become a project, with what a model found on them as proposals."""

from dataclasses import replace

import pytest

from maskrcnn_core.dataset.annotations import AnnotatedImage, ImageRecord, Instance
from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.projects.exchange.from_workspace import HandedOver, hand_over, missing_images
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.core import disc

CATEGORIES = (Category(3, "cell"), Category(9, "debris"))


@pytest.fixture
def project(store):
    return store.create_project("Annotated", "ann").id


def handed(number, name="scene.png", score=0.75):
    data = encode_png(draw_scene(number).pixels)
    image = decode_image(data, name)
    height, width = image.size
    instances = tuple(
        Instance(number, category, disc(height, width, 60, 60 + 50 * k, 20), score)
        for k, category in enumerate((3, 9))
    )
    record = ImageRecord(number, name, width, height, image.digest)
    return HandedOver(AnnotatedImage(record, instances, lambda: image.pixels), data)


def test_what_is_shown_is_proposed_with_its_score_and_origin(store, project):
    one = handed(1)
    hand_over(store, project, "ann", [one], CATEGORIES, "mobile")
    rows = store.instances(project)
    assert [(r.status, r.source, r.score) for r in rows] == [("proposed", "mobile", 0.75)] * 2
    assert [r.mask for r in rows] == [i.mask for i in one.image.instances]
    (image,) = store.images(project)
    assert store.blobs.get(image.digest) == one.data
    assert [c.name for c in store.categories(project)] == ["cell", "debris"]


def test_two_images_of_one_name_are_two(store, project):
    hand_over(store, project, "ann", [handed(1), handed(2)], CATEGORIES, "mobile")
    assert [i.file_name for i in store.images(project)] == ["scene.png", "scene (2).png"]
    assert len({i.digest for i in store.images(project)}) == 2


def test_what_people_made_of_an_image_stays_and_new_images_come(store, project):
    first, second = handed(1), handed(2, "other.png")
    hand_over(store, project, "ann", [first], CATEGORIES, "mobile")
    before = store.instances(project)
    more = replace(first, image=replace(first.image, instances=first.image.instances[:1]))
    digests = [one.image.record.digest for one in (first, second)]
    assert missing_images(store, project, digests) == digests[1:]
    hand_over(store, project, "ann", [more, second], CATEGORIES, "mobile")
    assert store.instances(project)[:2] == before
    assert len(store.instances(project)) == 4
    assert missing_images(store, project, digests) == []
