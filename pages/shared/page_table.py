"""The page table: a page is a folder with a ``page.py``, and a row here."""

from dataclasses import dataclass

__all__ = ["PAGES", "PageSpec"]


@dataclass(frozen=True)
class PageSpec:
    """One page of the app.

    Args:
        file: relative to ``app.py``.
        address: the page's path in the browser.
        title: in the menu and the browser's tab.
        icon: a Material symbol.
        shows: one sentence for the README.
        components: whose scripts the browser is told to fetch with the page; others come as they are drawn.
        elements: of Streamlit, by the names of their scripts, of which the browser is told in the same way.
    """

    file: str
    address: str
    title: str
    icon: str
    shows: str
    components: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()


_EVERYWHERE = ("BidiComponent", "Selectbox", "Html", "Button")

PAGES: tuple[PageSpec, ...] = (
    PageSpec(
        "pages/annotate/page.py",
        "annotate",
        "Annotate",
        ":material/select_all:",
        "Images in, instances with masks, live thresholds, exact files out.",
        ("outbox", "uploads", "viewer"),
        (*_EVERYWHERE, "FileUploader", "ImageList", "Slider", "Multiselect", "NumberInput", "Checkbox"),
    ),
    PageSpec(
        "pages/project/page.py",
        "project",
        "Project",
        ":material/folder_open:",
        "A data set that stays: add images, run a model over all of them, see progress, edit categories, "
        "export files.",
        ("outbox",),
        (*_EVERYWHERE, "TextInput"),
    ),
    PageSpec(
        "pages/review/page.py",
        "review",
        "Review",
        ":material/rate_review:",
        "A queue that starts with the most doubtful; accept, reject, relabel and move on, each with one key.",
        ("outbox", "review"),
        (*_EVERYWHERE, "TextInput", "ButtonGroup", "Slider", "Multiselect", "Checkbox", "Progress"),
    ),
    PageSpec(
        "pages/slides/page.py",
        "slides",
        "Slides",
        ":material/grid_view:",
        "Whole slides, pyramids and tiled TIFFs of any size: looked at, run over tile by tile, exported.",
        ("outbox", "uploads", "viewer"),
        (*_EVERYWHERE, "FileUploader", "Slider", "Multiselect", "NumberInput", "Progress"),
    ),
    PageSpec(
        "pages/explain/page.py",
        "how_it_works",
        "How it works",
        ":material/account_tree:",
        "Mask R-CNN stage by stage on your own image, and why something was missed.",
        ("outbox", "uploads", "stage_view"),
        (*_EVERYWHERE, "FileUploader", "ImageList", "Slider", "Multiselect", "NumberInput"),
    ),
    PageSpec(
        "pages/models/page.py",
        "models",
        "Models",
        ":material/neurology:",
        "Each model's structure, licence and accuracy; download one, or load your own.",
        ("outbox", "uploads"),
        (*_EVERYWHERE, "FileUploader", "TextArea", "Checkbox"),
    ),
)
