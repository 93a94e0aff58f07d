"""The Annotate page in a real Chromium: from a photo to checked files, as a person does it."""

import contextlib
import io
import json
import re
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect
from pycocotools import mask as coco_mask

from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.synthetic.samples import SAMPLES
from maskrcnn_core.synthetic.scenes import draw_scene
from pages.shared.page_table import PAGES
from pages.shared.steady import DESK
from tests.browser.desk import Desk
from tests.browser.frames import next_frame
from tests.shared_data import shared_path

ROOT = Path(__file__).parents[2]
PHOTO = ("data", "photos", "18124840932_e42b3e377c_k.jpg")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve_app):
    weights = shared_path("weights")
    return serve_app(ROOT / "app.py", {"MASKDESK_WEIGHTS": str(weights)}, cwd=ROOT)


@pytest.fixture(scope="module")
def slow_address(serve_app):
    return serve_app(
        Path(__file__).parent / "slow_app.py", {"STREAMLIT_RUNNER_POST_SCRIPT_GC": "true"}, cwd=ROOT
    )


@pytest.fixture
def desk(page, address):
    return Desk(page, address)


def test_from_a_photo_to_a_checked_coco_file(desk):
    desk.drop(shared_path(*PHOTO))
    before = desk.shown
    desk.set_score(0.9)
    assert 0 < desk.shown < before, "the slider filters in the browser, at once"
    count = desk.shown
    name, data = desk.download("COCO JSON")
    assert name == "18124840932_e42b3e377c_k_coco.json"
    document = json.loads(data)
    annotations = document["annotations"]
    assert len(annotations) == count, "the file holds what is shown"
    assert all(a["score"] > 0.9 and a["iscrowd"] == 0 and a["id"] >= 1 for a in annotations)
    size = (document["images"][0]["height"], document["images"][0]["width"])
    for annotation in annotations:
        segmentation = annotation["segmentation"]
        if isinstance(segmentation, list):
            segmentation = coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
        assert coco_mask.area(segmentation) == annotation["area"]
        assert coco_mask.toBbox(segmentation).tolist() == annotation["bbox"]
    expect(desk.page.get_by_text("lowest mask IoU")).to_be_visible()


def test_a_moved_score_is_seen_and_goes_back_to_the_models_own(desk):
    desk.drop(shared_path(*PHOTO))
    before, own = desk.shown, desk.page.get_by_role("button", name="Model’s own: 0.50")
    assert not own.is_visible()
    top = desk.root.get_by_role("application").bounding_box()["y"]
    desk.set_score(0.9)
    expect(own).to_be_visible()
    assert desk.shown < before
    assert desk.root.get_by_role("application").bounding_box()["y"] == top, "the picture stays where it is"
    own.click()
    desk.wait_until(lambda: desk.shown == before and not own.is_visible(), "the model's own score")
    desk.settle()
    assert desk.shown == before, "Python has it, too"


def test_the_browser_asks_before_images_are_lost_that_it_cannot_find_again(page, address):
    full = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); }"
    page.add_init_script(full)
    desk, asked = Desk(page, address), []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    desk.page.on("dialog", stay)
    desk.page.reload()
    desk.page.get_by_text("Drop in an image").wait_for(timeout=60_000)
    assert asked == [], "nothing is open"
    desk.drop(shared_path(*PHOTO))
    desk.settle()
    count = desk.shown
    desk.root.get_by_role("application").click()  # browsers ask only on pages that somebody has used
    desk.page.evaluate("setTimeout(() => location.reload(), 0)")
    desk.wait_until(lambda: asked == ["beforeunload"], "the browser's question")
    assert desk.shown == count, "who stays has all that was there"


# Labels that have not the room that they need.
CUT = """() => [...document.querySelectorAll(':is([data-testid=stMain], [data-testid=stSidebar]) button *')]
    .filter((label) => label.clientWidth > 0 && label.scrollWidth > label.clientWidth)
    .map((label) => label.textContent)"""
# Streamlit fetches what puts a style into the page only when the first one comes, and fonts when a letter
# needs them: a slow machine shows the page without either at first.
HAS_STYLE = """key => [...document.querySelectorAll('style')].some((one) => one.textContent.includes(key))"""


