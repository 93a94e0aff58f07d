"""The slides that a session has open, and how a file that was handed in elsewhere gets among them."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import orjson

from maskrcnn_core.drawing.instances import colors_of
from maskrcnn_core.drawing.palette import category_color, hex_color
from maskrcnn_core.drawing.style import Style
from maskrcnn_core.slides.tables import is_tiff
from maskrcnn_core.workspace.slide_desk import OpenSlide, SlideDesk, slides_in
from maskrcnn_core.workspace.slide_runs import FoundInSlide
from pages.components.slide_addresses import ServedSlide, serve_slide
from pages.components.viewer import ViewerInstance
from pages.shared.session import Prepared, UiState

__all__ = ["SLIDES_FOLDER", "ShownSlide", "SlidesUi", "folder_of_slides", "take_slide"]

SLIDES_FOLDER = "MASKDESK_SLIDES"
"""The environment variable that names a folder whose slides may be opened where they lie."""


@dataclass(eq=False)
class ShownSlide:
    """What a session has made of an open slide for its viewer.

    Attributes:
        opened: the slide.
        served: its addresses.
        found: what :attr:`instances` were made of.
        instances: as the viewer has them.
        instances_url: where the browser finds them; empty if there are none.
    """

    opened: OpenSlide
    served: ServedSlide
    found: FoundInSlide | None = None
    instances: tuple[ViewerInstance, ...] = ()
    instances_url: str = ""

    def take(self) -> bool:
        """Make the viewer's instances of what is known by now; return whether it is other than before."""
        if self.found is self.opened.found:
            return False
        self.found = self.opened.found
        self.instances = () if self.found is None else tuple(_viewer_instances(self.found))
        self.instances_url = ""
        if self.instances:
            name = f"instances-{len(self.served.instances) + 1}.json"
            data = orjson.dumps([one.to_json() for one in self.instances])
            # Older ones stay: a browser may be about to ask for them.
            self.served.instances[name] = gzip.compress(data, 1, mtime=0)
            self.instances_url = f"{self.served.url}{name}"
        return True


@dataclass
class SlidesUi:
    """What a session knows of its slides.

    Attributes:
        desk: the open ones.
        current: digest of the one that is looked at; empty for none.
        shown: what was made for the viewer, by digest.
        score_threshold: as set in the viewer.
        selected, hidden_categories, display, ack: as in the viewer.
        passed: sentences on files that were handed in elsewhere and are open here.
        refused: sentences on files that could not be opened.
        upload_round: part of the uploaders' keys; a new one frees the last files' memory.
        prepared: the export that waits to be downloaded.
        written: what the last export has of what was found.
        export_format: key of the chosen format.
    """

    desk: SlideDesk = field(default_factory=SlideDesk)
    current: str = ""
    shown: dict[str, ShownSlide] = field(default_factory=dict)
    score_threshold: float = 0.5
    selected: tuple[int, ...] = ()
    hidden_categories: tuple[int, ...] = ()
    display: Style = field(default_factory=Style)
    ack: int = 0
    passed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    upload_round: int = 0
    prepared: Prepared | None = None
    written: FoundInSlide | None = None
    export_format: str = "geojson"

    @property
    def unsaved(self) -> list[tuple[str, str]]:
        """A word and a name for each thing that goes with the session: what was found, and files of it."""
        left = [
            (f"found-{id(opened.found)}", opened.name)
            for opened in self.desk.slides.values()
            if (opened.run is not None and opened.run.is_active)
            or (opened.found is not None and opened.found.kept is not None and opened.found != self.written)
        ]
        return left if self.prepared is None else [*left, (self.prepared.file, self.prepared.name)]

    def look_at(self, key: str) -> None:
        """Go to another slide; what was chosen in the old one is no longer chosen."""
        if key != self.current:
            self.current, self.selected, self.hidden_categories = key, (), ()

    def show(self, opened: OpenSlide) -> ShownSlide:
        """Return what is made of a slide for the viewer."""
        if opened.key not in self.shown:
            self.shown[opened.key] = ShownSlide(opened, serve_slide(opened.tiles))
        return self.shown[opened.key]

    def close(self, key: str) -> None:
        """Close a slide; its addresses lead nowhere any more."""
        self.desk.close(key)
        self.shown.pop(key, None)
        if self.current == key:
            self.look_at(next(iter(self.desk.slides), ""))


def take_slide(state: UiState, name: str, file: BinaryIO) -> bool:
    """Open a file among the slides if it is too large to be decoded and can be read by windows.

    Args:
        state: the session's.
        name: of the file.
        file: at its beginning, where it is left.

    Returns:
        Whether it was opened; the session's :attr:`SlidesUi.passed` says so then.
    """
    head = file.read(4)
    file.seek(0)
    if not is_tiff(head):
        return False
    slides = state.of(SlidesUi)
    opened = slides.desk.add_large(name, file)
    file.seek(0)
    if opened is None:
        return False
    height, width = opened.size
    slides.passed.append(
        f"{name}: {width:,} x {height:,} pixels are too many to be decoded at once; it is open under Slides, "
        "where it is read by windows"
    )
    slides.look_at(opened.key)
    return True


def folder_of_slides() -> tuple[Path, ...]:
    """Return the slides in the folder that `SLIDES_FOLDER` names; none if it names none."""
    place = os.environ.get(SLIDES_FOLDER, "").strip()
    return tuple(slides_in(Path(place))) if place else ()


def _viewer_instances(found: FoundInSlide) -> Iterator[ViewerInstance]:
    names = {category.id: category.name for category in found.categories}
    of_category = {id_: hex_color(category_color(id_)) for id_ in names}
    for instance, color in zip(found.instances, colors_of(found.instances, "instance"), strict=True):
        x, y, width, height = instance.box_xywh
        yield ViewerInstance(
            id=instance.row,
            label=names[instance.category_id],
            category_id=instance.category_id,
            score=1.0 if instance.score is None else instance.score,
            box=instance.given_box or (x, y, x + width, y + height),
            rle=instance.mask,
            color_instance=hex_color(color),
            color_category=of_category[instance.category_id],
        )
