"""A large picture on the Annotate page, in a real Chromium: in tiles, and by the size of an object."""

import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from maskrcnn_core.synthetic.scenes import draw_scene
from tests.browser.desk import Desk
from tests.browser.frames import wait_until

SIDE = 320
ACROSS = 4
NUCLEUS = 30.0
"""What is measured across, in pixels of the picture."""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(boxed_address):
    return boxed_address


@pytest.fixture(scope="module")
def mosaic(tmp_path_factory):
    """Drawn fluorescence side by side, 1,280 px."""
    scenes = [draw_scene(930_000 + n, "fluorescence").pixels[:SIDE, :SIDE] for n in range(ACROSS)]
    picture = np.zeros((ACROSS * SIDE, ACROSS * SIDE, 3), np.uint8)
    for row, column in np.ndindex(ACROSS, ACROSS):
        part = scenes[(row + column) % ACROSS]
        height, width = part.shape[:2]
        picture[row * SIDE : row * SIDE + height, column * SIDE : column * SIDE + width] = part
    file = tmp_path_factory.mktemp("mosaic") / "mosaic.png"
    Image.fromarray(picture).save(file, compress_level=1)
    return file


def found_in(page):
    """How many the picture's state says, and None while it runs."""
    said = re.search(r"mosaic\.png: ([\d,]+) found", page.locator("[data-part=title]").inner_text())
    return said and int(said[1].replace(",", ""))


def measure(desk, length):
    """Drag the ruler over so many pixels of the picture, from left to right."""
    page = desk.page
    stage = page.locator("[data-part=stage]")
    stage.focus()
    page.keyboard.press("Shift+Y")
    scale = float(desk.root.get_attribute("data-zoom"))
    box = stage.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + length * scale / 2, y)
    page.mouse.move(x + length * scale, y)
    page.mouse.up()


def test_the_size_of_an_object_is_measured_on_the_picture(page, address, mosaic):
    desk = Desk(page, address)
    desk.choose_domain("Microscopy")
    sidebar = page.get_by_test_id("stSidebar")
    page.set_input_files("input[type=file]", [mosaic])
    wait_until(page, lambda: found_in(page), "what the first tiles gave", 240)
    desk.settle()
    by_auto, selected = found_in(page), desk.selected
    size = sidebar.get_by_role("spinbutton", name="Size of objects (px)")
    expect(size).to_have_value("0")

    measure(desk, NUCLEUS)
    ruler = page.locator("[data-part=ruler]")
    expect(ruler).to_have_text(re.compile(r"^\d+\.\d px$"))
    measured = float(ruler.inner_text().split()[0])
    assert abs(measured - NUCLEUS) < 2 / float(desk.root.get_attribute("data-zoom")) + 0.1
    assert desk.selected == selected, "the ruler picks nothing"
    take = sidebar.get_by_role("button", name=re.compile(r"^Take [\d.]+ px$"))
    take.click()
    expect(size).not_to_have_value("0")
    taken = float(size.input_value())
    assert abs(taken - measured * np.sqrt(np.pi) / 2) < 0.1, "the size of a disk"
    wait_until(page, lambda: found_in(page) not in (None, by_auto), "what the new tiles gave", 240)
    assert abs(found_in(page) - by_auto) < 0.1 * by_auto, "the nuclei are as large as auto takes them to be"
    desk.settle()
    expect(take).to_have_count(0)

    page.locator("[data-part=stage]").focus()
    page.keyboard.press("Escape")
    expect(ruler).to_be_hidden()
