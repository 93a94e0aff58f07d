"""What a person sees of the Annotate page, and does to it."""

import json
from pathlib import Path

from maskrcnn_core.synthetic.samples import SAMPLES
from tests.browser.frames import at_rest, next_frame, wait_until

ALL_DRAWN = """() => [...document.querySelectorAll('[data-testid="stImage"] img')]
    .every((one) => one.complete && one.naturalWidth > 0)"""


class Desk:
    """What a person sees of the page, and does to it."""

    def __init__(self, page, address):
        self.page = page
        page.goto(address)
        page.get_by_text("Drop in an image").wait_for(timeout=60_000)
        at_rest(page)

    def choose_domain(self, title):
        self.page.get_by_test_id("stSidebar").get_by_role("button", name=title, exact=True).click()
        self.settle()

    def drop(self, *files):
        self.page.set_input_files("input[type=file]", list(files))
        self.page.locator("[data-ready=true]").wait_for(timeout=120_000)
        self.page.locator("[data-ready=true]:not([data-shown-count='0'])").wait_for(timeout=120_000)

    def open_sample(self, title):
        button = self.page.get_by_role("button", name=title, exact=True)
        first = next(row.is_first for row in SAMPLES if row.title == title)
        if not first:
            self.page.get_by_text("More samples").click()
            self.page.wait_for_function(ALL_DRAWN)  # until then the button moves
        button.click(timeout=60_000)

    @property
    def root(self):
        return self.page.locator(".viewer[data-part=root]")

    @property
    def shown(self):
        return int(self.root.get_attribute("data-shown-count"))

    @property
    def selected(self):
        return json.loads(f"[{self.root.get_attribute('data-selected')}]")

    def set_score(self, value):
        slider = self.page.get_by_role("slider", name="Score")
        slider.evaluate(
            """(input, value) => {
                input.value = value;
                input.dispatchEvent(new Event('input', {bubbles: true}));
                input.dispatchEvent(new Event('change', {bubbles: true}));
            }""",
            str(value),
        )
        # Two frames: one to filter, one to be on the screen.
        next_frame(self.page)

    def wait_until(self, check, what):
        wait_until(self.page, check, what)

    @property
    def offered(self):
        """The file that is ready to be downloaded."""
        return self.page.get_by_test_id("stDownloadButton")

    def settle(self):
        """Waits until the script has run with all that was done so far, and no run is asked for."""
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)

    def open_downloads(self):
        """One click, if they are not open yet."""
        formats = self.page.get_by_role("combobox", name="Format")
        if not formats.is_visible():
            self.page.locator(".st-key-download button").first.click()
            formats.wait_for()

    def download(self, title, every=False):
        self.settle()  # what was done before is drawn
        self.open_downloads()
        formats = self.page.get_by_role("combobox", name="Format")
        formats.click()
        formats.press_sequentially(title)  # far ones of the list are not in the page until then
        self.page.get_by_role("option", name=title, exact=True).click()
        if every:
            self.page.get_by_text("images that have run").click()
        self.settle()  # until then, what is offered may be a file of what was shown before
        self.page.get_by_role("button", name="Prepare").click()
        self.settle()
        with self.page.expect_download(timeout=60_000) as started:
            self.offered.get_by_role("button").click(timeout=60_000)
        return started.value.suggested_filename, Path(started.value.path()).read_bytes()
