"""The table of judges: which reader is held against which format, and what was measured of it."""

from __future__ import annotations

from functools import partial

from tests.interop.judging import Judge
from tests.interop.readers import coco, labelling, outlines, pictures, tables, yolo

__all__ = ["JUDGES", "NOT_ASKED"]

_FILLS = "fills every pixel that an outline touches: one pixel becomes four"
_FILLS_CUTS = f"{_FILLS}; so it draws the cuts between parts"
_NO_SCORES = "scores"
_CUTS_OFF = "rounds to six digits and cuts off decimals: some outlines move by a pixel"

_FIFTYONE = partial(
    Judge,
    reader="fiftyone",
    package="fiftyone",
    read=coco.fiftyone,
    least=0.0,
    has_scores=True,
    loses="keeps an object of one pixel and draws nothing of it, as it cuts off the decimals of its box",
)
_SUPERVISION = partial(Judge, reader="supervision", package="supervision")
_KWCOCO = partial(Judge, reader="kwcoco", package="kwcoco", read=coco.kwcoco, has_scores=True)
_SAHI = partial(Judge, reader="sahi", package="sahi", read=coco.sahi)
_TO_TASKS = partial(Judge, reader="label-studio-sdk", package="label-studio-sdk", read=coco.label_studio)
_ULTRALYTICS = partial(Judge, reader="ultralytics", package="ultralytics")


def _exact_of_coco(key: str) -> tuple[Judge, ...]:
    """Return the judges that see every pixel in each of COCO's profiles."""
    return (
        Judge(key, "pycocotools", "pycocotools", coco.pycocotools, has_scores=True),
        Judge(key, "faster-coco-eval", "faster-coco-eval", coco.faster_coco_eval, has_scores=True),
        Judge(key, "torchvision", "torchvision", coco.torchvision, loses=_NO_SCORES),
        Judge(key, "datumaro", "datumaro", coco.datumaro, has_scores=True),
        _FIFTYONE(key),
    )


def _of_coco_polygons(key: str) -> tuple[Judge, ...]:
    """Return the judges of the profiles that write polygons."""
    return (
        *_exact_of_coco(key),
        Judge(key, "transformers, DETR", "transformers", coco.transformers, loses=_NO_SCORES),
        _SUPERVISION(
            key, read=coco.supervision, least=0.25, least_large=0.848, loses=f"{_FILLS}; {_NO_SCORES}"
        ),
        _KWCOCO(key, least=0.25, least_large=0.848, loses=_FILLS),
        _SAHI(
            key,
            least=0.25,
            least_large=0.77,
            loses=f"{_FILLS}; fills holes; {_NO_SCORES}",
        ),
        _TO_TASKS(key, sees="parts", loses=f"parts become objects of their own; {_NO_SCORES}"),
        _ULTRALYTICS(
            key,
            read=coco.ultralytics,
            least=0.166,
            least_large=0.839,
            loses=f"{_FILLS}; {_CUTS_OFF}; joins parts by a line; {_NO_SCORES}",
        ),
    )


