"""What the viewer is told and what it answers.

`ViewerMessage` goes to the browser as JSON (`to_json`); a report comes back and is read by `read_report`,
which distrusts it like any file: types, ranges and ids are checked, and nothing else of it is kept. The same
samples in ``tests/data/viewer`` are read by the tests of this module and by those of ``web/viewer/state.js``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from msgspec import Meta

from maskrcnn_core.common.typed_json import read_as
from maskrcnn_core.drawing.style import ColorBy, Style
from pages.components.checks import COLOR, MAX_INT, check_int, check_unit, shorten

VERSION = 1


class RleLike(Protocol):
    """A mask in COCO's compressed form, as the browser decodes it."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""

    @property
    def counts(self) -> str: ...


class CocoRle(NamedTuple):
    """The plainest `RleLike`."""

    size: tuple[int, int]
    counts: str


@dataclass(frozen=True)
class ViewerTiles:
    """Where the tiles of a picture are that is too large for one file: ``{url}{level}/{column}_{row}.jpg``.

    Args:
        url: as `ViewerImage.url`, with a slash at its end.
        size: a tile's side in its own pixels.
        levels: how many; level n shows the picture at 1 / 2^n.
    """

    url: str
    size: int
    levels: int

    def __post_init__(self) -> None:
        check_int("tiles.size", self.size, least=1)
        check_int("tiles.levels", self.levels, least=1)


@dataclass(frozen=True)
class ViewerImage:
    """The image behind the instances.

    Args:
        key: tells images apart, e.g. the content's digest; zoom and choices live as long as it stays.
        url: where the browser finds it, upright; it may be a smaller copy.
        width, height: in pixels of the original, in which boxes and masks are given.
        name: shown as it is, never as markup.
        small_url: where a copy is that the browser shows until it has the other one; empty for none.
        tiles: in place of the image, which has no URL then.
        micrometres: that a pixel is wide; ``None`` where that is unknown.
    """

    key: str
    url: str
    width: int
    height: int
    name: str
    small_url: str = ""
    tiles: ViewerTiles | None = None
    micrometres: float | None = None

    def __post_init__(self) -> None:
        for name in ("width", "height"):
            check_int(f"image.{name}", getattr(self, name), least=1)
        if self.micrometres is not None and not (self.micrometres > 0 and math.isfinite(self.micrometres)):
            raise ValueError(f"image.micrometres: expected a number above 0, got {self.micrometres}")

    def to_json(self) -> dict[str, Any]:
        left_out = {name for name in ("tiles", "micrometres") if getattr(self, name) is None}
        return {name: value for name, value in asdict(self).items() if name not in left_out}


def square_micrometres(pixel: tuple[float, float] | None) -> float | None:
    """Return how wide a pixel is for the scale bar, which turns with the image.

    ``None`` where that is unknown, or it is not as high.

    Args:
        pixel: its width and height in micrometres.
    """
    return pixel[0] if pixel is not None and math.isclose(*pixel, rel_tol=1e-3) else None


@dataclass(frozen=True)
class ViewerInstance:
    """One instance to show.

    Args:
        id: the stable number that selections name.
        box: x1, y1, x2, y2 in pixels of the original image; it may differ from the mask's own.
        rle: None where only the box is known.
        color_instance, color_category: ``"#rrggbb"``, lower case.

    Raises:
        ValueError: if a number is out of range or not finite, or a colour has another form.
    """

    id: int
    label: str
    category_id: int
    score: float
    box: tuple[float, float, float, float]
    rle: RleLike | None
    color_instance: str
    color_category: str

    def __post_init__(self) -> None:
        where = f"instance {self.id}"
        check_int(f"{where}: id", self.id, least=-MAX_INT)
        check_int(f"{where}: category_id", self.category_id, least=-MAX_INT)
        check_unit(f"{where}: score", self.score)
        if len(self.box) != 4 or not all(math.isfinite(value) for value in self.box):
            raise ValueError(f"{where}: box: expected 4 finite numbers, got {shorten(self.box)}")
        for name in ("color_instance", "color_category"):
            if not COLOR.fullmatch(getattr(self, name)):
                raise ValueError(f"{where}: {name}: expected #rrggbb, got {shorten(getattr(self, name))}")

    def to_json(self) -> dict[str, Any]:
        """Round box corners to a hundredth of a pixel; keep the full score: both sides filter alike."""
        rle = None
        if self.rle is not None:
            rle = {"size": [int(length) for length in self.rle.size], "counts": self.rle.counts}
        return {
            "id": self.id,
            "label": self.label,
            "category_id": self.category_id,
            "score": float(self.score),
            "box": [round(float(value), 2) for value in self.box],
            "rle": rle,
            "color_instance": self.color_instance,
            "color_category": self.color_category,
        }


@dataclass(frozen=True)
class ViewerState:
    """What the person looking has chosen, as last reported for this image.

    Args:
        image: key of the image it belongs to.
        seq: number of the report it came with; give it back as the next message's ``ack``. With it, the
            message's own values win over what the browser still shows: that is how Python overrides.
        selected: ids in rising order; only instances that are shown.
        hidden_categories: category ids in rising order.
        measured: the length last measured in the image, in its pixels; None before the first.
    """

    image: str
    score_threshold: float
    selected: tuple[int, ...] = ()
    hidden_categories: tuple[int, ...] = ()
    display: Style = field(default_factory=Style)
    seq: int = 0
    measured: float | None = None


