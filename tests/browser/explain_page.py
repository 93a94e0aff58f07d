"""What a person sees of the page that explains the network, and does to it."""

import json

from playwright.sync_api import expect

from maskrcnn_core.explain.stages import STAGES
from tests.browser.frames import at_rest, next_frame, wait_until

NUMBERS = {stage.key: number for number, stage in enumerate(STAGES, 1)}


def choose(page, name):
    """Chooses a radio button unless it is chosen: by its label, once that stands still.

    The button itself is out of sight. A click that is forced upon it goes to whatever is there: in an
    expander that is about to open, to its title or to the next one's.
    """
    radio = page.get_by_role("radio", name=name)
    if not radio.is_checked():
        radio.locator("xpath=ancestor::label").click()
        expect(radio).to_be_checked()


class ExplainPage:
    """The page with an image open."""

    def __init__(self, page, address):
        self.page = page
        page.goto(f"{address}/how_it_works")
        page.get_by_role("heading", name="How Mask R-CNN works").wait_for(timeout=120_000)
        at_rest(page)

    @classmethod
    def on(cls, page):
        """The page that a link has led to, with an image open."""
        made = cls.__new__(cls)
        made.page = page
        made.title("input").wait_for(timeout=120_000)
        return made

    def choose_model(self, title):
        self.page.get_by_test_id("stSidebar").get_by_role("combobox").first.click()
        self.page.get_by_role("option", name=title).click()

    def go(self, key):
        """To a stage, by the list."""
        stage = STAGES[NUMBERS[key] - 1]
        choose(self.page, f"{NUMBERS[key]}. {stage.title}")
        self.title(key).wait_for(timeout=60_000)

    def unfold(self, title):
        """Open an expander, unless it is open."""
        details = self.page.get_by_test_id("stExpander").filter(has_text=title).locator("details")
        if details.get_attribute("open") is None:
            details.locator("summary").click()

    def stand_still(self, *pictures):
        """Waits until a stage is drawn with its pictures: as they arrive, what is below them moves."""
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
        for scene in pictures:
            self.picture(scene)

    def title(self, key):
        return self.page.get_by_role("heading", name=f"{NUMBERS[key]}. {STAGES[NUMBERS[key] - 1].title}")

    def picture(self, scene):
        """The picture whose scene's name begins so, once all of it is drawn."""
        view = self.page.locator(f'[data-part="stage-view"][data-scene^="{scene}-"][data-ready="true"]')
        view.wait_for(timeout=60_000)
        return Picture(self.page, view)

    @property
    def errors(self):
        shown = self.page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]')
        return shown.all_inner_texts()


class Picture:
    """One picture of a stage."""

    def __init__(self, page, view):
        self.page, self.view = page, view
        self.canvas = view.locator("canvas")

    @property
    def value(self):
        return float(self.view.get_attribute("data-value"))

    @property
    def boxes(self):
        return json.loads(self.view.get_attribute("data-boxes"))

    @property
    def sentence(self):
        return self.view.locator('[data-part="sentence"]').inner_text()

    @property
    def legend(self):
        return self.view.locator('[data-part="legend"] li').all_inner_texts()

    def slide(self, value):
        self.view.locator('[data-part="slider"]').evaluate(
            """(input, value) => {
                input.value = value;
                input.dispatchEvent(new Event('input', {bubbles: true}));
                input.dispatchEvent(new Event('change', {bubbles: true}));
            }""",
            str(value),
        )
        next_frame(self.page)

    def on_screen(self, x, y, size):
        """Where a point of an image of ``(height, width)`` is, as the stage fits it into its width."""
        height, width = size
        box = self.canvas.bounding_box()
        scale = box["height"] / height
        return box["x"] + (box["width"] - width * scale) / 2 + x * scale, box["y"] + y * scale

    def drag(self, start, end, size):
        self.canvas.scroll_into_view_if_needed()
        self.page.mouse.move(*self.on_screen(*start, size))
        self.page.mouse.down()
        for share in (0.3, 0.7, 1):
            point = [a + (b - a) * share for a, b in zip(start, end, strict=True)]
            self.page.mouse.move(*self.on_screen(*point, size))
        self.page.mouse.up()

    def click(self, point, size):
        self.canvas.scroll_into_view_if_needed()
        self.page.mouse.click(*self.on_screen(*point, size))

    def colors(self):
        """How many colours there are on it: a blank picture has one."""
        return self.canvas.evaluate(
            """canvas => {
                const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                const seen = new Set();
                for (let i = 0; i < data.length; i += 4 * 97) {
                    seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
                }
                return seen.size;
            }"""
        )

    def wait_until(self, check, what):
        wait_until(self.page, check, what)
