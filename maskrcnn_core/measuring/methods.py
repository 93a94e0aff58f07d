"""A methods statement: how instances were found and corrected, in sentences for a paper, of facts alone.

What is not known is not said. Nothing is rounded but sizes of pixels, to six digits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version

from maskrcnn_core.common.one_line import counted, one_line
from maskrcnn_core.common.release import __version__
from maskrcnn_core.dataset.annotations import ImageRecord
from maskrcnn_core.detection.candidates import Thresholds
from maskrcnn_core.microscopy.views import MAX, View

__all__ = ["Corrections", "ModelRun", "SeenImages", "methods_statement", "seen_images"]

_PACKAGES = ("torch", "torchvision", "scikit-image")
_MOST_LISTED = 5


@dataclass(frozen=True)
class ModelRun:
    """A model that ran, and with what settings.

    Args:
        title: of the model.
        digest: SHA-256 of its weights in hex; empty where it is not known.
        thresholds: what was kept of its detections; ``None`` where it is not known.
        categories: names of those that were kept; empty for all.
        tiles: how pictures were cut into tiles; empty for not at all.
        engine: how the network was run, as a description says it; empty for as it was trained.
    """

    title: str
    digest: str
    thresholds: Thresholds | None
    categories: tuple[str, ...] = ()
    tiles: str = ""
    engine: str = ""


@dataclass(frozen=True)
class SeenImages:
    """Which images there were, and what was seen of them.

    Args:
        count: of images.
        views: how many images were seen as each view, by its text; images without a stack are not in it.
        pixels: how many images have each size of a pixel, by its text.
    """

    count: int
    views: Mapping[str, int] = field(default_factory=dict)
    pixels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Corrections:
    """What people did to a data set, as its instances stand now.

    Args:
        accepted, rejected, undecided: proposals of models, by what people said of them.
        relabelled: of those that were not rejected, how many have another category than proposed.
        redrawn: of those that were not rejected, how many have another mask than proposed.
        drawn: instances that people drew, pasted, or brought in files, and did not reject.
        people: how many people decided.
        finished: images that somebody called finished.
    """

    accepted: int = 0
    rejected: int = 0
    undecided: int = 0
    relabelled: int = 0
    redrawn: int = 0
    drawn: int = 0
    people: int = 0
    finished: int = 0


def seen_images(records: Sequence[ImageRecord]) -> SeenImages:
    """Return what is said of images."""
    views = Counter(record.view for record in records if record.view)
    pixels = Counter(_size(*record.pixel_um) for record in records if record.pixel_um)
    return SeenImages(len(records), dict(views), dict(pixels))


def methods_statement(
    images: SeenImages,
    runs: Sequence[ModelRun],
    instances: int,
    corrections: Corrections | None = None,
) -> str:
    """Return the statement: paragraphs of plain text, ready to paste.

    Args:
        images: all of the data set.
        runs: models that ran over them, in order; none where people drew everything.
        instances: how many there are, without those that were rejected.
        corrections: what people did; ``None`` where nobody could.
    """
    parts = [_of_images(images), *(_of_run(run, again=n > 0) for n, run in enumerate(runs))]
    has = "is" if instances == 1 else "are"
    if corrections is None:
        parts.append(f"There {has} {counted(instances, 'instance')}; nobody corrected them.")
    else:
        parts.append(_of_corrections(corrections, instances))
    parts.append(
        "Sizes and shapes are those of each instance's own mask, perimeters are Crofton's, circularity is "
        "4π·area/perimeter², and intensities are of the file's own values within the mask, measured with "
        "scikit-image's regionprops."
    )
    parts.append(_versions())
    return "\n\n".join(parts) + "\n"


def _of_images(images: SeenImages) -> str:
    sentences = [f"{counted(images.count, 'image was', 'images were')} analysed."]
    for text, count in _listed(images.views):
        sentences.append(f"Of {counted(count, 'stack')} {_seen(text)} was seen ({text}).")
    sentences += _left_out(images.views, "view")
    for text, count in _listed(images.pixels):
        sentences.append(f"The size of a pixel is {text} in {counted(count, 'image')}.")
    sentences += _left_out(images.pixels, "size of a pixel", "sizes of a pixel")
    return " ".join(sentences)


def _listed(found: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_LISTED]


def _left_out(found: Mapping[str, int], one: str, many: str = "") -> list[str]:
    more = len(found) - _MOST_LISTED
    if more < 1:
        return []
    return [f"There {'is' if more == 1 else 'are'} {counted(more, one, many)} more."]


def _seen(text: str) -> str:
    view = View.of_text(text)
    page = "the maximum projection over pages" if view.page == MAX else f"page {view.page}"
    slice_ = "the maximum projection over slices" if view.z == MAX else f"slice {view.z}"
    return f"{slice_} of {page}" if view.page != 1 else slice_


def _of_run(run: ModelRun, *, again: bool) -> str:
    weights = f" (weights with SHA-256 {run.digest})" if run.digest else ""
    verb = "were also" if again else "were"
    sentences = [
        f"Instances {verb} found by the Mask R-CNN “{one_line(run.title)}”{weights} in MaskDesk "
        f"{__version__}."
    ]
    if (kept := run.thresholds) is None:
        sentences.append("Its thresholds are not recorded here.")
    else:
        sentences.append(
            f"Kept were detections with a score above {kept.score_threshold:g}, after non-maximum "
            f"suppression at an IoU of {kept.nms_threshold:g}, at most {kept.max_detections:,} an image; a "
            f"pixel belongs to a mask above a probability of {kept.mask_threshold:g}."
        )
    if run.categories:
        sentences.append(f"Only these categories were kept: {', '.join(map(one_line, run.categories))}.")
    if run.tiles:
        sentences.append(f"Large pictures were seen in tiles ({run.tiles}).")
    if run.engine:
        sentences.append(f"The network was run otherwise than it was trained: {run.engine}.")
    return " ".join(sentences)


def _of_corrections(c: Corrections, instances: int) -> str:
    proposals = c.accepted + c.rejected + c.undecided
    sentences = []
    if proposals:
        sentences.append(
            f"Of {counted(proposals, 'proposal')} people accepted {c.accepted:,} and rejected "
            f"{c.rejected:,}; {counted(c.undecided, 'was', 'were')} not decided on. Of those that were not "
            f"rejected, {c.relabelled:,} got another category and {c.redrawn:,} another mask."
        )
    sentences.append(f"{counted(c.drawn, 'instance was', 'instances were')} drawn or brought by people.")
    sentences.append(
        f"{counted(c.people, 'person', 'people')} decided; {counted(c.finished, 'image was', 'images were')} "
        f"called finished. In all there {'is' if instances == 1 else 'are'} {counted(instances, 'instance')}."
    )
    return " ".join(sentences)


def _versions() -> str:
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"Software: {', '.join((f'MaskDesk {__version__}', *found))}."


def _size(x: float, y: float) -> str:
    return f"{x:.6g} µm" if f"{x:.6g}" == f"{y:.6g}" else f"{x:.6g} x {y:.6g} µm"
