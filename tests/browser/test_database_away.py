"""The Review page while the PostgreSQL server is restarted: it stays, keys go on, and all is saved after."""

import pytest
from sqlalchemy import make_url

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.projects.db.location import StorePlace
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.conftest import ROOT
from tests.browser.review_page import ReviewPage, link_of, make_project
from tests.integration.postgres import start_postgres

pytestmark = pytest.mark.browser


@pytest.fixture
def server():
    server = start_postgres()
    yield server
    server.stop()


def test_a_restart_of_the_database_ends_no_review(page, serve_app, server, tmp_path):
    store = Store(StorePlace(make_url(server.url()), str(tmp_path / "files")))
    project = make_project(store, "Cells", [("scene.png", encode_png(draw_scene(210_000).pixels))])
    environment = {"MASKDESK_DATA": str(tmp_path), "MASKDESK_DATABASE": server.url()}
    remember_name(page)
    review = ReviewPage(page, link_of(serve_app(ROOT / "app.py", environment, cwd=ROOT), project))
    review.press("a")
    review.saved()
    server.end()
    review.press("a", "d")
    review.wait(saved="false", status_counts="1,2,1")
    page.get_by_text("not saved, retrying: the project database is not responding").wait_for()
    review.press("d")  # keys go on
    review.wait(saved="false", status_counts="0,2,2")
    server.begin()
    review.wait(saved="true", status_counts="0,2,2")
    assert "postgresql" not in page.locator("body").inner_text()
    kinds = [(entry.who, entry.kind) for entry in store.journal(project.id)[:4]]
    assert kinds == [("ann", kind) for kind in ("reject", "reject", "accept", "accept")]
    store.close()
