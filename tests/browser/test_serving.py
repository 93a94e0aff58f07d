"""The app under a path of its own, behind a proxy with another one, and within a page of another site."""

import http.server
import json
import threading
import urllib.parse
from pathlib import Path

import pytest
from playwright.sync_api import expect

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.chromium import remember_name
from tests.browser.desk import Desk
from tests.browser.explain_page import ExplainPage
from tests.browser.prefixing import proxy_with_prefix
from tests.browser.review_page import ReviewPage, link_of, make_project

ROOT = Path(__file__).parents[2]
SEED = 200_007

pytestmark = pytest.mark.browser


@pytest.fixture
def page(page):
    remember_name(page)
    return page


@pytest.fixture(scope="module")
def served(serve_app, folder, only_the_box):
    """The app under the path ``/x``, with nothing but the models in the box."""
    env = only_the_box | {"MASKDESK_DATA": str(folder), "MASKDESK_DATABASE": ""}
    return serve_app(ROOT / "app.py", env, cwd=ROOT, base="/x")


@pytest.fixture(scope="module")
def proxied(served):
    with proxy_with_prefix("/desks/one", urllib.parse.urlsplit(served).port) as address:
        yield f"{address}/x"


@pytest.fixture(scope="module", params=["served", "proxied"])
def address(request):
    """Under a path of the server's own, and behind a proxy that puts a prefix before it."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "scene.png"
    file.write_bytes(encode_png(draw_scene(SEED).pixels))
    return file


@pytest.fixture
def wrong(page, address):
    """Requests that were not answered well, or that left the app's own path."""
    found = []
    page.on("response", lambda answer: answer.status < 400 or found.append((answer.status, answer.url)))
    page.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or found.append((0, r.url)))
    return found


def of_media(wrong):
    """Streamlit looks for its server in two places, and one of the two is always wrong."""
    return [row for row in wrong if "/_stcore/" not in row[1]]


def test_a_picture_and_its_file_come_through(page, address, picture, wrong):
    desk = Desk(page, f"{address}/")  # without the slash the server redirects, and a proxy has to mend that
    desk.drop(picture)
    assert desk.shown
    desk.wait_until(lambda: page.locator("[data-picture=failed]").count() == 0, "no picture has failed")
    name, data = desk.download("COCO JSON")
    assert name == "scene_coco.json" and json.loads(data)["annotations"]
    page.get_by_role("button", name="Correct masks, add missed objects").click()
    page.wait_for_url(f"{address}/review?project=*", timeout=60_000)
    ReviewPage(page, page.url)
    assert of_media(wrong) == []


def test_links_open_a_projects_picture_and_its_list(page, address, store, wrong):
    name = f"Linked {len(store.projects())}"
    project = make_project(store, name, [("scene.png", encode_png(draw_scene(SEED).pixels))])
    ReviewPage(page, link_of(address, project))
    page.goto(f"{address}/project?project={project.id}")
    page.get_by_role("heading", name=name).wait_for(timeout=60_000)
    page.get_by_text("scene.png").first.wait_for(timeout=60_000, state="attached")
    page.goto(f"{address}/")
    page.get_by_test_id("stImage").locator("img").first.wait_for(timeout=60_000)
    page.wait_for_function(
        """() => [...document.querySelectorAll('[data-testid="stImage"] img')]
            .every((one) => one.complete && one.naturalWidth > 0)"""
    )
    assert of_media(wrong) == []


def test_the_walk_shows_its_pictures(page, address, wrong):
    explained = ExplainPage(page, address)
    page.get_by_role("button", name="Draw a scene with known objects").click()
    explained.title("input").wait_for(timeout=120_000)
    page.locator('[data-part="stage-view"][data-ready="true"]').first.wait_for(timeout=60_000)
    assert of_media(wrong) == [] and explained.errors == []


class _Around(http.server.BaseHTTPRequestHandler):
    """A page of another site with the app in a frame."""

    def do_GET(self):
        body = f'<!doctype html><iframe id="app" width="1300" height="860" src="{self.server.app}"></iframe>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


def around(app):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Around)
    server.app = app
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.mark.parametrize(("host", "is_refused"), [("localhost", True), ("127.0.0.1", False)])
def test_a_frame_says_why_files_are_refused_and_one_of_the_same_site_takes_them(
    page, served, picture, host, is_refused
):
    with around(served) as server:
        page.goto(f"http://{host}:{server.server_address[1]}/")
        app = page.frame_locator("#app")
        app.get_by_text("Drop in an image").wait_for(timeout=60_000)
        reason = app.get_by_text("Files cannot be uploaded here.")
        if is_refused:
            reason.wait_for()
            expect(app.get_by_text("server.enableXsrfProtection")).to_be_visible()
            link = app.get_by_role("link", name="Open MaskDesk in its own tab")
            assert link.get_attribute("href").startswith(served)
            with page.expect_response("**/_stcore/upload_file/**") as answer:
                app.locator("input[type=file]").first.set_input_files(picture)
            assert answer.value.status == 403, "what is said beforehand is what happens"
        else:
            app.locator("input[type=file]").first.set_input_files(picture)
            app.locator(".viewer[data-ready=true]").wait_for(timeout=90_000)
            assert reason.count() == 0 or not reason.is_visible()
        server.shutdown()


@pytest.mark.parametrize("script", ["before the file", "after the file"])
def test_an_upload_that_is_refused_in_a_tab_of_its_own_says_why(page, served, picture, script):
    held = []
    page.route("**/_stcore/upload_file/**", lambda route: route.fulfill(status=403, body="no"))
    if script == "after the file":  # a person may be quicker than the network
        page.route("**/uploads/uploads.js", lambda route: held.append(route))
    Desk(page, served)
    with page.expect_response("**/_stcore/upload_file/**"):
        page.locator("input[type=file]").first.set_input_files(picture)
    for route in held:
        route.continue_()
    reason = page.get_by_text("The server refused the file (403).").locator("visible=true")
    reason.wait_for()
    assert reason.count() == 1
