"""Open images outlast a reload, a closed tab and a server that is started anew; closing is taken back."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.desk import Desk
from tests.browser.frames import wait_until

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(serve_app):
    return serve_app(ROOT / "app.py", {}, cwd=ROOT)


def scene(folder, seed):
    file = folder / f"scene {seed}.png"
    Image.fromarray(draw_scene(seed).pixels).save(file)
    return file


@pytest.fixture
def desk(page, address, tmp_path):
    desk = Desk(page, address)
    desk.drop(scene(tmp_path, 1), scene(tmp_path, 2))
    desk.settle()
    return desk


def wait_for_images(page, *names):
    title = page.locator(".viewer[data-part=root] [data-part=title]")
    wait_until(page, lambda: any(name in title.inner_text() for name in names), f"one of {names}")


def on_reload(page):
    """Reloads; whether the browser has asked."""
    asked = []
    page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    return bool(asked)


def test_a_reload_loses_neither_images_nor_what_was_chosen(desk):
    page = desk.page
    page.get_by_role("button", name="Next image").click()
    wait_for_images(page, "scene 2")
    desk.set_score(0.9)
    desk.settle()
    shown = desk.shown
    desk.root.get_by_role("application").click()
    desk.settle()
    assert not on_reload(page), "there is nothing to lose"
    wait_for_images(page, "scene 2")
    page.locator("[data-ready=true]").wait_for()
    wait_until(page, lambda: desk.shown == shown, f"{shown} instances, got {desk.shown}")
    assert page.get_by_role("slider", name="Score").input_value() == "0.9"
    page.get_by_text("Kept for this tab").wait_for()


def test_what_a_closed_tab_left_open_is_offered_to_the_next_one(desk, address):
    desk.page.wait_for_function("localStorage.getItem('maskdesk-images-of-tabs') !== null")
    other = desk.page.context.new_page()
    other.goto(address)
    other.get_by_text("Drop in an image").wait_for(timeout=60_000)
    assert other.get_by_text("Still open from before").count() == 0, "the tab is there"
    desk.page.close()
    other.reload()
    other.get_by_text("Still open from before: 2 images").wait_for(timeout=60_000)
    other.get_by_role("button", name="Go on with them").click()
    wait_for_images(other, "scene 1")
    third = other.context.new_page()
    other.close()
    third.goto(address)
    third.get_by_text("Still open from before: 2 images").wait_for(timeout=60_000)
    third.get_by_role("button", name="Close and delete").click()
    third.get_by_text("Still open from before").wait_for(state="hidden")


def test_a_duplicated_tab_has_images_of_its_own(desk, address):
    desk.page.wait_for_function("sessionStorage.getItem('maskdesk-images') !== null")
    word = desk.page.evaluate("sessionStorage.getItem('maskdesk-images')")
    other = desk.page.context.new_page()
    other.add_init_script(
        f"sessionStorage.getItem('maskdesk-images') ?? sessionStorage.setItem('maskdesk-images', '{word}')"
    )
    other.goto(address)
    other.get_by_text("Drop in an image").wait_for(timeout=60_000)
    other.wait_for_timeout(3000)  # nothing is to come: that cannot be waited for
    assert other.get_by_text("Drop in an image").is_visible()


def test_closing_all_is_taken_back_also_after_a_reload(desk):
    page = desk.page
    page.get_by_role("button", name="Close all").click()
    page.get_by_role("button", name="Open 2 images again").wait_for()
    page.reload()
    again = page.get_by_role("button", name="Open 2 images again")
    again.click(timeout=60_000)
    wait_for_images(page, "scene 1")
    page.get_by_role("button", name="Close this image").click()
    wait_for_images(page, "scene 2")
    page.get_by_role("button", name="Delete what was closed").click()
    page.get_by_role("button", name="Open scene 1.png again").wait_for(state="hidden")


def test_images_outlast_the_server(page, serve_app, tmp_path):
    data = {"MASKDESK_DATA": str(tmp_path / "data")}
    first = serve_app(ROOT / "app.py", data, cwd=ROOT)
    desk = Desk(page, first)
    desk.drop(scene(tmp_path, 3))
    desk.settle()
    word = page.evaluate("sessionStorage.getItem('maskdesk-images')")
    second = serve_app(ROOT / "app.py", data, cwd=ROOT)
    page.goto(second)  # another port is another origin: the browser would keep the word for the same one
    page.evaluate("word => sessionStorage.setItem('maskdesk-images', word)", word)
    page.reload()
    wait_for_images(page, "scene 3")
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=60_000)


def test_an_image_is_pasted(page, address, tmp_path):
    desk = Desk(page, address)
    target = io.BytesIO()
    Image.fromarray(draw_scene(4).pixels).save(target, "PNG")
    desk.settle()
    page.locator(".uploads[data-part=uploads][data-listening=true]").wait_for(state="attached")
    page.evaluate(
        """data => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const carried = new DataTransfer();
            carried.items.add(new File([bytes], "image.png", { type: "image/png" }));
            document.body.dispatchEvent(
                new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, composed: true }));
        }""",
        base64.b64encode(target.getvalue()).decode(),
    )
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=60_000)
    assert "pasted 20" in desk.root.locator("[data-part=title]").inner_text()


def test_a_folder_is_dropped(page, address, tmp_path):
    folder = tmp_path / "scans" / "of today"
    folder.mkdir(parents=True)
    scene(folder, 5)
    scene(folder.parent, 6)
    Desk(page, address)
    zone = page.get_by_test_id("stFileUploaderDropzone").first
    box = zone.bounding_box()
    browser = page.context.new_cdp_session(page)
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    dragged = {"items": [], "files": [str(folder.parent)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        browser.send("Input.dispatchDragEvent", {"type": kind, **place, "data": dragged})
    page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=60_000)
    page.get_by_role("button", name="Close all").click()
    page.get_by_role("button", name="Open 2 images again").wait_for()


def test_a_made_file_that_was_not_downloaded_is_asked_for(desk):
    page = desk.page
    desk.root.get_by_role("application").click()  # browsers ask only on pages that somebody has used
    desk.open_downloads()
    page.get_by_role("button", name="Prepare").click()
    desk.offered.wait_for()
    desk.settle()
    asked = []

    def stay(dialog):
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.evaluate("setTimeout(() => location.reload(), 0)")
    desk.wait_until(lambda: asked == ["beforeunload"], "the browser's question")
    desk.open_downloads()
    with page.expect_download() as started:
        desk.offered.get_by_role("button").click()
    assert started.value.path()
    page.reload()
    wait_for_images(page, "scene 1", "scene 2")
    assert asked == ["beforeunload"], "it is on the person's disk"
