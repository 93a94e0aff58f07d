"""What a browser fetches until a review's first picture, on its first visit and on its next."""

import io

import numpy as np
import pytest
from PIL import Image

from pages.shell.fonts.icons import icons_of, streamlit_icons
from pages.shell.fonts.small import FILES
from tests.browser.chromium import remember_name
from tests.browser.line import Line
from tests.browser.review_page import ReviewPage, link_of, make_project

pytestmark = pytest.mark.browser

# Bytes over the line, as they come: compressed, with their headers, and the messages of the page's socket.
MOST_BYTES = 1_250_000
MOST_REQUESTS = 220
MODULE = "/_stcore/bidi-components/"
ENTRY = "/static/js/index."
"""Streamlit's first script, which its page names."""


# Also within components, which have documents of their own.
_ICONS = """() => {
  const found = [];
  const look = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.shadowRoot) look(one.shadowRoot);
      const isIcon = getComputedStyle(one).fontFamily.includes("Material Symbols");
      if (isIcon && one.children.length === 0 && one.textContent.trim()) found.push(one.textContent.trim());
    }
  };
  look(document);
  return found;
}"""


def icons_on(page):
    """The names of all icons on a page."""
    return set(page.evaluate(_ICONS))


@pytest.fixture
def link(store, address):
    noise = np.random.default_rng(3).integers(60, 190, (90, 120, 3)).astype(np.uint8)
    picture = io.BytesIO()
    Image.fromarray(noise).resize((640, 480)).save(picture, "JPEG", quality=90)
    return link_of(address, make_project(store, "Far away", [("one.jpg", picture.getvalue())]))


def test_a_first_review_fetches_little_and_the_next_one_next_to_nothing(page, link):
    remember_name(page.context)
    line = Line(page)
    ReviewPage(page, link)
    assert line.bytes < MOST_BYTES and len(line.urls) < MOST_REQUESTS
    scripts = [url for url in line.urls.values() if url.endswith((".js", ".css"))]
    assert [url for url in scripts if line.encodings[url] != "gzip"] == []
    named = page.evaluate(
        "() => [...document.querySelectorAll('link[rel=modulepreload]')].map((l) => l.href)"
    )
    late = [url for url in line.fetched(".js") if url.endswith(".js") and url not in named]
    assert len(named) > 100 and [url for url in late if ENTRY not in url] == [], "the page told of all others"

    icons = icons_of(FILES / streamlit_icons().name)
    assert len(icons_on(page)) > 20 and icons_on(page) - set(icons) == set()

    again = page.context.new_page()
    line = Line(again)
    ReviewPage(again, link)
    assert line.fetched("/static/") == line.fetched(MODULE) == line.fetched("/media/") == []
    assert line.bytes < 150_000
