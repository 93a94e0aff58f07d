"""A 16-bit stack on the Annotate page, in a real Chromium: chosen, annotated, measured, kept."""

import csv
import io
import json
import re

import pytest
from playwright.sync_api import expect

from tests.browser.desk import Desk
from tests.builders.stacks import nuclei, ome

CHOSEN = "page=1;z=max;channels=1:#ffffff;contrast=1:0.1%..99.9%"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(boxed_address):
    return boxed_address


@pytest.fixture
def desk(page, address):
    desk = Desk(page, address)
    desk.choose_domain("Microscopy")
    return desk


def choose(desk):
    """Maximum of the slices, the first channel alone."""
    page = desk.page
    page.locator(".st-key-stack button").first.click()
    page.get_by_text("Maximum of 5 slices").click()
    desk.settle()
    page.locator("[aria-label='Remove 2: GFP']").click()
    desk.settle()
    page.locator(".st-key-see-stack button").click()


def test_from_a_stack_to_measured_nuclei(desk, address, tmp_path):
    values, labels = nuclei()
    count = int(labels.max())
    stack = tmp_path / "nuclei.tif"
    stack.write_bytes(ome(values, names=("DAPI", "GFP"), pixel=0.5))
    page = desk.page
    page.set_input_files("input[type=file]", [stack])
    page.locator("[data-ready=true]").wait_for(timeout=120_000)
    expect(page.get_by_text("first of 10 frames")).to_be_visible(timeout=60_000)
    page.get_by_text(re.compile(r"nuclei.tif: \d+ found")).wait_for(timeout=120_000)
    desk.settle()
    first = desk.shown
    choose(desk)
    page.get_by_text("nuclei (z max, channel 1).tif").first.wait_for(timeout=60_000)
    desk.wait_until(lambda: desk.shown == count, "all nuclei, of whichever slice")
    expect(page.get_by_text(f"view of nuclei.tif ({CHOSEN})")).to_be_visible()

    bar = page.locator("[data-part=scale-bar]")
    expect(bar).to_have_text(re.compile(r"^[125]0* µm$"))
    length = float(bar.inner_text().split(" ")[0])
    picture = page.locator("[data-part=canvas]").bounding_box()
    scale = min(picture["width"] / 256, picture["height"] / 192)
    assert bar.bounding_box()["width"] == pytest.approx(length / 0.5 * scale, rel=0.1)

    name, data = desk.download("Measurements")
    assert name == "nuclei (z max, channel 1)_measurements.csv"
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert len(rows) == count and {row["view"] for row in rows} == {CHOSEN}
    assert all(float(row["area_um2"]) == float(row["area_px"]) / 4 for row in rows)
    # In the green channel each nucleus has a value of its own, which is not in the picture that is seen.
    assert len({round(float(row["max GFP"])) for row in rows}) == count
    name, data = desk.download("COCO JSON")
    (image,) = json.loads(data)["images"]
    assert (image["view"], image["pixel_um"]) == (CHOSEN, [0.5, 0.5])

    # The stack is open as before; what was chosen outlives a reload.
    page.reload()
    page.locator("[data-ready=true]").wait_for(timeout=120_000)
    desk.settle()
    assert desk.shown == count
    expect(page.get_by_text(f"view of nuclei.tif ({CHOSEN})")).to_be_visible()
    page.keyboard.press("Alt+ArrowLeft")
    expect(page.get_by_text("first of 10 frames")).to_be_visible(timeout=60_000)
    page.keyboard.press("Alt+ArrowRight")
    expect(page.get_by_text(f"view of nuclei.tif ({CHOSEN})")).to_be_visible(timeout=60_000)

    # A project has what was seen, with its scale.
    desk.settle()
    page.get_by_role("button", name="Correct masks, add missed objects").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Ann")
    page.get_by_role("button", name="Continue").click()
    page.wait_for_url("**/review?*", timeout=60_000)
    page.locator(f".viewer[data-part=root][data-status-counts='{count},0,0']").wait_for(timeout=60_000)
    expect(page.locator("[data-part=scale-bar]")).to_have_text(re.compile(r"^[125]0* µm$"))
    project = re.search(r"project=(\d+)", page.url)[1]
    page.goto(f"{address}/project?project={project}")
    page.get_by_test_id("stMain").get_by_role("radio", name=re.compile("Export")).click(timeout=60_000)
    page.get_by_text("Methods statement").click()
    page.get_by_role("button", name="Write it").click()
    seen = page.get_by_text(f"maximum projection over slices was seen ({CHOSEN})")
    expect(seen).to_be_visible(timeout=60_000)
    proposals = count + first  # of the picture that was opened first, too
    expect(page.get_by_text(f"Of {proposals} proposals people accepted 0 and rejected 0")).to_be_visible()
