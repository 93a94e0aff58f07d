"""A small, typed Mask R-CNN library that knows nothing of the screen.

Images come in through :mod:`maskrcnn_core.images`, a model from the table in
:mod:`maskrcnn_core.models` turns them into :class:`maskrcnn_core.detections.Detections`
(:mod:`maskrcnn_core.inference`), and those become instances with exact masks
(:mod:`maskrcnn_core.annotations`) that :mod:`maskrcnn_core.formats` writes to files.
"""

__version__ = "0.1.dev0"
