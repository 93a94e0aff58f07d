"""Sample images: something to try the app on before any file is at hand.

``SAMPLES`` is the table. Photos are read from installed packages that carry them, each with its licence: none
lies in this repository. Everything else is drawn by code (:mod:`maskrcnn_core.synthetic.sample_drawings`,
:mod:`maskrcnn_core.synthetic.microscopy`) from a fixed seed: the same versions of NumPy and Pillow give the
same pixels, on any machine and in any order of calls.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL

from maskrcnn_core.common.atomic_files import replace_file
from maskrcnn_core.errors import ImageError
from maskrcnn_core.images.reading import decode_image, encode_png
from maskrcnn_core.synthetic.canvas import Canvas
from maskrcnn_core.synthetic.microscopy import FLUORESCENCE, TISSUE, draw_fluorescence, draw_tissue
from maskrcnn_core.synthetic.sample_drawings import HEIGHT, WIDTH, draw_shapes, draw_street, draw_table

__all__ = ["SAMPLES", "PackagedPhoto", "Sample", "draw_sample", "pixels_for", "ready_samples", "sample_png"]


@dataclass(frozen=True)
class PackagedPhoto:
    """A photo that an installed package carries.

    Args:
        package: as it is imported; it is found, and not imported.
        path: within it, with ``/``.
    """

    package: str
    path: str

    @property
    def file(self) -> Path | None:
        """Where it lies; None where the package, or the photo in it, is absent."""
        folder = _folder_of(self.package)
        file = folder / self.path if folder is not None else None
        return file if file is not None and file.is_file() else None


@functools.cache
def _folder_of(package: str) -> Path | None:
    """Return a package's folder, cached: every drawing of a page asks, and a search walks ``sys.path``."""
    spec = find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


@dataclass(frozen=True)
class Sample:
    """A row of the table of samples.

    Args:
        key: what code and addresses call it.
        title: what people see, a few words.
        description: what is on it and where it comes from, one sentence.
        try_this: what to try with it, one sentence.
        domain: key of the domain whose models it fits (:mod:`maskrcnn_core.models.domains`).
        licence: of the picture, and whose it is; drawn ones are the project's own.
        source: what draws it, uint8 ``[480, 640, 3]``, or the photo.
        is_first: among those that are offered first.
    """

    key: str
    title: str
    description: str
    try_this: str
    domain: str
    licence: str
    source: Callable[[], npt.NDArray[np.uint8]] | PackagedPhoto
    is_first: bool = True


def ready_samples() -> list[Sample]:
    """Return the samples that are here, in the table's order: all, unless a package lacks its photos."""
    return [s for s in SAMPLES if not isinstance(s.source, PackagedPhoto) or s.source.file is not None]


def draw_sample(key: str) -> npt.NDArray[np.uint8]:
    """Return the sample's pixels, uint8 ``[H, W, 3]`` RGB; a new array each time.

    Raises:
        ImageError: if it is a photo whose package is absent.
        KeyError: for a key that is not in :data:`SAMPLES`.
    """
    source = _by_key(key).source
    if isinstance(source, PackagedPhoto):
        return decode_image(_photo(key, source), key).pixels.copy()
    return source()


def pixels_for(domains: Collection[str], count: int = 3) -> list[npt.NDArray[np.uint8]]:
    """Return the pixels of the first samples that fit some domains, or of the first of all where none does.

    Args:
        domains: keys of domains.
        count: how many at most.
    """
    ready = ready_samples()
    fitting = [sample for sample in ready if sample.domain in domains] or ready
    return [decode_image(sample_png(sample.key), sample.key).pixels for sample in fitting[:count]]


def _photo(key: str, photo: PackagedPhoto) -> bytes:
    if photo.file is None:
        raise ImageError(
            f"sample {key!r}: expected {photo.path} in the package {photo.package}; install it again"
        )
    return photo.file.read_bytes()


