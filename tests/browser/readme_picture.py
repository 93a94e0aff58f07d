"""Makes the README's pictures of pages and a report: ``python -m tests.browser.readme_picture [NAME ...]``.

``PICTURES`` is the table of pages. The sample on *Annotate* is a photo of a package, whose licence the README
names; ``MASKDESK_WEIGHTS`` decides which models are ready, and so which one answers: the best.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.slide_drawing import draw_slide
from maskrcnn_core.synthetic.samples import SAMPLES
from tests.browser.chromium import find_chromium, remember_name
from tests.browser.conftest import FLAGS, ROOT, Servers
from tests.browser.desk import Desk
from tests.browser.explain_page import ExplainPage
from tests.browser.forking import Forker
from tests.browser.frames import next_frame
from tests.browser.review_page import ReviewPage, settle

FOLDER = ROOT / "docs" / "images"
SHAPES = "Drawn shapes"
MASKS = "[data-ready=true]:not([data-shown-count='0'])"


@dataclass(frozen=True)
class Picture:
    """What is on the page when its picture is taken.

    Args:
        sample: its key.
        model: its title in the menu; empty for the best that is ready.
        height: of the window.
        lead: from the sample's masks on *Annotate* to the view.
    """

    sample: str
    model: str
    height: int
    lead: Callable[[Page], None]


def stay(_page: Page) -> None:
    pass


def to_the_editor(page: Page) -> None:
    page.get_by_role("button", name="Correct masks, add missed objects").click()
    page.wait_for_url("**/review?*")
    review = ReviewPage.on(page)
    review.press("v")
    review.wait(tool="outline")


def to_the_iou(page: Page) -> None:
    page.get_by_role("link", name="How it works").click()
    explained = ExplainPage.on(page)
    explained.go("iou")
    explained.picture("iou")


PICTURES = {
    "annotate": Picture("coffee", "", 1010, stay),
    "nuclei": Picture("fluorescence", "", 900, stay),
    "review": Picture("shapes", SHAPES, 900, to_the_editor),
    "how-it-works": Picture("shapes", SHAPES, 980, to_the_iou),
}


REPORT = "inspect-data"
SLIDES = "slides"
# Of a long page: what looks wrong, and of the first sample these pictures, side by side.
KEEP = """() => {
    const starts = ["Image and sample", "Mask targets", "Anchors of the step", "Regions of the step"];
    const figures = [...document.querySelectorAll("figure")];
    const main = document.querySelector("main");
    const wrong = main.querySelector("section");
    Object.assign(wrong.style, { margin: 0 });
    Object.assign(document.body.style, { maxWidth: "none", padding: "0.5rem" });
    document.body.replaceChildren(main);
    const columns = [[wrong], []];
    starts.forEach((start, n) => {
        columns[n < 2 ? 0 : 1].push(figures.find((one) => one.innerText.startsWith(start)));
    });
    main.replaceChildren(...columns.map((parts) => {
        const column = document.createElement("div");
        column.append(...parts);
        for (const figure of column.querySelectorAll("figure")) figure.style.margin = "0 0 1rem";
        return column;
    }));
    const grid = { display: "grid", gridTemplateColumns: "1fr 1fr", gap: "0.5rem" };
    Object.assign(main.style, { ...grid, padding: "0.5rem", fontSize: "0.85rem" });
}"""


def take_report(page: Page, target: Path) -> None:
    """Draws scenes, inspects them as `train` would see them, and takes a picture of parts of the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_command("draw-scenes", "scenes", "--kind", "tissue", "--count", "24", cwd=folder)
        files = [
            "--ground-truth",
            "scenes/instances.json",
            "--images",
            "scenes/images",
            "--out",
            "report.html",
        ]
        more = ["--from", "shapes", "--crop", "320", "--samples", "1", "--over", "24"]
        run_command("inspect-data", *files, *more, cwd=folder)
        page.goto((folder / "report.html").as_uri())
        page.evaluate(KEEP)
        page.locator("main").screenshot(path=target)


def take_slide(page: Page, address: str, target: Path) -> None:
    """Draws a slide, finds its nuclei on the Slides page, goes nearer and takes the page's picture."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tissue.svs"
        draw_slide(path, 2000, 400)
        page.goto(f"{address}/slides")
        page.get_by_test_id("stFileUploaderDropzoneInput").first.set_input_files([path])
        page.get_by_role("button", name="Switch to Microscopy").click()
        settle(page)
        page.get_by_role("button", name="Find objects").click()
        page.locator(f".viewer{MASKS}").wait_for(timeout=600_000)
        settle(page)
        box = page.locator("[data-part=stage]").bounding_box() or {"x": 0, "y": 0}
        page.mouse.move(box["x"] + 300, box["y"] + 300)
        for _ in range(2):
            page.mouse.wheel(0, -240)
            next_frame(page)
        page.mouse.move(5, 5)
        page.wait_for_timeout(1500)  # what fades in is there
        page.locator(f".viewer{MASKS}").wait_for()
        page.screenshot(path=target)


def run_command(*arguments: str, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", "maskrcnn_core", *arguments], cwd=cwd, check=True)


def take(page: Page, address: str, picture: Picture, target: Path) -> None:
    """Opens a sample with a model, goes on to the view and takes the page's picture."""
    desk = Desk(page, address)
    desk.open_sample(next(row.title for row in SAMPLES if row.key == picture.sample))
    page.locator(MASKS).wait_for(timeout=240_000)
    if picture.model:
        page.get_by_test_id("stSidebar").get_by_role("combobox").first.click()
        page.get_by_role("option", name=picture.model).click()
        settle(page)
        page.locator(MASKS).wait_for(timeout=240_000)
    settle(page)
    picture.lead(page)
    settle(page)
    page.wait_for_timeout(1500)  # what fades in is there
    page.screenshot(path=target)


def main(names: list[str]) -> None:
    servers = Servers(lambda name: Path(tempfile.mkdtemp(prefix=f"{name}-")), Forker())
    data = tempfile.mkdtemp(prefix="data-")
    address = servers(ROOT / "app.py", {"MASKDESK_FETCH": "no", "MASKDESK_DATA": data}, cwd=ROOT)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
            if REPORT in names:
                page = browser.new_page(viewport={"width": 1200, "height": 900})
                take_report(page, FOLDER / f"{REPORT}.png")
            if SLIDES in names:
                context = browser.new_context(viewport={"width": 1360, "height": 900})
                remember_name(context)
                context.set_default_timeout(120_000)
                take_slide(context.new_page(), address, FOLDER / f"{SLIDES}.png")
                context.close()
            for name in names:
                if name in (REPORT, SLIDES):
                    continue
                picture = PICTURES[name]
                context = browser.new_context(viewport={"width": 1360, "height": picture.height})
                remember_name(context)
                context.set_default_timeout(120_000)
                take(context.new_page(), address, picture, FOLDER / f"{name}.png")
                context.close()
            browser.close()
    finally:
        servers.kill(address)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", choices=[*PICTURES, REPORT, SLIDES, []], help="all by default")
    main(parser.parse_args().pages or [*PICTURES, REPORT, SLIDES])
