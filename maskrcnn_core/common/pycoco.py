"""``pycocotools`` without its chatter: it prints each of its steps.

``print`` is replaced inside its two modules. Redirecting ``sys.stdout`` would be the whole process's, and
two threads that do so at once can leave it closed.
"""

from __future__ import annotations

from pycocotools import coco as _coco
from pycocotools import cocoeval as _cocoeval
from pycocotools import mask as coco_mask
from pycocotools._mask import frPoly
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

__all__ = ["COCO", "COCOeval", "coco_mask", "frPoly"]


def _say_nothing(*_: object, **__: object) -> None:
    """Print nothing, in place of ``print``."""


for _module in (_coco, _cocoeval):
    vars(_module)["print"] = _say_nothing
