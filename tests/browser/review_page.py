"""The Review page as a person sees it, and projects for it."""

from maskrcnn_core.dataset.categories import Category
from maskrcnn_core.projects.exchange.intake import import_files
from maskrcnn_core.projects.new_rows import new_instance
from tests.browser.frames import next_frame
from tests.builders.core import disc

CATEGORIES = ("nucleus", "circle", "square", "triangle")


def make_project(store, name, pictures):
    """A project of these pictures (name and bytes), each with four proposals: discs."""
    names = [Category(n, name) for n, name in enumerate(CATEGORIES, start=1)]
    row = store.create_project(name, "ann", categories=names)
    import_files(store, row.id, "ann", pictures)
    categories = store.categories(row.id)
    store.decide(
        row.id,
        "model shapes",
        "propose",
        [
            new_instance(
                image.id,
                categories[k % 4].id,
                10 * image.coco_id + k,
                disc(image.height, image.width, 60 + 60 * k, 80 + 60 * k, 30),
                source="shapes",
                score=0.95 - 0.1 * k,
            )
            for image in store.images(row.id)
            for k in range(4)
        ],
    )
    return row


def settle(page):
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)


def link_of(address, project, **more):
    return f"{address}/review?project={project.id}" + "".join(f"&{k}={v}" for k, v in more.items())


def open_sidebar(page):
    """Unfold the sidebar, which a review begins without; it answers its part of the page."""
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.wait_for(state="attached")
    if sidebar.get_attribute("data-collapsed") == "true":
        page.get_by_test_id("stExpandSidebarButton").click()
        page.locator("[data-testid=stSidebar][data-collapsed=false]").wait_for()
    return sidebar


_NAME_IS_TOLD = """() => {
  const held = sessionStorage.getItem("maskdesk-who") || localStorage.getItem("maskdesk-who");
  const name = 'input[aria-label="Your name, for the journal"]';
  const field = document.querySelector(`[data-testid=stSidebar] ${name}`);
  return !held || field === null || field.value === held;
}"""


def wait_for_the_name(page):
    """Until the page has the name that the browser remembers, if any: it is told once the page is at rest."""
    page.wait_for_function(_NAME_IS_TOLD)
    settle(page)


class ReviewPage:
    """What a person sees of the Review page, and does to it."""

    def __init__(self, page, link):
        self.page = page
        page.goto(link)
        self.wait()
        wait_for_the_name(page)

    @classmethod
    def on(cls, page):
        """The page that a link or a button has led to."""
        made = cls.__new__(cls)
        made.page = page
        made.wait()
        wait_for_the_name(page)
        return made

    @property
    def root(self):
        return self.page.locator(".viewer[data-part=root]")

    def wait(self, **values):
        """Until a picture is there, with these values."""
        wanted = {"ready": "true"} | values
        selector = "".join(f"[data-{name.replace('_', '-')}='{value}']" for name, value in wanted.items())
        self.page.locator(f".viewer[data-part=root]{selector}").wait_for(timeout=90_000)

    def call_oneself(self, name):
        open_sidebar(self.page)
        self.page.get_by_role("textbox", name="Your name, for the journal").fill(name)
        self.page.keyboard.press("Enter")
        # The browser keeps the name once Python has it, and so this page will not be drawn again for it.
        self.page.wait_for_function("name => localStorage.getItem('maskdesk-who') === name", arg=name)
        settle(self.page)
        self.page.locator("[data-part=stage]").focus()

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def saved(self):
        self.wait(saved="true")

    def at(self, x, y):
        """Where a point of the image is on the page."""
        stage = self.page.locator("[data-part=canvas]").bounding_box()
        scale = float(self.root.get_attribute("data-zoom"))
        left, top = map(float, self.root.get_attribute("data-pan").split(","))
        return stage["x"] + left + x * scale, stage["y"] + top + y * scale

    def click(self, x, y, *keys):
        """Click a point of the image, with keys held."""
        for key in keys:
            self.page.keyboard.down(key)
        self.page.mouse.click(*self.at(x, y))
        for key in keys:
            self.page.keyboard.up(key)

    def drag(self, *points):
        """Draw a line through points of the image."""
        self.page.mouse.move(*self.at(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(*point), steps=4)
        self.page.mouse.up()

    @property
    def selected(self):
        next_frame(self.page)
        return [int(id_) for id_ in (self.root.get_attribute("data-selected") or "").split(",") if id_]

    @property
    def said(self):
        return self.page.locator("[data-part=say]").inner_text()

    @property
    def image_id(self):
        return int(self.root.get_attribute("data-image-id"))