JUDGES: tuple[Judge, ...] = (
    *_of_coco_polygons("coco"),
    *_of_coco_polygons("coco-polygons"),
    *_exact_of_coco("coco-rle"),
    Judge(
        "coco-rle",
        "transformers, DETR",
        "transformers",
        coco.transformers,
        fails="ValueError",
        loses="takes polygons only: compressed run lengths are an error",
    ),
    _SUPERVISION("coco-rle", read=coco.supervision, loses=_NO_SCORES),
    _KWCOCO("coco-rle"),
    _SAHI(
        "coco-rle",
        least=0.0,
        least_large=0.0,
        loses=f"takes polygons only: of run lengths it keeps the box, without a mask; {_NO_SCORES}",
    ),
    _TO_TASKS("coco-rle", fails="TypeError", loses="takes polygons only: run lengths are an error"),
    _ULTRALYTICS(
        "coco-rle",
        read=coco.ultralytics,
        least=0.166,
        least_large=0.8,
        loses=f"{_FILLS}; {_CUTS_OFF}; fills holes; joins parts by a line; {_NO_SCORES}",
    ),
    Judge(
        "results",
        "pycocotools",
        "pycocotools",
        coco.results_with("pycocotools.coco"),
        has_scores=True,
    ),
    Judge(
        "results",
        "faster-coco-eval",
        "faster-coco-eval",
        coco.results_with("faster_coco_eval"),
        has_scores=True,
    ),
    Judge(
        "panoptic",
        "transformers, DETR",
        "transformers",
        coco.panoptic_detr,
        sees="visible",
        loses=_NO_SCORES,
    ),
    Judge(
        "panoptic",
        "transformers, Mask2Former",
        "transformers",
        coco.panoptic_mask2former,
        sees="visible",
        loses=_NO_SCORES,
    ),
    Judge("panoptic", "datumaro", "datumaro", coco.panoptic_datumaro, sees="visible", loses=_NO_SCORES),
    Judge("lvis", "lvis", "lvis", coco.lvis, has_scores=True),
    Judge("lvis", "Detectron2's rules, lvis", "lvis", coco.lvis_detectron2, has_scores=True),
    _ULTRALYTICS(
        "lvis",
        read=coco.lvis_ultralytics,
        least=0.166,
        least_large=0.839,
        loses=f"{_FILLS}; {_CUTS_OFF}; joins parts by a line; {_NO_SCORES}",
    ),
    _ULTRALYTICS("yolo", read=yolo.ultralytics, least=0.25, least_large=0.816, loses=_FILLS_CUTS),
    _SUPERVISION("yolo", read=yolo.supervision, least=0.25, least_large=0.816, loses=_FILLS_CUTS),
    Judge(
        "yolo",
        "datumaro",
        "datumaro",
        yolo.datumaro,
        least=0.0,
        least_large=0.0,
        misses=7,
        loses="takes boxes only: it leaves out images with segments",
    ),
    Judge("voc", "datumaro", "datumaro", pictures.voc_datumaro, sees="visible"),
    Judge(
        "voc",
        "torchvision",
        "torchvision",
        pictures.voc_torchvision,
        sees="categories",
        loses="reads no single objects, and no images but JPEG",
    ),
    Judge(
        "labelme",
        "labelme",
        "labelme",
        labelling.labelme,
        least=0.25,
        least_large=0.848,
        has_scores=True,
        loses=_FILLS,
    ),
    _SUPERVISION(
        "labelme",
        read=labelling.labelme_supervision,
        least=0.25,
        least_large=0.848,
        loses=f"{_FILLS}; {_NO_SCORES}",
    ),
    Judge("cvat", "datumaro", "datumaro", labelling.cvat),
    Judge(
        "label-studio",
        "label-studio-sdk",
        "label-studio-sdk",
        labelling.label_studio,
        has_scores=True,
    ),
    Judge(
        "supervisely",
        "Supervisely's rules, cv2",
        "opencv-python-headless",
        labelling.supervisely,
        has_scores=True,
    ),
    Judge(
        "via",
        "Matterport's rules, scikit-image",
        "scikit-image",
        labelling.via_matterport,
        sees="parts",
        least=0.25,
        least_large=0.825,
        has_scores=True,
        loses=f"{_FILLS}; parts become objects of their own",
    ),
    Judge("open-images", "datumaro", "datumaro", pictures.open_images, loses=_NO_SCORES),
    Judge("hugging-face", "datasets", "datasets", tables.hugging_face, has_scores=True),
    Judge("parquet", "pyarrow", "pyarrow", tables.parquet_pyarrow, has_scores=True),
    Judge("parquet", "pandas", "pandas", tables.parquet_pandas, has_scores=True),
    Judge("parquet", "datasets", "datasets", tables.parquet_datasets, has_scores=True),
    Judge("geojson", "geopandas", "geopandas", outlines.geojson_geopandas, has_scores=True),
    Judge("geojson", "shapely", "shapely", outlines.geojson_shapely, has_scores=True),
    Judge("imagej", "roifile", "roifile", outlines.imagej, has_scores=True),
    Judge("label-tiff", "tifffile", "tifffile", pictures.tiff_tifffile, sees="visible", has_names=False),
    Judge(
        "label-tiff",
        "scikit-image",
        "scikit-image",
        pictures.tiff_skimage,
        sees="visible",
        has_names=False,
    ),
    Judge(
        "label-tiff",
        "cv2",
        "opencv-python-headless",
        pictures.tiff_cv2,
        sees="visible",
        has_names=False,
    ),
    Judge(
        "label-maps",
        "scikit-image",
        "scikit-image",
        pictures.maps_skimage,
        sees="visible",
        has_names=False,
    ),
    Judge(
        "label-maps",
        "cv2",
        "opencv-python-headless",
        pictures.maps_cv2,
        sees="visible",
        has_names=False,
    ),
    Judge("masks", "numpy", "numpy", tables.numpy, has_scores=True),
)

NOT_ASKED: tuple[tuple[str, str], ...] = (
    ("Detectron2", "no releases on the index; its rule for where LVIS's images lie is followed"),
    ("MMDetection", "its operators (mmcv) are compiled while they are installed"),
    ("FiftyOne's data sets", "need a database server that is fetched while it is installed"),
    ("Labelme's window", "its file reader and its drawing of shapes are asked instead"),
    ("Matterport's Mask R-CNN", "needs TensorFlow 1; its few lines that read VIA are followed"),
    ("panopticapi", "no releases on the index; transformers reads the same pictures by the same rule"),
    ("Supervisely's SDK", "asks for other releases of half of MaskDesk's needs; its rules are followed"),
    ("CVAT, Label Studio, QuPath, Fiji, VIA themselves", "programs with a screen or a server"),
)
"""Readers that one would look for in the table, and why they are not in it."""
