"""Makes the README's first picture from the running app: ``python -m tests.browser.readme_picture``.

The sample is a photo of a package, whose licence the README names; ``MASKDESK_WEIGHTS`` decides which models
are ready, and so which one answers: the best, or the one that is named.
"""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from maskrcnn_core.synthetic.samples import SAMPLES
from tests.browser.chromium import find_chromium
from tests.browser.conftest import FLAGS, ROOT, Servers
from tests.browser.forking import Forker

SIZE = {"width": 1360, "height": 1010}


def take(sample: str, model: str, target: Path) -> None:
    """Opens a sample with a model and takes the page's picture."""
    row = next(row for row in SAMPLES if row.key == sample)
    servers = Servers(lambda name: Path(tempfile.mkdtemp(prefix=f"{name}-")), Forker())
    address = servers(ROOT / "app.py", {"MASKDESK_FETCH": "no"}, cwd=ROOT)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(playwright), args=FLAGS)
            page = browser.new_page(viewport=SIZE, device_scale_factor=1)
            page.goto(address)
            if not row.is_first:
                page.get_by_text("More samples").click(timeout=120_000)
            page.get_by_role("button", name=row.title).click(timeout=120_000)
            page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=240_000)
            if model:
                page.get_by_test_id("stSidebar").get_by_role("combobox").first.click()
                page.get_by_role("option", name=model).click()
                page.wait_for_timeout(3000)
                page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=240_000)
            page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
            page.wait_for_timeout(1500)
            page.screenshot(path=target)
            browser.close()
    finally:
        servers.kill(address)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", default="coffee")
    parser.add_argument("--model", default="", help="its title in the menu; empty for the best that is ready")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "annotate.png")
    options = parser.parse_args()
    take(options.sample, options.model, options.out)
