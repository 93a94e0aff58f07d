"""Keys at a steady pace on the Review page, each timed until the next picture is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["PERIOD", "walk"]

PERIOD = 0.5  # seconds between two keys

# The page was opened with `benchmarks.browser.WATCH`. A key that comes while a picture is waited for would do
# nothing, so a late picture puts off the key after it, and the beat goes on from there.
_WALK = """
async ([key, count, period]) => {
  const root = window.viewerRoot();
  const next = () => new Promise(window.askFrame);
  const taken = [];
  let due = 0;
  for (let i = 0; i < count; i += 1) {
    while (performance.now() < due) await next();
    const before = root.dataset.at;
    const began = performance.now();
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true,
      cancelable: true }));
    while (root.dataset.at === before || root.dataset.ready !== 'true') await next();
    taken.push((performance.now() - began) / 1000);
    due = began + period; // never sooner: that would be taken for a slip of the finger
  }
  while (root.dataset.saved !== 'true') await next();
  return taken;
}
"""


def walk(page: Page, count: int, key: str = "Enter") -> list[float]:
    """Go through so many images, two a second.

    Args:
        page: Review at its first place, with more images than that.
        count: of keys.
        key: that goes on; the one given finishes the image.

    Returns:
        Seconds from each key until the next picture was drawn with all its masks; all is saved by then.
    """
    taken: list[float] = page.evaluate(_WALK, [key, count, 1000 * PERIOD])
    return taken
