"""How far ahead the Review page prepares images: further where they are light, and always the next few."""

from concurrent.futures import Future

import pytest

from maskrcnn_core.images.browser_pictures import BrowserPicture
from maskrcnn_core.projects.review.review_queue import QueueItem
from pages.components import media
from pages.review import frames
from pages.review.state import ReviewUi
from pages.shared.open_project import OpenProject
from pages.shared.session import ProjectUi
from tests.builders.projects import change, make_project


class ReadyPictures:
    """Pictures that are there at once."""

    large = frozenset()

    def ask(self, digest, stretch):
        made = Future()
        made.set_result(BrowserPicture(digest.encode(), b"small" if digest in self.large else b""))
        return made


@pytest.fixture(autouse=True)
def no_browser(monkeypatch):
    monkeypatch.setattr(frames, "pictures", ReadyPictures)
    monkeypatch.setattr(media, "media_url", lambda data, mime, key, content: f"/media/{content}")


def shown_at(store, project_id, at):
    """The message at one place of a queue of all images."""
    ui = ProjectUi(who="ann")
    ui.open(project_id)
    queue = tuple(QueueItem(image.id) for image in store.images(project_id))
    review = ReviewUi(queue=queue, token="queue", at=at)
    project = OpenProject(store, store.project(project_id), "ann", store.revision(project_id))
    return frames.make_shown(project, ui, review, "")


def places(store, project_id, at):
    return sorted(frame.at for frame in shown_at(store, project_id, at).message.frames)


def test_eight_images_ahead_are_prepared_and_one_behind(store):
    project_id = make_project(store, images=14)
    assert places(store, project_id, 4) == list(range(3, 13))
    assert places(store, project_id, 0) == list(range(9))
    assert places(store, project_id, 13) == [12, 13]


def test_of_images_with_many_instances_only_the_next_ones_are(store):
    project_id = make_project(store, images=12, instances=130)
    assert places(store, project_id, 2) == [1, 2, 3, 4, 5]


def test_of_large_images_only_the_next_ones_are(store):
    project_id = make_project(store, images=12, instances=0)
    images = store.images(project_id)
    store.decide(project_id, "ann", "edit", [change(row, "image", width=7000, height=5000) for row in images])
    assert places(store, project_id, 2) == [1, 2, 3, 4, 5]


def test_pictures_keep_their_urls_while_the_database_is_away(store, monkeypatch):
    project_id = make_project(store, images=3)
    shown = shown_at(store, project_id, 1)
    renewed = []
    monkeypatch.setattr(
        media, "media_url", lambda data, mime, key, content: renewed.append(f"/media/{content}")
    )
    assert frames.message_while_away(shown).is_away
    assert sorted(renewed) == sorted(frame.message.image.url for frame in shown.message.frames)


def test_a_very_large_picture_has_the_url_of_its_small_copy_too(store, monkeypatch):
    project_id = make_project(store, images=3)
    large = store.images(project_id)[1].digest
    monkeypatch.setattr(ReadyPictures, "large", frozenset({large}))
    images = [frame.message.image for frame in shown_at(store, project_id, 0).message.frames]
    assert {image.key: image.small_url for image in images if image.small_url} == {
        large: f"/media/review-{large}-small"
    }
