"""What one browser session has chosen on the Project page."""

from __future__ import annotations

from dataclasses import dataclass, field

from maskrcnn_core.projects.db.damage import Damage
from maskrcnn_core.projects.exchange.import_report import ImportReport
from maskrcnn_core.projects.review.review_queue import QueueFilter
from pages.shared.notice import Notice

__all__ = ["PageUi"]


@dataclass
class PageUi:
    """The page's choices.

    Attributes:
        section: the key of the section that is shown.
        addressed: the section as the page last wrote it into its address.
        wanted: the filter of gallery, review and export.
        wanted_by: what set the filter, in words; empty for none.
        has_charts: whether the charts were drawn before, so that the browser has their script.
        chart_round: part of the charts' keys; a new one lets go of a chosen bar.
        gallery_page: of the gallery, from 0.
        upload_round: part of the uploader's key; a new one frees the last files' memory.
        report: what became of the last files that were handed in.
        notice: what is reported of something that was done.
        damage: the project's rows that were found damaged when it was to be exported.
    """

    section: str = "overview"
    addressed: str = ""
    wanted: QueueFilter = field(default_factory=QueueFilter)
    wanted_by: str = ""
    has_charts: bool = False
    chart_round: int = 0
    gallery_page: int = 0
    upload_round: int = 0
    report: ImportReport | None = None
    notice: Notice = field(default_factory=Notice)
    damage: tuple[Damage, ...] = ()

    @property
    def filter_told(self) -> str:
        """The filter in words; empty for none but that of the images' status."""
        searched = f"images found by {self.wanted.search}" if self.wanted.search else ""
        return ", ".join(filter(None, (self.wanted_by, searched)))

    def in_another_project(self) -> PageUi:
        """Keep where one is on the page, but not what was chosen in a project, or said of it."""
        return PageUi(
            section=self.section,
            addressed=self.addressed,
            has_charts=self.has_charts,
            chart_round=self.chart_round + 1,
            upload_round=self.upload_round,
            notice=self.notice,
        )