def cut_labels(desk):
    """Those of the page as it stays, with the app's style and all fonts."""
    desk.settle()
    desk.page.wait_for_function(HAS_STYLE, arg=f".st-key-{DESK}")
    next_frame(desk.page)
    desk.page.wait_for_function("document.fonts.status === 'loaded'")
    next_frame(desk.page)
    return desk.page.evaluate(CUT)


@pytest.mark.parametrize("size", [(1360, 900), (800, 900)], ids=["wide", "narrow"])
def test_no_label_is_cut(page, address, size):
    page.set_viewport_size({"width": size[0], "height": size[1]})
    desk = Desk(page, address)
    page.get_by_text("More samples").wait_for()
    assert cut_labels(desk) == []
    desk.drop(shared_path(*PHOTO))
    assert cut_labels(desk) == []
    # The list is drawn on a canvas: mark, picture and state take so much; names are scrolled to.
    assert page.locator("[data-testid=stDataFrame]").first.bounding_box()["width"] > 200
    scenes = [encode_png(draw_scene(seed, "fluorescence").pixels) for seed in (300_001, 300_002)]
    page.get_by_text("Add images").click()
    files = [{"name": f"{n}.png", "mimeType": "image/png", "buffer": data} for n, data in enumerate(scenes)]
    page.set_input_files("input[type=file]", files)
    page.get_by_role("button", name="Keep for all such images").wait_for(timeout=60_000)
    assert cut_labels(desk) == []
    page.get_by_role("link", name="Models").click()
    page.get_by_text("Your own model").wait_for()
    assert cut_labels(desk) == []
    for card in page.locator("[class*=st-key-card-]").all():
        assert card.evaluate("card => card.scrollWidth <= card.clientWidth")


HEADER = """() => {
    const links = [...document.querySelectorAll("[data-testid=stTopNavLink]")]
    const actions = document.querySelector(".st-key-page-actions").getBoundingClientRect()
    const right = Math.max(...links.map((link) => link.getBoundingClientRect().right))
    return { links: links.length, room: actions.left - right, isBeside: actions.top < 20 }
}"""


@pytest.mark.parametrize("width", [770, 1250, 1399, 1400])
def test_every_page_is_named_beside_the_actions(page, address, width):
    page.set_viewport_size({"width": width, "height": 800})
    desk = Desk(page, address)
    desk.drop(shared_path(*PHOTO))
    desk.settle()
    page.locator(".st-key-page-actions").wait_for()
    header = page.evaluate(HEADER)
    assert header["links"] == len(PAGES)
    assert header["isBeside"] == (width >= 1250)
    assert not header["isBeside"] or header["room"] > 20


# After each frame that was shown: the title's first letter and the colour in the picture's middle.
WATCH_TITLES = """() => {
    const seen = (window.seen = []);
    const find = () => {
        for (const element of document.querySelectorAll('.stBidiComponent, .stBidiComponent *')) {
            const canvas = (element.shadowRoot ?? element).querySelector('[data-part=canvas]');
            if (canvas) return canvas;
        }
    };
    const note = () => {
        const canvas = find();
        if (!canvas) return void (seen.push('gone'), requestAnimationFrame(after));
        const context = canvas.getContext('2d');
        const title = canvas.getRootNode().querySelector('[data-part=title]').textContent[0];
        const [red, , blue, alpha] = context.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
        seen.push(title + (alpha < 255 ? '-' : red > blue ? 'r' : 'b'));
        if (seen.length < 4000) requestAnimationFrame(after);
    };
    const after = () => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = note;
        port2.postMessage(0);
    };
    after();
}"""


def test_no_picture_is_shown_under_another_ones_title(desk, tmp_path):
    files = []
    for name, color in (("red.png", (220, 30, 30)), ("blue.png", (30, 30, 220))):
        files.append(tmp_path / name)
        Image.new("RGB", (5000, 3400), color).save(files[-1])
    desk.page.set_input_files("input[type=file]", files)
    desk.page.get_by_text("red.png: none found").wait_for(timeout=120_000)
    desk.page.locator("[data-ready=true]").wait_for(timeout=60_000)
    desk.settle()
    desk.page.evaluate(WATCH_TITLES)
    for key, name in (("Right", "blue"), ("Left", "red"), ("Right", "blue")):
        desk.page.keyboard.press(f"Alt+Arrow{key}")
        desk.page.get_by_text(f"{name}.png: none found").wait_for(timeout=60_000)
        desk.page.wait_for_function("name => window.seen.at(-1) === name[0] + name[0]", arg=name)
        desk.settle()
    seen = desk.page.evaluate("seen")
    assert {"rr", "bb"} <= set(seen)
    assert not {"rb", "br"} & set(seen), Counter(seen)
    assert "gone" not in seen, "the viewer stays the same one"
    stage = desk.page.locator("[data-part=stage]")
    stage.press("PageUp")
    desk.page.get_by_text("red.png: none found").wait_for(timeout=60_000)
    stage.press("End")
    desk.page.get_by_text("blue.png: none found").wait_for(timeout=60_000)


