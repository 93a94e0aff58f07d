"""The page table: a page is a file and a row here."""

from dataclasses import dataclass

__all__ = ["PAGES", "PageSpec"]


@dataclass(frozen=True)
class PageSpec:
    """One page of the app.

    Args:
        file: relative to ``app.py``.
        title: in the menu and the browser's tab.
        icon: a Material symbol.
        shows: one sentence for the README.
    """

    file: str
    title: str
    icon: str
    shows: str


PAGES: tuple[PageSpec, ...] = (
    PageSpec(
        "pages/annotate.py",
        "Annotate",
        ":material/select_all:",
        "Images in, instances with masks, live thresholds, exact files out.",
    ),
    PageSpec(
        "pages/project.py",
        "Project",
        ":material/folder_open:",
        "A data set that stays: images in, a model over all of them, how it stands, categories, files out.",
    ),
    PageSpec(
        "pages/review.py",
        "Review",
        ":material/rate_review:",
        "A queue of what is most in doubt first; accept, reject, relabel and go on, each with one key.",
    ),
    PageSpec(
        "pages/how_it_works.py",
        "How it works",
        ":material/account_tree:",
        "Mask R-CNN stage by stage on your own picture, and why something on it was missed.",
    ),
    PageSpec(
        "pages/models.py",
        "Models",
        ":material/neurology:",
        "What each model is made of, its licence and accuracy; download one, or load your own.",
    ),
)
