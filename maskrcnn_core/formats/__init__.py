"""The table of formats: what menus, the command line, the README and the tests read.

A format is a module with one row. To add one, write how it is written, how it is recognised by its content
and how it is read, say in the row what comes back of an instance, and list the row here.
"""

from __future__ import annotations

from maskrcnn_core.formats.arrays import MASK_ARRAYS
from maskrcnn_core.formats.base import Export, Format, Member, StreamedImages, write_folder, write_zip
from maskrcnn_core.formats.coco import COCO, COCO_POLYGONS, COCO_RUN_LENGTHS, RESULTS
from maskrcnn_core.formats.cvat import CVAT
from maskrcnn_core.formats.geojson import GEOJSON
from maskrcnn_core.formats.hugging_face import HUGGING_FACE
from maskrcnn_core.formats.imagej import IMAGEJ
from maskrcnn_core.formats.label_maps import LABEL_MAPS, LABEL_TIFF
from maskrcnn_core.formats.label_studio import LABEL_STUDIO
from maskrcnn_core.formats.labelme import LABELME
from maskrcnn_core.formats.lvis import LVIS
from maskrcnn_core.formats.measurements import MEASUREMENT_PLOT, MEASUREMENTS
from maskrcnn_core.formats.open_images import OPEN_IMAGES
from maskrcnn_core.formats.panoptic import PANOPTIC
from maskrcnn_core.formats.parquet import PARQUET
from maskrcnn_core.formats.pictures import OVERLAY, SEGMENTS, SPLASH
from maskrcnn_core.formats.supervisely import SUPERVISELY
from maskrcnn_core.formats.table import TABLE
from maskrcnn_core.formats.via import VIA
from maskrcnn_core.formats.voc import VOC
from maskrcnn_core.formats.yolo import YOLO

__all__ = [
    "FORMATS",
    "Export",
    "Format",
    "Member",
    "StreamedImages",
    "format_by_key",
    "write_folder",
    "write_zip",
]

FORMATS: tuple[Format, ...] = (
    COCO,
    COCO_POLYGONS,
    COCO_RUN_LENGTHS,
    RESULTS,
    PANOPTIC,
    LVIS,
    YOLO,
    VOC,
    LABELME,
    CVAT,
    LABEL_STUDIO,
    SUPERVISELY,
    VIA,
    OPEN_IMAGES,
    HUGGING_FACE,
    PARQUET,
    GEOJSON,
    IMAGEJ,
    LABEL_TIFF,
    LABEL_MAPS,
    MASK_ARRAYS,
    SEGMENTS,
    OVERLAY,
    SPLASH,
    TABLE,
    MEASUREMENTS,
    MEASUREMENT_PLOT,
)


def format_by_key(key: str) -> Format:
    """Return the row of that key.

    Raises:
        KeyError: if there is none.
    """
    for row in FORMATS:
        if row.key == key:
            return row
    raise KeyError(key)
