"""A fresh machine in a real Chromium: without a network, and with a hub on the loopback interface."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from maskrcnn_core.formats.coco_reader import read_coco
from maskrcnn_core.geometry.polygons import polygons_to_rle
from maskrcnn_core.geometry.rle import mask_iou
from maskrcnn_core.models.catalog import model_by_key
from tests.browser.desk import Desk
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[2]
MOBILE, BEST, BOXED = (model_by_key(key) for key in ("mobile", "coco-v2", "photos"))

PHOTO = ("data", "photos", "17790319373_bd19b24cfc_k.jpg")
# fmt: off
PEDESTRIAN = [  # drawn by hand around the man on the left, x and y in pixels
    230, 190, 243, 192, 248, 202, 247, 217, 243, 228, 257, 235, 267, 240, 270, 253, 272, 305, 263, 308,
    264, 333, 258, 344, 253, 342, 254, 360, 252, 400, 247, 427, 249, 439, 233, 442, 230, 434, 232, 441,
    210, 443, 208, 438, 215, 427, 207, 390, 203, 347, 203, 327, 202, 334, 193, 332, 191, 320, 193, 303,
    191, 293, 197, 263, 203, 240, 220, 232, 227, 228, 223, 217, 219, 203, 222, 193,
]
# fmt: on

pytestmark = pytest.mark.browser


class Hub:
    """Plays the servers that the weights come from.

    Attributes:
        body: of MaskRCNN2Go's file.
        cut_after: bytes of it after which the connection is closed; None for never.
        gate: while it is shut, files stop after their first part.
        asked: file name and range of each request.
    """

    def __init__(self):
        self.body = b""
        self.cut_after = None
        self.gate = threading.Event()
        self.asked = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                hub.answer(self)

            def log_message(self, *_):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_port}"
        threading.Thread(target=self.httpd.serve_forever, args=(0.05,), daemon=True).start()

    def answer(self, request):
        name, wanted = request.path.lstrip("/"), request.headers.get("Range")
        self.asked.append((name, wanted))
        size = len(self.body) if name == MOBILE.file_name else BEST.size_bytes
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted else 0
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        request.send_header("Content-Length", str(size - start))
        request.end_headers()
        try:
            if name != MOBILE.file_name:  # comes until it is half here, and never further
                request.wfile.write(bytes(max(size // 2 - start, 0)))
                self.gate.wait(120)
                return
            first = min(start + 1_000_000, size if self.cut_after is None else self.cut_after)
            request.wfile.write(self.body[start:first])
            if self.cut_after is None and self.gate.wait(120):
                request.wfile.write(self.body[first:])
        except OSError:  # who cancels goes away
            pass


@pytest.fixture
def hub():
    hub = Hub()
    hub.body = shared_path("weights", MOBILE.file).read_bytes()
    yield hub
    hub.gate.set()
    hub.httpd.shutdown()
    hub.httpd.server_close()


@pytest.fixture
def fresh_machine(serve_app, tmp_path):
    """Starts the app with nothing fetched, and a hub at an address."""

    def start(mirror):
        names = ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME", "MASKDESK_DATA")
        nowhere = {name: str(tmp_path / "machine") for name in names}
        allowed = {"MASKDESK_FETCH": "yes", "MASKDESK_DATABASE": "", "no_proxy": "127.0.0.1"}
        return serve_app(ROOT / "app.py", nowhere | allowed | {"MASKDESK_MIRROR": mirror}, cwd=ROOT)

    return start


def sidebar(page):
    return page.get_by_test_id("stSidebar")


def model_is(page, title):
    sidebar(page).get_by_role("combobox", name="Model").and_(page.locator(f"[value='{title}']")).wait_for()


def pedestrian_iou(document):
    dataset, refusals = read_coco(document)
    assert refusals == []
    (image,) = dataset.images
    truth = polygons_to_rle([PEDESTRIAN], (image.height, image.width))
    people = {category.id for category in dataset.categories if category.name == "person"}
    return max(mask_iou(i.mask, truth) for i in dataset.instances if i.category_id in people)


def test_without_a_network_a_person_on_a_photo_is_found_and_one_line_says_what_is_used(page, fresh_machine):
    photo = shared_path(*PHOTO)
    desk = Desk(page, fresh_machine("http://127.0.0.1:9"))
    desk.drop(photo)
    line = sidebar(page).get_by_text("using the small built-in model")
    line.wait_for()
    model_is(page, BOXED.title)
    name, data = desk.download("COCO JSON")
    assert name == f"{photo.stem}_coco.json"
    assert pedestrian_iou(data) >= 0.6
    sidebar(page).get_by_role("button", name="Try again").click()
    sidebar(page).get_by_text("Tried again at ").wait_for()
    line.wait_for()
    desk.settle()
    assert desk.shown == len(json.loads(data)["annotations"]), "the answer stays"
    assert page.get_by_test_id("stAlert").count() == 0


def test_what_is_fetched_is_seen_takes_over_and_can_be_switched_back(page, fresh_machine, hub):
    photo = shared_path(*PHOTO)
    desk = Desk(page, fresh_machine(hub.url))
    side = sidebar(page)
    side.get_by_text(f"Fetching {MOBILE.title}: 1.0 of 3.8 MB, Apache-2.0").wait_for()
    side.get_by_text(f"Next: {BEST.title}, 186 MB, {BEST.licence}").wait_for()
    desk.drop(photo)
    side.get_by_text("A rough result").wait_for()
    model_is(page, BOXED.title)
    _, rough = desk.download("COCO JSON")
    hub.gate.set()

    side.get_by_text(f"{MOBILE.title} has taken over from {BOXED.title}").wait_for()
    model_is(page, MOBILE.title)
    desk.settle()
    _, better = desk.download("COCO JSON")
    assert pedestrian_iou(better) > max(pedestrian_iou(rough), 0.8)

    side.get_by_role("button", name="Switch back").click()
    model_is(page, BOXED.title)
    page.locator(f"[data-ready=true][data-shown-count='{len(json.loads(rough)['annotations'])}']").wait_for()


def test_who_stops_it_may_go_on_where_it_was(page, fresh_machine, hub):
    side = sidebar(page)
    Desk(page, fresh_machine(hub.url))
    side.get_by_text("1.0 of 3.8 MB").wait_for()
    side.get_by_role("button", name="Cancel").click()
    side.get_by_text(f"Stopped fetching {MOBILE.title} at 1.0 of 3.8 MB").wait_for()
    hub.gate.set()
    side.get_by_role("button", name="Resume").click()
    side.get_by_text(f"{MOBILE.title} has taken over from {BOXED.title}").wait_for()
    first, second = (wanted for name, wanted in hub.asked if name == MOBILE.file_name)
    assert first is None and int(second.removeprefix("bytes=").removesuffix("-")) >= 1_000_000


def test_damaged_and_cut_files_are_told_apart_and_the_rest_comes_later(page, fresh_machine, hub):
    side, whole = sidebar(page), hub.body
    hub.body = whole[:-1] + bytes([whole[-1] ^ 1])
    hub.gate.set()  # the large one breaks off half way, and brings nothing more
    Desk(page, fresh_machine(hub.url))
    side.get_by_text(f"{MOBILE.title} was not fetched: the file was wrong or damaged").wait_for()
    side.get_by_text(f"{BEST.title} was not fetched: the connection was interrupted").wait_for()
    model_is(page, BOXED.title)

    hub.body, hub.cut_after = whole, 1_500_000
    side.get_by_role("button", name="Try again").click()
    side.get_by_text(f"{MOBILE.title} was not fetched: the connection was interrupted").wait_for()
    hub.cut_after = None
    side.get_by_role("button", name="Try again").click()
    side.get_by_text(f"{MOBILE.title} has taken over from {BOXED.title}").wait_for()
    model_is(page, MOBILE.title)
    assert (MOBILE.file_name, "bytes=1500000-") in hub.asked, "it went on where it broke off"