@dataclass(frozen=True)
class ViewerMessage:
    """All that the viewer shows.

    Args:
        min_score: the score slider's lower end; instances below are not worth sending.
        own_threshold: the model's own score threshold, to go back to from another one; None for none.
        ack: number of the newest report these values already contain (`ViewerState.seq`).
        message: said in place of instances when there are none.
        source: what found the instances, as the list of instances has it; empty where each says it itself.
        title: one line above all, which changes together with the picture; empty for none.
        instances_url: where the browser finds the instances, as `ViewerInstance.to_json` has them, if they
            are too many for a message; it changes with them. Empty where the message has them.

    Raises:
        ValueError: if ids repeat, a mask has not the image's size, or a value is out of range.
    """

    image: ViewerImage
    instances: tuple[ViewerInstance, ...]
    score_threshold: float = 0.5
    min_score: float = 0.05
    own_threshold: float | None = None
    selected: tuple[int, ...] = ()
    hidden_categories: tuple[int, ...] = ()
    display: Style = field(default_factory=Style)
    ack: int = 0
    message: str = "No instances found: take another model"
    source: str = ""
    title: str = ""
    instances_url: str = ""

    def __post_init__(self) -> None:
        check_unit("min_score", self.min_score)
        check_unit("score_threshold", self.score_threshold)
        if self.own_threshold is not None:
            check_unit("own_threshold", self.own_threshold)
        check_int("ack", self.ack)
        size = (self.image.height, self.image.width)
        for instance in self.instances:
            found = size if instance.rle is None else tuple(instance.rle.size)
            if found != size:
                raise ValueError(f"instance {instance.id}: mask of size {found} on an image of size {size}")
        if len(self.ids) != len(self.instances):
            raise ValueError("instances: expected each id once")
        if unknown := set(self.selected) - self.ids:
            raise ValueError(f"selected: expected instances of the message, got {sorted(unknown)[:5]}")

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(instance.id for instance in self.instances)

    @property
    def categories(self) -> frozenset[int]:
        return frozenset(instance.category_id for instance in self.instances)

    @property
    def state(self) -> ViewerState:
        """Return what the message itself says has been chosen."""
        return ViewerState(
            image=self.image.key,
            score_threshold=self.score_threshold,
            selected=self.selected,
            hidden_categories=self.hidden_categories,
            display=self.display,
            seq=self.ack,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "image": self.image.to_json(),
            "instances": [] if self.instances_url else [one.to_json() for one in self.instances],
            **({"instances_url": self.instances_url} if self.instances_url else {}),
            "score_threshold": float(self.score_threshold),
            "min_score": float(self.min_score),
            "own_threshold": None if self.own_threshold is None else float(self.own_threshold),
            "selected": list(self.selected),
            "hidden_categories": list(self.hidden_categories),
            "display": asdict(self.display),
            "ack": self.ack,
            "message": self.message,
            "source": self.source,
            "title": self.title,
        }


def read_report(report: object, message: ViewerMessage) -> ViewerState | None:
    """Return the state a browser's report describes, or None if it is about another image.

    A person may switch images while a report is under way, so that is nothing wrong.

    Raises:
        ValueError: names the field that is missing, has another type, is out of range or names an id that
            the message does not have.
    """
    if not isinstance(report, Mapping):
        raise ValueError(f"report: expected named fields, got {shorten(report)}")
    if read_as(report, _Head).image != message.image.key:
        return None
    sent = read_as(report, _Report)
    for i, id_ in enumerate(sent.selected):
        if id_ not in message.ids:
            raise ValueError(f"selected[{i}]: expected the id of an instance, got {id_}")
    return ViewerState(
        image=message.image.key,
        seq=sent.seq,
        score_threshold=sent.score_threshold,
        selected=tuple(sorted(set(sent.selected))),
        # A category stays hidden when its last instance goes, so these need not be known.
        hidden_categories=tuple(sorted(set(sent.hidden_categories))),
        display=Style(**vars(sent.display)),
        measured=sent.measured,
    )


_Unit = Annotated[float, Meta(ge=0, le=1)]
_Ids = Annotated[tuple[Annotated[int, Meta(ge=-MAX_INT, le=MAX_INT)], ...], Meta(max_length=100_000)]


@dataclass(frozen=True)
class _Head:
    version: Literal[1]
    image: str


@dataclass(frozen=True)
class _Display:
    """As `Style`, all of which the browser tells."""

    opacity: _Unit
    masks: bool
    contours: bool
    boxes: bool
    labels: bool
    color_by: ColorBy
    splash: bool


@dataclass(frozen=True)
class _Report:
    seq: Annotated[int, Meta(ge=1, le=MAX_INT)]
    score_threshold: _Unit
    selected: _Ids
    hidden_categories: _Ids
    display: _Display
    measured: Annotated[float, Meta(gt=0, le=MAX_INT)] | None = None