def test_segments_of_a_photo_are_what_the_mask_cuts_out(desk):
    photo = shared_path(*PHOTO)
    desk.drop(photo)
    desk.set_score(0.9)
    count = desk.shown
    name, data = desk.download("Segments")
    assert name.endswith("_segments.zip")
    pixels = np.asarray(Image.open(photo))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = sorted(archive.namelist())
        assert len(names) == 3 * count
        for cut, mask, masked in zip(names[::3], names[1::3], names[2::3], strict=True):
            assert (
                cut.endswith("_cutout.png") and mask.endswith("_mask.png") and masked.endswith("_masked.png")
            )
            inside = np.asarray(Image.open(io.BytesIO(archive.read(mask))))
            whole = np.asarray(Image.open(io.BytesIO(archive.read(masked))))
            assert np.array_equal(whole, pixels * inside[:, :, None])
            alpha = np.asarray(Image.open(io.BytesIO(archive.read(cut))))[:, :, 3]
            assert (alpha > 0).sum() == inside.sum()


def test_a_click_in_the_viewer_chooses_the_row_and_a_row_the_instance(desk):
    desk.drop(shared_path(*PHOTO))
    desk.root.get_by_role("application").focus()
    desk.page.keyboard.press("n")
    desk.wait_until(lambda: len(desk.selected) == 1, "one instance chosen by key")
    first = desk.selected
    chosen = desk.page.locator("[data-testid=stDataFrame]").last
    chosen.scroll_into_view_if_needed()
    desk.page.get_by_text(", selected: no. ").wait_for()
    desk.settle()
    next_frame(desk.page)  # the table takes in what the viewer chose
    # The table is drawn on a canvas: a click on the mark beside its second row is a click at a place.
    box = chosen.bounding_box()
    desk.page.mouse.click(box["x"] + 18, box["y"] + 40 + 44 + 22)
    desk.wait_until(lambda: desk.selected != first and len(desk.selected) == 2, "a second one from the table")
    assert set(first) < set(desk.selected)


def test_thresholds_survive_another_page_and_a_bad_file_harms_nothing(desk, tmp_path):
    bad = tmp_path / "![x](http://127.0.0.1:9/x.png).jpg"
    # A slash cannot be in a file name: the browser is told the name instead.
    good = shared_path(*PHOTO).read_bytes()
    desk.page.set_input_files(
        "input[type=file]",
        [
            {"name": bad.name, "mimeType": "image/jpeg", "buffer": b"not an image"},
            {"name": "good.jpg", "mimeType": "image/jpeg", "buffer": good},
        ],
    )
    desk.page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    expect(desk.page.get_by_text("1 refused")).to_be_visible()
    assert desk.page.locator("img[src*='127.0.0.1:9']").count() == 0
    desk.set_score(0.8)
    count = desk.shown
    desk.page.get_by_text(f"{count} rows, none selected").wait_for()  # Python has heard of it
    desk.page.get_by_role("link", name="Models").click()
    desk.page.get_by_text("Your own model").wait_for()
    desk.page.get_by_role("link", name="Annotate").click()
    desk.page.locator("[data-ready=true]").wait_for(timeout=60_000)
    desk.wait_until(lambda: desk.shown == count, "the same instances as before")


