"""All of ``st.session_state``: one object a session, made when it is first asked for.

Widgets read their value from here and write it back in the same line. A keyed widget alone loses its
value while another page is open; a widget without a key loses every second change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import streamlit as st

from maskrcnn_core.detections import Thresholds
from maskrcnn_core.domains.rule import Guess
from maskrcnn_core.images import Stretch
from maskrcnn_core.masks import Rle
from maskrcnn_core.store.exchange import ImportReport
from maskrcnn_core.store.queues import QueueFilter, QueueItem, Unit
from maskrcnn_core.store.records import ImageStatus, Status
from maskrcnn_core.workspace import AddReport, Workspace
from pages.ui.review.messages import Refusal, ReviewMessage
from pages.ui.stepper import Steps
from pages.ui.viewer import DisplayOptions
from pages.ui.walk.state import WalkUi

if TYPE_CHECKING:
    from maskrcnn_core.inference import Predictor

__all__ = ["REVIEWER", "Prepared", "ProjectUi", "ReviewUi", "Shown", "UiState", "get_state"]

_KEY = "maskdesk"
REVIEWER = "reviewer"
"""The key of the reviewer on its page."""


@dataclass
class Prepared:
    """An export that was made and waits to be downloaded.

    Args:
        fingerprint: of all that decides its content; another one makes it stale.
        file: where it lies, in the session's folder.
        name: for the person's disk.
        mime: its type.
        notes: what the checks said.
    """

    fingerprint: object
    file: str
    name: str
    mime: str
    notes: tuple[str, ...]


def _unfinished() -> QueueFilter:
    return QueueFilter(image_statuses=frozenset({"new", "opened"}))


@dataclass(frozen=True)
class Shown:
    """What the Review page shows.

    Attributes:
        message: the reviewer's.
        pictures: the picture's bytes by the key of each frame's image.
        images, instances: how many have each status.
    """

    message: ReviewMessage
    pictures: Mapping[str, bytes]
    images: Counter[ImageStatus]
    instances: Counter[Status]


@dataclass
class ReviewUi:
    """Where one browser session is in its review.

    Attributes:
        wanted: the queue's filter.
        order, unit, threshold: how the queue is made.
        queue: what is gone through; it stays as it is while people decide.
        made_of: all that the queue was made of; when it changes, another queue is made.
        token: the queue's name.
        at: the present place in it.
        address: image and instance as the page last wrote them into its address.
        round: part of the filter's keys; a new one shows what was chosen elsewhere.
        acks: for each browser tab, the number of the last operation that was taken in.
        refused: operations that were not carried out, by tab.
        remarks: what became of operations, where there is more to say, by tab.
        made: ids of the instances that operations made, by tab and operation.
        box_model: key of the model that fills drawn boxes; empty for the project's last one.
        display, score_threshold, hidden_categories, ack: what was chosen in the viewer.
        shown: what was shown last, for when the database does not answer.
    """

    wanted: QueueFilter = field(default_factory=_unfinished)
    order: str = "doubt"
    unit: Unit = "image"
    threshold: float = 0.5
    queue: tuple[QueueItem, ...] = ()
    made_of: object = None
    token: str = ""
    at: int = 0
    address: tuple[int | None, int | None] = (None, None)
    round: int = 0
    acks: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[Refusal]] = field(default_factory=dict)
    remarks: dict[str, list[Refusal]] = field(default_factory=dict)
    made: dict[str, dict[int, tuple[int, ...]]] = field(default_factory=dict)
    box_model: str = ""
    display: DisplayOptions = field(default_factory=DisplayOptions)
    score_threshold: float = 0.0
    hidden_categories: tuple[int, ...] = ()
    ack: int = 0
    shown: Shown | None = None

    @property
    def item(self) -> QueueItem | None:
        """What is looked at."""
        return self.queue[self.at] if self.at < len(self.queue) else None


@dataclass
class ProjectUi:
    """What one browser session has chosen on the pages of projects.

    Attributes:
        id: the store's id of the project that is looked at.
        who, is_named: the person's name in the journal, empty until it is known, and whether they have given
            it themselves.
        nameless: by browser tab, how many of its operations wait to be told whose they are.
        section: the key of the Project page's section.
        is_addressed: whether the page's address has been followed.
        wanted: the filter of gallery, review and export.
        wanted_by: what set the filter, in words; empty for none.
        has_charts: whether the charts were drawn before, so that the browser has their script.
        chart_round: part of the charts' keys; a new one lets go of a chosen bar.
        gallery_page: of the gallery, from 0.
        upload_round: part of the uploader's key; a new one frees the last files' memory.
        report: what became of the last files that were handed in.
        said: what is said once after something was done.
        review: where the review is.
        last: the `OpenProject` that was drawn last, for when the database does not answer.
    """

    id: int | None = None
    who: str = ""
    is_named: bool = False
    nameless: dict[str, int] = field(default_factory=dict)
    section: str = "overview"
    is_addressed: bool = False
    wanted: QueueFilter = field(default_factory=QueueFilter)
    wanted_by: str = ""
    has_charts: bool = False
    chart_round: int = 0
    gallery_page: int = 0
    upload_round: int = 0
    report: ImportReport | None = None
    said: str = ""
    review: ReviewUi = field(default_factory=ReviewUi)
    last: object = None

    def call(self, name: str) -> None:
        """Takes the name that the person gives; empty to be nobody again."""
        self.who, self.is_named = name, bool(name)

    def open(self, project_id: int | None) -> None:
        """Goes to a project; what was chosen in another one does not hold in it."""
        if project_id == self.id:
            return
        self.id, self.wanted, self.wanted_by, self.report = project_id, QueueFilter(), "", None
        self.gallery_page, self.chart_round = 0, self.chart_round + 1
        # What was taken in from a tab stays so, and what one likes to see is no matter of a project.
        self.review = ReviewUi(
            round=self.review.round + 1,
            acks=self.review.acks,
            refused=self.review.refused,
            remarks=self.review.remarks,
            made=self.review.made,
            display=self.review.display,
            ack=self.review.ack,
        )

    def review_these(self, wanted: QueueFilter) -> None:
        """Makes the review's queue of what a filter means."""
        self.review.wanted, self.review.made_of = wanted, None
        self.review.round += 1


