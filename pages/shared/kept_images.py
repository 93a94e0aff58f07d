"""The open images of each browser tab, which a reload, a closed tab and a restarted server do not lose.

They lie in a folder of the person's data, one for each tab, named after a word that only this tab and the
server know (``web/review/open_images.js`` holds it). Beside them lies what was chosen on the page (`View`).
Images that nobody opens for `DAYS` days are removed; closed ones after a day.
"""

from __future__ import annotations

import logging
import secrets
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec
import streamlit as st
from msgspec import Meta

from maskrcnn_core.common.atomic_files import data_folder, replace_file
from maskrcnn_core.common.typed_json import read_as
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.images.reading import Stretch
from maskrcnn_core.models.catalog import all_models
from maskrcnn_core.workspace import OpeningReport, Workspace
from maskrcnn_core.workspace.image_files import ImageFiles, remove_unused
from pages.components.outbox import told_images
from pages.shared.housekeeping import is_server
from pages.shared.purging import every_day
from pages.shared.session import UiState

__all__ = ["DAYS", "KeptImages", "LeftOpen", "join_told", "kept_images"]

DAYS = 30
"""So long images stay that nobody opens."""

_LOG = logging.getLogger(__name__)
_VIEW = "view"


@dataclass(frozen=True)
class View:
    """What was chosen on the page beside the images, as the next session of the tab finds it."""

    current: str | None = None
    stretch: Stretch = "auto"
    model_key: str = ""
    is_model_chosen: bool = False
    domain: str = ""
    domains_kept: tuple[tuple[str, str], ...] = ()
    score_threshold: float = 0.5
    nms_threshold: float = 0.5
    mask_threshold: float = 0.5
    max_detections: int = 100
    limits: dict[str, Annotated[int, Meta(ge=1)]] = field(default_factory=dict)
    own_nms: float = 0.5
    scored_by: tuple[str, str] = ("", "")
    only_categories: tuple[str, ...] = ()
    hidden_categories: tuple[int, ...] = ()
    display: Style = field(default_factory=Style)
    samples_open: tuple[str, ...] = ()
    mended_in: int = 0
    mended_as: Stretch = "auto"
    kept: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _ = self.thresholds  # whose ranges are the page's own

    @property
    def thresholds(self) -> Thresholds:
        """The sliders' values; the categories are chosen by name."""
        return Thresholds(self.score_threshold, self.nms_threshold, self.max_detections, self.mask_threshold)

    @classmethod
    def of(cls, state: UiState) -> View:
        """Return what is chosen now."""
        chosen = state.thresholds
        return cls(
            current=state.current,
            stretch=state.workspace.stretch,
            model_key=state.model_key,
            is_model_chosen=state.is_model_chosen,
            domain=state.domain,
            domains_kept=tuple(sorted(state.domains_kept)),
            score_threshold=chosen.score_threshold,
            nms_threshold=chosen.nms_threshold,
            mask_threshold=chosen.mask_threshold,
            max_detections=chosen.max_detections,
            limits=dict(state.limits),
            own_nms=state.own_nms,
            scored_by=state.scored_by,
            only_categories=tuple(state.only_categories),
            hidden_categories=state.hidden_categories,
            display=state.display,
            samples_open=tuple(sorted(state.samples_open)),
            mended_in=state.mended_in,
            mended_as=state.mended_as,
            kept=tuple(sorted(state.kept)),
        )

    def show_in(self, state: UiState) -> None:
        """Choose it in a session whose workspace has the images."""
        state.model_key, state.is_model_chosen = self.model_key, self.is_model_chosen
        state.model_round += 1  # the menu is another widget, with this value
        state.domain, state.domains_kept = self.domain, set(self.domains_kept)
        state.thresholds, state.limits, state.own_nms = self.thresholds, dict(self.limits), self.own_nms
        state.scored_by, state.only_categories = self.scored_by, list(self.only_categories)
        state.hidden_categories, state.display = self.hidden_categories, self.display
        state.samples_open |= set(self.samples_open)
        state.mended_in, state.mended_as, state.kept = self.mended_in, self.mended_as, set(self.kept)
        if self.current in state.workspace.images:
            state.look_at(self.current)


@dataclass(frozen=True)
class LeftOpen:
    """Images that a tab which is closed now left open.

    Args:
        token: the tab's word.
        names: of the images, in their order.
    """

    token: str
    names: tuple[str, ...]