@pytest.mark.parametrize("pause", [0, 840])
def test_a_link_is_followed_whatever_the_page_is_about_to_do(page, slow_address, pause):
    desk = Desk(page, slow_address)
    desk.page.get_by_role("button", name=SAMPLES[0].title, exact=True).click()
    desk.page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)
    desk.settle()
    desk.set_score(0.9)
    count = desk.shown
    desk.page.wait_for_timeout(pause)  # not a wait: when the link is clicked is what is tried
    desk.page.get_by_role("link", name="Models").click()
    desk.page.get_by_text("Your own model").wait_for(timeout=60_000)
    desk.page.wait_for_timeout(4000)  # as long as the page that was left might come back
    assert desk.page.get_by_text("Your own model").is_visible()
    desk.page.get_by_role("link", name="Annotate").click()
    desk.page.locator("[data-ready=true]").wait_for(timeout=60_000)
    desk.wait_until(lambda: desk.shown == count, "the score that was chosen just before the link")


def test_a_zip_brings_many_images_and_all_go_into_one_file(desk, tmp_path):
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in ("000000000139.jpg", "000000000802.jpg", "000000005001.jpg"):
            file.write(shared_path("data", "coco_val2017", "images", name), name)
        file.writestr("../evil.jpg", b"x")
        file.writestr("notes.txt", b"x")
    desk.drop(archive)
    desk.page.get_by_text("2 refused").wait_for()
    waiting = desk.page.get_by_role("button", name="Cancel waiting")
    desk.wait_until(lambda: waiting.count() == 0, "all images have run")
    name, data = desk.download("COCO JSON", every=True)
    document = json.loads(data)
    assert [i["file_name"] for i in document["images"]] == [
        "000000000139.jpg",
        "000000000802.jpg",
        "000000005001.jpg",
    ]
    assert document["annotations"]


def test_what_is_touched_while_files_are_read_breaks_nothing_off(desk, tmp_path):
    """The page is drawn again then, and must not be in the middle of the files."""
    rng = np.random.default_rng(5)
    files = [tmp_path / f"{n}.jpg" for n in range(20)]
    for file in files:
        Image.fromarray(rng.integers(0, 256, (1500, 2000, 3), np.uint8)).save(file)
    desk.settle()
    desk.page.set_input_files("input[type=file]", files)
    desk.page.get_by_text(re.compile(r"Reading \d+\.jpg")).wait_for(timeout=60_000)
    desk.page.get_by_test_id("stSidebar").get_by_role("slider", name="NMS IoU").press("ArrowRight")
    desk.page.locator("[data-ready=true]").wait_for(timeout=120_000)
    desk.settle()
    assert desk.page.get_by_text("Already open").count() == 0, "some were taken in, and taken in again"
    steps = desk.page.get_by_role("group", name="Go through the list").get_by_role("status")
    expect(steps).to_have_text("1 of 20")
    desk.page.get_by_role("button", name="Cancel waiting").click()
    desk.settle()


def test_turning_over_images_while_others_run_loses_no_step_and_no_session(desk):
    folder = shared_path("data", "coco_val2017", "images")
    desk.drop(*sorted(folder.iterdir())[:30])
    waiting = desk.page.get_by_role("button", name="Cancel waiting")
    waiting.wait_for()  # others run
    position = 0
    for pause in (150, 300, 600, 150, 300):
        for _ in range(3):
            desk.page.get_by_role("button", name="Next image").click()
            desk.page.wait_for_timeout(pause + 400)  # not a wait: the pace of who turns over images
        position += 3
    names = [path.name for path in sorted(folder.iterdir())[:30]]
    desk.page.get_by_text(f"{names[position]}: ").wait_for()
    assert desk.page.get_by_text("Connection error").count() == 0
    # The next tests' images would wait for these; a quick machine has done them all by now.
    from playwright.sync_api import TimeoutError as TookTooLong

    with contextlib.suppress(TookTooLong):
        waiting.click(timeout=2000)
    desk.settle()


def test_two_browsers_never_see_each_others_images(browser, desk, address):
    desk.drop(shared_path(*PHOTO))
    context = browser.new_context()
    try:
        other = Desk(context.new_page(), address)
        assert other.page.get_by_text("18124840932").count() == 0
        assert other.page.locator("[data-shown-count]").count() == 0
    finally:
        context.close()


def test_no_foreign_host_is_called(page, address):
    own = (address, address.replace("http", "ws"), "data:", "blob:")
    foreign = []
    page.on("request", lambda request: request.url.startswith(own) or foreign.append(request.url))
    desk = Desk(page, address)
    desk.drop(shared_path(*PHOTO))
    assert foreign == []
