"""All of ``st.session_state``: one object per session, made when it is first asked for.

Widgets read their value from here and write it back in the same line. A keyed widget alone loses its
value while another page is open; a widget without a key loses every second change.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, cast

import streamlit as st
from cachetools import LRUCache

from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.geometry.rle import Rle
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.models.domains.rule import Guess
from maskrcnn_core.projects.review.review_queue import QueueFilter
from maskrcnn_core.tiling.choosing import AUTO
from maskrcnn_core.workspace import OpeningReport, Workspace
from pages.components.review_messages import Refusal
from pages.components.review_protocol import Go
from pages.components.stepper import Steps

if TYPE_CHECKING:
    from maskrcnn_core.inference.predictor import Predictor

__all__ = ["REVIEWER", "OfProject", "Prepared", "ProjectUi", "TakenIn", "Turned", "UiState", "get_state"]

_KEY = "maskdesk"
_CUT_OUTS_KEPT = 3000  # of about 3 kB
_T = TypeVar("_T")
_P = TypeVar("_P", bound="OfProject")
_MOVES_KEPT = 100
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


@dataclass(frozen=True)
class Turned:
    """An undo or redo was carried out in an image."""

    image_id: int


@dataclass
class TakenIn:
    """What was taken in of the operations that browser tabs have sent, on whatever page.

    Attributes:
        acks: for each tab, the number of the last operation that was taken in.
        refused: operations that were not carried out, by tab.
        remarks: what became of operations, where there is more to say, by tab.
        made: ids of the instances that operations made, by tab and operation.
        nameless: by tab, how many of its operations wait to be told whose they are.
        moves: where the Review page has yet to go, the oldest first.
    """

    acks: dict[str, int] = field(default_factory=dict)
    refused: dict[str, list[Refusal]] = field(default_factory=dict)
    remarks: dict[str, list[Refusal]] = field(default_factory=dict)
    made: dict[str, dict[int, tuple[int, ...]]] = field(default_factory=dict)
    nameless: dict[str, int] = field(default_factory=dict)
    moves: deque[Go | Turned] = field(default_factory=lambda: deque(maxlen=_MOVES_KEPT))


@dataclass
class ProjectUi:
    """Which project one browser session looks at, and who looks.

    Attributes:
        id: the store's id of the project; ``None`` before the first.
        who, is_named: the person's name in the journal, empty until it is known, and whether they have given
            it themselves.
        taken: what was taken in of the browser's operations.
        box_model: key of the model that fills drawn boxes; empty for the project's last one.
        to_review: what the Review page is to make its queue of, as another page has asked.
        last: the `OpenProject` that was drawn last, for when the database does not answer.
    """

    id: int | None = None
    who: str = ""
    is_named: bool = False
    taken: TakenIn = field(default_factory=TakenIn)
    box_model: str = ""
    to_review: QueueFilter | None = None
    last: object = None

    def call(self, name: str) -> None:
        """Take the name that the person gives; empty to be nobody again."""
        self.who, self.is_named = name, bool(name)

    def open(self, project_id: int | None) -> None:
        """Go to a project; what was chosen in another one does not hold in it."""
        if project_id != self.id:
            # What was taken in from a tab stays so.
            self.id, self.box_model, self.to_review = project_id, "", None


class OfProject(Protocol):
    """A page's own state that belongs to the open project."""

    def in_another_project(self) -> Self:
        """Return what of it also holds in another project."""


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
        own_nms: the chosen model's own NMS threshold, which :attr:`thresholds` began with.
        scored_by: model and domain that the present score threshold belongs to.
        tiles: how pictures are cut into tiles for the network, as a person says it.
        object_size: how large objects are in the pictures, in pixels, likewise; 0 where nobody says.
        measured: the length last measured with the viewer's ruler, in pixels; None before the first.
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
        steps: what was taken in of the buttons that go through the images.
        visit: counts moves to another image that were not made in the gallery's table.
        cut_outs: the table's pictures, by image and mask.
        seen: what the page depends on, as last drawn; the gallery renews the page when it changes.
        export_format, export_all, tolerance: what is chosen under downloads.
        project: which project is looked at, and who looks.
        project_file: the export of a project that waits to be downloaded.
        mended_in: the store's id of the project in which these images are corrected; 0 before the first.
        kept: digests of open images that such a project has.
        mended_as: how dim images were seen when that project was last told.
        explain_file: the report or notebook of it that waits to be downloaded.
        images_token: the word under which the open images are kept, which only this tab and the server know;
            empty before the first image.
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
    own_nms: float = 0.5
    scored_by: tuple[str, str] = ("", "")
    tiles: str = AUTO
    object_size: float = 0.0
    measured: float | None = None
    only_categories: list[str] = field(default_factory=list)
    current: str | None = None
    selected: tuple[int, ...] = ()
    hidden_categories: tuple[int, ...] = ()
    display: Style = field(default_factory=Style)
    ack: int = 0
    added: OpeningReport = field(default_factory=OpeningReport)
    upload_round: int = 0
    prepared: Prepared | None = None
    table_rows: tuple[int, ...] = ()
    table_categories: list[str] = field(default_factory=list)
    least_area: int = 0
    steps: Steps = field(default_factory=Steps)
    visit: int = 0
    cut_outs: LRUCache[tuple[str, Rle], str] = field(default_factory=lambda: LRUCache(_CUT_OUTS_KEPT))
    seen: object = None
    export_format: str = "coco"
    export_all: bool = False
    tolerance: float = 0.0
    project: ProjectUi = field(default_factory=ProjectUi)
    project_file: Prepared | None = None
    mended_in: int = 0
    kept: set[str] = field(default_factory=set)
    mended_as: Stretch = "auto"
    explain_file: Prepared | None = None
    images_token: str = ""
    _of_pages: dict[type, object] = field(default_factory=dict)
    _of_projects: dict[type, tuple[int | None, Any]] = field(default_factory=dict)

    def of(self, kind: type[_T]) -> _T:
        """Return a page's own state, a ``kind``; it is made when that page first asks for it."""
        return cast(_T, self._of_pages.setdefault(kind, kind()))

    def of_project(self, kind: type[_P]) -> _P:
        """Return a page's own state in the open project, a ``kind``; in another project it starts afresh."""
        id_, kept = self._of_projects.get(kind, (None, None))
        if kept is None or id_ != self.project.id:
            kept = kind() if kept is None else kept.in_another_project()
            self._of_projects[kind] = (self.project.id, kept)
        return cast(_P, kept)

    @property
    def model_widget(self) -> str:
        """The key of the model menu."""
        return f"model-choice-{self.model_round}" if self.model_round else "model-choice"

    @property
    def is_unkept(self) -> bool:
        """Whether images are open that are nowhere else: neither samples nor in a project."""
        return bool(self.workspace.images.keys() - self.samples_open - self.kept)

    @property
    def made_files(self) -> list[Prepared]:
        """The files that wait to be downloaded."""
        return [file for file in (self.prepared, self.project_file, self.explain_file) if file is not None]

    @property
    def choices(self) -> object:
        """What is chosen in the viewer and counts beside it: which instances are shown, how, and a length."""
        return self.thresholds, self.hidden_categories, self.display, self.measured

    def ask_for_model(self, key: str, *, is_chosen: bool) -> None:
        """Change to another model than the menu's; ``is_chosen`` keeps better ones from taking its place."""
        self.model_key, self.is_model_chosen, self.took_over = key, is_chosen, None
        self.model_round += 1  # another widget: the menu's own value is that of the old model
        self.selected = ()  # rows of the old model's answers

    def look_at(self, digest: str | None) -> None:
        """Go to another image; what was chosen in the old one is no longer chosen."""
        if digest != self.current:
            self.current, self.selected = digest, ()
            self.visit += 1
        if digest is None:
            self.forget_kept_kinds()

    def forget_kept_kinds(self) -> None:
        """Let hints come again for images of a kind that the domain was kept for; single ones stay."""
        self.domains_kept = {kept for kept in self.domains_kept if kept[0] in self.workspace.images}


def get_state() -> UiState:
    """Return this session's state."""
    if _KEY not in st.session_state:
        st.session_state[_KEY] = UiState()
    state: UiState = st.session_state[_KEY]
    return state
