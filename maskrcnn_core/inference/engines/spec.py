"""What an engine is: a row of the table, and what it was made into for one model.

An engine runs the parts of a Mask R-CNN that take the time: backbone with its pyramid, the head of the
proposal network, the box head and the mask head. Anchors, suppression, sampling and pasting stay the
network's own, so that engines differ in rounding and in nothing that is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskrcnn_core.common.arrays import Pixels
from maskrcnn_core.common.extras import missing_extra
from maskrcnn_core.inference.engines.equality import Bound, Equality

if TYPE_CHECKING:
    from torchvision.models.detection import MaskRCNN

    from maskrcnn_core.models.spec import LoadedModel

__all__ = ["Engine", "EngineSpec", "OnStep"]

OnStep = Callable[[str], object]
"""Told in a few words what is made next, for those who wait."""


@dataclass(frozen=True)
class EngineSpec:
    """One row of the table of engines.

    Args:
        key: on command lines and in exports.
        title: as menus show it.
        how: one sentence on how the dense parts are run.
        speed: one clause on what was measured, or that nothing was.
        devices: types of devices that it runs on: cpu, cuda, mps.
        bound: what has to hold on the images that it is compared on; ``None`` for the exact one.
        build: makes a network of the same laws, given the model, images like those to come, the device's
            name and whom to tell.
        version: of what its result depends on besides the model.
        extra: of the distribution ``maskdesk``, without which it cannot run; empty for none.
        worth_from: images from which a job is worth its making; ``None`` keeps it from being chosen unasked.
        buckets: images of other sizes go through it together where their padded inputs have the same size.
    """

    key: str
    title: str
    how: str
    speed: str
    devices: tuple[str, ...]
    bound: Bound | None
    build: Callable[[LoadedModel, Sequence[Pixels], str, OnStep], MaskRCNN]
    version: Callable[[], str]
    extra: str = ""
    worth_from: int | None = None
    buckets: bool = False

    def lack(self, device_type: str) -> str:
        """Return why it cannot run here at all, in a sentence; empty if it can."""
        if device_type not in self.devices:
            return f"engine {self.key} runs on {' or '.join(self.devices)}, and the device is {device_type}"
        return missing_extra(self.extra, f"engine {self.key}") if self.extra else ""


@dataclass(frozen=True, eq=False)
class Engine:
    """An engine as it was made for one model on one device.

    Args:
        spec: its row.
        network: what runs instead of the model's own network; ``None`` for the exact one.
        equality: how it compares with the exact one; ``None`` where it is the exact one.
        notes: sentences on what was asked for and is not used, and why.
    """

    spec: EngineSpec
    network: MaskRCNN | None = None
    equality: Equality | None = None
    notes: tuple[str, ...] = ()

    @property
    def description(self) -> str:
        """What an export says of it; empty for the exact one."""
        return "" if self.equality is None else f"engine {self.spec.key} ({self.equality.text})"

    @property
    def told(self) -> str:
        """What is said where its job is shown: which one runs, what was measured, and what is not used."""
        return "; ".join((self.description or f"engine {self.spec.key}", *self.notes))