class _OneAtATime:
    """A session's runs may overlap: each would give its images a word, and move them from the other's."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


class KeptImages:
    """The workspaces of all tabs of a server.

    Args:
        folder: in which each tab's images have a folder; made when the first image is opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: weakref.WeakValueDictionary[str, Workspace] = weakref.WeakValueDictionary()
        self._views: weakref.WeakKeyDictionary[Workspace, View] = weakref.WeakKeyDictionary()

    def keep(self, state: UiState) -> None:
        """Keep a session's images from now on, once it has some, and what is chosen beside them."""
        with state.of(_OneAtATime).lock:
            self._keep(state)

    def _keep(self, state: UiState) -> None:
        workspace = state.workspace
        try:
            if not state.images_token:
                if not workspace.images:
                    return
                token = secrets.token_hex(12)
                workspace.keep_in(self._place(token))
                self._live[token], state.images_token = workspace, token
            view = View.of(state)
            if self._views.get(workspace) != view:
                replace_file(self._place(state.images_token) / _VIEW, msgspec.json.encode(view))
                self._views[workspace] = view
        except OSError as error:  # the browser asks before they are lost, as it is told no word
            _LOG.warning("open images are not kept: %s", error)

    def join(self, state: UiState, token: str) -> None:
        """Open in a session what a tab had open, as it was; what the session has by now stays open, too."""
        with state.of(_OneAtATime).lock:
            self._join(state, token)

    def _join(self, state: UiState, token: str) -> None:
        live = self._live.get(token)
        if live is None and not self._place(token).is_dir():
            return  # nobody opened them for a month
        view = self._view(token)
        added = OpeningReport()
        if live is None:
            try:
                added = state.workspace.keep_in(self._place(token), view.stretch)
            except OSError as error:
                _LOG.warning("open images cannot be read: %s", error)
                return
            self._live[token] = state.workspace
        elif live is not state.workspace:
            mine, state.workspace = state.workspace, live
            for digest, image in mine.images.items():
                added += live.add(image.name, mine.original(digest))
        self._live.pop(state.images_token, None)
        state.images_token, state.added = token, OpeningReport(refused=added.refused)
        view.show_in(state)
        if view.model_key not in {"", *state.custom, *(spec.key for spec in all_models())}:
            st.toast("The model chosen before is not here any more: load it again on the Models page.")
        if state.current not in state.workspace.images:
            state.look_at(next(iter(state.workspace.images), None))

    def left_open(self, tokens: Iterable[str]) -> list[LeftOpen]:
        """Return which of these words have images open."""
        found = []
        for token in tokens:
            if (live := self._live.get(token)) is not None:
                names = [image.name for image in live.images.values()]
            elif self._place(token).is_dir():
                names = [image.name for image in ImageFiles(self._place(token)).open()[0]]
            else:
                continue
            if names:
                found.append(LeftOpen(token, tuple(names)))
        return found

    def close(self, token: str) -> None:
        """Close what a tab left open; the files go for good."""
        live = self._live.get(token)
        workspace = Workspace() if live is None else live
        if live is None:
            workspace.keep_in(self._place(token))
        workspace.remove(list(workspace.images))
        workspace.remove_closed()

    def remove_unused(self) -> int:
        """Remove images that nobody has opened for long; return of how many tabs."""
        return remove_unused(self._folder, days=DAYS, but=[self._place(token) for token in self._live])

    def _place(self, token: str) -> Path:
        # Who may list the folder reads no word there.
        return self._folder / sha256(token.encode()).hexdigest()[:32]

    def _view(self, token: str) -> View:
        try:
            return read_as(msgspec.json.decode((self._place(token) / _VIEW).read_bytes()), View)
        except (OSError, ValueError) as error:
            _LOG.warning("what was chosen beside the open images could not be read: %s", error)
            return View()


@st.cache_resource(show_spinner=False)
def kept_images() -> KeptImages:
    """Return those of this server."""
    kept = KeptImages(data_folder().absolute() / "open_images")
    if is_server():
        threading.Thread(target=every_day, args=(kept.remove_unused,), name="unused", daemon=True).start()
    return kept


def join_told(state: UiState) -> None:
    """Open what the browser has told to have been open in this tab, once."""
    told = told_images()
    if told.token and not state.images_token:
        kept_images().join(state, told.token)