def sample_png(key: str) -> bytes:
    """Return the sample as a PNG file. A drawn one is drawn once on a computer and kept in the user's cache.

    Raises:
        ImageError: if it is a photo whose package is absent.
        KeyError: for a key that is not in :data:`SAMPLES`.
    """
    source = _by_key(key).source
    if isinstance(source, PackagedPhoto):
        return _photo(key, source)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    file = cache / "maskdesk" / "samples" / f"{key}-{_drawn_by()}.png"
    try:
        data = file.read_bytes()
        decode_image(data, file.name)
        return data
    except (OSError, ImageError):  # not there yet, or spoilt
        data = encode_png(source())
    with contextlib.suppress(OSError):  # where nothing can be kept it is drawn each time
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, data)
    return data


@functools.cache
def _drawn_by() -> str:
    """Return a digest of all that decides what samples look like: these modules' text, and the libraries."""
    digest = hashlib.sha256(f"{np.__version__} {PIL.__version__}".encode())
    for module in ("samples", "sample_drawings", "canvas", "microscopy"):
        digest.update(Path(__file__).with_name(f"{module}.py").read_bytes())
    return digest.hexdigest()[:16]


def _by_key(key: str) -> Sample:
    for sample in SAMPLES:
        if sample.key == key:
            return sample
    raise KeyError(f"sample {key!r}: expected one of {', '.join(s.key for s in SAMPLES)}")


_DRAWN = "drawn by MaskDesk"

SAMPLES: tuple[Sample, ...] = (
    Sample(
        "astronaut",
        "An astronaut",
        "Eileen Collins in front of a model of the shuttle, a portrait by NASA.",
        "Click the person: her row in the table is selected, and shows her segment.",
        "photos",
        "public domain (NASA), from scikit-image",
        PackagedPhoto("skimage", "data/astronaut.png"),
    ),
    Sample(
        "cat",
        "A cat",
        "Chelsea, the cat of Stéfan van der Walt.",
        "Move the score to the left and back: weaker guesses appear and disappear.",
        "photos",
        "CC0 (Stéfan van der Walt), from scikit-image",
        PackagedPhoto("skimage", "data/chelsea.png"),
    ),
    Sample(
        "admiral",
        "An admiral",
        "Grace Hopper in uniform, a portrait by the US Navy.",
        "Lower the mask threshold in the sidebar, and watch her outline grow.",
        "photos",
        "public domain (US Navy), from matplotlib",
        PackagedPhoto("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ),
    Sample(
        "fluorescence",
        "Nuclei, fluorescence",
        "Bright nuclei of many sizes on a dark field, some touching, as seen through a microscope.",
        "Export the table: the area of each nucleus in pixels.",
        "microscopy",
        _DRAWN,
        lambda: draw_fluorescence(Canvas(11, (HEIGHT, WIDTH)), FLUORESCENCE).pixels,
    ),
    Sample(
        "shapes",
        "Overlapping shapes",
        "Overlapping circles, squares and triangles on a cluttered, noisy background.",
        "Colour by category to see the instance segmentation become a semantic one.",
        "drawings",
        _DRAWN,
        draw_shapes,
    ),
    Sample(
        "histology",
        "Nuclei, stained tissue",
        "Purple nuclei on pink tissue, as in a section stained with haematoxylin and eosin.",
        "Lower NMS IoU: touching nuclei start to drop out.",
        "microscopy",
        _DRAWN,
        lambda: draw_tissue(Canvas(23, (HEIGHT, WIDTH)), TISSUE).pixels,
        is_first=False,
    ),
    Sample(
        "coffee",
        "A cup of coffee",
        "A cup and a spoon on a table, by Pikolo Espresso Bar and Rachel Michetti.",
        "Compare models in the menu: the small built-in one is wrong here.",
        "photos",
        "CC0 (Rachel Michetti), from scikit-image",
        PackagedPhoto("skimage", "data/coffee.png"),
        is_first=False,
    ),
    Sample(
        "table",
        "Things on a table",
        "A bottle, a vase, a clock, fruit and a ball: things that a COCO model knows, drawn and shaded.",
        "See which of them a photo model takes for real.",
        "photos",
        _DRAWN,
        draw_table,
        is_first=False,
    ),
    Sample(
        "street",
        "Street signs",
        "A stop sign and a traffic light in front of houses and trees, for a COCO model.",
        "Zoom in on the sign with the wheel, and hold B for the bare image.",
        "photos",
        _DRAWN,
        draw_street,
        is_first=False,
    ),
)
"""The sample images, in the menu's order."""
