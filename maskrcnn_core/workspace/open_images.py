"""What a workspace says of its images."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Literal

from maskrcnn_core.common.summing import Summed
from maskrcnn_core.dataset.annotations import Instance

__all__ = ["ImageState", "OpenImage", "OpeningReport", "Shown", "data_url"]


@dataclass(frozen=True)
class OpenImage:
    """One image of a workspace.

    Args:
        digest: SHA-256 of the file's bytes: its identity.
        name: as it was first given.
        width, height: upright, in pixels.
        notes: what decoding did to it, for people.
        thumbnail: a small JPEG as ``data:`` URL.
        is_dim: it looks other when :meth:`Workspace.set_stretch` changes.
        view: what of a stack it is, as text (:class:`maskrcnn_core.microscopy.views.View`); else empty.
        pixel_um: width and height of a pixel in micrometres, where that is known.
    """

    digest: str
    name: str
    width: int
    height: int
    notes: tuple[str, ...]
    thumbnail: str
    is_dim: bool = False
    view: str = ""
    pixel_um: tuple[float, float] | None = None


@dataclass(frozen=True)
class ImageState:
    """Where an image stands.

    Args:
        kind: ``found`` and ``none`` say that its run is there, ``failed`` that there is none.
        text: the same for people, with number, place or reason.
        is_final: it failed, and would fail again however often it is asked.
        brief: the text in a word or two, for lists.
    """

    kind: Literal["not run", "waiting", "running", "found", "none", "failed", "cancelled"]
    text: str
    is_final: bool = False
    brief: str = ""

    def __post_init__(self) -> None:
        if not self.brief:
            object.__setattr__(self, "brief", "failed" if self.kind == "failed" else self.text)

    @property
    def is_active(self) -> bool:
        """Whether it will change by itself."""
        return self.kind in ("waiting", "running")

    @property
    def can_run_again(self) -> bool:
        """Whether it has no run, and may get one when it is started again."""
        return self.kind in ("failed", "cancelled") and not self.is_final


@dataclass(frozen=True)
class OpeningReport(Summed):
    """What became of files that were to be opened in a workspace.

    Args:
        added: digests of new images, in their order.
        known: names of files whose content was there already.
        refused: one sentence for each file that cannot be used.
    """

    added: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """What a viewer with a score slider of its own is given for one image.

    Args:
        instances: by descending score, also those below the present score threshold.
        count: how many of them, from the first on, the present thresholds keep.
    """

    instances: tuple[Instance, ...]
    count: int

    @property
    def kept(self) -> tuple[Instance, ...]:
        """Those that the present thresholds keep."""
        return self.instances[: self.count]


def data_url(data: bytes, mime: str) -> str:
    """Return bytes as a ``data:`` URL (RFC 2397)."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