@dataclass
class UiState:
    """What one browser session knows.

    Attributes:
        workspace: the open images and what the network said of them.
        model_key: of the chosen model; empty until one is ready.
        is_model_chosen: a person has chosen it, so nothing takes its place.
        model_round: part of the menu's key; a new one shows what was chosen elsewhere.
        tried_at: when a person last asked to fetch better models again, as ``14:03:59``; empty for never.
        took_over, is_told: keys of the models before and after one took over, while that can be taken back;
            and whether it was said.
        domain: key of the chosen domain; empty before the first model.
        domains_kept: a picture's digest, or what pictures seem to be, with the domain that was kept for it.
        guesses: what pictures seem to be, by digest and stretch.
        samples_open: digests of samples that were opened.
        custom: the session's own models, by key; nobody else sees them.
        thresholds: as set by the sliders.
        limits: detections per image, for each model that was chosen so far.
        scored_by: model and domain that the present score threshold belongs to.
        only_categories: names of the only categories to show; empty for all.
        current: digest of the image that is looked at.
        selected: candidate rows chosen in the current image.
        hidden_categories: ids switched off in the viewer.
        display: what the viewer draws.
        ack: number of the last report taken from the viewer.
        added: what became of the last files that were handed in.
        upload_round: part of the uploader's key; a new one frees the last files' memory.
        prepared: the export that waits to be downloaded.
        table_rows: candidate rows of the table as last drawn; its selection names positions in it.
        table_categories, least_area: the table's filter.
        loaded: what the Models page says once after a model was loaded.
        steps: what was taken in of the buttons that go through the images.
        visit: counts moves to another image that were not made in the gallery's table.
        cut_outs: the table's pictures, by image and mask.
        seen: what the page depends on, as last drawn; the gallery renews the page when it changes.
        export_format, export_all, tolerance: what is chosen under downloads.
        project: what is chosen on the pages of projects.
        project_file: the export of a project that waits to be downloaded.
        mended_in: the store's id of the project in which these images are mended; 0 before the first.
        kept: digests of open images that such a project has.
        mended_as: how dim images were seen when that project was last told.
        walk: what is chosen on the page that explains the network.
        walk_file: the report or notebook of it that waits to be downloaded.
    """

    workspace: Workspace = field(default_factory=Workspace)
    model_key: str = ""
    is_model_chosen: bool = False
    model_round: int = 0
    tried_at: str = ""
    took_over: tuple[str, str] | None = None
    is_told: bool = False
    domain: str = ""
    domains_kept: set[tuple[str, str]] = field(default_factory=set)
    guesses: dict[tuple[str, Stretch], Guess] = field(default_factory=dict)
    samples_open: set[str] = field(default_factory=set)
    custom: dict[str, Predictor] = field(default_factory=dict)
    thresholds: Thresholds = field(default_factory=Thresholds)
    limits: dict[str, int] = field(default_factory=dict)
    scored_by: tuple[str, str] = ("", "")
    only_categories: list[str] = field(default_factory=list)
    current: str | None = None
    selected: tuple[int, ...] = ()
    hidden_categories: tuple[int, ...] = ()
    display: DisplayOptions = field(default_factory=DisplayOptions)
    ack: int = 0
    added: AddReport = field(default_factory=AddReport)
    upload_round: int = 0
    prepared: Prepared | None = None
    table_rows: tuple[int, ...] = ()
    table_categories: list[str] = field(default_factory=list)
    least_area: int = 0
    loaded: str = ""
    steps: Steps = field(default_factory=Steps)
    visit: int = 0
    cut_outs: dict[tuple[str, Rle], str] = field(default_factory=dict)
    seen: object = None
    export_format: str = "coco"
    export_all: bool = False
    tolerance: float = 0.0
    project: ProjectUi = field(default_factory=ProjectUi)
    project_file: Prepared | None = None
    mended_in: int = 0
    kept: set[str] = field(default_factory=set)
    mended_as: Stretch = "auto"
    walk: WalkUi = field(default_factory=WalkUi)
    walk_file: Prepared | None = None

    @property
    def model_widget(self) -> str:
        """The key of the model menu."""
        return f"model-choice-{self.model_round}" if self.model_round else "model-choice"

    @property
    def is_unkept(self) -> bool:
        """Whether images are open that would be gone with this session: neither samples nor in a project."""
        return bool(self.workspace.images.keys() - self.samples_open - self.kept)

    @property
    def choices(self) -> object:
        """What decides which instances are shown, and how."""
        return self.thresholds, self.hidden_categories, self.display

    def ask_for_model(self, key: str, *, is_chosen: bool) -> None:
        """Changes to another model than the menu's; ``is_chosen`` keeps better ones from taking its place."""
        self.model_key, self.is_model_chosen, self.took_over = key, is_chosen, None
        self.model_round += 1  # another widget: the menu's own value is that of the old model
        self.selected = ()  # rows of the old model's answers

    def look_at(self, digest: str | None) -> None:
        """Goes to another image; what was chosen in the old one is no longer chosen."""
        if digest != self.current:
            self.current, self.selected = digest, ()
            self.visit += 1
        if digest is None:
            self.forget_kept_kinds()

    def forget_kept_kinds(self) -> None:
        """Lets hints come again for pictures of a kind that the domain was kept for; single ones stay."""
        self.domains_kept = {kept for kept in self.domains_kept if kept[0] in self.workspace.images}


def get_state() -> UiState:
    """This session's state."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = UiState()
    state: UiState = st.session_state[_KEY]
    return state
