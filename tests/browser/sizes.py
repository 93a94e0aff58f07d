"""The six sizes that pages are looked at in, and what is seen of a page in them."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["SIZES", "Size", "look_at_page"]

LEAST_TARGET = 40  # CSS pixels that a finger needs
_LOOK = Path(__file__).with_name("page_look.js").read_text("utf-8").rstrip().removesuffix(";")


@dataclass(frozen=True)
class Size:
    """A window that people have.

    Attributes:
        name: for people.
        width: in CSS pixels.
        height: in CSS pixels.
        is_touch: whether one points with fingers.
    """

    name: str
    width: int
    height: int
    is_touch: bool = False

    @property
    def context(self) -> dict[str, Any]:
        """Arguments for a new context of Playwright's browser."""
        window = {"viewport": {"width": self.width, "height": self.height}, "reduced_motion": "reduce"}
        return window | ({"has_touch": True, "is_mobile": True} if self.is_touch else {})


SIZES = (
    Size("full hd", 1920, 1080),
    Size("large", 1440, 900),
    Size("laptop", 1366, 768),
    Size("low", 1152, 720),
    Size("tablet", 1024, 768, is_touch=True),
    Size("phone", 390, 844, is_touch=True),
)


def look_at_page(page: "Page") -> dict[str, Any]:
    """What is seen of a page in its window.

    Returns:
        ``share`` of the window that the picture has, in [0, 1]; ``under_fold``, pixels of the picture below
        the window; ``overflow``, pixels by which the page is wider than its window; ``small``, names and
        sizes of the targets that are smaller than 40 pixels.
    """
    found: dict[str, Any] = page.evaluate(_LOOK, LEAST_TARGET)
    return found
